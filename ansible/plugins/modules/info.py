#!/usr/bin/python
# Copyright (c) 2026 The iscsictl developers
# SPDX-License-Identifier: MIT
"""Report a host's iSCSI sessions, disks and health as facts."""

DOCUMENTATION = r"""
---
module: info
short_description: Report iSCSI sessions, disks and health as facts
version_added: 0.1.0
description:
  - The output of C(iscsictl ls) and C(iscsictl doctor) as the fact C(iscsictl). Nothing is changed.
author:
  - The iscsictl developers (@iscsictl)
options:
  doctor:
    description: Whether to run the checks of C(iscsictl doctor) too, which takes a second or more.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Nothing is changed, in check mode or without.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Look at the host
  iscsictl.iscsictl.info:

- name: Stop if a check failed
  ansible.builtin.assert:
    that: ansible_facts.iscsictl.doctor.level != 'fail'
    fail_msg: "{{ ansible_facts.iscsictl.doctor.findings
      | selectattr('level', 'equalto', 'fail') | list }}"
"""

RETURN = r"""
ansible_facts:
  description: The facts, as one.
  returned: success
  type: dict
  contains:
    iscsictl:
      description: What iscsictl reports.
      type: dict
      contains:
        ls:
          description: The document C(iscsictl.ls/1), with C(sessions) and C(disks).
          type: dict
        doctor:
          description:
            - The document C(iscsictl.doctor/1), with C(level) and C(findings).
            - Null if it was not asked for.
          type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.iscsictl.iscsictl.plugins.module_utils.iscsictl import (
    DONE,
    call,
    error_text,
)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"doctor": {"type": "bool", "default": True}}, supports_check_mode=True
    )
    code, listing = call(module, "ls", "ls")
    if code != DONE:
        module.fail_json(msg=error_text(listing), exit_code=code)
    health = None
    if module.params["doctor"]:
        # The doctor exits 1 if a check failed, which is a fact and no failure.
        code, health = call(module, "doctor", "doctor")
        if "findings" not in health:
            module.fail_json(msg=error_text(health), exit_code=code)
    facts = {"iscsictl": {"ls": listing, "doctor": health}}
    module.exit_json(changed=False, ansible_facts=facts)


if __name__ == "__main__":
    main()
