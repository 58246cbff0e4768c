"""fstab(5): bytes to lines and back, and edits that touch one line only.

Parsing follows libmount (blanks and tabs separate fields, octal escapes, fields after the sixth are
ignored); a line that cannot be parsed is kept unchanged, with a `problem`. What is written here,
libmount and systemd read in the same way: systemd decodes only the escapes of getmntent(3).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from iscsictl.errors import UsageError
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import (
    BEGUN,
    NO_MOUNT_POINT,
    Fstab,
    FstabLine,
    Note,
    note_option,
    split_options,
)
from iscsictl.model.reserve_unit import requires_option

_LINE: Final = re.compile(rb"[^\n]*\n|[^\n]+")
_FIELD: Final = re.compile(r"[ \t]+")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_MUST_ESCAPE: Final = re.compile(r"[ \t\\]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def parse_fstab(data: bytes) -> Fstab:
    """Parse any bytes; `render_fstab` of the result returns the same bytes.

    Never raises: what mount(8) would refuse is a line with a `problem`. `newline` is CRLF only if
    most lines have it.
    """
    raw = _LINE.findall(data)
    crlf = sum(line.endswith(b"\r\n") for line in raw)
    return Fstab(
        tuple(parse_line(line, number) for number, line in enumerate(raw, 1)),
        newline=b"\r\n" if crlf * 2 > len(raw) else b"\n",
    )


def render_fstab(fstab: Fstab) -> bytes:
    """Return the bytes of the file.

    Each line is written as it was read: fields that are not edited are never rendered again.
    """
    return b"".join(line.raw for line in fstab.lines)


def parse_line(raw: bytes, number: int = 1) -> FstabLine:
    """Parse one line, with or without its newline.

    Fields are split and checked as in libmount (libmount/src/tab_parse.c); a line that it would
    refuse has a `problem`, and is no entry. `number` counts from 1.
    """
    text = raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
    text = text.strip(" \t")
    if not text or text.startswith("#"):
        return FstabLine(raw, number)
    if "\0" in text:
        return FstabLine(raw, number, problem="has a NUL byte, which ends the line for mount")
    words = _FIELD.split(text)
    for which, word in zip(("fifth", "sixth"), words[4:6], strict=False):
        if not _NUMBER.fullmatch(word):
            return FstabLine(raw, number, problem=_describe_no_number(which, word))
    fields = [_unescape_field(word) for word in words]
    if any("\0" in field for field in fields):
        return FstabLine(raw, number, problem="has a NUL byte written as \\000 in a field")
    if len(fields) < 3:
        return FstabLine(
            raw, number, problem="has fewer than the three fields device, directory and type"
        )
    return FstabLine(
        raw,
        number,
        spec=fields[0],
        file=fields[1],
        fstype=fields[2],
        options=split_options(fields[3]) if len(fields) > 3 else ("defaults",),
        passno=fields[5] if len(fields) > 5 else "0",
    )


def _describe_no_number(which: str, word: str) -> str:
    # systemd takes a missing number for 0 (getmntent(3)), and mounts what mount(8) leaves out.
    if word.startswith("#"):
        return (
            f"has a comment as its {which} field: mount and findmnt ignore the line, but systemd "
            "mounts it at boot; a comment can follow the sixth field, or be a line of its own"
        )
    return (
        f"has {word!r} instead of a number as its {which} field: check for a space in the options"
    )


def append_line(fstab: Fstab, line: FstabLine) -> Fstab:
    """Return the file with one more line at its end; the last line gets a newline if it has none.

    The new line ends as most lines of the file do.
    """
    lines = list(fstab.lines)
    if lines and not lines[-1].raw.endswith(b"\n"):
        lines[-1] = replace(lines[-1], raw=lines[-1].raw + fstab.newline)
    return _renumber_lines(fstab, [*lines, _with_line_end(line, fstab.newline)])


def replace_line(fstab: Fstab, number: int, line: FstabLine) -> Fstab:
    """Return the file with line `number` (from 1) replaced, its kind of newline kept.

    A last line without a newline stays without one. Raises UsageError if there is no such line.
    """
    old = _line_by_number(fstab, number).raw
    newline = b"\r\n" if old.endswith(b"\r\n") else b"\n" if old.endswith(b"\n") else b""
    lines = list(fstab.lines)
    lines[number - 1] = _with_line_end(line, newline)
    return _renumber_lines(fstab, lines)


def without_line(fstab: Fstab, number: int) -> Fstab:
    """Return the file without line `number` (from 1); later lines are renumbered.

    Raises UsageError if there is no such line.
    """
    _line_by_number(fstab, number)
    return _renumber_lines(fstab, [line for line in fstab.lines if line.number != number])


def with_lines_of(fstab: Fstab, before: Fstab, wwid: str) -> Fstab:
    """Return the file with the entries for a disk as they were `before`; all others stay.

    Entries that were added since then are removed. This is for a roll-back: other runs may have
    changed other lines.
    """
    was, now = before.by_wwid(wwid), fstab.by_wwid(wwid)
    for line, old in zip(now, was, strict=False):
        fstab = replace_line(fstab, line.number, old)
    for line in reversed(now[len(was) :]):
        fstab = without_line(fstab, line.number)
    # The newline that the line before an appended one got is removed, too.
    alike = render_fstab(fstab) == render_fstab(before) + before.newline
    return before if alike else fstab


def make_line(spec: str, file: str, fstype: str, options: Sequence[str]) -> FstabLine:
    """Create a new line. Raises UsageError for what no line can contain.

    That is an empty field, a control character other than a tab, a device that begins a comment, a
    mount point that is no absolute path, and an option that would be read as several.
    """
    for name, value in (("device", spec), ("directory", file), ("filesystem type", fstype)):
        if not value or _CONTROL.search(value):
            what = "is empty" if not value else "contains a control character"
            raise UsageError(f"fstab: the {name} {what}")
    if spec.startswith("#"):
        raise UsageError(f"fstab: the device {spec!r} would start a comment")
    if file != NO_MOUNT_POINT and not file.startswith("/"):
        raise UsageError(f"fstab: the mount point {file!r} does not begin with a slash")
    for option in options:
        if split_options(option) != (option,) or _CONTROL.search(option):
            raise UsageError(f"fstab: {option!r} is not one mount option")
    fields = (spec, file, fstype, ",".join(options) or "defaults", "0", "0")
    text = " ".join(map(_escape_field, fields))
    return parse_line(text.encode("utf-8", "surrogateescape") + b"\n")


def claim_line(
    claim: FilesystemClaim, directory: str | None, *, wwid: str, target: str, lun: int
) -> FstabLine:
    """Return the inert entry that says what is being created on a disk, before the first write.

    `directory` is None for a filesystem without a mount point. `FstabLine.claim` parses the entry.
    """
    table = claim.table and ":".join(filter(None, (claim.table, claim.table_id)))
    notes = _note_options(
        making=wwid,
        target=target,
        lun=str(lun),
        part=None if claim.owns_disk else str(claim.part or 0),
        table=table,
        partition=claim.partition_id,
        type=claim.partition_type,
        mkfs=BEGUN if claim.begun else None,
    )
    return make_line(
        f"UUID={claim.uuid}",
        directory or NO_MOUNT_POINT,
        claim.fs,
        ("noauto", "nofail", "_netdev", *notes),
    )


def mount_line(
    uuid: str,
    directory: str,
    fstype: str,
    options: Collection[str],
    *,
    login_service: str,
    wwid: str,
    target: str,
    lun: int,
    boot: bool = True,
    exclusive: bool = False,
) -> FstabLine:
    """Return the line that mounts a filesystem, after the login service but without requiring it.

    `options` are the user's; without `boot`, or with `noauto` among them, the line is `noauto`. An
    `exclusive` line requires the unit that reserves the LUN, and is not mounted if that fails.
    `login_service` is the unit that logs in at boot (systemd.mount(5), `x-systemd.after=`).
    """
    fixed = ["_netdev", "nofail", f"x-systemd.after={login_service}"]
    if not boot or "noauto" in options:
        fixed.insert(0, "noauto")
    if exclusive:
        fixed.append(requires_option(uuid))
    own = [option for option in options if option not in {*fixed, "defaults", "auto", "noauto"}]
    notes = _note_options(
        wwid=wwid, target=target, lun=str(lun), exclusive="" if exclusive else None
    )
    return make_line(f"UUID={uuid}", directory, fstype, (*fixed, *own, *notes))


def _note_options(**values: str | None) -> tuple[str, ...]:
    names: tuple[Note, ...] = (
        "making", "wwid", "target", "lun", "part", "table", "partition", "type", "mkfs",
        "exclusive",
    )  # fmt: skip
    found = ((name, values.get(name)) for name in names)
    return tuple(note_option(name, value) for name, value in found if value is not None)


def _line_by_number(fstab: Fstab, number: int) -> FstabLine:
    if not 1 <= number <= len(fstab.lines):
        raise UsageError(f"fstab has {len(fstab.lines)} lines, so there is no line {number}")
    return fstab.lines[number - 1]


def _with_line_end(line: FstabLine, newline: bytes) -> FstabLine:
    return replace(line, raw=line.raw.removesuffix(b"\n").removesuffix(b"\r") + newline)


def _renumber_lines(fstab: Fstab, lines: Iterable[FstabLine]) -> Fstab:
    numbered = tuple(
        line if line.number == number else replace(line, number=number)
        for number, line in enumerate(lines, 1)
    )
    return replace(fstab, lines=numbered)


def _escape_field(text: str) -> str:
    return _MUST_ESCAPE.sub(lambda m: f"\\{ord(m[0]):03o}", text)


def _unescape_field(text: str) -> str:
    if "\\" not in text:
        return text
    data = re.sub(
        rb"\\([0-7]{3})",
        lambda m: bytes([int(m[1], 8) & 0xFF]),
        text.encode("utf-8", "surrogateescape"),
    )
    return data.decode("utf-8", "surrogateescape")
