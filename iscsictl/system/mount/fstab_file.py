"""/etc/fstab on the machine: read, and replaced only if findmnt finds no new error in it."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from iscsictl.errors import MissingError, RefusedError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.fstab import PREFIX, Fstab
from iscsictl.parse.fstab import parse_fstab, render_fstab
from iscsictl.system.io.files import read_file, replace_file
from iscsictl.system.io.safe_paths import fd_path

# Needed only where the file is changed.
if TYPE_CHECKING:
    from iscsictl.system.io import process
    from iscsictl.system.mount import reserve_unit_file, udev_rule
else:
    process = lazy_import("iscsictl.system.io.process")
    reserve_unit_file = lazy_import("iscsictl.system.mount.reserve_unit_file")
    udev_rule = lazy_import("iscsictl.system.mount.udev_rule")

Verify = Callable[[bytes], Counter[str]]

_PARSE_ERROR: Final = re.compile(r"parse error at line [0-9]+")
_ERROR: Final = re.compile(r"\s+\[E\] (.*)")
# udev removes a disk's links for moments, and an absent disk is no error in the line.
_NOT_THERE: Final = "unreachable on boot required source"
# findmnt ignores the notes, so a line in which only they change is not verified again.
_NOTE: Final = re.compile(rb"," + re.escape(PREFIX.encode()) + rb"[^,\s]*")


def path_of(root: Path = Path("/")) -> Path:
    """Return the path of the file."""
    return root / "etc/fstab"


def read_fstab(root: Path = Path("/")) -> Fstab:
    """Read the file; a host without one has an empty one.

    Raises NeedsRootError or IscsictlError if it exists and cannot be read.
    """
    return parse_fstab(read_file(path_of(root)) or b"")


def findmnt_errors(data: bytes) -> Counter[str]:
    """Return the errors that `findmnt --verify` finds in this text: `DIRECTORY: error` -> count.

    The text is passed in memory, so a full disk does not matter. Warnings are left out, and so are
    absent disks. For a UUID that udev does not know, libblkid would open every disk of the machine;
    BLKID_CONF keeps it from that.
    """
    with _memory_file(data or b"#\n") as fstab, _memory_file(b"EVALUATE=udev\n") as conf:
        command = ["findmnt", "--verify", "--tab-file", fd_path(fstab)]
        environment = {"BLKID_CONF": fd_path(conf)}
        result = process.run(command, ok=None, env=environment, pass_fds=(fstab, conf))
    errors: Counter[str] = Counter(
        "a line cannot be read" for _ in _PARSE_ERROR.finditer(result.out + result.err)
    )
    heading = ""
    for line in result.out.splitlines():
        match = _ERROR.fullmatch(line)
        if match and match[1].startswith(_NOT_THERE):
            continue
        if match:
            errors[f"{heading}: {match[1]}"] += 1
        elif line and not line[0].isspace():
            heading = line
    return errors


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    """Yield a descriptor of a file in memory that holds these bytes."""
    descriptor = os.memfd_create("iscsictl", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield descriptor
    finally:
        os.close(descriptor)


def save_fstab(
    root: Path, fstab: Fstab, old: Fstab, *, verify: Verify | None = findmnt_errors
) -> bool:
    """Replace the file that was read as `old`; return False if nothing changes.

    Raises RefusedError if findmnt finds an error that the old one did not have, FileChangedError if
    somebody else edited the file meanwhile. Nothing is written then.
    """
    path = path_of(root)
    if verify is not None:
        _refuse_new_errors(path, _count_lines(old), _count_lines(fstab), verify)
    mode = None if path.exists() else 0o644
    udev_rule.install_if_needed(root, fstab)
    reserve_unit_file.install_if_needed(root, fstab)
    changed = replace_file(path, render_fstab(fstab), mode=mode, expect=render_fstab(old))
    udev_rule.remove_if_unneeded(root, fstab)
    reserve_unit_file.remove_if_unneeded(root, fstab)
    return changed


def _count_lines(fstab: Fstab) -> Counter[bytes]:
    lines = (line.raw.removesuffix(b"\n").removesuffix(b"\r") for line in fstab.lines)
    return Counter(_NOTE.sub(b"", line) for line in lines)


def _refuse_new_errors(
    path: Path, old: Counter[bytes], new: Counter[bytes], verify: Verify
) -> None:
    # Each error of findmnt is about a single line. Showing it only new lines keeps it from probing
    # the disks of the others, one of which may be dead and make it hang.
    added, removed = new - old, old - new
    if not added:
        return
    try:
        errors = verify(_join_lines(added))
        if errors and removed:
            errors -= verify(_join_lines(removed))
    except MissingError:
        return
    if errors:
        found = "; ".join(sorted(errors))
        raise RefusedError(
            f"{path} was not changed: findmnt --verify found an error in the new line: {found}",
            hint="fix that, or give another mount point or other options",
        )


def _join_lines(lines: Counter[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines.elements())
