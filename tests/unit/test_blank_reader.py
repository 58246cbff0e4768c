"""The search for data on a disk: what it finds, when it stops, how many reads it makes at once."""

import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iscsictl.errors import InterruptError, UnreachableError
from iscsictl.system.block import blank_reader
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
