"""Hold a command at each of its steps: runs in a guest, standard library only.

`stopper_guest.py SPEC`, where SPEC is JSON: `argv`, and `tools`, rows of (name of the point,
program, word of its command line, bytes it has written at least).

The command's stdout is a pipe with room for one line, and that room is taken. So the command
waits in the kernel when it says that a step has ended, before it begins the next: what it
says is read from its memory. A tool of `tools` is held by SIGSTOP. Neither needs a hook in the
command. At each point a line of JSON is printed, and an order is awaited in ORDERS: `next`, or
the number of a signal for the command, which then goes on to its end without further points.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ORDERS = Path("/run/stopper-order")
ERRORS = Path("/root/stopper.err")
DATABASE_LOCK = Path("/run/lock/iscsi/lock.write")
PAUSE = 0.001
PATIENCE = 60


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


class Held:
    """A command whose output is taken line by line, at our pleasure."""

    def __init__(self, argv: list[str]) -> None:
        self.reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, b"\n")
        with ERRORS.open("wb") as errors:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=errors,
                start_new_session=True,
            )
        os.close(writer)
        self.pid = self.process.pid
        self.seen: set[int] = set()
        self.out = ""

    def saying(self) -> str | None:
        """What the command is about to say, while it waits for room to say it."""
        words = text(f"/proc/{self.pid}/syscall").split()
        if words[:2] != ["1", "0x1"]:  # write(2) to stdout, on x86-64
            return None
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(int(words[2], 16))
            return memory.read(int(words[3], 16)).decode(errors="replace")

    def take(self) -> bool:
        """Make room for a line; False at the end."""
        piece = os.read(self.reader, 65536)
        self.out += piece.decode(errors="replace")
        select.select([self.reader], [], [], PATIENCE)
        return bool(piece)

    def tool(self, rows: list[tuple[str, str, str, int]]) -> tuple[str, int] | None:
        """A tool at work that was not held yet, stopped now: the point's name and its pid."""
        children = " ".join(
            text(f"{task}/children") for task in Path(f"/proc/{self.pid}/task").iterdir()
        )
        for child in map(int, children.split()):
            if child in self.seen:
                continue
            name, line = text(f"/proc/{child}/comm").strip(), text(f"/proc/{child}/cmdline")
            for point, program, word, written in rows:
                if name != program or word not in line.split("\0"):
                    continue
                if written and written_by(child) < written:
                    continue
                self.seen.add(child)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGSTOP)
                    return point, child
        return None

    def in_lock(self) -> bool:
        """Whether it owns the lock of the node database now; it is stopped then."""
        if not DATABASE_LOCK.exists() or "iscsiadm" in names_of(self.pid):
            return False
        os.kill(self.pid, signal.SIGSTOP)
        if DATABASE_LOCK.exists():
            return True
        os.kill(self.pid, signal.SIGCONT)
        return False

    def finish(self) -> None:
        while self.take():
            pass
        self.process.wait()
        tell(code=self.process.returncode, out=self.out, err=ERRORS.read_text())


def written_by(pid: int) -> int:
    for line in text(f"/proc/{pid}/io").splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0


def names_of(pid: int) -> set[str]:
    children = text(f"/proc/{pid}/task/{pid}/children").split()
    return {text(f"/proc/{child}/comm").strip() for child in children}


def order(point: str) -> int | None:
    """Tell the point; a signal's number if the command shall get it here, None to go on."""
    tell(point=point)
    while True:
        word = text(str(ORDERS)).strip()
        if word:
            ORDERS.unlink()
            return None if word == "next" else int(word)
        time.sleep(20 * PAUSE)


def gone(pid: int) -> bool:
    """Wait until a tool whose command was killed has ended too."""
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def ended(held: Held, point: str, *stopped: int) -> bool:
    """Halt at a point until there is an order; True if the command got a signal there."""
    number = order(point)
    if number is not None:
        os.killpg(held.pid, number)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    if number is None:
        return False
    held.finish()
    for pid in stopped:
        if not gone(pid):
            tell(left=pid)
    return True


def watch(held: Held, rows: list[tuple[str, str, str, int]], *, lock: bool) -> None:
    while True:
        line = held.saying()
        if line is not None:
            words = line.split()
            if words[:1] == ["done"] and ended(held, f"after {words[1]}"):
                return
            held.take()
            continue
        tool = held.tool(rows)
        if tool is not None:
            if ended(held, tool[0], tool[1]):
                return
            continue
        if lock and held.in_lock():
            lock = False
            if ended(held, "in the lock of the records", held.pid):
                return
        if held.process.poll() is not None:
            held.finish()
            return
        time.sleep(PAUSE)


def main() -> int:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    rows = [(str(a), str(b), str(c), int(d)) for a, b, c, d in spec["tools"]]
    watch(Held(spec["argv"]), rows, lock=spec["lock"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
