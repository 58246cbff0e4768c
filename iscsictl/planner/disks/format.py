"""Plan what is made on a disk by hand: a partition table, a filesystem, more room for one."""

import shlex
from dataclasses import dataclass, field

from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import FstabLine
from iscsictl.model.listing import Block, blocks
from iscsictl.model.partition_table import Table
from iscsictl.model.plan import Plan
from iscsictl.model.spec import Consent
from iscsictl.planner.attach.filesystem import DOS_LIMIT_SECTORS
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.disks import layout
from iscsictl.planner.safety.overwrite import overwrite_ground
from iscsictl.planner.selection.disks import (
    DiskInventory,
    DiskSelection,
    disk_id,
    part_block,
    part_number,
    require_free,
    require_writable,
    subject,
)

GROWING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs"})
SLACK = 1 << 20


def plan_label(inventory: DiskInventory, kind: str, consent: Consent) -> Plan:
    """Plan an empty partition table. One of the kind that is there stays as it is."""
    return build_plan(lambda draft: _label(draft, inventory, kind, consent))


def _label(draft: PlanBuilder, inventory: DiskInventory, kind: str, consent: Consent) -> str:
    chosen, table = inventory.one, inventory.facts.table
    if chosen.block is not chosen.disk.block:
        raise RefusedError(
            f"{chosen.block.device} is not a whole disk",
            hint=f"a partition table goes on {chosen.disk.block.device}",
        )
    device = disk_id(inventory, chosen)
    name = subject(chosen)
    if table is not None and table.label == kind and not (table.entries and consent.wipe):
        action = actions.NewTable(device, kind, OverwriteGround.CLAIMED)
        draft.add(action, name, f"has a {kind} table", done=True)
        if table.entries:
            draft.notes.append(f"the {kind} table with {len(table.entries)} partition(s) stays")
        return device.device
    if kind == "dos" and inventory.facts.total > DOS_LIMIT_SECTORS:
        raise RefusedError(
            f"{device.device} has more than {DOS_LIMIT_SECTORS} sectors: "
            "a DOS table cannot hold it",
            hint=f"use: iscsictl disk label {device.device} gpt",
        )
    if kind == "sun" and inventory.facts.total // layout.SUN_CYLINDER > layout.SUN_CYLINDERS:
        raise RefusedError(
            f"{device.device} has more than {layout.SUN_CYLINDERS} cylinders: "
            "a Sun label cannot hold it",
            hint=f"use: iscsictl disk label {device.device} gpt",
        )
    require_free(device.device, inventory.used)
    require_writable(chosen.disk)
    right = overwrite_ground(
        inventory.found, device.device, consent, claim=None, table="none", keep=""
    )
    for line in inventory.fstab.by_wwid(device.wwid):
        raise RefusedError(
            f"/etc/fstab line {line.number} is for a filesystem on this disk",
            hint=f"take it out first: iscsictl fstab rm {line.uuid}",
        )
    if right is OverwriteGround.CONFIRMED:
        draft.add(actions.Wipe(device), name, "erases what is there, as confirmed")
    draft.add(actions.NewTable(device, kind, right), name, f"an empty {kind} table")
    return device.device


@dataclass(frozen=True)
class MkfsSpec:
    """A filesystem to make. `uuid` is in the form of its kind; `given` if the user chose it."""

    fs: str
    uuid: str
    given: bool = False
    label: str | None = None
    extra: tuple[str, ...] = ()
    consent: Consent = field(default_factory=Consent)


def plan_mkfs(inventory: DiskInventory, wish: MkfsSpec) -> Plan:
    """Plan a filesystem on a disk or partition. The one that an earlier run made is enough."""
    return build_plan(lambda draft: _Mkfs(draft, inventory, wish).plan())


class _Mkfs:
    def __init__(self, draft: PlanBuilder, inventory: DiskInventory, wish: MkfsSpec) -> None:
        self.draft = draft
        self.inventory = inventory
        self.wish = wish
        self.chosen: DiskSelection = inventory.one
        self.node = self.chosen.block.device
        self.device: DiskId = disk_id(inventory, self.chosen)
        self.name = subject(self.chosen, self.chosen.part)

    def plan(self) -> str:
        if self.chosen.part is None and self.chosen.block is not self.chosen.disk.block:
            raise RefusedError(f"{self.node} is neither a disk nor a partition of one")
        lines = [x for x in self.inventory.fstab.by_wwid(self.device.wwid) if x.uuid is not None]
        made = self._made(lines)
        if made is not None:
            self._steps(made.uuid or "", OverwriteGround.CLAIMED, done=True)
            return self.node
        require_free(self.node, self.inventory.used)
        require_writable(self.chosen.disk)
        content = self.inventory.found
        self._refuse_table(content)
        claim = self._claim(lines)
        claimed = claim.uuid if claim is not None else None
        right = overwrite_ground(
            content, self.node, self.wish.consent, claim=claimed, table="none", keep=""
        )
        self._refuse_mounted(lines, content)
        resumed = claimed if right is not OverwriteGround.CONFIRMED else None
        if resumed is None and claim is not None:
            self.draft.add(actions.DropLine(claim.raw), claimed or "", "the claim is void")
        self._steps(resumed or self.wish.uuid, right, resumed=resumed is not None)
        return self.node

    def _made(self, lines: list[FstabLine]) -> FstabLine | None:
        """Return our line for the filesystem that is there, if it is what is wished."""
        wish, again = self.wish, self.inventory.facts.again
        if wish.consent.wipe is not None and not again:
            return None
        uuids = {(s.uuid or "").lower() for s in self.inventory.found.signatures}
        for line in lines:
            own = (line.uuid or "").lower()
            if line.is_claim or own not in uuids:
                continue
            if line.fstype in {wish.fs, "auto"} and not (
                wish.given and own != wish.uuid.lower() and not again
            ):
                return line
        return None

    def _refuse_table(self, content: Content) -> None:
        if content.table is None or self.wish.consent.wipe is not None:
            return
        parts = [b.device for b in self.chosen.disk.block.children if b.kind == "part"]
        raise RefusedError(
            f"{self.node} is not blank: it carries {content.description}",
            hint=f"name a partition ({', '.join(parts)})" if parts
            else f"make a partition: iscsictl disk part add {self.node} --rest",
        )  # fmt: skip

    def _claim(self, lines: list[FstabLine]) -> FstabLine | None:
        """Return the claim of a run that was stopped on this very device."""
        others = {b.uuid for b in blocks(self.chosen.disk.block) if b is not self.chosen.block}
        places = {None, self.chosen.part or 0}
        claims = (x for x in lines if x.is_claim and x.part in places)
        claim = next((x for x in claims if x.uuid not in others), None)
        if claim is None:
            return None
        if self.wish.consent.wipe is None:
            if claim.part is None or claim.fstype != self.wish.fs:
                raise RefusedError(
                    f"a run that was stopped was making {claim.fstype} on this disk "
                    f"(/etc/fstab line {claim.number})",
                    hint=f"finish it with the same command, or: iscsictl fstab rm {claim.uuid}",
                )
            if self.wish.given and claim.uuid != self.wish.uuid:
                raise RefusedError(
                    f"a run that was stopped was making {claim.uuid}, not {self.wish.uuid}",
                    hint=f"leave out --uuid to finish it, or: iscsictl fstab rm {claim.uuid}",
                )
        return claim

    def _refuse_mounted(self, lines: list[FstabLine], content: Content) -> None:
        """Refuse to destroy what fstab mounts; an inert note of ours goes with the filesystem."""
        own = {s.uuid for s in content.signatures}
        own |= {s.uuid for part in content.partitions for s in part.signatures}
        for line in lines:
            if line.is_claim or line.uuid not in own:
                continue
            if line.mount_point is not None:
                raise RefusedError(
                    f"/etc/fstab line {line.number} mounts what is on {self.node} "
                    f"on {line.mount_point}",
                    hint=f"take it out first: iscsictl fstab rm {shlex.quote(line.mount_point)}",
                )
            drop = actions.DropLine(line.raw)
            self.draft.add(drop, line.uuid or "", "its filesystem goes")

    def _steps(
        self, uuid: str, right: OverwriteGround, *, resumed: bool = False, done: bool = False
    ) -> None:
        add, device, wish, part = self.draft.add, self.device, self.wish, self.chosen.part
        if not done:
            claim = actions.ClaimPart(device, uuid, None, wish.fs, part or 0)
            add(claim, self.name, "notes in fstab that it is being made", done=resumed)
        if right is OverwriteGround.CONFIRMED and part is None:
            add(actions.Wipe(device), self.name, "erases what is there, as confirmed")
        elif not done and right is not OverwriteGround.BLANK:
            why = "erases what is there, as confirmed"
            if right is OverwriteGround.CLAIMED:
                why = "erases what the stopped run left"
            wipe = actions.WipeNode(device, self.node, uuid, right)
            add(wipe, self.name, why)
        mkfs = actions.MakeFs(device, part, self.node, wish.fs, uuid, right, wish.label, wish.extra)
        add(mkfs, self.name, f"{wish.fs} {uuid}", done=done)
        if not done:
            note = actions.NoteFs(device, uuid, wish.fs)
            add(note, self.name, "the claim becomes a note that it is ours")


def plan_grow(inventory: DiskInventory) -> Plan:
    """Plan to let the disk's partition and filesystem take what the disk has by now."""
    return build_plan(lambda draft: _grow(draft, inventory))


def _grow(draft: PlanBuilder, inventory: DiskInventory) -> str:
    chosen, facts = inventory.one, inventory.facts
    device, disk = disk_id(inventory, chosen), chosen.disk
    if len(disk.paths) > 1:
        raise RefusedError(
            f"{device.device} has {len(disk.paths)} paths: growing a map is not done here",
            hint="iscsictl rescan, then: multipathd resize map "
            + device.device.removeprefix("/dev/mapper/"),
        )
    sector = facts.topology.logical
    has = disk.block.size or 0
    wanted = facts.capacity or has
    if wanted < has:
        raise RefusedError(
            f"{device.device} became smaller: {wanted} bytes, it had {has}",
            hint="make the LUN as large as it was on the array before anything is written",
        )
    reread = actions.Reread(device, tuple(path.hctl for path in disk.paths))
    draft.add(reread, subject(chosen), f"{has} bytes become {wanted}", done=wanted == has)
    block = _growing_block(chosen, facts.table)
    room = wanted
    if facts.table is not None:
        room = _grow_partition(draft, inventory, device, block, wanted // sector)
    if block is not None:
        _grow_filesystem(draft, inventory, device, block, room)
    return device.device


def _growing_block(chosen: DiskSelection, table: Table | None) -> Block | None:
    """Return the device whose filesystem grows: the named one, or the disk's last partition."""
    block, disk = chosen.block, chosen.disk
    if block is disk.block and table is not None and table.entries:
        return part_block(disk, max(table.entries, key=lambda entry: entry.start).number)
    if block is not disk.block and block.kind != "part":
        raise RefusedError(
            f"{block.device} stands on the disk as {block.kind}: only partitions and filesystems "
            "are grown here",
            hint="iscsictl rescan, then grow it with its own tools (pvresize, mdadm --grow)",
        )
    return block


def _grow_partition(
    draft: PlanBuilder, inventory: DiskInventory, device: DiskId, block: Block | None, total: int
) -> int:
    """Add the growth of the partition. Returns the bytes that it will have."""
    chosen, table = inventory.one, inventory.facts.table
    if table is None or not table.entries:
        return total * inventory.facts.topology.logical
    number = None if block is None else part_number(chosen.disk, block)
    entry = None if number is None else table.entry(number)
    if entry is None:
        raise RefusedError(
            f"the kernel and the table of {device.device} do not agree",
            hint=f"iscsictl disk part verify {device.device}",
        )
    size = layout.grown(table, total, entry)
    gain = (size - entry.size) * table.sector
    if layout.is_logical(entry, table.label):
        draft.notes.append(f"partition {entry.number} is a logical one: it stays as large as it is")
    action = actions.GrowPart(device, table, entry.number, size)
    why = f"{entry.size} sectors become {size}"
    draft.add(action, subject(chosen, entry.number), why, done=gain < SLACK)
    if gain >= SLACK:
        require_writable(chosen.disk)
    return max(size if gain >= SLACK else entry.size, entry.size) * table.sector


def _grow_filesystem(
    draft: PlanBuilder, inventory: DiskInventory, device: DiskId, block: Block, room: int
) -> None:
    filled, fs = inventory.facts.filled, block.fstype
    if fs is None or block.children:
        draft.notes.append(f"{block.device} carries no filesystem that would grow")
        return
    if fs not in GROWING:
        draft.notes.append(f"{fs} on {block.device} cannot be grown; it stays as it is")
        return
    needed = filled is None or room - filled >= SLACK
    if inventory.facts.settled or not needed:
        path = block.mounts[0].path if block.mounts else ""
        done = actions.GrowFs(device, block.device, fs, path)
        draft.add(done, path or block.device, f"{fs} fills its device", done=True)
        return
    if not block.mounts:
        raise RefusedError(
            f"the {fs} filesystem on {block.device} is not mounted: it grows only while it is",
            hint=f"mount it, then run this again: iscsictl mount {block.uuid} DIR",
        )
    path = block.mounts[0].path
    grow = actions.GrowFs(device, block.device, fs, path)
    draft.add(grow, path, f"{fs} takes {room} bytes")
