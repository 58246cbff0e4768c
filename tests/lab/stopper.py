"""Hold a command on the host at its steps, from outside; see `stopper_guest.py`."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.agent import Background

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

PATIENCE = 300
SCRIPT = Path(__file__).with_name("stopper_guest.py")
#: Where a tool at work is held: the point, the program, a word of its line, bytes written.
Tool = tuple[str, str, str, int]


@dataclass
class Stopper:
    """A command that is held at each `done` line and in each of some tools.

    It is the same in a world that is restored: all that is known of it is its pid there.
    """

    host: Guest
    pid: int
    passed: int = 0

    @classmethod
    def start(
        cls,
        lab: Lab,
        command: str,
        tools: Sequence[Tool] = (),
        *,
        lock: bool = False,
        host: Guest | None = None,
    ) -> Stopper:
        """Start a command, on the pair's host if no other is given.

        With `lock` it is also held once while it has the records' lock.
        """
        host = host or lab.host
        host.put("/root/stopper.py", SCRIPT.read_bytes())
        spec = {"argv": shlex.split(command), "tools": list(tools), "lock": lock}
        return cls(host, host.start(["python3", "/root/stopper.py", json.dumps(spec)]).pid)

    def told(self) -> list[dict[str, Any]]:
        """All that came so far: points, then the end."""
        out, err = Background(self.host.agent, (), self.pid).output()
        assert "Traceback" not in err, err
        return [json.loads(line) for line in out.splitlines()]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while len(told := self.told()) <= self.passed:
            assert time.monotonic() < deadline, f"the command is stuck: {told}"
            time.sleep(0.05)
        return told[self.passed]

    def point(self) -> str | None:
        """Wait until the command is held; None when it has ended."""
        return self._next().get("point")

    def until(self, wanted: str) -> None:
        """Let it go on until it is held at a point."""
        while (point := self.point()) != wanted:
            assert point is not None, f"never {wanted}: {self.told()}"
            self.go()

    def go(self) -> None:
        """Let it go on to its next point."""
        self._order("next")

    def signal(self, number: int) -> dict[str, Any]:
        """Send a signal where it is held, then let it go on to its end: `code`, `out`, `err`."""
        self._order(str(int(number)))
        told = self._next()
        Background(self.host.agent, (), self.pid).wait(PATIENCE)
        return told

    def end(self) -> dict[str, Any]:
        """Let it go on to its end, past all points: `code`, `out`, `err`."""
        while self.point() is not None:
            self.go()
        return self._next()

    def stays(self) -> list[int]:
        """Tools that did not end after the command was killed; to be asked after `signal`."""
        return [row["left"] for row in self.told()[self.passed + 1 :]]

    def _order(self, word: str) -> None:
        self.passed += 1
        self.host.put("/run/stopper-order", word)
