"""The state of multipath-tools, as far as files show it, and who uses paths outside of maps."""

from dataclasses import replace
from pathlib import Path

from iscsictl.model.inventory import DiskUsage, Inventory
from iscsictl.model.multipath import MULTIPATHD, MultipathFacts
from iscsictl.planner.attach.multipath import silent_paths
from iscsictl.system.block import multipath_conf
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.mount import usage


def read_multipath(root: Path = Path("/")) -> MultipathFacts:
    """Return the state of multipath-tools and of its service; no process is started.

    What only the daemon knows (how it spells WWIDs, what is in force) is empty:
    `multipath_conf.ask_daemon` adds it.
    """
    return replace(
        multipath_conf.read_facts(root),
        masked=systemd.masked(MULTIPATHD, root),
        enabled=systemd.enabled(MULTIPATHD, root),
        unmet_condition=systemd.unmet_condition(MULTIPATHD, root),
    )


def read_silent_usage(
    context: Context, inventory: Inventory, target: str | None
) -> dict[str, DiskUsage]:
    """Return who uses each of the `silent_paths` of a target; nothing is read from them."""
    found: dict[str, DiskUsage] = {}
    for _, path in silent_paths(inventory, target):
        scan = context.coalesce("users", lambda: usage.UsageScan(context.root))
        used = usage.disk_usage(path, context.root, answers=False, scan=scan)
        found[path.block.device] = used
    return found
