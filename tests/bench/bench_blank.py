"""Measure the proof that a disk is blank: python -m tests.bench.bench_blank.

On sparse loop devices, so what is measured is the work of this host; a delay for each read shows
what an array adds that takes its time.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from iscsictl.system.block.blank_extents import GIB, TIB
from iscsictl.system.block.blank_proof import read_shape, search_again, search_disk
from tests.bench.table import note

ROUNDS = 3
LIMIT = 4.0
DELAY = 0.001
SIZES = ((GIB, "1 GiB"), (100 * GIB, "100 GiB"), (TIB, "1 TiB"), (10 * TIB, "10 TiB"))


@contextmanager
def blank_disk(size: int) -> Iterator[int]:
    """Yield a descriptor of a sparse loop device, past the page cache."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(size)
        command = ["losetup", "--find", "--show", file.name]
        made = subprocess.run(command, capture_output=True, text=True, check=True)
        device = made.stdout.strip()
        fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
        try:
            yield fd
        finally:
            os.close(fd)
            subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def slow_reads(delay: float) -> Iterator[None]:
    """Have each read of a place take this many seconds more, as an array far away would."""
    real = os.preadv

    def preadv(fd: int, buffers: Sequence[memoryview], at: int) -> int:
        time.sleep(delay)
        return real(fd, buffers, at)

    os.preadv = preadv  # type: ignore[assignment]  # the signature without its flags
    try:
        yield
    finally:
        os.preadv = real


def main() -> None:
    """Print the seconds of each proof, the best of some rounds."""
    if os.geteuid():
        print("loop devices need root")
        return
    for size, name in (
        (GIB, "1 GiB"),
        (100 * GIB, "100 GiB"),
        (TIB, "1 TiB"),
        (10 * TIB, "10 TiB"),
    ):
        with blank_disk(size) as fd:
            shape, spans, repeats = read_shape(fd), [], []
            for _ in range(ROUNDS):
                began = time.monotonic()
                found, proof = search_disk(fd, shape)
                spans.append(time.monotonic() - began)
                began = time.monotonic()
                search_again(fd, shape)
                repeats.append(time.monotonic() - began)
                assert found is None
            with slow_reads(DELAY):
                began = time.monotonic()
                search_disk(fd, shape)
                slow = time.monotonic() - began
        print(
            f"{name:>8}: {min(spans):.2f} s (at most {LIMIT:g}), again before a write "
            f"{min(repeats):.2f} s, with {1000 * DELAY:g} ms a read {slow:.2f} s; {proof}",
            flush=True,
        )
        note("bench_blank", f"proof that {name} is blank", min(spans), {})


if __name__ == "__main__":
    main()
