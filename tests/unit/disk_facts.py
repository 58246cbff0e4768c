"""Made inventories for the plans of the disk, mount and fstab commands."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.model.inventory import Known, MountPointState
from iscsictl.model.listing import Block, Disk, Lun, Mount, Path, Session
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Plan
from iscsictl.parse.fstab import mount_line, parse_fstab
from iscsictl.planner.selection.disks import DiskFacts, DiskInventory, choose

IQN = "iqn.2001-04.com.example:mail"
WWID = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa"
UUID = "6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11"
NEW = "11111111-2222-4333-8444-555555555555"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
GIB = 1 << 30
SECTORS = GIB // 512
SERVICE = "open-iscsi.service"


def a_disk(*children: Block, fstype: str | None = None, uuid: str | None = None,
           mounts: Iterable[str] = (), size: int = GIB,
           read_only: bool = False) -> Disk:  # fmt: skip
    block = Block(
        "/dev/sda", "disk", size, fstype, None, uuid, tuple(Mount(m) for m in mounts), children
    )
    return Disk(WWID, (Path(1, "2:0:0:0", "/dev/sda"),), block, read_only=read_only)


def part(number: int = 1, fstype: str | None = None, uuid: str | None = None,
         mounts: Iterable[str] = ()) -> Block:  # fmt: skip
    places = tuple(Mount(m) for m in mounts)
    return Block(f"/dev/sda{number}", "part", GIB // 4, fstype, None, uuid, places)


def session(status: str = "up", luns: int = 1) -> Session:
    units = tuple(Lun(n, f"2:0:0:{n}", f"/dev/sd{'ab'[n]}", "running") for n in range(luns))
    return Session("sysfs", IQN, sid=1, luns=units, status="up" if status == "up" else "recovering")


def disk_inventory(
    disk: Disk | None = None,
    *,
    content: Content | None = None,
    table: Table | None = None,
    lines: Iterable[bytes] = (),
    name: str = "/dev/sda",
    place: MountPointState | None = None,
    **others: Any,
) -> DiskInventory:
    disk = disk or a_disk()
    size = disk.block.size or 0
    inventory = DiskInventory(
        sessions=(session(),),
        disks=(disk,),
        fstab=parse_fstab(b"".join(lines)),
        content=Known(content or Content(WWID, size, 512)),
        place=Known(place or MountPointState()),
        facts=DiskFacts(size // 512, size, table=table),
    )
    inventory = replace(inventory, **others)
    return replace(inventory, chosen=choose(inventory, name))


def gpt(*entries: Entry) -> Table:
    return Table("gpt", 512, "X", 2048, SECTORS - 34, entries)


def carries(kind: str, uuid: str = UUID, **more: Any) -> Content:
    found = Content(
        WWID, GIB, 512, signatures=(Signature(kind, 0, uuid),),
        filesystem=Filesystem("/dev/sda", kind, uuid),
    )  # fmt: skip
    return replace(found, **more)


def our_line(
    directory: str = "/srv", fs: str = "ext4", uuid: str = UUID, boot: bool = True, *,
    exclusive: bool = False,
) -> bytes:  # fmt: skip
    return mount_line(
        uuid, directory, fs, (), login_service=SERVICE, wwid=WWID, target=IQN, lun=0, boot=boot,
        exclusive=exclusive,
    ).raw  # fmt: skip


def verbs(plan: Plan) -> list[str]:
    assert plan.refusal is None, plan.refusal
    return [step.action.verb for step in plan.pending]


def unchanged(plan: Plan) -> bool:
    return plan.refusal is None and not plan.pending and bool(plan.steps)


def note(uuid: str = UUID, fs: str = "ext4") -> bytes:
    return our_line("none", fs, uuid, boot=False)


def empty(number: int = 1) -> Content:
    """A disk with a table and one empty partition."""
    return Content(
        WWID, GIB, 512, table="gpt",
        partitions=(Partition(number, f"/dev/sda{number}", 2048 * 512, 256 << 20, LINUX),),
    )  # fmt: skip
