"""`iscsictl` without arguments on a terminal: the state of this host, and what to do next."""

import sys
from contextlib import suppress

from iscsictl.cli.options import Settings, print_message
from iscsictl.errors import IscsictlError
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
    if _missing_sessions(overview):
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
    missing = _missing_sessions(overview)
    sessions = f"{up} up"
    if len(overview.sessions) > up:
        sessions += f", {len(overview.sessions) - up} not up"
    stopped = sum(len(session.stopped_luns) for session in overview.sessions)
    if stopped:
        sessions += f", {stopped} {'LUN' if stopped == 1 else 'LUNs'} not running"
    if missing is None:
        sessions += "; only root can read which ones are logged in at boot"
    elif missing:
        sessions += f", {missing} missing"
    wanted = [entry.mount_point for entry in overview.fstab.ours if entry.auto]
    paths = [path for path in wanted if path is not None]
    unmounted = [path for path in paths if path not in overview.mounted]
    mounts = f"{len(paths) - len(unmounted)} of {len(paths)} mounted"
    if unmounted:
        mounts += f"; missing: {', '.join(unmounted[:3])}" + (" ..." if unmounted[3:] else "")
    names = [hold.name for hold in overview.holds]
    return [
        ("initiator", _initiator_text(overview.initiator)),
        ("sessions", sessions),
        ("volumes", mounts if paths else "/etc/fstab has no entries written by iscsictl"),
        ("on hold", ", ".join(names) or "nothing"),
        ("next", _next_action(overview, missing or 0, unmounted)),
    ]


def _initiator_text(initiator: InitiatorName | None) -> str:
    if initiator is None:
        return "only root can read its name"
    return initiator.name or "this host has no initiator name"


def _missing_sessions(overview: Overview) -> int | None:
    if overview.records is None:
        return None
    index = SessionIndex(overview.records, overview.sessions)
    return sum(
        index.session_of(record) is None
        for record in overview.records
        if record.onboot and record.problem is None
    )


def _next_action(overview: Overview, missing: int, unmounted: list[str]) -> str:
    if not overview.installed:
        return _install(overview)
    if overview.initiator is not None and overview.initiator.name is None:
        return "iscsictl initiator generate"
    if missing or unmounted:
        return "iscsictl reconnect"
    if any(session.status != "up" or session.stopped_luns for session in overview.sessions):
        return "iscsictl doctor"
    if not overview.sessions and not overview.records:
        return FIRST_ATTACH
    return "all is well; details: iscsictl ls; all checks: iscsictl doctor"
