"""Interface definitions and the kinds of initiator."""

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
    initiator_kinds,
    plan_remove,
    plan_write,
    requested_settings,
    require_name,
)
from iscsictl.system.context import Context
from iscsictl.system.iscsi.ifaces import new_text, remove_iface, write_iface
from iscsictl.system.iscsi.nodedb import read_ifaces

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
    assert write_iface(db, "b", wanted, root=tmp_path)
    assert not write_iface(db, "b", wanted, root=tmp_path)
    (iface,) = read_ifaces(db)
    assert (iface.name, iface.transport, iface.mode, iface.problem) == ("b", "tcp", 0o600, None)
    assert iface.values["iface.net_ifacename"] == "eth1"
    assert write_iface(db, "b", {"iface.net_ifacename": None}, root=tmp_path)
    assert "iface.net_ifacename" not in read_ifaces(db)[0].values
    remove_iface(db, "b", root=tmp_path)
    assert read_ifaces(db) == ()
    with pytest.raises(NotFoundError):
        remove_iface(db, "b", root=tmp_path)


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
    assert write_iface(db, "b", values, root=tmp_path)
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
