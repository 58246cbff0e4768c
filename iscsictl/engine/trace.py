"""Show each program that is started, for `--verbose`."""

from collections.abc import Callable, Sequence

from iscsictl.model.shell_form import shell_form
from iscsictl.system.io import process


def trace_commands(show: Callable[[str], None]) -> None:
    """Call `show` with the command line of each program just before it is started.

    The line can be pasted into a shell. Secrets are never part of a command line.
    """

    def show_command(argv: Sequence[str]) -> None:
        show(shell_form(*argv))

    process.trace_to(show_command)
