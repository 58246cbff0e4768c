"""The files that run reconnect periodically: how often they do, and which file gets the metrics.

They are those of iscsictl/data, filled in by `planner.schedule`; what an admin wrote in another
form is not known.
"""

import re
import shlex

_TIMER = re.compile(r"^OnUnitInactiveSec=([0-9]+)s?$", re.MULTILINE)
_METRICS = re.compile(r" reconnect --quiet --metrics (.+)$", re.MULTILINE)


def parse_timer_period(text: str) -> int | None:
    """Return the seconds between two runs of a timer (systemd.timer(5)), None if not known.

    The last setting is the one that applies.
    """
    found = _TIMER.findall(text)
    return int(found[-1]) if found else None


def parse_cron_period(text: str) -> int | None:
    """Return the seconds between two runs of a job in crontab(5), None if not known."""
    for line in text.splitlines():
        minute, hour, *rest = (line.split(None, 5) + [""] * 6)[:6]
        if rest[:3] != ["*"] * 3:
            continue
        minutes, hours = _parse_step(minute, 60), _parse_step(hour, 24)
        if minutes and hour == "*":
            return 60 * minutes
        if minute.isdecimal() and hours:
            return 3600 * hours
        if minute.isdecimal() and hour.isdecimal():
            return 86400
    return None


def _parse_step(field: str, cycle: int) -> int | None:
    """Return N of a field */N, None for any other field and for steps that are not all equal."""
    found = re.fullmatch(r"[*]/([1-9][0-9]?)", field)
    return int(found[1]) if found and cycle % int(found[1]) == 0 else None


def parse_metrics_file(text: str, *, by_cron: bool) -> str | None:
    """Return the file of metrics that a unit or a crontab names, None if there is none.

    cron(8) takes a backslash from before a %, systemd one of two % or $ (systemd.service(5)).
    """
    found = _METRICS.search(text)
    if found is None:
        return None
    try:
        (word,) = shlex.split(found[1].replace("\\%", "%") if by_cron else found[1])
    except ValueError:  # Not quoted as iscsictl does it, or more options follow.
        return None
    return word if by_cron else word.replace("%%", "%").replace("$$", "$")
