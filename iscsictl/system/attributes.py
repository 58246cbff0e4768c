"""Small files of the kernel's, read with as few system calls as can be.

A file that vanished, that the kernel will not show us or that says "(null)" is None: sessions
and disks come and go while they are read, so that is no error.
"""

import os
from typing import Self

_NOTHING = frozenset({"", "(null)", "<NULL>"})


class Folder:
    """A directory of attributes, opened once: a name in it costs half of what a path does."""

    __slots__ = ("_fd",)

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def get(self, name: str) -> str | None:
        """Return the stripped content of one attribute (at most a page), None if there is none."""
        text = self.raw(name)
        return None if text in _NOTHING else text

    def raw(self, name: str) -> str | None:
        """Return the stripped content, None only if it could not be read."""
        if self._fd < 0:
            return None
        try:
            fd = os.open(name, os.O_RDONLY, dir_fd=self._fd)
        except OSError:
            return None
        try:
            data = os.read(fd, 4096)
        except OSError:
            return None
        finally:
            os.close(fd)
        return data.decode("utf-8", "surrogateescape").strip()

    def number(self, name: str) -> int | None:
        """Return an attribute that is a whole number, None if it is not."""
        return whole(self.get(name))

    def link(self, name: str) -> str | None:
        """Return where a link points to, None if there is none."""
        if self._fd < 0:
            return None
        try:
            return os.readlink(name, dir_fd=self._fd)
        except OSError:
            return None


def read_attribute(path: str) -> str | None:
    """Return one attribute by its path, as `Folder.get` does."""
    folder, _, name = path.rpartition("/")
    with Folder(folder) as opened:
        return opened.get(name)


def whole(text: str | None) -> int | None:
    """Return the whole number that the text is, None if it is none."""
    if text is None:
        return None
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def read_all(path: str) -> bytes:
    """Return the whole of a file that may be longer than a page; b"" if it is not there."""
    chunks = []
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        while chunk := os.read(fd, 1 << 16):
            chunks.append(chunk)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"".join(chunks)


def list_names(path: str) -> list[str]:
    """Return the names in a directory, in no order; none if it is not there."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []
