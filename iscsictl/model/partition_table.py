"""A partition table as sfdisk prints it. Positions are in logical sectors of the disk."""

from dataclasses import dataclass, field

#: The kinds of table that can be created.
KINDS = ("gpt", "dos", "bsd", "sun")
#: Bytes that describe a partition in a GPT: Linux reads no other size (block/partitions/efi.c).
GPT_ENTRY_SIZE = 128
#: The type of partition 3 of a Sun label: by custom it spans the whole disk.
SUN_WHOLE = "5"


def partition_node(device: str, number: int) -> str:
    """Return the node of a partition: /dev/sda1, /dev/nvme0n1p1, /dev/mapper/x-part1.

    The node need not exist.
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
        """The sector after the last one, so `end - start` is the size.

        `sfdisk -l` prints the last sector, which is one less.
        """
        return self.start + self.size


@dataclass(frozen=True)
class Table:
    """The whole table. `first` and `last` bound the sectors available to partitions (gpt).

    `sector` is the size of a logical sector in bytes. A GPT has room for `slots` partitions, each
    described by `entry_size` bytes: at least 128 (UEFI 2.10, 5.3.2), and nearly always just that.
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
        """Return the partition with that number, None if there is none.

        Numbers can have gaps: the partitions of a GPT keep theirs when another one is removed.
        """
        return next((entry for entry in self.entries if entry.number == number), None)

    def partition_uuid(self, number: int) -> str | None:
        """Return what fstab calls PARTUUID, in lower case; None if the partition has none.

        In a DOS table it is the id of the table and the number in two hexadecimal digits (blkid).
        """
        entry = self.entry(number)
        if entry is None:
            return None
        if self.label == "dos" and self.id is not None:
            return f"{self.id.removeprefix('0x').lower()}-{number:02x}"
        return None if entry.uuid is None else entry.uuid.lower()

    def tags(self, number: int) -> frozenset[tuple[str, str]]:
        """Return the tags (PARTUUID, PARTLABEL) with which fstab can name a partition, with values.

        Empty if there is no such partition.
        """
        entry = self.entry(number)
        values = {
            "PARTUUID": self.partition_uuid(number),
            "PARTLABEL": None if entry is None else entry.name,
        }
        return frozenset((tag, value) for tag, value in values.items() if value)

    def has_partition_at(self, offset: int) -> bool:
        """Return whether the byte at this offset of the disk is in a partition.

        The entry of a Sun label that spans the whole disk does not count.
        """
        sector = offset // self.sector
        return any(
            entry.start <= sector < entry.end
            for entry in self.entries
            if not (self.label == "sun" and entry.type == SUN_WHOLE)
        )


@dataclass(frozen=True)
class Topology:
    """The I/O sizes of a disk in bytes (sysfs, queue/); `optimal` is 0 if it reports none."""

    logical: int = 512
    physical: int = 512
    minimum: int = 512
    optimal: int = 0
    offset: int = 0


def normal_type(text: str) -> str:
    """Normalize a partition type: a GUID in capitals, a code in lower case without leading zeroes.

    To sfdisk `0C`, `0c` and `c` are the same type, and users write all of them.
    """
    return text.upper() if len(text) > 8 else text.lower().lstrip("0") or "0"
