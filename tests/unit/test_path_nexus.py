"""Whether each path of a disk has a registration of its own, and not only of an earlier session."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.model.listing import Block, Disk
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.reservation import LunReservations, Registration
from iscsictl.observers.reservations import ask_reservations, observe_reservations
from iscsictl.planner.disks.new_filesystem import is_kept_over
from iscsictl.system.block.path_nexus import (
    PathNexus,
    parse_target_port,
    read_nexus,
    unregistered_paths,
)
from iscsictl.system.block.reservation_hold import keep_reserved
from tests.unit.fake_root import put
from tests.unit.reserving_lun import ID, MINE, WWID, Nexus, ReservingLun, make_host, own_key

pytestmark = pytest.mark.fault("F101")
KEY = 0x11
SDA, SDB = DiskPath(1, "2:0:0:0", "/dev/sda", "running"), DiskPath(2, "3:0:0:0", "/dev/sdb", None)
#: A designator of the logical unit, and those of the port that was asked (SPC-4 7.8.6).
NAA = bytes.fromhex("01030008") + bytes.fromhex("6001405000000001")
GROUP = bytes.fromhex("0115000400000007")


def page(port: int) -> bytes:
    body = NAA + GROUP + bytes.fromhex("01140004") + port.to_bytes(4, "big")
    return b"\0\x83" + len(body).to_bytes(2, "big") + body


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with two sessions, each through a port of its own."""
    root = make_host(tmp_path / "host", MINE, ID)
    for path, port in ((SDA, 1), (SDB, 2)):
        put(root, f"sys/class/iscsi_session/session{path.sid}/initiatorname", f"{MINE}\n")
        put(root, f"sys/class/block/{path.device[5:]}/device/vpd_pg83").write_bytes(page(port))
    return root


def registration(sid: int, port: int | None = None, **more: str) -> Registration:
    told = {"initiator": MINE, "isid": f"00023d{sid:06x}", **more}
    return Registration(KEY, told["initiator"], told["isid"], port)


def test_sysfs_tells_initiator_session_and_port(root: Path) -> None:
    found = read_nexus(SDB, root)
    assert (found.initiator, found.port) == (MINE, 2)
    # usr/initiator.c of open-iscsi 2.1.8, and of before 2016.
    assert found.isids == {"00023d000002", "00023d020000"}
    put(root, "sys/class/iscsi_session/session2/isid", "8000AB000001\n")
    assert read_nexus(SDB, root).isids == {"8000ab000001"}
    nothing = read_nexus(DiskPath(9, "9:0:0:0", "/dev/sdz"), root)
    assert (nothing.initiator, nothing.port) == (None, None)


@pytest.mark.parametrize(
    ("data", "port"),
    [
        (page(1), 1), (page(0x1234), 0x1234), (b"", None), (page(1)[:-1], None),
        (b"\0\x83\0\x0c" + NAA, None), (b"\0\x83\0\x08" + GROUP, None),
    ],
)  # fmt: skip
def test_the_target_port_is_the_relative_one_of_page_0x83(data: bytes, port: int | None) -> None:
    assert parse_target_port(data) == port


@pytest.mark.parametrize(
    ("registered", "missing"),
    [
        ([registration(1, 1), registration(2, 2)], []),
        ([registration(1), registration(2)], []),
        # As many as there are paths, left by earlier sessions.
        ([registration(8, 1), registration(9, 2)], ["/dev/sda", "/dev/sdb"]),
        ([registration(1, 1), registration(9, 2)], ["/dev/sdb"]),
        # After a boot the sessions have the same numbers, and lead to each other's ports.
        ([registration(1, 2), registration(2, 1)], ["/dev/sda", "/dev/sdb"]),
        # The array numbers its ports otherwise here.
        ([registration(1, 7), registration(2, 8)], []),
        ([registration(1, isid="8000ab000001"), registration(2, isid="8000ab000002")], []),
        ([registration(1, isid="00023d010000"), registration(2, isid="00023D000002")], []),
        ([registration(1, initiator=MINE.upper()), registration(2)], []),
        ([registration(1, initiator="iqn.2024-01.com.example:iface"), registration(2)],
         ["/dev/sda"]),
        ([Registration(KEY)], []),
    ],
)  # fmt: skip
def test_a_path_is_registered_by_its_own_registration(
    root: Path, registered: list[Registration], missing: list[str]
) -> None:
    assert list(unregistered_paths([SDA, SDB], registered, root)) == missing


def test_what_is_not_known_of_a_path_accuses_nobody() -> None:
    assert PathNexus().has_registered([registration(1, 1)])
    assert not PathNexus().has_registered([])


def test_a_count_of_registrations_is_not_enough_to_be_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, now = Nexus(MINE, "00023d000009"), Nexus(MINE, "00023d000001")
    own = own_key(root)
    lun = ReservingLun({"/dev/sda": now}, {earlier: own}, (earlier, 1))
    pinned = lun.serve(monkeypatch)
    disk = Disk(WWID, (SDA,), Block("/dev/sda", "disk"))
    found = ask_reservations(disk, root)
    assert found.keys == (own,)
    assert found.unregistered == ("/dev/sda",)
    assert not is_kept_over(disk, found)
    assert observe_reservations([disk], root)[WWID].unregistered == ("/dev/sda",)
    assert keep_reserved(pinned, root)
    assert is_kept_over(disk, ask_reservations(disk, root))


def test_of_two_disks_with_one_wwid_the_paths_of_both_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = LunReservations(KEY, keys=(KEY,))

    def ask(disk: Disk, _: Path) -> LunReservations:
        return replace(told, unregistered=(disk.block.device,))

    monkeypatch.setattr("iscsictl.observers.reservations.ask_reservations", ask)
    disks = [Disk(WWID, (path,), Block(path.device, "disk")) for path in (SDA, SDB)]
    assert observe_reservations(disks, root)[WWID].unregistered == ("/dev/sda", "/dev/sdb")
