"""Each guard of the code that writes to disks, on loop devices: without it a test here fails."""

import errno
import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from iscsictl.engine.handlers import disks as handlers
from iscsictl.engine.handlers import partitions as partition_handlers
from iscsictl.errors import (
    InUseError,
    IscsictlError,
    RefusedError,
    UnexpectedContentError,
    UnreachableError,
)
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content
from iscsictl.model.partition_table import Table
from iscsictl.planner.disks.layout import last_usable
from iscsictl.system.block import disk_writer, partition_table, reservations, scsi_commands
from iscsictl.system.block import probe as prober
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.context import Context
from tests.patience import PATIENCE
from tests.unit import loops
from tests.unit.loops import WWID, fingerprint, give_name, looped, sparse
from tests.worlds import FREE, RESERVED

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
MIB = 1 << 20
UUID = "b3c6a8de-6b0f-4d4c-9f7e-0d8f1a2b3c4d"


@dataclass
class Scratch:
    """A disk that may be written: its file, its device, and how it is named to the writers."""

    image: Path
    device: str
    #: Seconds for which another program may have the disk locked.
    wait: float = PATIENCE

    @property
    def disk(self) -> DiskId:
        return DiskId("iqn.2026-01.example:a", 0, WWID, self.device)

    def deadline(self) -> float:
        return time.monotonic() + self.wait

    def put(self, at: int, data: bytes = b"precious") -> None:
        with Path(self.device).open("r+b", buffering=0) as disk:
            disk.seek(at // 4096 * 4096)
            disk.write(data.rjust(at % 4096 + len(data), b"\0").ljust(4096, b"\0")[:4096])
            os.fsync(disk.fileno())


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A blank disk of 200 MiB that answers to `WWID`."""
    give_name(monkeypatch)
    with looped(sparse(tmp_path / "image", 200 * MIB)) as device:
        yield Scratch(tmp_path / "image", device)


def is_blank(content: Content) -> bool:
    return content.blank


def table_of(scratch: Scratch, script: str = "label: gpt\n,50MiB\n") -> None:
    subprocess.run(
        ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", scratch.device],
        input=script, text=True, check=True,
    )  # fmt: skip


def label(scratch: Scratch) -> None:
    disk_writer.label(scratch.disk, "label: gpt\n,,\n", is_blank, scratch.deadline())


def new_table(scratch: Scratch) -> None:
    partition_table.write_label(scratch.disk, "gpt", is_blank, scratch.deadline())


def mkfs(scratch: Scratch) -> None:
    command = disk_writer.mkfs_command("ext4", UUID, None)
    disk_writer.mkfs(scratch.disk, None, command, is_blank, scratch.deadline())


def wipe(scratch: Scratch) -> None:
    disk_writer.wipe(scratch.disk, scratch.deadline())


def wipe_node(scratch: Scratch) -> None:
    partition_table.wipe_node(scratch.disk, scratch.device, lambda _: True, scratch.deadline())


def add_partition(scratch: Scratch) -> None:
    before = read_table(scratch.device)
    assert before is not None
    script = [(["--append", "{}"], "size=20480\n")]
    partition_table.reshape(scratch.disk, before, script, lambda _: None, scratch.deadline())


def grow_filesystem(scratch: Scratch) -> None:
    action = actions.GrowFs(scratch.disk, scratch.device, "ext4", "/nowhere")
    handlers.HANDLERS[actions.GrowFs](action, Context())


Write = Callable[[Scratch], None]
ON_BLANK: tuple[Write, ...] = (label, new_table, mkfs)
ALL: tuple[Write, ...] = (*ON_BLANK, wipe, wipe_node, add_partition, grow_filesystem)


def prepare(scratch: Scratch, write: Write) -> None:
    """Put on the disk what this write needs to have there."""
    if write is add_partition:
        table_of(scratch)
    elif write in {wipe, wipe_node, grow_filesystem}:
        command = ["mkfs.ext4", "-q", "-F", "-b", "4096", scratch.device, "20M"]
        subprocess.run(command, check=True)


def refused(scratch: Scratch, write: Write, error: type[IscsictlError]) -> str:
    """Have the write refused and nothing changed; return what was said."""
    os.sync()
    before = fingerprint(scratch.image)
    with pytest.raises(error) as raised:
        write(scratch)
    os.sync()
    assert fingerprint(scratch.image) == before
    return raised.value.text


@pytest.mark.parametrize("write", ALL)
def test_each_write_is_done_where_nothing_speaks_against_it(scratch: Scratch, write: Write) -> None:
    prepare(scratch, write)
    os.sync()
    before = fingerprint(scratch.image)
    write(scratch)
    os.sync()
    assert fingerprint(scratch.image) != before


@pytest.mark.fault("F73")
@pytest.mark.fault("F74")
@pytest.mark.parametrize("write", ALL)
def test_no_write_while_another_host_holds_a_reservation(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    monkeypatch.setattr(reservations, "read_reservations", lambda *_, **_more: RESERVED)
    assert "persistent reservation" in refused(scratch, write, RefusedError)


@pytest.mark.fault("F67")
@pytest.mark.fault("F73")
@pytest.mark.parametrize("write", [w for w in ALL if w is not grow_filesystem])
def test_no_write_where_a_reservation_comes_during_the_proof(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    answers = [FREE]
    monkeypatch.setattr(
        reservations,
        "read_reservations",
        lambda *_, **_more: answers.pop() if answers else RESERVED,
    )
    assert "persistent reservation" in refused(scratch, write, RefusedError)


@pytest.mark.fault("F74")
@pytest.mark.parametrize("write", ALL)
def test_no_write_to_a_disk_of_another_name(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    monkeypatch.setattr(scsi_commands, "wwids", lambda _: frozenset({"naa.2"}))
    assert "naa.2" in refused(scratch, write, RefusedError)


@pytest.mark.fault("F67")
@pytest.mark.parametrize("write", [w for w in ALL if w is not grow_filesystem])
def test_no_write_where_the_lun_becomes_another_disk_during_the_proof(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    names = [frozenset({WWID})]
    monkeypatch.setattr(
        scsi_commands, "wwids", lambda _: names.pop() if names else frozenset({"naa.2"})
    )
    assert "naa.2" in refused(scratch, write, RefusedError)


def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the LUN is another disk."""
    monkeypatch.setattr(scsi_commands, "wwids", lambda _: frozenset({"naa.2"}))


def reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on another host holds the LUN."""
    monkeypatch.setattr(reservations, "read_reservations", lambda *_, **_more: RESERVED)


Change = Callable[[pytest.MonkeyPatch], None]
CHANGES = [(other_disk, "naa.2"), (reserved, "persistent reservation")]


@pytest.mark.fault("F74")
@pytest.mark.parametrize(("alter", "words"), CHANGES)
def test_a_disk_is_asked_as_soon_as_it_is_locked(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, alter: Change, words: str
) -> None:
    alter(monkeypatch)
    ran = []
    with (
        pytest.raises(RefusedError, match=words),
        disk_writer.locked_disk(scratch.disk, scratch.deadline()),
    ):
        ran.append(scratch.device)
    assert ran == []


@pytest.mark.fault("F67")
@pytest.mark.fault("F74")
@pytest.mark.parametrize(("alter", "words"), CHANGES)
@pytest.mark.parametrize("when", ["after the proof", "after the mark in fstab"])
def test_no_write_where_the_disk_changes_just_before_the_tool_starts(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, when: str, alter: Change, words: str
) -> None:
    def change() -> None:
        alter(monkeypatch)

    def fine(content: Content) -> bool:
        change()
        return content.blank

    def write(scratch: Scratch) -> None:
        if when == "after the proof":
            disk_writer.label(scratch.disk, "label: gpt\n,,\n", fine, scratch.deadline())
        else:
            command = disk_writer.mkfs_command("ext4", UUID, None)
            disk_writer.mkfs(
                scratch.disk, None, command, is_blank, scratch.deadline(), before_write=change
            )

    assert words in refused(scratch, write, RefusedError)


@pytest.mark.fault("F74")
@pytest.mark.parametrize("write", [w for w in ALL if w is not grow_filesystem])
def test_no_write_while_another_program_has_the_disk_locked(scratch: Scratch, write: Write) -> None:
    prepare(scratch, write)
    fd = os.open(scratch.device, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        soon = replace(scratch, wait=0.3)
        assert "is locked by another program" in refused(soon, write, InUseError)
    finally:
        os.close(fd)


@pytest.mark.fault("F74")
def test_a_lock_that_the_kernel_cannot_give_is_not_blamed_on_another_program(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    said = refused(scratch, label, UnreachableError)
    assert said == f"{scratch.device} cannot be locked: No locks available"


@pytest.mark.fault("F74")
@pytest.mark.parametrize("write", [*ON_BLANK, wipe, wipe_node])
def test_no_write_to_a_disk_that_somebody_holds_exclusively(scratch: Scratch, write: Write) -> None:
    prepare(scratch, write)
    fd = os.open(scratch.device, os.O_RDONLY | os.O_EXCL)
    try:
        assert "is in use" in refused(scratch, write, InUseError)
    finally:
        os.close(fd)


@pytest.mark.fault("F74")
@pytest.mark.parametrize("at", [0, 4096, MIB + 4096, 70 * MIB, 199 * MIB, 200 * MIB - 4096])
@pytest.mark.parametrize("write", ON_BLANK)
def test_no_write_over_what_came_since_the_plan(scratch: Scratch, write: Write, at: int) -> None:
    # 70 MiB is in the grid of a repeated proof only by chance, so fill its cell.
    for place in range(at, at + (30 * MIB if at == 70 * MIB else 1), MIB):
        scratch.put(place)
    said = refused(scratch, write, RefusedError)
    assert "has changed" in said


@pytest.mark.fault("F24")
@pytest.mark.parametrize("write", [*ON_BLANK, wipe, wipe_node])
def test_no_write_where_a_read_comes_back_short(
    scratch: Scratch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, write)
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    assert "ends at byte" in refused(scratch, write, IscsictlError)


@pytest.mark.fault("F74")
def test_a_table_that_changed_since_the_plan_is_not_reshaped(scratch: Scratch) -> None:
    table_of(scratch)
    before = read_table(scratch.device)
    table_of(scratch, "label: gpt\n,60MiB\n")
    assert before is not None

    def write(scratch: Scratch) -> None:
        commands = [(["--append", "{}"], "size=20480\n")]
        partition_table.reshape(scratch.disk, before, commands, lambda _: None, scratch.deadline())

    assert "has changed since this was planned" in refused(scratch, write, RefusedError)


@pytest.mark.fault("F74")
@pytest.mark.parametrize(
    ("kind", "at", "superblock"),
    [
        # The older GPT stays valid: its entries are read from the backup (UEFI 2.10, 5.3.2).
        ("swap", 1024, bytes((1, 0, 0, 0, 100)).ljust(4086 - 1024, b"\0") + b"SWAPSPACE2"),
        ("btrfs", 64 * 1024 + 64, b"_BHRfS_M"),
    ],
    ids=["swap", "btrfs"],
)
def test_a_table_is_not_reshaped_where_something_stands_beside_it(
    scratch: Scratch, kind: str, at: int, superblock: bytes
) -> None:
    table_of(scratch)
    with scratch.image.open("r+b") as image:
        image.seek(at)
        image.write(superblock)
        os.fsync(image.fileno())
    subprocess.run(["blockdev", "--flushbufs", scratch.device], check=True)
    assert kind in {one.type for one in prober.read_signatures(scratch.device)}
    words = refused(scratch, add_partition, RefusedError)
    assert f"carries {kind} in addition to its partition table" in words


@pytest.mark.fault("F74")
def test_what_stands_in_a_partition_does_not_keep_the_table_from_being_reshaped(
    scratch: Scratch,
) -> None:
    table_of(scratch)
    command = ["mkfs.ext4", "-q", "-F", "-E", f"offset={MIB}", scratch.device, "40M"]
    subprocess.run(command, check=True)
    add_partition(scratch)
    after = read_table(scratch.device)
    assert after is not None
    assert len(after.entries) == 2


def test_a_partition_that_is_added_to_a_grown_disk_takes_the_backup_along(
    scratch: Scratch,
) -> None:
    table_of(scratch)
    before = read_table(scratch.device)
    assert before is not None
    os.truncate(scratch.image, 300 * MIB)
    subprocess.run(["losetup", "--set-capacity", scratch.device], check=True)
    start = 210 * MIB // 512
    kind = before.entries[0].type
    action = actions.AddPart(scratch.disk, before, 2, start, 80 * MIB // 512, kind)
    partition_handlers.HANDLERS[actions.AddPart](action, Context(wait=5.0))
    after = read_table(scratch.device)
    assert after is not None
    assert after.last == last_usable(Table("gpt"), 300 * MIB // 512)
    assert (after.entries[0], after.entries[1].start) == (before.entries[0], start)
    assert partition_table.verify(scratch.device) == ()


@pytest.mark.fault("F74")
def test_a_reshaped_table_that_is_not_as_planned_is_told(scratch: Scratch) -> None:
    table_of(scratch)
    before = read_table(scratch.device)
    assert before is not None
    commands = [(["--append", "{}"], "size=20480\n")]
    with pytest.raises(IscsictlError, match="it is too small"):
        partition_table.reshape(
            scratch.disk, before, commands, lambda _: "it is too small", scratch.deadline()
        )


@pytest.mark.fault("F74")
def test_mkfs_is_told_no_where_it_finds_what_the_proof_did_not(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second guard: mke2fs asks before it overwrites a filesystem, and gets no."""
    subprocess.run(["mkfs.ext4", "-q", "-F", scratch.device], check=True)
    monkeypatch.setattr(disk_writer, "search_again", lambda *_: None)
    assert "found something" in refused(scratch, mkfs, RefusedError)


def test_a_change_since_the_plan_is_an_error_of_its_own(scratch: Scratch) -> None:
    scratch.put(0)
    with pytest.raises(UnexpectedContentError):
        label(scratch)


@pytest.mark.fault("F61")
@pytest.mark.parametrize("write", ON_BLANK)
def test_a_partition_that_only_the_kernel_has_is_not_dropped_with_what_is_in_it(
    scratch: Scratch, write: Write
) -> None:
    start = 61 * MIB + 512 * 7
    loops.add_partition(scratch.device, 3, start, 100_000 * 512)
    assert prober.probe(scratch.device, WWID).blank
    scratch.put(start + 3072, b"\x01\x02\x03\x04")
    assert "partition 3" in prober.probe(scratch.device, WWID).description
    refused(scratch, write, RefusedError)
    assert Path(f"/sys/class/block/{Path(scratch.device).name}p3").exists()
