"""Who holds a LUN without a mount: LIO, LVM, md and dm-crypt of the host that reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.lio import CONFIG
from tests.lab.onhost import IQN, PATIENCE, run_on

if TYPE_CHECKING:
    from tests.lab.pair import Lab

#: A backstore of LIO is made by two writes below this directory (configfs).
BACKSTORE = f"s={CONFIG}/core/%s_7/again; modprobe target_core_%s && mkdir -p $s"
LUKS = "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000"
#: How a holder is made of the device {d}, and how the refusal names it.
HOLDERS = {
    "fileio": (
        BACKSTORE % ("fileio", "file"),
        "echo -n fd_dev_name={d},fd_dev_size=67108864 >$s/control; echo -n 1 >$s/enable",
        "the LIO backstore fileio/again",
    ),
    "iblock": (
        BACKSTORE % ("iblock", "iblock"),
        "echo -n udev_path={d} > $s/control && echo -n {d} > $s/udev_path && echo -n 1 > $s/enable",
        "the LIO backstore iblock/again",
    ),
    "lvm": (
        "pvcreate -qq -y {d} && vgcreate -qq again {d}",
        "lvcreate -qq -y -n data -L 16M again",
        "LVM volume /dev/mapper/again-data",
    ),
    "md": (
        "modprobe raid1",
        "mdadm -q --create /dev/md7 --level=1 --force --raid-devices=1 --run --metadata=1.2 {d}",
        "md array /dev/md7",
    ),
    "crypt": (
        f"echo -n key | {LUKS} {{d}} -",
        "echo -n key | cryptsetup open {d} again -",
        "dm-crypt volume /dev/mapper/again",
    ),
}


@pytest.mark.every_suite
@pytest.mark.fault("F72")
@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=() if k == "fileio" else pytest.mark.torture) for k in HOLDERS],
)
def test_a_lun_that_something_stands_on_is_in_use_and_the_holder_is_named(
    lab: Lab, kind: str
) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("disk", "64M")
    array.target(IQN + "disk", [disk])
    run_on(host, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login")
    run_on(host, "udevadm settle")
    device = run_on(host, f"readlink -f /dev/disk/by-path/*{IQN}disk-lun-0").out.strip()
    first, then, holder = HOLDERS[kind]
    run_on(host, f"{first} && {then}".replace("{d}", device))
    run_on(host, f"udevadm settle; sync; blockdev --flushbufs {device}")

    before = array.sha256(disk)
    for command in (
        f"attach -p {A4} -T {IQN}disk --fs ext4 --mount /srv/x --wipe --confirm {disk.wwid} --yes",
        f"disk mkfs {disk.wwid} --fs ext4 --wipe --confirm {disk.wwid} --yes",
        f"disk label {disk.wwid} gpt --wipe --confirm {disk.wwid} --yes",
    ):
        refused = host.run(f"iscsictl {command}", timeout=PATIENCE)
        assert refused.code in {7, 9}, str(refused)
        assert holder in refused.err, str(refused)
    kept = run_on(host, f"iscsictl logout -T {IQN}disk", 7)
    assert holder in kept.err, str(kept)
    assert array.sha256(disk) == before
