#!/usr/bin/python
# Copyright (c) 2026 The iscsictl developers
# SPDX-License-Identifier: MIT
"""Give a host its iSCSI initiator name."""

DOCUMENTATION = r"""
---
module: initiator
short_description: Set the iSCSI initiator name of a host
version_added: 0.1.0
description:
  - The name by which arrays know this host, in C(/etc/iscsi/initiatorname.iscsi).
  - Refused while a session is up.
author:
  - The iscsictl developers (@iscsictl)
options:
  name:
    description:
      - The name. C(iqn.YYYY-MM.reversed.domain:text), C(eui.HEX) or C(naa.HEX).
      - Without it, a unique name is made if the host has none that an array accepts, and any
        other name stays.
    type: str
attributes:
  check_mode:
    support: full
    description: Tells whether the name would change.
  diff_mode:
    support: full
    description: The name before and after.
"""

EXAMPLES = r"""
- name: Have a name that no other host has
  iscsictl.iscsictl.initiator:
  register: initiator

- name: Have a name made of the host's own
  iscsictl.iscsictl.initiator:
    name: "iqn.2001-04.com.example:{{ inventory_hostname }}"
"""

RETURN = r"""
name:
  description: The name of this host. Null in check mode if one would be made.
  returned: success
  type: str
exit_code:
  description: The exit code of iscsictl.
  returned: failure
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.iscsictl.iscsictl.plugins.module_utils.iscsictl import (
    DONE,
    NOT_FOUND,
    PENDING,
    call,
    changed_steps,
    error_text,
)


def current_name(module):
    """Return the name of this host now, None if it has none."""
    code, document = call(module, "initiator", "initiator", "show")
    if code not in (DONE, NOT_FOUND):
        module.fail_json(msg=error_text(document), exit_code=code)
    return document.get("name")


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec={"name": {"type": "str"}}, supports_check_mode=True)
    wanted = module.params["name"]
    before = current_name(module)
    words = ["initiator", "set", wanted] if wanted else ["initiator", "generate"]
    code, document = call(module, "plan", *words, *(["--dry-run"] if module.check_mode else []))
    if code not in (DONE, PENDING):
        module.fail_json(msg=error_text(document), exit_code=code)
    changed = bool(changed_steps(document))
    after = current_name(module)
    if module.check_mode and changed:
        after = wanted
    shown = after or "a new name"
    difference = {"before": f"{before or ''}\n", "after": f"{shown}\n"}
    module.exit_json(changed=changed, name=after, diff=difference)


if __name__ == "__main__":
    main()
