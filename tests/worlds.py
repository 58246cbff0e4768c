"""Made worlds: builders for tests by example, and for chance (`tests/strategies.py`)."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import (
    DiscoveredTarget,
    HostFacts,
    Inventory,
    Known,
    MountPointState,
    Observation,
)
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.record_text import MASK
from iscsictl.model.reservation import LunReservations, Reservation, ReservationType
from iscsictl.model.secret import Secret
from iscsictl.model.spec import AttachSpec
from iscsictl.parse.fstab import append_line, claim_line, mount_line
from iscsictl.planner.attach.attach import record_values
from iscsictl.planner.attach.multipath import choose_paths
from iscsictl.planner.disks.new_filesystem import claim_whole_disk
from tests.machine_model import apply_action
from tests.machine_model.machine import MIB, Array, Unit, coherent

TARGET = "iqn.2024-01.com.example:mail"
OTHER = "iqn.2024-01.com.example:other"
A = Portal("192.0.2.5", 3260, 1)
B = Portal("198.51.100.5", 3260, 1)
V6 = Portal("2001:db8::5", 3260, 1)
UUID = "11111111-1111-4111-8111-111111111111"
CLAIMED = "22222222-2222-4222-8222-222222222222"
FOREIGN = "33333333-3333-4333-8333-333333333333"
DIR = "/srv/data"
#: multipathd as an admin configured it who wants a map over each disk.
GREEDY = MultipathFacts(installed=True, running=True, enabled=True, find_multipaths="greedy")
#: multipath-tools as its package leaves it.
STRICT = MultipathFacts(installed=True, running=True, enabled=True)
SIZE = 64 << 20
#: The reservation keys of this host and of another one.
OWN_KEY, OTHER_KEY = 0x5C1A5C1A5C1A5C1A, 0xABC
#: What a LUN says of its reservations: none; held by another host; held by an interrupted run.
FREE = LunReservations(OWN_KEY)
RESERVED = LunReservations(
    OWN_KEY, keys=(OTHER_KEY,), holder=Reservation(OTHER_KEY, ReservationType.WRITE_EXCLUSIVE)
)
OURS = LunReservations(
    OWN_KEY, keys=(OWN_KEY,), holder=Reservation(OWN_KEY, ReservationType.WRITE_EXCLUSIVE)
)
WRONG = "naa.6001405ffffffffffffffffffffffff0"


def wwid_of(number: int) -> str:
    """Return the WWID of the n-th disk."""
    return f"naa.6001405{number:025x}"


#: The WWIDs of the first two LUNs.
W, W1 = wwid_of(0), wwid_of(1)


def at(portal: Portal) -> Portal:
    """Return a portal as a user types it: without its tag."""
    return replace(portal, tpgt=None)


def blank(wwid: str, *, size: int = SIZE, **more: Any) -> Content:
    """A disk of which every probe succeeded and found nothing; nobody has registered with it."""
    return Content(wwid, size, 512, **{"reservations": FREE, **more})


def bare(wwid: str, kind: str, uuid: str | None = FOREIGN, **more: Any) -> Content:
    """A disk with a filesystem on the whole of it; `more` goes to the filesystem."""
    signatures = (Signature(kind, 0x438, uuid, more.get("label")),)
    there = Filesystem("/dev/sda", kind, uuid, **more)
    return replace(blank(wwid), signatures=signatures, filesystem=there)


def parted(
    wwid: str, kind: str | None, uuid: str | None = FOREIGN, *, table: str = "gpt",
    data_at: int | None = None, **more: Any,
) -> Content:  # fmt: skip
    """A disk with one partition over it, and a filesystem in it if `kind` says so.

    Its table has the ids that a claim on this filesystem names, see `claim`.
    """
    ids = claim_of(uuid or FOREIGN, table=table)
    signatures = () if kind is None else (Signature(kind, 0x438, uuid, more.get("label")),)
    part = Partition(
        1, "/dev/sda1", MIB, SIZE - 2 * MIB, ids.partition_type or "", signatures, data_at,
        ids.partition_id,
    )  # fmt: skip
    there = None if kind is None else Filesystem("/dev/sda1", kind, uuid, **more)
    return replace(
        blank(wwid), table=table, table_id=ids.table_id, partitions=(part,), filesystem=there
    )


def stranger(wwid: str, kind: str) -> Content:
    """A disk with something on it that is no filesystem."""
    return replace(blank(wwid), signatures=(Signature(kind, 0, FOREIGN),))


def in_parts(wwid: str) -> Content:
    """A disk with two partitions, a filesystem in the second."""
    first = Partition(1, "/dev/sda1", MIB, 8 * MIB, "linux")
    second = Partition(2, "/dev/sda2", 9 * MIB, 50 * MIB, "linux", (Signature("ext4", 0, FOREIGN),))
    return replace(blank(wwid), table="gpt", partitions=(first, second))


@dataclass(frozen=True)
class World:
    """A machine as seen now, and the array behind the network."""

    inventory: Inventory = field(default_factory=Inventory)
    array: Array = ()

    def do(self, *all_actions: Any) -> "World":
        """Return the world after these actions."""
        now = self.inventory
        for action in all_actions:
            now = apply_action(action, now, self.array)
        return replace(self, inventory=now)

    def with_line(self, line: FstabLine) -> "World":
        """Return the world with one more line in fstab."""
        return self.having(fstab=append_line(self.inventory.fstab, line))

    def having(self, **changes: Any) -> "World":
        """Return the world with other facts."""
        return replace(self, inventory=coherent(replace(self.inventory, **changes)))

    def logged_in(self, target: str = TARGET, portal: Portal = A) -> "World":
        """Return the world with a record and a session."""
        return self.do(
            actions.CreateRecord(target, portal, "default"),
            actions.Login(target, portal, "default", None),
        )


def unit(
    content: Observation[Content] | Content, *, lun: int = 0, target: str = TARGET, **more: Any
) -> Unit:
    """A LUN with this content, which also tells its WWID."""
    number = lun if target == TARGET else 8 + lun
    wwid = content.wwid if isinstance(content, Content) else wwid_of(number)
    return Unit(target, lun, wwid, Known(content) if isinstance(content, Content) else content,
                **more)  # fmt: skip


def world(
    *units: Unit | Content, offers: Observation[tuple[DiscoveredTarget, ...]] | None = None
) -> World:
    """A machine that knows nothing yet of an array with these LUNs; A offers their targets."""
    array = tuple(u if isinstance(u, Unit) else unit(u) for u in units)
    targets = sorted({u.target for u in array}) or [TARGET]
    seen = offers if offers is not None else Known(tuple(DiscoveredTarget(t, A) for t in targets))
    return World(Inventory(offers=seen, place=Known(MountPointState())), array)


def spec(**changes: Any) -> AttachSpec:
    """The everyday spec: ext4 on the LUN behind A, mounted on /srv/data."""
    wanted: dict[str, Any] = {"portals": (at(A),), "uuid": UUID, "fs": "ext4", "mount": DIR}
    return AttachSpec(**{**wanted, **changes})


def claim_of(
    uuid: str = CLAIMED, fs: str = "ext4", *, table: str = "gpt", begun: bool = False
) -> FilesystemClaim:
    """The claim on a filesystem of an attach: the ids of the table follow from its UUID."""
    return replace(claim_whole_disk(uuid, fs, table, uuid), begun=begun)


def claim(
    wwid: str, fs: str = "ext4", directory: str | None = DIR, *, uuid: str = CLAIMED,
    target: str = TARGET, lun: int = 0, table: str = "gpt", begun: bool = False,
) -> FstabLine:  # fmt: skip
    """The entry of a claim that an interrupted run left."""
    made = claim_of(uuid, fs, table=table, begun=begun)
    return claim_line(made, directory, wwid=wwid, target=target, lun=lun)


def line(
    wwid: str, uuid: str = CLAIMED, directory: str = DIR, fs: str = "ext4", *,
    target: str = TARGET, lun: int = 0, exclusive: bool = False,
) -> FstabLine:  # fmt: skip
    """The line that a run left which was finished."""
    return mount_line(
        uuid, directory, fs, (), login_service=HostFacts().login_service, wwid=wwid,
        target=target, lun=lun, exclusive=exclusive,
    )  # fmt: skip


def record(
    portal: Portal = A, target: str = TARGET, iface: str = "default", **more: Any
) -> NodeRecord:
    """A sound node record."""
    path = Path(f"/db/nodes/{target}/{portal.address},{portal.port},{portal.tpgt}/{iface}")
    return NodeRecord(path, more.pop("values", {}), target=target, portal=portal, iface=iface,
                      **more)  # fmt: skip


def facts_for_attach(now: Inventory, wanted: AttachSpec) -> Inventory:
    """Return what an attach would see of it: the values of records that differ from the spec."""
    several: bool | None = False
    with suppress(IscsictlError):
        several = choose_paths(now, wanted).several
    values = record_values(wanted, multipath=several)
    target = wanted.target
    if target is None and isinstance(now.offers, Known):
        target = next((o.target for o in now.offers.value), None)
    unsettled = {
        str(record.path): tuple(
            key
            for key, value in values.items()
            if record.values.get(key) != (MASK if isinstance(value, Secret) else value)
        )
        for record in now.records
        if record.target == target and record.iface in wanted.ifaces
    }
    return replace(now, unsettled=unsettled)
