"""What is known of systemd without asking it."""

import os
from pathlib import Path

import pytest

from iscsictl.system.systemd import has_read_fstab

MADE = "run/systemd/generator"


@pytest.fixture
def booted(tmp_path: Path) -> Path:
    for directory in ("run/systemd/system", MADE, "etc"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/fstab").touch()
    return tmp_path


@pytest.mark.parametrize(("seconds", "read"), [(-1, False), (0, True), (1, True)])
def test_fstab_is_read_when_units_were_made_after_its_last_change(
    booted: Path, seconds: int, read: bool
) -> None:
    changed = (booted / "etc/fstab").stat().st_mtime_ns
    made = changed + seconds * 10**9
    os.utime(booted / MADE, ns=(made, made))
    assert has_read_fstab(booted) is read


@pytest.mark.parametrize("gone", ["run/systemd/system", MADE])
def test_nothing_is_unread_without_systemd_or_its_generators(booted: Path, gone: str) -> None:
    os.utime(booted / MADE, ns=(0, 0))
    (booted / gone).rmdir()
    assert has_read_fstab(booted)
