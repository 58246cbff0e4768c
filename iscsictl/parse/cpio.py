"""cpio archives in the `newc` format, one after the other, as in an initramfs.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, cpio(5).
"""

from collections.abc import Container, Iterator
from typing import IO, Final

_MAGICS: Final = (b"070701", b"070702")
# The magic and 13 fields of eight hexadecimal digits.
_HEADER: Final = 110
_FILE_SIZE: Final = slice(54, 62)
_NAME_SIZE: Final = slice(94, 102)
_TRAILER: Final = "TRAILER!!!"
_PIECE: Final = 1 << 20
# PATH_MAX of the kernel, which accepts no longer name in an archive.
_LONGEST_NAME: Final = 4096
#: Limit in bytes of the content that is read; open-iscsi's files have some hundred.
MOST_CONTENT: Final = 65536


class ArchiveReader:
    """Reads archives from a stream, up to the first byte that belongs to none.

    `offset` is the position of that byte: in an initramfs, the compressed archive begins there,
    after the uncompressed ones (CPU microcode).
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.offset = 0

    def entries(self, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name of each file, and its content if it is wanted (MOST_CONTENT bytes of it).

        Names do not begin with a slash. Raises ValueError for an archive that is cut off or
        damaged.
        """
        while True:
            # Archives are padded with zeroes; every header begins at a multiple of four bytes.
            start = self._stream.read(4)
            if start == bytes(4):
                self.offset += 4
                continue
            if not start.strip(b"\0"):
                return
            if start != _MAGICS[0][:4]:
                return
            yield from self._read_entry(start, wanted)

    def _read_entry(self, start: bytes, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        header = start + self._read(_HEADER - len(start))
        if header[:6] not in _MAGICS:
            raise ValueError("not an archive in the newc format of cpio")
        size, name_size = int(header[_FILE_SIZE], 16), int(header[_NAME_SIZE], 16)
        if not 0 < name_size <= _LONGEST_NAME:
            raise ValueError(f"a name of {name_size} bytes")
        name = self._read(name_size).rstrip(b"\0").decode("utf-8", "surrogateescape")
        self._skip(-(_HEADER + name_size) % 4)
        name = name.removeprefix("./").lstrip("/")
        content = self._read(min(size, MOST_CONTENT)) if name in wanted else b""
        self._skip(size - len(content) + -size % 4)
        self.offset += sum(n + -n % 4 for n in (_HEADER + name_size, size))
        if name != _TRAILER:
            yield name, content

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise ValueError("the archive is truncated")
        return data

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._read(min(size, _PIECE)))
