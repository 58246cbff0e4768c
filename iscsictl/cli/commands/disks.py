"""`disk`: list and show disks, partition tables and filesystems, and grow them."""

import re
import sys
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from iscsictl.cli.groups import GroupOfCommands, GroupWithDefault
from iscsictl.cli.options import (
    Number,
    Settings,
    changing,
    common,
    discard,
    require_root,
    verify_blank,
)
from iscsictl.cli.runner import ask, run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.task import Task
from iscsictl.engine.tasks.disks import task
from iscsictl.errors import Exit, UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import values
from iscsictl.model.partition_table import KINDS
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Consent
from iscsictl.observers.disks import (
    DiskQuery,
    disk_rows,
    observe,
    partition_table_errors,
    partition_type_names,
)
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.disks import print_disk, print_disks, print_problems, print_types
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.disks.layout import Problem, find_problems
from iscsictl.planner.disks.mkfs_options import read_mkfs_options
from iscsictl.planner.disks.partitions import (
    AddPartitionSpec,
    plan_add,
    plan_bootable,
    plan_remove,
    plan_type,
)
from iscsictl.planner.selection.disks import DiskInventory

if TYPE_CHECKING:
    from iscsictl.cli.commands import overview
else:
    # Needed only if the host has no disks.
    overview = lazy_import("iscsictl.cli.commands.overview")

FILESYSTEMS = ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "swap"]
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}

by_lun = click.option(
    "--lun", type=Number(0, values.MAX_LUN), help="The LUN, if the disk is named by target."
)


def amount(text: str) -> tuple[int, bool]:
    """Parse 10G, 500MiB or 2048s; return the number of bytes or sectors, and whether of sectors.

    Units are powers of 1024. A number without a unit is refused as ambiguous. Raises
    click.BadParameter.
    """
    match = re.fullmatch(r"([0-9]{1,18})(?:([KMGTP])(?:iB)?|([sS]))", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size such as 10G, 500M or 2048s (sectors)")
    if match[3]:
        return int(match[1]), True
    return int(match[1]) << _UNITS[match[2]], False


def consent(wipe: bool, confirm: str | None) -> Consent:
    """Return the consent given by --wipe and --confirm. Raises UsageError if one is missing.

    The WWID must be given, so that a command repeated from the shell's history cannot wipe another
    disk that has the same device name now.
    """
    if wipe != (confirm is not None):
        raise UsageError(
            "--wipe and --confirm WWID must be given together",
            hint="iscsictl disk ls shows the WWID; compare it with the array's",
        )
    return Consent(wipe=confirm)


def destroying(command: Callable[..., None]) -> Callable[..., None]:
    """Add --wipe and --confirm to a command; `consent` reads them."""
    command = click.option(
        "--confirm", metavar="WWID", help="The WWID of the disk whose content --wipe may destroy."
    )(command)
    return click.option("--wipe", is_flag=True, help="Destroy the current content.")(command)


@click.group("disk", cls=GroupWithDefault)
def disk() -> None:
    """Show the disks of iSCSI sessions; create and grow partitions and filesystems.

    DISK is a device, a WWID, the UUID or mount point of a filesystem, or TARGET with --lun.
    """


@disk.command("ls")
@common
def ls(settings: Settings) -> int:
    """List all disks of sessions: size, sectors, partition table, filesystems, usage."""
    rows = disk_rows(open_context(settings.wait, settings.root))
    if not rows:
        overview.print_nothing(settings, "there are no disks")
    print_disks(rows, screen_of(sys.stdout, settings.color), settings.output)
    return int(Exit.DONE)


@disk.command("show")
@click.argument("name", metavar="DISK")
@by_lun
@common
def show(settings: Settings, name: str, lun: int | None) -> int:
    """Show one disk: topology, partition table in sectors, usage and content."""
    require_root("reading a disk")
    query = DiskQuery(name, lun, settings.interactive, whole_disk=True, content=True, table=True)
    inventory = observe(open_context(settings.wait, settings.root), query, None)
    table = inventory.facts.table
    names = partition_type_names(table.label) if table is not None else {}
    print_disk(inventory, names, screen_of(sys.stdout, settings.color), settings.output)
    return int(Exit.DONE)


@disk.command("label")
@click.argument("name", metavar="DISK")
@click.argument("table", type=click.Choice(KINDS))
@verify_blank
@by_lun
@destroying
@changing
@common
def label(settings: Settings, name: str, table: str, lun: int | None, **options: Any) -> int:
    """Write an empty partition table on a blank disk: gpt, dos, bsd or sun."""
    agreed = consent(options["wipe"], options["confirm"])
    require_root("disk label")
    full = options["verify_blank"] == "full"
    query = DiskQuery(name, lun, table=True, content=True, full_probe=full)
    return run_task(settings, task(query, lambda state: plan_label(state, table, agreed)))


@disk.command("mkfs")
@click.argument("name", metavar="DISK|PARTITION")
@click.option("--fs", type=click.Choice(FILESYSTEMS), required=True, help="Kind of filesystem.")
@click.option("--label", "fs_label", metavar="LABEL", help="Its label.")
@click.option("--uuid", "given", metavar="UUID", help="Its UUID; generated if not given.")
@click.option(
    "--option", "options", multiple=True, metavar="ARG",
    help="An argument for mkfs, such as --option=-E --option=lazy_itable_init=0.",
)  # fmt: skip
@verify_blank
@discard
@by_lun
@destroying
@changing
@common
def mkfs(settings: Settings, name: str, lun: int | None, **options: Any) -> int:
    """Make a filesystem, or swap, on a blank disk or partition."""
    fs, fs_label = options["fs"], options["fs_label"]
    if fs_label is not None and (why := values.label_problem(fs_label, fs)):
        raise UsageError(f"--label {fs_label!r}: {why}")
    spec = MkfsSpec(
        fs,
        _filesystem_uuid(fs, options["given"]),
        options["given"] is not None,
        fs_label,
        read_mkfs_options(fs, options["options"]),
        consent(options["wipe"], options["confirm"]),
        options["discard"],
    )
    require_root("disk mkfs")
    full = options["verify_blank"] == "full"
    query = DiskQuery(name, lun, content=True, table=True, full_probe=full)
    return run_task(settings, task(query, lambda state: plan_mkfs(state, spec)))


def _filesystem_uuid(fs: str, given: str | None) -> str:
    if given is None:
        generated = str(uuid.uuid4())
        return f"{generated[:4]}-{generated[4:8]}".upper() if fs == "vfat" else generated
    if fs == "vfat":
        if not re.fullmatch(r"[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}", given):
            raise UsageError(
                f"--uuid {given}: a vfat UUID has eight hexadecimal digits, such as 1A2B-3C4D"
            )
        return given.upper()
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise UsageError(
            f"--uuid {given}: not a UUID such as 6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11"
        ) from None


@disk.command("grow")
@click.argument("name", metavar="DISK|DIR")
@by_lun
@changing
@common
def grow(settings: Settings, name: str, lun: int | None) -> int:
    """Grow the disk, its last partition and its filesystem after the LUN was enlarged.

    The filesystem (ext2/3/4, xfs, btrfs) stays mounted.
    """
    require_root("disk grow")
    return run_task(settings, task(DiskQuery(name, lun, growth=True), plan_grow))


@disk.group("part", cls=GroupOfCommands)
def part() -> None:
    """Add, delete and verify partitions, and change their type or bootable flag."""


@part.command("add")
@click.argument("name", metavar="DISK")
@click.option("--size", type=amount, metavar="SIZE", help="How large: 10G, 500M, 2048s (sectors).")
@click.option("--rest", is_flag=True, help="Use the whole largest free gap.")
@click.option("--start", type=amount, metavar="PLACE", help="Where it starts: 1M, 2048s [aligned].")
@click.option("--type", "kind", default="linux", metavar="TYPE",
              help="linux, lvm, raid, swap, efi, a code or a GUID [linux].")  # fmt: skip
@click.option("--bootable", is_flag=True, help="Mark it bootable.")
@click.option("--number", type=Number(1, 128), help="Its number [the first free one].")
@by_lun
@changing
@common
def add(settings: Settings, name: str, lun: int | None, **options: Any) -> int:
    """Add a partition, aligned to the disk's optimal I/O size.

    If an empty partition of that size and type already exists, nothing is done; give --number to
    add another.
    """
    size, start = options["size"], options["start"]
    if size is not None and options["rest"]:
        raise UsageError("give --size SIZE or --rest, not both")
    if size is None and not options["rest"]:
        raise UsageError("give the size: --size SIZE, or --rest")
    size, size_in_sectors = size or (None, False)
    start, start_in_sectors = start or (None, False)
    spec = AddPartitionSpec(
        size, size_in_sectors, start, start_in_sectors,
        options["kind"], options["bootable"], options["number"],
    )  # fmt: skip
    require_root("disk part add")
    query = DiskQuery(name, lun, whole_disk=True, table=True, content=True)
    return run_task(
        settings, task(query, lambda state: plan_add(state, spec, _type_names_of_table(state)))
    )


def _type_names_of_table(state: DiskInventory) -> dict[str, str]:
    table = state.facts.table
    return partition_type_names(table.label) if table is not None else {}


@part.command("rm")
@click.argument("name", metavar="DISK")
@click.argument("number", metavar="N", type=Number(1, 128))
@by_lun
@changing
@common
def rm(settings: Settings, name: str, number: int, lun: int | None) -> int:
    """Delete partition N from the table, if nothing uses it."""
    require_root("disk part rm")
    query = DiskQuery(name, lun, whole_disk=True, part=number, table=True, content=True)

    def make(agreed: bool) -> Task:
        def make_plan(state: DiskInventory) -> Plan:
            return plan_remove(state, number, consent=agreed)

        return task(
            query, make_plan, lambda _: make(True), lambda question: ask(settings, question)
        )

    return run_task(settings, make(settings.yes))


@part.command("type")
@click.argument("name", metavar="[DISK", required=False)
@click.argument("number", metavar="N", type=Number(1, 128), required=False)
@click.argument("kind", metavar="TYPE]", required=False)
@click.option("--list", "listed", type=click.Choice(["gpt", "dos", "sun"]),
              help="List the partition types of such a table.")  # fmt: skip
@by_lun
@changing
@common
def type_(settings: Settings, name: str | None, number: int | None, kind: str | None,
          listed: str | None, lun: int | None) -> int:  # fmt: skip
    """Give partition N a type: linux, lvm, raid, swap, efi, a code, a GUID or a name."""
    if listed is not None:
        if name is not None:
            raise UsageError("--list does not take a DISK")
        screen = screen_of(sys.stdout, settings.color)
        print_types(listed, partition_type_names(listed), screen, settings.output)
        return int(Exit.DONE)
    if name is None or number is None or kind is None:
        raise UsageError(
            "give a partition and a type: iscsictl disk part type DISK N TYPE, or use --list "
            "gpt|dos|sun"
        )
    require_root("disk part type")
    wanted, place = kind, number
    query = DiskQuery(name, lun, whole_disk=True, table=True)
    return run_task(
        settings,
        task(query, lambda state: plan_type(state, place, wanted, _type_names_of_table(state))),
    )


@part.command("bootable")
@click.argument("name", metavar="DISK")
@click.argument("number", metavar="N", type=Number(1, 128))
@click.option("--off", is_flag=True, help="Clear the flag instead.")
@by_lun
@changing
@common
def bootable(settings: Settings, name: str, number: int, off: bool, lun: int | None) -> int:
    """Mark partition N bootable (dos: active; gpt: legacy BIOS bootable)."""
    require_root("disk part bootable")
    query = DiskQuery(name, lun, whole_disk=True, table=True)
    return run_task(settings, task(query, lambda state: plan_bootable(state, number, on=not off)))


@part.command("verify")
@click.argument("name", metavar="DISK")
@by_lun
@common
def verify(settings: Settings, name: str, lun: int | None) -> int:
    """Check a partition table: overlaps, ends, alignment, the backup, the kernel's view."""
    require_root("reading a disk")
    query = DiskQuery(name, lun, settings.interactive, whole_disk=True, table=True)
    state = observe(open_context(settings.wait, settings.root), query, None)
    device, facts = state.one.disk.block.device, state.facts
    problems: list[Problem] = []
    if facts.table is None:
        fix = f"create one: iscsictl disk label {shell_form(device)} gpt"
        problems.append(Problem("no-table", "fail", f"{device} has no partition table", fix))
    else:
        problems += find_problems(facts.table, facts.total, facts.topology, facts.kernel)
        if not problems and facts.table.label != "bsd":
            fix = f"for details: sfdisk --verify {device}"
            problems += [
                Problem("sfdisk", "fail", text, fix) for text in partition_table_errors(device)
            ]
    print_problems(device, problems, screen_of(sys.stdout, settings.color), settings.output)
    return int(Exit.ERROR if any(p.severity == "fail" for p in problems) else Exit.DONE)
