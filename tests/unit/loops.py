"""Disks for tests: sparse files behind loop devices, with partitions that the kernel knows."""

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iscsictl.system.block import reservations, scsi_commands
from tests.worlds import FREE

WWID = "naa.1"
BLOCK = 4096


def sparse(path: Path, size: int) -> Path:
    """Make a file of zeroes that takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


@contextmanager
def looped(image: Path, *options: str) -> Iterator[str]:
    """Attach a file to a loop device while the body runs; skip where there are none."""
    command = ["losetup", "--find", "--show", *options, str(image)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["partx", "--delete", device], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=True)


# Arguments: the disk, the number of the partition, its first byte and its size. Debian 13 has
# addpart(8) in a package that is not always installed.
ADD_PARTITION = """
import ctypes, fcntl, os, struct, sys
device, number, start, size = sys.argv[1], *map(int, sys.argv[2:])
partition = ctypes.create_string_buffer(struct.pack("qqi64s64s4x", start, size, number, b"", b""))
# BLKPG_ADD_PARTITION of linux/blkpg.h
argument = struct.pack("iiiP", 1, 0, 152, ctypes.addressof(partition))
fcntl.ioctl(os.open(device, os.O_RDONLY), 0x1269, argument)
"""


def add_partition(device: str, number: int, start: int, size: int) -> str:
    """Have the kernel take a place of the disk, in bytes, for a partition."""
    words = (device, str(number), str(start), str(size))
    subprocess.run([sys.executable, "-c", ADD_PARTITION, *words], check=True)
    return f"{device}p{number}"


def fingerprint(image: Path) -> str:
    """Return a checksum of a file's data and where it stands, without reading the holes."""
    digest, size = hashlib.sha256(), image.stat().st_size
    fd, at = os.open(image, os.O_RDONLY), 0
    try:
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            end = os.lseek(fd, at, os.SEEK_HOLE)
            for begin in range(at, end, BLOCK):
                data = os.pread(fd, BLOCK, begin)
                # Zeroes read the same whether the file has room for them or not.
                if data.strip(b"\0"):
                    digest.update(begin.to_bytes(8, "big") + data)
            at = end
    finally:
        os.close(fd)
    return digest.hexdigest()


def give_name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A loop device answers no SCSI command: give all of them one name, and no reservation."""
    monkeypatch.setattr(scsi_commands, "wwids", lambda _: frozenset({WWID}))
    monkeypatch.setattr(reservations, "read_reservations", lambda *_, **_more: FREE)
    return WWID
