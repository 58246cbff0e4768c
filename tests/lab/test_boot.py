"""The firmware's boot table, handed to the host by QEMU: shown without its secret, logged in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab import ibft
from tests.lab.array import A4
from tests.lab.conftest import CHOSEN, lab_or_skip, running
from tests.lab.image import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
IQN = "iqn.2001-04.com.example:boot"
INITIATOR = "iqn.2001-04.com.example:diskless"
CHAP = ("diskless", "from-the-firmware")
HOST_MAC = "52:54:00:00:00:09"


@pytest.fixture(scope="module")
def diskless() -> Iterator[Lab]:
    """A pair whose host has a boot table."""
    data = ibft.table(
        initiator=INITIATOR, mac=HOST_MAC, address="192.0.2.9", target=IQN, portal=A4, chap=CHAP
    )
    # The path is part of QEMU's command line, and so of what a saved state is kept under.
    file = cache_directory() / "ibft.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    lab = lab_or_skip(CHOSEN[0], {"host": ["-acpitable", f"sig=iBFT,rev=1,data={file}"]})
    running.append(lab)
    try:
        with lab:
            lab.install_project()
            yield lab
    finally:
        running.remove(lab)


def test_the_boot_table_is_shown_without_its_secret_and_logged_in_to(diskless: Lab) -> None:
    host, array = diskless.host, diskless.array
    array.target(IQN, [array.disk("root", "64M")], portals=[A4], chap=CHAP)
    loaded = host.run("modprobe iscsi_ibft; ls /sys/firmware/ibft")
    assert "target0" in loaded.out, host.run("dmesg | grep -i ibft").out
    shown = host.run("iscsictl boot show -J", check=True)
    assert CHAP[1] not in shown.out + shown.err
    (target,) = json.loads(shown.out)["targets"]
    assert (target["target"], target["initiator"], target["lun"]) == (IQN, INITIATOR, 0)
    assert target["portal"]["address"] == A4
    assert target["chap"] == {"username": CHAP[0], "secret": True, "username_in": None,
                              "secret_in": False}  # fmt: skip
    assert target["nic"]["mac"] == HOST_MAC
    assert IQN in host.run("iscsictl boot show", check=True).out
    first = host.run("iscsictl boot login -v")
    assert first.code == 0, str(first)
    assert CHAP[1] not in first.out + first.err
    assert IQN in host.run("iscsiadm -m session").out
    again = json.loads(host.run("iscsictl boot login -J", check=True).out)
    assert [step["status"] for step in again["steps"]] == ["unchanged"]
    found = json.loads(host.run("iscsictl doctor -J --only boot-firmware").out)["findings"]
    assert [f["level"] for f in found] == ["ok"]

    kept = host.run("iscsictl logout --all")
    assert (kept.code, "booted from" in kept.err) == (7, True), str(kept)
    kept = host.run(["iscsictl", "detach", IQN, "--forget"])
    assert (kept.code, "booted from" in kept.err) == (7, True), str(kept)
    assert IQN in host.run("iscsiadm -m session").out
