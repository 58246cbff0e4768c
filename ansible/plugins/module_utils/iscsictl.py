# Copyright (c) 2026 The iscsictl developers
# SPDX-License-Identifier: MIT
"""What the modules share: running iscsictl, and writing a file of volumes."""

from __future__ import annotations

import json
import re

DONE = 0
PARTIAL = 4
NOT_FOUND = 3
PENDING = 10
#: The document of a command that fails before it has one of its own.
ERROR = "iscsictl.error/1"
#: The action that finds the disk of a new session. A disk often appears by itself before that,
#: which a check cannot know.
SCAN = "scan"
#: Statuses of plan/1 that mean a change, made or to come.
CHANGES = ("done", "planned", "forecast")


def call(module, schema, *words, stdin=None):
    """Run iscsictl with JSON output; return its exit code and the document.

    The document is of the named kind, C(iscsictl.SCHEMA/1), or an error and the exit code not 0.
    Ends the module if iscsictl is missing or prints anything else. In check mode it may be missing
    because the task that installs it changed nothing either.
    """
    program = module.get_bin_path("iscsictl", opt_dirs=["/usr/local/bin"])
    if program is None and module.check_mode:
        module.warn("iscsictl is not installed yet, so its steps cannot be shown")
        module.exit_json(changed=True)
    if program is None:
        module.fail_json(
            msg="iscsictl is not installed here; the role iscsictl.iscsictl.host installs it"
        )
    code, out, err = module.run_command([program, *words, "-J"], data=stdin)
    try:
        document = json.loads(out)
    except ValueError:
        module.fail_json(msg=err.strip() or f"iscsictl ended with exit code {code}", exit_code=code)
    found = document.get("schema") if isinstance(document, dict) else None
    if found != f"iscsictl.{schema}/1" and (found != ERROR or code == DONE):
        # Of another version, or of another program of that name, nothing is known.
        module.fail_json(
            msg=f"{program} printed no document iscsictl.{schema}/1 but {found or out[:80]!r}: "
            "the collection and iscsictl are to be of one version",
            exit_code=code,
        )
    return code, document


def error_text(document):
    """Return the errors of a document and their hints, a line each."""
    rows = [document["error"]] if "error" in document else document.get("refusals", [])
    lines = []
    for row in rows:
        volume = f"{row['volume']}: " if row.get("volume") else ""
        lines.append(f"{volume}{row['text']}")
        if row.get("hint"):
            lines.append(f"hint: {row['hint']}")
    return "\n".join(lines)


def changed_steps(document):
    """Return the steps of a plan/1 document that change something, or would."""
    return [step for step in document.get("steps", []) if step["status"] in CHANGES]


def difference(documents):
    """Return what --diff shows: a line for each step that changes something, or would.

    The lines of a check and those of the run after it are the same, so scans are left out.
    """
    lines = []
    for document in documents:
        for step in changed_steps(document):
            if step["action"] == SCAN:
                continue
            volume = f"{step['volume']}: " if "volume" in step else ""
            lines.append(f"{volume}{step['action']} {step['subject']}\n")
    return {"before": "", "after": "".join(lines)}


def volumes_file(volumes):
    """Return volumes, dictionaries with the keys of the file, as TOML; None is left out."""
    parts = []
    for volume in volumes:
        keys = (f"{key} = {_value(value)}\n" for key, value in volume.items() if value is not None)
        parts.append("[[volume]]\n" + "".join(keys))
    return "\n".join(parts)


def setting_text(value):
    """Return the value of a setting as open-iscsi writes it: YAML reads numbers and booleans."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_text(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(one) for one in value)}]"
    return _text(value)


def _text(text):
    """Return a basic string: JSON's escapes are TOML's too, and DEL needs one in TOML alone."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub("\x7f", r"\\u007f", quoted)
