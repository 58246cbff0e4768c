"""Observe the schedule of reconnect on this host."""

import re
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.limits import TIMER_STATE_WAIT
from iscsictl.model.schedule import (
    CRON,
    DROP_INS,
    SERVICE,
    TIMER,
    TIMER_UNIT,
    PackagedUnits,
    Scheduled,
)
from iscsictl.parse.schedule import parse_cron_period, parse_metrics_file, parse_timer_period
from iscsictl.system.host import systemd, unit_files
from iscsictl.system.host.cron import find_cron
from iscsictl.system.io.files import read_file
from iscsictl.system.io.package_manager import find_package_manager

_PACKAGED = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def observe_schedule(root: Path = Path("/"), wanted: Container[str] = ()) -> Scheduled:
    """Observe what is scheduled, and what runs it or would run the files that are wanted.

    `wanted` are the paths of files to be installed. systemd is asked whether the timer is active
    only if there is one; the result is None if it does not answer in time, or if `root` is not this
    host.
    """
    files = {}
    for name in (SERVICE, TIMER, *DROP_INS, CRON):
        # A file of another origin is kept, too: its text shows whether it is the one that is
        # wanted.
        data = read_file(root / name.lstrip("/"))
        if data is not None:
            files[name] = data.decode("utf-8", "surrogateescape")
    packaged = packaged_units(root)
    enabled = systemd.enabled(TIMER_UNIT, root)
    defined = TIMER in files or packaged is not None
    found = Scheduled(
        files,
        packaged=packaged,
        timer_enabled=enabled,
        timer_active=_timer_active(root) if enabled or defined else None,
        systemd=systemd.running(root),
        cron=find_cron(root) if CRON in files or CRON in wanted else None,
        package_manager=find_package_manager(root),
    )
    return _with_details(found)


def _with_details(found: Scheduled) -> Scheduled:
    """Add what the files say about the runs; those of the timer, if cron has some as well."""
    if "systemd" in found.method:
        period = parse_timer_period(found.timer_text)
        metrics = parse_metrics_file(found.service_text, by_cron=False)
    elif "cron" in found.method:
        period = parse_cron_period(found.files[CRON])
        metrics = parse_metrics_file(found.files[CRON], by_cron=True)
    else:
        return found
    return replace(found, period=period, metrics=metrics)


def packaged_units(root: Path = Path("/")) -> PackagedUnits | None:
    """Find the service and the timer of a package, or of `make install` in /usr/local."""
    for directory in _PACKAGED:
        paths = tuple(f"{directory}/{Path(unit).name}" for unit in (SERVICE, TIMER))
        service, timer = (read_file(root / path.lstrip("/")) for path in paths)
        found = service and re.search(rb"^ExecStart=(\S+) ", service, re.MULTILINE)
        if service and found and timer is not None:
            program, *texts = (
                data.decode("utf-8", "surrogateescape") for data in (found[1], service, timer)
            )
            return PackagedUnits(paths, program, (texts[0], texts[1]))
    return None


def _timer_active(root: Path) -> bool | None:
    """Ask systemd, which alone knows; None below another root directory."""
    if root != Path("/") or not systemd.running():
        return None
    try:
        state = unit_files.ask_active((TIMER_UNIT,), TIMER_STATE_WAIT).get(TIMER_UNIT)
    except IscsictlError:
        return None
    return None if state is None else state == "active"
