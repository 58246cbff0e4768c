"""The lab's agent: runs in a guest, on a virtio-serial port, standard library only.

One JSON object a line, both ways.  A request is ``{"id": n, "op": name, ...}``, its answer
``{"id": n, "ok": true, ...}`` or ``{"id": n, "ok": false, "error": text}``.  Bytes travel as
base64.  Each request has a thread of its own, so a slow one holds up nobody.  A line that
is no JSON is dropped, so the stream finds its feet at the next newline by itself: that is
what a restored snapshot needs, where either side may hold half a line of another world.
"""

# No pathlib: an emulated boot pays for each module.
# ruff: noqa: PTH103, PTH106, PTH108, PTH110, PTH123, PTH211

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import zlib
from typing import Any

PORT = "/dev/virtio-ports/org.iscsictl.agent"
CHUNK = 1 << 20
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
}

Request = dict[str, Any]


class Child:
    """A process in a session of its own, with its output gathered as it comes."""

    def __init__(self, request: Request) -> None:
        env = dict(request["env"]) if request.get("replace_env") else ENV | request.get("env", {})
        stdin = request.get("stdin")
        self.out = bytearray()
        self.err = bytearray()
        self.process = subprocess.Popen(
            request["argv"],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=request.get("cwd") or "/root",
            start_new_session=True,
        )
        self.threads = [
            threading.Thread(target=self._gather, args=(pipe, sink), daemon=True)
            for pipe, sink in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for thread in self.threads:
            thread.start()
        if stdin is not None:
            threading.Thread(target=self._feed, args=(unpack(stdin),), daemon=True).start()

    def _gather(self, pipe: Any, sink: bytearray) -> None:
        fd = pipe.fileno()
        while data := os.read(fd, 65536):
            sink += data

    def _feed(self, data: bytes) -> None:
        pipe = self.process.stdin
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.write(data)
                pipe.close()

    def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal to the process group (or the one process), if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.process.poll() is None or group:
                (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end; True if it came.  Then give the pipes a moment to run dry:
        a daemon that the command left behind may hold them open for ever."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        for thread in self.threads:
            thread.join(0.5)
        return True

    def report(self) -> Request:
        return {
            "pid": self.process.pid,
            "code": self.process.poll(),
            "out": pack(bytes(self.out)),
            "err": pack(bytes(self.err)),
        }


CHILDREN: dict[int, Child] = {}


def pack(data: bytes) -> str:
    """Bytes as compressed base64."""
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def unpack(text: str) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(base64.b64decode(text))


def op_info(_request: Request) -> Request:
    boot_id = slurp("/proc/sys/kernel/random/boot_id").decode().strip()
    return {"boot_id": boot_id, "hostname": os.uname().nodename, "kernel": os.uname().release}


def op_clock(request: Request) -> Request:
    time.clock_settime(time.CLOCK_REALTIME, request["time"])
    return {}


def op_run(request: Request) -> Request:
    child = Child(request)
    ended = child.wait(request["timeout"])
    if not ended:
        child.signal(signal.SIGKILL)
        child.wait(2)
    return child.report() | {"timed_out": not ended}


def op_start(request: Request) -> Request:
    child = Child(request)
    CHILDREN[child.process.pid] = child
    return {"pid": child.process.pid}


def op_wait(request: Request) -> Request:
    child = CHILDREN[request["pid"]]
    ended = child.wait(request["timeout"])
    return child.report() | {"ended": ended}


def op_signal(request: Request) -> Request:
    CHILDREN[request["pid"]].signal(request["number"], group=request["group"])
    return {}


def op_put(request: Request) -> Request:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if request["truncate"] else 0)
    fd = os.open(request["path"], flags, 0o600)
    try:
        if request.get("mode") is not None:
            os.fchmod(fd, request["mode"])
        data = unpack(request["data"])
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:], request["offset"] + done)
        if request.get("sync"):
            os.fsync(fd)
    finally:
        os.close(fd)
    return {}


def op_get(request: Request) -> Request:
    fd = os.open(request["path"], os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, min(request["size"], CHUNK), request["offset"])
    finally:
        os.close(fd)
    return {"data": pack(data)}


def op_extents(request: Request) -> Request:
    """Where a sparse file holds data: [[offset, length], ...] and its size, after a flush."""
    found: list[list[int]] = []
    fd = os.open(request["path"], os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        size = os.fstat(fd).st_size
        end = 0
        while end < size:
            try:
                start = os.lseek(fd, end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(fd, start, os.SEEK_HOLE)
            found.append([start, end - start])
    finally:
        os.close(fd)
    return {"size": size, "extents": found}


def op_batch(request: Request) -> Request:
    """Many small changes of files in one go (configfs): stops at the first that fails."""
    for number, step in enumerate(request["steps"]):
        try:
            one_step(*step)
        except FileNotFoundError:
            if not request.get("missing_ok"):
                return {"failed": number, "why": f"{step}: no such file"}
        except FileExistsError:
            continue
        except OSError as error:
            return {"failed": number, "why": f"{step}: {error.strerror}"}
    return {"failed": None}


def one_step(verb: str, path: str, value: str = "") -> None:
    if verb == "mkdir":
        os.makedirs(path, exist_ok=True)
    elif verb == "rmdir":
        os.rmdir(path)
    elif verb == "link":
        os.symlink(value, path)
    elif verb == "unlink":
        os.unlink(path)
    elif verb == "write":
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    elif verb == "size":
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, int(value))
            os.fsync(fd)
        finally:
            os.close(fd)
    else:
        raise OSError(0, f"no such step: {verb}")


def slurp(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


OPS = {name[3:]: call for name, call in globals().items() if name.startswith("op_")}


class Port:
    """The virtio-serial port: lines in, lines out, one writer at a time."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.lock = threading.Lock()
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)

    def send(self, answer: Request) -> None:
        data = memoryview(json.dumps(answer).encode() + b"\n")
        with self.lock:
            while data:
                data = data[os.write(self.fd, data[:65536]) :]

    def serve(self) -> None:
        rest = b""
        while True:
            self.poll.poll()
            data = os.read(self.fd, 65536)
            if not data:  # nobody at the other end yet
                time.sleep(0.05)
                continue
            if b"\n" not in data:
                rest += data
                continue
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.take(line)

    def take(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            number = request["id"]
        except (ValueError, TypeError, KeyError):
            return
        threading.Thread(target=self.answer, args=(number, request), daemon=True).start()

    def answer(self, number: object, request: Request) -> None:
        try:
            answer = {"ok": True} | OPS[request["op"]](request)
        except Exception as error:  # whatever it is, the caller shall know
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        self.send({"id": number} | answer)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while not os.path.exists(PORT):
        time.sleep(0.05)
    Port(PORT).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
