"""The entry point: core dumps, standard streams, exit code, and what is left in their buffers."""

import contextlib
import io
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from iscsictl.lazy_import import lazy_import

if TYPE_CHECKING:
    from iscsictl.cli import main as cli_main
else:
    # Not before Ctrl-C can end the process without a traceback.
    cli_main = lazy_import("iscsictl.cli.main")

#: Bytes. A program that collects core dumps is started whatever the limit is, but for this value
#: (fs/coredump.c: "RLIMIT_CORE set to 1, Aborting core"); for a file it is too little (core(5)).
_NO_CORE_DUMP = 1


def main() -> NoReturn:
    """Run iscsictl as a process: exit code by the contract, never a traceback."""
    # Where it is ignored, it stays so: without job control, a shell starts a background program so.
    catches_interrupt = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if catches_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _forbid_core_dumps()
    # Ignored by whoever started this process, which exec(2) keeps, it would hide every failure: the
    # kernel then discards the exit codes of children (waitpid(2)), and subprocess takes 0 for them.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Blocked signals are kept, too: Ctrl-C would do nothing, and no program could be ended early.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = _guard(cli_main.run_cli, catches_interrupt=catches_interrupt)
    if catches_interrupt:
        # Nothing is left to be interrupted but the end of the interpreter, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def _forbid_core_dumps() -> None:
    """Have no core dump made of this process and its children: their memory holds CHAP secrets.

    Should the kernel make one all the same, then without the contents of the memory: no kind of
    mapping is written to it (core(5), coredump_filter).
    """
    # Only root may raise the hard limit, and zero is lower still.
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 0 if hard == 0 else _NO_CORE_DUMP
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    # There is no such file without /proc, and in a kernel that makes no core dumps.
    with contextlib.suppress(OSError):
        descriptor = os.open("/proc/self/coredump_filter", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"0")
        finally:
            os.close(descriptor)


def _open_what_is_closed() -> None:
    """Have no file or disk that is opened later take the number of a standard stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _guard(work: Callable[[], int], *, catches_interrupt: bool) -> int:
    """Run and flush; a closed pipe ends quietly, any other failed write is an error."""
    try:
        if catches_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:  # just before or after `work`, which reports it otherwise
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        code = 0
        _discard_output()
    except OSError as error:
        sys.stderr.write(f"iscsictl: cannot write the output: {error.strerror}\n")
        code = 1
        _discard_output()
    return code


def _discard_output() -> None:
    """Send what is still buffered for stdout to /dev/null.

    The interpreter flushes stdout once more when it ends, and would report the same error again
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
