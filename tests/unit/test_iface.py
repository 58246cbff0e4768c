"""Interface definitions, the kinds of initiator, NICs and adapters."""

import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from iscsictl.errors import InUseError, NotFoundError, RefusedError, UsageError
from iscsictl.model.host_facts import Kernel, Nic
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.record import IfaceRecord, NodeRecord
from iscsictl.observers.host import iface_facts
from iscsictl.planner.iscsi.ifaces import (
    IfaceFacts,
    ifaces_bound_to,
    initiator_kinds,
    plan_remove,
    plan_write,
    requested_settings,
    require_name,
)
from iscsictl.system.context import Context
from iscsictl.system.host.addresses import parse_addresses, read_addresses
from iscsictl.system.host.network import read_nics
from iscsictl.system.iscsi.adapters import read_iscsi_hosts
from iscsictl.system.iscsi.ifaces import new_text, remove_iface, write_iface
from iscsictl.system.iscsi.nodedb import read_ifaces
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from tests.commands import call
from tests.unit.fake_root import put

NICS = {
    "lo": Nic("lo"),
    "eth0": Nic("eth0", mac="52:54:00:00:00:01", driver="virtio_net"),
    "p1": Nic("p1", mac="52:54:00:00:00:02", driver="cxgb4"),
}
KERNEL = Kernel("6.1", modules={"iscsi_tcp": "loaded", "cxgb4i": "loadable", "ib_iser": "loadable"})
IFACE = IfaceRecord(
    path=Path("/x"),
    values={"iface.transport_name": "tcp", "iface.net_ifacename": "eth0"},
    name="a",
)
FACTS = IfaceFacts((IFACE,), nics=NICS, kernel=KERNEL)


def test_the_kinds_of_initiator_are_told_with_their_nics() -> None:
    found = {kind.transport: kind for kind in initiator_kinds(FACTS)}
    assert (found["tcp"].usable, found["tcp"].nics) == (True, ("eth0", "p1"))
    assert (found["cxgb4i"].usable, found["cxgb4i"].nics) == (True, ("p1",))
    assert (found["iser"].usable, found["iser"].nics) == (False, ())
    assert found["qedi"].state == "missing"
    assert set(found) == {"tcp", "iser", "bnx2i", "cxgb3i", "cxgb4i", "be2iscsi", "qla4xxx", "qedi",
                          "ocs"}  # fmt: skip
    assert all(kind.advice for kind in found.values())


def test_an_iface_is_bound_to_a_nic_that_there_is() -> None:
    plan = plan_write(FACTS, "b", requested_settings("b", None, "p1", None, None, {}), new=True)
    assert plan.refusal is None
    assert len(plan.pending) == 1
    refusal = plan_write(
        FACTS, "b", requested_settings("b", None, "eth7", None, None, {}), new=True
    ).refusal
    assert isinstance(refusal, NotFoundError)
    assert "eth0" in str(refusal.hint)
    other = requested_settings("b", "tcp", None, "52:54:00:00:00:99", None, {})
    assert isinstance(plan_write(FACTS, "b", other, new=True).refusal, NotFoundError)


def test_adding_twice_is_adding_once() -> None:
    same = plan_write(FACTS, "a", requested_settings("b", None, "eth0", None, None, {}), new=True)
    assert not same.pending
    other = plan_write(FACTS, "a", requested_settings("b", None, "p1", None, None, {}), new=True)
    assert isinstance(other.refusal, RefusedError)
    assert plan_write(
        FACTS, "a", requested_settings("b", None, "p1", None, None, {}), new=False
    ).pending


def test_a_mac_address_may_be_written_in_capitals_however_it_is_given() -> None:
    nics = {"eth0": Nic("eth0", mac="52:54:00:ab:cd:ef", driver="virtio_net")}
    facts = IfaceFacts((IFACE,), nics=nics, kernel=KERNEL)
    mac = "52:54:00:AB:CD:EF"
    for given in (
        requested_settings("a", None, None, mac, None, {}),
        requested_settings("a", None, None, None, None, {"iface.hwaddress": mac}),
    ):
        assert given == {"iface.hwaddress": "52:54:00:ab:cd:ef"}
        assert plan_write(facts, "a", given, new=False).refusal is None
    removed = requested_settings("a", None, None, None, None, {"iface.hwaddress": None})
    assert removed == {"iface.hwaddress": None}


@pytest.mark.parametrize(("transport", "notes"), [("ocs", 1), ("unheard-of", 0)])
def test_a_definition_of_any_transport_is_changed(transport: str, notes: int) -> None:
    iface = IfaceRecord(path=Path("/x"), values={"iface.transport_name": transport}, name="q0")
    facts = IfaceFacts((iface,), nics=NICS, kernel=KERNEL)
    plan = plan_write(facts, "q0", {"iface.vlan_id": "7"}, new=False)
    assert (plan.refusal, len(plan.pending), len(plan.notes)) == (None, 1, notes)


def test_the_address_of_an_adapter_need_not_be_that_of_a_nic() -> None:
    iface = IfaceRecord(path=Path("/x"), values={"iface.transport_name": "qedi"}, name="q0")
    facts = IfaceFacts((iface,), nics=NICS, kernel=KERNEL)
    mac = requested_settings("b", None, None, "52:54:00:00:00:99", None, {})
    assert plan_write(facts, "q0", mac, new=False).refusal is None
    for transport in ("tcp", None):
        to_tcp = {**mac, "iface.transport_name": transport}
        refusal = plan_write(facts, "q0", to_tcp, new=False).refusal
        assert isinstance(refusal, NotFoundError)
    wrong = {"iface.transport_name": "unheard-of"}
    assert isinstance(plan_write(facts, "q0", wrong, new=False).refusal, UsageError)


def test_only_what_is_there_is_changed() -> None:
    assert isinstance(plan_write(FACTS, "z", {}, new=False).refusal, NotFoundError)


@pytest.mark.parametrize(
    "arguments",
    [
        (None, "eth0", "52:54:00:00:00:01", None, {}),
        (None, None, "52:54:00", None, {}),
        (None, None, None, "192.0.2.999", {}),
        (None, None, None, None, {"node.name": "x"}),
    ],
)
def test_values_that_cannot_be_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError):
        requested_settings("b", *arguments)


@pytest.mark.parametrize("name", ["default", "iser", "../x", "a b", "", ".x", "iface.example"])
def test_names_that_open_iscsi_keeps_for_itself_or_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        require_name(name)


def test_an_iface_in_use_stays() -> None:
    record = NodeRecord(path=Path("/x"), target="iqn.x:t", portal=Portal("192.0.2.5"), iface="a")
    for facts in (
        IfaceFacts((IFACE,), records=(record,)),
        IfaceFacts((IFACE,), sessions=(Session("sysfs", "iqn.x:t", iface="a"),)),
    ):
        refusal = plan_remove(facts, "a").refusal
        assert isinstance(refusal, InUseError)
        assert "iqn.x:t" in refusal.text
    assert plan_remove(IfaceFacts((IFACE,)), "a").pending
    assert not plan_remove(IfaceFacts(), "a").pending


def test_a_definition_is_written_read_changed_and_removed(tmp_path: Path) -> None:
    db = tmp_path / "etc/iscsi"
    wanted = {"iface.iscsi_ifacename": "b", "iface.transport_name": "tcp",
              "iface.net_ifacename": "eth1"}  # fmt: skip
    assert write_iface(db, "b", wanted, NodeDbLock(tmp_path))
    assert not write_iface(db, "b", wanted, NodeDbLock(tmp_path))
    (iface,) = read_ifaces(db)
    assert (iface.name, iface.transport, iface.mode, iface.problem) == ("b", "tcp", 0o600, None)
    assert iface.values["iface.net_ifacename"] == "eth1"
    assert write_iface(db, "b", {"iface.net_ifacename": None}, NodeDbLock(tmp_path))
    assert "iface.net_ifacename" not in read_ifaces(db)[0].values
    remove_iface(db, "b", NodeDbLock(tmp_path))
    assert read_ifaces(db) == ()
    with pytest.raises(NotFoundError):
        remove_iface(db, "b", NodeDbLock(tmp_path))


@pytest.mark.parametrize("corrupt", [b"", bytes(512)])
def test_a_corrupt_definition_is_defined_again_or_removed(tmp_path: Path, corrupt: bytes) -> None:
    db = tmp_path / "etc/iscsi"
    (db / "ifaces").mkdir(parents=True)
    (db / "ifaces/b").write_bytes(corrupt)
    (iface,) = read_ifaces(db)
    assert iface.problem is not None
    values = requested_settings("b", "tcp", "eth0", None, None, {})
    facts = IfaceFacts((iface,), nics=NICS, kernel=KERNEL)
    assert plan_write(facts, "b", values, new=False).pending
    assert write_iface(db, "b", values, NodeDbLock(tmp_path))
    (again,) = read_ifaces(db)
    assert (again.problem, again.values["iface.net_ifacename"]) == (None, "eth0")


def test_a_definition_written_by_hand_keeps_its_lines() -> None:
    text = new_text("# mine\niface.mtu = 9000\n", "b", {"iface.net_ifacename": "eth1"})
    assert "# mine\n" in text
    assert "iface.mtu = 9000\n" in text
    assert "iface.net_ifacename = eth1\n" in text
    assert "iface.iscsi_ifacename = b\n" in text


def test_hardware_is_read_from_a_made_tree(tmp_path: Path) -> None:
    driver = tmp_path / "sys/bus/pci/drivers/qla4xxx"
    (driver / "0000:03:00.1").mkdir(parents=True)
    (driver / "module").mkdir()
    (tmp_path / "sys/class/infiniband/mlx5_0").mkdir(parents=True)
    facts = iface_facts(Context(root=tmp_path))
    found = {kind.transport: kind.nics for kind in initiator_kinds(facts)}
    assert found["qla4xxx"] == ("0000:03:00.1",)
    assert found["iser"] == ("mlx5_0",)


#: What the kernel prints of a VLAN (net/8021q/vlanproc.c).
VLAN = """san  VID: 7\t REORDER_HDR: 1  dev->priv_flags: 81021
         total frames received            0
Device: eth0
INGRESS priority mappings: 0:0  1:0
"""
ADAPTER = {
    "hwaddress": "00:c0:dd:00:00:01",
    "ipaddress": "192.0.2.30",
    "initiatorname": "iqn.2000-04.com.qlogic:card",
    "netdev": "(null)",
    "port_state": "UP",
    "port_speed": "10 Gbps",
}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a NIC, a VLAN on it, a bond, and a card that has its own initiator."""
    for name, mac in (("eth0", "52:54:00:00:00:01"), ("san", "52:54:00:00:00:01"),
                      ("bond0", "52:54:00:00:00:02"), ("lo", "00:00:00:00:00:00")):  # fmt: skip
        put(tmp_path, f"sys/class/net/{name}/address", f"{mac}\n")
        put(tmp_path, f"sys/class/net/{name}/operstate", "up\n")
        put(tmp_path, f"sys/class/net/{name}/mtu", "9000\n")
        put(tmp_path, f"sys/class/net/{name}/uevent", f"INTERFACE={name}\nIFINDEX=2\n")
    put(tmp_path, "sys/class/net/san/uevent", "DEVTYPE=vlan\nINTERFACE=san\nIFINDEX=3\n")
    put(tmp_path, "proc/net/vlan/san", VLAN)
    for upper, lower in (("san", "eth0"), ("bond0", "eth0")):
        (tmp_path / f"sys/class/net/{upper}/lower_{lower}").symlink_to(f"../{lower}")
    for name, value in ADAPTER.items():
        put(tmp_path, f"sys/class/iscsi_host/host3/{name}", f"{value}\n")
    put(tmp_path, "sys/class/scsi_host/host3/proc_name", "qla4xxx\n")
    put(tmp_path, "etc/iscsi/ifaces/one",
        "# BEGIN RECORD 2.1.8\niface.iscsi_ifacename = one\niface.net_ifacename = san\n"
        "# END RECORD\n")  # fmt: skip
    return tmp_path


def test_a_vlan_is_told_with_its_id_and_the_nic_below(host: Path) -> None:
    nics = read_nics(host)
    assert {name: (nic.vlan, nic.parent) for name, nic in nics.items()} == {
        "eth0": (None, None),
        "bond0": (None, None),
        "lo": (None, None),
        "san": (7, "eth0"),
    }
    # Only root may read the files of /proc/net/vlan.
    (host / "proc/net/vlan/san").unlink()
    assert (read_nics(host)["san"].vlan, read_nics(host)["san"].parent) == (None, "eth0")


def test_an_adapter_is_told_as_the_kernel_tells_it(host: Path) -> None:
    put(host, "sys/class/iscsi_host/host12/hwaddress", "")
    put(host, "sys/class/scsi_host/host12/proc_name", "iscsi_tcp\n")
    card, software = read_iscsi_hosts(host)
    assert (card.number, card.transport, card.mac) == (3, "qla4xxx", ADAPTER["hwaddress"])
    assert (card.address, card.initiator) == ("192.0.2.30", "iqn.2000-04.com.qlogic:card")
    assert (card.netdev, card.port_state, card.port_speed) == (None, "UP", "10 Gbps")
    assert (software.number, software.transport, software.mac) == (12, "tcp", None)
    assert read_iscsi_hosts(host / "nothing") == ()


def test_an_iface_is_bound_to_a_nic_by_name_or_by_mac_address() -> None:
    by_mac = IfaceRecord(path=Path("/x"), values={"iface.hwaddress": "52:54:00:00:00:0A"}, name="m")
    facts = IfaceFacts((IFACE, by_mac))
    nics = (Nic("eth0"), Nic("p1", mac="52:54:00:00:00:0a"), Nic("p2"))
    assert [ifaces_bound_to(facts, nic) for nic in nics] == [("a",), ("m",), ()]


def test_iface_show_has_nics_and_adapters_below_the_kinds_of_initiator(host: Path) -> None:
    found = json.loads(call(["iface", "show", "-J"], host).out)
    assert found["schema"] == "iscsictl.transports/1"
    assert {nic["netdev"]: nic["ifaces"] for nic in found["nics"]} == {
        "eth0": [],
        "san": ["one"],
        "bond0": [],
    }
    san = next(nic for nic in found["nics"] if nic["netdev"] == "san")
    assert (san["vlan"], san["parent"], san["mtu"], san["state"]) == (7, "eth0", 9000, "up")
    assert (san["mac"], san["addresses"]) == ("52:54:00:00:00:01", None)
    (card,) = found["hosts"]
    assert (card["host"], card["address"], card["sids"]) == (3, "192.0.2.30", [])
    kinds, nics, cards = call(["iface", "show"], host).out.split("\n\n")
    assert kinds.startswith("TRANSPORT")
    assert any(line.split()[:6] == ["san", "up", "9000", "7", "on", "eth0"]
               for line in nics.splitlines())  # fmt: skip
    # A column that is empty in every row is left out: a capture has no addresses.
    assert nics.splitlines()[0].split() == ["NIC", "STATE", "MTU", "VLAN", "MAC", "IFACES"]
    assert cards.splitlines()[1].split()[:4] == ["3", "qla4xxx", "192.0.2.30", ADAPTER["hwaddress"]]


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def test_addresses_are_read_from_what_the_kernel_answers() -> None:
    other, own = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.9")
    local = socket.inet_pton(socket.AF_INET6, "fe80::1")
    # The label, IFA_LABEL, is no multiple of four bytes, and is padded.
    link = _attribute(1, other) + _attribute(2, own) + _attribute(3, b"ppp0\0")
    first = _message(20, struct.pack("=BBBBI", socket.AF_INET, 32, 128, 0, 5) + link)
    second = _message(20, struct.pack("=BBBBI", socket.AF_INET6, 64, 128, 253, 2)
                      + _attribute(1, local))  # fmt: skip
    assert parse_addresses(first + second) == (False, [(5, "192.0.2.9/32"), (2, "fe80::1/64")])
    assert parse_addresses(_message(3, bytes(4))) == (True, [])
    refused, short = _message(2, struct.pack("=i", -1)), struct.pack("=IHHII", 3, 20, 0, 1, 0)
    for broken in (refused, short, first[:-3]):
        with pytest.raises(OSError, match="rtnetlink"):
            parse_addresses(broken)


def test_this_host_has_its_loopback_address() -> None:
    addresses = read_addresses()
    assert addresses is not None
    assert "127.0.0.1/8" in addresses["lo"]
    assert read_nics()["lo"].addresses == addresses["lo"]
