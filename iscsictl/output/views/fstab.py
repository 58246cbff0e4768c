"""The lines of fstab, and the findings about them."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.output.table import Column, Value, print_table, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls
from iscsictl.planner.safety.fstab_rules import Finding

SCHEMA = "iscsictl.fstab/1"
LINES = (
    Column("LINE", numeric=True, rank=3),
    Column("BY", rank=1),
    Column("DEVICE", shrink=True),
    Column("DIRECTORY", shrink=True),
    Column("TYPE", rank=2),
    Column("STATE", rank=1),
    Column("OPTIONS", rank=4),
)
FINDINGS = (
    Column("SEVERITY"), Column("ID"), Column("LINE", numeric=True), Column("SUBJECT"),
    Column("WHAT", key="text"), Column("FIX"), Column("FILE"),
)  # fmt: skip


def _state_of_line(line: FstabLine, mounted: Collection[str]) -> str:
    if not line.is_entry:
        return "unreadable"
    if line.is_claim:
        return "being made"
    if line.mount_point in mounted:
        return "mounted"
    return "at boot" if line.at_boot else "not at boot"


def _json_text(text: str | None) -> str | None:
    """Return text for JSON: bytes that are not UTF-8 are escaped."""
    return None if text is None else text.encode("utf-8", "surrogateescape").decode(
        "utf-8", "backslashreplace"
    )  # fmt: skip


def line_row(line: FstabLine, mounted: Collection[str]) -> dict[str, Any]:
    """Return one line as in the JSON.

    `mounted` are all current mount points. Bytes that are not UTF-8 are escaped.
    """
    return {
        "line": line.number,
        "ours": line.is_ours,
        "device": _json_text(line.spec),
        "directory": _json_text(line.file),
        "type": _json_text(line.fstype),
        "options": [_json_text(option) for option in line.options],
        "state": _state_of_line(line, mounted),
        "problem": line.problem,
    }


def _lines_to_show(fstab: Fstab) -> list[FstabLine]:
    return [line for line in fstab.lines if line.is_entry or line.problem is not None]


def print_fstab(fstab: Fstab, mounted: Collection[str], screen: Screen, output: str) -> None:
    """Print all lines except comments and empty ones, marking those written by iscsictl.

    `output` is table, tsv or json (iscsictl.fstab/1). The table omits the notes of iscsictl from
    the options.
    """
    lines = _lines_to_show(fstab)
    if output == "json":
        rows = [line_row(line, mounted) for line in lines]
        document = {"schema": SCHEMA, "lines": rows, "findings": None}
        screen.stream.write(json.dumps(document, indent=1) + "\n")
        return
    cells: list[tuple[Value, ...]] = []
    for line in lines:
        state = _state_of_line(line, mounted)
        who = "iscsictl" if line.is_ours else None
        options = line.options
        if output != "tsv":
            options = tuple(o for o in options if not o.startswith("x-iscsictl."))
        cells.append((line.number, who, line.spec, line.file, line.fstype, state,
                      ",".join(options) or None))  # fmt: skip
    if output == "tsv":
        print_tsv(cells, LINES, screen)
    elif cells:
        print_table(cells, LINES, screen)


def print_findings(
    fstab: Fstab,
    findings: Sequence[Finding],
    mounted: Collection[str],
    screen: Screen,
    output: str,
) -> None:
    """Print the findings with their fixes, or that there are none.

    The JSON is that of `print_fstab` with the findings added.
    """
    if output == "json":
        document = {
            "schema": SCHEMA,
            "lines": [line_row(line, mounted) for line in _lines_to_show(fstab)],
            "findings": [
                {
                    "id": finding.id,
                    "severity": finding.severity,
                    "line": finding.line,
                    "subject": _json_text(finding.subject),
                    "text": _json_text(finding.text),
                    "fix": _json_text(finding.fix),
                    "file": finding.file,
                }
                for finding in findings
            ],
        }
        screen.stream.write(json.dumps(document, indent=1) + "\n")
    elif output == "tsv":
        cells: list[tuple[Value, ...]] = [
            (
                finding.severity,
                finding.id,
                finding.line,
                finding.subject,
                finding.text,
                finding.fix,
                finding.file,
            )
            for finding in findings
        ]
        print_tsv(cells, FINDINGS, screen)
    elif findings:
        for finding in findings:
            subject = escape_controls(finding.subject)
            file = "" if finding.file == "fstab" else f" of /etc/{finding.file}"
            screen.write(
                f"{finding.severity}  line {finding.line}{file} ({subject}): {finding.id}: "
                f"{escape_controls(finding.text)}\n"
                f"      {escape_controls(finding.fix)}\n"
            )
    else:
        screen.write("no problems found in /etc/fstab\n")
