"""Records, sessions and disks of a small world."""

from pathlib import Path

from iscsictl.model import listing
from iscsictl.model.inventory import (
    DiskUsage,
    Inventory,
)
from iscsictl.model.listing import Block, Disk, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan, Status
from iscsictl.model.record import NodeRecord

A, B = "iqn.2026-01.example:a", "iqn.2026-01.example:b"
P1, P2 = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)


def record(
    target: str = A, portal: Portal = P1, iface: str = "default", **values: str
) -> NodeRecord:
    path = Path(f"/db/{target}/{portal.address},{portal.port},{portal.tpgt}/{iface}")
    named = {f"node.{key}": value for key, value in values.items()}
    return NodeRecord(path=path, values=named, target=target, portal=portal, iface=iface)


def session(
    sid: int = 1,
    target: str = A,
    portal: Portal = P1,
    *,
    status: listing.Status = "up",
    luns: int = 1,
) -> Session:
    units = tuple(
        Lun(n, f"{sid}:0:0:{n}", f"/dev/sd{'abcdef'[sid * 2 + n]}", wwid=f"naa.{sid}{n}")
        for n in range(luns)
    )
    made = Session("sysfs", target, sid=sid, portal=portal, persistent_portal=portal, luns=units)
    return made._replace(iface="default", status=status)


def disk(
    one: Session, lun: int = 0, *, kind: listing.Kind = "disk", also: Session | None = None
) -> Disk:
    paths = []
    for each in (one, also):
        unit = None if each is None else (each.luns or ())[lun]
        if each is not None and unit is not None:
            paths.append(DiskPath(each.sid or 0, unit.hctl or "", unit.device or "", "running"))
    wwid = (one.luns or ())[lun].wwid
    block = Block(paths[0].device, kind, 64 << 20)
    return Disk(wwid, tuple(paths), block)


def statuses(plan: Plan) -> dict[str, Status]:
    return {step.id: step.status for step in plan.steps}


def mapped(kind: listing.Kind) -> Inventory:
    one, two = session(), session(2, portal=P2)
    both = disk(one, kind=kind, also=two)
    return Inventory(
        sessions=(one, two), disks=(both,), usage={both.block.device: DiskUsage(("/srv",))}
    )
