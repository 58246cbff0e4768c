"""Hosts on which `attach` has made volumes, for the tests of `export`."""

import tomllib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from iscsictl.cli.owner import owner_ids
from iscsictl.errors import IscsictlError
from iscsictl.model.disk_content import Content, Filesystem, Signature
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import HostFacts, Inventory, Known, MountPointState
from iscsictl.model.listing import Block, Disk, Host, Lun, Mount, Session, Status, blocks
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.multipath import MapSettings
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.model.record_text import MASK
from iscsictl.model.reservation import LunReservations, Reservation, ReservationType
from iscsictl.model.spec import Volume
from iscsictl.parse.fstab import append_line, mount_line
from iscsictl.parse.toml import parse_toml
from iscsictl.planner.attach.attach import plan_attach, record_values
from iscsictl.planner.attach.multipath import choose_paths
from iscsictl.planner.volumes.apply import plan_volume
from iscsictl.planner.volumes.export import Export, render
from iscsictl.planner.volumes.file import read_volumes
from tests.worlds import OWN_KEY

SECOND = Portal("203.0.113.5", 3260, 1)
SPARE = Portal("198.51.100.5", 3260, 1)
PLAIN = HostFacts()


@dataclass(frozen=True)
class Made:
    """One volume as a run of `attach` left it, and what became of it since.

    `at` is where its filesystem is mounted ("" its place, None nowhere), `ways` how many sessions
    lead to it, `spare` whether a record without a session does, `twin` whether a second target
    shows the disk too.
    """

    name: str
    lun: int
    portal: Portal
    options: list[str]
    fs: str
    user: str | None
    theirs: str | None
    timeout: str
    waited: bool
    uid: int
    gid: int
    mode: int
    startup: str = "automatic"
    boot: bool = True
    lined: bool = True
    placed: bool = True
    at: str | None = ""
    ways: int = 1
    nic: bool = False
    spare: bool = False
    twin: bool = False
    status: Status = "up"
    known: bool = True
    held: bool = False
    empty: bool = True
    method: str | None = "CHAP"
    exclusive: bool = False


class Machine:
    """A host on which `attach` has made these volumes."""

    def __init__(self, rows: list[Made], facts: HostFacts = PLAIN) -> None:
        self.facts = facts
        self.records: list[NodeRecord] = []
        self.sessions: list[Session] = []
        self.disks: list[Disk] = []
        self.places: dict[str, MountPointState] = {}
        self.fstab = Fstab()
        self.holds: list[Hold] = []
        self.waits: dict[str, tuple[str, ...]] = {}
        for number, row in enumerate(rows):
            self._make(number, row)

    @property
    def inventory(self) -> Inventory:
        mapped = [d.wwid for d in self.disks if d.block.kind == "mpath" and d.wwid is not None]
        ours = [d for d in self.disks if self.fstab.is_exclusive(d.wwid)]
        keyed = {d.wwid for d in ours}
        settings = tuple(
            MapSettings(wwid, wwid, 120, OWN_KEY if wwid in keyed else None) for wwid in mapped
        )
        multipath = replace(self.facts.multipath, settings=settings, listed=frozenset(mapped))
        facts = replace(
            self.facts, required=self.waits, multipath=multipath, reservation_key=OWN_KEY
        )
        return Inventory(
            tuple(self.records), tuple(self.sessions), tuple(self.disks), self.fstab,
            host=facts, holds=tuple(self.holds), reservations={d.wwid or "": kept(d) for d in ours},
        )  # fmt: skip

    def _make(self, number: int, row: Made) -> None:
        target, path = f"iqn.2001-04.com.example:{number}", f"/srv/{row.name}"
        wwid = f"naa.{number}" if row.known else None
        ways = [(target, row.portal, "default"), (target, SECOND, "nic" if row.nic else "default")]
        ways = ways[: row.ways] + ([(f"{target}.b", row.portal, "default")] if row.twin else [])
        for way in ways or [(target, row.portal, "default")]:
            self._record(row, *way)
        if row.spare:
            self._record(row, target, SPARE, "default")
        paths = tuple(self._session(row, *way, wwid) for way in ways)
        uuid = f"u-{number}"
        spot = (
            {"": path, "/mnt": f"/mnt/{number}"}.get(row.at or "") if row.at is not None else None
        )
        if paths:
            mapped = len(paths) > 1 and self.facts.multipath.running
            block = Block(
                f"/dev/dm-{number}" if mapped else paths[0].device, "mpath" if mapped else "disk",
                fstype=row.fs, uuid=uuid, mounts=(Mount(spot, ("rw",)),) if spot else (),
            )  # fmt: skip
            self.disks.append(Disk(wwid=wwid, paths=paths, block=block))
        if row.lined:
            line = mount_line(
                uuid, path if row.placed else "none", row.fs, row.options,
                login_service="open-iscsi.service", wwid=f"naa.{number}", target=target,
                lun=row.lun, boot=row.boot and row.placed,
                exclusive=row.exclusive and row.placed,
            )  # fmt: skip
            self.fstab = append_line(self.fstab, line)
        self.places[path] = MountPointState(exists=True, empty=row.empty)
        if spot == path and paths:
            self.places[path] = MountPointState(
                exists=True, mounted="8:0", uid=row.uid, gid=row.gid, mode=row.mode
            )
        if row.waited:
            self.waits[f"u{number}.service"] = (path,)
        if row.held:
            self.holds.append(Hold(mount_point=path, why="umount"))

    def _record(self, row: Made, target: str, portal: Portal, iface: str) -> None:
        timeout = "node.session.timeo.replacement_timeout"
        retries = "node.session.initial_login_retry_max"
        mapped = row.ways + row.twin > 1 and self.facts.multipath.running
        values = {
            "node.startup": row.startup,
            timeout: row.timeout,
            retries: "2" if mapped else "8",
        }
        if row.method is not None:
            values["node.session.auth.authmethod"] = row.method
        if row.user is not None:
            values |= {"node.session.auth.username": row.user, "node.session.auth.password": MASK}
            if row.theirs is not None:
                values |= {"node.session.auth.username_in": row.theirs,
                           "node.session.auth.password_in": MASK}  # fmt: skip
        self.records.append(
            NodeRecord(path=Path(f"/r/{len(self.records)}"), values=values, target=target,
                       portal=portal, iface=iface)
        )  # fmt: skip

    def _session(
        self, row: Made, target: str, portal: Portal, iface: str, wwid: str | None
    ) -> DiskPath:
        sid = len(self.sessions) + 1
        hctl, device = f"{sid}:0:0:{row.lun}", f"/dev/sd{sid}"
        self.sessions.append(
            Session("sysfs", target, sid=sid, portal=portal, persistent_portal=portal, iface=iface,
                    status=row.status, host=Host(sid),
                    luns=(Lun(row.lun, hctl, device, "running", wwid),))
        )  # fmt: skip
        return DiskPath(sid, hctl, device, "running")


def kept(disk: Disk) -> LunReservations:
    """What the LUN of an exclusive volume says of its reservations."""
    kind = ReservationType.WRITE_EXCLUSIVE
    if disk.block.kind == "mpath":
        kind = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    keys = tuple(OWN_KEY for _ in disk.paths)
    return LunReservations(OWN_KEY, keys=keys, holder=Reservation(OWN_KEY, kind))


def content(disk: Disk) -> Content:
    """What a probe of a disk with a filesystem on the whole of it finds."""
    block = disk.block
    usage = tuple(f"the mount on {m.path}" for b in blocks(block) for m in b.mounts)
    kind, uuid = block.fstype or "", block.uuid
    return Content(disk.wwid or "", 1 << 30, 512, signatures=(Signature(kind, 0, uuid),),
                   usage=usage, filesystem=Filesystem(block.device, kind, uuid))  # fmt: skip


def read(found: Export) -> tuple[Volume, ...]:
    text = render(found)
    assert MASK not in text
    assert tomllib.loads(text) == ({"volume": list(found.volumes)} if found.volumes else {})
    return read_volumes(*parse_toml(text, "x"), "x") if found.volumes else ()


def planned(machine: Machine, volume: Volume) -> Plan:
    """What `plan` says of a volume on this machine."""
    inventory = machine.inventory
    uid, gid = owner_ids(volume.owner, "owner") if volume.owner is not None else (None, None)
    spec = replace(volume.spec, uuid="new", uid=uid, gid=gid)
    several: bool | None = False
    with suppress(IscsictlError):
        several = choose_paths(inventory, spec).several
    values = record_values(spec, multipath=several)
    unsettled = {
        str(record.path): tuple(k for k, v in values.items() if record.values.get(k) != v)
        for record in inventory.records
        if record.target == spec.target and record.iface in spec.ifaces
    }
    contents = {disk.wwid: Known(content(disk)) for disk in inventory.disks if disk.wwid}
    place = machine.places.get(spec.mount or "", MountPointState())
    now = replace(inventory, unsettled=unsettled, contents=contents, place=Known(place))
    plan = plan_volume(now, volume, spec)
    assert plan.steps == plan_attach(now, spec).steps
    return plan
