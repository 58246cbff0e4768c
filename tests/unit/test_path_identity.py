"""Just before a write every path of a map is asked which disk it leads to."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.model.actions import DiskId
from iscsictl.system.block import disk_guards, multipath, probe, scsi_commands
from iscsictl.system.block.disk_writer import locked_disk
from iscsictl.system.block.scsi_commands import Capacity
from tests.unit.fake_root import put

pytestmark = pytest.mark.fault("F66")

WWID = "naa.600140512345678"
DISK = DiskId("iqn.2001-04.com.example:a", 0, WWID, "/dev/mapper/mail")


@dataclass(frozen=True)
class Answers:
    """What one path answers."""

    names: frozenset[str] = frozenset({WWID, "t10.x"})
    serial: str | None = "1234"
    size: int = 1 << 30
    state: str = "running"


class Paths:
    """A host with a map of two paths that answer as they are told."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.answers = {"/dev/sda": Answers(), "/dev/sdb": Answers()}
        self.asked: list[str] = []
        put(root, "sys/class/block/dm-0/dm/uuid", "mpath-3600140512345678\n")
        put(root, "sys/class/block/dm-0/dm/name", "mail\n")
        for name in ("sda", "sdb"):
            put(root, f"sys/class/block/dm-0/slaves/{name}")
        monkeypatch.setattr(probe, "opened", self.opened)
        monkeypatch.setattr(scsi_commands, "wwids", lambda fd: self.of(fd).names)
        monkeypatch.setattr(scsi_commands, "unit_serial", lambda fd: self.of(fd).serial)
        monkeypatch.setattr(scsi_commands, "capacity", self.capacity)
        self.settle()

    def settle(self, **changed: object) -> None:
        """Have sdb answer otherwise."""
        values = {**vars(self.answers["/dev/sdb"]), **changed}
        self.answers["/dev/sdb"] = Answers(**values)
        for device, answers in self.answers.items():
            put(self.root, f"sys/class/block{device[4:]}/device/state", f"{answers.state}\n")

    @contextlib.contextmanager
    def opened(self, device: str, *, exclusive: bool) -> Iterator[int]:
        assert not exclusive
        self.asked.append(device)
        yield list(self.answers).index(device)

    def of(self, fd: int) -> Answers:
        return list(self.answers.values())[fd]

    def capacity(self, fd: int) -> Capacity:
        return Capacity(self.of(fd).size // 512, 512)

    def verify(self) -> None:
        disk_guards.require_same_paths(DISK, self.root)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    return Paths(tmp_path, monkeypatch)


def test_paths_that_agree_are_all_asked(paths: Paths) -> None:
    paths.verify()
    assert paths.asked == ["/dev/sda", "/dev/sdb"]


@pytest.mark.parametrize(
    ("names", "serial", "size", "words"),
    [
        (frozenset({"naa.99"}), "1234", 1 << 30, "/dev/sdb, a path of /dev/mapper/mail, is not"),
        (frozenset(), "1234", 1 << 30, "without a name"),
        (frozenset({WWID}), "9999", 1 << 30, "joins different disks"),
        (frozenset({WWID}), None, 1 << 30, "serial none"),
        (frozenset({WWID}), "1234", 1 << 29, f"{1 << 29} bytes"),
    ],
)
def test_a_path_to_another_disk_is_refused(
    paths: Paths, names: frozenset[str], serial: str | None, size: int, words: str
) -> None:
    paths.settle(names=names, serial=serial, size=size)
    with pytest.raises(RefusedError, match=words) as refused:
        paths.verify()
    assert refused.value.hint


@pytest.mark.parametrize("state", ["blocked", "transport-offline", "offline"])
def test_a_path_that_does_not_answer_is_not_trusted_and_not_waited_for(
    paths: Paths, state: str
) -> None:
    paths.settle(state=state)
    with pytest.raises(UnreachableError, match="/dev/sdb, a path of /dev/mapper/mail") as refused:
        paths.verify()
    assert paths.asked == ["/dev/sda"]
    assert state in refused.value.text


def test_for_a_mount_a_dead_path_is_left_out_and_a_wrong_one_is_not(paths: Paths) -> None:
    paths.settle(state="transport-offline")
    disk_guards.require_same_paths(DISK, paths.root, with_dead_paths=True)
    assert paths.asked == ["/dev/sda"]
    paths.settle(state="running", names=frozenset({"naa.99"}))
    with pytest.raises(RefusedError, match="/dev/sdb"):
        disk_guards.require_same_paths(DISK, paths.root, with_dead_paths=True)


@pytest.mark.fault("F93")
def test_for_a_mount_a_path_whose_lun_was_taken_away_is_left_out_once_its_map_gave_it_up(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wwids(fd: int) -> frozenset[str]:
        if fd:
            raise UnreachableError("INQUIRY: LOGICAL UNIT NOT SUPPORTED")
        return paths.of(fd).names

    failed: set[str] = set()
    monkeypatch.setattr(scsi_commands, "wwids", wwids)
    monkeypatch.setattr(multipath, "is_failed", lambda device, _: device in failed)
    with pytest.raises(UnreachableError):
        disk_guards.require_same_paths(DISK, paths.root, with_dead_paths=True)
    failed.add("/dev/sdb")
    disk_guards.require_same_paths(DISK, paths.root, with_dead_paths=True)
    # Before a write every path counts.
    with pytest.raises(UnreachableError):
        paths.verify()
    # One that says it is another disk is no lost path.
    monkeypatch.setattr(scsi_commands, "wwids", lambda fd: paths.of(fd).names)
    paths.settle(names=frozenset({"naa.99"}))
    with pytest.raises(RefusedError, match="/dev/sdb"):
        disk_guards.require_same_paths(DISK, paths.root, with_dead_paths=True)


def test_a_disk_that_is_no_map_is_its_own_path(paths: Paths) -> None:
    disk_guards.require_same_paths(replace(DISK, device="/dev/sda"), paths.root)
    put(paths.root, "sys/class/block/dm-0/dm/uuid", "LVM-x\n")
    paths.verify()
    assert paths.asked == []
    assert multipath.paths_of("/dev/mapper/other", paths.root) == ()


def test_who_is_about_to_write_asks_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last check before a tool starts, and the one under the lock of the disk, ask them."""
    monkeypatch.setattr(multipath, "paths_of", lambda *_: ("/dev/sdb",))
    monkeypatch.setattr(disk_guards, "read_attribute", lambda _: "blocked")

    @contextlib.contextmanager
    def opened(_: str, *, exclusive: bool) -> Iterator[int]:
        assert not exclusive
        with (tmp_path / "disk").open("w") as disk:
            yield disk.fileno()

    monkeypatch.setattr(probe, "opened", opened)
    with pytest.raises(UnreachableError, match="/dev/sdb"):
        disk_guards.verify_writable(DISK)
    with pytest.raises(UnreachableError, match="/dev/sdb"), locked_disk(DISK, 0.0):
        pass


def page(number: int, text: bytes) -> bytes:
    return bytes((0, number)) + len(text).to_bytes(2, "big") + text


def test_the_unit_serial_number_is_read_by_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [page(0x80, b" 12 34 ") + b"rest"]
    monkeypatch.setattr(scsi_commands, "_read_answer", lambda *_: answer[0])
    assert scsi_commands.unit_serial(0) == "12 34"
    answer[0] = page(0x80, b"    ")
    assert scsi_commands.unit_serial(0) is None
    for garbage in (b"", page(0x83, b"1234"), b"\0\x80"):
        answer[0] = garbage
        with pytest.raises(IscsictlError, match="cannot be understood"):
            scsi_commands.unit_serial(0)
