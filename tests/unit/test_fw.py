"""The firmware's boot table, from iscsiadm and from sysfs, without its secrets."""

from pathlib import Path

import pytest

from iscsictl.model.names import Portal
from iscsictl.parse.fw import BootNic, parse_fw, parse_ibft, redact_fw
from iscsictl.system.ibft import read_boot_entries

# In the form of open-iscsi's fw_entry.c; names and numbers are examples.
PRINTED = """\
# BEGIN RECORD 2.1.8
iface.initiatorname = iqn.2010-04.org.ipxe:host1
iface.transport_name = tcp
iface.hwaddress = 52:54:00:12:34:56
iface.bootproto = DHCP
iface.ipaddress = 192.0.2.9
iface.prefix_len = 24
iface.subnet_mask = 255.255.255.0
iface.gateway = 192.0.2.254
iface.vlan_id = 0
iface.net_ifacename = ens3
node.name = iqn.2001-04.com.example:boot
node.conn[0].address = 192.0.2.5
node.conn[0].port = 3260
node.session.auth.username = hostname1
node.session.auth.password = clear-text-secret
node.session.auth.username_in = array1
node.session.auth.password_in = other = clear text
node.boot_lun = 01000000
# END RECORD
# BEGIN RECORD 2.1.8
iface.bootproto = STATIC
node.name = iqn.2001-04.com.example:second
node.conn[0].address = 2001:db8::5
node.conn[0].port = 860
# END RECORD
"""


def test_the_records_of_iscsiadm_are_read() -> None:
    first, second = parse_fw(PRINTED)
    assert first.target == "iqn.2001-04.com.example:boot"
    assert first.portal == Portal("192.0.2.5", 3260)
    assert first.initiator == "iqn.2010-04.org.ipxe:host1"
    assert first.lun == 1
    assert (first.username, first.has_secret) == ("hostname1", True)
    assert (first.username_in, first.has_secret_in) == ("array1", True)
    assert first.nic == BootNic(
        "52:54:00:12:34:56", "ens3", "192.0.2.9", 24, "255.255.255.0", "192.0.2.254", None, True
    )
    assert second.portal == Portal("2001:db8::5", 860)
    assert (second.lun, second.username, second.has_secret) == (None, None, False)
    assert not second.nic.dhcp


def test_no_secret_is_kept_or_shown() -> None:
    assert "clear" not in repr(parse_fw(PRINTED))
    redacted = redact_fw(PRINTED)
    assert "clear" not in redacted
    assert redacted.count("********") == 2
    assert redacted.count("\n") == PRINTED.count("\n")


@pytest.mark.fault("F45")
@pytest.mark.parametrize("text", ["", "=", "# BEGIN RECORD\n# END RECORD\n", "x\0y=1\n\xff"])
def test_any_text_is_read(text: str) -> None:
    assert isinstance(parse_fw(text), tuple)
    assert isinstance(redact_fw(text), str)


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
