"""The old fstab of the sfnet driver: a line's filesystem is found once its target is logged in."""

import time
from pathlib import Path

import pytest

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.legacy import writer
from iscsictl.legacy.model import OldMount
from iscsictl.legacy.planner import MountPlan
from iscsictl.legacy.writer import MachineWriter
from iscsictl.model import actions
from iscsictl.model.listing import Block, Disk, Listing, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.plan import Action
from iscsictl.system.context import Context
from tests.patience import PATIENCE
from tests.unit.fake_root import put

TARGET = "iqn.2001-04.com.example:a"
NODE = f"etc/iscsi/nodes/{TARGET}/192.0.2.5,3260,1/default"
RECORD = (
    "# BEGIN RECORD 2.1.8\nnode.name = {}\nnode.conn[0].address = 192.0.2.5\n"
    "node.conn[0].port = 3260\nnode.tpgt = 1\n# END RECORD\n"
)


def listing(*parts: Block) -> Listing:
    """The target with one LUN, a disk with these partitions."""
    path = DiskPath(1, "2:0:0:0", "/dev/sda", "running")
    disk = Disk("naa.1", (path,), Block("/dev/sda", kind="disk", children=parts))
    lun = Lun(0, "2:0:0:0", "/dev/sda", "running", "naa.1")
    return Listing((Session("sysfs", TARGET, sid=1, luns=(lun,)),), (disk,))


FIRST = Block("/dev/sda1", fstype="ext4", uuid="1a-1")
SECOND = Block("/dev/sda2", fstype="xfs", uuid="2b-2")


def imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int | None, *after: Listing
) -> actions.WriteFstab:
    """Import a line of a target that is not logged in; `after` is what comes of the login."""
    put(tmp_path, NODE, RECORD.format(TARGET))
    done: list[Action] = []
    waiting = list(after)

    def execute(action: Action, _: Context) -> StepResult:
        done.append(action)
        return StepResult(changed=False)

    def read(_: Path) -> Listing:
        if not any(isinstance(action, actions.Login) for action in done):
            return Listing((), ())
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    monkeypatch.setattr(writer, "execute_action", execute)
    monkeypatch.setattr(writer, "read_listing", read)
    mount = MountPlan(OldMount(3, "/dev/iscsi/x", "/srv", "ext4"), TARGET, 0, part)
    context = Context(wait=3 * PATIENCE, root=tmp_path)
    with context.waiter:
        MachineWriter(context).set_mount(mount)
    written = done[-1]
    assert isinstance(written, actions.WriteFstab)
    return written


@pytest.mark.parametrize(("part", "uuid"), [(1, "1a-1"), (2, "2b-2")])
def test_a_partition_is_found_as_soon_as_it_is_there_though_the_disk_has_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, uuid: str
) -> None:
    began = time.monotonic()
    assert imported(tmp_path, monkeypatch, part, listing(FIRST, SECOND)).uuid == uuid
    assert time.monotonic() - began < PATIENCE, "it does not wait for something else"


def test_a_partition_that_comes_after_another_one_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (listing(), listing(FIRST), listing(FIRST, SECOND))
    assert imported(tmp_path, monkeypatch, 2, *steps).uuid == "2b-2"
