"""A partition table as sfdisk tells it. Places count logical sectors of the disk."""

from dataclasses import dataclass, field

#: The kinds of table that can be made.
KINDS = ("gpt", "dos", "bsd", "sun")
#: Bytes that describe a partition in a GPT: Linux reads no other size (block/partitions/efi.c).
GPT_ENTRY_SIZE = 128
#: The type of partition 3 of a Sun label: by custom it spans the whole disk.
SUN_WHOLE = "5"


def partition_node(device: str, number: int) -> str:
    """Return the node of a partition: /dev/sda1, /dev/nvme0n1p1, /dev/mapper/x-part1.

    Whether it is there is not looked at.
    """
    if device.startswith("/dev/mapper/"):
        return f"{device}-part{number}"
    return f"{device}p{number}" if device[-1].isdigit() else f"{device}{number}"


@dataclass(frozen=True)
class Entry:
    """One partition. `type` is a GUID (gpt) or a hexadecimal code in lower case (dos, sun)."""

    number: int
    start: int
    size: int
    type: str
    uuid: str | None = None
    name: str | None = None
    attrs: tuple[str, ...] = ()
    bootable: bool = False

    @property
    def end(self) -> int:
        """The sector after the last one: `end - start` is the size.

        `sfdisk -l` prints the last one, one less.
        """
        return self.start + self.size


@dataclass(frozen=True)
class Table:
    """The whole table. `first` and `last` are the sectors that partitions may take (gpt).

    A GPT has room for `slots` partitions, each described by `entry_size` bytes: at least 128, which
    nearly all have (UEFI 2.10, 5.3.2).
    """

    label: str
    sector: int = 512
    id: str | None = None
    first: int | None = None
    last: int | None = None
    entries: tuple[Entry, ...] = field(default=())
    slots: int = 128
    entry_size: int = GPT_ENTRY_SIZE

    def entry(self, number: int) -> Entry | None:
        """Return the partition of that number, None if there is none.

        Numbers can have gaps: partitions of a GPT keep theirs when another one goes.
        """
        return next((entry for entry in self.entries if entry.number == number), None)

    def partition_uuid(self, number: int) -> str | None:
        """Return what fstab calls PARTUUID, in lower case; None where the partition has none.

        In a DOS table it is the id of the table with the number in two hexadecimal digits (blkid).
        """
        entry = self.entry(number)
        if entry is None:
            return None
        if self.label == "dos" and self.id is not None:
            return f"{self.id.removeprefix('0x').lower()}-{number:02x}"
        return None if entry.uuid is None else entry.uuid.lower()

    def tags(self, number: int) -> frozenset[tuple[str, str]]:
        """Return the tags by which fstab can name a partition: PARTUUID and PARTLABEL, with values.

        Empty where there is no such partition.
        """
        entry = self.entry(number)
        found = {
            "PARTUUID": self.partition_uuid(number),
            "PARTLABEL": None if entry is None else entry.name,
        }
        return frozenset((tag, value) for tag, value in found.items() if value)

    def has_partition_at(self, offset: int) -> bool:
        """Tell whether a byte of the disk is in a partition.

        The entry of a Sun label that spans the whole disk holds nothing, so it does not count.
        """
        at = offset // self.sector
        return any(
            entry.start <= at < entry.end
            for entry in self.entries
            if not (self.label == "sun" and entry.type == SUN_WHOLE)
        )


@dataclass(frozen=True)
class Topology:
    """How a disk likes to be used, in bytes (sysfs, queue/); `optimal` is 0 where it is silent."""

    logical: int = 512
    physical: int = 512
    minimum: int = 512
    optimal: int = 0
    offset: int = 0


def normal_type(text: str) -> str:
    """Write a type as it is compared: a GUID in capitals, a code in lower case without 0.

    `0C`, `0c` and `c` are one type to sfdisk, and users write all of them.
    """
    return text.upper() if len(text) > 8 else text.lower().lstrip("0") or "0"
