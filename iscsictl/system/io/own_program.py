"""The iscsictl that runs now, as a program that systemd or cron may run again as root."""

import os
import sys
from pathlib import Path

import iscsictl
from iscsictl.errors import MissingError, RefusedError
from iscsictl.system.io.safe_paths import replaceable_by


def require_own_program(runner: str, then: str) -> str:
    """Return the full path of the iscsictl that runs now.

    `runner` is what will run it, and `then` what the user can do once it is installed. Raises
    MissingError if it cannot be run, and RefusedError if users other than root can replace it, its
    Python or its modules, because it would run as root.
    """
    path = str(Path(sys.argv[0]).absolute())
    if not os.access(path, os.X_OK):
        raise MissingError(
            f"{path} cannot be run by {runner}", hint=f"install iscsictl, then {then}"
        )
    for part in (path, sys.executable, str(Path(iscsictl.__file__).parent)):
        reason = replaceable_by(part)
        if reason is not None:
            raise RefusedError(
                f"{runner} would run {path} as root, and {reason}",
                hint="install iscsictl where only root can write, for example from a package",
            )
    return path
