"""One line in the journal for each change: who, which command, which subject, what came of it."""

import os
import pwd
import sys
import syslog

from iscsictl.model.plan import Status, Step


def note(step: Step, status: Status, error: str | None = None) -> None:
    """Write the line, with stable words; a machine without a log takes none."""
    words = [
        f"user={_who()}",
        f"command={_command()}",
        f"action={step.action.verb}",
        f"subject={step.subject!r}",
    ]
    disk = getattr(step.action, "disk", None)
    if disk is not None:
        words.append(f"wwid={disk.wwid}")
    words.append(f"result={status.value}")
    if error is not None:
        words.append(f"error={error!r}")
    syslog.openlog("iscsictl", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE if error is None else syslog.LOG_ERR, " ".join(words))


def _who() -> str:
    for name in ("SUDO_USER", "LOGNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _command() -> str:
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "?")
