"""`mount` and `umount`: mount or unmount a filesystem of an iSCSI disk now."""

from dataclasses import replace

import click

from iscsictl.cli.commands.disks import by_lun
from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import ask, run_task
from iscsictl.cli.selectors import checked_value, directory, named
from iscsictl.engine.runtime import Context
from iscsictl.engine.task import Task
from iscsictl.engine.tasks.disks import task
from iscsictl.model import values
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.observers.disks import DiskQuery, observe
from iscsictl.planner.disks.mounts import MountSpec, directory_of, plan_mount, plan_umount
from iscsictl.planner.selection.disks import DiskInventory


@command("mount")
@click.argument("name", metavar="NAME|DIR")
@click.argument("where", metavar="[DIR]", required=False)
@click.option("--options", "mount_options", metavar="OPTS", help="Mount options [those of fstab].")
@click.option("--over-nonempty", is_flag=True, help="Mount over a directory that is not empty.")
@by_lun
@changing
@common
def mount(
    settings: Settings, name: str, where: str | None, mount_options: str | None,
    over_nonempty: bool, lun: int | None,
) -> int:  # fmt: skip
    """Mount a filesystem of an iSCSI disk on DIR, or where fstab says.

    NAME is a device, UUID, WWID, or TARGET with --lun. A hold set by umount is removed.
    """
    require_root("mount")
    path = None if where is None else directory(where)
    # None means the options of fstab; an empty text means none at all.
    chosen = checked_value("options", values.mount_options, mount_options)
    spec = MountSpec(path, chosen, over_nonempty, settings.yes)
    return run_task(settings, _mount_task(settings, DiskQuery(name, lun, content=True), spec))


def _mount_task(settings: Settings, query: DiskQuery, spec: MountSpec) -> Task:
    def observe_twice(context: Context, before: Inventory | None) -> Inventory:
        """Observe twice: the mount point is known only once the filesystem is."""
        first = observe(context, replace(query, content=False), before)
        closer = replace(query, directory=directory_of(first, spec), filesystem=True)
        return observe(context, closer, before)

    def make_plan(inventory: DiskInventory) -> Plan:
        return plan_mount(inventory, spec)

    def grant(_: str) -> Task:
        return _mount_task(settings, query, replace(spec, recover=True))

    mount_task = task(query, make_plan, grant, lambda question: ask(settings, question))
    return replace(mount_task, observe=observe_twice)


@command("umount")
@click.argument("name", metavar="DIR|DEVICE")
@by_lun
@changing
@common
def umount(settings: Settings, name: str, lun: int | None) -> int:
    """Unmount a filesystem of an iSCSI disk; reconnect does not mount it again."""
    require_root("umount")
    name = named(name)
    is_dir = values.is_directory(name)
    query = DiskQuery(
        name, lun, open_files=True, missing_ok=is_dir, directory=name if is_dir else None
    )
    return run_task(settings, task(query, lambda found: plan_umount(found, name)))
