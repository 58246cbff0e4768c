"""Waiting for a disk: udev's events only wake us, and what sysfs shows is read again."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.system.block import kernel_events
from iscsictl.system.block.udev_wait import Waiter
from tests.patience import PATIENCE


class Monitor:
    """Stands for pyudev's: a byte in a pipe is an event."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        return self._reader

    def poll(self, timeout: float) -> bytes | None:
        assert timeout == 0
        try:
            return os.read(self._reader, 1)
        except BlockingIOError:
            return None

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    found = Monitor()
    monkeypatch.setattr(kernel_events.Events, "_open_monitor", lambda _: found)
    yield found
    found.close()


def test_what_a_burst_of_events_tells_is_read_once(monitor: Monitor) -> None:
    read: list[float] = []

    def second_time() -> bool | None:
        read.append(time.monotonic())
        return True if len(read) > 1 else None

    with Waiter() as waiter:
        os.write(monitor.writer, bytes(500))
        assert waiter.wait(second_time, time.monotonic() + PATIENCE)
        assert len(read) == 2
        # Of the 500 events none is left to wake the next wait.
        assert not waiter.listen(0.0)
        os.write(monitor.writer, b"+")
        assert waiter.listen(PATIENCE)


def test_a_wait_without_udev_goes_by_the_clock(tmp_path: Path) -> None:
    events = kernel_events.Events(tmp_path)
    assert not events.wait(0.01)
    with Waiter() as waiter:
        pass
    assert not waiter.listen(0.01)
