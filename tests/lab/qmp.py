"""QEMU's machine protocol, as much of it as the lab needs."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class QmpError(Exception):
    """QEMU refused a command, or is gone."""


class Qmp:
    """One connection; commands one after the other, events kept until asked for."""

    def __init__(self, path: Path, *, timeout: float = 20) -> None:
        self.socket = connect(path, timeout)
        self.buffer = b""
        self.events: list[dict[str, Any]] = []
        self._receive(timeout)  # the greeting
        self.command("qmp_capabilities")

    def command(self, name: str, /, **arguments: object) -> Any:
        """Run a command and give what it returns; saving a state may take a while."""
        request = {"execute": name, "arguments": arguments}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise QmpError(f"{name}: QEMU is gone ({error})") from error
        while True:
            answer = self._receive(120)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QmpError(f"{name}: {answer['error'].get('desc')}")

    def human(self, line: str) -> str:
        """Run a line of the human monitor; any text that it prints is an error here."""
        text = self.command("human-monitor-command", **{"command-line": line})
        if text.strip():
            raise QmpError(f"{line}: {text.strip()}")
        return str(text)

    def wait_event(self, *names: str, timeout: float) -> str | None:
        """Wait for the first of these events that comes, or came since `forget_events`."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] in names:
                    return str(event["event"])
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                self._receive(left)
            except TimeoutError:
                return None

    def forget_events(self) -> None:
        """From now on `wait_event` sees only what comes later."""
        self.command("query-status")
        self.events.clear()

    def quit(self) -> None:
        """Tell QEMU to end; its disks are whole then."""
        with contextlib.suppress(OSError, QmpError):
            self.command("quit")

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _receive(self, timeout: float) -> dict[str, Any]:
        """One message; an event is also kept."""
        self.socket.settimeout(timeout)
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise QmpError("QEMU is gone")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a unix socket that is about to appear."""
    deadline = time.monotonic() + timeout
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return client
