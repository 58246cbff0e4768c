"""Ask a portal for its targets with an account, leaving the node database as it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from iscsictl.errors.codes import error_from_iscsiadm
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryRecord
from iscsictl.model.secret import Secret
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import iscsiadm, nodedb, nodedb_write
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock

PREFIX = "discovery.sendtargets"


def defaults_path(root: Path) -> Path:
    """Return where the defaults of new records stand."""
    return root / "etc/iscsi/iscsid.conf"


def record_of(db: Path, portal: Portal) -> DiscoveryRecord | None:
    """Return the SendTargets record of a portal; None if there is none."""
    for record in nodedb.read_discovery_records(db):
        if record.kind == "sendtargets" and record.portal.same_place(portal):
            return record
    return None


def ask(
    db: Path,
    portal: Portal,
    *,
    iface: str | None,
    changes: Mapping[str, str | Secret | None] | None,
    root: Path,
    timeout: float,
    say: Callable[[str], None],
) -> tuple[DiscoveredTarget, ...]:
    """Ask for targets by SendTargets, with an account (`changes` of the record) if given.

    Without one the account of the portal's own record is used, where it has one. Whatever
    happens, the discovery record is afterwards as it was before, or gone as it was.
    """
    known = record_of(db, portal)
    if changes is None and (known is None or not known.has_secret):
        return iscsiadm.discover(portal, timeout=timeout, iface=iface)
    if changes is None:
        return _discover(portal, iface, timeout)
    with _borrowed(known, portal, root, timeout, say):
        nodedb_write.set_discovery_auth(db, portal, changes, root=root, timeout=timeout, say=say)
        return _discover(portal, iface, timeout)


@contextmanager
def _borrowed(
    known: DiscoveryRecord | None,
    portal: Portal,
    root: Path,
    timeout: float,
    say: Callable[[str], None],
) -> Iterator[None]:
    before = None if known is None else known.path.read_bytes()
    if known is None:
        iscsiadm.new_discovery_record(portal, timeout=timeout)
    try:
        yield
    finally:
        if known is None or before is None:
            iscsiadm.delete_discovery_record(portal, timeout=timeout)
        else:
            with NodeDbLock(root, timeout, say):
                nodedb_write.replace_in_db(known.path, before, known.mode)


def _discover(portal: Portal, iface: str | None, timeout: float) -> tuple[DiscoveredTarget, ...]:
    which = ("-I", iface) if iface and iface != "default" else ()
    command = ("-m", "discoverydb", "-t", "sendtargets", "-p", str(portal), *which)
    result = run(["iscsiadm", *command, "--discover", "-o", "nonpersistent"], timeout=timeout,
                 ok=None)  # fmt: skip
    if result.code not in {0, iscsiadm.NO_OBJECTS}:
        doing = f"asking {portal} for its targets"
        raise error_from_iscsiadm(result.code, result.err, doing)
    return iscsiadm.parse_offers(result.out)
