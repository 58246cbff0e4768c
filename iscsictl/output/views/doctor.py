"""What `doctor` found: for people, as JSON, for Nagios and its kin, for Prometheus."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from iscsictl.model.finding import Finding, Level, worst
from iscsictl.output.table import Column, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls

SCHEMA = "iscsictl.doctor/1"
_COLORS = {Level.OK: "32", Level.SKIP: "2", Level.WARN: "33", Level.FAIL: "31"}
_COLUMNS = tuple(Column(key, key) for key in ("level", "id", "subject", "message", "fix"))
_INDENT = " " * 6


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the gravest first, else in their order."""
    return sorted(findings, key=lambda finding: -finding.level.rank)


def show(findings: Sequence[Finding], screen: Screen, *, everything: bool) -> None:
    """Print what is wrong with what to do about it; with `everything` also what is not."""
    for finding in by_severity(findings):
        if everything or finding.level in {Level.WARN, Level.FAIL}:
            screen.write(_block(finding, screen))
    screen.write(summary(findings) + "\n")


def _block(finding: Finding, screen: Screen) -> str:
    level = finding.level.value
    head = f"{level:<4}"
    if screen.color:
        head = f"\x1b[{_COLORS[finding.level]}m{head}\x1b[0m"
    subject = f"  {escape_controls(finding.subject)}" if finding.subject else ""
    lines = [f"{head}  {finding.id}{subject}"]
    lines += _wrapped(escape_controls(finding.message), screen.width)
    if finding.fix is not None:
        lines += _wrapped(f"fix: {escape_controls(finding.fix)}", screen.width)
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int | None) -> list[str]:
    """Break at blanks only, so that a name or a path stays whole and can be copied."""
    if width is None:
        return [_INDENT + text]
    return textwrap.wrap(
        text,
        max(width - 1, 20),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each level, in one line."""
    count = Counter(finding.level for finding in findings)
    text = f"{count[Level.FAIL]} failed, {count[Level.WARN]} warnings, {count[Level.OK]} ok"
    skipped = count[Level.SKIP]
    return f"{text}, {skipped} skipped" if skipped else text


def as_json(findings: Sequence[Finding]) -> str:
    """Return the document `iscsictl.doctor/1`. `fixable` says whether --fix would repair it."""
    document = {
        "schema": SCHEMA,
        "level": worst(findings).value,
        "findings": [
            {
                "id": finding.id,
                "level": finding.level.value,
                "subject": finding.subject,
                "message": finding.message,
                "fix": finding.fix,
                "fixable": finding.repair is not None,
            }
            for finding in findings
        ],
    }
    return json.dumps(document, indent=1)


def show_tsv(findings: Sequence[Finding], screen: Screen) -> None:
    """Print all findings, tab-separated."""
    rows = [(f.level.value, f.id, f.subject, f.message, f.fix) for f in findings]
    print_tsv(rows, _COLUMNS, screen)


NAGIOS_EXIT = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2, Level.SKIP: 3}
#: The exit code of a monitoring plugin that could not tell anything.
NAGIOS_UNKNOWN = NAGIOS_EXIT[Level.SKIP]
_NAGIOS_WORD = {Level.OK: "OK", Level.WARN: "WARNING", Level.FAIL: "CRITICAL",
                Level.SKIP: "UNKNOWN"}  # fmt: skip


def nagios_level(findings: Sequence[Finding]) -> Level:
    """Return the state of the plugin; UNKNOWN only where nothing at all could be looked at."""
    level = worst(findings)
    seen = any(finding.level is not Level.SKIP for finding in findings)
    return Level.OK if level is Level.SKIP and seen else level


def nagios(findings: Sequence[Finding]) -> str:
    """Return the output of a monitoring plugin: a status line with counts, then the details."""
    level = nagios_level(findings)
    count = Counter(finding.level for finding in findings)
    grave = [f for f in by_severity(findings) if f.level in {Level.FAIL, Level.WARN}]
    first = f": {_nagios_line(grave[0])}" if grave else ""
    # A threshold is the highest number that raises no alert (the guidelines' "ranges").
    numbers = f"failed={count[Level.FAIL]};;0 warnings={count[Level.WARN]};0 ok={count[Level.OK]}"
    lines = [f"ISCSI {_NAGIOS_WORD[level]} - {summary(findings)}{first} | {numbers}"]
    lines += [f"{f.level.value}: {_nagios_line(f)}" for f in grave]
    return "\n".join(lines)


def nagios_unknown(why: str) -> str:
    """Return the output of a plugin that could not look at all."""
    return f"ISCSI {_NAGIOS_WORD[Level.SKIP]} - {_nagios_text(why)}"


def _nagios_line(finding: Finding) -> str:
    subject = f" {finding.subject}" if finding.subject else ""
    return _nagios_text(f"{finding.id}{subject}: {finding.message}")


def _nagios_text(text: str) -> str:
    # A bar would begin the performance data.
    return escape_controls(text).replace("|", "/")


_VALUE = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}


def prometheus(findings: Sequence[Finding], now: float) -> str:
    """Return the text exposition format; of several findings on one subject the worst counts."""
    values: dict[tuple[str, str], int] = {}
    for finding in findings:
        value = _VALUE.get(finding.level)
        if value is not None:
            key = finding.id, finding.subject or ""
            values[key] = max(value, values.get(key, 0))
    count = Counter(finding.level for finding in findings)
    lines = [
        "# HELP iscsictl_check_level What a check found: 0 ok, 1 warning, 2 failure.",
        "# TYPE iscsictl_check_level gauge",
        *(
            f'iscsictl_check_level{{id="{_label(id_)}",subject="{_label(subject)}"}} {value}'
            for (id_, subject), value in values.items()
        ),
        "# HELP iscsictl_checks How many findings there are of each level.",
        "# TYPE iscsictl_checks gauge",
        *(f'iscsictl_checks{{level="{level.value}"}} {count[level]}' for level in Level),
        "# HELP iscsictl_doctor_time_seconds When doctor looked, in seconds of the epoch.",
        "# TYPE iscsictl_doctor_time_seconds gauge",
        f"iscsictl_doctor_time_seconds {now:.0f}",
    ]
    return "\n".join(lines)


def _label(text: str) -> str:
    return escape_controls(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
