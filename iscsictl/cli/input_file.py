"""Reading a file that is named on the command line; `-` is standard input."""

import sys
from pathlib import Path
from typing import Final

from iscsictl.errors import UsageError, unreadable_file
from iscsictl.observers.input_files import read_input

_HINT: Final = "give a text file of this command's format, or split it into several"


def read_input_file(name: str, *, largest: int, wait: float) -> bytes:
    """Return the whole content of a file, or of standard input if its name is `-`.

    `largest` is in bytes. The limit keeps a device or a disk image, given by mistake, from filling
    the memory. `wait` is how many seconds a named pipe may stay silent; who types or pipes into
    standard input decides when that ends. Raises UsageError if the file is larger or cannot be
    read, UnreachableError for a pipe that nobody writes to.
    """
    try:
        if name != "-":
            return read_input(Path(name), largest=largest, wait=wait, hint=_HINT)
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(largest + 1)
    except OSError as error:
        raise unreadable_file(display_name(name), error) from None
    if len(data) > largest:
        raise UsageError(f"{display_name(name)} is larger than {largest >> 20} MiB", hint=_HINT)
    return data


def display_name(name: str) -> str:
    """Return the name of an input file for messages."""
    return "standard input" if name == "-" else name
