"""Read the partition table of a disk with sfdisk(8)."""

from dataclasses import replace

from iscsictl.errors import IscsictlError
from iscsictl.limits import DISK_TOOL_WAIT
from iscsictl.model.partition_table import Table
from iscsictl.parse.sfdisk import parse_gpt_entry_size, parse_table
from iscsictl.system.block.disk_states import require_path
from iscsictl.system.io.process import run


def read_table(device: str) -> Table | None:
    """Return the table of a disk, None if it has none; a BSD label without its partitions.

    Raises UnreachableError for a map without a path, IscsictlError if the disk cannot be read: that
    is not "no table".
    """
    require_path(device)
    # 1: the disk has no table, or it cannot be read.
    result = run(["sfdisk", "--json", device], timeout=DISK_TOOL_WAIT, idle_only=True, ok=(0, 1))
    if not result.code:
        table = parse_table(result.out)
        return table if table.label != "gpt" else _with_entry_size(table, device)
    if "does not contain a recognized partition table" not in result.err:
        raise IscsictlError(
            f"sfdisk cannot read {device}: {result.last_line}",
            hint="see what the kernel logged about the disk: journalctl -k -n 20",
            tool_exit=result.code,
        )
    return Table("bsd") if _has_bsd_label(device) else None


def _with_entry_size(table: Table, device: str) -> Table:
    with open(device, "rb", buffering=0) as file:
        # The header is in the second sector, behind the protective MBR.
        header = file.read(2 * table.sector)[table.sector :]
    return replace(table, entry_size=parse_gpt_entry_size(header, table.entry_size))


def _has_bsd_label(device: str) -> bool:
    """Return whether there is a BSD disk label at its usual places (<sys/disklabel.h>, i386)."""
    with open(device, "rb", buffering=0) as file:
        start = file.read(8192)
    magic = (0x82564557).to_bytes(4, "little")
    return any(
        start[at : at + 4] == magic and start[at + 132 : at + 136] == magic
        for at in (64, 512, 4096)
    )
