"""Look at what should be connected and is not. Where all is well no process is started."""

from dataclasses import replace

from iscsictl.core.keep import missing_records
from iscsictl.engine.context import Context
from iscsictl.model.inventory import Inventory
from iscsictl.system import fstabfile, holds, mounts, nodedb
from iscsictl.system.sysfs import read_sessions

PROBE_WAIT = 10.0


def for_reconnect(context: Context, target: str | None) -> Inventory:
    """Look at records, sessions, fstab and holds; portals of what is missing are tried."""
    root = context.root
    inventory = Inventory(
        nodedb.read_records(context.db),
        read_sessions(root),
        fstab=fstabfile.read_fstab(root),
        holds=holds.read_holds(root),
    )
    missing = missing_records(inventory, target)
    if not missing:
        return inventory
    from iscsictl.system import portals

    wait = min(PROBE_WAIT, context.wait)
    return replace(inventory, silent=portals.silent((r.portal for r in missing), wait))


def mounted_options(context: Context) -> dict[str, tuple[str, ...]]:
    """Return the options of all mounts by mount point; the innermost one counts."""
    return {line.path: line.options for line in mounts.mounted(context.root)}
