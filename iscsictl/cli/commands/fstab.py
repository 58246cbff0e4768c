"""`fstab`: the entries of /etc/fstab that concern iSCSI disks."""

import sys

import click

from iscsictl.cli.commands.disks import by_lun
from iscsictl.cli.groups import GroupWithDefault
from iscsictl.cli.options import Settings, changing, common, print_message, require_root
from iscsictl.cli.runner import run_task
from iscsictl.cli.selectors import checked_value, directory, named
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.disks import lines_task, task
from iscsictl.errors import Exit
from iscsictl.model import values
from iscsictl.model.plan import Plan
from iscsictl.observers.disks import DiskQuery, base, fstab_facts, mounted_paths, read_fstab
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.fstab import print_findings, print_fstab
from iscsictl.planner.disks.mounts import MountSpec, plan_fstab_add, plan_fstab_rm
from iscsictl.planner.safety.fstab_rules import check_fstab
from iscsictl.planner.selection.disks import DiskInventory


@click.group("fstab", cls=GroupWithDefault)
def fstab() -> None:
    """Show, add, remove and check entries of /etc/fstab."""


@fstab.command("ls")
@common
def ls(settings: Settings) -> int:
    """List the entries of /etc/fstab; those written by iscsictl are marked."""
    lines = read_fstab(settings.root)
    mounted = mounted_paths(settings.root)
    print_fstab(lines, mounted, screen_of(sys.stdout, settings.color), settings.output)
    if not lines.entries and settings.output == "table" and not settings.quiet:
        print_message("there are no entries in /etc/fstab")
    return int(Exit.DONE)


@fstab.command("check")
@common
def check(settings: Settings) -> int:
    """Find entries that would hang a boot or mount the wrong disk, and say how to fix them.

    /etc/crypttab is checked too. An entry is followed down to its targets: through bind mounts,
    images, overlays, swap files, LVM, dm-crypt and md.
    """
    context = open_context(settings.wait, settings.root)
    inventory = base(context)
    findings = check_fstab(inventory.fstab, fstab_facts(context, inventory))
    mounted = mounted_paths(settings.root)
    screen = screen_of(sys.stdout, settings.color)
    if settings.output != "table" or not settings.quiet:
        print_findings(inventory.fstab, findings, mounted, screen, settings.output)
    failed = any(finding.severity == "fail" for finding in findings)
    return int(Exit.ERROR if failed else Exit.DONE)


@fstab.command("add")
@click.argument("name", metavar="DISK")
@click.argument("where", metavar="DIR|none")
@click.option(
    "--options",
    "mount_options",
    metavar="OPTS",
    help="Mount options, in addition to those of iscsictl.",
)
@click.option("--no-boot", is_flag=True, help="Do not mount it at boot.")
@by_lun
@changing
@common
def add(
    settings: Settings, name: str, where: str, mount_options: str | None, no_boot: bool,
    lun: int | None,
) -> int:  # fmt: skip
    """Add the entry that mounts the filesystem of DISK on DIR at boot; `none` for swap."""
    path = None if where in {"none", "swap"} else directory(where)
    chosen = checked_value("options", values.mount_options, mount_options)
    spec = MountSpec(path, chosen, boot=not no_boot)
    require_root("fstab add")
    query = DiskQuery(name, lun, directory=path)
    return run_task(settings, task(query, lambda found: plan_fstab_add(found, spec)))


@fstab.command("rm")
@click.argument("name", metavar="DIR|UUID|DEVICE")
@changing
@common
def rm(settings: Settings, name: str) -> int:
    """Remove entries written by iscsictl; what is mounted stays mounted."""
    require_root("fstab rm")

    def make_plan(inventory: DiskInventory) -> Plan:
        return plan_fstab_rm(inventory, named(name))

    return run_task(settings, lines_task(named(name), make_plan))
