"""Writes under this run's own reservation, and what the kernel has of a table that is replaced."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iscsictl.errors import InUseError, RefusedError
from iscsictl.system.block import disk_writer, partition_table, reservations
from iscsictl.system.block.probe import filesystem_on
from tests.unit.loops import add_partition, fingerprint, give_name, looped, sparse
from tests.unit.test_writer_guards import (
    MIB,
    UUID,
    Scratch,
    is_blank,
    label,
    prepare,
    refused,
    table_of,
    wipe,
    wipe_node,
)
from tests.worlds import OURS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A blank disk of 200 MiB that nobody has reserved."""
    give_name(monkeypatch)
    with looped(sparse(tmp_path / "image", 200 * MIB)) as device:
        yield Scratch(tmp_path / "image", device)


def fail_if_called() -> None:
    pytest.fail("the claim was marked before the reservation was verified")


def reserved_label(scratch: Scratch) -> None:
    disk_writer.label(scratch.disk, "label: gpt\n,,\n", is_blank, scratch.deadline(), reserved=True)


def reserved_table(scratch: Scratch) -> None:
    partition_table.write_label(scratch.disk, "gpt", is_blank, scratch.deadline(), reserved=True)


def reserved_mkfs(scratch: Scratch, before_write: Callable[[], None] = fail_if_called) -> None:
    command = disk_writer.mkfs_command("ext4", UUID, None)
    disk_writer.mkfs(
        scratch.disk, None, command, is_blank, scratch.deadline(), before_write=before_write,
        reserved=True,
    )  # fmt: skip


def reserved_wipe(scratch: Scratch) -> None:
    disk_writer.wipe(scratch.disk, scratch.deadline(), reserved=True)


def reserved_wipe_node(scratch: Scratch) -> None:
    partition_table.wipe_node(
        scratch.disk, scratch.device, lambda _: True, scratch.deadline(), reserved=True
    )


@pytest.mark.fault("F73")
@pytest.mark.parametrize(
    ("write", "like"),
    [
        (reserved_label, None),
        (reserved_table, None),
        (reserved_mkfs, None),
        (reserved_wipe, wipe),
        (reserved_wipe_node, wipe_node),
    ],
)
def test_no_write_where_the_reservation_of_this_run_is_gone(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Scratch], None], like: Callable[[Scratch], None] | None,
) -> None:  # fmt: skip
    """Another host preempted it, or the LUN was reset: it may be writing by now."""
    if like is not None:
        prepare(scratch, like)
    assert "reserv" in refused(scratch, write, RefusedError)
    monkeypatch.setattr(reservations, "read_reservations", lambda *_, **_more: OURS)
    before = fingerprint(scratch.image)
    if write is reserved_mkfs:
        reserved_mkfs(scratch, before_write=lambda: None)
    else:
        write(scratch)
    os.sync()
    assert fingerprint(scratch.image) != before


# What the kernel has


def known(scratch: Scratch, number: int) -> bool:
    """Tell whether the kernel has this partition of the disk."""
    return Path(f"/sys/class/block/{Path(scratch.device).name}p{number}").exists()


def test_the_kernel_forgets_the_partitions_of_what_is_wiped(scratch: Scratch) -> None:
    table_of(scratch)
    add_partition(scratch.device, 1, MIB, 50 * MIB)
    wipe(scratch)
    assert not known(scratch, 1)


def test_the_kernel_forgets_the_partitions_of_the_table_before(scratch: Scratch) -> None:
    add_partition(scratch.device, 3, 61 * MIB, 50 * MIB)
    label(scratch)
    assert not known(scratch, 3)


@pytest.mark.fault("F74")
def test_no_table_is_written_while_a_partition_of_the_one_before_is_open(scratch: Scratch) -> None:
    node = add_partition(scratch.device, 3, 61 * MIB, 50 * MIB)
    with Path(node).open("rb"):
        refused(scratch, label, InUseError)


def mkfs_in_partition(scratch: Scratch) -> None:
    command = disk_writer.mkfs_command("ext4", UUID, None)
    disk_writer.mkfs(scratch.disk, 1, command, lambda _: True, scratch.deadline())


def test_a_filesystem_is_made_in_the_partition_that_the_table_has(scratch: Scratch) -> None:
    table_of(scratch)
    assert not known(scratch, 1)
    mkfs_in_partition(scratch)
    made = filesystem_on(f"{scratch.device}p1")
    assert made is not None
    assert (made.type, made.uuid) == ("ext4", UUID)


@pytest.mark.fault("F74")
def test_a_partition_that_the_kernel_has_elsewhere_is_put_where_the_table_has_it(
    scratch: Scratch,
) -> None:
    """Or else mkfs is not run: its filesystem would be where no table says that it is."""
    table_of(scratch)
    add_partition(scratch.device, 1, 80 * MIB, 50 * MIB)
    with Path(f"{scratch.device}p1").open("rb"):
        assert "the kernel has" in refused(scratch, mkfs_in_partition, RefusedError)
    assert subprocess.run(["partx", "--delete", scratch.device], check=False).returncode == 0
    mkfs_in_partition(scratch)
    start = Path(f"/sys/class/block/{Path(scratch.device).name}p1/start").read_text().strip()
    assert start == str(MIB // 512)
