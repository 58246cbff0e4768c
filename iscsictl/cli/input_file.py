"""Reading a file that is named on the command line; `-` is standard input."""

import sys
from pathlib import Path

from iscsictl.errors import UsageError, unreadable_file


def read_input_file(name: str, *, largest: int) -> bytes:
    """Return the whole content of a file, or of standard input if its name is `-`.

    `largest` is in bytes. Raises UsageError if the file is larger or cannot be read. The limit
    keeps a device or a disk image, given by mistake, from filling the memory.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(largest + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(largest + 1)
    except OSError as error:
        raise unreadable_file(name, error) from None
    if len(data) > largest:
        raise UsageError(
            f"{display_name(name)} is larger than {largest >> 20} MiB",
            hint="give a text file of this command's format, or split it into several",
        )
    return data


def display_name(name: str) -> str:
    """Return the name of an input file for messages."""
    return "standard input" if name == "-" else name
