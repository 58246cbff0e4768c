"""Ask a portal for its targets with an account, without changing the node database."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import NotFoundError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryRecord
from iscsictl.model.secret import Secret
from iscsictl.parse.iscsid_conf import edit_conf, revert_conf_edit
from iscsictl.parse.record import Changes
from iscsictl.system.io.files import PRIVATE, read_file, replace_file
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import iscsiadm, nodedb, nodedb_write
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from iscsictl.system.iscsi.nodedb_write import RecordEdit

if TYPE_CHECKING:
    from iscsictl.errors import codes as error_codes
else:
    # Needed only where a discovery fails.
    error_codes = lazy_import("iscsictl.errors.codes")

PREFIX = "discovery.sendtargets"


def defaults_path(root: Path) -> Path:
    """Return the file with the defaults of new records.

    It is in /etc/iscsi in every version, wherever the node database is.
    """
    return root / "etc/iscsi/iscsid.conf"


def write_defaults(changes: Changes, root: Path = Path("/")) -> RecordEdit | None:
    """Set, add or remove (None) keys of iscsid.conf; it is 0600 afterwards. None if unchanged.

    Existing records keep their values. Raises UsageError for what the file cannot hold,
    FileChangedError if somebody else edits it meanwhile, NeedsRootError, IscsictlError.
    """
    path = defaults_path(root)
    old = read_file(path) or b""
    new = edit_conf(_decode_text(old), changes).encode("utf-8", "surrogateescape")
    changed = replace_file(path, new, mode=PRIVATE, expect=old)
    return RecordEdit(old, new) if changed else None


def revert_defaults(edit: RecordEdit, root: Path = Path("/")) -> bool:
    """Give the keys of iscsid.conf that an edit changed their earlier values.

    What was set to something else since then stays. False if nothing had to change.
    """
    path = defaults_path(root)
    current = read_file(path) or b""
    text = revert_conf_edit(
        _decode_text(current), _decode_text(edit.before), _decode_text(edit.after)
    )
    data = text.encode("utf-8", "surrogateescape")
    return replace_file(path, data, mode=PRIVATE, expect=current)


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def record_of(db: Path, portal: Portal) -> DiscoveryRecord | None:
    """Return the SendTargets record of a portal; None if there is none.

    All spellings of an address mean the same portal. Raises NeedsRootError if only root may read
    it.
    """
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
    timeout: float,
    lock: NodeDbLock,
    warn: Callable[[str], None],
) -> tuple[DiscoveredTarget, ...]:
    """Ask for targets by SendTargets, with an account (`changes` of the record) if given.

    Without one, the account of the portal's own record is used, if it has one. Whatever happens,
    the discovery record is restored afterwards, or removed if there was none. `warn` is told if
    targets may be missing in the answer.
    """
    known = record_of(db, portal)
    if changes is None:
        if known is None or not known.has_secret:
            return iscsiadm.discover(portal, timeout=timeout, iface=iface, warn=warn)
        # iscsiadm finds a record by the spelling of its address.
        return _run_discovery(known.portal, iface, timeout, warn)
    if known is None:
        iscsiadm.new_discovery_record(portal, timeout=timeout)
    edit = None
    try:
        record = known or record_of(db, portal)
        if record is None:
            raise NotFoundError(f"iscsiadm did not create a discovery record of {portal}")
        edit = nodedb_write.write_record(record.path, changes, lock)
        return _run_discovery(record.portal, iface, timeout, warn)
    finally:
        if known is None:
            iscsiadm.delete_discovery_record(portal, timeout=timeout)
        elif edit is not None:
            nodedb_write.revert_record(known.path, edit, lock, mode=known.mode)


def _run_discovery(
    portal: Portal, iface: str | None, timeout: float, warn: Callable[[str], None]
) -> tuple[DiscoveredTarget, ...]:
    which = ("-I", iface) if iface and iface != "default" else ()
    command = ("-m", "discoverydb", "-t", "sendtargets", "-p", str(portal), *which)
    doing = f"asking {portal} for its targets"
    result = run(
        ["iscsiadm", *command, "--discover", "-o", "nonpersistent"],
        timeout=timeout, ok=None, doing=doing, interruptible=True,
    )  # fmt: skip
    if result.code not in {0, iscsiadm.NO_OBJECTS}:
        raise error_codes.error_from_iscsiadm(result.code, result.err, doing)
    return iscsiadm.read_offers(result, portal, warn)
