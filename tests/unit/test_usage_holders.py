"""Who holds a disk without a mount or a process: LIO, md, LVM, dm-crypt, bcache, DRBD."""

from pathlib import Path

import pytest

from iscsictl.model.listing import Block, Disk
from iscsictl.model.listing import Path as DiskPath
from iscsictl.system.mount import usage
from tests.unit.fake_root import put

DISK = Disk("naa.1", (DiskPath(1, "2:0:0:0", "/dev/sdx"),), Block("/dev/sdx", "disk", 1 << 30))
CORE = "sys/kernel/config/target/core"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with the disk sdx, of two partitions, and no process."""
    put(tmp_path, "sys/class/block/sdx/dev", "65:112\n")
    for number in (1, 2):
        put(tmp_path, f"sys/class/block/sdx/sdx{number}/partition", f"{number}\n")
        put(tmp_path, f"sys/class/block/sdx{number}/partition", f"{number}\n")
        put(tmp_path, f"sys/class/block/sdx{number}/dev", f"65:{112 + number}\n")
    put(tmp_path, "proc/self/mountinfo", "")
    put(tmp_path, "proc/swaps", "Filename Type Size Used Priority\n")
    return tmp_path


def holders(root: Path) -> tuple[str, ...]:
    return usage.disk_usage(DISK, root).other_holders


def hold(root: Path, member: str, holder: str, uuid: str | None = None) -> None:
    """Have `holder` stand on `member`, as the kernel shows it."""
    put(root, f"sys/class/block/{member}/holders/{holder}/dev", "253:9\n")
    put(root, f"sys/class/block/{holder}/dev", "253:9\n")
    if uuid is not None:
        put(root, f"sys/class/block/{holder}/dm/uuid", uuid)
        put(root, f"sys/class/block/{holder}/dm/name", "data")


def test_a_disk_that_nobody_has_has_no_holder(root: Path) -> None:
    put(root, f"{CORE}/fileio_0/other/info", "TCM FILEIO ID: 0 File: /dev/sdy Size: 1")
    assert holders(root) == ()


@pytest.mark.fault("F72")
@pytest.mark.parametrize("node", ["/dev/sdx", "/dev/sdx2"])
def test_a_lun_that_lio_exports_again_is_in_use(root: Path, node: str) -> None:
    info = (
        f"Status: ACTIVATED  Max Queue Depth: 128\n  TCM FILEIO ID: 0  File: {node}  Size: 1073\n"
    )
    put(root, f"{CORE}/fileio_0/again/info", info)
    put(root, f"{CORE}/fileio_0/again/udev_path", "")
    put(root, f"{CORE}/iblock_1/again2/info", "iBlock device: sdx  UDEV PATH: readonly: 0\n")
    put(root, f"{CORE}/iblock_1/again2/udev_path", f"{node}\n")
    assert holders(root) == (
        f"the LIO backstore fileio/again on {node}",
        f"the LIO backstore iblock/again2 on {node}",
    )


@pytest.mark.fault("F72")
def test_a_file_on_the_disk_that_lio_exports_is_use_of_the_disk(root: Path) -> None:
    put(root, "proc/self/mountinfo", "30 1 65:113 / /srv/x rw - ext4 /dev/sdx1 rw\n")
    put(root, f"{CORE}/fileio_0/image/info", "TCM FILEIO ID: 0  File: /srv/x/lun.img  Size: 1\n")
    assert "the LIO backstore fileio/image on /srv/x/lun.img" in holders(root)


@pytest.mark.fault("F72")
@pytest.mark.parametrize(
    ("holder", "uuid", "said"),
    [
        ("md7", None, "md array /dev/md7"),
        ("dm-3", "LVM-abc", "LVM volume /dev/mapper/data"),
        ("dm-3", "CRYPT-LUKS2-abc", "dm-crypt volume /dev/mapper/data"),
        ("bcache0", None, "bcache volume /dev/bcache0"),
        ("drbd1", None, "DRBD volume /dev/drbd1"),
    ],
)
@pytest.mark.parametrize("member", ["sdx", "sdx1"])
def test_what_stands_on_a_disk_or_its_partition_is_named(
    root: Path, member: str, holder: str, uuid: str | None, said: str
) -> None:
    hold(root, member, holder, uuid)
    (told,) = holders(root)
    assert said in told


@pytest.mark.fault("F72")
def test_a_cache_of_bcache_is_in_use_without_a_holder(root: Path) -> None:
    put(root, "sys/class/block/sdx1/bcache/set", "")
    assert holders(root) == ("bcache on /dev/sdx1",)


def releases(root: Path) -> tuple[str, ...]:
    return usage.disk_usage(DISK, root).releases


@pytest.mark.fault("F106")
@pytest.mark.parametrize(
    ("holder", "uuid", "name", "command"),
    [
        ("md7", None, "", "mdadm --stop /dev/md7"),
        ("dm-3", "LVM-abc", "vg0-data", "vgchange -an vg0"),
        ("dm-3", "LVM-abc", "my--vg-my--lv", "vgchange -an my-vg"),
        ("dm-3", "LVM-abc", "data", "lvchange -an /dev/mapper/data"),
        ("dm-3", "CRYPT-LUKS2-abc", "a safe", "cryptsetup close 'a safe'"),
        ("dm-3", "other", "linear", "dmsetup remove linear"),
        ("bcache0", None, "", "echo 1 > /sys/block/bcache0/bcache/stop"),
    ],
)
def test_what_stands_on_a_disk_is_named_with_the_command_that_releases_it(
    root: Path, holder: str, uuid: str | None, name: str, command: str
) -> None:
    hold(root, "sdx1", holder, uuid)
    if name:
        put(root, f"sys/class/block/{holder}/dm/name", name)
    assert releases(root) == (command,)


@pytest.mark.fault("F106")
def test_layers_are_released_from_the_top_down(root: Path) -> None:
    hold(root, "sdx1", "dm-3", "CRYPT-LUKS2-abc")
    put(root, "sys/class/block/dm-3/dm/name", "safe")
    for kname, number, name in (("dm-4", 4, "vg-a"), ("dm-5", 5, "vg-b")):
        put(root, f"sys/class/block/dm-3/holders/{kname}/dev", f"253:{number}\n")
        put(root, f"sys/class/block/{kname}/dev", f"253:{number}\n")
        put(root, f"sys/class/block/{kname}/dm/uuid", "LVM-abc")
        put(root, f"sys/class/block/{kname}/dm/name", name)
    line = "{0} 1 253:{1} / /srv/{2} rw - ext4 /dev/mapper/vg-{2} rw\n"
    mounted = line.format(30, 4, "a") + line.format(31, 4, "a/b\\040c")
    put(root, "proc/self/mountinfo", mounted)
    put(root, "proc/swaps", "Filename Type\n/dev/mapper/vg-b partition 8 0 -2\n")
    assert releases(root) == (
        "swapoff /dev/mapper/vg-b",
        "umount '/srv/a/b c'",
        "umount /srv/a",
        "vgchange -an vg",
        "cryptsetup close safe",
    )
    used = usage.disk_usage(DISK, root)
    assert used.release_hint.startswith("release it, then run this again: swapoff ")
    assert " && vgchange -an vg && cryptsetup close safe" in used.release_hint


@pytest.mark.fault("F106")
def test_a_swap_file_and_an_image_on_the_disk_are_in_use(root: Path) -> None:
    put(
        root,
        "proc/self/mountinfo",
        "29 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 1 65:113 / /srv rw - ext4 /dev/sdx1 rw\n"
        "31 30 8:2 / /srv/local rw - ext4 /dev/sda2 rw\n32 1 7:0 / /img rw - ext4 /dev/loop0 rw\n",
    )
    put(root, "proc/swaps", "Filename Type\n/swap file 8 0 -2\n/srv/local/swap file 8 0 -3\n")
    assert (holders(root), releases(root)) == ((), ())
    put(root, "proc/swaps", "Filename Type\n/swap file 8 0 -2\n/srv/my\\040swap file 8 0 -3\n")
    put(root, "sys/block/loop0/loop/backing_file", "/srv/a.img\n")
    put(root, "sys/class/block/loop0/dev", "7:0\n")
    assert holders(root) == ("swap on /srv/my swap", "loop device /dev/loop0 of /srv/a.img")
    assert releases(root) == ("swapoff '/srv/my swap'", "umount /img", "losetup -d /dev/loop0")


@pytest.mark.fault("F106")
def test_what_has_no_one_command_is_only_named(root: Path) -> None:
    hold(root, "sdx1", "drbd1")
    assert releases(root) == ()
    used = usage.disk_usage(DISK, root)
    assert used.release_hint == "stop that use first, then run this again"
