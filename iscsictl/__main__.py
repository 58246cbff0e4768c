"""The entry point: `--version` is answered without Click, everything else by the CLI."""

import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from iscsictl import __version__
from iscsictl.cli.main import run_cli


def main() -> NoReturn:
    """Run iscsictl as a process: exit code by the contract, never a traceback."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:] == ["--version"]:
        code = _guard(lambda: _print(f"iscsictl {__version__}"))
    else:
        code = _guard(run_cli)
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Have no file or disk that is opened later take the number of a standard stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _print(text: str) -> int:
    sys.stdout.write(text + "\n")
    return 0


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
