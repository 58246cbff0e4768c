"""Parsers for the small files of the old driver: bindings, fstab.iscsi and initiatorname.iscsi.

They never raise: a line that cannot be parsed is left out and becomes a Problem.
"""

import re
from typing import Final

from iscsictl.legacy.model import Binding, OldDevice, OldMount, Problem
from iscsictl.parse.mountinfo import unescape_octal

_DEVICE: Final = re.compile(
    r"/dev/iscsi/bus([0-9]{1,9})/target([0-9]{1,9})/lun([0-9]{1,9})/(?:disk|part([0-9]{1,9}))"
)


def parse_bindings(text: str) -> tuple[tuple[Binding, ...], tuple[Problem, ...]]:
    """Parse /var/lib/iscsi/bindings: lines of bus, target id and target name.

    The old driver kept this file so that a target had the same /dev/iscsi name after each boot.
    Other lines become Problems with `bindings` as their source; lines count from 1.
    """
    bindings: list[Binding] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        words = raw.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or not all(re.fullmatch("[0-9]{1,9}", word) for word in words[:2]):
            problems.append(Problem(number, "expected `bus target targetname`", source="bindings"))
            continue
        bindings.append(Binding(int(words[0]), int(words[1]), words[2]))
    return tuple(bindings), tuple(problems)


def parse_old_fstab(text: str) -> tuple[tuple[OldMount, ...], tuple[Problem, ...]]:
    """Parse /etc/fstab.iscsi, whose format is that of fstab(5).

    The init script mounted its entries once iscsid was up, as there was no `_netdev` then. The
    fields for dump(8) and fsck(8) are ignored; lines that are not entries become Problems.
    """
    mounts: list[OldMount] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        words = raw.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            problems.append(Problem(number, "expected `device directory type [options]`"))
            continue
        spec, directory = unescape_octal(words[0]), unescape_octal(words[1])
        if not directory.startswith("/") and directory not in {"none", "swap"}:
            problems.append(Problem(number, f"{directory!r} is not an absolute path"))
            continue
        options = tuple(o for o in words[3].split(",") if o) if len(words) > 3 else ()
        mounts.append(OldMount(number, spec, directory, words[2], options, old_device(spec)))
    return tuple(mounts), tuple(problems)


def old_device(spec: str) -> OldDevice | None:
    """Parse /dev/iscsi/busB/targetT/lunL/{disk,partN}; None if it is something else.

    Bus and target id have a meaning only together with the bindings of that host.
    """
    match = _DEVICE.fullmatch(spec)
    if match is None:
        return None
    part = None if match[4] is None else int(match[4])
    return OldDevice(int(match[1]), int(match[2]), int(match[3]), part)


def parse_initiatorname(text: str) -> tuple[str | None, int, tuple[Problem, ...]]:
    """Parse initiatorname.iscsi; return the name, its line and the lines that were ignored.

    `InitiatorName=` is case-sensitive, the value ends at the first blank, and the last line with a
    value counts.
    """
    name: str | None = None
    line = 0
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        keyword, equals, value = stripped.partition("=")
        if keyword == "InitiatorName" and equals and not value[:1].strip():
            problems.append(Problem(number, "the name is empty, so the line is left out"))
        elif keyword == "InitiatorName" and equals:
            if name is not None:
                problems.append(Problem(line, "a later InitiatorName replaces this one"))
            name, line = value.split()[0], number
        elif keyword.strip() == "InitiatorName" and equals:
            problems.append(Problem(number, "it must read `InitiatorName=` without a space"))
        elif keyword.strip().lower() == "initiatorname" and equals:
            text = f"{keyword.strip()} is in the wrong case: it must read `InitiatorName=`"
            problems.append(Problem(number, text))
        elif keyword == "InitiatorAlias" and equals:
            problems.append(Problem(number, "InitiatorAlias is not imported; few arrays show it"))
        else:
            problems.append(Problem(number, "the line is not recognised and is left out"))
    return name, line, tuple(problems)
