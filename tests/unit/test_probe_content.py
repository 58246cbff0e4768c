"""What a probe says that a disk carries, and how a disk is opened for it, on loop devices."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.model.reservation import LunReservations
from iscsictl.system.block import probe, reservations, scsi_commands, udev_db
from iscsictl.system.io import process
from tests.unit.loops import WWID, add_partition, give_name, looped, sparse
from tests.worlds import FREE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A blank disk of 100 MiB that answers to `WWID`."""
    give_name(monkeypatch)
    with looped(sparse(tmp_path / "image", 100 * MIB)) as device:
        yield device


def sfdisk(device: str, script: str) -> None:
    command = ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--wipe", "never", device]
    subprocess.run(command, input=script, text=True, check=True)


def mkfs(node: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^metadata_csum", node], check=True)


@pytest.mark.parametrize("kind", ["gpt", "dos", "sun"])
def test_an_empty_table_is_a_table_and_no_signature_of_something_else(disk: str, kind: str) -> None:
    sfdisk(disk, f"label: {kind}\n")
    content = probe.probe(disk, WWID)
    assert (content.table, content.signatures, content.data_at) == (kind, (), None)
    assert not content.blank


def test_a_filesystem_on_the_whole_disk_is_its_content(disk: str) -> None:
    mkfs(disk)
    content = probe.probe(disk, WWID)
    assert (content.table, content.data_at) == (None, None)
    assert [one.type for one in content.signatures] == ["ext4"]
    assert content.filesystem is not None
    assert (content.filesystem.device, content.filesystem.type) == (disk, "ext4")


def test_the_filesystem_in_the_only_partition_is_that_of_the_disk(disk: str) -> None:
    sfdisk(disk, "label: gpt\nstart=2048, size=81920\n")
    node = add_partition(disk, 1, MIB, 40 * MIB)
    mkfs(node)
    content = probe.probe(disk, WWID)
    assert content.filesystem is not None
    assert (content.filesystem.device, content.filesystem.type) == (node, "ext4")
    # Beside the table, the superblock of a btrfs is content of the whole disk.
    with Path(disk).open("r+b") as file:
        file.seek(64 * 1024 + 64)
        file.write(b"_BHRfS_M")
        os.fsync(file.fileno())
    content = probe.probe(disk, WWID)
    assert content.filesystem is not None
    assert (content.filesystem.device, content.filesystem.type) == (disk, "btrfs")
    assert [one.type for one in content.signatures] == ["btrfs"]
    assert [one.type for one in content.partitions[0].signatures] == ["ext4"]


@pytest.mark.parametrize("kind", ["swap", "ext4"])
def test_what_only_blkid_recognises_is_content(
    disk: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "swap":
        subprocess.run(["mkswap", disk], check=True, capture_output=True)
    else:
        mkfs(disk)
    monkeypatch.setattr(probe, "read_signatures", lambda _: ())
    content = probe.probe(disk, WWID)
    (found,) = content.signatures
    assert (found.type, found.uuid) == (kind, probe.blkid(disk)["UUID"])
    assert content.description == kind


@pytest.mark.fault("F67")
@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([WWID, WWID], WWID),
        ([WWID, "naa.2"], "naa.2"),
        (["naa.2", WWID], "naa.2"),
        (["", ""], "without a name"),
    ],
)
def test_a_disk_has_the_name_that_it_had_before_and_after_it_was_read(
    disk: str, answers: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [frozenset(filter(None, [answer])) for answer in answers]
    monkeypatch.setattr(scsi_commands, "wwids", lambda _: names.pop(0))
    assert probe.probe(disk, WWID).wwid == told


def test_a_probe_asks_which_reservations_the_array_can_make(
    disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read_reservations(_: int, *, capabilities: bool = False) -> LunReservations:
        asked.append(capabilities)
        return FREE

    monkeypatch.setattr(reservations, "read_reservations", read_reservations)
    probe.probe(disk, WWID)
    assert asked == [True]


def test_a_disk_is_read_past_the_page_cache_and_never_written(disk: str) -> None:
    with probe.opened(disk, exclusive=False) as fd:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        assert flags & os.O_DIRECT
        assert flags & os.O_ACCMODE == os.O_RDONLY
        assert not os.get_inheritable(fd)


def test_a_disk_that_was_held_exclusively_is_free_once_it_is_closed(
    disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is just starting has a copy of the descriptor until it calls exec(3)."""
    open_then = []

    def wait() -> None:
        open_then.append(Path(f"/proc/self/fd/{held}").exists())
        process.wait_until_none_starting()

    monkeypatch.setattr(probe, "wait_until_none_starting", wait)
    with probe.opened(disk, exclusive=True) as held:
        pass
    assert open_then == [False]


def test_a_disk_that_udev_has_handled_is_opened_without_another_process(
    disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = Path(disk).stat().st_rdev
    known = (Path("/"), f"{os.major(number)}:{os.minor(number)}")
    started: list[str] = []
    monkeypatch.setattr(probe, "_open_in_other_process", started.append)
    monkeypatch.setattr(probe, "_opened_nodes", set())
    monkeypatch.setattr(
        udev_db, "device_properties", lambda *asked: {"DEVTYPE": "disk"} if asked == known else {}
    )
    with probe.opened(disk, exclusive=False):
        assert started == []


def test_a_partition_whose_disk_has_no_node_is_opened_all_the_same(
    disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "device_path", lambda *_: "/dev/nothing")
    with probe.opened(add_partition(disk, 1, MIB, MIB), exclusive=False) as fd:
        assert os.pread(fd, 0, 0) == b""
