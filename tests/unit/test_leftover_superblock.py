"""What an earlier use of a disk left beside its table is removed by the command that is printed."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from iscsictl.errors import RefusedError
from iscsictl.model.disk_content import (
    Signature,
    refuse_beside_table,
    signatures_beside_table,
)
from iscsictl.system.block import partition_table, probe
from iscsictl.system.block.table_reader import read_table
from tests.unit.loops import looped, sparse

MIB = 1 << 20
SIZE = 200 * MIB
#: In the superblock of a btrfs (linux/btrfs_tree.h).
MAGIC_AT, MAGIC = 0x10040, b"_BHRfS_M"


def hint_for(*found: Signature) -> str:
    with pytest.raises(RefusedError, match="in addition to its partition table") as caught:
        refuse_beside_table("/dev/sda", found)
    return caught.value.hint or ""


def command_in(hint: str) -> list[str]:
    """The last command of a hint, which is followed by a remark in brackets."""
    return shlex.split(hint[hint.rindex("wipefs --backup") : hint.index(" (--force")])


def beside(device: str) -> tuple[Signature, ...]:
    table = read_table(device)
    assert table is not None
    return signatures_beside_table(probe.read_signatures(device), table)


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
def test_the_command_takes_the_leftover_and_nothing_else(tmp_path: Path) -> None:
    image = sparse(tmp_path / "image", SIZE)
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True, capture_output=True)
    script = b"label: gpt\nstart=2048, size=102400\n"
    subprocess.run(["sfdisk", "--quiet", "--wipe", "never", image], input=script, check=True)
    with looped(image) as device:
        node = f"{device}p1"
        subprocess.run(["partx", "--add", device], check=False, capture_output=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", node], check=True)
        before = image.read_bytes()
        (found,) = beside(device)
        assert (found.type, found.offset) == ("btrfs", MAGIC_AT)
        with pytest.raises(RefusedError) as caught:
            refuse_beside_table(device, [found])
        command = command_in(caught.value.hint or "")
        # As while the partition is mounted: somebody has the disk for himself.
        command.insert(1, "--force")
        busy = os.open(node, os.O_RDONLY | os.O_EXCL)
        try:
            subprocess.run(command, check=True, env={**os.environ, "HOME": str(tmp_path)})
        finally:
            os.close(busy)
        assert beside(device) == ()
        after = image.read_bytes()
        assert after[:MAGIC_AT] + MAGIC + after[MAGIC_AT + len(MAGIC) :] == before
        assert partition_table.verify(device) == ()
    (backup,) = tmp_path.glob("wipefs-*.bak")
    assert backup.read_bytes() == MAGIC


def test_two_leftovers_are_one_command() -> None:
    hint = hint_for(Signature("btrfs", 0x10040), Signature("drbd", 1 << 40))
    assert command_in(hint) == [
        "wipefs", "--backup", "--offset", "0x10040", "--offset", hex(1 << 40), "/dev/sda",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "found",
    [
        [Signature("zfs_member", 4096 * number) for number in range(40)],
        [Signature("btrfs", 0x10040), Signature("zfs_member")],
        # What wipefs tells of FAT32 under a table of DOS, whose own magic number is at 0x1fe.
        [Signature("vfat", place) for place in (0x52, 0x0, 0x1FE)],
    ],
    ids=["many", "place-not-known", "in-the-sector-of-the-table"],
)
def test_what_cannot_be_removed_at_known_places_is_only_to_be_looked_at(
    found: list[Signature],
) -> None:
    hint = hint_for(*found)
    assert "--backup" not in hint
    assert hint.endswith("wipefs --no-act /dev/sda")
