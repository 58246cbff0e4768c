"""Small files of the kernel, read with as few system calls as possible.

A file that has vanished, that we may not read or that contains "(null)" is None: sessions and disks
come and go while they are read, so that is no error.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Self

_NOTHING = frozenset({"", "(null)", "<NULL>"})
# Bytes: sysfs gives an attribute a page (Documentation/filesystems/sysfs.rst).
_PAGE = 4096
# Bytes that the first read(2) asks for. Nearly all attributes are shorter, and Python has memory
# for so few bytes ready: allocating a page takes a tenth of the time of opening and reading a file.
_SHORT = 256
# Bytes that one read(2) asks for: most files of /proc and of udev's database are shorter.
_MUCH = 1 << 16


class Folder:
    """A directory of attributes, opened once: opening a name in it is faster than opening a path.

    A directory that does not exist has no attributes.
    """

    __slots__ = ("_fd",)

    def __init__(self, path: str, parent: int | None = None) -> None:
        try:
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY, dir_fd=parent)
        except OSError:
            self._fd = -1

    def subfolder(self, name: str) -> "Folder":
        """Return the folder of that name in this one, to be closed on its own."""
        return Folder(name, self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def get(self, name: str) -> str | None:
        """Return the stripped content of one attribute (at most a page), None if there is none.

        Also None if it cannot be read: attributes go away together with their device.
        """
        return self.values((name,)).get(name)

    def values(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return the values of these attributes, None for no value; unreadable ones are left out.

        Each is closed before the next is opened, so the kernel uses the same memory again.
        """
        own = self._fd
        found: dict[str, str | None] = {}
        for name in names:
            try:
                fd = os.open(name, os.O_RDONLY, dir_fd=own)
            except OSError:
                continue
            try:
                data = os.read(fd, _SHORT)
                if len(data) == _SHORT:
                    data += os.read(fd, _PAGE)
            except OSError:
                continue
            finally:
                os.close(fd)
            found[name] = shown(data)
        return found

    def number(self, name: str) -> int | None:
        """Return an attribute that is a whole number in decimal digits, None if it is not."""
        return to_integer(self.get(name))

    def link(self, name: str) -> str | None:
        """Return where a link points to, None if there is none.

        The text is the kernel's own: relative to the directory of the link, and not followed.
        """
        try:
            return os.readlink(name, dir_fd=self._fd)
        except OSError:
            return None


@lru_cache(4096)
def shown(data: bytes) -> str | None:
    """Return the value in an attribute, None for none; cached, as sessions have much in common.

    "(null)" and "<NULL>" are no values: the kernel's printf writes them for a missing string.
    """
    text = data.decode("utf-8", "surrogateescape").strip()
    return None if text in _NOTHING else text


def path_below(root: Path, path: str) -> str:
    """Return a path below a root directory as text: for thousands of attributes, Path is slow."""
    return f"{str(root).rstrip('/')}/{path}"


def read_attribute(path: str) -> str | None:
    """Return one attribute by its path, as `Folder.get` does.

    For one attribute of a directory; for several, a `Folder` needs fewer system calls.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        data = os.read(fd, _SHORT)
        if len(data) == _SHORT:
            data += os.read(fd, _PAGE)
    except OSError:
        return None
    finally:
        os.close(fd)
    return shown(data)


def read_disk_attribute(root: Path, device: str, name: str) -> str | None:
    """Return an attribute of the disk /dev/KNAME, as `Folder.get` does: `stat`, `device/state`."""
    kname = device.removeprefix("/dev/").replace("/", "!")
    return read_attribute(path_below(root, f"sys/block/{kname}/{name}"))


@lru_cache(4096)
def to_integer(text: str | None) -> int | None:
    """Return the whole number that the text is, None if it is none."""
    if text is None:
        return None
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def read_small(path: str) -> bytes:
    """Return the content of a file far smaller than 64 KiB; b"" if it does not exist.

    One read(2) returns all of it. Also b"" if it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, _MUCH)
    except OSError:
        return b""
    finally:
        os.close(fd)


def read_all(path: str) -> bytes:
    """Return the content of a file that may be longer than a page; b"" if it does not exist.

    Also b"" if reading fails half way: a part of a list must not pass for all of it.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        data = os.read(fd, _MUCH)
        while more := os.read(fd, _MUCH):
            data += more
    except OSError:
        return b""
    finally:
        os.close(fd)
    return data


def list_names(path: str) -> list[str]:
    """Return the names in a directory, in no order; [] if it does not exist.

    Also [] if it cannot be read, so an empty list proves nothing for users other than root.
    """
    try:
        return os.listdir(path)
    except OSError:
        return []
