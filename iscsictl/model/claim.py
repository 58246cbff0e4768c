"""The claim: what an fstab entry says about a filesystem that is being created."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FilesystemClaim:
    """The filesystem that is being created, and where: all chosen before the first write.

    `part` is the number of its partition, None for the whole disk. `table` is the kind of the
    partition table (gpt, dos, sun), `table_id` and `partition_id` are the GUIDs as sfdisk prints
    them; a DOS table has an id of 32 bits and no partition ids, a Sun label has neither.
    `owns_disk`: the table is created for this filesystem, so nothing else belongs on the disk.
    `begun`: mkfs was about to start, so the partition may contain what an interrupted mkfs leaves.
    """

    uuid: str
    fs: str
    part: int | None = None
    table: str | None = None
    table_id: str | None = None
    partition_id: str | None = None
    partition_type: str | None = None
    owns_disk: bool = True
    begun: bool = False

    @property
    def place(self) -> tuple[int | None, str | None, str | None, str | None, str | None, bool]:
        """Where the filesystem is created: table and partition, without UUID, type and `begun`.

        Two claims with the same place write the same table and the same partition.
        """
        return (
            self.part, self.table, self.table_id, self.partition_id, self.partition_type,
            self.owns_disk,
        )  # fmt: skip
