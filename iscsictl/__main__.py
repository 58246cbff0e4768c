"""The door: what needs no Click is answered here, then comes the CLI."""

import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def main() -> NoReturn:
    """Run iscsictl as a process: exit code by the contract, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:] == ["--version"]:
        from iscsictl import __version__

        code = _guard(lambda: _print(f"iscsictl {__version__}"))
    else:
        from iscsictl.cli.main import run_cli

        code = _guard(run_cli)
    sys.exit(code)


def _print(text: str) -> int:
    sys.stdout.write(text + "\n")
    return 0


def _guard(work: Callable[[], int]) -> int:
    """Run and flush; a closed pipe ends quietly, any other failed write is an error."""
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = 0
    except OSError as error:
        _complain(f"cannot write the output: {error.strerror}")
        code = 1
    else:
        return code
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    return code


def _complain(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"iscsictl: {text}\n")


if __name__ == "__main__":
    main()
