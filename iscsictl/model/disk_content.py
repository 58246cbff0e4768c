"""What stands on a disk, as it was probed just now. Offsets and sizes are bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model.partition_table import Table
from iscsictl.model.reservation import LunReservations
from iscsictl.model.shell_form import shell_form

#: What wipefs calls the partition tables that it knows.
TABLE_SIGNATURES = frozenset({"gpt", "dos", "PMBR", "sun", "bsd", "sgi", "mac"})


# What is on a disk once or twice can be looked at; ZFS alone leaves dozens of signatures.
_FEW = 4
# Bytes: a table begins in them, or has its protective MBR there. The last two are a magic number
# that FAT and NTFS have too, and a Sun label counts them all in its checksum.
_TABLE_SECTOR = 512


@dataclass(frozen=True)
class Signature:
    """Something that wipefs or blkid recognised."""

    type: str
    offset: int | None = None
    uuid: str | None = None
    label: str | None = None


def signatures_beside_table(found: Iterable[Signature], table: Table) -> tuple[Signature, ...]:
    """Return what stands on a disk with a table, but in none of its partitions.

    An md member or a bcache on the whole disk leaves an older GPT valid, and its superblock stands
    where sfdisk would write the table. Of a BSD label the partitions are not known: nothing is
    told of it.
    """
    if table.label == "bsd":
        return ()
    return tuple(
        one
        for one in found
        if one.type not in TABLE_SIGNATURES
        and (one.offset is None or not table.has_partition_at(one.offset))
    )


def kinds_found_from_end(
    found: Iterable[Signature], device: str, size: int | None
) -> tuple[str, ...]:
    """Return the kinds of signature on a device that their owner looks for from its end.

    `size` is that of the device in bytes. Such are md 0.90 and 1.0 (md(4)), the internal metadata
    of DRBD and the formats of RAID adapters: on a larger device they are not found any more. Raises
    NotFoundError where the kernel does not tell the size: then nothing can be said of the end.
    """
    if not size:
        raise NotFoundError(
            f"the kernel does not tell the size of {device}",
            hint=f"is it still there? see: lsblk {shell_form(device)}",
        )
    places: dict[str, list[int]] = {}
    for one in found:
        if one.offset is not None:
            places.setdefault(one.type, []).append(one.offset)
    return tuple(kind for kind, offsets in places.items() if min(offsets) >= size // 2)


def refuse_beside_table(device: str, found: Sequence[Signature]) -> None:
    """Raise RefusedError where something stands on a disk beside its table.

    `found` is what `signatures_beside_table` returned.
    """
    if not found:
        return
    kinds = ", ".join(dict.fromkeys(one.type for one in found))
    raise RefusedError(
        f"{device} carries {kinds} beside its partition table: a change of the table may "
        "overwrite it",
        hint="either the table is left over, or this is; see where each stands: "
        f"wipefs --no-act {shell_form(device)}{_command_for_leftover(device, found)}",
    )


def _command_for_leftover(device: str, found: Sequence[Signature]) -> str:
    """Return the command that removes these signatures alone, and what to know about it.

    Nothing where a place is not known or in the sector of the table, or there are too many to look
    at (those of ZFS).
    """
    places = [one.offset for one in found if one.offset is not None]
    is_known = len(places) == len(found) and all(place >= _TABLE_SECTOR for place in places)
    if not is_known or len(places) > _FEW:
        return ""
    words = [word for place in dict.fromkeys(places) for word in ("--offset", f"{place:#x}")]
    command = shell_form("wipefs", "--backup", *words, device)
    return (
        f"; if the partitions are what is used, and nothing uses the {found[0].type}: {command} "
        "(--force while one is mounted), which takes away its magic number alone, and keeps that "
        "in a file named ~/wipefs-*.bak"
    )


@dataclass(frozen=True)
class Partition:
    """An entry of the partition table, and the signatures found inside it.

    `data_at` is the offset on the disk of data in it that no signature explains. `id` is its GUID
    as sfdisk prints it (gpt only).
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
        """Whether anything was found inside: a signature, or data that none explains.

        False is no proof: only the places that the probe read are known to be empty.
        """
        return bool(self.signatures) or self.data_at is not None


@dataclass(frozen=True)
class Filesystem:
    """A filesystem as its own superblock tells it.

    `dirty`: it was not unmounted cleanly. `used`: it can be mounted or was, so that no mkfs was
    stopped on it. Both are None if the format does not tell.
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

    A proof by samples says how many places were read, and the most bytes between two of them.
    """

    words: str

    @classmethod
    def all_read(cls) -> "BlankProof":
        """Return the proof that misses nothing: each byte was read.

        It also stands for a thin LUN of which all blocks that the array has mapped were read.
        """
        return cls("all read")

    @classmethod
    def nothing_mapped(cls) -> "BlankProof":
        """Return the proof that the array gives: no block was ever written (GET LBA STATUS).

        SBC-3 calls such blocks deallocated; the places of signatures were read all the same.
        """
        return cls("nothing mapped")

    @classmethod
    def sampled(cls, places: int, gap: int) -> "BlankProof":
        """Return the proof by `places` reads of which no two are further apart than `gap` bytes.

        It can miss data that is smaller than a gap; the plan shows the gap, rounded up to MiB.
        """
        # Rounded up: a gap must not be told smaller than it is.
        return cls(f"{places} places read, none further apart than {-(-gap // (1 << 20))} MiB")

    def __str__(self) -> str:
        return f"blank: {self.words}"


@dataclass(frozen=True)
class Content:
    """The result of a probe in which every read succeeded.

    `table_id` is the GUID of a GPT or the 32 bits of a DOS table (`0x...`), as sfdisk prints it.
    `stale_partitions` are those that the kernel or udev still has and the table has not: content
    where anything is in them. `proof` is how data was looked for. `reservations` are those of the
    LUN that it is.
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
        """No signature, no table, no data wherever it was read, no lost partition, no user.

        Content that could not be read never gets here: the probe fails then, and nothing is blank.
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
        """Say in a few words what stands there, to follow "it carries"; `nothing` for a blank disk.

        Labels are quoted with their control characters escaped: they come from the disk.
        """
        found = [s.type + (f" labelled {s.label!r}" if s.label else "") for s in self.signatures]
        if self.table:
            inner = [s.type for part in self.partitions for s in part.signatures]
            text = f"a {self.table} table with {len(self.partitions)} partition(s)"
            found.append(text + (f" carrying {', '.join(inner)}" if inner else ""))
        for part in self.stale_partitions:
            if part.has_content:
                inner = [s.type for s in part.signatures] or ["data"]
                found.append(f"{', '.join(inner)} in partition {part.number}, which its table lost")
        if not found and self.data_at is not None:
            found.append(f"data without a known signature (at byte {self.data_at})")
        if self.usage:
            found.append(f"in use by {', '.join(self.usage)}")
        return " and ".join(found) or "nothing"
