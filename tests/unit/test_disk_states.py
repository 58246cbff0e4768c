"""Which block devices take I/O, and which would keep it until a path is back."""

from pathlib import Path

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.system.block import disk_states
from tests.unit.fake_root import put


def make_map(root: Path, *states: str) -> None:
    """A map dm-0 over disks in these states, and its partition dm-1."""
    for number, state in enumerate(states):
        put(root, f"sys/class/block/sd{'abc'[number]}/device/state", f"{state}\n")
        put(root, f"sys/class/block/dm-0/slaves/sd{'abc'[number]}")
    put(root, "sys/class/block/dm-1/slaves/dm-0")


@pytest.mark.fault("F97")
@pytest.mark.parametrize(
    ("states", "takes"),
    [
        (("running", "running"), True),
        (("transport-offline", "running"), True),
        (("transport-offline", "blocked"), False),
    ],
)
@pytest.mark.parametrize("kname", ["dm-0", "dm-1"])
def test_a_map_takes_commands_while_one_path_runs(
    tmp_path: Path, kname: str, states: tuple[str, ...], takes: bool
) -> None:
    make_map(tmp_path, *states)
    assert disk_states.disk_states(kname, tmp_path) == states
    assert disk_states.takes_commands(kname, tmp_path) is takes


def test_a_partition_has_the_state_of_its_disk_and_a_loop_device_none(tmp_path: Path) -> None:
    put(tmp_path, "sys/devices/sda/device/state", "blocked\n")
    put(tmp_path, "sys/devices/sda/sda1/partition", "1\n")
    (tmp_path / "sys/class/block").mkdir(parents=True)
    (tmp_path / "sys/class/block/sda1").symlink_to(tmp_path / "sys/devices/sda/sda1")
    (tmp_path / "sys/class/block/loop0").mkdir()
    assert disk_states.disk_states("sda1", tmp_path) == ("blocked",)
    assert not disk_states.takes_commands("sda1", tmp_path)
    assert disk_states.takes_commands("loop0", tmp_path)


@pytest.mark.fault("F97")
def test_a_map_without_a_path_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_states, "takes_commands", lambda _: False)
    with pytest.raises(UnreachableError, match="no path of /dev/mapper/m works"):
        disk_states.require_path("/dev/mapper/m")
    disk_states.require_path("/dev/sda")
