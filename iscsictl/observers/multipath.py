"""The state of multipath-tools, as far as files show it, and of paths outside of maps."""

import contextlib
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.model.inventory import DiskUsage, Inventory
from iscsictl.model.multipath import MULTIPATHD, MultipathFacts
from iscsictl.planner.attach.multipath import silent_paths
from iscsictl.system.block import multipath_conf, probe, scsi_commands
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


def observe_access(inventory: Inventory, target: str | None, lun: int | None) -> Inventory:
    """Return the inventory with the access of each path to a LUN of a target that has no map yet.

    The kernel has it once a device handler is there, which comes with the first map. `lun` None:
    all LUNs are asked.
    """
    index, found = inventory.index, dict[tuple[int, str], str]()
    for session in index.sessions(target) if target is not None else ():
        for unit in session.luns or ():
            disk = index.disk_of_path(session.sid, unit.hctl)
            if (
                session.status == "up" and unit.works and unit.access is None
                and lun in {None, unit.lun} and disk is not None and disk.block.kind == "disk"
                and unit.device is not None
            ):  # fmt: skip
                # A path that does not answer is another matter.
                with (
                    contextlib.suppress(IscsictlError),
                    probe.opened(unit.device, exclusive=False) as fd,
                ):
                    if (access := scsi_commands.port_access(fd)) is not None:
                        found[session.sid or 0, unit.hctl or ""] = access
    if not found:
        return inventory
    return replace(
        inventory,
        sessions=tuple(
            session._replace(
                luns=tuple(
                    unit._replace(
                        access=found.get((session.sid or 0, unit.hctl or ""), unit.access)
                    )
                    for unit in session.luns
                )
            )
            if session.luns
            else session
            for session in inventory.sessions
        ),
        disks=tuple(
            disk._replace(
                paths=tuple(
                    path._replace(access=found.get((path.sid, path.hctl), path.access))
                    for path in disk.paths
                )
            )
            for disk in inventory.disks
        ),
    )
