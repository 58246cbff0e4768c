"""The firmware's boot table, from sysfs, without its secrets."""

from pathlib import Path

import pytest

from iscsictl.model.names import Portal
from iscsictl.parse.firmware import parse_ibft
from iscsictl.system.iscsi.firmware_boot import read_boot_entries


@pytest.mark.fault("F45")
@pytest.mark.parametrize("text", ["", "\0", "3\n", "-1", "9" * 40, "x\0y=1\n\xff"])
def test_any_text_in_any_file_is_read(text: str) -> None:
    names = ("flags", "target-name", "ip-addr", "port", "lun", "nic-assoc", "origin", "vlan")
    files = dict.fromkeys(names, text)
    tree = {"initiator": files, "target0": files, "ethernet0": files, "targetx": files}
    assert all(entry.target == (text.strip(" \n\0") or None) for entry in parse_ibft(tree))


def made_tree(root: Path) -> None:
    files = {
        "initiator/initiator-name": "iqn.2010-04.org.ipxe:host1\n",
        "ethernet0/mac": "52:54:00:12:34:56\n",
        "ethernet0/ip-addr": "192.0.2.9\n",
        "ethernet0/origin": "3\n",
        "ethernet0/flags": "3\n",
        "target0/flags": "3\n",
        "target0/target-name": "iqn.2001-04.com.example:boot\n",
        "target0/ip-addr": "192.0.2.5\n",
        "target0/port": "3260\n",
        "target0/lun": "00000000\n",
        "target0/nic-assoc": "0\n",
        "target0/chap-name": "hostname1\n",
        "target0/chap-secret": "clear-text-secret\n",
        "target0/rev-chap-name-secret": "\n",
        "target1/flags": "0\n",
        "target1/target-name": "iqn.2001-04.com.example:unused\n",
    }
    for name, text in files.items():
        path = root / "sys/firmware/ibft" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "sys/firmware/ibft/ethernet0/device/net/ens3").mkdir(parents=True)


def test_the_table_in_sysfs_is_read_without_its_secrets(tmp_path: Path) -> None:
    made_tree(tmp_path)
    (entry,) = read_boot_entries(tmp_path)
    assert entry.target == "iqn.2001-04.com.example:boot"
    assert entry.portal == Portal("192.0.2.5", 3260)
    assert entry.lun == 0
    assert entry.selected is True
    assert (entry.has_secret, entry.has_secret_in) == (True, False)
    assert (entry.nic.netdev, entry.nic.dhcp) == ("ens3", True)
    assert "clear" not in repr(entry)


def test_a_machine_without_firmware_tables_has_no_entries(tmp_path: Path) -> None:
    assert read_boot_entries(tmp_path) == ()


def test_targets_come_in_the_order_of_their_numbers() -> None:
    tree = {f"target{n}": {"flags": "1", "target-name": str(n)} for n in (10, 2, 1)}
    assert [entry.target for entry in parse_ibft(tree)] == ["1", "2", "10"]
    assert not parse_ibft(tree)[0].selected
