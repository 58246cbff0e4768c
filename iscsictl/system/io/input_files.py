"""Files that a user names on the command line: read whole, up to a size, within a deadline."""

import os
import select
import stat
from pathlib import Path

from iscsictl.errors import UnreachableError, UsageError
from iscsictl.system.io.waits import waiting

#: Bytes that are read at a time.
_PIECE = 1 << 20


def open_input(path: Path) -> int:
    """Open a file for reading and return its descriptor; a pipe without a writer does not block.

    Raises OSError.
    """
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def read_to_end(descriptor: int, name: str, *, largest: int, wait: float, hint: str) -> bytes:
    """Return the rest of an open file or pipe, at most `largest` bytes.

    `wait` is how many seconds a pipe may stay silent; `name` is its name in errors, and `hint` that
    of a file that is larger. Raises UsageError for such a file, UnreachableError at the deadline,
    and OSError.
    """
    found = bytearray()
    while len(found) <= largest:
        if not _wait_for_data(descriptor, name, wait):
            raise UnreachableError(
                f"{name}: nothing was written to the pipe for {wait:g} s",
                hint="start the program that writes to it, or allow more time with --timeout",
            )
        if not (piece := os.read(descriptor, _PIECE)):
            return bytes(found)
        found += piece
    raise UsageError(f"{name} is larger than {largest >> 20} MiB", hint=hint)


def read_input(path: Path, *, largest: int, wait: float, hint: str) -> bytes:
    """Return the whole content of a file, as `read_to_end` does. Raises the same errors."""
    descriptor = open_input(path)
    try:
        return read_to_end(descriptor, str(path), largest=largest, wait=wait, hint=hint)
    finally:
        os.close(descriptor)


def is_regular(path: Path) -> bool:
    """Return whether this is a regular file, so that reading it ends. Raises OSError if absent."""
    return stat.S_ISREG(path.stat().st_mode)


def _wait_for_data(descriptor: int, name: str, wait: float) -> bool:
    """Return whether there is something to read, or the end, within so many seconds."""
    if select.select([descriptor], [], [], 0)[0]:
        return True
    with waiting(f"reading {name}", wait):
        return bool(select.select([descriptor], [], [], wait)[0])
