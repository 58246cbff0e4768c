"""open-iscsi's iscsiadm(8), one function for each use. No secret is passed to it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import Portal, unsafe_name_problem
from iscsictl.parse.iscsiadm_login import parse_logouts
from iscsictl.parse.portal import read_portal
from iscsictl.system.io.process import Result, run
from iscsictl.system.iscsi import session_view
from iscsictl.system.iscsi.sessions import find_sessions

if TYPE_CHECKING:
    from iscsictl.errors import codes as error_codes
    from iscsictl.system.io import daemons
else:
    # Needed only where iscsiadm fails, or iscsid does not answer.
    error_codes = lazy_import("iscsictl.errors.codes")
    daemons = lazy_import("iscsictl.system.io.daemons")

# Exit codes that some callers accept as no error (iscsiadm(8), EXIT STATUS).
NO_OBJECTS = 21
SESSION_EXISTS = 15
# Of a logout: no such session; no object; its directory in sysfs is gone. All mean that it is gone.
_GONE = (2, NO_OBJECTS, 22)
_DATABASE_FAILURE = 6
#: How often iscsiadm is run again after another process disturbed it. Each time one has to do so at
#: just the wrong moment.
_DISTURBED_RETRIES = 9
_OF_SENDTARGETS = ("-m", "discoverydb", "-t", "sendtargets")
_OFFER = re.compile(r"(\S+,-?\d+) (.+)")
# What a discovery says though nothing is missing in its list: no transport is loaded yet, and the
# list is empty.
_NOTHING_MISSING = re.compile(
    r"Could not scan /sys/class/iscsi_transport|No portals found|No records found"
)


@dataclass(frozen=True)
class Key:
    """What identifies one node record to iscsiadm."""

    target: str
    portal: Portal
    iface: str

    def arguments(self) -> tuple[str, ...]:
        """Return -T, -p and -I, with the portal group tag if it is known.

        iscsiadm builds a path from these names unchecked. Raises RefusedError for a name that would
        lead out of the node database.
        """
        for name in (self.target, self.portal.address, self.iface):
            if "/" in name or "\0" in name or name in {"", ".", ".."}:
                raise RefusedError(
                    f"{name!r} cannot be the name of a target, an address or an iface"
                )
        tag = "" if self.portal.tpgt is None else f",{self.portal.tpgt}"
        return ("-T", self.target, "-p", f"{self.portal}{tag}", "-I", self.iface)


def _run_iscsiadm(
    arguments: Sequence[str],
    doing: str,
    timeout: float,
    *fine: int,
    interruptible: bool = False,
    sids: Iterable[int] | None = None,
) -> Result:
    """Run iscsiadm; what waits for an array and writes no record is `interruptible`.

    `sids` are the only sessions that it needs to see, None for all. One that another process
    disturbed has done nothing yet, and is run again.
    """
    seen = None if sids is None else tuple(sids)
    result = _run_once(arguments, doing, timeout, seen, interruptible=interruptible)
    for _ in range(_DISTURBED_RETRIES):
        if not _was_disturbed(result):
            break
        result = _run_once(arguments, doing, timeout, seen, interruptible=interruptible)
    if result.code not in {0, *fine}:
        raise error_codes.error_from_iscsiadm(result.code, result.err, doing)
    return result


def _run_once(
    arguments: Sequence[str],
    doing: str,
    timeout: float,
    sids: Sequence[int] | None,
    *,
    interruptible: bool,
) -> Result:
    try:
        result = None
        if sids is not None:
            result = session_view.run_iscsiadm(arguments, sids, timeout=timeout, doing=doing)
        if result is None:
            result = run(
                ["iscsiadm", *arguments],
                timeout=timeout, ok=None, doing=doing, interruptible=interruptible,
            )  # fmt: skip
    except UnreachableError as error:
        raise explain_no_answer(error, doing) from None
    return result


def _was_disturbed(result: Result) -> bool:
    """Return whether iscsiadm failed before it did anything, because of what another process did.

    To find one record it walks through those of all targets without the lock of the database, and
    fails if a directory is removed meanwhile (idbm_for_each_rec() in usr/idbm.c). It fails as well
    if another process creates the directory of the lock between its own look and its mkdir(2)
    (idbm_lock(), as at the first logins after a boot). A lock that could not be had after 30 s has
    the same exit code, and is an error.
    """
    said = result.err
    if result.code != _DATABASE_FAILURE:
        return False
    if "lock" in said:
        return "/iscsi: File exists" in said
    return "iter could not" in said or "execute operation on all records" in said


def explain_no_answer(
    error: UnreachableError, doing: str, root: Path = Path("/")
) -> UnreachableError:
    """Return the error of an iscsiadm that did not end before the deadline, with its cause.

    iscsiadm waits without limit for iscsid's answer, and a stopped iscsid gives none.
    """
    daemon = daemons.find_daemon("iscsid", root)
    if daemon is None or not daemon.stopped:
        return UnreachableError(f"{doing}: {error.text}", hint=error.hint)
    return UnreachableError(
        f"{doing}: iscsid (pid {daemon.pid}) is stopped and does not answer",
        hint="let it continue: kill -CONT $(pidof iscsid)",
    )


def parse_offers(text: str) -> tuple[DiscoveredTarget, ...]:
    """Parse what SendTargets discovery prints: a portal and a target per line.

    Raises RefusedError, which names it, for a target or an address that must not become part of a
    path, a line or a command: if a portal announces one, its other names are not to be trusted
    either.
    """
    offers = []
    # Only at this separator: a name may contain others, at which str.splitlines() would split it.
    for line in text.split("\n"):
        match = _OFFER.fullmatch(line.strip(" \r"))
        portal = read_portal(match[1]) if match else None
        if match is None or portal is None:
            continue
        for name in (match[2], portal.address):
            problem = unsafe_name_problem(name)
            if problem is not None:
                raise RefusedError(
                    f"the portal announces {name!r}, which {problem}",
                    hint="rename the target on the array, or ask the array's admin what it is",
                )
        offers.append(DiscoveredTarget(match[2], portal))
    return tuple(dict.fromkeys(offers))


def read_offers(
    result: Result, portal: Portal, warn: Callable[[str], None]
) -> tuple[DiscoveredTarget, ...]:
    """Return the targets that a discovery printed; `warn` is told if some may be missing.

    At the first name that iscsiadm does not accept, it ends with what it has by then, and with exit
    code 0 (process_sendtargets_response() in usr/discovery.c). Raises RefusedError as
    `parse_offers` does.
    """
    lines = (line.removeprefix("iscsiadm: ").strip() for line in result.err.splitlines())
    complaint = next((line for line in lines if line and not _NOTHING_MISSING.match(line)), None)
    if complaint is not None:
        warn(f"{portal} may offer more targets than iscsiadm lists: {complaint}")
    return parse_offers(result.out)


def format_offers(offers: Sequence[DiscoveredTarget]) -> str:
    """Return offers as SendTargets discovery prints them, so that `parse_offers` can parse them."""
    return "".join(
        f"{offer.portal},{-1 if offer.portal.tpgt is None else offer.portal.tpgt} {offer.target}\n"
        for offer in offers
    )


def discover(
    portal: Portal,
    *,
    timeout: float,
    warn: Callable[[str], None],
    kind: str = "sendtargets",
    iface: str | None = None,
) -> tuple[DiscoveredTarget, ...]:
    """Ask a portal for its targets; nothing is written to the node database.

    `warn` is told if some may be missing in the answer. Raises AuthError, UnreachableError,
    MissingError, IscsictlError.
    """
    which = ("-I", iface) if iface and iface != "default" else ()
    result = _run_iscsiadm(
        ("-m", "discovery", "-t", kind, "-p", str(portal), *which, "-o", "nonpersistent"),
        f"asking {portal} for its targets",
        timeout,
        NO_OBJECTS,
        interruptible=True,
    )
    return read_offers(result, portal, warn)


def discover_with_record(
    portal: Portal, *, timeout: float, warn: Callable[[str], None]
) -> tuple[DiscoveredTarget, ...]:
    """Ask a portal with the account of its discovery record; node records are not changed.

    `warn` is told if some may be missing in the answer. Raises AuthError, UnreachableError,
    MissingError, RefusedError for a name that no path may have.
    """
    result = _run_iscsiadm(
        (*_OF_SENDTARGETS, "-p", str(portal), "--discover", "-o", "nonpersistent"),
        f"asking {portal} for its targets",
        timeout,
        NO_OBJECTS,
        interruptible=True,
    )
    return read_offers(result, portal, warn)


def new_discovery_record(portal: Portal, *, timeout: float) -> None:
    """Create a discovery record with the defaults of iscsid.conf. The portal is not asked."""
    _run_iscsiadm(
        (*_OF_SENDTARGETS, "-p", str(portal), "-o", "new"),
        f"creating a discovery record of {portal}",
        timeout,
    )


def delete_discovery_record(portal: Portal, *, timeout: float) -> None:
    """Delete a discovery record; nothing happens if it is gone already.

    iscsiadm also deletes the node records that it links to (idbm.c, idbm_rm_disc_node_links).
    """
    _run_iscsiadm(
        (*_OF_SENDTARGETS, "-p", str(portal), "-o", "delete"),
        f"deleting the discovery record of {portal}",
        timeout,
        NO_OBJECTS,
    )


def new_record(key: Key, *, timeout: float) -> None:
    """Create a node record with the defaults of iscsid.conf. The portal is not asked.

    Raises RefusedError for a name that would lead out of the database, IscsictlError.
    """
    _run_iscsiadm(
        ("-m", "node", *key.arguments(), "-o", "new"), f"creating a record of {key.target}", timeout
    )


def delete_record(key: Key, *, timeout: float) -> None:
    """Delete a node record; nothing happens if it is gone already.

    Raises InUseError if a session uses it, because iscsiadm refuses then.
    """
    _run_iscsiadm(
        ("-m", "node", *key.arguments(), "-o", "delete"),
        f"deleting the record of {key.target}",
        timeout,
        NO_OBJECTS,
    )


def login(key: Key, *, timeout: float) -> bool:
    """Log in. Returns False if the session existed already, and so is not ours to roll back.

    Raises AuthError, NotFoundError, UnreachableError, MissingError, IscsictlError.
    """
    result = _run_iscsiadm(
        ("-m", "node", *key.arguments(), "--login"),
        f"logging in to {key.target} through {key.portal}",
        timeout,
        SESSION_EXISTS,
        interruptible=True,
        sids=find_sessions({key.target}),
    )
    return result.code != SESSION_EXISTS and "successful" in result.out


def log_out_together(
    targets: Mapping[int, str], *, timeout: float
) -> dict[int, IscsictlError] | None:
    """End these sessions (by id, with their targets) with one process; return those that failed.

    The result is None if no view with only these sessions can be set up; then nothing was done.
    iscsiadm ends all sessions that it sees, so it is never run without such a view. Raises
    UnreachableError at the deadline, MissingError, InterruptError.
    """
    doing = f"logging out of {len(targets)} sessions"
    try:
        result = session_view.run_iscsiadm(
            ("-m", "session", "--logout"), targets, timeout=timeout, doing=doing
        )
    except UnreachableError as error:
        raise explain_no_answer(error, doing) from None
    if result is None:
        return None
    # Its exit code is that of the last session that failed, and says nothing about the others.
    codes = parse_logouts(result.out, result.err)
    answers = {} if codes else dict.fromkeys(targets, (result.code, result.err))
    answers |= {sid: (code, "") for sid, code in codes.items()}
    return {
        sid: error_codes.error_from_iscsiadm(code, err, f"logging out of {targets[sid]}")
        for sid, (code, err) in answers.items()
        if sid in targets and code not in {0, *_GONE}
    }


def logout(sid: int, target: str, *, timeout: float) -> None:
    """End one session; nothing happens if it is gone already.

    Its filesystems must be unmounted before: its disks go away all the same, unless
    iscsid.safe_logout is set. Raises InUseError, UnreachableError at the deadline, MissingError,
    IscsictlError.
    """
    arguments = ("-m", "session", "-r", str(sid), "--logout")
    doing = f"logging out of {target}"
    _run_iscsiadm(arguments, doing, timeout, *_GONE, interruptible=True, sids=(sid,))
