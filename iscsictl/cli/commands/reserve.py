"""`reserve`: run by the unit of an exclusive volume before its filesystem is mounted."""

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import Scope
from iscsictl.engine.task import Task
from iscsictl.observers.disks import read_fstab
from iscsictl.observers.reservations import observe_exclusive
from iscsictl.planner.disks.exclusive import plan_reserve


@command("reserve", hidden=True)
@click.argument("uuid", metavar="UUID")
@changing
@common
def reserve(settings: Settings, uuid: str) -> int:
    """Reserve the LUN of an exclusive volume, by the UUID of its filesystem.

    systemd runs this before the mount. It fails where another host holds the LUN, and names its
    key.
    """
    require_root("reserve")
    entries = read_fstab(settings.root).by_uuid(uuid)
    targets = frozenset(line.target for line in entries if line.target is not None)
    paths = frozenset(line.mount_point for line in entries if line.mount_point is not None)
    task = Task(
        lambda context, before: observe_exclusive(context, asked=before is not None),
        lambda inventory: plan_reserve(inventory, uuid),
    )
    return run_task(settings, task, scope=Scope(targets, paths))
