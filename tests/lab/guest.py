"""One guest: its power, its commands, its files, its console, its cables."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.lab.agent import (
    CHUNK,
    RUN_TIMEOUT,
    Agent,
    AgentError,
    Background,
    CommandError,
    Result,
    pack,
    result_of,
    unpack,
)
from tests.lab.qmp import Qmp, connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pexpect.fdpexpect import fdspawn

    from tests.lab.qemu import Process
    from tests.lab.rundir import Net, Role, RunDirectory

#: Seconds after which a boot or a shutdown has failed, under emulation.
BOOT_TIMEOUT = 480.0
PROMPT = re.compile(r"root@\w+:~# ?")


class Guest:
    """A guest of the pair; made by `Lab`."""

    process: Process
    qmp: Qmp
    agent: Agent

    def __init__(self, role: Role, run: RunDirectory) -> None:
        self.role = role
        self.run_directory = run
        self._console: fdspawn[bytes] | None = None

    def attach(self, process: Process) -> None:
        """Talk to a QEMU that was just started."""
        self.process = process
        self.qmp = Qmp(self.run_directory.socket(self.role, "qmp"))
        self.agent = Agent(self.run_directory.socket(self.role, "agent"))

    # -- commands ------------------------------------------------------------------------

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = False,
        timeout: float = RUN_TIMEOUT,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        replace_env: bool = False,
        cwd: str | None = None,
    ) -> Result:
        """Run a command to its end.

        A string goes through `sh -c`, a list runs as it is.  After `timeout` seconds its
        process group is killed (`timed_out`).  `env` adds to a plain root environment, or
        is all of it with `replace_env`.  With `check`, a code other than 0 raises.
        """
        argv = argv_of(command)
        started = time.monotonic()
        request = request_of(argv, stdin, env, replace_env=replace_env, cwd=cwd)
        answer = self.agent.ask("run", request | {"timeout": timeout}, patience=timeout + 30)
        result = result_of(argv, answer, time.monotonic() - started)
        if check and result.code:
            raise CommandError(f"on {self.role}: {result}")
        return result

    def start(
        self,
        command: str | Sequence[str],
        *,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        replace_env: bool = False,
        cwd: str | None = None,
    ) -> Background:
        """Start a command and leave it running; see `run` for the arguments."""
        argv = argv_of(command)
        request = request_of(argv, stdin, env, replace_env=replace_env, cwd=cwd)
        answer = self.agent.ask("start", request)
        return Background(self.agent, argv, answer["pid"])

    # -- files ---------------------------------------------------------------------------

    def put(self, path: str, data: str | bytes, mode: int | None = 0o644) -> None:
        """Write a file; its directory must be there."""
        content = data.encode() if isinstance(data, str) else data
        for offset in range(0, max(len(content), 1), CHUNK):
            piece = pack(content[offset : offset + CHUNK])
            self.agent.request(
                "put", path=path, offset=offset, data=piece, mode=mode, truncate=offset == 0
            )

    def get(self, path: str) -> bytes:
        """Read a file whole."""
        found = bytearray()
        while True:
            answer = self.agent.request("get", path=path, offset=len(found), size=CHUNK)
            piece = unpack(answer["data"])
            if not piece:
                return bytes(found)
            found += piece

    def text(self, path: str) -> str:
        """Read a text file."""
        return self.get(path).decode()

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name (a dangling link counts)."""
        return self.run(["sh", "-c", '[ -e "$1" ] || [ -L "$1" ]', "sh", path]).code == 0

    # -- power ---------------------------------------------------------------------------

    def power_cut(self) -> None:
        """Off, at once: what was not yet written to its disk is lost.  It stays off."""
        self.qmp.command("stop")
        self.reset_stopped()

    def reset_stopped(self) -> None:
        """Reset a guest that does not run; it is then as if switched off."""
        self.qmp.forget_events()
        self.qmp.command("system_reset")
        if self.qmp.wait_event("RESET", timeout=20) is None:
            raise AgentError(f"{self.role}: no reset")
        self.agent.forget()

    def boot(self, *, wait: bool = True, timeout: float = BOOT_TIMEOUT) -> float:
        """Switch on a guest that is off; with `wait`, until systemd says that it is done.

        Returns the seconds it took.
        """
        if self.status() == "shutdown":
            self.reset_stopped()
        started = time.monotonic()
        self.qmp.command("cont")
        if wait:
            self.wait_booted(timeout)
        return time.monotonic() - started

    def reboot(self, *, wait: bool = True, timeout: float = BOOT_TIMEOUT) -> float:
        """A clean reboot; returns the seconds from the command to the finished boot."""
        started = time.monotonic()
        before = self.agent.wait_ready(20)["boot_id"]
        self.qmp.forget_events()
        self.start(["systemctl", "reboot", "--no-block"])
        if self.qmp.wait_event("RESET", timeout=timeout) is None:
            raise AgentError(f"{self.role}: did not go down within {timeout:g} s")
        self.agent.forget()
        if wait:
            self.wait_booted(timeout, not_boot=before)
        return time.monotonic() - started

    def shutdown(self, *, timeout: float = BOOT_TIMEOUT) -> float:
        """A clean power-off; returns the seconds it took.  It stays off."""
        started = time.monotonic()
        self.qmp.forget_events()
        self.start(["systemctl", "poweroff", "--no-block"])
        if self.qmp.wait_event("SHUTDOWN", timeout=timeout) is None:
            raise AgentError(f"{self.role}: did not go down within {timeout:g} s")
        while self.status() != "shutdown":
            time.sleep(0.02)
        self.agent.forget()
        return time.monotonic() - started

    def wait_booted(self, timeout: float = BOOT_TIMEOUT, *, not_boot: str | None = None) -> str:
        """Wait for the agent, then for systemd's last job; gives `running` or `degraded`."""
        deadline = time.monotonic() + timeout
        while self.agent.wait_ready(timeout)["boot_id"] == not_boot:
            time.sleep(0.1)
        left = max(1.0, deadline - time.monotonic())
        state = self.run(["systemctl", "is-system-running", "--wait"], timeout=left)
        if state.timed_out:
            jobs = self.run(["systemctl", "list-jobs", "--no-pager"]).out
            raise AgentError(f"{self.role}: not booted within {timeout:g} s\n{jobs}")
        return state.out.strip()

    def status(self) -> str:
        """QEMU's word for its state: running, paused, prelaunch (off), shutdown, ..."""
        return str(self.qmp.command("query-status")["status"])

    def set_clock(self) -> None:
        """Give the guest this machine's time."""
        # A guest that was just loaded has all of its memory to read anew, beside up to four others.
        self.agent.request("clock", patience=120, time=time.time())

    # -- cables --------------------------------------------------------------------------

    def set_link(self, net: Net, *, up: bool) -> None:
        """Plug or pull the cable at this guest's card; this side sees its carrier go."""
        self.qmp.command("set_link", name=f"nic{net}", up=up)

    # -- console -------------------------------------------------------------------------

    @property
    def console(self) -> fdspawn[bytes]:
        """The serial console under pexpect; root is logged in there."""
        if self._console is None:
            from pexpect.fdpexpect import fdspawn

            client = connect(self.run_directory.socket(self.role, "console"), 5)
            self._console = fdspawn(client.detach(), timeout=RUN_TIMEOUT)
        return self._console

    def console_log(self) -> str:
        """All that came over the console since the pair was started."""
        try:
            data = self.run_directory.console_log(self.role).read_bytes()
        except FileNotFoundError:
            return ""
        return data.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait_login(self, *, since: int = 0, timeout: float = BOOT_TIMEOUT) -> float:
        """Seconds until a shell prompt stands in the console's log after `since` characters."""
        started = time.monotonic()
        while not PROMPT.search(self.console_log(), since):
            if time.monotonic() > started + timeout:
                raise AgentError(f"{self.role}: no prompt within {timeout:g} s")
            time.sleep(0.05)
        return time.monotonic() - started

    def close(self, *, gently: bool = False) -> None:
        """End the guest's QEMU and every connection to it; gently if its disk counts."""
        if gently:
            self.qmp.quit()
            self.process.wait(20)
        self.process.kill()
        self.agent.close()
        self.qmp.close()
        if self._console is not None:
            self._console.close()
            self._console = None


def argv_of(command: str | Sequence[str]) -> list[str]:
    """A string is for the shell, a list is an argv."""
    return ["sh", "-c", command] if isinstance(command, str) else list(command)


def request_of(
    argv: list[str],
    stdin: str | bytes | None,
    env: Mapping[str, str] | None,
    *,
    replace_env: bool,
    cwd: str | None,
) -> dict[str, object]:
    """What `run` and `start` ask of the agent."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return {
        "argv": argv,
        "stdin": None if data is None else pack(data),
        "env": dict(env or {}),
        "replace_env": replace_env,
        "cwd": cwd,
    }
