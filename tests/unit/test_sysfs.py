import os
import shutil
from pathlib import Path

import pytest

from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import ChapNames, Host, Lun, Mount, Timeouts
from iscsictl.model.names import Portal
from iscsictl.system.block import block_tree
from iscsictl.system.io.sysfs_attributes import Folder
from iscsictl.system.iscsi.sessions import read_listing, read_sessions
from iscsictl.system.mount.usage import disk_usage
from tests.bench.make_tree import Tree, make, put

WWID = "naa.60014051234567890abcdef123456789"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_session_tells_what_iscsiadm_would(tree: Tree) -> None:
    device = tree.session(7, "iqn.2010-10.org.example:A", "2001:db8::5", port=860, tpgt="2")
    lun = tree.lun(device, 3, wwid=WWID)
    tree.block(lun / "block", "sdc")
    tree.lun(device, 12)
    (session,) = read_sessions(tree.root)
    assert session.source == "sysfs"
    assert (session.sid, session.target) == (7, "iqn.2010-10.org.example:A")
    assert session.portal == session.persistent_portal == Portal("2001:db8::5", 860, 2)
    assert (session.transport, session.iface) == ("tcp", "default")
    assert (session.initiator_address, session.alias) == ("192.0.2.9", "LIO Target")
    assert (session.status, session.session_state) == ("up", "LOGGED_IN")
    assert (session.connection_state, session.internal_state) == ("LOGGED IN", None)
    assert session.timeouts == Timeouts(120, 30, 30, 15)
    assert session.chap == ChapNames(None, None)
    assert session.params is not None
    assert (session.params["HeaderDigest"], session.params["DataDigest"]) == ("None", "CRC32C")
    assert (session.params["InitialR2T"], session.params["MaxBurstLength"]) == ("Yes", "262144")
    assert session.host == Host(8, "running")
    assert session.luns == (
        Lun(3, "8:0:0:3", "/dev/sdc", "running", WWID),
        Lun(12, "8:0:0:12", None, "running", None, type=0),
    )


@pytest.mark.parametrize(
    ("state", "connection", "status"),
    [("LOGGED_IN", "up", "up"), ("FAILED", "failed", "recovering"), ("FREE", "down", "recovering"),
     ("LOGGED_IN", "failed", "unknown")],
)  # fmt: skip
def test_the_status_is_the_kernel_s(tree: Tree, state: str, connection: str, status: str) -> None:
    tree.session(1, "iqn.2010-10.org.example:a", state=state, connection={"state": connection})
    assert read_sessions(tree.root)[0].status == status


def test_older_kernels_without_connection_states_are_read(tree: Tree) -> None:
    tree.session(1, "iqn.2010-10.org.example:a")
    conn = tree.sys / "class/iscsi_connection/connection1:0"
    (conn / "state").unlink()
    (conn / "local_ipaddr").unlink()
    (session,) = read_sessions(tree.root)
    assert (session.status, session.connection_state) == ("up", None)
    assert session.initiator_address == "192.0.2.9"


def test_a_session_without_a_connection_has_the_portal_it_was_asked_for(tree: Tree) -> None:
    tree.session(1, "iqn.2010-10.org.example:a", state="FAILED", connection={"state": "failed"})
    for name in ("address", "port"):
        (tree.sys / "class/iscsi_connection/connection1:0" / name).unlink()
    (session,) = read_sessions(tree.root)
    assert session.portal == session.persistent_portal == Portal("192.0.2.5", 3260, 1)


def test_sessions_come_in_the_order_of_their_numbers(tree: Tree) -> None:
    for sid in (10, 2, 1):
        tree.session(sid, f"iqn.2010-10.org.example:t{sid}")
    assert [session.sid for session in read_sessions(tree.root)] == [1, 2, 10]


def test_sessions_of_one_adapter_keep_their_luns_apart(tree: Tree) -> None:
    for sid in (1, 2):
        device = tree.session(sid, f"iqn.2010-10.org.example:t{sid}", host=9)
        tree.lun(device, sid)
    first, second = read_sessions(tree.root)
    assert first.host == second.host == Host(9, "running")
    assert [lun.lun for lun in first.luns or ()] == [1]
    assert [lun.lun for lun in second.luns or ()] == [2]


def test_a_machine_without_iscsi_has_no_sessions(tmp_path: Path) -> None:
    listing = read_listing(tmp_path)
    assert (listing.sessions, listing.disks, listing.warnings) == ((), (), ())


def test_secrets_are_never_opened(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = os.open

    def recording(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(str(path))
        return real(path, flags, mode, dir_fd=dir_fd)

    tree.session(1, "iqn.2010-10.org.example:a", username="bob", password="s3cret")
    monkeypatch.setattr(os, "open", recording)
    (session,) = read_sessions(tree.root)
    assert session.chap == ChapNames("bob", None)
    assert opened
    assert not [path for path in opened if "password" in path]


def test_the_devices_of_one_btrfs_are_told_apart(tree: Tree) -> None:
    session = tree.session(1, "iqn.2010-10.org.example:a")
    for n, letter in enumerate("ab"):
        lun = tree.lun(session, n, wwid=WWID[:-1] + str(n))
        tree.block(lun / "block", f"sd{letter}", 100, number=f"8:{16 * n}",
                   ID_FS_TYPE="btrfs", ID_FS_UUID="u", ID_FS_UUID_SUB=f"sub-{n}")  # fmt: skip
    disks = read_listing(tree.root).disks or ()
    assert [(d.block.uuid, d.block.member) for d in disks] == [("u", "sub-0"), ("u", "sub-1")]


def test_the_tree_goes_from_the_disk_to_the_mount(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    disk = tree.block(lun / "block", "sda", 100, ID_SCSI_SERIAL="S1", ID_VENDOR_ENC="LIO\\x20ORG")
    tree.block(
        disk, "sda2", 40, number="8:2", ID_FS_TYPE="ext4", ID_FS_UUID="u-2",
        ID_FS_LABEL="my_disk", ID_FS_LABEL_ENC="my\\x20disk",
    )  # fmt: skip
    part = tree.block(disk, "sda10", 30, number="8:10", ID_FS_TYPE="LVM2_member")
    lv = tree.virtual("dm-3", "253:3", 29, ID_FS_TYPE="xfs")
    (lv / "dm").mkdir()
    (lv / "dm/name").write_text("vg-data\n")
    (lv / "dm/uuid").write_text("LVM-abc\n")
    tree.hold(part, lv)
    tree.mount("8:2", "/srv/with\\040blank")
    tree.mount("253:3", "/srv/data", "xfs")
    (found,) = read_listing(tree.root).disks or ()
    assert (found.wwid, found.serial, found.vendor) == (WWID, "S1", "LIO ORG")
    assert (found.model, found.type) == ("l0", "disk")
    assert (found.block.device, found.block.size) == ("/dev/sda", 100 * 2**20)
    second, tenth = found.block.children
    assert (second.device, second.kind, second.label, second.uuid) == (
        "/dev/sda2", "part", "my disk", "u-2",
    )  # fmt: skip
    assert second.mounts == (Mount("/srv/with blank", ("rw", "relatime")),)
    assert (tenth.device, tenth.fstype) == ("/dev/sda10", "LVM2_member")
    (volume,) = tenth.children
    assert (volume.device, volume.kind, volume.fstype) == ("/dev/mapper/vg-data", "lvm", "xfs")
    assert [mount.path for mount in volume.mounts] == ["/srv/data"]
    assert block_tree.holders(tree.root, "sda10") == ("dm-3",)
    assert block_tree.partitions(tree.root, "sda") == ("sda2", "sda10")
    assert block_tree.device_number(tree.root, "sda10") == "8:10"


def two_paths(tree: Tree) -> list[Path]:
    disks = []
    for sid, address, name in ((1, "192.0.2.5", "sda"), (2, "198.51.100.5", "sdb")):
        lun = tree.lun(tree.session(sid, "iqn.2010-10.org.example:a", address), 0, wwid=WWID)
        disks.append(tree.block(lun / "block", name))
    return disks


def test_paths_under_a_map_are_one_disk_which_is_the_map(tree: Tree) -> None:
    disks = two_paths(tree)
    top = tree.virtual("dm-0", "253:0", ID_FS_TYPE="xfs")
    (top / "dm").mkdir()
    (top / "dm/name").write_text("mpatha\n")
    (top / "dm/uuid").write_text("mpath-36001405\n")
    for below in disks:
        tree.hold(below, top)
    tree.mount("253:0", "/srv")
    listing = read_listing(tree.root)
    (disk,) = listing.disks or ()
    assert [path.device for path in disk.paths] == ["/dev/sda", "/dev/sdb"]
    assert (disk.block.device, disk.block.kind) == ("/dev/mapper/mpatha", "mpath")
    assert [mount.path for mount in disk.block.mounts] == ["/srv"]
    assert listing.warnings == ()


@pytest.mark.fault("F58")
def test_a_partition_of_a_map_is_no_user_of_the_disk(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    below = tree.block(lun / "block", "sda")
    for number, (name, prefix) in enumerate((("mpatha", "mpath"), ("mpatha-part1", "part1-mpath"))):
        top = tree.virtual(f"dm-{number}", f"253:{number}")
        (top / "dm").mkdir()
        (top / "dm/name").write_text(f"{name}\n")
        (top / "dm/uuid").write_text(f"{prefix}-36001405\n")
        tree.hold(below, top)
        below = top
    tree.mount("253:1", "/srv")
    (disk,) = read_listing(tree.root).disks or ()
    assert disk_usage(disk, tree.root).mounts == ("/srv",)
    assert [who for who in disk_usage(disk, tree.root).other_holders if "part1" in who] == []


@pytest.mark.fault("F23")
def test_paths_without_a_map_are_one_disk_with_a_warning_and_hide_no_use(tree: Tree) -> None:
    _, second = two_paths(tree)
    tree.block(second, "sdb1", number="8:17", ID_FS_TYPE="ext4")
    tree.mount("8:17", "/srv")
    listing = read_listing(tree.root)
    (disk,) = listing.disks or ()
    assert [path.device for path in disk.paths] == ["/dev/sda", "/dev/sdb"]
    assert block_tree.in_use(disk.block)
    (warning,) = listing.warnings
    assert WWID in warning.text


@pytest.mark.fault("F23")
def test_one_serial_with_two_wwids_is_a_warning_unless_one_session_has_both(tree: Tree) -> None:
    first = tree.session(1, "iqn.2010-10.org.example:a", "192.0.2.5")
    second = tree.session(2, "iqn.2010-10.org.example:b", "198.51.100.5")
    places = (
        (first, 0, "sda", "A-1"), (second, 0, "sdb", "A-1"),
        (first, 1, "sdc", "B-2"), (first, 2, "sdd", "B-2"),
    )  # fmt: skip
    for number, (session, lun_number, name, serial) in enumerate(places):
        lun = tree.lun(session, lun_number, wwid=f"naa.600140500000000000000000000000{number:02}")
        tree.block(lun / "block", name, number=f"8:{number}", ID_SCSI_SERIAL=serial)
    listing = read_listing(tree.root)
    assert len(listing.disks or ()) == len(places)
    (warning,) = listing.warnings
    assert warning.text.startswith("/dev/sda, /dev/sdb: one serial number (A-1)")


def multipath(tree: Tree, disks: list[Path]) -> None:
    """Put a map over the disks."""
    top = tree.virtual("dm-0", "253:0")
    put(top / "dm", name="mpatha", uuid="mpath-36001405")
    for below in disks:
        tree.hold(below, top)


def report_serial(tree: Tree, sid: int, text: str) -> None:
    """Have the LUN of a session report a unit serial number (VPD page 80h)."""
    page = bytes((0, 0x80, 0, len(text))) + text.encode()
    (tree.sys / f"devices/platform/host{sid + 1}/session{sid}/target{sid + 1}:0:0"
     f"/{sid + 1}:0:0:0/vpd_pg80").write_bytes(page)  # fmt: skip


@pytest.mark.fault("F65")
@pytest.mark.fault("F66")
@pytest.mark.parametrize("mapped", [False, True])
def test_luns_of_one_wwid_and_two_serials_are_two_disks(tree: Tree, mapped: bool) -> None:
    disks = two_paths(tree)
    if mapped:
        multipath(tree, disks)
    for sid, text in ((1, "first"), (2, "second")):
        report_serial(tree, sid, text)
    listing = read_listing(tree.root)
    found = [([p.device for p in d.paths], d.serial) for d in listing.disks or ()]
    assert found == [(["/dev/sda"], "first"), (["/dev/sdb"], "second")]
    (warning,) = listing.warnings
    for word in ("different disks", "/dev/sda", "/dev/sdb", "first", "second"):
        assert word in warning.text
    report_serial(tree, 2, "first")
    assert len(read_listing(tree.root).disks or ()) == 1


@pytest.mark.fault("F65")
def test_luns_of_one_wwid_and_two_sizes_are_two_disks_unless_a_map_learns_of_a_new_size(
    tree: Tree,
) -> None:
    _, second = two_paths(tree)
    (second / "size").write_text("4194304\n")
    listing = read_listing(tree.root)
    assert [len(disk.paths) for disk in listing.disks or ()] == [1, 1]
    assert "different disks" in listing.warnings[0].text


@pytest.mark.fault("F66")
def test_a_map_over_two_wwids_is_two_disks_with_a_warning(tree: Tree) -> None:
    disks = two_paths(tree)
    multipath(tree, disks)
    other = WWID[:-1] + "a"
    (disks[1].parent.parent / "wwid").write_text(other + "\n")
    listing = read_listing(tree.root)
    assert [disk.wwid for disk in listing.disks or ()] == [WWID, other]
    assert {disk.block.device for disk in listing.disks or ()} == {"/dev/mapper/mpatha"}
    (warning,) = listing.warnings
    assert warning.text.startswith("/dev/mapper/mpatha joins different disks: /dev/sda")


def two_targets(tree: Tree, second: str = "198.51.100.5") -> None:
    """One WWID, serial and size behind two targets, each through a portal."""
    for sid, address, name in ((1, "192.0.2.5", "sda"), (2, second, "sdb")):
        device = tree.session(sid, f"iqn.2010-10.org.example:{sid}", address)
        tree.block(tree.lun(device, 0, wwid=WWID) / "block", name)
        report_serial(tree, sid, "same")


@pytest.mark.fault("F65")
def test_luns_of_two_targets_are_one_disk_only_if_one_portal_offers_both(tree: Tree) -> None:
    two_targets(tree)
    listing = read_listing(tree.root)
    assert [len(disk.paths) for disk in listing.disks or ()] == [1, 1]
    assert "iqn.2010-10.org.example:2" in listing.warnings[0].text
    offered = tree.root / "etc/iscsi/send_targets/203.0.113.1,3260"
    offered.mkdir(parents=True)
    for sid in (1, 2):
        (offered / f"iqn.2010-10.org.example:{sid},192.0.2.5,3260,1,default").touch()
    assert [len(disk.paths) for disk in read_listing(tree.root).disks or ()] == [2]


@pytest.mark.fault("F65")
def test_targets_with_sessions_through_one_portal_are_of_one_array(tree: Tree) -> None:
    two_targets(tree, second="192.0.2.5")
    assert [len(disk.paths) for disk in read_listing(tree.root).disks or ()] == [2]


@pytest.mark.fault("F65")
@pytest.mark.parametrize(
    ("wwid", "identifying"),
    [
        ("naa.600140509876543210abcdef01234567", True),
        ("naa.5000c500a1b2c3d4", True),
        ("naa.3333000000001f40", True),
        ("eui.0011223344556677", True),
        ("t10.LIO-ORG my-disk:0f8a", True),
        ("naa.00000000000000000000000000000000", False),
        ("naa.6000000000000000", False),
        ("naa.60000000000000000e00000000010001", False),
        ("naa.3000000100000001", False),
        ("eui.0000000000000000", False),
        ("t10.IET     00010001", False),
        ("t10.", False),
    ],
)
def test_a_wwid_that_other_arrays_have_too_counts_as_none(
    tree: Tree, wwid: str, identifying: bool
) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=wwid)
    tree.block(lun / "block", "sda")
    (disk,) = read_listing(tree.root).disks or ()
    assert disk.wwid == (wwid if identifying else None)


@pytest.mark.fault("F55")
def test_the_second_device_of_a_btrfs_counts_as_mounted(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    tree.block(lun / "block", "sda", ID_FS_TYPE="btrfs")
    tree.virtual("vdb", "254:16", ID_FS_TYPE="btrfs")
    for name in ("sda", "vdb"):
        (tree.sys / "fs/btrfs/abc/devices" / name).mkdir(parents=True)
    tree.mount("0:55", "/srv", "btrfs", "/dev/vdb")
    (disk,) = read_listing(tree.root).disks or ()
    assert [mount.path for mount in disk.block.mounts] == ["/srv"]


@pytest.mark.fault("F55")
def test_a_loop_device_on_a_partition_hangs_below_it(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    tree.block(lun / "block", "sda")
    loop = tree.virtual("loop3", "7:3")
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text("/dev/sda\n")
    (disk,) = read_listing(tree.root).disks or ()
    assert [(block.device, block.kind) for block in disk.block.children] == [("/dev/loop3", "loop")]


@pytest.mark.fault("F55")
def test_a_loop_device_counts_as_a_user_and_what_is_mounted_from_it_too(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    tree.block(lun / "block", "sda")
    (disk,) = read_listing(tree.root).disks or ()
    assert disk_usage(disk, tree.root) == DiskUsage()
    loop = tree.virtual("loop3", "7:3")
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text("/dev/sda\n")
    assert disk_usage(disk, tree.root).other_holders == ("loop device /dev/loop3",)
    tree.mount("7:3", "/srv", "ext4", "/dev/loop3")
    (disk,) = read_listing(tree.root).disks or ()
    assert disk_usage(disk, tree.root) == DiskUsage(("/srv",), ("loop device /dev/loop3",))


@pytest.mark.parametrize("lost", ["dev", "bus", "class/iscsi_transport"])
def test_a_tree_without_one_of_the_indexes_reads_the_same(tree: Tree, lost: str) -> None:
    make(tree.root, 3)
    before = read_listing(tree.root)
    shutil.rmtree(tree.sys / lost)
    assert read_listing(tree.root) == before


def test_what_udev_knew_of_the_disk_before_is_not_told_of_this_one(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    old = "0x60014059999999999999999999999999"
    disk = tree.block(
        lun / "block", "sda", ID_WWN_WITH_EXTENSION=old, ID_FS_TYPE="ext4", ID_SCSI_SERIAL="old"
    )
    tree.block(disk, "sda1", number="8:1", ID_WWN_WITH_EXTENSION=old, ID_FS_TYPE="xfs")
    (found,) = read_listing(tree.root).disks or ()
    assert (found.block.fstype, found.serial) == (None, None)
    assert [child.fstype for child in found.block.children] == [None]
    (lun / "vpd_pg80").write_bytes(b"\0\x80\0\x03old")
    (found,) = read_listing(tree.root).disks or ()
    assert (found.block.fstype, found.serial) == ("ext4", "old")


@pytest.mark.parametrize("gone", ["session", "connection", "disk", "part", "udev", "state"])
def test_what_vanishes_while_it_is_read_is_no_error(tree: Tree, gone: str) -> None:
    make(tree.root, 2)
    device = tree.sys / "devices/platform/host2/session1"
    own = device / "iscsi_session/session1"
    disk = device / "target2:0:0/2:0:0:0/block/sda"
    path = {
        "session": device, "connection": device / "connection1:0", "disk": disk,
        "part": disk / "sda1", "udev": tree.root / "run", "state": own / "state",
    }[gone]  # fmt: skip
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    listing = read_listing(tree.root)
    lost = gone in ("session", "state")
    assert [session.sid for session in listing.sessions] == ([2] if lost else [1, 2])
    expected = 2 - (lost or gone == "disk")
    assert len(listing.disks or ()) == expected


def test_a_disk_that_the_kernel_is_taking_away_has_no_size(tree: Tree) -> None:
    make(tree.root, 1)
    disk = tree.sys / "devices/platform/host2/session1/target2:0:0/2:0:0:0/block/sda"
    (disk / "size").write_text("0\n")
    (found,) = read_listing(tree.root).disks or ()
    assert found.block.size is None


def test_reading_closes_what_it_opened_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "a", one="1", two="(null)", three="3")
    hole = os.open(tmp_path, os.O_RDONLY)
    kept = os.open(tmp_path, os.O_RDONLY)
    os.close(hole)
    before = sorted(Path("/proc/self/fd").iterdir())
    with Folder(str(tmp_path / "a")) as folder:
        names = ("one", "two", "none", "three")
        assert folder.values(names) == {"one": "1", "two": None, "three": "3"}
        assert folder.get("three") == "3"
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    os.close(kept)


def test_the_reads_of_a_session_are_few_and_grow_with_their_number_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {}
    real = os.open
    calls = [0]

    def counting(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        calls[0] += 1
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", counting)
    for number in (1, 10, 20):
        make(tmp_path / str(number), number)
        calls[0] = 0
        read_listing(tmp_path / str(number))
        counts[number] = calls[0]
    assert counts[20] - counts[10] == 10 * (counts[10] - counts[1]) / 9
    assert (counts[20] - counts[10]) / 10 <= 38


@pytest.mark.fault("F29")
def test_what_is_mounted_over_ours_is_told_with_its_source(tree: Tree) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    tree.block(lun / "block", "sda")
    tree.mount("8:0", "/srv")
    (disk,) = read_listing(tree.root).disks or ()
    assert disk_usage(disk, tree.root).covered == ()
    tree.mount("0:77", "/srv", "tmpfs", "theirs")
    assert disk_usage(disk, tree.root) == DiskUsage(("/srv",), covered=(("/srv", "theirs"),))


@pytest.mark.fault("F29")
@pytest.mark.parametrize(("path", "follows"), [("/srv", True), ("/other", False)])
def test_a_bind_mount_elsewhere_in_a_namespace_stays_when_ours_goes(
    tree: Tree, path: str, follows: bool
) -> None:
    lun = tree.lun(tree.session(1, "iqn.2010-10.org.example:a"), 0, wwid=WWID)
    tree.block(lun / "block", "sda")
    put(tree.root / "proc/self", mountinfo="30 1 8:0 / /srv rw shared:9 - ext4 /dev/sda rw")
    for pid, namespace in (("self", "1"), ("77", "2")):
        (tree.root / f"proc/{pid}/ns").mkdir(parents=True)
        (tree.root / f"proc/{pid}/ns/mnt").symlink_to(f"mnt:[{namespace}]")
    line = f"90 2 8:0 / {path} rw master:9 - ext4 /dev/sda rw"
    put(tree.root / "proc/77", comm="postgres", mountinfo=line)
    (disk,) = read_listing(tree.root).disks or ()
    held = f"the mount on {path} in the namespace of process 77 (postgres)"
    assert disk_usage(disk, tree.root).other_holders == (() if follows else (held,))
