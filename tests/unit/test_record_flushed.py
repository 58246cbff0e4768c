"""A record that iscsiadm made and the disk did not take is not left behind."""

import errno
import os
from pathlib import Path

import pytest

from iscsictl.engine.executor import CompletedStep, StepFailedError, execute_steps, roll_back
from iscsictl.model.actions import CreateRecord
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status, Step
from iscsictl.system.context import Context
from iscsictl.system.iscsi import iscsiadm, nodedb
from iscsictl.system.iscsi.iscsiadm import Key

IQN = "iqn.2001-04.com.example:a"


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """iscsiadm as far as it makes and deletes a record; returns where that stands."""
    (tmp_path / "etc/iscsi").mkdir(parents=True)
    path = nodedb.record_path(tmp_path / "etc/iscsi", IQN, Portal("192.0.2.5", 3260, 1))

    def make(_: Key, *, timeout: float) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(f"# BEGIN RECORD\nnode.name = {IQN} {timeout}\n# END RECORD\n")

    def delete(_: Key, *, timeout: float) -> None:
        assert timeout
        path.unlink()

    monkeypatch.setattr(iscsiadm, "new_record", make)
    monkeypatch.setattr(iscsiadm, "delete_record", delete)
    return path


def test_it_is_rolled_back(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    context, done = Context(root=tmp_path), list[CompletedStep]()
    step = Step(CreateRecord(IQN, Portal("192.0.2.5", 3260, 1), "default"), IQN, "")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(StepFailedError, match="cannot flush"):
            list(execute_steps([step], context, done))
    assert tools.exists()
    outcomes, leftovers = roll_back(done, context)
    assert [outcome.step.status for outcome in outcomes] == [Status.UNDONE]
    assert (leftovers, tools.exists()) == ([], False)
