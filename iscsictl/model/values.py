"""Checks of single values that a user gives for a volume, with an option or in a file.

The parsing functions raise ValueError with a message that follows the name of the option or key.
"""

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from iscsictl.lazy_import import lazy_import
from iscsictl.model.fstab import PREFIX, split_options
from iscsictl.model.record_text import MAX_VALUE

if TYPE_CHECKING:
    from iscsictl.model import boot_units
else:
    # Needed only where a unit is named.
    boot_units = lazy_import("iscsictl.model.boot_units")

# These override `nofail` (systemd.mount(5)).
_MUST_BE_MOUNTED: Final = frozenset({"fail", "x-initrd.mount"})
_REQUIRED_BY: Final = "x-systemd.required-by="
# Each has an mkfs that accepts a UUID: fstab names it before the filesystem exists.
FILESYSTEMS: Final = ("ext4", "ext3", "ext2", "xfs", "btrfs", "vfat")
# `none`: the filesystem is created on the whole disk.
TABLES: Final = ("gpt", "dos", "none")
#: One level of addressing, as the kernel counts it: scsilun_to_int.
MAX_LUN: Final = 65535
# The kernel makes these at each boot, so a mount point in them would be gone; and a name below /dev
# means a device (`is_directory`).
_OF_THE_KERNEL: Final = frozenset({"dev", "proc", "sys"})
# Bytes: PATH_MAX, which counts the NUL at the end, and NAME_MAX (linux/limits.h).
_MAX_PATH: Final = 4096
_MAX_NAME: Final = 255
# The longest label of each mkfs; a longer one is refused by some and truncated by others.
LABEL_BYTES: Final[Mapping[str, int]] = {
    "ext2": 16, "ext3": 16, "ext4": 16, "xfs": 12, "btrfs": 255, "vfat": 11, "swap": 15,
}  # fmt: skip


def is_directory(name: str) -> bool:
    """Return whether a name on the command line means a mount point, not a device or a target.

    Only the name is considered: the directory need not exist.
    """
    return name.startswith("/") and not name.startswith("/dev/")


def directory(text: str) -> str:
    """Return a mount point in its shortest form.

    It must be absolute, without `..` and without control characters other than a tab. It may
    contain blanks, as fstab(5) can escape them. Links are not followed.
    """
    if not text.startswith("/"):
        raise ValueError(f"{text}: the mount point must be an absolute path")
    if re.search(r"[\0-\x08\x0a-\x1f\x7f]", text):
        raise ValueError(f"{text}: the mount point contains a control character")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValueError(f"{text}: the mount point must not contain '..'")
    if not parts:
        raise ValueError("/: the root directory cannot be used")
    path = "/" + "/".join(parts)
    if parts[0] in _OF_THE_KERNEL:
        raise ValueError(f"{path}: /{parts[0]} is made anew at each boot, without this directory")
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in (path, *parts)]
    if sizes[0] >= _MAX_PATH or max(sizes[1:]) > _MAX_NAME:
        raise ValueError(
            f"{path[:_MAX_NAME]}: the mount point is too long: a name has at most {_MAX_NAME} "
            f"bytes, a path {_MAX_PATH - 1}"
        )
    return path


def mode_bits(text: str) -> int:
    """Return the permission bits of an octal mode of three or four digits, such as 0750.

    Symbolic modes (chmod(1), u=rwx) are refused: a file of volumes must give all bits.
    """
    if not re.fullmatch(r"[0-7]{3,4}", text):
        raise ValueError(f"{text}: expected an octal mode such as 0750")
    return int(text, 8)


def mount_options(text: str) -> tuple[str, ...]:
    """Split mount options, except inside double quotes.

    Options that would make the boot depend on the mount are refused. Whether the filesystem knows
    an option is not checked: only mount(8) can tell.
    """
    if re.search(r"[\0-\x1f\x7f]", text) or " " in re.sub(r'"[^"]*"', "", text):
        raise ValueError(f"{text}: separate mount options with commas, without spaces")
    if text.count('"') % 2:
        raise ValueError(f"{text}: a double quote is not closed")
    options = split_options(text)
    # With such an option, the line would count as written by iscsictl.
    for option in options:
        if option.startswith(PREFIX):
            raise ValueError(f"{option}: the options {PREFIX}* are reserved for iscsictl")
        unit_of_option = option.removeprefix(_REQUIRED_BY).strip('"')
        if option in _MUST_BE_MOUNTED or (
            option.startswith(_REQUIRED_BY) and boot_units.is_needed_to_boot(unit_of_option)
        ):
            raise ValueError(
                f"{option}: while the array is unreachable, the host would not boot; to make a "
                "unit wait for the mount: required-by"
            )
    return options


def unit(text: str) -> str:
    """Return the name of a systemd unit that may wait for a mount.

    The allowed characters are those of systemd.unit(5). Whether the unit exists is not checked. A
    unit that the host needs to boot is refused.
    """
    if not re.fullmatch(r"[A-Za-z0-9:_.@\\-]+\.[a-z]+", text):
        raise ValueError(f"{text}: expected the name of a unit such as mail.service")
    if boot_units.is_needed_to_boot(text):
        raise ValueError(
            f"{text}: while the array is unreachable, the host would not boot; name the service "
            "that uses the mount"
        )
    return text


def chap_name_problem(name: str) -> str | None:
    """Return why open-iscsi cannot store this as the name of a CHAP account; None if it can.

    Its reader strips blanks at both ends, and a longer name overruns its buffer.
    """
    if not name or name != name.strip() or any(c in name for c in "\n\r\0"):
        return f"{name!r} cannot be a CHAP name: it has line breaks, or spaces at the ends"
    if len(name.encode("utf-8", "surrogateescape")) > MAX_VALUE:
        return f"the CHAP name is longer than {MAX_VALUE} bytes"
    return None


def label_problem(label: str, fs: str | None) -> str | None:
    """Return why a filesystem of this kind cannot have this label; None if it can.

    `fs` is a key of LABEL_BYTES; None means that no filesystem was requested. The length is counted
    in bytes.
    """
    if fs is None:
        return "needs fs"
    if len(label.encode("utf-8", "surrogateescape")) > LABEL_BYTES[fs]:
        return f"{fs} accepts at most {LABEL_BYTES[fs]} bytes"
    # It becomes an argument of mkfs, which would treat a leading dash as an option.
    if label.startswith("-") or not label.isprintable():
        return "a label must not begin with '-'"
    return None


def new_uuid() -> str:
    """Return a random UUID (RFC 9562, version 4) for a filesystem, table or partition.

    It is chosen before the first write, so that fstab can name it in the claim.
    """
    return str(uuid.uuid4())
