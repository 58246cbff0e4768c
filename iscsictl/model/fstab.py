"""The lines of /etc/fstab (fstab(5)), each with its bytes, and the notes of iscsictl.

iscsictl keeps no state of its own: the options of a line record what it is for, and mount(8)
ignores options that begin with `x-`. The value of a note is percent-encoded (RFC 3986) except for
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
#: udev's directories of links, and the tag of each. udev encodes the names of the links (udev(7),
#: `$env{ID_FS_LABEL_ENC}`).
_TAGS: Final = {
    BY_UUID: "UUID",
    "/dev/disk/by-label/": "LABEL",
    "/dev/disk/by-partuuid/": "PARTUUID",
    "/dev/disk/by-partlabel/": "PARTLABEL",
}
# This tag is the name of a link itself (mount(8), "ID=").
_BY_ID_TAG: Final = "ID"
_BY_ID: Final = "/dev/disk/by-id/"
_UDEV_ESCAPE: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1.*""", re.DOTALL)
_AUTOMOUNT: Final = frozenset({"x-systemd.automount", "comment=systemd.automount"})
# The options by which a unit pulls the mount in (systemd.mount(5)).
_PULLED_IN: Final = ("x-systemd.required-by=", "x-systemd.wanted-by=")
_OPTION: Final = re.compile(r'(?:[^,"]|"[^"]*"|")+')

Note = Literal["wwid", "target", "lun", "part", "making", "table", "partition", "type", "mkfs",
             "exclusive"]  # fmt: skip
#: The value of the `mkfs` note, which is added to a claim just before mkfs starts.
BEGUN: Final = "begun"


@dataclass(frozen=True)
class FstabLine:
    """One line. `raw` includes its newline, if there is one; `number` counts from 1.

    The fields are None for a comment, an empty line and a line with a `problem`; their escapes are
    decoded. `passno` is the text of that field, "0" if it is missing.
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
        """Whether this line describes a mount.

        False for comments, empty lines and lines with a `problem`, which mount(8) ignores too.
        """
        return self.spec is not None

    @property
    def is_ours(self) -> bool:
        """Whether iscsictl wrote this line, that is, whether it has a note.

        A line whose notes were removed counts as the admin's own.
        """
        return self.is_entry and bool(self._notes)

    @property
    def is_claim(self) -> bool:
        """Whether this line only records that a filesystem is being created.

        It is `noauto` and `nofail`, so nothing mounts it before the filesystem exists.
        """
        return self.note("making") is not None

    @property
    def uuid(self) -> str | None:
        """The filesystem UUID with which the line names its device, as a tag or as udev's link.

        None if it uses anything else: LABEL=, PARTUUID= or a device. iscsictl writes no such line.
        """
        return uuid_of_spec(self.spec or "")

    @cached_property
    def mount_point(self) -> str | None:
        """The directory in its shortest form; None for an entry without one (`none`, swap)."""
        if self.file is None or self.file in {NO_MOUNT_POINT, "swap"}:
            return None
        return plain(self.file)

    @property
    def names_device(self) -> bool:
        """Whether it names a device; a network share, an image or a directory is none."""
        spec = self.spec or ""
        return spec.startswith("/dev/") or spec.partition("=")[0] in {*_TAGS.values(), _BY_ID_TAG}

    @property
    def auto(self) -> bool:
        """Whether the boot mounts the entry by itself; the last of `auto` and `noauto` counts."""
        return self.is_entry and last_of(self.options, "auto", "noauto") != "noauto"

    @property
    def automount(self) -> bool:
        """Whether systemd mounts it on first use.

        Then neither `auto` nor `noauto` has an effect (systemd.mount(5)). The older spelling of the
        option still counts (systemd-fstab-generator).
        """
        return self.is_entry and not _AUTOMOUNT.isdisjoint(self.options)

    @property
    def at_boot(self) -> bool:
        """Whether systemd mounts it at boot, or will do so on first use.

        A unit can pull it in despite `noauto`: whether that unit itself starts is not checked.
        """
        return self.auto or self.automount or self.is_pulled_in

    @property
    def is_pulled_in(self) -> bool:
        """Whether only the units that it names want or require it, and none of systemd's targets.

        Then neither `noauto` nor `nofail` has an effect (systemd.mount(5), `x-systemd.wanted-by=`).
        """
        return any(option.startswith(_PULLED_IN) for option in self.options)

    @property
    def nofail(self) -> bool:
        """Whether the boot continues without the mount; the last of `fail` and `nofail` counts.

        Without `nofail`, local-fs.target or remote-fs.target fails with the mount
        (systemd.mount(5)).
        """
        return last_of(self.options, "fail", "nofail") == "nofail"

    def note(self, name: Note) -> str | None:
        """Return the decoded value of a note, None if the line has no such note.

        The last of several counts. Bytes that are not UTF-8 become surrogates.
        """
        value = self._notes.get(name)
        return None if value is None else unquote(value, errors="surrogateescape")

    @cached_property
    def _notes(self) -> Mapping[str, str]:
        """The notes by name, still encoded; the last of several counts."""
        notes = (option for option in self.options if option.startswith(PREFIX))
        parts = (note.removeprefix(PREFIX).partition("=") for note in notes)
        return {name: value for name, _, value in parts}

    @property
    def making(self) -> str | None:
        """On a claim, the WWID of the disk that is being formatted; None on every other line.

        The note `wwid` replaces it once the filesystem exists.
        """
        return self.note("making")

    @property
    def wwid(self) -> str | None:
        """The WWID of the disk that the line is for (also on a claim), None without a note of it.

        It is spelled as in sysfs (naa.6001405...).
        """
        return self.note("wwid") or self.note("making")

    @property
    def target(self) -> str | None:
        """The name of the target that has the disk, None without the note.

        The name is byte for byte the one that the array uses, including its case.
        """
        return self.note("target")

    @property
    def lun(self) -> int | None:
        """The LUN of the disk at the target, as the kernel numbers it (scsilun_to_int).

        None without the note, and if its value is not a number.
        """
        return _number_or_none(self.note("lun"))

    @property
    def exclusive(self) -> bool:
        """Whether the LUN is reserved for this host as long as the entry exists."""
        return self.note("exclusive") is not None

    @property
    def claim(self) -> FilesystemClaim | None:
        """What the entry claims, None if it is not a claim.

        The notes are `part` (only of `disk mkfs`, which leaves the rest of the disk alone; 0 is
        the whole disk), `table` (KIND or KIND:ID), `partition`, `type` and `mkfs`.
        """
        if not self.is_claim:
            return None
        part = _number_or_none(self.note("part"))
        table, _, table_id = (self.note("table") or "").partition(":")
        # A table that was created for the filesystem has one partition, so there is no note for its
        # number.
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
    """The whole file. `newline` is what its lines end with."""

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
        """The first fields of the entries, in the order of the file."""
        return tuple(line.spec for line in self.entries if line.spec is not None)

    def by_uuid(self, uuid: str) -> tuple[FstabLine, ...]:
        """Return the entries for the filesystem with this UUID, whoever wrote them.

        Case is ignored: blkid(8) prints the UUIDs of vfat and NTFS in capitals, others in lower
        case, and admins type either.
        """
        return self._lines_by_uuid.get(uuid.lower(), ())

    def by_dir(self, directory: str) -> tuple[FstabLine, ...]:
        """Return the entries for this mount point; redundant slashes do not matter.

        There can be several, for example with `noauto`; given just the directory, mount(8) uses the
        first.
        """
        return self._lines_by_directory.get(plain(directory), ())

    def by_wwid(self, wwid: str) -> tuple[FstabLine, ...]:
        """Return the entries written by iscsictl for this disk, including claims.

        A disk with several partitions can have several. Lines that an admin wrote contain no WWID
        and are not among them.
        """
        return self._lines_by_wwid.get(wwid, ())

    def is_exclusive(self, wwid: str | None) -> bool:
        """Return whether an entry for a filesystem of this disk keeps the whole disk reserved."""
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
    """Return a path in its shortest form, `//srv/x/` as `/srv/x`; other names are returned as is.

    Only the text is considered: `a/..` is removed even if `a` is a link or does not exist.
    """
    return "/" + os.path.normpath(name).lstrip("/") if name.startswith("/") else name


def uuid_of_spec(spec: str) -> str | None:
    """Return the filesystem UUID in a first field, written as a tag or as udev's link, or None.

    The case of tag and link matters; quotes around the value are removed, as by libblkid
    (blkid_parse_tag_string).
    """
    if spec.startswith(BY_UUID):
        return spec.removeprefix(BY_UUID)
    if not spec.startswith("UUID="):
        return None
    value = spec.removeprefix("UUID=")
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else value


def tag_of_spec(spec: str) -> tuple[str, str]:
    """Return the tag and value of a first field; `LABEL=data` and its link in by-label are equal.

    Quotes are removed, UUIDs are returned in lower case, and udev's hexadecimal escapes in the name
    of a link are decoded. For any other node, and for ID=, the tag is empty and the value is the
    path.
    """
    kind, equals, value = spec.partition("=")
    if equals and kind in {*_TAGS.values(), _BY_ID_TAG}:
        quoted = _QUOTED.fullmatch(value)
        value = quoted[2] if quoted else value
        if kind == _BY_ID_TAG:
            kind, value = "", _BY_ID + value
    else:
        kind = next((tag for start, tag in _TAGS.items() if spec.startswith(start)), "")
        value = spec if not kind else _UDEV_ESCAPE.sub(_undo_udev_escape, spec.rpartition("/")[2])
    return kind, value.lower() if kind in {"UUID", "PARTUUID"} else value


def _undo_udev_escape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("\\x", "")).decode("utf-8", "surrogateescape")


def last_of(options: Iterable[str], *words: str) -> str | None:
    """Return the last option that is one of `words`, None if there is none.

    Of contradicting options mount(8) and systemd use the last.
    """
    return next((option for option in reversed(tuple(options)) if option in words), None)


def is_read_only_mount(options: Iterable[str]) -> bool:
    """Return whether mount(8) mounts read-only with these options; the last of `ro`, `rw` counts.

    Some filesystems write nevertheless if their journal must be replayed.
    """
    return last_of(options, "ro", "rw") == "ro"


def split_options(text: str) -> tuple[str, ...]:
    """Split mount options at commas, except inside double quotes (mount(8))."""
    return tuple(_OPTION.findall(text))


def note_option(name: Note, value: str) -> str:
    """Return the mount option for a note; without a value it is just the name.

    The value may contain any byte: whatever fstab(5) or mount(8) would interpret is
    percent-encoded.
    """
    encoded = quote(value.encode("utf-8", "surrogateescape"), safe=":@+")

    return f"{PREFIX}{name}={encoded}" if value else f"{PREFIX}{name}"
