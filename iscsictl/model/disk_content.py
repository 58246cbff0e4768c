"""The content of a disk, as just probed. Offsets and sizes are bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model.partition_table import Table, partition_node
from iscsictl.model.reservation import LunReservations
from iscsictl.model.shell_form import shell_form

#: What wipefs calls the partition tables that it knows.
TABLE_SIGNATURES = frozenset({"gpt", "dos", "PMBR", "sun", "bsd", "sgi", "mac"})


# So few signatures can be checked by hand; ZFS alone leaves dozens.
_FEW = 4
# Bytes: a partition table, or the protective MBR of a GPT, begins in them. The last two are a magic
# number that FAT and NTFS have too, and the checksum of a Sun label covers them all.
_TABLE_SECTOR = 512


@dataclass(frozen=True)
class Signature:
    """Something that wipefs or blkid recognised."""

    type: str
    offset: int | None = None
    uuid: str | None = None
    label: str | None = None


def signatures_beside_table(signatures: Iterable[Signature], table: Table) -> tuple[Signature, ...]:
    """Return the signatures on a disk with a table that are in none of its partitions.

    An md member or a bcache on the whole disk leaves an older GPT valid, and its superblock is
    where sfdisk would write the table. The partitions of a BSD label are not known, so nothing is
    returned for it.
    """
    if table.label == "bsd":
        return ()
    return tuple(
        signature
        for signature in signatures
        if signature.type not in TABLE_SIGNATURES
        and (signature.offset is None or not table.has_partition_at(signature.offset))
    )


def kinds_found_from_end(
    signatures: Iterable[Signature], device: str, size: int | None
) -> tuple[str, ...]:
    """Return the kinds of signature on a device whose place is counted from its end.

    `size` is that of the device in bytes. Such kinds are md 0.90 and 1.0 (md(4)), the internal
    metadata of DRBD and the formats of RAID adapters: once the device is larger, they are no longer
    found. Raises NotFoundError if the kernel does not report the size.
    """
    if not size:
        raise NotFoundError(
            f"the kernel does not report the size of {device}",
            hint=f"check whether it still exists: lsblk {shell_form(device)}",
        )
    places: dict[str, list[int]] = {}
    for signature in signatures:
        if signature.offset is not None:
            places.setdefault(signature.type, []).append(signature.offset)
    return tuple(kind for kind, offsets in places.items() if min(offsets) >= size // 2)


def refuse_beside_table(device: str, found: Sequence[Signature]) -> None:
    """Raise RefusedError if there is a signature on a disk outside its partitions.

    `found` is what `signatures_beside_table` returned.
    """
    if not found:
        return
    kinds = ", ".join(dict.fromkeys(signature.type for signature in found))
    raise RefusedError(
        f"{device} carries {kinds} in addition to its partition table: a change to the table may "
        "overwrite it",
        hint="either the table is a leftover, or this is; to see where each is: wipefs --no-act "
        f"{shell_form(device)}{_command_for_leftover(device, found)}",
    )


def _command_for_leftover(device: str, found: Sequence[Signature]) -> str:
    """Return the command that removes just these signatures, with the precautions it needs.

    Empty if an offset is unknown or in the sector of the table, or if there are too many signatures
    to check by hand (those of ZFS).
    """
    places = [signature.offset for signature in found if signature.offset is not None]
    is_known = len(places) == len(found) and all(place >= _TABLE_SECTOR for place in places)
    if not is_known or len(places) > _FEW:
        return ""
    words = [word for place in dict.fromkeys(places) for word in ("--offset", f"{place:#x}")]
    command = shell_form("wipefs", "--backup", *words, device)
    return (
        f"; if only the partitions are in use, not the {found[0].type}: {command} (--force while "
        "one is mounted), which erases only its magic number and saves that in ~/wipefs-*.bak"
    )


@dataclass(frozen=True)
class Partition:
    """An entry of the partition table, and the signatures found inside the partition.

    `data_at` is the offset, from the start of the disk, of data in it that no signature explains.
    `id` is its GUID as sfdisk prints it (gpt only).
    """

    number: int
    device: str
    start: int
    size: int
    type: str
    signatures: tuple[Signature, ...] = ()
    data_at: int | None = None
    id: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether anything was found inside: a signature, or data that no signature explains.

        False does not prove it empty: only the places that the probe read are known to be empty.
        """
        return bool(self.signatures) or self.data_at is not None


def partitions_of(table: Table, device: str) -> tuple[Partition, ...]:
    """Return the partitions of a disk; nothing in them was probed."""
    return tuple(
        Partition(
            number=entry.number,
            device=partition_node(device, entry.number),
            start=entry.start * table.sector,
            size=entry.size * table.sector,
            type=entry.type,
            id=entry.uuid,
        )
        for entry in table.entries
    )


@dataclass(frozen=True)
class Filesystem:
    """A filesystem as its own superblock describes it.

    `dirty`: it was not unmounted cleanly. `used`: it can be mounted or has been, so it is not what
    an interrupted mkfs left. Both are None if the format does not record it.
    """

    device: str
    type: str
    uuid: str | None
    label: str | None = None
    dirty: bool | None = False
    used: bool | None = None


@dataclass(frozen=True)
class BlankProof:
    """How a disk was searched for data, in words for the plan: `blank: all read`.

    A proof by samples says how many places were read, and the largest gap between two of them.
    """

    words: str

    @classmethod
    def all_read(cls) -> "BlankProof":
        """Return the proof that misses nothing: every byte was read.

        It also stands for a thin LUN if all blocks that the array has mapped were read.
        """
        return cls("all read")

    @classmethod
    def nothing_mapped(cls) -> "BlankProof":
        """Return the proof that the array gives: it has mapped no block (GET LBA STATUS).

        SBC-3 calls such blocks deallocated. The places of signatures were read nevertheless.
        """
        return cls("nothing mapped")

    @classmethod
    def sampled(cls, places: int, gap: int) -> "BlankProof":
        """Return the proof by `places` reads with at most `gap` bytes between neighbours.

        It can miss data that is smaller than a gap; the plan shows the gap, rounded up to MiB.
        """
        # Rounded up: the gap must not be shown smaller than it is.
        return cls(f"{places} places read, none farther apart than {-(-gap // (1 << 20))} MiB")

    def __str__(self) -> str:
        return f"blank: {self.words}"


@dataclass(frozen=True)
class Content:
    """The result of a probe in which every read succeeded.

    `table_id` is the GUID of a GPT or the 32 bits of a DOS table (`0x...`), as sfdisk prints it.
    `stale_partitions` are those that the kernel or udev still knows but the table lacks; whatever
    is in them is content. `data_at` is the offset of data that no signature explains. `proof` is
    how data was searched for. `reservations` are those of the LUN that the disk is.
    """

    wwid: str
    size: int
    sector: int
    read_only: bool = False
    reservations: LunReservations = field(default_factory=LunReservations)
    table: str | None = None
    partitions: tuple[Partition, ...] = ()
    signatures: tuple[Signature, ...] = ()
    data_at: int | None = None
    usage: tuple[str, ...] = ()
    filesystem: Filesystem | None = None
    proof: BlankProof | None = field(default=None, compare=False)
    table_id: str | None = None
    stale_partitions: tuple[Partition, ...] = ()

    @property
    def blank(self) -> bool:
        """Whether there is nothing: no signature, table, data, stale partition content or usage.

        Content that could not be read never gets here: the probe fails instead.
        """
        return not (
            self.signatures
            or self.table
            or self.partitions
            or self.usage
            or self.data_at is not None
            or any(part.has_content for part in self.stale_partitions)
        )

    @property
    def description(self) -> str:
        """The content in a few words, to follow "it carries"; `nothing` for a blank disk.

        Labels come from the disk, so they are quoted and their control characters escaped.
        """
        parts = [s.type + (f" labelled {s.label!r}" if s.label else "") for s in self.signatures]
        if self.table:
            inner = [s.type for part in self.partitions for s in part.signatures]
            text = f"a {self.table} table with {len(self.partitions)} partition(s)"
            parts.append(text + (f" carrying {', '.join(inner)}" if inner else ""))
        for part in self.stale_partitions:
            if part.has_content:
                inner = [s.type for s in part.signatures] or ["data"]
                parts.append(
                    f"{', '.join(inner)} in partition {part.number}, which is no longer in its "
                    "table"
                )
        if not parts and self.data_at is not None:
            parts.append(f"data without a known signature (at byte {self.data_at})")
        if self.usage:
            parts.append(f"in use by {', '.join(self.usage)}")
        return " and ".join(parts) or "nothing"
