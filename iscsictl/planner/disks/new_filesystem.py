"""The steps that create a filesystem, for both `attach` and `disk mkfs`."""

import uuid
from dataclasses import dataclass

from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import BlankProof
from iscsictl.model.listing import Disk
from iscsictl.model.plan import Status
from iscsictl.model.reservation import LunReservations, ReservationType
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.disks import layout


@dataclass(frozen=True)
class NewFilesystem:
    """A filesystem to create, and how far an earlier run came.

    `subject` names its steps. `claimed`: the claim is already in fstab; `labelled`: the partition
    table of the claim is on the disk. `options` are the user's options for mkfs. `proof` is the one
    by which the disk is blank, for the first step that writes to it. `reservations` is None as long
    as the LUN could not be asked. An `exclusive` disk stays reserved once the filesystem is made.
    """

    disk: DiskId
    subject: str
    claim: FilesystemClaim
    ground: OverwriteGround
    directory: str | None = None
    label: str | None = None
    options: tuple[str, ...] = ()
    discard: bool = False
    claimed: bool = False
    labelled: bool = False
    proof: BlankProof | None = None
    reservations: LunReservations | None = None
    exclusive: bool = False


def add_filesystem_steps(builder: PlanBuilder, new: NewFilesystem) -> None:
    """Add the steps up to mkfs: the claim comes first, so that any of them can be continued.

    A confirmed disk is wiped after the claim is in fstab and before anything new is written, so a
    run that stops in between finds a disk on which it may continue. Steps that an earlier run
    completed (`claimed`, `labelled`) are added as done.
    """
    claim, disk, subject = new.claim, new.disk, new.subject
    builder.add(
        actions.Claim(disk, claim, new.directory),
        subject,
        "notes in fstab what is being made on the disk",
        done=new.claimed,
    )
    if new.exclusive:
        add_exclusive_step(builder, disk, subject, new.reservations)
    else:
        add_reserve_step(builder, disk, subject, new.reservations)
    if new.ground is OverwriteGround.CONFIRMED:
        part = None if claim.owns_disk else claim.part
        builder.add(actions.Wipe(disk, part), subject, "erases its content, as confirmed")
    if claim.owns_disk and claim.table is not None:
        label = actions.Label(disk, claim.table, new.ground, claim)
        why = with_proof(f"{claim.table} table, one partition", new.ground, new.proof)
        builder.add(label, subject, why, done=new.labelled)
    mkfs = actions.Mkfs(disk, claim, new.ground, new.label, new.options, new.discard)
    first = claim.table is None or not claim.owns_disk
    why = f"{claim.fs} {claim.uuid}"
    builder.add(mkfs, subject, with_proof(why, new.ground, new.proof) if first else why)


def add_reserve_step(
    builder: PlanBuilder, disk: DiskId, subject: str, reservations: LunReservations | None
) -> None:
    """Add the step that keeps other hosts from writing to the LUN from then on.

    It comes after the claim, so that there is no registration of which this host has no trace, and
    before the last proof that the disk is blank. `reservations` None: the LUN was not asked.
    """
    supported = reservations is None or reservations.supported
    why = "no other host can write until it is formatted"
    if not supported:
        why = "not protected from other hosts: the LUN does not support persistent reservations"
    builder.add(actions.Reserve(disk), subject, why, done=not supported)


def is_kept_over(disk: Disk, reservations: LunReservations) -> bool:
    """Tell whether this host holds the reservation of a LUN, over all of its working paths."""
    kind = ReservationType.WRITE_EXCLUSIVE
    if disk.block.kind == "mpath":
        kind = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    working = [path for path in disk.paths if path.works]
    return reservations.is_ours and reservations.is_kept(kind, len(working))


def add_exclusive_step(
    builder: PlanBuilder, disk: DiskId, subject: str, reservations: LunReservations | None, *,
    done: bool = False,
) -> None:  # fmt: skip
    """Add the step after which no other host can write to the LUN until it is detached.

    Raises RefusedError if the LUN reports that this host cannot have it exclusively.
    """
    refusal = None if reservations is None else reservations.exclusive_refusal(disk.device)
    if refusal is not None:
        raise refusal
    builder.add(
        actions.Reserve(disk, exclusive=True), subject,
        "no other host can write until it is detached", done=done,
    )  # fmt: skip


def add_release_step(
    builder: PlanBuilder, disk: DiskId, subject: str, reservations: LunReservations | None, *,
    exclusive: bool = False,
) -> None:  # fmt: skip
    """Add the end of this host's reservation, if the plan or an interrupted run makes one.

    `exclusive`: fstab says that there is one, so it is ended even if the LUN did not report it.
    """
    pending = {Status.PLANNED, Status.FORECAST}
    planned = any(isinstance(s.action, actions.Reserve) and s.status in pending
                  for s in builder.steps)  # fmt: skip
    if reservations is None:
        planned = planned or exclusive
    if planned or (reservations is not None and reservations.is_ours):
        release = actions.Release(disk, exclusive)
        builder.add(release, subject, "other hosts can use the LUN again")


def with_proof(why: str, ground: OverwriteGround, proof: BlankProof | None) -> str:
    """Return the reason of a step, with the proof of blankness if that is the ground."""
    return why if proof is None or ground is not OverwriteGround.BLANK else f"{why}; {proof}"


def claim_whole_disk(fs_uuid: str, fs: str, table: str, seed: str) -> FilesystemClaim:
    """Return the claim of a filesystem that gets the disk for itself.

    `table` is gpt, dos, or none for no table. The ids of the table and of the partition are derived
    from `seed`, which is random (RFC 4122, version 5), so the planner needs no random numbers.
    """
    if table == "none":
        return FilesystemClaim(fs_uuid, fs)
    table_uuid, partition_uuid = (
        uuid.uuid5(uuid.NAMESPACE_OID, f"iscsictl {name} {seed}") for name in ("table", "partition")
    )
    linux = layout.resolve_type(table, "linux", {})
    if table == "dos":
        # Bytes 440 to 443 of the MBR; the partitions have no ids of their own.
        dos_id = f"0x{table_uuid.int & 0xFFFFFFFF:08x}"
        return FilesystemClaim(fs_uuid, fs, 1, table, dos_id, None, linux)
    return FilesystemClaim(
        fs_uuid, fs, 1, table, str(table_uuid).upper(), str(partition_uuid).upper(), linux
    )
