"""Disks that lost their partition table, and LUNs that tell which of their blocks are mapped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import run_on
from tests.lab.test_disks import IQN, PATIENCE, login, shell
from tests.unit.blank_cells import BY_HAND, PLACES, TOOLS, Cell
from tests.unit.loops import ADD_PARTITION

if TYPE_CHECKING:
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

MIB, GIB = 1 << 20, 1 << 30
ATTACH = f"iscsictl attach -p {A4} -T {IQN} --fs ext4 --mount /srv/x --yes"
#: Bytes of the partition that was lost: on 100 GiB one hundredth of the disk.
LENGTH = GIB
#: Content, where its partition began, size of the disk, and whether the kernel still has it.
CELLS = (
    Cell("ext4", "a third", "100 GiB", known=False),
    Cell("xfs", "10 GiB", "100 GiB", known=False),
    Cell("btrfs", "1 MiB", "10 GiB", known=False),
    Cell("swap", "sector 63", "10 GiB", known=True),
    Cell("LVM", "a third", "10 GiB", known=True),
    Cell("LUKS", "8 MiB", "100 GiB", known=False),
    Cell("md 0.90", "sector 63", "10 GiB", known=True),
    Cell("md 1.2", "1 MiB", "100 GiB", known=False),
    Cell("ZFS", "8 MiB", "10 GiB", known=False),
    Cell("VMFS", "1 MiB", "100 GiB", known=True),
    Cell("Oracle ASM", "sector 63", "10 GiB", known=False),
    Cell("64 MiB of data", "10 GiB", "100 GiB", known=False),
)
# Runs on the array: offset, length and SHA-256 of each extent that was written, for each file.
EXTENTS = r"""
import hashlib, os, sys
for path in sys.argv[1:]:
    file, total, at = os.open(path, os.O_RDONLY), hashlib.sha256(), 0
    os.fsync(file)
    while True:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(file, at, os.SEEK_HOLE)
        total.update(b"%d %d " % (at, end))
        while at < end:
            piece = os.pread(file, min(1 << 20, end - at), at)
            total.update(piece)
            at += len(piece)
    print(total.hexdigest())
"""


def fill(lab: Lab, cell: Cell, disk: Disk) -> None:
    """Write the content of a cell to its place, on the array."""
    start = PLACES[cell.place](disk.size)
    if cell.content == "64 MiB of data":
        at = start // 512 + 12345  # at no place where a tool would have written
        write = f"dd if=/dev/urandom of={disk.path} bs=1M count=64 oflag=seek_bytes conv=notrunc"
        lab.array.run(f"{write} seek={at * 512}", check=True, timeout=PATIENCE)
    elif cell.content in TOOLS:
        loop = f"losetup -f --show -o {start} --sizelimit {LENGTH} {disk.path}"
        tool = f"{' '.join(TOOLS[cell.content])} $d >/dev/null 2>&1"
        script = f"modprobe loop; d=$({loop}) && {tool}; code=$?; losetup -d $d; exit $code"
        lab.array.run(script, check=True, timeout=PATIENCE)
    else:
        for at, data in BY_HAND[cell.content](LENGTH):
            lab.array.write(disk, start + at, data)


def contents(lab: Lab, disks: list[Disk]) -> list[str]:
    """A hash of where each disk was written, and what."""
    command = ["python3", "-c", EXTENTS, *(disk.path for disk in disks)]
    return lab.array.run(command, check=True, timeout=PATIENCE).out.split()


@pytest.mark.torture
@pytest.mark.fault("F60")
def test_a_disk_that_lost_its_table_is_refused_whatever_was_on_it(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disks = [array.disk(f"d{n}", cell.size.replace(" GiB", "G")) for n, cell in enumerate(CELLS)]
    for cell, disk in zip(CELLS, disks, strict=True):
        fill(lab, cell, disk)
    blank = array.disk("blank", "100G")
    devices = login(lab, *disks, blank)
    for cell, disk, device in zip(CELLS, disks, devices, strict=False):
        if cell.known:
            words = (device, "1", str(PLACES[cell.place](disk.size)), str(LENGTH))
            host.run(["python3", "-c", ADD_PARTITION, *words], check=True)
    before, fstab = contents(lab, disks), host.text("/etc/fstab")
    assert len(set(before)) == len(CELLS)
    for number, cell in enumerate(CELLS):
        refused = run_on(host, f"{ATTACH} --lun {number}", 9)
        assert "not blank" in refused.err, f"{cell}: {refused.err}"
    assert contents(lab, disks) == before
    assert host.text("/etc/fstab") == fstab
    planned = run_on(host, f"{ATTACH} --lun {len(CELLS)} -n -J", 10)
    assert "blank: " in planned.out


# On the array: a SCSI disk of the kernel's own that knows which blocks are mapped, passed on.
THIN = """
modprobe scsi_debug lbpu=1 dev_size_mb=128 && modprobe target_core_pscsi
until d=$(ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*); do sleep 0.2
done
at=$(basename $(readlink -f $d/device))
store=/sys/kernel/config/target/core/pscsi_0/thin
mkdir -p $store
echo scsi_host_id=${at%%:*},scsi_channel_id=0,scsi_target_id=0,scsi_lun_id=0 > $store/control
echo /dev/${d##*/} > $store/udev_path
echo 1 > $store/enable
lun=/sys/kernel/config/target/iscsi/IQN/tpgt_1/lun/lun_0
mkdir -p $lun && ln -s $store $lun/thin
"""


def proof_of(lab: Lab) -> str:
    """Why a dry run says that the disk may be formatted."""
    steps = json.loads(run_on(lab.host, f"{ATTACH} -n -J", 10).out)["steps"]
    (why,) = {step["why"] for step in steps if "blank: " in step["why"]}
    return str(why)


@pytest.mark.torture
@pytest.mark.fault("F60")
def test_a_lun_that_tells_which_blocks_are_mapped_is_proved_by_that(lab: Lab) -> None:
    host = lab.host
    lab.array.target(IQN, [])
    lab.array.run(THIN.replace("IQN", IQN), check=True, timeout=PATIENCE)
    shell(lab, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -T {IQN} --login")
    shell(lab, "until [ -e /dev/disk/by-path/*lun-0 ]; do sleep 0.2; done; udevadm settle")
    device = shell(lab, "readlink -f /dev/disk/by-path/*lun-0").strip()
    assert "blank: nothing mapped" in proof_of(lab)
    # Zeroes that were written are mapped, and read.
    write = f"dd of={device} bs=4k count=1 oflag=direct conv=notrunc seek="
    shell(lab, f"{write}9999 if=/dev/zero")
    assert "blank: all read" in proof_of(lab)
    shell(lab, f"{write}9999 if=/dev/urandom")
    refused = run_on(host, ATTACH, 9)
    assert "not blank" in refused.err
    shell(lab, f"blkdiscard {device}")
    assert "blank: nothing mapped" in proof_of(lab)
    run_on(host, f"{ATTACH} && echo kept > /srv/x/file && sync")
    again = json.loads(run_on(host, f"{ATTACH} -J").out)["steps"]
    assert {step["status"] for step in again} == {"unchanged"}
