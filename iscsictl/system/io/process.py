"""The only module that starts processes: `run` for most tools, `pty` for those that ask."""

import contextlib
import os
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from iscsictl.errors import IscsictlError, MissingError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import LAST_WRITE_WAIT, SIGNAL_WAIT
from iscsictl.model.packages import install_program_command
from iscsictl.system.io.communicate import communicate
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.io.waits import waiting

pexpect = lazy_import("pexpect")
fdpexpect = lazy_import("pexpect.fdpexpect")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Where every tool runs, so that no argument can name a file in the user's own directory.
_DIRECTORY = "/"
# Seconds between two checks whether a program has ended.
_PAUSE = 0.02
# --timeout is for logins and services; tools that read a disk have limits of their own.
_TIMED_BY_USER = frozenset({"iscsiadm", "systemctl"})
#: Where a usage text begins, which some tools (mkfs.xfs) print after the reason of a failure.
_USAGE = re.compile(r"^usage:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What a process returned: its exit code (negative: the signal) and its output."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line that is not empty, of stderr if possible; for the one line of an error.

        A usage text is left out if anything is printed before it. `exit code N` if the program
        printed nothing.
        """
        for text in (self.err, self.out):
            for part in (_USAGE.split(text, maxsplit=1)[0], text):
                lines = [line.strip() for line in part.splitlines() if line.strip()]
                if lines:
                    return lines[-1]
        return f"exit code {self.code}"


class ToolError(IscsictlError):
    """A tool ended with an exit code that its caller does not accept."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.argv[0]}: {result.last_line}", tool_exit=result.code)
        self.result = result


class StoppedError(IscsictlError):
    """A tool was ended because the user asked iscsictl to stop."""


# Between fork and exec a child holds copies of all our descriptors, another thread's locks and
# exclusive openings among them: only one starts at a time, and code that must be sure that none has
# a copy can wait.
_starting = threading.Lock()


def wait_until_none_starting() -> None:
    """Wait until no process that is starting has a copy of a descriptor closed before.

    Such a copy, created by fork(2), keeps an O_EXCL open or a flock in force until exec closes it.
    """
    with _starting:
        return


_tracers: list[Callable[[Sequence[str]], None]] = []


def trace_to(tracer: Callable[[Sequence[str]], None]) -> None:
    """Have each command line shown to `tracer` before it starts (`-v`).

    It stays for the life of this process. No secret is ever on a command line.
    """
    _tracers.append(tracer)


def show_command(argv: Sequence[str]) -> None:
    """Show a command line to the tracers, also for what is done in place of a program."""
    for tracer in _tracers:
        tracer(argv)


def environment() -> dict[str, str]:
    """Return the environment of a child process.

    Messages are in English and UTF-8, because they are parsed. PATH is fixed, since root must not
    start what another user put first. HOME, TERM and TZ are kept.
    """
    kept = {name: os.environ[name] for name in ("HOME", "TERM", "TZ") if name in os.environ}
    return {"PATH": PATH, "LC_ALL": "C.UTF-8", **kept}


def _missing_program_error(program: str) -> MissingError:
    hint = install_program_command(program, find_package_manager())
    return MissingError(f"{program} is not installed", hint=hint)


def find(program: str) -> str | None:
    """Return the full path of a program, or None.

    The caller's PATH is not searched. A name with a slash is returned unchanged, if it can be
    executed.
    """
    if "/" in program:
        return program if os.access(program, os.X_OK) else None
    for directory in PATH.split(":"):
        candidate = f"{directory}/{program}"
        if os.access(candidate, os.X_OK):
            return candidate
    return None


def _about_to_run(argv: Sequence[str], shown: Sequence[str] | None = None) -> str:
    """Return the full path of the program, after showing its command line."""
    path = find(argv[0])
    if path is None:
        raise _missing_program_error(argv[0])
    show_command(argv if shown is None else shown)
    return path


def run(
    argv: Sequence[str],
    *,
    timeout: float | None = 60,
    stdin: bytes | None = None,
    ok: Container[int] | None = (0,),
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    shown: Sequence[str] | None = None,
    doing: str | None = None,
    interruptible: bool = False,
    idle_only: bool = False,
) -> Result:
    """Run a program to its end, in its own process group, with stdin empty unless given.

    `timeout` is in seconds; None is for a tool that makes progress and is never killed for being
    slow. `ok` has the exit codes that are no error; None accepts all. `env` is added to the
    environment; no secret may be in it. The child inherits only the descriptors `pass_fds`. `shown`
    is what `-v` and errors show if the real command line names a descriptor, or another program
    that starts this one. `doing` is what a terminal shows during the wait. A deferred signal ends a
    program that is `interruptible`, that is, one that leaves nothing half done. With `idle_only`,
    the deadline is put off while the program computes or reads: on a host with too little processor
    time everything is slow, which does not mean that a disk is dead.

    Raises MissingError, UnreachableError at the deadline, InterruptError, ToolError for other
    exit codes.
    """
    path = _about_to_run(argv, shown)
    with _starting:
        started = subprocess.Popen(
            argv,
            executable=path,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), **(env or {})},
            cwd=_DIRECTORY,
            process_group=0,
            pass_fds=pass_fds,
        )
    with started as process, waiting(doing or f"waiting for {argv[0]}", timeout):
        try:
            out, err = communicate(
                process, stdin, timeout, interruptible=interruptible, idle_only=idle_only
            )
        except subprocess.TimeoutExpired:
            _end_process(process)
            raise _no_answer_error((shown or argv)[0], timeout or 0) from None
        except BaseException:
            _end_process(process)
            raise
    result = Result(
        tuple(argv),
        process.returncode,
        out.decode("utf-8", "surrogateescape"),
        err.decode("utf-8", "surrogateescape"),
    )
    if ok is not None and result.code not in ok:
        raise ToolError(result)
    return result


@contextlib.contextmanager
def filtered(argv: Sequence[str], stdin: int, *, timeout: float) -> Iterator[IO[bytes]]:
    """Have a program read the descriptor `stdin` to its end; yield its output as a stream.

    For output that need not be kept: an unpacked initramfs has hundreds of megabytes. The program
    ends with the block, or after `timeout` seconds. Raises MissingError, UnreachableError at the
    deadline, IscsictlError if it fails.
    """
    path = _about_to_run(argv)
    with _starting:
        process = subprocess.Popen(
            argv,
            executable=path,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd=_DIRECTORY,
            process_group=0,
        )
    expired = threading.Event()

    def end_at_deadline() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(timeout, end_at_deadline)
    timer.daemon = True
    timer.start()
    try:
        with process, contextlib.closing(process.stdout or open(os.devnull, "rb")) as output:
            yield output
    finally:
        timer.cancel()
        # An error of the reader about output that was cut off is not the cause.
        if expired.is_set():
            raise _no_answer_error(argv[0], timeout) from None
    if process.returncode:
        raise IscsictlError(f"{argv[0]}: exit code {process.returncode}")


def start(
    argv: Sequence[str],
    begun: Callable[[], bool],
    *,
    timeout: float = 60,
    pass_fds: Sequence[int] = (),
    shown: Sequence[str] | None = None,
) -> None:
    """Start a program; return as soon as `begun` is true, without ending it, or at its end.

    `timeout` is in seconds; for `pass_fds` and `shown` see `run`. Raises MissingError, ToolError if
    it fails earlier, UnreachableError at the deadline.
    """
    path = _about_to_run(argv, shown)
    started = time.monotonic()
    with open(os.memfd_create("stderr", os.MFD_CLOEXEC), "w+b") as err:
        with _starting:
            process = subprocess.Popen(
                argv,
                executable=path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                env=environment(),
                cwd=_DIRECTORY,
                process_group=0,
                pass_fds=pass_fds,
            )
        with waiting(f"waiting for {argv[0]}", timeout):
            while process.poll() is None and not begun():
                if time.monotonic() - started > timeout:
                    _end_process(process)
                    raise _no_answer_error(argv[0], timeout)
                time.sleep(_PAUSE)
        if process.returncode:
            err.seek(0)
            errors = err.read().decode("utf-8", "surrogateescape")
            raise ToolError(Result(tuple(argv), process.returncode, "", errors))
    # Nobody waits for this child any longer.
    process.returncode = process.returncode or 0


def _no_answer_error(program: str, timeout: float) -> UnreachableError:
    longer = "allow more time with --timeout, or " if program in _TIMED_BY_USER else ""
    text = f"{program} did not answer within {timeout:g} s"
    return UnreachableError(text, hint=f"{longer}check with: iscsictl doctor")


def _end_process(process: subprocess.Popen[bytes], last_wait: float = SIGNAL_WAIT) -> None:
    """End a process: SIGTERM, then SIGKILL; raise an error if the kernel does not let go of it.

    `last_wait` is how many seconds it may take to end after SIGKILL.
    """
    for number, wait in ((signal.SIGTERM, SIGNAL_WAIT), (signal.SIGKILL, last_wait)):
        process.send_signal(number)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            continue
        return
    pid, name = process.pid, process.args[0] if isinstance(process.args, Sequence) else "?"
    process.returncode = -signal.SIGKILL
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    raise _hanging_process_error(str(name), pid)


@contextlib.contextmanager
def _started_on_terminal(
    path: str, argv: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Start a program on a terminal of ours; yield it and the terminal, ended and closed after.

    setsid(1) makes the terminal the one that controls the program, so that it gets a SIGHUP if this
    process is killed. fork(2), with which pexpect would start it, copies the page tables of this
    process, and every page that is written after that costs a page fault.
    """
    setsid = find("setsid")
    if setsid is None:
        raise _missing_program_error("setsid")
    ours, its = os.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        try:
            termios.tcsetwinsize(its, (24, 200))
            mode = termios.tcgetattr(its)
            mode[3] &= ~termios.ECHO
            termios.tcsetattr(its, termios.TCSANOW, mode)
            with _starting:
                process = subprocess.Popen(
                    [argv[0], "--ctty", path, *argv[1:]],
                    executable=setsid,
                    stdin=its,
                    stdout=its,
                    stderr=its,
                    env={**environment(), "TERM": "dumb"},
                    cwd=_DIRECTORY,
                )
        finally:
            os.close(its)
        terminal = fdpexpect.fdspawn(
            ours, timeout=1, encoding="utf-8", codec_errors="replace", use_poll=True
        )
        try:
            yield process, terminal
        finally:
            if process.poll() is None:
                _end_process(process, LAST_WRITE_WAIT)


def _hanging_process_error(name: str, pid: int) -> UnreachableError:
    state = _read_process_state(pid)
    return UnreachableError(
        f"{name} (pid {pid}) hangs in the kernel (state {state}) and cannot be killed",
        hint="the disk it waits for does not answer: repair the path to the array, or log it out",
    )


def _read_process_state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "?"
    return text.rpartition(")")[2].split()[0]


def pty(
    argv: Sequence[str],
    *,
    answers: Iterable[tuple[str, str]] = (),
    watch: Callable[[str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Run a program that insists on a terminal, for as long as it takes.

    `answers` are pairs of a regular expression and the line to send when it is asked. `watch` gets
    the output as it comes; `stop` is called every second and ends the program if it returns true.

    Raises MissingError, ToolError for an exit code other than 0, StoppedError, UnreachableError if
    the kernel does not let go of a program that was killed.
    """
    path = _about_to_run(argv)
    rules = list(answers)
    patterns: list[Any] = [rule[0] for rule in rules] + [
        r"[^\r\n\b]+[\r\n\b]+",
        pexpect.EOF,
        # A second without output is no error: `stop` is called again.
        pexpect.TIMEOUT,
    ]
    pieces: list[str] = []
    stopped = StoppedError(f"{argv[0]} was stopped before it finished")
    with _started_on_terminal(path, argv) as (process, terminal):
        while True:
            found = terminal.expect(patterns)
            after = terminal.after if isinstance(terminal.after, str) else ""
            piece = (terminal.before or "") + after
            if found < len(rules):
                pieces.append(piece)
                terminal.sendline(rules[found][1])
            elif found == len(rules) + 1:
                pieces.append(terminal.before or "")
                break
            elif found == len(rules):
                pieces.append(piece)
                if watch:
                    watch(piece)
            if stop():
                raise stopped
        # It may have closed its terminal while it is still writing to a disk.
        while process.poll() is None:
            if stop():
                raise stopped
            time.sleep(_PAUSE)
    # Until setsid(1) has given it a session of its own, Ctrl-C reaches it, too.
    if process.returncode < 0 and stop():
        raise stopped
    result = Result(tuple(argv), process.returncode, "".join(pieces).replace("\b", ""), "")
    if result.code:
        raise ToolError(result)
    return result
