"""A path that its map does not use carries nothing, though the kernel has its disk as running."""

from collections.abc import Collection
from pathlib import Path as FilePath

import pytest

from iscsictl.errors import InUseError
from iscsictl.model.inventory import DiskUsage, Inventory
from iscsictl.model.listing import Block, Disk, Lun, Path, Session
from iscsictl.model.names import Portal
from iscsictl.parse.dmsetup_status import failed_paths
from iscsictl.planner.iscsi.sessions import plan_logout
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.system.block.multipath import mark_failed_paths
from tests.unit.fake_root import put

IQN = "iqn.2001-04.com.example:mail"
PORTALS = (Portal("192.0.2.5"), Portal("198.51.100.5"))

# Two groups with a path selector that has arguments, ALUA as hardware handler; one group; no group.
STATUS = """\
mail: 0 2097152 multipath 2 0 1 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 2 8:16 F 3 0 1
mpathb 1: 0 204800 multipath 2 1 0 1 alua 1 1 A 0 2 0 65:160 F 1 253:7 A 0
lost: 0 204800 multipath 2 0 0 0 0 0
other: 0 409600 linear 8:48 F
"""


def test_the_failed_paths_of_all_maps_are_read() -> None:
    assert failed_paths(STATUS) == {"8:16", "65:160"}
    one = "0 2097152 multipath 2 0 0 0 1 1 A 0 1 2 8:0 F 0 1\n"
    assert failed_paths(one) == {"8:0"}
    for text in ("", "No devices found\n", "mail: 0 1 multipath\n", "8:16 F\n"):
        assert failed_paths(text) == frozenset()


def map_of_two(root: FilePath, kind: str = "mpath") -> Disk:
    for name, number in (("sda", "8:0"), ("sdb", "8:16")):
        put(root, f"sys/class/block/{name}/dev", f"{number}\n")
    paths = (Path(1, "2:0:0:0", "/dev/sda", "running"), Path(2, "3:0:0:0", "/dev/sdb", "running"))
    block = Block("/dev/mapper/mail", "mpath" if kind == "mpath" else "disk", 1 << 30, "ext4")
    return Disk("naa.1", paths, block)


@pytest.mark.parametrize(
    ("failed", "states"),
    [
        ((), ["running", "running"]),
        (("8:16",), ["running", "failed"]),
        (("8:0", "8:16"), ["failed", "failed"]),
        (("8:32",), ["running", "running"]),
    ],
)
def test_the_paths_of_a_map_that_failed_are_marked(
    tmp_path: FilePath, failed: Collection[str], states: list[str]
) -> None:
    (marked,) = mark_failed_paths([map_of_two(tmp_path)], frozenset(failed), tmp_path)
    assert [path.state for path in marked.paths] == states
    plain = map_of_two(tmp_path, "disk")
    assert mark_failed_paths([plain], frozenset(failed), tmp_path) == (plain,)


def session(sid: int) -> Session:
    unit = Lun(0, f"{sid + 1}:0:0:0", f"/dev/sd{'ab'[sid - 1]}", "running")
    return Session(
        "sysfs", IQN, sid=sid, portal=PORTALS[sid - 1], persistent_portal=PORTALS[sid - 1],
        iface="default", status="up", luns=(unit,),
    )  # fmt: skip


def test_the_last_path_that_works_is_not_logged_out(tmp_path: FilePath) -> None:
    disk = map_of_two(tmp_path)
    world = Inventory(
        sessions=(session(1), session(2)), disks=(disk,),
        usage={"/dev/mapper/mail": DiskUsage(("/srv",))},
    )  # fmt: skip
    first = RecordSelector(IQN, PORTALS[0])
    assert not plan_logout(world, first).errors
    degraded = Inventory(
        sessions=world.sessions, disks=mark_failed_paths([disk], {"8:16"}, tmp_path),
        usage=world.usage,
    )  # fmt: skip
    (error,) = plan_logout(degraded, first).errors.values()
    assert isinstance(error, InUseError)
    assert "/srv" in error.text
    # The failed path itself may go.
    assert not plan_logout(degraded, RecordSelector(IQN, PORTALS[1])).errors
