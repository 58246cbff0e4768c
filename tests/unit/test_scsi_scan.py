"""Which target id is scanned for LUNs, also on adapters whose host carries several sessions."""

from pathlib import Path

import pytest

from iscsictl.engine.handlers.registry import execute_action
from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_sessions
from tests.bench.make_tree import Tree

A, B = "iqn.2026-01.example:a", "iqn.2026-01.example:b"
HOST = 7


@pytest.fixture
def adapter(tmp_path: Path) -> Tree:
    """An offload adapter with two sessions on one SCSI host."""
    tree = Tree(tmp_path)
    tree.session(1, A, host=HOST, target_id="0")
    tree.session(2, B, host=HOST, target_id="3")
    return tree


def scanned(tree: Tree) -> str:
    return (tree.sys / f"class/scsi_host/host{HOST}/scan").read_text()


def execute(action: Action, tree: Tree) -> None:
    context = Context(0.05, tree.root)
    with context.waiter:
        execute_action(action, context)


def rescan(tree: Tree, sid: int) -> str:
    execute(actions.Rescan(sid), tree)
    return scanned(tree)


@pytest.mark.fault("F88")
@pytest.mark.parametrize(("sid", "target"), [(1, "0 0 -"), (2, "0 3 -")])
def test_rescan_scans_the_target_id_of_its_session(adapter: Tree, sid: int, target: str) -> None:
    assert rescan(adapter, sid) == target


@pytest.mark.fault("F88")
@pytest.mark.parametrize(("target", "place"), [(A, "0 0 5"), (B, "0 3 5")])
def test_attach_and_reconnect_scan_the_target_id_of_their_session(
    adapter: Tree, target: str, place: str
) -> None:
    # Both plan this action for a LUN that a session does not show.
    with pytest.raises(NotFoundError, match="did not show LUN 5"):
        execute(actions.Scan(target, 5, (HOST,)), adapter)
    assert scanned(adapter) == place


@pytest.mark.fault("F88")
def test_the_name_of_the_target_that_has_luns_tells_its_id(adapter: Tree) -> None:
    device = adapter.sys / f"class/iscsi_session/session2/device/target{HOST}:0:9"
    device.mkdir()
    assert rescan(adapter, 2) == "0 9 -"


@pytest.mark.fault("F88")
@pytest.mark.parametrize("target_id", [None, "-1"])
def test_a_session_without_a_target_id_is_found_by_scanning_all(
    adapter: Tree, target_id: str | None
) -> None:
    attribute = adapter.sys / "class/iscsi_session/session2/target_id"
    attribute.unlink()
    if target_id is not None:
        attribute.write_text(target_id)
    assert rescan(adapter, 2) == "0 - -"


def test_the_sessions_of_the_adapter_are_on_one_host(adapter: Tree) -> None:
    hosts = {s.sid: s.host.number for s in read_sessions(adapter.root) if s.host is not None}
    assert hosts == {1: HOST, 2: HOST}
