"""What is known of systemd without asking it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from iscsictl.system.host import systemd
from iscsictl.system.host.systemd import (
    drop_require,
    has_read_fstab,
    reload_soon,
    require_mount,
    required_mounts,
)
from tests.unit.fake_root import put

MADE = "run/systemd/generator"


@pytest.fixture
def booted(tmp_path: Path) -> Path:
    for directory in (MADE, "etc"):
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


def test_what_a_generator_writes_late_does_not_mean_that_it_read_late(booted: Path) -> None:
    changed = (booted / "etc/fstab").stat().st_mtime_ns
    for name, seconds in (("srv.mount", -1), ("late.target", 1)):
        unit = booted / MADE / name
        unit.touch()
        os.utime(unit, ns=(changed + seconds * 10**9,) * 2)
    os.utime(booted / MADE, ns=(changed + 10**9,) * 2)
    assert not has_read_fstab(booted)


def test_nothing_is_unread_without_systemd_or_without_fstab(booted: Path) -> None:
    (booted / "etc/fstab").unlink()
    assert has_read_fstab(booted)
    (booted / "etc/fstab").touch()
    (booted / MADE).rmdir()
    assert has_read_fstab(booted)


def test_a_reload_is_at_it_once_what_the_generators_had_made_is_gone(
    booted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def start(argv: Sequence[str], begun: Callable[[], bool]) -> None:
        seen.append(list(argv))
        seen.append(begun())
        (booted / MADE / "of-another-reload").touch()
        seen.append(begun())
        (booted / MADE).rename(booted / "before")
        seen.append(begun())
        (booted / MADE).mkdir()
        seen.append(begun())

    monkeypatch.setattr(systemd, "start", start)
    reload_soon(booted)
    assert seen == []
    (booted / "run/systemd/system").mkdir()
    reload_soon(booted)
    assert seen == [["systemctl", "daemon-reload"], False, False, True, True]


PATHS = (
    "/a/b",
    "/a-b",
    "/.a",
    "/日本",
    "/中国",
    "/with blank",
    '/q"q',
    "/b\\s",
    "/100%",
    "/x\udcff",
)


def test_each_mount_point_has_a_drop_in_of_its_own_that_reads_back(tmp_path: Path) -> None:
    for path in PATHS:
        require_mount("mail.service", path, tmp_path)
    assert sorted(required_mounts(tmp_path)["mail.service"]) == sorted(PATHS)
    for number, path in enumerate(PATHS, 1):
        drop_require(path, tmp_path)
        left = required_mounts(tmp_path).get("mail.service", ())
        assert path not in left
        assert len(left) == len(PATHS) - number
    assert not (tmp_path / "etc/systemd/system/mail.service.d").exists()


def test_a_drop_in_of_one_unit_goes_alone(tmp_path: Path) -> None:
    for unit in ("mail.service", "web.service"):
        require_mount(unit, "/srv", tmp_path)
    drop_require("/srv", tmp_path, "mail.service")
    assert required_mounts(tmp_path) == {"web.service": ("/srv",)}


@pytest.mark.parametrize(
    ("condition", "cmdline", "unmet"),
    [
        ("ConditionPathExists=/etc/multipath.conf", "ro", True),
        ("ConditionPathExists=/etc/fstab", "ro", False),
        ("ConditionPathExists=!/etc/fstab", "ro", True),
        ("ConditionPathExists=|/etc/multipath.conf", "ro", False),
        ("ConditionKernelCommandLine=!multipath=off", "ro multipath=off quiet", True),
        ("ConditionKernelCommandLine=!multipath=off", "ro multipath=on", False),
        ("ConditionKernelCommandLine=!nompath", "nompath", True),
        ("ConditionKernelCommandLine=!nompath", "ro nompath2", False),
        ("ConditionVirtualization=!container", "ro", False),
        ("Description=ConditionPathExists=/none", "ro", False),
    ],
)
def test_a_condition_that_keeps_a_unit_from_starting_is_found(
    booted: Path, condition: str, cmdline: str, unmet: bool
) -> None:
    put(booted, "proc/cmdline", f"{cmdline}\n")
    put(booted, "usr/lib/systemd/system/multipathd.service", f"[Unit]\n{condition}\n[Service]\n")
    found = systemd.unmet_condition("multipathd.service", booted)
    assert found == (condition if unmet else None)
    assert systemd.unmet_condition("none.service", booted) is None
