"""The files of a host in a report: configuration, records, and what `ls` reads in sysfs."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

#: Bytes of one file: a record has 5 KiB, an attribute of sysfs at most a page.
MAX_FILE = 1 << 20
_MAX_ATTRIBUTE = 1 << 16
_CONFIGURATION = (
    "etc/iscsi/iscsid.conf", "etc/iscsi/initiatorname.iscsi", "etc/fstab", "etc/crypttab",
    "etc/multipath.conf", "etc/os-release", "proc/self/mountinfo", "proc/swaps", "proc/mdstat",
    "proc/sys/kernel/osrelease",
)  # fmt: skip
_DIRECTORIES = (
    *(f"{db}/{kind}" for db in ("etc/iscsi", "var/lib/iscsi")
      for kind in ("nodes", "send_targets", "isns", "static", "fw", "ifaces")),
    "etc/multipath", "run/udev/data",
)  # fmt: skip
# Classes whose links lead to devices of a session.
_CLASSES = ("iscsi_session", "iscsi_connection", "iscsi_host", "iscsi_iface", "scsi_host")
# scsi_transport_iscsi.c and the firmware's tables show these to root.
SECRET_ATTRIBUTES = frozenset(
    {"password", "password_in", "chap-secret", "rev-chap-name-secret", "rev-chap-secret"}
)
# Virtual block devices that may stand on a disk of a session.
_VIRTUAL = ("dm-", "md", "loop", "bcache", "drbd")

Entry = tuple[str, bytes | None, str | None]


def read_report_files(root: Path = Path("/")) -> Iterator[Entry]:
    """Yield path, content and link target of each file; either content or target is None.

    No attribute is read for which the kernel would ask a disk or an array. Unreadable files are
    left out.
    """
    for name in _CONFIGURATION:
        yield from _entry_of_file(root, name, MAX_FILE)
    for directory in _DIRECTORIES:
        # Only block devices of udev's database: others have serial numbers of keyboards, for
        # example.
        only = "b" if directory == "run/udev/data" else ""
        yield from _entries_below(root, directory, MAX_FILE, only)
    yield from _sysfs_entries(root)


def read_secret_attributes(root: Path = Path("/")) -> Iterator[bytes]:
    """Yield the secrets that the kernel shows to root, which are masked in everything else.

    scsi_transport_iscsi.c shows those of sessions, iscsi_boot_sysfs.c those of the firmware's
    table.
    """
    for pattern in ("sys/class/iscsi_session/*/password*", "sys/firmware/*/target*/*secret"):
        for path in root.glob(pattern):
            try:
                value = path.read_bytes()[:MAX_FILE].strip(b"\n\0")
            except OSError:
                continue
            if value not in {b"", b"(null)"}:
                yield value


def _sysfs_entries(root: Path) -> Iterator[Entry]:
    devices: dict[str, None] = {}
    for name in _CLASSES:
        for link in _sorted_names(root, f"sys/class/{name}"):
            yield from _link_or_tree(root, f"sys/class/{name}/{link}")
            if name == "iscsi_session":
                # .../hostN/sessionM/iscsi_session/sessionM: everything below hostN belongs to the
                # session.
                real = os.path.realpath(root / f"sys/class/{name}/{link}")
                host = os.path.dirname(os.path.dirname(os.path.dirname(real)))
                devices[host] = None
    for name in _sorted_names(root, "sys/class/block"):
        real = os.path.realpath(root / f"sys/class/block/{name}")
        if any(real.startswith(f"{device}/") for device in devices) or name.startswith(_VIRTUAL):
            yield from _link_or_tree(root, f"sys/class/block/{name}")
            yield from _link_or_tree(root, f"sys/block/{name}")
        if name.startswith(_VIRTUAL):
            devices[real] = None
    for device in devices:
        yield from _entries_below(root, os.path.relpath(device, root.resolve()), _MAX_ATTRIBUTE)


def _sorted_names(root: Path, directory: str) -> list[str]:
    try:
        return sorted(os.listdir(root / directory))
    except OSError:
        return []


def _link_or_tree(root: Path, name: str) -> Iterator[Entry]:
    """Yield a link of a class, or what is in its place in a capture without links."""
    if (root / name).is_symlink():
        yield from _entry_of_file(root, name, _MAX_ATTRIBUTE)
    else:
        yield from _entries_below(root, name, _MAX_ATTRIBUTE)


def _entries_below(root: Path, directory: str, limit: int, only: str = "") -> Iterator[Entry]:
    """Yield all files and links below a directory; links are not followed."""
    for place, below, files in os.walk(root / directory):
        here = os.path.relpath(place, root)
        below.sort()
        links = [name for name in below if os.path.islink(os.path.join(place, name))]
        for name in sorted((*files, *links)):
            if name not in SECRET_ATTRIBUTES and name.startswith(only):
                yield from _entry_of_file(root, os.path.join(here, name), limit)


def _entry_of_file(root: Path, name: str, limit: int) -> Iterator[Entry]:
    path = root / name
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield name, None, os.readlink(path)
        elif stat.S_ISREG(mode) and mode & 0o444:
            with path.open("rb") as file:
                yield name, file.read(limit), None
    except OSError:
        return
