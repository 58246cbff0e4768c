"""A program that reads a disk has a deadline only for the time in which it does nothing."""

import time

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.system.io.process import run

#: Seconds; each program takes half as much again, however little processor time it gets.
TIMEOUT = 2.0
BUSY = "import time; end = time.monotonic() + 3\nwhile time.monotonic() < end: pass\nprint('done')"
READING = (
    "import os, time; zero = os.open('/dev/zero', os.O_RDONLY)\n"
    "for _ in range(60): os.read(zero, 1); time.sleep(0.05)\nprint('done')"
)


@pytest.mark.parametrize("program", [BUSY, READING], ids=["computes", "reads"])
def test_a_program_that_computes_or_reads_may_take_longer(program: str) -> None:
    done = run(["python3", "-c", program], timeout=TIMEOUT, idle_only=True)
    assert done.out == "done\n"


@pytest.mark.parametrize("program", [BUSY, READING], ids=["computes", "reads"])
def test_any_other_program_may_not(program: str) -> None:
    with pytest.raises(UnreachableError, match="did not answer within"):
        run(["python3", "-c", program], timeout=TIMEOUT)


def test_a_program_that_does_nothing_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(UnreachableError, match=r"sleep did not answer within 0\.6 s"):
        run(["sleep", "60"], timeout=0.6, idle_only=True)
    assert time.monotonic() - started < 10


def test_a_program_that_computes_without_end_is_ended() -> None:
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 s"):
        run(["python3", "-c", "while True: pass"], timeout=0.2, idle_only=True)
