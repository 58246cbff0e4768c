"""The entry point: core dumps, standard streams, exit code, and what is left in their buffers."""

import ctypes
import io
import os
import resource
import sys
from collections.abc import Callable
from typing import NoReturn

from iscsictl.cli.main import run_cli

#: prctl(2)
_PR_SET_DUMPABLE = 4


def main() -> NoReturn:
    """Run iscsictl as a process: exit code by the contract, never a traceback."""
    _forbid_core_dumps()
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_guard(run_cli))


def _forbid_core_dumps() -> None:
    """Have no core dump made of this process, for its memory holds CHAP secrets.

    The limit is for the programs it starts too, and does not count where core_pattern is a pipe,
    as with systemd-coredump; a process that is not dumpable leaves none either way (core(5)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _open_what_is_closed() -> None:
    """Have no file or disk that is opened later take the number of a standard stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _guard(work: Callable[[], int]) -> int:
    """Run and flush; a closed pipe ends quietly, any other failed write is an error."""
    try:
        code = work()
        sys.stdout.flush()
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
