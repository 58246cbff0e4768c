"""The lab by hand: `python -m tests.lab ready|up|run|call|restore|install|console|down|shell`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from tests.lab.image import LabUnavailableError
from tests.lab.pair import Lab


def control_path(name: str) -> Path:
    """The control socket of a lab that is up."""
    return Path(tempfile.gettempdir()) / f"iscsictl-lab-{os.getuid()}.{name}"


def up(name: str, suite: str, *, project: bool, ready: threading.Event | None = None) -> None:
    """Keep a pair running and serve requests, one connection each, until `down`."""
    path = control_path(name)
    if path.exists():
        with contextlib.suppress(OSError):
            ask(name, {"do": "ping"})
            sys.exit(f"{name} is up already")
        path.unlink()
    with Lab.start(suite) as lab, socket.socket(socket.AF_UNIX) as server:
        if project:
            lab.install_project()
        server.bind(str(path))
        path.chmod(0o600)
        server.listen(16)
        print(f"{name}: {suite} is up ({lab.how.name}), consoles in {lab.run_directory.path}",
              flush=True)  # fmt: skip
        ended = threading.Event()
        try:
            while not ended.is_set():
                client, _ = server.accept()
                threading.Thread(target=serve, args=(lab, client, ended, path), daemon=True).start()
        finally:
            path.unlink(missing_ok=True)


def serve(lab: Lab, client: socket.socket, ended: threading.Event, path: Path) -> None:
    """Answer one request."""
    with client, client.makefile("rwb") as stream:
        try:
            request = json.loads(stream.readline())
            answer = {"out": "", "err": "", "code": 0} | answer_request(lab, request)
        except SystemExit:
            ended.set()
            answer = {"out": "", "err": "", "code": 0}
        except Exception:  # the one who asked shall see it, whatever it is
            answer = {"out": "", "err": traceback.format_exc(), "code": 99}
        with contextlib.suppress(OSError):
            stream.write(json.dumps(answer).encode() + b"\n")
    if ended.is_set():
        with socket.socket(socket.AF_UNIX) as wake:
            wake.connect(str(path))


def answer_request(lab: Lab, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request says."""
    match request["do"]:
        case "run":
            result = lab.guests[request["role"]].run(
                request["command"], timeout=request["timeout"], stdin=request.get("stdin")
            )
            return {"out": result.out, "err": result.err, "code": result.code}
        case "call":
            scope = {"lab": lab, "array": lab.array, "host": lab.host}
            try:
                value = eval(request["code"], scope)
            except SyntaxError:
                exec(request["code"], scope)
                value = None
            return {"out": "" if value is None else f"{value}\n"}
        case "restore":
            lab.restore(request["name"])
        case "snapshot":
            lab.snapshot(request["name"])
        case "install":
            lab.restore("booted")
            lab.install_project()
        case "console":
            return {"out": lab.guests[request["role"]].console_log()}
        case "down":
            raise SystemExit
    return {}


def ask(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to a lab that is up."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(control_path(name)))
        with client.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
            return answer


def show(answer: dict[str, Any]) -> int:
    """Print an answer as the command itself would have."""
    sys.stdout.write(answer["out"])
    sys.stdout.flush()
    sys.stderr.write(answer["err"])
    return int(answer["code"])


def ready(suite: str) -> None:
    """Have what later starts need: the image, and the state of a booted pair."""
    try:
        Lab.start(suite).close()
    except LabUnavailableError as error:
        sys.exit(f"no lab: {error}")


def shell(suite: str, *, project: bool) -> None:
    """A pair of one's own and the host's console, until the connection is closed."""
    with Lab.start(suite) as lab:
        if project:
            lab.install_project()
        lab.host.console.sendline("")
        print("the host's console; Ctrl-] ends the lab", flush=True)
        path = lab.run_directory.socket("host", "console")
        lab.host.console.close()
        subprocess.run(["socat", "-,rawer,escape=0x1d", f"unix-connect:{path}"], check=False)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m tests.lab")
    commands = top.add_subparsers(dest="command", required=True)
    texts = {
        "ready": "build a suite's image and boot it once, unless that was done",
        "up": "start a pair and keep it (in the foreground)",
        "run": "run a command: run [--name N] host|array -- CMD...",
        "call": "run Python with lab, array and host defined",
        "restore": "back to a snapshot (installed)",
        "snapshot": "save a snapshot",
        "install": "back to a clean boot, then install the project as it is now",
        "console": "print all that came over a console",
        "down": "end the pair",
        "shell": "a pair and the host's console (needs socat)",
    }
    made = {}
    for command, text in texts.items():
        made[command] = commands.add_parser(command, help=text)
        made[command].add_argument("--name", default="dev")
    for command in ("ready", "up", "shell"):
        made[command].add_argument("--suite", default="bookworm")
    for command in ("up", "shell"):
        made[command].add_argument("--bare", action="store_true", help="without the project")
    made["run"].add_argument("--timeout", type=float, default=300)
    made["run"].add_argument("--stdin", action="store_true", help="pass on this stdin")
    for command in ("run", "console"):
        made[command].add_argument("role", choices=["array", "host"])
    made["run"].add_argument("words", nargs=argparse.REMAINDER)
    made["call"].add_argument("code")
    made["restore"].add_argument("snapshot", nargs="?", default="installed")
    made["snapshot"].add_argument("snapshot")
    return top


def main() -> int:
    """Do what the command line says."""
    args = parser().parse_args()
    match args.command:
        case "ready":
            ready(args.suite)
            return 0
        case "up":
            up(args.name, args.suite, project=not args.bare)
            return 0
        case "shell":
            shell(args.suite, project=not args.bare)
            return 0
        case "run":
            words = args.words[1:] if args.words[:1] == ["--"] else args.words
            command = words[0] if len(words) == 1 else shlex.join(words)
            request = {"role": args.role, "command": command, "timeout": args.timeout}
            if args.stdin:
                request["stdin"] = sys.stdin.read()
        case "call":
            request = {"code": args.code}
        case "restore" | "snapshot":
            request = {"name": args.snapshot}
        case "console":
            request = {"role": args.role}
        case _:
            request = {}
    try:
        return show(ask(args.name, {"do": args.command, **request}))
    except (FileNotFoundError, ConnectionRefusedError):
        sys.exit(f"{args.name} is not up")


if __name__ == "__main__":
    sys.exit(main())
