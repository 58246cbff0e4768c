"""The findings of `doctor`: for people, as JSON, for Nagios-like monitoring, for Prometheus."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from iscsictl.model.finding import Finding, Level, worst
from iscsictl.model.shell_form import shell_form
from iscsictl.model.word_lists import first_names
from iscsictl.output.table import Column, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls, label_value

SCHEMA = "iscsictl.doctor/1"
# Parameters of SGR (ECMA-48, 8.3.117).
_COLORS = {Level.OK: "32", Level.SKIP: "2", Level.WARN: "33", Level.FAIL: "31"}
_COLUMNS = tuple(Column(key, key) for key in ("level", "id", "subject", "message", "fix"))
_INDENT = " " * 6
#: Lines printed without --all, including the summary: what fits on a terminal window.
SCREEN_LINES = 40
#: Up to this many findings of one check are shown separately; of more, this many are named.
FEW = 3


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the worst level first, otherwise in their order."""
    return sorted(findings, key=lambda finding: -finding.level.rank)


def show(findings: Sequence[Finding], screen: Screen, *, everything: bool) -> None:
    """Print warnings and failures with their fix; with `everything`, also the other findings.

    Without `everything` the output fits on one screen: many findings of one check are printed as
    one, and if that is not enough, each check is one line.
    """
    if everything:
        blocks = [_format_group((finding,), screen) for finding in by_severity(findings)]
    else:
        groups = _group_by_check(by_severity(findings))
        blocks = [_format_group(group, screen) for group in groups]
        if sum(block.count("\n") for block in blocks) >= SCREEN_LINES:
            blocks = _one_line_each(groups, screen)
    for block in blocks:
        screen.write(block)
    screen.write(summary(findings) + "\n")


def _group_by_check(findings: Iterable[Finding]) -> list[tuple[Finding, ...]]:
    """Group warnings and failures by check; if there are only a few, each stays on its own."""
    by_check: dict[tuple[Level, str], list[Finding]] = {}
    for finding in findings:
        if finding.level in {Level.WARN, Level.FAIL}:
            by_check.setdefault((finding.level, finding.id), []).append(finding)
    groups: list[tuple[Finding, ...]] = []
    for group in by_check.values():
        groups += [tuple(group)] if len(group) > FEW else [(finding,) for finding in group]
    return groups


def _one_line_each(groups: Sequence[tuple[Finding, ...]], screen: Screen) -> list[str]:
    """Return a line for each check, the worst first, as many as fit on the screen."""
    by_check: dict[tuple[Level, str], tuple[Finding, ...]] = {}
    for group in groups:
        key = group[0].level, group[0].id
        by_check[key] = by_check.get(key, ()) + group
    lines = [
        _shorten_to_screen(_heading_line(group, screen), screen) for group in by_check.values()
    ]
    # The last two lines say how to see the rest, and the summary.
    room = SCREEN_LINES - 2
    more = "each with its fix: iscsictl doctor --all"
    if len(lines) > room:
        more = f"{len(lines) - room} more checks: iscsictl doctor --all"
    return [*lines[:room], more + "\n"]


def _shorten_to_screen(line: str, screen: Screen) -> str:
    if screen.width is not None and not screen.color and len(line) >= screen.width:
        line = line[: max(screen.width - 4, 1)] + "..."
    return line + "\n"


def _heading_line(group: Sequence[Finding], screen: Screen) -> str:
    """Return the line with level, id and subjects, of which only the first may be named."""
    first = group[0]
    head = f"{first.level.value:<4}"
    if screen.color:
        head = f"\x1b[{_COLORS[first.level]}m{head}\x1b[0m"
    room = None if screen.width is None else screen.width - len(f"fail  {first.id}  ")
    return f"{head}  {first.id}  {_format_subjects(group, room)}".rstrip()


def _format_subjects(group: Sequence[Finding], room: int | None) -> str:
    """Return the subject of a single finding, or how many there are and as many as fit."""
    subjects = list(dict.fromkeys(escape_controls(f.subject) for f in group if f.subject))
    if len(group) == 1 or not subjects:
        return "".join(subjects) or f"{len(group)} times" * (len(group) > 1)
    text = ""
    for count in range(min(FEW, len(subjects)), 0, -1):
        text = f"{len(group)}: {first_names(subjects, count)}"
        if room is None or len(text) < room:
            break
    return text


def _format_group(group: Sequence[Finding], screen: Screen) -> str:
    first = group[0]
    lines = [_heading_line(group, screen)]
    lines += _wrap_indented(escape_controls(first.message), screen.width)
    if first.fix is not None:
        lines += _wrap_indented(f"fix: {escape_controls(first.fix)}", screen.width)
    if len(group) > 1:
        each = f"each of them: iscsictl doctor --all --only {shell_form(first.id)}"
        lines += _wrap_indented(each, screen.width)
    return "\n".join(lines) + "\n"


def _wrap_indented(text: str, width: int | None) -> list[str]:
    """Wrap at blanks only, so that names and paths stay whole and can be copied."""
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
    """Return how many findings there are of each level, in one line.

    Skipped checks are counted only if there are any.
    """
    count = Counter(finding.level for finding in findings)
    text = f"{count[Level.FAIL]} failed, {count[Level.WARN]} warnings, {count[Level.OK]} ok"
    skipped = count[Level.SKIP]
    return f"{text}, {skipped} skipped" if skipped else text


def as_json(findings: Sequence[Finding]) -> str:
    """Return the document `iscsictl.doctor/1`. `fixable`: --fix would repair it."""
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
    """Print all findings, including those that are ok, tab-separated in the order of the checks."""
    rows = [(f.level.value, f.id, f.subject, f.message, f.fix) for f in findings]
    print_tsv(rows, _COLUMNS, screen)


# The exit codes of the Monitoring Plugins Development Guidelines ("Plugin Return Codes").
NAGIOS_EXIT = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2, Level.SKIP: 3}
#: The exit code of a monitoring plugin that could not check anything.
NAGIOS_UNKNOWN = NAGIOS_EXIT[Level.SKIP]
_NAGIOS_WORD = {Level.OK: "OK", Level.WARN: "WARNING", Level.FAIL: "CRITICAL",
                Level.SKIP: "UNKNOWN"}  # fmt: skip


def nagios_level(findings: Sequence[Finding]) -> Level:
    """Return the state of the plugin; UNKNOWN only if no check at all could be made.

    A skipped check raises no alert if others passed.
    """
    level = worst(findings)
    any_checked = any(finding.level is not Level.SKIP for finding in findings)
    return Level.OK if level is Level.SKIP and any_checked else level


def nagios(findings: Sequence[Finding]) -> str:
    """Return the output of a monitoring plugin: a status line with counts, then the details.

    The format is that of the Monitoring Plugins Development Guidelines: performance data follow a
    bar, so a bar in a text is replaced by a slash.
    """
    level = nagios_level(findings)
    count = Counter(finding.level for finding in findings)
    grave = [f for f in by_severity(findings) if f.level in {Level.FAIL, Level.WARN}]
    first = f": {_nagios_line(grave[0])}" if grave else ""
    # A threshold is the highest number that raises no alert ("ranges" in the guidelines).
    numbers = f"failed={count[Level.FAIL]};;0 warnings={count[Level.WARN]};0 ok={count[Level.OK]}"
    lines = [f"ISCSI {_NAGIOS_WORD[level]} - {summary(findings)}{first} | {numbers}"]
    lines += [f"{f.level.value}: {_nagios_line(f)}" for f in grave]
    return "\n".join(lines)


def nagios_unknown(why: str) -> str:
    """Return the output of a plugin that could not check anything (exit code NAGIOS_UNKNOWN)."""
    return f"ISCSI {_NAGIOS_WORD[Level.SKIP]} - {_nagios_text(why)}"


def _nagios_line(finding: Finding) -> str:
    subject = f" {finding.subject}" if finding.subject else ""
    return _nagios_text(f"{finding.id}{subject}: {finding.message}")


def _nagios_text(text: str) -> str:
    # A bar would start the performance data.
    return escape_controls(text).replace("|", "/")


_VALUE = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}


def prometheus(findings: Sequence[Finding], now: float) -> str:
    """Return the findings in the text exposition format; the worst finding on a subject counts.

    Prometheus refuses the whole file if two samples have the same name and labels. Skipped checks
    have no sample. `now` is in seconds since the epoch.
    """
    values: dict[tuple[str, str], int] = {}
    for finding in findings:
        value = _VALUE.get(finding.level)
        if value is not None:
            key = finding.id, finding.subject or ""
            values[key] = max(value, values.get(key, 0))
    count = Counter(finding.level for finding in findings)
    lines = [
        "# HELP iscsictl_check_level Result of a check: 0 ok, 1 warning, 2 failure.",
        "# TYPE iscsictl_check_level gauge",
        *(
            f'iscsictl_check_level{{id="{label_value(check)}",'
            f'subject="{label_value(subject)}"}} {value}'
            for (check, subject), value in values.items()
        ),
        "# HELP iscsictl_checks Number of findings of each level.",
        "# TYPE iscsictl_checks gauge",
        *(f'iscsictl_checks{{level="{level.value}"}} {count[level]}' for level in Level),
        "# HELP iscsictl_doctor_time_seconds When doctor ran, in seconds since the epoch.",
        "# TYPE iscsictl_doctor_time_seconds gauge",
        f"iscsictl_doctor_time_seconds {now:.0f}",
    ]
    return "\n".join(lines)
