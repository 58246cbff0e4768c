"""Plan what a user creates on a disk by hand: a partition table, a filesystem."""

from dataclasses import dataclass, field, replace

from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import FstabLine
from iscsictl.model.listing import blocks
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Consent
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.disks import layout
from iscsictl.planner.disks.new_filesystem import (
    NewFilesystem,
    add_filesystem_steps,
    add_release_step,
    add_reserve_step,
    with_proof,
)
from iscsictl.planner.safety.destroyed_entries import PartitionNames, require_not_in_fstab
from iscsictl.planner.safety.overwrite import overwrite_ground
from iscsictl.planner.selection.disks import (
    DiskInventory,
    DiskSelection,
    disk_id,
    require_free,
    require_writable,
    subject,
)


def plan_label(inventory: DiskInventory, kind: str, consent: Consent) -> Plan:
    """Plan an empty partition table. A table of the requested kind stays as it is.

    Only a disk that is blank, or confirmed for `--wipe`, gets one. The plan refuses a device that
    is not a whole disk, is in use or read-only, is too large for the kind of table (2^32 sectors
    for dos, 65535 cylinders for sun), or has an entry in fstab.
    """
    return build_plan(lambda builder: _add_label_steps(builder, inventory, kind, consent))


def _add_label_steps(
    builder: PlanBuilder, inventory: DiskInventory, kind: str, consent: Consent
) -> str:
    chosen, table = inventory.one, inventory.facts.table
    if chosen.block is not chosen.disk.block:
        raise RefusedError(
            f"{chosen.block.device} is not a whole disk",
            hint=f"a partition table belongs on {chosen.disk.block.device}",
        )
    device = disk_id(inventory, chosen)
    name = subject(chosen)
    if table is not None and table.label == kind and not (table.entries and consent.wipe):
        same = actions.Label(device, kind, OverwriteGround.BLANK)
        builder.add(same, name, f"has a {kind} table", done=True)
        if not inventory.fstab.is_exclusive(device.wwid):
            add_release_step(builder, device, name, inventory.reservations.get(device.wwid))
        if table.entries:
            count = len(table.entries)
            builder.notes.append(f"the {kind} table with {count} partition(s) is kept")
        return device.device
    if kind == "dos" and inventory.facts.total > layout.DOS_LIMIT:
        raise RefusedError(
            f"{device.device} has more than {layout.DOS_LIMIT} sectors: a DOS table cannot hold it",
            hint=f"use: iscsictl disk label {shell_form(device.device)} gpt",
        )
    if kind == "sun" and inventory.facts.total // layout.SUN_CYLINDER > layout.SUN_CYLINDERS:
        raise RefusedError(
            f"{device.device} has more than {layout.SUN_CYLINDERS} cylinders: "
            "a Sun label cannot hold it",
            hint=f"use: iscsictl disk label {shell_form(device.device)} gpt",
        )
    require_free(device.device, inventory.used)
    require_writable(chosen.disk)
    # A claim is for one filesystem; it does not allow an empty table of another kind.
    ground = overwrite_ground(inventory.found, device.device, consent, claim=None)
    for line in inventory.fstab.by_wwid(device.wwid):
        raise RefusedError(
            f"/etc/fstab line {line.number} is for a filesystem on this disk",
            hint=f"remove it first: iscsictl fstab rm {shell_form(line.uuid)}",
        )
    reservations = inventory.reservations.get(device.wwid)
    if ground is OverwriteGround.CONFIRMED:
        require_not_in_fstab(inventory, device, inventory.found)
    add_reserve_step(builder, device, name, reservations)
    if ground is OverwriteGround.CONFIRMED:
        builder.add(actions.Wipe(device), name, "erases its content, as confirmed")
    why = with_proof(f"an empty {kind} table", ground, inventory.found.proof)
    builder.add(actions.Label(device, kind, ground), name, why)
    add_release_step(builder, device, name, reservations)
    return device.device


@dataclass(frozen=True)
class MkfsSpec:
    """A filesystem to create. `uuid` is in the form of its kind; `given` if the user chose it."""

    fs: str
    uuid: str
    given: bool = False
    label: str | None = None
    extra: tuple[str, ...] = ()
    consent: Consent = field(default_factory=Consent)
    discard: bool = False


def plan_mkfs(inventory: DiskInventory, spec: MkfsSpec) -> Plan:
    """Plan a filesystem on a disk or partition. One that an earlier run created is sufficient.

    The claim is in fstab before the first write, and becomes a note that mounts nothing. Refused
    are a device that is in use, read-only or neither blank, claimed nor confirmed, one that an
    fstab entry mounts, and a partition that the kernel has but the table on the disk does not.
    """
    return build_plan(lambda builder: _MkfsPlanner(builder, inventory, spec).plan())


class _MkfsPlanner:
    def __init__(self, builder: PlanBuilder, inventory: DiskInventory, spec: MkfsSpec) -> None:
        self.builder = builder
        self.inventory = inventory
        self.spec = spec
        self.chosen: DiskSelection = inventory.one
        self.node = self.chosen.block.device
        self.device: DiskId = disk_id(inventory, self.chosen)
        self.name = subject(self.chosen, self.chosen.part)

    def plan(self) -> str:
        if self.chosen.part is None and self.chosen.block is not self.chosen.disk.block:
            raise RefusedError(f"{self.node} is neither a disk nor a partition of one")
        entries = [x for x in self.inventory.fstab.by_wwid(self.device.wwid) if x.uuid is not None]
        made = self._entry_of_same_filesystem(entries)
        if made is not None:
            claim = FilesystemClaim(made.uuid or "", self.spec.fs, self.chosen.part)
            same = actions.Mkfs(self.device, claim, OverwriteGround.CLAIMED)
            self.builder.add(same, self.name, f"{self.spec.fs} {made.uuid}", done=True)
            self._add_release()
            return self.node
        self._refuse_extended_partition()
        require_free(self.node, self.inventory.used)
        require_writable(self.chosen.disk)
        content = self.inventory.found
        self._refuse_table(content)
        wanted = self._wanted_claim()
        old = self._interrupted_claim(entries, wanted)
        fitting = old if old is not None and old.place == wanted.place else None
        ground = overwrite_ground(content, self.node, self.spec.consent, claim=fitting)
        if wanted.part is not None and wanted.table is None:
            device = self.device.device
            raise RefusedError(
                f"the kernel knows {self.node}, but the partition table of {device} does not "
                "contain it",
                hint=f"iscsictl disk part verify {shell_form(device)}",
            )
        if ground is OverwriteGround.CONFIRMED:
            table, part = self.inventory.facts.table, self.chosen.part
            own = None
            if part is not None:
                tags = frozenset() if table is None else table.tags(part)
                own = PartitionNames(part, self.node, tags)
            require_not_in_fstab(self.inventory, self.device, content, part=own)
        self._drop_destroyed_entries(entries, content)
        resumed = fitting if ground is not OverwriteGround.CONFIRMED else None
        claim = wanted
        if resumed is not None:
            # On a place that is blank again, mkfs has not begun: the mark must not outlive it.
            begun = resumed.begun and ground is OverwriteGround.CLAIMED
            claim = replace(resumed, begun=begun)
        new = NewFilesystem(
            self.device, self.name, claim, ground, None, self.spec.label, self.spec.extra,
            discard=self.spec.discard, claimed=claim == resumed, proof=content.proof,
            reservations=self.inventory.reservations.get(self.device.wwid),
            exclusive=self.inventory.fstab.is_exclusive(self.device.wwid),
        )  # fmt: skip
        add_filesystem_steps(self.builder, new)
        self._add_release()
        note = actions.WriteFstab(self.device, claim.uuid, None, claim.fs, boot=False)
        self.builder.add(note, self.name, "turns the claim into a note that iscsictl made it")
        return self.node

    def _add_release(self) -> None:
        # Another partition may be an exclusive volume: then the disk stays reserved.
        if not self.inventory.fstab.is_exclusive(self.device.wwid):
            found = self.inventory.reservations.get(self.device.wwid)
            add_release_step(self.builder, self.device, self.name, found)

    def _wanted_claim(self) -> FilesystemClaim:
        """Return the claim on the device that was named, with the ids of the table around it."""
        spec, part, table = self.spec, self.chosen.part, self.inventory.facts.table
        whole = FilesystemClaim(spec.uuid, spec.fs, part, owns_disk=False)
        entry = None if table is None or part is None else table.entry(part)
        if table is None or entry is None:
            return whole
        return replace(
            whole, table=table.label, table_id=table.id, partition_id=entry.uuid,
            partition_type=entry.type,
        )  # fmt: skip

    def _entry_of_same_filesystem(self, lines: list[FstabLine]) -> FstabLine | None:
        """Return the entry for the existing filesystem, if that is the one asked for."""
        spec, again = self.spec, self.inventory.facts.again
        if spec.consent.wipe is not None and not again:
            return None
        uuids = {(s.uuid or "").lower() for s in self.inventory.found.signatures}
        for line in lines:
            own = (line.uuid or "").lower()
            if line.is_claim or own not in uuids:
                continue
            if line.fstype in {spec.fs, "auto"} and not (
                spec.given and own != spec.uuid.lower() and not again
            ):
                return line
        return None

    def _refuse_extended_partition(self) -> None:
        """Raise RefusedError for an extended partition, even with consent.

        The kernel shows only its first two sectors, where the chain of the logical partitions
        begins; users of those partitions are not users of it.
        """
        table, part = self.inventory.facts.table, self.chosen.part
        entry = None if table is None or part is None else table.entry(part)
        if table is not None and entry is not None and layout.is_extended(entry, table.label):
            raise RefusedError(
                f"{self.node} is an extended partition, which contains the logical ones",
                hint="name one of the logical partitions, which begin at number 5",
            )

    def _refuse_table(self, content: Content) -> None:
        if content.table is None or self.spec.consent.wipe is not None:
            return
        parts = [b.device for b in self.chosen.disk.block.children if b.kind == "part"]
        raise RefusedError(
            f"{self.node} is not blank: it carries {content.description}",
            hint=f"name a partition ({', '.join(parts)})" if parts
            else f"create a partition: iscsictl disk part add {shell_form(self.node)} --rest",
        )  # fmt: skip

    def _interrupted_claim(
        self, entries: list[FstabLine], wanted: FilesystemClaim
    ) -> FilesystemClaim | None:
        """Return the claim that an interrupted run left on this very device.

        Raises RefusedError if it is the claim of another command or filesystem; `--wipe` overrides
        that.
        """
        # A claim whose filesystem is complete in another partition is not for this place.
        others = {b.uuid for b in blocks(self.chosen.disk.block) if b is not self.chosen.block}
        claims = ((entry, entry.claim) for entry in entries)
        found = next(
            (
                (entry, claim)
                for entry, claim in claims
                if claim is not None
                and (claim.owns_disk or claim.part == wanted.part)
                and claim.uuid not in others
            ),
            None,
        )
        if found is None:
            return None
        entry, claim = found
        if self.spec.consent.wipe is None:
            if claim.owns_disk or claim.fs != wanted.fs:
                raise RefusedError(
                    f"an interrupted run was making {claim.fs} on this disk "
                    f"(/etc/fstab line {entry.number})",
                    hint="finish it with the same command, or: "
                    f"iscsictl fstab rm {shell_form(claim.uuid)}",
                )
            if self.spec.given and claim.uuid != wanted.uuid:
                raise RefusedError(
                    f"an interrupted run was making {claim.uuid}, not {wanted.uuid}",
                    hint="omit --uuid to finish it, or: iscsictl fstab rm "
                    f"{shell_form(claim.uuid)}",
                )
        return claim

    def _drop_destroyed_entries(self, entries: list[FstabLine], content: Content) -> None:
        """Drop the notes on filesystems that are destroyed."""
        own = {s.uuid for s in content.signatures}
        own |= {s.uuid for part in content.partitions for s in part.signatures}
        for entry in entries:
            if entry.is_claim or entry.uuid not in own:
                continue
            drop = actions.DropFstab(entry)
            self.builder.add(drop, entry.uuid or "", "its filesystem goes")
