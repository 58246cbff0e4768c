"""Plan a schedule for reconnect: a systemd timer or a cron file, never both."""

import re
import shlex
from collections.abc import Mapping

from iscsictl.core.draft import Draft
from iscsictl.errors import UsageError
from iscsictl.model.plan import Plan
from iscsictl.model.schedule import (
    CRON,
    SERVICE,
    TIMER,
    TIMER_UNIT,
    InstallFile,
    Means,
    RemoveFile,
    Scheduled,
    SetTimer,
)

#: systemd cannot read spans beyond some hundred thousand years, and nobody waits for longer.
LONGEST = 365 * 86400


def cron_times(seconds: int) -> str:
    """Return crontab(5)'s first five fields for a period; cron counts whole minutes.

    Raises UsageError for a period that no crontab line can have.
    """
    minutes, rest = divmod(seconds, 60)
    if rest == 0 and 1 <= minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *"
    hours, rest = divmod(minutes, 60)
    if seconds % 3600 == 0 and 1 <= hours <= 24 and 24 % hours == 0:
        return "7 0 * * *" if hours == 24 else f"7 */{hours} * * *"
    raise UsageError(
        f"cron cannot run something every {seconds} s",
        hint="take a divisor of an hour or of a day, such as 2min, 15min or 6h; or --systemd",
    )


def texts(
    templates: Mapping[str, str], means: Means, seconds: int, executable: str
) -> dict[str, str]:
    """Return the files that run `executable reconnect` every so many seconds."""
    if means == "cron":
        values = {"@TIMES@": cron_times(seconds), "@EXECUTABLE@": _for_cron(executable)}
        return {CRON: _filled(templates["cron"], values)}
    if not 10 <= seconds <= LONGEST:
        raise UsageError("a timer runs it every 10s at least and 365d at most",
                         hint="take --every 2min")  # fmt: skip
    values = {
        "@EXECUTABLE@": _for_systemd(executable),
        "@SECONDS@": str(seconds),
        "@DELAY@": str(max(1, seconds // 10)),
    }
    return {
        SERVICE: _filled(templates["iscsictl-reconnect.service"], values),
        TIMER: _filled(templates["iscsictl-reconnect.timer"], values),
    }


def _for_cron(path: str) -> str:
    """Quote a path for sh; a % is a newline to cron (crontab(5))."""
    return shlex.quote(path).replace("%", "\\%")


def _for_systemd(path: str) -> str:
    """Quote the path of a program for ExecStart= (systemd.service(5)); a $ means nothing there."""
    text = path.replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s;]", text) else text


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def plan_install(there: Scheduled, wanted: Mapping[str, str]) -> Plan:
    """Write the wanted files, take those of the other means away, start the timer."""
    draft = Draft()
    timer = TIMER in wanted
    if not timer and there.timer_enabled:
        draft.add(SetTimer(on=False), TIMER_UNIT, "cron does it instead")
    for path in there.files:
        if path not in wanted:
            draft.add(RemoveFile(path), path, "the other means does it")
    same = True
    for path, text in wanted.items():
        kept = there.files.get(path) == text
        same = same and kept
        draft.add(InstallFile(path, text), path, "runs reconnect", done=kept)
    if timer:
        done = same and there.timer_enabled
        draft.add(SetTimer(on=True), TIMER_UNIT, "starts it now and at boot", done=done)
    return Plan(tuple(draft.steps))


def plan_remove(there: Scheduled) -> Plan:
    """Take all of it away."""
    draft = Draft()
    if there.timer_enabled:
        draft.add(SetTimer(on=False), TIMER_UNIT, "not any more")
    for path in there.files:
        draft.add(RemoveFile(path), path, "not any more")
    return Plan(tuple(draft.steps))
