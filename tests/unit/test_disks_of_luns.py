"""Which LUNs are one disk: by WWID, serial number, size, map and array."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iscsictl.model.listing import Block, in_use
from iscsictl.system.block import block_tree
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount.usage import disk_usage
from tests.bench.make_tree import Tree, put
from tests.unit.growth import require_linear_time

WWID = "naa.60014051234567890abcdef123456789"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


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
    assert in_use(disk.block)
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
    assert warning.text.startswith("/dev/sda, /dev/sdb: the same serial number (A-1)")


@pytest.mark.fault("F110")
def test_thousands_of_luns_with_the_serial_number_of_their_array_are_no_comparison_each() -> None:
    def lun(number: int) -> block_tree.Unit:
        unit = block_tree.Unit(
            1, f"1:0:0:{number}", number, "/none", kname=f"sd{number}", wwid=f"naa.{number}"
        )
        unit.block = Block(f"/dev/sd{number}", "disk", 1 << 30)
        unit.udev = {"ID_SCSI_SERIAL": "ARRAY"}
        return unit

    def grouping(count: int) -> Callable[[], object]:
        luns = [lun(number) for number in range(count)]
        return lambda: block_tree.disks_of(luns, lambda _: "array")

    require_linear_time(grouping, 3000)
    disks, notes = block_tree.disks_of([lun(number) for number in range(3000)], lambda _: "array")
    assert (len(disks), notes) == (3000, ())


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
@pytest.mark.parametrize(
    ("kind", "named_by", "paths"),
    [
        ("static", ("203.0.113.1", "203.0.113.1"), [2]),
        ("send_targets", ("203.0.113.1", "203.0.113.1"), [2]),
        ("static", ("203.0.113.1", "203.0.113.2"), [1, 1]),
        ("static", ("203.0.113.1", ""), [1, 1]),
        ("isns", ("203.0.113.1", "203.0.113.1"), [1, 1]),
    ],
)
def test_luns_of_two_targets_are_one_disk_if_their_records_note_one_portal(
    tree: Tree, kind: str, named_by: tuple[str, str], paths: list[int]
) -> None:
    """`discover --save` makes records without links in send_targets."""
    two_targets(tree)
    for sid, address in ((1, "192.0.2.5"), (2, "198.51.100.5")):
        target = f"iqn.2010-10.org.example:{sid}"
        record = tree.root / f"etc/iscsi/nodes/{target}/{address},3260,1/default"
        record.parent.mkdir(parents=True)
        noted = f"node.discovery_address = {named_by[sid - 1]}\n" if named_by[sid - 1] else ""
        record.write_text(
            f"# BEGIN RECORD 2.1.8\nnode.name = {target}\nnode.tpgt = 1\n"
            "node.startup = manual\niface.iscsi_ifacename = default\n"
            f"{noted}node.discovery_port = 3260\nnode.discovery_type = {kind}\n"
            f"node.conn[0].address = {address}\nnode.conn[0].port = 3260\n# END RECORD\n"
        )
    assert [len(disk.paths) for disk in read_listing(tree.root).disks or ()] == paths


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
