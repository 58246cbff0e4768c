"""The lines of /etc/fstab (fstab(5)), each with its bytes, and the notes that are ours.

iscsictl keeps no state of its own: what a line is for stands in its options, which mount(8)
ignores where they begin with `x-`. A note's value is percent-encoded (RFC 3986) but for
`A-Z a-z 0-9 . _ ~ : @ + -`, so an IQN stays readable and a comma, blank or any other byte in a
target's name survives.
"""

import os.path
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal
from urllib.parse import quote, unquote

from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.grouping import group_by_keys

PREFIX: Final = "x-iscsictl."
NO_MOUNT_POINT: Final = "none"
BY_UUID: Final = "/dev/disk/by-uuid/"
#: The links of udev by tag, whose names are encoded by it (udev(7), `$env{ID_FS_LABEL_ENC}`).
_TAGS: Final = {
    BY_UUID: "UUID",
    "/dev/disk/by-label/": "LABEL",
    "/dev/disk/by-partuuid/": "PARTUUID",
    "/dev/disk/by-partlabel/": "PARTLABEL",
}
_UDEV_ESCAPE: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1.*""", re.DOTALL)
_OPTION: Final = re.compile(r'(?:[^,"]|"[^"]*"|")+')

Note = Literal["wwid", "target", "lun", "part", "making", "table", "partition", "type", "mkfs",
             "exclusive"]  # fmt: skip
#: The value of the `mkfs` note, which a claim gets just before mkfs starts.
BEGUN: Final = "begun"


@dataclass(frozen=True)
class FstabLine:
    """One line. `raw` has its newline, if there is one; `number` counts from 1.

    The fields are None for a comment, an empty line and a line with a `problem`; escapes in
    them are undone. `passno` is the text that stands there, "0" if none.
    """

    raw: bytes
    number: int
    spec: str | None = None
    file: str | None = None
    fstype: str | None = None
    options: tuple[str, ...] = ()
    passno: str = "0"
    problem: str | None = None

    @property
    def is_entry(self) -> bool:
        """Tell whether this is a line that mounts something.

        False for comments, empty lines and lines with a `problem`, which mount(8) ignores too.
        """
        return self.spec is not None

    @property
    def is_ours(self) -> bool:
        """Tell whether iscsictl wrote this line: it has one of our notes.

        Without its notes it counts as the admin's own, whoever wrote it first.
        """
        return self.is_entry and any(option.startswith(PREFIX) for option in self.options)

    @property
    def is_claim(self) -> bool:
        """Tell whether this line only says that a disk is being made.

        It is `noauto` and `nofail`: nothing mounts it before the filesystem is there.
        """
        return self.note("making") is not None

    @property
    def uuid(self) -> str | None:
        """The filesystem UUID by which the line names its disk, as a tag or as udev's link.

        None where it names it otherwise: by LABEL=, PARTUUID= or a device. Such a line is never
        ours.
        """
        return uuid_of_spec(self.spec or "")

    @property
    def mount_point(self) -> str | None:
        """The directory in its shortest form, None for an entry that has none (`none`, swap)."""
        if self.file is None or self.file in {NO_MOUNT_POINT, "swap"}:
            return None
        return plain(self.file)

    @property
    def auto(self) -> bool:
        """Tell whether the line is mounted at boot; of `auto` and `noauto` the last counts."""
        return self.is_entry and last_of(self.options, "auto", "noauto") != "noauto"

    @property
    def automount(self) -> bool:
        """Tell whether systemd mounts it when it is first used, `noauto` or not.

        With `x-systemd.automount` neither `auto` nor `noauto` has an effect (systemd.mount(5)).
        """
        return self.is_entry and "x-systemd.automount" in self.options

    @property
    def nofail(self) -> bool:
        """Tell whether a boot goes on without it; of `fail` and `nofail` the last counts.

        Without it local-fs.target or remote-fs.target fails with the mount (systemd.mount(5)).
        """
        return last_of(self.options, "fail", "nofail") == "nofail"

    def note(self, name: Note) -> str | None:
        """Return the value of one of our notes, the last of that name; None if it is not there.

        It is decoded, bytes that are not UTF-8 as surrogates.
        """
        wanted = PREFIX + name
        for option in reversed(self.options):
            if option.startswith(wanted) and option[len(wanted) :][:1] in {"", "="}:
                return unquote(option[len(wanted) + 1 :], errors="surrogateescape")
        return None

    @property
    def making(self) -> str | None:
        """The WWID of the disk that is being made, on a claim; None on every other line.

        It is replaced by the note `wwid` once the filesystem is there.
        """
        return self.note("making")

    @property
    def wwid(self) -> str | None:
        """The WWID of the disk that the line is for, on a claim too.

        It is spelled as sysfs has it (naa.6001405...), None on a line without such a note.
        """
        return self.note("wwid") or self.note("making")

    @property
    def target(self) -> str | None:
        """The target that the disk is behind, None without the note.

        Its name is byte for byte the one that the array uses, whatever its case.
        """
        return self.note("target")

    @property
    def lun(self) -> int | None:
        """The LUN behind the target, as the kernel counts it (scsilun_to_int).

        None without the note, and where an editor left something that is no number.
        """
        return _number_or_none(self.note("lun"))

    @property
    def exclusive(self) -> bool:
        """Tell whether the LUN is reserved for this host as long as the entry is there."""
        return self.note("exclusive") is not None

    @property
    def claim(self) -> FilesystemClaim | None:
        """What the entry claims, None where it is no claim.

        The notes are `part` (only of `disk mkfs`, which leaves the rest of the disk alone; 0 is
        the whole disk), `table` (KIND or KIND:ID), `partition`, `type` and `mkfs`.
        """
        if not self.is_claim:
            return None
        part = _number_or_none(self.note("part"))
        table, _, table_id = (self.note("table") or "").partition(":")
        # A table that was made for the filesystem has one partition, so the note leaves its number
        # out.
        owned = 1 if table else None
        return FilesystemClaim(
            self.uuid or "",
            self.fstype or "auto",
            owned if part is None else part or None,
            table or None,
            table_id or None,
            self.note("partition"),
            self.note("type"),
            owns_disk=part is None,
            begun=self.note("mkfs") == BEGUN,
        )


@dataclass(frozen=True)
class Fstab:
    """The whole file. `newline` is the one that its lines end with."""

    lines: tuple[FstabLine, ...] = ()
    newline: bytes = b"\n"
    entries: tuple[FstabLine, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        entries = tuple(line for line in self.lines if line.is_entry)
        object.__setattr__(self, "entries", entries)

    @cached_property
    def ours(self) -> tuple[FstabLine, ...]:
        """The lines that iscsictl wrote."""
        return tuple(line for line in self.entries if line.is_ours)

    @property
    def specs(self) -> tuple[str, ...]:
        """The first fields of the lines that mount something, in the order of the file."""
        return tuple(line.spec for line in self.entries if line.spec is not None)

    def by_uuid(self, uuid: str) -> tuple[FstabLine, ...]:
        """Return the lines that name this filesystem, ours or not, in either case.

        vfat and NTFS print their UUIDs in capitals, others in lower case; admins type either.
        """
        return self._lines_by_uuid.get(uuid.lower(), ())

    def by_dir(self, directory: str) -> tuple[FstabLine, ...]:
        """Return the lines for this mount point; needless slashes do not matter.

        Several can be there, with `noauto` for example; mount(8) takes the first for a bare
        directory.
        """
        return self._lines_by_directory.get(plain(directory), ())

    def by_wwid(self, wwid: str) -> tuple[FstabLine, ...]:
        """Return the entries written by iscsictl for this disk, claims among them.

        A disk with several partitions has several. Lines of an admin carry no WWID and are left
        out.
        """
        return self._lines_by_wwid.get(wwid, ())

    def is_exclusive(self, wwid: str | None) -> bool:
        """Tell whether an entry for a filesystem of this disk keeps the whole disk reserved."""
        return any(line.exclusive for line in self.by_wwid(wwid or ""))

    @cached_property
    def _lines_by_uuid(self) -> Mapping[str, tuple[FstabLine, ...]]:
        return group_by_keys(self.entries, lambda line: ((line.uuid or "").lower(),))

    @cached_property
    def _lines_by_directory(self) -> Mapping[str | None, tuple[FstabLine, ...]]:
        return group_by_keys(self.entries, lambda line: (line.mount_point,))

    @cached_property
    def _lines_by_wwid(self) -> Mapping[str | None, tuple[FstabLine, ...]]:
        return group_by_keys(self.ours, lambda line: (line.wwid,))


def _number_or_none(text: str | None) -> int | None:
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def plain(name: str) -> str:
    """Return a path in its shortest form, `//srv/x/` as `/srv/x`; other names stay as they are.

    The text alone counts: links are not followed, and `a/..` is resolved without looking.
    """
    return "/" + os.path.normpath(name).lstrip("/") if name.startswith("/") else name


def uuid_of_spec(spec: str) -> str | None:
    """Return the filesystem UUID of a first field, written as a tag or as udev's link.

    Case counts in both, and quotes around the value do not (libblkid, blkid_parse_tag_string).
    """
    if spec.startswith(BY_UUID):
        return spec.removeprefix(BY_UUID)
    if not spec.startswith("UUID="):
        return None
    value = spec.removeprefix("UUID=")
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else value


def tag_of_spec(spec: str) -> tuple[str, str]:
    """Return the tag and value of a first field: `LABEL=data` and its link in by-label are alike.

    Quotes go, UUIDs come in lower case, and in the name of a link what udev has encoded in
    hexadecimal is decoded. The tag is empty for any other node, whose path is the value.
    """
    kind, equals, value = spec.partition("=")
    if equals and kind in _TAGS.values():
        quoted = _QUOTED.fullmatch(value)
        value = quoted[2] if quoted else value
    else:
        kind = next((tag for start, tag in _TAGS.items() if spec.startswith(start)), "")
        value = spec if not kind else _UDEV_ESCAPE.sub(_undo_udev_escape, spec.rpartition("/")[2])
    return kind, value.lower() if kind in {"UUID", "PARTUUID"} else value


def _undo_udev_escape(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("\\x", "")).decode("utf-8", "surrogateescape")


def last_of(options: Iterable[str], *words: str) -> str | None:
    """Return the last of the options that is one of the words: it is the one that counts.

    None where none of them is there.
    """
    return next((one for one in reversed(tuple(options)) if one in words), None)


def is_read_only_mount(options: Iterable[str]) -> bool:
    """Tell whether mount(8) mounts with these options read-only; of `ro` and `rw` the last counts.

    Some filesystems write all the same where their journal has to be replayed.
    """
    return last_of(options, "ro", "rw") == "ro"


def split_options(text: str) -> tuple[str, ...]:
    """Part mount options at commas; a comma inside double quotes parts nothing (mount(8))."""
    return tuple(_OPTION.findall(text))


def note_option(name: Note, value: str) -> str:
    """Return the mount option that carries a note.

    A value may have any byte: what fstab or mount(8) would part or read is percent-encoded. A note
    that says all by its name has none.
    """
    encoded = quote(value.encode("utf-8", "surrogateescape"), safe=":@+")

    return f"{PREFIX}{name}={encoded}" if value else f"{PREFIX}{name}"
