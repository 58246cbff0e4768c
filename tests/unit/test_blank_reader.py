"""The search for data on a disk: what it finds, when it stops, how many reads it makes at once."""

import mmap
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iscsictl.errors import InterruptError, UnreachableError
from iscsictl.system.block import blank_reader, scsi_commands
from iscsictl.system.block.blank_extents import MIB, Extent, all_extents
from iscsictl.system.block.blank_reader import first_nonzero
from iscsictl.system.io import signals
from tests.patience import PATIENCE


def image_with(path: Path, size: int, *places: int) -> int:
    """Return a descriptor of a sparse file with one byte of data at each place."""
    with path.open("wb") as file:
        file.truncate(size)
        for at in places:
            file.seek(at)
            file.write(b"x")
    return os.open(path, os.O_RDONLY)


def test_the_first_of_several_places_with_data_is_told(tmp_path: Path) -> None:
    fd = image_with(tmp_path / "image", 300 * MIB, 299 * MIB, 64 * MIB + 7, 129 * MIB)
    extents = all_extents(300 * MIB)
    assert first_nonzero(fd, extents) == 64 * MIB
    assert first_nonzero(fd, [one for one in extents if one[0] > 64 * MIB]) == 129 * MIB
    assert first_nonzero(fd, [(0, 64 * MIB), (65 * MIB, 64 * MIB), (130 * MIB, 169 * MIB)]) is None
    os.close(fd)


@pytest.mark.parametrize("at", [0, 4095, 64 * 1024, MIB - 1, MIB, 3 * MIB - 1])
def test_one_byte_anywhere_in_an_extent_is_found(at: int, tmp_path: Path) -> None:
    fd = image_with(tmp_path / "image", 4 * MIB, at)
    assert first_nonzero(fd, [(0, 3 * MIB)]) == at // MIB * MIB
    os.close(fd)


@pytest.mark.fault("F24")
def test_a_disk_that_ends_too_early_is_an_error_and_not_blank(tmp_path: Path) -> None:
    fd = image_with(tmp_path / "image", 4 * MIB)
    with pytest.raises(UnreachableError, match="ends at byte 4194304"):
        first_nonzero(fd, [(0, MIB), (3 * MIB, 2 * MIB)])
    os.close(fd)


@pytest.mark.fault("F24")
def test_one_failed_read_among_many_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = image_with(tmp_path / "image", 64 * MIB)
    real = os.preadv

    def preadv(fd: int, buffers: Sequence[memoryview], at: int) -> int:
        if at == 40 * MIB:
            raise OSError(5, "Input/output error")
        return real(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(UnreachableError, match="cannot be read at byte 41943040"):
        first_nonzero(fd, [(at * MIB, 4096) for at in range(64)])
    os.close(fd)


def test_a_search_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = image_with(tmp_path / "image", 64 * MIB)
    monkeypatch.setattr(signals, "_asked", [signal.SIGINT])
    with pytest.raises(InterruptError):
        first_nonzero(fd, all_extents(64 * MIB))
    os.close(fd)


def test_the_share_that_was_read_is_reported_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = image_with(tmp_path / "image", 64 * MIB)
    monkeypatch.setattr(blank_reader, "PROOF_REPORT_PERIOD", 0.0)
    told: list[float] = []
    assert first_nonzero(fd, all_extents(64 * MIB), told.append) is None
    assert told == [number / 64 for number in range(1, 65)]
    monkeypatch.setattr(blank_reader, "PROOF_REPORT_PERIOD", 3600.0)
    first_nonzero(fd, all_extents(64 * MIB), told.append)
    assert len(told) == 64
    os.close(fd)


def reads_in_company(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Have reads end only so many together; return how many were under way at once, each time."""
    real, lock, company = os.preadv, threading.Lock(), threading.Barrier(number)
    under_way: set[int] = set()
    at_once: list[int] = []

    def preadv(fd: int, buffers: Sequence[memoryview], at: int) -> int:
        with lock:
            under_way.add(at)
            at_once.append(len(under_way))
        company.wait(PATIENCE)
        with lock:
            under_way.remove(at)
        return real(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    return at_once


def test_an_array_that_takes_its_time_is_asked_for_many_places_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = image_with(tmp_path / "image", 64 * MIB)
    # A proof of 1 TiB is 35 000 reads: at 1 ms each 32 lanes take 1.1 s.
    at_once = reads_in_company(monkeypatch, 32)
    extents: list[Extent] = [(at * 4096, 4096) for at in range(2048)]
    assert first_nonzero(fd, extents) is None
    assert len(at_once) == 2048
    assert max(at_once) == 32
    os.close(fd)


def test_a_hung_disk_takes_no_threads_from_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(blank_reader, "_proof_threads", lambda: pool)
    hangs = threading.Event()
    pool.submit(hangs.wait)
    fd = image_with(tmp_path / "image", 64 * MIB, 63 * MIB)
    try:
        assert first_nonzero(fd, all_extents(64 * MIB)) == 63 * MIB
    finally:
        hangs.set()
        pool.shutdown()
    os.close(fd)


def lanes_beside(others: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many reads a search of a large disk makes at a time beside other searches."""
    running = {
        blank_reader._Search(-1, [], blank_reader.ignore_progress) for _ in range(others + 1)
    }
    monkeypatch.setattr(blank_reader, "_searches", running)
    return blank_reader._lanes(35_000)


def test_many_searches_at_a_time_read_less_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [lanes_beside(others, monkeypatch) for others in (0, 1, 15, 499)]
    assert found == [32, 16, 2, 2]


def test_a_single_search_of_a_small_disk_reads_more_than_one_of_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes_beside(0, monkeypatch)
    assert blank_reader._lanes(150) == 8
    lanes_beside(15, monkeypatch)
    assert blank_reader._lanes(150) == 2


def test_no_search_is_counted_after_its_end(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(MIB))
    fd = os.open(image, os.O_RDONLY)
    try:
        assert first_nonzero(fd, [(0, MIB)]) is None
    finally:
        os.close(fd)
    assert not blank_reader._searches


def test_memory_is_used_again_and_what_it_held_is_not_taken_for_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    allocate = scsi_commands.page_aligned_buffer

    def allocate_counted(size: int) -> mmap.mmap:
        made.append(size)
        return allocate(size)

    monkeypatch.setattr(scsi_commands, "page_aligned_buffer", allocate_counted)
    monkeypatch.setattr(blank_reader, "_spare_buffers", type(blank_reader._spare_buffers)())
    monkeypatch.setattr(blank_reader, "_lanes", lambda _extents: 1)
    image = tmp_path / "image"
    image.write_bytes(b"x" * MIB + bytes(MIB))
    fd = os.open(image, os.O_RDONLY)
    try:
        for _ in range(3):
            assert first_nonzero(fd, [(0, MIB)]) == 0
            assert first_nonzero(fd, [(MIB, 4096)]) is None
            assert first_nonzero(fd, [(MIB, MIB)]) is None
    finally:
        os.close(fd)
    assert len(made) == 1
