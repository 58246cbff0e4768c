"""Plan a schedule for reconnect: a systemd timer or a cron file, never both."""

import re
from collections.abc import Mapping

from iscsictl.errors import MissingError, UsageError
from iscsictl.model.packages import install_command
from iscsictl.model.plan import Plan
from iscsictl.model.schedule import (
    CRON,
    DROP_INS,
    PRUNE_DROP_IN,
    SERVICE,
    SERVICE_DROP_IN,
    TIMER,
    TIMER_DROP_IN,
    TIMER_UNIT,
    InstallFile,
    Method,
    RemoveFile,
    Scheduled,
    SetTimer,
)
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder

#: systemd cannot read spans beyond some hundred thousand years, and nobody waits for longer.
LONGEST = 365 * 86400
_SYSTEMD = {SERVICE, TIMER, *DROP_INS}
#: A portal that is slow to answer is asked again the next time; reconnect is not to wait for it.
_PRUNE = "prune --yes --quiet --timeout 10s"
_NO_SYSTEMD = "systemd is not the init system of this host"
_NO_CRON = "no cron that reads /etc/cron.d is installed"


def cron_times(seconds: int) -> str:
    """Return crontab(5)'s first five fields for a period; cron counts whole minutes.

    Raises UsageError for a period that no crontab line can have.
    """
    # A step that does not divide the hour would begin again at each full hour: */7 runs at minute
    # 56 and at 0.
    minutes, rest = divmod(seconds, 60)
    if rest == 0 and 1 <= minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *"
    hours, rest = divmod(minutes, 60)
    if seconds % 3600 == 0 and 1 <= hours <= 24 and 24 % hours == 0:
        return "7 0 * * *" if hours == 24 else f"7 */{hours} * * *"
    raise UsageError(
        f"cron cannot run a job every {seconds} s",
        hint="use a divisor of an hour or a day, such as 2min, 15min or 6h; or --systemd",
    )


def schedule_files(
    templates: Mapping[str, str],
    method: Method,
    seconds: int,
    executable: str,
    *,
    packaged: bool = False,
    prune: bool = False,
    metrics: str | None = None,
) -> dict[str, str]:
    """Return the files, by path, that run `executable reconnect` every `seconds` seconds.

    With `prune`, that is run before each reconnect, whether it succeeds or not. If a package
    brought the units (`packaged`), only their period and, with a file for `metrics`, their command
    are written, as drop-ins (systemd.unit(5)). Raises UsageError for a period that the method
    cannot have.
    """
    if method == "cron":
        program = _quote_for_cron(executable)
        values = {
            "@TIMES@": cron_times(seconds),
            "@PRUNE@": f"{program} {_PRUNE}; " if prune else "",
            "@EXECUTABLE@": program,
            "@OPTIONS@": "" if metrics is None else f" --metrics {_quote_for_cron(metrics)}",
        }
        return {CRON: _fill_template(templates["cron"], values)}
    if not 10 <= seconds <= LONGEST:
        raise UsageError("the interval of a timer is 10s to 365d",
                         hint="take --every 2min")  # fmt: skip
    values = {
        "@EXECUTABLE@": _quote_for_systemd(executable),
        "@PRUNE@": _PRUNE,
        "@SECONDS@": str(seconds),
        "@DELAY@": str(max(1, seconds // 10)),
        "@OPTIONS@": "" if metrics is None else f" --metrics {_quote_argument(metrics)}",
    }
    wanted = {TIMER_DROP_IN: "iscsictl-reconnect.timer.conf"}
    if not packaged:
        wanted = {SERVICE: "iscsictl-reconnect.service", TIMER: "iscsictl-reconnect.timer"}
    elif metrics is not None:
        wanted[SERVICE_DROP_IN] = "iscsictl-reconnect.service.conf"
    if prune:
        wanted[PRUNE_DROP_IN] = "iscsictl-prune.conf"
    return {path: _fill_template(templates[name], values) for path, name in wanted.items()}


def _quote_for_cron(path: str) -> str:
    """Quote a path for sh; a % is a newline to cron (crontab(5))."""
    return shell_form(path).replace("%", "\\%")


def _quote_for_systemd(path: str) -> str:
    """Quote the path of a program for ExecStart= (systemd.service(5)); a $ means nothing there."""
    text = path.replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s;]", text) else text


def _quote_argument(text: str) -> str:
    """Quote an argument for ExecStart=, where $ begins a variable and % a specifier."""
    doubled = text.replace("%", "%%").replace("$", "$$")
    if not re.search(r"""[\s;"'\\]""", doubled):
        return doubled
    return '"' + re.sub(r'(["\\])', r"\\\1", doubled) + '"'


def _fill_template(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def plan_install(there: Scheduled, wanted: Mapping[str, str]) -> Plan:
    """Write the wanted files and start the timer; only then remove the other method.

    Raises MissingError if nothing would run them.
    """
    timer = CRON not in wanted
    if timer and not there.systemd:
        raise MissingError(_NO_SYSTEMD, hint="use cron: iscsictl schedule install --cron")
    if not timer and there.cron is None:
        raise MissingError(_NO_CRON, hint=install_command("cron", there.package_manager))
    draft = PlanBuilder()
    same = True
    for path, text in wanted.items():
        kept = there.files.get(path) == text
        same = same and kept
        draft.add(InstallFile(path, text), path, "runs reconnect", done=kept)
    if timer:
        # Units in /etc override those of a package, and a drop-in changes the units of both.
        same = not _remove_files(draft, there, _SYSTEMD - wanted.keys(), "replaced") and same
        done = same and there.timer_enabled and there.timer_active is not False
        draft.add(SetTimer(on=True), TIMER_UNIT, "starts it now and at boot", done=done)
    else:
        _stop_timer(draft, there, "cron does it")
    old = {CRON} if timer else _SYSTEMD
    _remove_files(draft, there, old, "the other method runs it")
    if not timer:
        draft.notes += _cron_problems(there)
    return draft.build()


def plan_remove(there: Scheduled) -> Plan:
    """Remove the whole schedule: the timer is stopped first, then the files are removed.

    Units that a package brought stay, with their timer disabled. If there is nothing to remove, a
    note says so.
    """
    draft = PlanBuilder()
    _stop_timer(draft, there, "not any more")
    _remove_files(draft, there, _SYSTEMD | {CRON}, "not any more")
    if not draft.steps:
        draft.notes.append("nothing was scheduled")
    return draft.build()


def _stop_timer(draft: PlanBuilder, there: Scheduled, why: str) -> None:
    if there.timer_enabled or there.timer_active:
        draft.add(SetTimer(on=False), TIMER_UNIT, why)


def _remove_files(draft: PlanBuilder, there: Scheduled, paths: set[str], why: str) -> bool:
    """Plan to remove those of the paths that exist; tell whether there are any."""
    present = [path for path in there.files if path in paths]
    for path in present:
        draft.add(RemoveFile(path), path, why)
    return bool(present)


def find_problems(there: Scheduled) -> tuple[str, ...]:
    """Return what keeps the schedule from running as it was installed, and what to do.

    Empty if all is well, and if nothing is scheduled. `timer_active` None means that systemd could
    not be asked, which is not a problem of the schedule.
    """
    found = []
    if "systemd" in there.method:
        if not there.systemd:
            found.append(f"{_NO_SYSTEMD}: nothing starts the timer")
        elif there.timer_active is False:
            found.append(f"the timer is not running: systemctl start {TIMER_UNIT}")
    if "cron" in there.method:
        found += _cron_problems(there)
    if not _is_one_schedule(there) or len(there.method) > 1:
        found.append("the files and the timer do not match: install or remove it again")
    return tuple(found)


def _is_one_schedule(there: Scheduled) -> bool:
    """Tell whether the files in /etc are those of one schedule: complete, or only a drop-in."""
    units = (_SYSTEMD - {PRUNE_DROP_IN}) & there.files.keys()
    if "systemd" not in there.method:
        return not units
    return units == {SERVICE, TIMER} or (there.packaged is not None and units <= DROP_INS.keys())


def _cron_problems(there: Scheduled) -> tuple[str, ...]:
    if there.cron is None:
        return (f"{_NO_CRON}: {install_command('cron', there.package_manager)}",)
    if not there.cron.runs:
        return (f"{there.cron.name} is not running: start it, and enable it at boot",)
    return ()
