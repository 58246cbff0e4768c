"""What superblocks tell, and whether a disk is all zeroes, read from loop devices."""

import os
import re
import select
import shutil
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.model.reservation import LunReservations
from iscsictl.system.block import probe, reservations
from iscsictl.system.block.blank_proof import search_disk
from iscsictl.system.io.bounded_call import open_within
from tests.patience import PATIENCE, await_until
from tests.unit.loops import add_partition, give_name, looped, sparse
from tests.worlds import FREE, RESERVED

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
FORCE = {"ext4": "-F", "xfs": "-f", "btrfs": "-f"}


@pytest.mark.parametrize("fs", list(FORCE))
def test_a_journal_that_needs_recovery_is_seen(fs: str, tmp_path: Path) -> None:
    if not shutil.which(f"mkfs.{fs}"):
        pytest.skip(f"mkfs.{fs} is not installed")
    image, copy, place = tmp_path / "image", tmp_path / "copy", tmp_path / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([f"mkfs.{fs}", "-q", FORCE[fs], image], check=True, capture_output=True)
    with looped(image) as device:
        # A btrfs commits every 30 s otherwise, and has no log tree after that.
        options = ["-o", "commit=3600"] if fs == "btrfs" else []
        mount = ["mount", *options, device, str(place)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip(f"{fs} cannot be mounted here")

        def is_copied() -> bool:
            """Copy what an fsync left; False if something else on this machine committed it."""
            with (place / "file").open("a") as written:
                written.write("written")
            subprocess.run(["sync", place / "file"], check=True)
            subprocess.run(["cp", "--sparse=always", image, copy], check=True)
            # log_root of the superblock; a sync(2) of any process commits all filesystems.
            with copy.open("rb") as btrfs:
                btrfs.seek((64 << 10) + 96)
                return fs != "btrfs" or any(btrfs.read(8))

        await_until(is_copied)
        subprocess.run(["umount", place], check=True)
        clean = probe.filesystem_on(device)
    with looped(copy) as device:
        dirty = probe.filesystem_on(device)
    assert clean is not None
    assert dirty is not None
    # A btrfs without a log tree may still be mounted somewhere.
    assert (clean.type, clean.dirty) == (fs, None if fs == "btrfs" else False)
    assert (dirty.uuid, dirty.dirty) == (clean.uuid, True)


@pytest.mark.fault("F100")
def test_a_host_that_formats_the_disk_while_it_is_read_is_known_by_its_reservation(
    tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    held = [FREE]

    def search_while_it_is_reserved(*arguments: Any, **more: Any) -> Any:
        held.append(RESERVED)
        return search_disk(*arguments, **more)

    def read_reservations(*_: Any, **_more: Any) -> LunReservations:
        return held[-1]

    monkeypatch.setattr("iscsictl.system.block.probe.search_disk", search_while_it_is_reserved)
    monkeypatch.setattr(reservations, "read_reservations", read_reservations)
    with looped(image) as device:
        assert probe.probe(device, named).reservations == RESERVED


def test_a_blank_disk_has_a_proof_and_one_byte_near_any_usual_place_is_seen(
    tmp_path: Path, named: str
) -> None:
    size, image = 300 << 20, tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(size)
    with looped(image) as device:
        content = probe.probe(device, named)
        assert content.blank
        assert re.fullmatch(
            r"blank: \d+ places read, none farther apart than \d+ MiB", str(content.proof)
        )
        assert str(probe.probe(device, named, full=True).proof) == "blank: all read"
        for at in (0, size - 1, size - (15 << 20), 8193 * 1024, 64 << 20, size // 4, size // 3):
            with Path(device).open("r+b", buffering=0) as disk:
                disk.seek(at)
                disk.write(b"x")
            found = probe.probe(device, named)
            assert not found.blank, at
            assert found.data_at is not None
            assert found.data_at <= at < found.data_at + (1 << 20)
            with Path(device).open("r+b", buffering=0) as disk:
                disk.seek(at)
                disk.write(b"\0")
        assert probe.probe(device, named).blank


def test_an_xfs_that_is_still_being_made_tells_so(tmp_path: Path) -> None:
    if not shutil.which("mkfs.xfs"):
        pytest.skip("mkfs.xfs is not installed")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", image], check=True, capture_output=True)
    for in_progress in (b"\0", b"\1"):
        # sb_inprogress, which mkfs.xfs clears last.
        with image.open("r+b") as file:
            file.seek(126)
            file.write(in_progress)
        with looped(image) as device:
            found = probe.filesystem_on(device)
        assert found is not None
        assert (found.type, found.used) == ("xfs", in_progress == b"\0")
        assert found.dirty is False


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> str:
    """A loop device answers no SCSI command: give all of them this name."""
    return give_name(monkeypatch)


def test_data_without_a_signature_is_seen_in_each_of_several_partitions(
    tmp_path: Path, named: str
) -> None:
    image, mib = tmp_path / "image", 1 << 20
    with image.open("wb") as file:
        file.truncate(200 * mib)
    script = b"label: gpt\n" + b"size=60MiB\n" * 3
    subprocess.run(["sfdisk", "--quiet", image], input=script, check=True)
    # The last byte of the second partition; the kernel has no node for any of them.
    with image.open("r+b") as file:
        file.seek(121 * mib - 1)
        file.write(b"x")
    with looped(image) as device:
        several = probe.probe(device, named).partitions
    assert [part.data_at is not None for part in several] == [False, True, False]
    subprocess.run(["sfdisk", "--quiet", "--delete", image, "1", "3"], check=True)
    with looped(image) as device:
        alone = probe.probe(device, named).partitions
    assert alone[0].data_at == several[1].data_at


@pytest.mark.parametrize("kinds", [["swap"], ["swap", None]])
def test_partitions_that_the_kernel_has_tell_their_signatures(
    kinds: list[str | None], tmp_path: Path, named: str
) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(100 << 20)
    script = b"label: dos\n" + b"size=40MiB\n" * len(kinds)
    subprocess.run(["sfdisk", "--quiet", image], input=script, check=True)
    with looped(image) as device:
        subprocess.run(["partx", "--add", device], check=False, capture_output=True)
        try:
            if not Path(f"{device}p1").exists():
                pytest.skip("the partitions of loop devices have no nodes here")
            subprocess.run(["mkswap", f"{device}p1"], check=True, capture_output=True)
            parts = probe.probe(device, named).partitions
        finally:
            subprocess.run(["partx", "--delete", device], check=False, capture_output=True)
    assert [next((s.type for s in part.signatures), None) for part in parts] == kinds
    assert [part.data_at for part in parts] == [None] * len(kinds)


@pytest.mark.fault("F54")
def test_a_disk_that_the_kernel_does_not_open_is_given_up_and_no_thread_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO stands for the disk: open(2) waits for its other end."""
    fifo = tmp_path / "disk"
    os.mkfifo(fifo)
    monkeypatch.setattr(probe, "DISK_OPEN_WAIT", 0.2)
    before = threading.active_count()
    with (
        pytest.raises(UnreachableError, match=r"could not be opened within 0\.2 s"),
        probe.opened(str(fifo), exclusive=False),
    ):
        pass
    # The process could not end before such a thread does, which may sleep in the kernel.
    assert threading.active_count() == before
    with pytest.raises(OSError, match="No such device or address"):  # nobody reads (fifo(7))
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def test_only_the_first_time_another_process_opens_a_disk_that_udev_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel has opened once, it opens again; a program each time is slow."""
    started: list[str] = []
    monkeypatch.setattr(probe, "_open_in_other_process", started.append)
    monkeypatch.setattr(probe, "_is_known_to_udev", lambda _number: False)
    monkeypatch.setattr(probe, "_opened_nodes", set())
    with looped(sparse(tmp_path / "image", 1 << 20)) as device:
        for _ in range(3):
            with probe.opened(device, exclusive=False):
                pass
        other = tmp_path / "node"  # a disk that came later under the same number
        os.mknod(other, stat.S_IFBLK | 0o600, Path(device).stat().st_rdev)
        with probe.opened(str(other), exclusive=False):
            pass
    assert started == [device, str(other)]


@pytest.mark.parametrize("disk_first", [True, False])
def test_a_partition_of_a_disk_that_was_opened_is_opened_without_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_first: bool
) -> None:
    started: list[str] = []
    monkeypatch.setattr(probe, "_open_in_other_process", started.append)
    monkeypatch.setattr(probe, "_is_known_to_udev", lambda _number: False)
    monkeypatch.setattr(probe, "_opened_nodes", set())
    with looped(sparse(tmp_path / "image", 4 << 20)) as device:
        part = add_partition(device, 1, 1 << 20, 1 << 20)
        for node in (device, part) if disk_first else (part, device):
            with probe.opened(node, exclusive=False):
                pass
    assert started == ([device] if disk_first else [part, device])


@pytest.mark.fault("F54")
def test_what_the_kernel_opens_after_the_deadline_is_closed_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "disk"
    os.mkfifo(fifo)
    with pytest.raises(TimeoutError):
        open_within(0.2, str(fifo), os.O_RDONLY)
    other_end = os.open(fifo, os.O_WRONLY)
    try:
        # Nobody reads any more: an error (pipe(7)) once the late descriptor is closed.
        poll = select.poll()
        poll.register(other_end, 0)
        assert poll.poll(PATIENCE * 1000) == [(other_end, select.POLLERR)]
    finally:
        os.close(other_end)
