#!/usr/bin/python
# Copyright (c) 2026 The iscsictl developers
# SPDX-License-Identifier: MIT
"""Attach or detach a host's iSCSI volumes, all of them in one run of iscsictl."""

DOCUMENTATION = r"""
---
module: volumes
short_description: Attach or detach iSCSI volumes
version_added: 0.1.0
description:
  - Runs C(iscsictl apply) once for all volumes of a host. A volume is a LUN with a session, a
    filesystem and a mount that survive a reboot.
  - A disk that is not blank is never overwritten. There is no option to wipe one.
  - If a volume fails, only that one is rolled back, and the task fails after the others are done.
author:
  - The iscsictl developers (@iscsictl)
options:
  volumes:
    description:
      - The volumes. The keys mean the same as those of a file of volumes, see C(docs/volumes.md)
        of iscsictl.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the volume in results. Unique in the list.
        type: str
        required: true
      portals:
        description: The array's portals, C(ADDRESS[:PORT[,TPGT]]), tried in this order.
        type: list
        elements: str
      target:
        description: The target's name.
        type: str
        required: true
      lun:
        description: The LUN. By default the only one of the target.
        type: int
      iface:
        description:
          - The interface of open-iscsi to log in through. Several make paths of one multipath map.
        type: list
        elements: str
      multipath:
        description:
          - Whether to use all paths through a multipath map. The default of iscsictl is V(auto).
        type: str
        choices: [auto, require, 'off']
      chap:
        description: The account of this host.
        type: dict
        suboptions:
          user:
            description: The name of the account.
            type: str
            required: true
          secret_file:
            description:
              - Absolute path of a file on the host that holds the secret.
              - Without it, the secret that the node record has is kept.
            type: path
      mutual:
        description: The array's account.
        type: dict
        suboptions:
          user:
            description: The name of the account.
            type: str
            required: true
          secret_file:
            description: Absolute path of a file on the host that holds the secret.
            type: path
      table:
        description: The partition table to create on a blank disk.
        type: str
        choices: [gpt, dos, none]
      fs:
        description: The filesystem to create on a blank disk.
        type: str
        choices: [ext4, ext3, ext2, xfs, btrfs, vfat]
      fs_label:
        description: The label of the filesystem.
        type: str
      mount:
        description: Where to mount it, now and at boot.
        type: path
      options:
        description: Mount options.
        type: list
        elements: str
      owner:
        description: Owner of the mounted directory, C(USER:GROUP).
        type: str
      mode:
        description:
          - Mode of the mounted directory, in quotes, such as C("0750"). A number is refused,
            because YAML reads C(0750) as 488.
        type: raw
      required_by:
        description: Units that start only when it is mounted.
        type: list
        elements: str
      wwid:
        description: The disk must have this WWID.
        type: str
      set:
        description:
          - Settings of the node record. C(yes) and C(no) are passed on as V(Yes) and V(No).
        type: dict
      boot:
        description: Whether to log in and mount at boot.
        type: bool
      adopt:
        description: Whether to mount a filesystem that is on the disk already.
        type: bool
      adopt_unverified:
        description:
          - The same for btrfs and others that do not tell whether another host has them mounted.
        type: bool
      over_nonempty:
        description: Whether to mount over a directory that is not empty.
        type: bool
      verify_blank:
        description: How to prove that a disk is blank.
        type: str
        choices: [quick, full]
      discard:
        description: Whether mkfs discards all blocks of the disk first.
        type: bool
      exclusive:
        description: Whether to prevent other hosts from writing to the LUN until it is detached.
        type: bool
  state:
    description:
      - V(present) attaches the volumes, V(absent) unmounts and logs out those that are attached.
      - V(absent) needs only O(volumes[].name), O(volumes[].target) and, where the target has
        several LUNs, O(volumes[].lun). Without that, all LUNs of the target are detached.
      - Neither destroys data.
    type: str
    choices: [present, absent]
    default: present
  forget:
    description: Whether V(absent) deletes the node records too.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: The steps that a run would take. Those after a login are a forecast.
  diff_mode:
    support: full
    description: A line for each step.
"""

EXAMPLES = r"""
- name: Attach two volumes
  iscsictl.iscsictl.volumes:
    volumes:
      - name: mail
        portals: [192.0.2.5, 198.51.100.5]
        target: iqn.2001-04.com.example:mail
        chap:
          user: myaccount
          secret_file: /etc/iscsictl/myaccount.secret
        fs: ext4
        mount: /srv/mail
      - name: data
        portals: [192.0.2.5]
        target: iqn.2001-04.com.example:data
        fs: xfs
        mount: /srv/data
        required_by: [postgresql.service]

- name: Detach a volume
  iscsictl.iscsictl.volumes:
    state: absent
    volumes:
      - name: data
        target: iqn.2001-04.com.example:data
"""

RETURN = r"""
volumes:
  description: How each volume stands.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the volume.
      type: str
    status:
      description: C(planned), C(done), C(unchanged) or C(failed).
      type: str
    wwid:
      description: The WWID of its disk, if it is known.
      type: str
    device:
      description: A path of its device that stays the same.
      type: str
steps:
  description: The steps that changed something or, in check mode, would.
  returned: always
  type: list
  elements: dict
exit_code:
  description: The exit code of iscsictl.
  returned: failure
  type: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.iscsictl.iscsictl.plugins.module_utils.iscsictl import (
    DONE,
    NOT_FOUND,
    PENDING,
    call,
    changed_steps,
    difference,
    error_text,
    setting_text,
    volumes_file,
)

ACCOUNT = {
    "type": "dict",
    "options": {
        "user": {"type": "str", "required": True},
        # The path of a file, not a secret.
        "secret_file": {"type": "path", "no_log": False},
    },
}
VOLUME = {
    "name": {"type": "str", "required": True},
    "portals": {"type": "list", "elements": "str"},
    "target": {"type": "str", "required": True},
    "lun": {"type": "int"},
    "iface": {"type": "list", "elements": "str"},
    "multipath": {"type": "str", "choices": ["auto", "require", "off"]},
    "chap": ACCOUNT,
    "mutual": ACCOUNT,
    "table": {"type": "str", "choices": ["gpt", "dos", "none"]},
    "fs": {"type": "str", "choices": ["ext4", "ext3", "ext2", "xfs", "btrfs", "vfat"]},
    "fs_label": {"type": "str"},
    "mount": {"type": "path"},
    "options": {"type": "list", "elements": "str"},
    "owner": {"type": "str"},
    "mode": {"type": "raw"},
    "required_by": {"type": "list", "elements": "str"},
    "wwid": {"type": "str"},
    "set": {"type": "dict"},
    "boot": {"type": "bool"},
    "adopt": {"type": "bool"},
    "adopt_unverified": {"type": "bool"},
    "over_nonempty": {"type": "bool"},
    "verify_blank": {"type": "str", "choices": ["quick", "full"]},
    "discard": {"type": "bool"},
    "exclusive": {"type": "bool"},
}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "volumes": {
                "type": "list", "elements": "dict", "required": True, "options": VOLUME,
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "forget": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )  # fmt: skip
    if module.params["state"] == "present":
        attach(module)
    else:
        detach(module)


def attach(module):
    """Have all volumes as they are described."""
    volumes = []
    for given in module.params["volumes"]:
        volume = {key.replace("_", "-"): value for key, value in given.items()}
        volume["chap"] = account_keys(module, volume["chap"])
        # An array's account goes only with one of this host.
        volume["mutual"] = volume["chap"] and account_keys(module, volume["mutual"])
        if volume["set"] is not None:
            volume["set"] = {key: setting_text(value) for key, value in volume["set"].items()}
        if volume["mode"] is not None and not isinstance(volume["mode"], str):
            module.fail_json(
                msg=f'{volume["name"]}: mode: write it in quotes, such as "0750", '
                "because YAML reads 0750 as 488"
            )
        volumes.append(volume)
    dry_run = ["--dry-run"] if module.check_mode else []
    code, document = call(module, "plan", "apply", "-", *dry_run, stdin=volumes_file(volumes))
    finish(module, code, [document], document.get("volumes", []))


def account_keys(module, account):
    """Return an account as the file of volumes has it, None for none.

    In check mode its secret may not be written yet. A dry run does not log in and can do without.
    """
    if account is None:
        return None
    file = account["secret_file"]
    if module.check_mode and file is not None and not Path(file).exists():
        module.warn(f"{file} does not exist yet")
        return None
    return {"user": account["user"], "secret-file": file}


def detach(module):
    """Unmount the volumes, log out, and keep them from coming back."""
    code, documents, rows = DONE, [], []
    for volume in module.params["volumes"]:
        words = ["detach", volume["target"]]
        if volume["lun"] is not None:
            words += ["--lun", str(volume["lun"])]
        if module.params["forget"]:
            words.append("--forget")
        if module.check_mode:
            words.append("--dry-run")
        ended, document = call(module, "plan", *words)
        row = {"name": volume["name"], "wwid": None, "device": None}
        if ended == NOT_FOUND:
            rows.append({**row, "status": "unchanged"})
            continue
        for step in document.get("steps", []):
            step["volume"] = volume["name"]
        for refusal in document.get("refusals", []):
            refusal["volume"] = volume["name"]
        documents.append(document)
        if ended in (DONE, PENDING):
            changed = "planned" if module.check_mode else "done"
            rows.append({**row, "status": changed if changed_steps(document) else "unchanged"})
        else:
            rows.append({**row, "status": "failed"})
            code = ended
    finish(module, code, documents, rows)


def finish(module, code, documents, volumes):
    """End the module with what came of it."""
    keys = ("name", "status", "wwid", "device")
    steps = [step for document in documents for step in changed_steps(document)]
    result = {
        "changed": bool(steps),
        "steps": steps,
        "volumes": [{key: volume[key] for key in keys} for volume in volumes],
        "diff": difference(documents),
    }
    if code in (DONE, PENDING):
        module.exit_json(**result)
    text = "\n".join(filter(None, map(error_text, documents)))
    module.fail_json(msg=text or f"iscsictl ended with exit code {code}", exit_code=code, **result)


if __name__ == "__main__":
    main()
