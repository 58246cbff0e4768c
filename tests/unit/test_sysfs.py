import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import ChapNames, Host, Lun, Mount, Timeouts
from iscsictl.model.names import Portal
from iscsictl.system.block import block_tree
from iscsictl.system.io.sysfs_attributes import Folder, read_attribute
from iscsictl.system.iscsi.sessions import find_sessions, read_listing, read_sessions
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
    assert disk_usage(disk, tree.root) == DiskUsage(
        ("/srv",), ("loop device /dev/loop3",), releases=("umount /srv", "losetup -d /dev/loop3")
    )


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
    before = set(Path("/proc/self/fd").iterdir())
    with Folder(str(tmp_path / "a")) as folder:
        names = ("one", "two", "none", "three")
        assert folder.values(names) == {"one": "1", "two": None, "three": "3"}
        assert folder.get("three") == "3"
    # What others opened may have been closed meanwhile, by the garbage collector for example.
    assert set(Path("/proc/self/fd").iterdir()) <= before
    os.close(kept)


def test_an_attribute_is_closed_before_the_next_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a", one="1", two="2", three="3")
    opened: list[int] = []
    most = [0]
    real_open, real_close = os.open, os.close

    def counting(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(real_open(path, flags, mode, dir_fd=dir_fd))
        most[0] = max(most[0], len(opened))
        return opened[-1]

    def closing(fd: int) -> None:
        real_close(fd)
        if fd in opened:
            opened.remove(fd)

    with Folder(str(tmp_path / "a")) as folder:
        monkeypatch.setattr(os, "open", counting)
        monkeypatch.setattr(os, "close", closing)
        assert folder.values(("one", "two", "three")) == {"one": "1", "two": "2", "three": "3"}
        assert folder.get("two") == "2"
    assert most == [1]


@pytest.mark.parametrize("length", [255, 256, 257, 4094])
def test_an_attribute_of_any_length_is_read_whole(tmp_path: Path, length: int) -> None:
    text = "x" * length
    put(tmp_path / "a", long=text)
    with Folder(str(tmp_path / "a")) as folder:
        assert folder.get("long") == text
    assert read_attribute(str(tmp_path / "a/long")) == text


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


def test_the_sessions_of_one_target_are_read_without_the_others(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sid, name in enumerate("abca", 1):
        device = tree.session(sid, f"iqn.2010-10.org.example:{name}")
        tree.block(tree.lun(device, wwid=WWID) / "block", f"sd{'wxyz'[sid - 1]}")
    wanted = {"iqn.2010-10.org.example:a", "iqn.2010-10.org.example:none"}
    every = read_sessions(tree.root, details=False)
    read: list[str] = []
    real = Folder.values

    def values(folder: Folder, names: Iterable[str]) -> dict[str, str | None]:
        read.extend(found := tuple(names))
        return real(folder, found)

    monkeypatch.setattr(Folder, "values", values)
    found = read_sessions(tree.root, details=False, targets=wanted)
    assert found == (every[0], every[3])
    assert len([name for name in read if name == "local_ipaddr"]) == 2
    assert sorted(find_sessions(wanted, tree.root)) == [1, 4]
    assert find_sessions({"iqn.2010-10.org.example:none"}, tree.root) == ()


def test_a_host_without_iscsi_has_no_session_to_any_target(tmp_path: Path) -> None:
    assert find_sessions({"iqn.2010-10.org.example:a"}, tmp_path) == ()
