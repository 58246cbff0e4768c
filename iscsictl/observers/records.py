"""Node records and holds, for commands that only show or name them."""

from pathlib import Path

from iscsictl.model.hold import Hold
from iscsictl.model.record import NodeRecord
from iscsictl.system.context import Context
from iscsictl.system.iscsi import discovery, holds, nodedb

#: What the keys of an account in a discovery record begin with.
DISCOVERY_PREFIX = discovery.PREFIX


def read_records(context: Context) -> tuple[NodeRecord, ...]:
    """Return all node records. Raises NeedsRootError where they may not be read.

    Corrupt ones are among them, with their `problem`.
    """
    return nodedb.read_records(context.db)


def records_at(root: Path) -> tuple[NodeRecord, ...]:
    """Return all node records below a root directory. Raises NeedsRootError.

    The place of the database is that of the iscsiadm which is installed there.
    """
    return nodedb.read_records(nodedb.find_db(root))


def require_iface(context: Context, name: str) -> None:
    """Raise NotFoundError unless an interface is defined or built in.

    Built in are `default` and `iser`. A definition that cannot be parsed counts as one.
    """
    nodedb.require_iface(context.db, name)


def read_holds(root: Path) -> tuple[Hold, ...]:
    """Return the holds in force, sorted by name.

    They are in /run/iscsictl and end with a boot; those whose time is over are left out.
    """
    return holds.read_holds(root)


def hold_clock() -> float:
    """Return the clock that holds are counted in: seconds since the boot, sleep included."""
    return holds.now()
