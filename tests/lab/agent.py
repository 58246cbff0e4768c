"""The client of the agent in a guest: commands, files, configfs, the clock."""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
import zlib
from base64 import b64decode, b64encode
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.lab.qmp import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CHUNK = 1 << 20
#: Seconds that a command in a guest may take, unless told: an emulated processor is slow.
RUN_TIMEOUT = 240.0


class AgentError(Exception):
    """The guest's agent did not answer, or could not do what was asked."""


class CommandError(AssertionError):
    """A command of `run(..., check=True)` ended with another code than 0."""


@dataclass(frozen=True)
class Result:
    """How a command ended; `code` is negative for a signal, and -9 after a timeout."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    timed_out: bool
    seconds: float

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}\n-> {self.code}\n{self.out}{self.err}"


class Agent:
    """Requests to one guest; may be used from several threads at once."""

    def __init__(self, path: Path) -> None:
        self.socket = connect(path, 20)
        self.numbers = itertools.count(time.time_ns())  # never used twice, in no world
        self.waiting: dict[int, Future[dict[str, Any]]] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def request(self, op: str, *, patience: float = 20, **arguments: object) -> dict[str, Any]:
        """Ask, and wait for the answer at most `patience` seconds."""
        return self.ask(op, arguments, patience=patience)

    def ask(
        self, op: str, arguments: Mapping[str, object], *, patience: float = 20
    ) -> dict[str, Any]:
        """As `request`, with the arguments in a mapping."""
        future: Future[dict[str, Any]] = Future()
        with self.lock:
            number = next(self.numbers)
            self.waiting[number] = future
            line = json.dumps({"id": number, "op": op, **arguments}).encode()
            # The first newline ends whatever half a line the guest may still hold.
            self.socket.sendall(b"\n" + line + b"\n")
        try:
            answer = future.result(patience)
        except TimeoutError:
            raise AgentError(f"no answer to {op!r} within {patience:g} s") from None
        finally:
            self.waiting.pop(number, None)
        if not answer["ok"]:
            raise AgentError(f"{op}: {answer['error']}")
        return answer

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the agent answers; what it tells: boot_id, hostname, kernel."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.request("info", patience=1.0)
            except AgentError:
                if time.monotonic() > deadline:
                    raise

    def forget(self) -> None:
        """Fail every request under way: the world they were made in is gone."""
        for future in list(self.waiting.values()):
            if not future.done():
                future.set_exception(AgentError("the guest was restored, reset or ended"))

    def close(self) -> None:
        """Close the connection."""
        self.forget()
        self.socket.close()

    def _listen(self) -> None:
        rest = b""
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                break
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(line)
        self.forget()

    def _take(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
            future = self.waiting.get(answer["id"])
        except (ValueError, TypeError, KeyError):
            return
        if future is not None and not future.done():
            future.set_result(answer)


class Background:
    """A command that runs on in the guest while the test does something else."""

    def __init__(self, agent: Agent, argv: Sequence[str], pid: int) -> None:
        self.agent = agent
        self.argv = tuple(argv)
        self.pid = pid
        self.started = time.monotonic()

    def poll(self) -> Result | None:
        """The result if it has ended; None while it runs."""
        return self._ask(0)

    def output(self) -> tuple[str, str]:
        """What it has printed so far, stdout and stderr."""
        answer = self.agent.request("wait", pid=self.pid, timeout=0)
        return text(answer["out"]), text(answer["err"])

    def wait(self, timeout: float = RUN_TIMEOUT) -> Result:
        """Wait for its end; AgentError when it does not come in time."""
        result = self._ask(timeout)
        if result is None:
            raise AgentError(f"{' '.join(self.argv)}: still running after {timeout:g} s")
        return result

    def signal(self, number: int = signal.SIGTERM, *, group: bool = True) -> None:
        """Send a signal to its process group, or to it alone."""
        self.agent.request("signal", pid=self.pid, number=int(number), group=group)

    def _ask(self, timeout: float) -> Result | None:
        answer = self.agent.request("wait", patience=timeout + 30, pid=self.pid, timeout=timeout)
        if not answer["ended"]:
            return None
        return result_of(self.argv, answer, time.monotonic() - self.started)


def result_of(argv: Sequence[str], answer: Mapping[str, Any], seconds: float) -> Result:
    """An agent's report of an ended command."""
    code = answer["code"]
    return Result(
        tuple(argv),
        -9 if code is None else code,
        text(answer["out"]),
        text(answer["err"]),
        bool(answer.get("timed_out")),
        seconds,
    )


def pack(data: bytes) -> str:
    """Bytes as compressed base64, as the agent takes them."""
    return b64encode(zlib.compress(data, 1)).decode("ascii")


def unpack(data: str) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(b64decode(data))


def text(data: str) -> str:
    """Output of a command; bytes that are no UTF-8 become U+FFFD."""
    return unpack(data).decode("utf-8", "replace")
