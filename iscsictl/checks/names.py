"""The initiator name of this host: whether it exists, is valid and is unique."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.names import why_not_made, why_not_met
from iscsictl.model.shell_form import shell_form

# Names from manuals, examples and templates, which other hosts may have too.
SAMPLES = frozenset(
    {
        "iqn.1987-05.com.cisco:01",
        "iqn.1987-05.com.cisco:initiator",
        "iqn.1993-08.org.debian:01",
        "iqn.1993-08.org.debian:01:0123456789ab",
        "iqn.1993-08.org.debian:01:123456789abc",
        "iqn.1993-08.org.debian:01:000000000000",
        "iqn.1994-05.com.redhat:initiator",
        "iqn.1994-05.com.redhat:client",
        "iqn.1994-05.com.redhat:rhel7",
        "iqn.1994-05.com.redhat:fedora",
        "iqn.1996-04.de.suse:01:initiator",
        "iqn.2005-03.com.max:initiator",
    }
)
_EXAMPLES = (".com.example", ".org.example", ".net.example")
# Seconds: a file that is older than machine-id(5) by more than this came with an image.
SLACK = 60.0
BREAKS = 4


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the initiator name is valid and used by this host only.

    Two hosts with the same name end each other's sessions: to the array, the second login is a
    session reinstatement (RFC 7143, 6.3.5). If the name cannot be read, the check is skipped.
    """
    initiator = machine.initiator
    if machine.initiator_error is not None:
        yield skip("initiator-name", machine.initiator_error, "sudo iscsictl doctor")
        return
    if not initiator.exists or initiator.name is None:
        where = "/etc/iscsi/initiatorname.iscsi"
        problem = "has no InitiatorName= line" if initiator.exists else "is not there"
        # Debian's package writes this; its service replaces it by a unique name.
        if initiator.generate:
            problem = "still says GenerateName: the name is generated when iscsid first starts"
        yield fail("initiator-name", f"{where} {problem}", "iscsictl initiator generate")
        return
    why = why_not_made(initiator.name)
    if why_not_met(initiator.name):
        yield fail(
            "initiator-name",
            f"{initiator.name} {why}",
            "iscsictl initiator generate --new, and put the new name into the array's access list",
            initiator.name,
        )
    elif why is not None:
        yield warn(
            "initiator-name",
            f"{initiator.name} {why}: not every array accepts it",
            "if an array refuses it: iscsictl initiator set NAME",
            initiator.name,
        )
    else:
        yield ok("initiator-name", initiator.name, initiator.name)
    yield from _check_cloned_name(machine, initiator, initiator.name)
    yield from _check_session_names(machine, initiator.name)


def _check_cloned_name(machine: Machine, initiator: InitiatorName, name: str) -> Iterator[Finding]:
    fix = "iscsictl initiator generate --new, and put the new name into the array's access list"
    reasons = []
    if name.lower() in SAMPLES or any(part in name.lower() for part in _EXAMPLES):
        reasons.append("it is an example name from the manuals, which other hosts have too")
    if (
        initiator.changed is not None
        and initiator.machine_changed is not None
        and initiator.changed + SLACK < initiator.machine_changed
    ):
        reasons.append("it is older than this machine's id, so it came with an image")
    flapping = _sids_of_flapping_sessions(machine)
    if flapping:
        sids = ", ".join(map(str, flapping))
        reasons.append(
            f"the array keeps ending session {sids}, as it does when two hosts log in with the "
            "same name"
        )
    if not reasons:
        if isinstance(machine.trouble, ReadFailed):
            yield skip(
                "initiator-clone",
                "the name is not a known default; this user cannot read the kernel's log, which "
                "would show a clone",
                "sudo iscsictl doctor",
                name,
            )
        else:
            yield ok("initiator-clone", "nothing indicates that another host has this name", name)
    elif flapping:
        yield fail("initiator-clone", "; ".join(reasons), fix, name)
    else:
        yield warn("initiator-clone", "; ".join(reasons), fix, name)


def _sids_of_flapping_sessions(machine: Machine) -> tuple[int, ...]:
    """Return the ids of sessions that break again and again although their portal answers."""
    if not isinstance(machine.trouble, Known):
        return ()
    silent = machine.network.silent
    dead = set(silent.value) if isinstance(silent, Known) else set()
    sessions = {s.sid: s for s in machine.listing.sessions}
    flapping = []
    for sid, count in machine.trouble.value.breaks.items():
        session = sessions.get(sid)
        if session is not None and count >= BREAKS:
            # A portal that does not answer is a broken network, not a second host.
            portal = session.persistent_portal or session.portal
            if portal is None or not any(portal.same_place(d) for d in dead):
                flapping.append(sid)
    return tuple(sorted(flapping))


def _check_session_names(machine: Machine, name: str) -> Iterator[Finding]:
    ifaces = machine.db.value.ifaces if isinstance(machine.db, Known) else ()
    own = {value for i in ifaces if (value := i.values.get("iface.initiatorname"))}
    for session in machine.listing.sessions:
        # The firmware logs in with its own name, and that session must stay.
        if session.target in machine.boot_targets:
            continue
        if session.initiator not in {None, name, *own}:
            yield warn(
                "initiator-session",
                f"session {session.sid} still runs under the name {session.initiator}",
                "when it is not in use, log out and in again: iscsictl logout -T "
                f"{shell_form(session.target)}",
                session.target,
            )
