"""`iscsictl` without arguments on a terminal: the state of this host, and what to do next."""

import sys
from contextlib import suppress

from iscsictl.cli.options import Settings, print_message
from iscsictl.errors import IscsictlError
from iscsictl.model.fstab import FstabLine, is_read_only_mount
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.packages import install_command
from iscsictl.model.shell_form import shell_form
from iscsictl.observers.overview import Overview, observe_overview
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.overview import print_overview
from iscsictl.planner.selection.session_index import SessionIndex

#: This command asks for the array, shows the plan, and changes nothing before a yes.
FIRST_ATTACH = "iscsictl attach"


def show_overview(settings: Settings) -> int:
    """Print a few lines of state and the next action, without changing anything; return 0.

    What only root may read is shown as not known. Raises IscsictlError if another file cannot be
    read.
    """
    print_overview(overview_rows(observe_overview(settings.root)), screen_of(sys.stdout))
    sys.stdout.flush()
    return 0


def print_nothing(settings: Settings, what: str) -> None:
    """Print `what`, that nothing was found, and a hint what to do next on this host.

    With --quiet, and in JSON and tsv, nothing is printed.
    """
    if settings.quiet or settings.output != "table":
        return
    print_message(what)
    # A command that found nothing must not fail because the hint cannot be computed.
    with suppress(IscsictlError):
        hint = first_step(observe_overview(settings.root))
        if hint is not None:
            print_message(hint, "hint")


def first_step(overview: Overview) -> str | None:
    """Return a hint how to get a first session, with the command; None if there is a session."""
    if overview.sessions:
        return None
    if not overview.installed:
        return f"open-iscsi is not installed: {_install(overview)}"
    if overview.records is None:
        return "only root can read the node records: sudo iscsictl nodes"
    if _missing_sessions(overview)[0]:
        return "log in to what is missing: iscsictl reconnect"
    if overview.records:
        # Not `login --all`: that logs in only to those that log in at boot.
        first = min(record.target for record in overview.records)
        return f"log in to a target that has a record: iscsictl login {shell_form(first)}"
    return f"attach a LUN: {FIRST_ATTACH}"


def _install(overview: Overview) -> str:
    return install_command("open-iscsi", overview.package_manager)


def overview_rows(overview: Overview) -> list[tuple[str, str]]:
    """Return the label and text of each line; the last one names the next action.

    Missing sessions are counted only if the records could be read.
    """
    up = sum(session.status == "up" for session in overview.sessions)
    missing, held = _missing_sessions(overview)
    sessions = f"{up} up" + (f", {missing} missing" if missing else "")
    sessions += f", {held} on hold" if held else ""
    if overview.records is None:
        sessions += "; only root can read which ones are logged in at boot"
    wanted = [entry for entry in overview.fstab.ours if entry.auto and entry.mount_point]
    down = [entry for entry in wanted if entry.mount_point not in overview.mounted]
    unmounted = [entry.mount_point or "" for entry in down if not _is_mount_held(overview, entry)]
    mounts = f"{len(wanted) - len(down)} of {len(wanted)} mounted"
    if len(down) > len(unmounted):
        mounts += f", {len(down) - len(unmounted)} on hold"
    if unmounted:
        mounts += f"; missing: {', '.join(unmounted[:3])}" + (" ..." if unmounted[3:] else "")
    names = [hold.name for hold in overview.holds]
    warnings = _warnings(overview)
    if missing or unmounted:
        action = "iscsictl reconnect"
    elif warnings:
        action = "iscsictl doctor"
    elif held or down:
        first = overview.holds[0]
        name = first.mount_point or first.target
        action = f"all else is well; to end a hold: iscsictl unhold {shell_form(name)}"
    else:
        action = ""
    return [
        ("initiator", _initiator_text(overview.initiator)),
        ("sessions", sessions),
        ("volumes", mounts if wanted else "/etc/fstab has no entries written by iscsictl"),
        ("on hold", ", ".join(names) or "nothing"),
        ("warnings", ", ".join(warnings) or "none"),
        ("next", _next_action(overview, action)),
    ]


def _warnings(overview: Overview) -> list[str]:
    """Return what does not work as it should although nothing is missing; `doctor` says more."""
    entries = overview.fstab.ours
    read_only = [
        entry.mount_point
        for entry in entries
        if entry.mount_point in overview.read_only and not is_read_only_mount(entry.options)
    ]
    counts = (
        (sum(session.status != "up" for session in overview.sessions), "session", "not up"),
        (sum(len(s.stopped_luns) for s in overview.sessions), "LUN", "not running"),
        (sum(r.problem is not None for r in overview.records or ()), "node record", "corrupt"),
        (sum(entry.is_claim for entry in entries), "filesystem", "not finished"),
    )
    return [
        *(f"{number} {what}{'' if number == 1 else 's'} {how}" for number, what, how in counts
          if number),
        *(f"{path} became read-only" for path in read_only),
    ]  # fmt: skip


def _initiator_text(initiator: InitiatorName | None) -> str:
    if initiator is None:
        return "only root can read its name"
    return initiator.name or "this host has no initiator name"


def _missing_sessions(overview: Overview) -> tuple[int, int]:
    """Return how many records that are used at boot have no session: not on hold, and on hold."""
    records = overview.records or ()
    index = SessionIndex(records, overview.sessions)
    down = [
        record
        for record in records
        if record.onboot and record.problem is None and index.session_of(record) is None
    ]
    held = sum(
        any(hold.covers(record.target, record.portal, record.iface) for hold in overview.holds)
        for record in down
    )
    return len(down) - held, held


def _is_mount_held(overview: Overview, entry: FstabLine) -> bool:
    return any(
        hold.covers_mount(entry.mount_point or "") or hold.covers(entry.target or "")
        for hold in overview.holds
    )


def _next_action(overview: Overview, action: str) -> str:
    """Return the next action; `action` is that for a host that is set up, if there is one."""
    if not overview.installed:
        return _install(overview)
    if overview.initiator is not None and overview.initiator.name is None:
        return "iscsictl initiator generate"
    if action:
        return action
    if not overview.sessions and not overview.records:
        return FIRST_ATTACH
    return "all is well; details: iscsictl ls; all checks: iscsictl doctor"
