"""The iscsictl that runs now, as a program that systemd or cron may run again as root."""

import os
import sys
from pathlib import Path

import iscsictl
from iscsictl.errors import MissingError, RefusedError
from iscsictl.system.io.safe_paths import replaceable_by


def require_own_program(runner: str, then: str) -> str:
    """Return the full path of the iscsictl that runs now.

    `runner` is who is to run it, `then` what can be done once it is installed. Raises MissingError
    where it cannot be run, RefusedError where users other than root can replace it, the Python
    that runs it, or its modules: it would be run as root.
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
                hint="install iscsictl where only root can write, such as with a package",
            )
    return path
