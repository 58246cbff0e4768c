"""The listing for `ls`: of this host, or of something that was captured elsewhere."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import MissingError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import ISCSID_STATES_WAIT, RESERVATIONS_WAIT
from iscsictl.model.listing import Listing, Lun, LunLoad, Note, SessionErrors
from iscsictl.system.io.sysfs_attributes import read_disk_attribute
from iscsictl.system.iscsi.sessions import read_listing

if TYPE_CHECKING:
    from iscsictl.observers import reservations
    from iscsictl.parse import capture, fstab, iscsid_states, statistics
    from iscsictl.system.io import bounded_call, daemons, process
    from iscsictl.system.iscsi import sosreport
else:
    # The readers of captures are many regular expressions, which `ls` of this host does not need;
    # only `ls --long` runs a program, and only exclusive volumes are asked for reservations.
    bounded_call = lazy_import("iscsictl.system.io.bounded_call")
    fstab = lazy_import("iscsictl.parse.fstab")
    reservations = lazy_import("iscsictl.observers.reservations")
    capture = lazy_import("iscsictl.parse.capture")
    daemons = lazy_import("iscsictl.system.io.daemons")
    iscsid_states = lazy_import("iscsictl.parse.iscsid_states")
    statistics = lazy_import("iscsictl.parse.statistics")
    process = lazy_import("iscsictl.system.io.process")
    sosreport = lazy_import("iscsictl.system.iscsi.sosreport")

#: The option that marks such a volume in fstab.
_EXCLUSIVE = b"x-iscsictl.exclusive"


def live_listing(
    root: Path, *, details: bool, internal_states: bool, timeout: float | None
) -> Listing:
    """Return the sessions and disks of the host.

    `details` reads all attributes of each session, `internal_states` also asks iscsid for what
    sysfs does not show, and every disk for its reservations; each takes at most `timeout` seconds,
    and never longer than its own limit. Exclusive volumes are asked for their reservations in any
    case.
    """
    listing = read_listing(root, details=details)
    listing = _with_reservations(listing, root, timeout, ask_all=internal_states)
    if not internal_states:
        return listing
    return _with_loads(_with_internal_states(listing, root, timeout), root)


def _with_reservations(
    listing: Listing, root: Path, timeout: float | None, *, ask_all: bool
) -> Listing:
    """Add the reservations of exclusive volumes, or of all disks; only root can ask a disk."""
    # Most hosts have no exclusive volume, and `ls` need not load or parse anything then.
    try:
        text = (root / "etc/fstab").read_bytes()
    except OSError:  # A host without fstab, or a listing for which it does not matter.
        text = b""
    exclusive = set[str | None]()
    if _EXCLUSIVE in text:
        exclusive = {line.wwid for line in fstab.parse_fstab(text).ours if line.exclusive}
    asked = [one for one in listing.disks or () if ask_all or one.wwid in exclusive]
    if not asked or os.geteuid() != 0 or root != Path("/"):
        return listing
    seconds = RESERVATIONS_WAIT if timeout is None else min(RESERVATIONS_WAIT, timeout)
    try:
        found = bounded_call.call_within(
            seconds, lambda: reservations.observe_reservations(asked, root)
        )
    except TimeoutError:
        note = Note("the disks do not answer, so their reservations are unknown")
        return listing._replace(warnings=(*listing.warnings, note))
    to_show = {w: one for w, one in found.items() if w in exclusive or not one.is_empty}
    disks = (one._replace(reservations=to_show.get(one.wwid or "")) for one in listing.disks or ())
    return listing._replace(disks=tuple(disks))


def captured_listing(source: Path, wait: float) -> Listing:
    """Read a file or directory that was captured elsewhere. Raises IscsictlError.

    It is output of iscsiadm or iscsi-ls, or a directory such as sos creates. `wait` is how many
    seconds a pipe may stay silent.
    """
    return sosreport.read_capture(source, wait)


def piped_listing(data: bytes) -> Listing:
    """Read a capture from standard input. Raises IscsictlError if nothing in it can be read.

    For each line that could not be parsed, the listing has a warning with its number.
    """
    return sosreport.require_readable(capture.parse_capture(data), "stdin")


def _with_internal_states(listing: Listing, root: Path, timeout: float | None) -> Listing:
    """Ask iscsid for what only it knows; leave that out without root or a timely answer."""
    if not listing.sessions or not _may_ask_iscsid(root):
        return listing
    seconds = ISCSID_STATES_WAIT if timeout is None else min(ISCSID_STATES_WAIT, timeout)
    try:
        result = process.run(["iscsiadm", "-m", "session", "-P", "1"], timeout=seconds, ok=None)
    except MissingError:
        return listing
    except UnreachableError:
        note = Note("iscsid does not answer, so its internal states are unknown")
        return listing._replace(warnings=(*listing.warnings, note))
    listing = iscsid_states.with_internal_states(listing, result.out)
    return with_errors(listing, read_session_errors(root, seconds))


def _may_ask_iscsid(root: Path) -> bool:
    """Return whether iscsid runs, on this host, and answers this user, who must be root.

    If it does not run, iscsiadm would have systemd start it by its socket: looking starts nothing.
    """
    if os.geteuid() != 0 or root != Path("/"):
        return False
    return daemons.find_daemon("iscsid", root) is not None


def read_session_errors(root: Path, seconds: float) -> dict[int, SessionErrors]:
    """Return the kernel's counts of errors by session id, which iscsiadm gets through iscsid.

    Without root, or an answer within `seconds`, there are none.
    """
    if not _may_ask_iscsid(root):
        return {}
    try:
        result = process.run(["iscsiadm", "-m", "session", "-s"], timeout=seconds, ok=None)
    except (MissingError, UnreachableError):
        return {}
    return statistics.parse_session_errors(result.out)


def with_errors(listing: Listing, errors: Mapping[int, SessionErrors]) -> Listing:
    """Return the listing with these counts of errors, by session id."""
    sessions = [one._replace(errors=errors.get(one.sid or 0)) for one in listing.sessions]
    return listing._replace(sessions=tuple(sessions))


def _with_loads(listing: Listing, root: Path) -> Listing:
    """Add the load of each disk, as the kernel counts it."""
    sessions = [
        one._replace(
            luns=tuple(lun._replace(load=_read_load_of_lun(lun, root)) for lun in one.luns)
        )
        if one.luns is not None
        else one
        for one in listing.sessions
    ]
    return listing._replace(sessions=tuple(sessions))


def _read_load_of_lun(lun: Lun, root: Path) -> LunLoad | None:
    if lun.device is None:
        return None
    stat = read_disk_attribute(root, lun.device, "stat")
    depth = read_disk_attribute(root, lun.device, "device/queue_depth")
    return None if stat is None else statistics.parse_disk_load(stat, depth or "")
