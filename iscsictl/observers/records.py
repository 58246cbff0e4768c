"""Node records and holds, for commands that only show or name them."""

from pathlib import Path

from iscsictl.model.hold import Hold
from iscsictl.model.record import NodeRecord
from iscsictl.system.context import Context
from iscsictl.system.iscsi import discovery, holds, nodedb

#: The prefix of the keys of an account in a discovery record.
DISCOVERY_PREFIX = discovery.PREFIX


def read_records(context: Context) -> tuple[NodeRecord, ...]:
    """Return all node records. Raises NeedsRootError if they may not be read.

    Corrupt ones are included, with their `problem`.
    """
    return nodedb.read_records(context.db)


def records_at(root: Path) -> tuple[NodeRecord, ...]:
    """Return all node records below a root directory. Raises NeedsRootError.

    The database is the one that the iscsiadm installed there uses.
    """
    return nodedb.read_records(nodedb.find_db(root))


def require_iface(context: Context, name: str) -> None:
    """Raise NotFoundError unless an interface is defined or built in.

    `default` and `iser` are built in. A definition that cannot be parsed counts as defined.
    """
    nodedb.require_iface(context.db, name)


def read_holds(root: Path) -> tuple[Hold, ...]:
    """Return the holds in force, sorted by name.

    They are in /run/iscsictl and end with a boot; expired ones are left out.
    """
    return holds.read_holds(root)


def hold_clock() -> float:
    """Return the time on the clock of holds: seconds since the boot, sleep included."""
    return holds.now()
