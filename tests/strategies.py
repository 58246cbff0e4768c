"""Random worlds and specs: a string of bytes is drawn, each choice takes one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from iscsictl.errors import AuthError, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import FstabLine
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import (
    DiscoveredTarget,
    DiskUsage,
    HostFacts,
    Inventory,
    Known,
    MountPointState,
    NotObserved,
    Observation,
    ReadFailed,
)
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.secret import Secret
from iscsictl.model.spec import Account, AttachSpec, Consent, DetachRequest
from iscsictl.parse.fstab import append_line, parse_fstab
from iscsictl.planner.selection.session_index import SessionIndex
from tests.machine_model import restart
from tests.machine_model.machine import MIB, Unit
from tests.worlds import (
    CLAIMED,
    DIR,
    FOREIGN,
    FREE,
    OTHER,
    OURS,
    RESERVED,
    TARGET,
    UUID,
    V6,
    WRONG,
    A,
    B,
    World,
    at,
    bare,
    blank,
    claim,
    in_parts,
    line,
    parted,
    stranger,
    wwid_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iscsictl.model.listing import Status

T = TypeVar("T")

_KINDS = ["blank", "made_unused", "labelled", "claimed", "bare", "parted", "real", "made_used"]
_ROUGH = [*_KINDS, "stranger", "in_parts", "data", "table", "half", "real_gone", "unreadable",
          "unprobed", "nameless", "swapped", "reserved", "read_only", "other_claim",
          "dirty", "typed", "their_table", "left_reserved", "registered",
          "unsupported"]  # fmt: skip
# What an earlier run left a claim on; in the first three mkfs had begun.
_BEGUN = frozenset({"half", "made_unused", "made_used"})
_CLAIMED = _BEGUN | {"claimed", "labelled", "other_claim", "typed", "their_table"}
_OPTIONS = [(), (), ("noatime",), ("defaults",), ("noauto", "ro"), ("auto", "_netdev"),
            ("nofail", "x-systemd.idle-timeout=60")]  # fmt: skip
_STATES: "list[Status]" = ["up", "up", "up", "up", "up", "recovering", "down"]


class Dice:
    """Choices made of bytes. The first of each list is what a counterexample shrinks to."""

    def __init__(self, data: bytes) -> None:
        self._left = iter(data)
        self.rough = self.pick([False, True])

    def pick(self, options: "Sequence[T]") -> T:
        """Choose one."""
        return options[next(self._left, 0) % len(options)]

    def rarely(self, usual: T, unusual: T, share: int = 8) -> T:
        """Choose the second in one of `share` cases."""
        return unusual if next(self._left, 0) % share == share - 1 else usual

    def if_rough(self, usual: T, *others: T) -> T:
        """Choose what may forbid the request, in half of the worlds."""
        picked = self.pick([*[usual] * 9, *others])
        return picked if self.rough else usual


def _spec(dice: Dice) -> AttachSpec:
    account = Account("host", Secret("0123456789abcdef"), "array", Secret("fedcba9876543210"))
    mount = dice.pick([DIR, DIR, DIR, None])
    owner = dice.rarely((None, None, None), (0, 33, 0o750), 4) if mount else (None, None, None)
    return AttachSpec(
        portals=dice.pick([(at(A),), (at(A),), (at(A), at(B)), (at(V6),), (at(B),)]),
        uuid=UUID,
        target=dice.pick([TARGET, TARGET, None, dice.if_rough(TARGET, OTHER)]),
        lun=dice.pick([None, 0, 1, dice.if_rough(0, 7)]),
        account=dice.rarely(None, account),
        table=dice.pick([None, "gpt", "dos", "none"]),
        fs=dice.pick(["ext4", "ext4", "xfs", "btrfs", "vfat", None]),
        mount=mount,
        options=dice.pick(_OPTIONS) if mount else (),
        uid=owner[0], gid=owner[1], mode=owner[2],
        required_by=dice.rarely((), ("mail.service",), 4) if mount else (),
        wwid=dice.if_rough(None, wwid_of(0), WRONG),
        boot=dice.rarely(usual=True, unusual=False),
        exclusive=dice.rarely(usual=False, unusual=True) if mount else False,
        consent=Consent(
            dice.pick([False, False, True]),
            dice.pick([None, None, None, None, wwid_of(0), dice.if_rough(None, wwid_of(1), WRONG)]),
            dice.rarely(usual=False, unusual=True),
        ),
    )  # fmt: skip


def _unit(
    dice: Dice, wanted: AttachSpec, target: str, lun: int, directory: str | None
) -> tuple[Unit, FstabLine | None]:
    """One LUN, and the line that an earlier run left of it."""
    number = lun if target == TARGET else 8 + lun
    wwid, own = wwid_of(number), CLAIMED[:-1] + "234567890ab"[number]
    kind = dice.pick(_ROUGH if dice.rough else _KINDS)
    fs = dice.pick([wanted.fs or "ext4", wanted.fs or "ext4", "xfs", "vfat"])
    table = dice.pick([wanted.table or "gpt", wanted.table or "gpt", "dos", "none"])
    mark = dice.pick([True, False]) if fs.startswith("ext") else None

    def made(uuid: str, **more: Any) -> Content:
        if table == "none":
            return bare(wwid, fs, uuid, **{"used": mark, **more})
        return parted(wwid, fs, uuid, table=table, **{"used": mark, **more})

    unused = None if mark is None else False
    empty = blank(wwid) if table == "none" else parted(wwid, None, own, table=table)
    half = replace(empty, data_at=0) if table == "none" else parted(
        wwid, None, own, table=table, data_at=MIB
    )  # fmt: skip
    vmfs = replace(
        parted(wwid, None, own).partitions[0], type="AA31E02A-400F-11DB-9590-000C2911D1B8"
    )
    seen: dict[str, Content] = {
        "bare": bare(wwid, fs, used=mark),
        "parted": parted(wwid, fs, table=table, used=mark),
        "dirty": made(FOREIGN, dirty=True),
        "stranger": stranger(wwid, "LVM2_member"),
        "in_parts": in_parts(wwid),
        "data": replace(blank(wwid), data_at=4096),
        "table": parted(wwid, None, data_at=MIB),
        "labelled": empty,
        "half": half,
        "typed": replace(parted(wwid, None, own), partitions=(vmfs,)),
        "their_table": parted(wwid, None, data_at=dice.pick([None, MIB])),
        "made_unused": made(own, used=unused),
        "made_used": made(own),
        "other_claim": made(FOREIGN),
        "real": made(own),
        "swapped": blank(WRONG),
        "reserved": blank(wwid, reservations=RESERVED),
        "left_reserved": blank(wwid, reservations=OURS),
        "registered": blank(wwid, reservations=replace(RESERVED, holder=None)),
        "unsupported": blank(wwid, reservations=replace(FREE, supported=False)),
        "read_only": blank(wwid, read_only=True),
    }
    content: Observation[Content] = Known(seen.get(kind, blank(wwid)))
    if kind == "unreadable":
        content = ReadFailed(UnreachableError("the disk cannot be read at byte 0"))
    elif kind == "unprobed":
        content = NotObserved()
    there = content.value.filesystem if isinstance(content, Known) else None
    mounts = dice.pick([(), (), (), (DIR,), dice.if_rough((), ("/mnt/by/hand",))])
    unit = Unit(
        target, lun, None if kind == "nameless" else wwid,
        None if kind == "nameless" else content,
        DiskUsage(mounts if there is not None and there.used is not False else (),
              dice.rarely((), ("LVM volume /dev/dm-0",), 6)),
        dice.rarely(usual=False, unusual=True),
    )  # fmt: skip
    if kind in _CLAIMED:
        usual = kind in _BEGUN
        return unit, claim(
            wwid, fs, directory, uuid=own, target=target, lun=lun, table=table,
            begun=dice.rarely(usual=usual, unusual=not usual),
        )  # fmt: skip
    if kind in {"real", "real_gone"}:
        place = dice.pick([directory or "none", directory or "none", f"/srv/else{number}"])
        exclusive = place != "none" and dice.rarely(usual=False, unusual=True)
        if exclusive and isinstance(unit.content, Known):
            found = dice.pick([OURS, OURS, FREE, RESERVED])
            unit = replace(unit, content=Known(replace(unit.content.value, reservations=found)))
        return unit, line(wwid, own, place, fs, target=target, lun=lun, exclusive=exclusive)
    return unit, None


def _world(dice: Dice, wanted: AttachSpec) -> World:
    array: list[Unit] = []
    taken = f"UUID=0-2 {DIR} ext4 defaults 0 1\n".encode()
    fstab = parse_fstab(dice.if_rough(
        dice.pick([b"", b"# mine\nUUID=0-1 / ext4 defaults 0 1\n", b"UUID=0-1 / ext4 defaults"]),
        taken,
    ))  # fmt: skip
    target = wanted.target or TARGET
    lun = wanted.lun if wanted.lun in {0, 1} else 0
    more = dice.pick([[], [], [(OTHER, 0)], [(TARGET, 1 - lun)] if wanted.lun is not None else []])
    more += dice.if_rough([], [(TARGET, 1), (OTHER, 0)])
    for name, number in dict.fromkeys([(target, lun), *more]):
        directory = f"/srv/{len(array)}" if array else wanted.mount
        made, ours = _unit(dice, wanted, name, number, directory)
        twin = dice.if_rough(0, 1)
        if array and twin:
            made = replace(made, wwid=array[0].wwid, content=array[0].content)
        array = [*(_mounted_under(unit, made) for unit in array), made]
        fstab = fstab if ours is None else append_line(fstab, ours)
    targets = (
        [target, OTHER]
        if wanted.target or dice.pick([False, False, False, dice.rough])
        else [target]
    )
    portals = dice.pick([[A], [A], [A, B], [B, V6]])
    offered = tuple(DiscoveredTarget(t, p) for t in dict.fromkeys(targets) for p in portals)
    silence: Observation[tuple[DiscoveredTarget, ...]] = ReadFailed(
        UnreachableError("the array does not answer")
    )
    stranger_here: Observation[tuple[DiscoveredTarget, ...]] = ReadFailed(AuthError("refused"))
    inventory = Inventory(
        fstab=fstab,
        offers=dice.if_rough(Known(offered), stranger_here, silence, NotObserved()),
        silent=dice.pick([{}, {}, {}, {A: "timed out", V6: "refused"},
                          dice.if_rough({}, dict.fromkeys((at(A), A, at(B), B, V6), "x"))]),
        host=HostFacts(
            service_enabled=dice.pick([True, False]),
            multipath=_multipath(dice),
        ),
        place=_place(dice, wanted),
    )  # fmt: skip
    now = World(inventory, tuple(array))
    for portal in dice.pick([(), (), (A,), (A, B), (B,)]):
        now = now.do(actions.CreateRecord(target, portal, "default"))
        if dice.pick([True, False]):
            now = now.logged_in(target, portal)
    return _afterwards(dice, now)


def _mounted_under(unit: Unit, later: Unit) -> Unit:
    """A disk beside one that was mounted later: over its own mount, where both have one place."""
    both = (
        [] if unit.wwid == later.wwid else [m for m in later.usage.mounts if m in unit.usage.mounts]
    )
    covered = tuple((path, f"the disk of LUN {later.lun}") for path in both)
    return replace(unit, usage=replace(unit.usage, covered=(*unit.usage.covered, *covered)))


def _multipath(dice: Dice) -> MultipathFacts:
    """Multipath-tools as a package leaves it, stopped, masked or configured otherwise."""
    installed = dice.pick([False, True])
    running = installed and dice.pick([True, True, False])
    return MultipathFacts(
        installed=installed,
        masked=not running and dice.pick([False, True]),
        running=running,
        enabled=installed and (running or dice.pick([False, True])),
        find_multipaths=dice.pick(["strict", "strict", "smart", "greedy"]),
    )


def _afterwards(dice: Dice, now: World) -> World:
    """Let what is mounted at the requested directory show, and some sessions and records fail."""
    mounted = [d for d, used in now.inventory.usage.items() if DIR in used.mounts]
    if mounted and isinstance(now.inventory.place, Known):
        place = replace(now.inventory.place.value, exists=True, mounted="8:1", source="/dev/sda1",
                        uid=0, gid=0, mode=0o755)  # fmt: skip
        now = now.having(place=Known(place))
    status = dice.pick(_STATES) if dice.rough else "up"
    sessions = tuple(s._replace(status=status) for s in now.inventory.sessions)
    records = now.inventory.records
    if dice.rarely(usual=False, unusual=True):
        index = SessionIndex(records, sessions)
        records = tuple(
            r if index.session_of(r) else replace(r, problem="is cut short") for r in records
        )
    # What is mounted later cannot be mounted now.
    array = tuple(replace(u, usage=replace(u.usage, mounts=(), covered=())) for u in now.array)
    return replace(now.having(sessions=sessions, records=records), array=array)


def _place(dice: Dice, wanted: AttachSpec) -> Observation[MountPointState]:
    if wanted.mount is None:
        return NotObserved()
    free: list[Observation[MountPointState]] = [
        Known(MountPointState()),
        Known(MountPointState(exists=True)),
    ]
    return dice.if_rough(
        dice.pick(free),
        Known(MountPointState(exists=True, directory=False)),
        Known(MountPointState(exists=True, empty=False)),
        Known(
            MountPointState(exists=True, mounted="0:40", source="tmpfs", uid=0, gid=0, mode=0o755)
        ),
        ReadFailed(IscsictlError(f"{DIR} cannot be looked at: Input/output error")),
    )


def _case(data: bytes) -> tuple[AttachSpec, World]:
    dice = Dice(data)
    wanted = _spec(dice)
    return wanted, _world(dice, wanted)


def cases() -> st.SearchStrategy[tuple[AttachSpec, World]]:
    """A spec and a world for it."""
    return st.binary(min_size=80, max_size=80).map(_case)


def _detachment(data: bytes) -> tuple[DetachRequest, World]:
    dice = Dice(data)
    wanted = _spec(dice)
    now = _world(dice, wanted)
    target = wanted.target or TARGET
    if dice.pick([True, True, False]):
        now = now.logged_in(target)
    name = dice.pick([target, target, target, DIR, DIR, CLAIMED, wwid_of(0), "/dev/sda",
                      "/dev/sda1", OTHER, FOREIGN, "/mnt/by/hand", "/dev/mapper/mpath0",
                      "nobody"])  # fmt: skip
    inside = dice.rarely((), ("process 7 (bash) works in it",), 4)
    usage = {
        device: replace(used, open_files=inside) if used.mounts else used
        for device, used in now.inventory.usage.items()
    }
    required = dice.rarely({}, {"mail.service": (DIR,)})
    host = replace(now.inventory.host, required=required)
    request = DetachRequest(
        name, dice.pick([None, None, None, 0, 1]), dice.rarely(usual=False, unusual=True),
        Consent(lost=dice.pick([None] * 6 + [wwid_of(0), WRONG])),
    )  # fmt: skip
    return request, now.having(usage=usage, host=host, place=NotObserved())


def detachments() -> st.SearchStrategy[tuple[DetachRequest, World]]:
    """A machine on which something is attached, and a request to detach some of it."""
    return st.binary(min_size=96, max_size=96).map(_detachment)


def _after_a_boot(data: bytes) -> World:
    """A world whose records and entries are for the boot, some of them on hold."""
    dice = Dice(data)
    wanted = _spec(dice)
    now = _world(dice, wanted)
    if dice.pick([True, True, False]):
        now = now.do(actions.CreateRecord(wanted.target or TARGET, at(A), "default"))
    if dice.pick([True, False]):
        now = World(*restart(now.inventory, now.array))
    records = tuple(
        replace(r, values={**r.values, "node.startup": dice.pick(["automatic", "manual"])})
        for r in now.inventory.records
    )
    held = dice.rarely((), (Hold(target=wanted.target or TARGET),), 4)
    held += dice.rarely((), (Hold(mount_point=DIR),), 4)
    return now.having(records=records, holds=held)


def worlds_after_a_boot() -> st.SearchStrategy[World]:
    """A machine that has been rebooted, or lost some sessions and mounts since."""
    return st.binary(min_size=96, max_size=96).map(_after_a_boot)
