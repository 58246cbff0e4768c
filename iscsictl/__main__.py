"""The door: what needs no Click is answered here, then comes the CLI."""

import contextlib
import gc
import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def main() -> NoReturn:
    """Run iscsictl as a process: exit code by the contract, never a traceback."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:] == ["--version"]:
        from iscsictl import __version__

        code = _guard(lambda: _print(f"iscsictl {__version__}"))
    else:
        # Imports leave no garbage, and looking for some takes a tenth of their time.
        gc.disable()
        from iscsictl.cli.main import run_cli

        code = _guard(run_cli)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # To take the interpreter apart would be a tenth of the time of `--help`.
    os._exit(code)


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
    except OSError as error:
        sys.stderr.write(f"iscsictl: cannot write the output: {error.strerror}\n")
        code = 1
    return code


if __name__ == "__main__":
    main()
