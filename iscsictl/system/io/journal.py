"""One line in the journal for each change: user, command, subject and result."""

import os
import pwd
import re
import sys
import syslog
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.limits import JOURNAL_WAIT
from iscsictl.model.plan import Status, Step
from iscsictl.model.shell_form import shell_form
from iscsictl.system.io.process import find, run

#: How many lines are searched for a name; a busy host writes some hundred a year.
_LINES = 20_000


def note(step: Step, status: Status, error: str | None = None) -> None:
    """Write the line, in a stable format; on a machine without a log, nothing happens.

    An error has the priority `err`, a change `notice`. The line contains no secret, because command
    lines have none. `mentions` reads it later.
    """
    words = [
        f"user={_invoking_user()}",
        f"command={_command_name()}",
        f"action={step.action.verb}",
        f"subject={step.subject!r}",
    ]
    disk = getattr(step.action, "disk", None)
    if disk is not None:
        words.append(f"wwid={disk.wwid}")
    arguments = _arguments()
    if arguments:
        words.append(f"arguments={shell_form(*arguments)!r}")
    words.append(f"result={status.value}")
    if error is not None:
        words.append(f"error={error!r}")
    syslog.openlog("iscsictl", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE if error is None else syslog.LOG_ERR, " ".join(words))


def _invoking_user() -> str:
    for name in ("SUDO_USER", "LOGNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _command_name() -> str:
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "?")


def _arguments() -> list[str]:
    """Return what followed the command's name; it never contains a secret."""
    words = sys.argv[1:]
    while words and words[0].startswith("-"):
        words = words[1:]
    return words[1:]


def mentions(name: str, root: Path = Path("/")) -> bool | None:
    """Return whether the journal has a change of ours to this name; None if nothing is logged.

    Only the journal remembers what was detached and forgotten (journalctl(1)).
    """
    if find("journalctl") is None or not (root / "run/systemd/journal").is_dir():
        return None
    where = [] if root == Path("/") else [f"--root={root}"]
    query = ["--quiet", "--output=cat", "--identifier=iscsictl", f"--lines={_LINES}"]
    try:
        if not where:
            run(["journalctl", "--sync"], timeout=JOURNAL_WAIT, ok=None)
        lines = run(["journalctl", *where, *query], timeout=JOURNAL_WAIT).out
    except IscsictlError:
        return None
    return names_in(lines, name)


def names_in(lines: str, name: str) -> bool:
    """Return whether one of these lines contains the name as a whole word, quoted or not.

    A name that is a part of another one does not count: /srv/a is not in /srv/a2.
    """
    word = re.compile(rf"(?<![^\s'\"=]){re.escape(name)}(?![^\s'\"])")
    return bool(name) and any(word.search(line) for line in lines.splitlines())
