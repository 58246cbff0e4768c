"""A disk that multipathd takes is waited for until its map is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from iscsictl.system import multipath

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with one disk, and multipathd."""
    (tmp_path / "sys/class/block/sda/holders").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/multipathd.pid").touch()
    return tmp_path


@pytest.mark.fault("F58")
def test_a_disk_is_awaited_until_multipathd_has_turned_it_down(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seen in ([], ["sdb:[orphan]", "sda:mail"]):
        monkeypatch.setattr(multipath, "_paths", lambda seen=seen: seen)
        assert multipath.is_awaited("/dev/sda", root)
    monkeypatch.setattr(multipath, "_paths", lambda: ["sdb:mail", "sda:[orphan]"])
    assert not multipath.is_awaited("/dev/sda", root)


@pytest.mark.fault("F58")
def test_the_map_has_to_be_there_and_to_have_its_node(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipath, "_paths", lambda: ["sda:mail"])
    (root / "sys/class/block/sda/holders/no-such-node").touch()
    assert multipath.is_awaited("/dev/sda", root)
    (root / "sys/class/block/sda/holders/null").touch()
    assert not multipath.is_awaited("/dev/sda", root)


def test_without_multipathd_nothing_is_awaited(root: Path) -> None:
    (root / "run/multipathd.pid").unlink()
    assert not multipath.is_awaited("/dev/sda", root)
