"""A table that is written, and the partitions that the kernel has after it, on loop devices."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.engine.handlers import partitions as handlers
from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.partition_table import KINDS, Table
from iscsictl.model.plan import Action
from iscsictl.system.block import partition_table, scsi_commands
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.context import Context
from iscsictl.system.io import process
from tests.patience import PATIENCE
from tests.unit.fake_root import put
from tests.unit.loops import WWID, give_name, looped, sparse
from tests.unit.test_writer_guards import (
    MIB,
    Scratch,
    Write,
    new_table,
    prepare,
    refused,
    table_of,
    wipe_node,
)

needs_loops = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
#: Sectors: partitions 1 and 2 of the tables below, with room after each of them.
FIRST, SECOND, SIZE = 2048, 102400, 20480


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A blank disk of 200 MiB, whose partitions the kernel does not change while one is in use."""
    give_name(monkeypatch)
    with looped(sparse(tmp_path / "image", 200 * MIB), "--partscan") as device:
        yield Scratch(tmp_path / "image", device)


def with_sfdisk(root: Path, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    """Have sfdisk, where it would change something, run a line of shell instead."""
    script = f'real={process.find("sfdisk")}\ncase "$*" in *--json*) exec $real "$@"; esac\n{write}'
    put(root, "bin/sfdisk", f"#!/bin/sh\n{script}\n").chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{root}/bin:{process.PATH}")


def table_on(scratch: Scratch) -> Table:
    table = read_table(scratch.device)
    assert table is not None
    return table


def known_to_kernel(scratch: Scratch) -> dict[int, tuple[int, int]]:
    return partition_table.kernel_view(Path(scratch.device).name, 512)


def with_partitions(scratch: Scratch, label: str = "gpt", *, both: bool = True) -> Table:
    """Create one or two partitions, which the kernel knows too."""
    second = f"start={SECOND}, size={SIZE}\n" if both else ""
    table_of(scratch, f"label: {label}\nstart={FIRST}, size={SIZE}\n{second}")
    subprocess.run(["partx", "--update", scratch.device], check=True)
    return table_on(scratch)


def execute(action: Action) -> None:
    handlers.HANDLERS[type(action)](action, Context(wait=5.0))


def add_second(scratch: Scratch, before: Table) -> None:
    execute(actions.AddPart(scratch.disk, before, 2, SECOND, SIZE, before.entries[0].type))


# The empty table


@needs_loops
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_table_is_written(scratch: Scratch, kind: str) -> None:
    if kind == "bsd" and not shutil.which("parted", path=process.PATH):
        pytest.skip("parted is not installed")
    partition_table.write_label(scratch.disk, kind, lambda _: True, scratch.deadline())
    assert table_on(scratch).label == kind


@needs_loops
@pytest.mark.parametrize("write", ["exit 0", "echo label: dos | $real --quiet --wipe never {disk}"])
def test_a_new_table_that_is_not_on_the_disk_afterwards_is_an_error(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    with_sfdisk(tmp_path, monkeypatch, write.format(disk=scratch.device))
    with pytest.raises(IscsictlError, match="but does not read back") as told:
        new_table(scratch)
    assert told.value.wrote


@pytest.mark.fault("F67")
@needs_loops
@pytest.mark.parametrize("write", [new_table, wipe_node])
def test_no_write_where_the_lun_was_another_disk_for_as_long_as_it_was_read(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    answers = [WWID, "naa.2"]
    monkeypatch.setattr(
        scsi_commands, "wwids", lambda _: frozenset({answers.pop(0) if answers else WWID})
    )
    assert "has changed" in refused(scratch, write, RefusedError)


# A partition is added, grown or removed


@needs_loops
def test_a_partition_is_added_while_another_one_is_in_use(scratch: Scratch) -> None:
    before = with_partitions(scratch, both=False)
    busy = os.open(f"{scratch.device}p1", os.O_RDONLY | os.O_EXCL)
    try:
        add_second(scratch, before)
    finally:
        os.close(busy)
    assert known_to_kernel(scratch) == {1: (FIRST, SIZE), 2: (SECOND, SIZE)}


@needs_loops
def test_the_kernel_is_told_of_each_change_if_sfdisk_does_not_tell_it(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = with_partitions(scratch, both=False)
    with_sfdisk(tmp_path, monkeypatch, 'exec $real --no-tell-kernel "$@"')
    add_second(scratch, before)
    assert known_to_kernel(scratch) == {1: (FIRST, SIZE), 2: (SECOND, SIZE)}
    execute(actions.GrowPart(scratch.disk, table_on(scratch), 2, 2 * SIZE))
    assert known_to_kernel(scratch) == {1: (FIRST, SIZE), 2: (SECOND, 2 * SIZE)}
    execute(actions.RemovePart(scratch.disk, table_on(scratch), 1))
    assert known_to_kernel(scratch) == {2: (SECOND, 2 * SIZE)}


@needs_loops
def test_a_partition_that_the_kernel_does_not_give_up_is_told(scratch: Scratch) -> None:
    before = with_partitions(scratch)
    commands = [(["--delete", "{}", "2"], None)]
    arguments = (scratch.disk, before, commands, lambda _: None, scratch.deadline())
    busy = os.open(f"{scratch.device}p2", os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(IscsictlError, match="did not accept partition 2") as told:
            partition_table.reshape(*arguments)
    finally:
        os.close(busy)
    assert told.value.wrote
    assert table_on(scratch).entry(2) is None


@needs_loops
@pytest.mark.parametrize("kind", ["5", "f", "85"])
def test_a_partition_is_added_beside_an_extended_one(scratch: Scratch, kind: str) -> None:
    """The kernel has only its first sectors, lest two devices write to one logical partition."""
    script = f"start={FIRST}, size={SIZE}\nstart=204800, size=40960, type={kind}\n"
    table_of(scratch, f"label: dos\n{script}")
    subprocess.run(["partx", "--update", scratch.device], check=True)
    before = table_on(scratch)
    assert known_to_kernel(scratch)[2][1] < before.entries[1].size
    execute(actions.AddPart(scratch.disk, before, 3, SECOND, SIZE, before.entries[0].type))
    assert known_to_kernel(scratch)[3] == (SECOND, SIZE)


@needs_loops
def test_a_table_that_is_gone_after_a_change_is_an_error(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = with_partitions(scratch, both=False)
    with_sfdisk(tmp_path, monkeypatch, f"wipefs --all --quiet --force {scratch.device}")
    with pytest.raises(IscsictlError, match="not as intended: the table is gone") as told:
        add_second(scratch, before)
    assert told.value.wrote


def test_a_partition_that_disappears_while_it_is_read_is_not_one_of_the_kernel(
    tmp_path: Path,
) -> None:
    disk = "sys/class/block/sda"
    put(tmp_path, f"{disk}/size", "2097152\n")
    for number, names in ((1, ""), (2, "partition"), (3, "start"), (4, "size")):
        for name, value in (("partition", number), ("start", 4096 * number), ("size", 2048)):
            if name != names:
                put(tmp_path, f"{disk}/sda{number}/{name}", f"{value}\n")
    assert partition_table.kernel_view("sda", 4096, tmp_path) == {1: (512, 256)}


@pytest.mark.parametrize(("there", "said"), [(True, "appear"), (False, "disappear")])
def test_a_node_is_awaited_no_longer_than_until_the_deadline(
    tmp_path: Path, there: bool, said: str
) -> None:
    node = tmp_path / "sda1"
    if not there:
        node.touch()
    with pytest.raises(UnreachableError, match=f"did not {said} in time"):
        partition_table.await_node(str(node), time.monotonic(), there=there)
    partition_table.await_node(str(node), time.monotonic(), there=not there)


def test_a_node_that_udev_makes_while_it_is_awaited_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "sda1"
    monkeypatch.setattr(time, "sleep", lambda _: node.touch())
    partition_table.await_node(str(node), time.monotonic() + PATIENCE)
    assert node.exists()


# What sfdisk finds wrong


def verified(image: Path) -> tuple[str, ...]:
    return partition_table.verify(str(image))


def image_with(root: Path, script: str) -> Path:
    image = sparse(root / "disk", 64 * MIB)
    sfdisk = process.find("sfdisk")
    assert sfdisk is not None
    subprocess.run([sfdisk, "-q", image], input=script, text=True, check=True)
    return image


def test_a_damaged_copy_of_a_table_is_a_fault_though_sfdisk_finds_no_errors(
    tmp_path: Path,
) -> None:
    image = image_with(tmp_path, "label: gpt\n,10MiB\n")
    with image.open("r+b") as disk:
        disk.seek(-512, os.SEEK_END)
        disk.write(bytes(512))
    (fault,) = verified(image)
    assert "backup GPT table is corrupt" in fault


def test_partitions_that_overlap_are_the_only_line_of_what_sfdisk_prints(tmp_path: Path) -> None:
    image = image_with(tmp_path, "label: dos\nstart=2048, size=10240\nstart=20480, size=20480\n")
    with image.open("r+b") as disk:
        disk.seek(446 + 16 + 8)  # the first sector of partition 2
        disk.write((4096).to_bytes(4, "little"))
    assert verified(image) == ("Partition 1: overlaps partition 2.",)


def test_a_gap_and_the_end_of_a_cylinder_are_no_faults(tmp_path: Path) -> None:
    assert verified(image_with(tmp_path, "label: sun\n,10MiB\n")) == ()
