"""What a detach finds out about a name that nothing has: whether it was taken down before."""

from pathlib import Path

import pytest

from iscsictl.errors import NotFoundError
from iscsictl.model.inventory import Inventory
from iscsictl.model.spec import DetachRequest
from iscsictl.observers.attach import observe_for_detach
from iscsictl.observers.sessions import observe_for_forget
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.iscsi.records import plan_forget
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.system.context import Context


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with nothing attached, on which a detach left a mount point."""
    for place in ("sys", "proc/self", "etc", "srv/left", "srv/full"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "srv/full/file").touch()
    (tmp_path / "proc/self/mountinfo").touch()
    return tmp_path


def refusal(root: Path, name: str) -> object:
    request = DetachRequest(name)
    return plan_detach(observe_for_detach(Context(root=root), request, None), request).refusal


def test_the_empty_mount_point_of_an_earlier_detach_is_unchanged(root: Path) -> None:
    assert refusal(root, "/srv/left") is None


def test_what_this_run_has_forgotten_is_unchanged_where_nothing_is_logged(root: Path) -> None:
    # After the steps the host is observed once more, and then nothing has the name.
    context, name = Context(root=root), "iqn.2001-04.x:y"
    detach, forget = DetachRequest(name, forget=True), RecordSelector(name)
    assert plan_detach(observe_for_detach(context, detach, Inventory()), detach).refusal is None
    assert plan_forget(observe_for_forget(context, forget, Inventory()), forget).refusal is None


@pytest.mark.parametrize("name", ["/srv/full", "/srv/full/file", "/srv/never", "iqn.2001-04.x:y"])
def test_what_no_detach_can_have_left_is_not_found(root: Path, name: str) -> None:
    assert isinstance(refusal(root, name), NotFoundError)
