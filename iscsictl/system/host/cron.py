"""The daemon that runs the jobs in /etc/cron.d."""

import os
from pathlib import Path

from iscsictl.model.schedule import Cron
from iscsictl.system.io.daemons import find_daemon
from iscsictl.system.io.process import PATH

_DAEMONS = ("cron", "crond")
# systemd-cron(7) has no daemon: its generator turns the files into timers.
_GENERATOR = "systemd/system-generators/systemd-crontab-generator"
# Where systemd looks for generators (systemd.generator(7)); /lib on hosts where it is not a link.
_GENERATORS = ("run", "etc", "usr/local/lib", "usr/lib", "lib")


def find_cron(root: Path = Path("/")) -> Cron | None:
    """Return the daemon, and whether it runs; None if there is none. No process is started.

    busybox's does not count: it reads only the crontabs of users.
    """
    for directory in PATH.split(":"):
        for name in _DAEMONS:
            path = root / directory.lstrip("/") / name
            # busybox is often one program with many links, its cron among them.
            if os.access(path, os.X_OK) and path.resolve().name != "busybox":
                return Cron(name, runs=any(find_daemon(name, root) for name in _DAEMONS))
    if any(os.access(root / base / _GENERATOR, os.X_OK) for base in _GENERATORS):
        return Cron("systemd-cron", runs=(root / "run/systemd/system").is_dir())
    return None
