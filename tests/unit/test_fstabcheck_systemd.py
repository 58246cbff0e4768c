"""The options of fstab and crypttab mean to the checks what they mean to systemd's generators."""

from dataclasses import replace

import pytest

from iscsictl.parse.crypttab import parse_crypttab
from tests.unit.test_fstabcheck import SERVICE, UUID, check, ids, machine, ours

LINE = f"UUID={UUID} /srv {{fs}} {{options}} 0 0\n"


def of_options(options: str, fs: str = "ext4") -> list[str]:
    return ids(LINE.format(fs=fs, options=options))


@pytest.mark.parametrize("word", ["x-systemd.automount", "comment=systemd.automount"])
def test_a_mount_on_first_use_keeps_no_boot_waiting_in_either_spelling(word: str) -> None:
    for options in (f"_netdev,{word}", f"{word},noauto,_netdev"):
        assert of_options(options) == []
    assert of_options(f"noauto,{word}") == ["no-netdev"]


@pytest.mark.parametrize("fs", ["ocfs2", "gfs2", "gfs"])
def test_a_cluster_filesystem_waits_for_the_network_by_its_type(fs: str) -> None:
    assert of_options("nofail", fs) == []
    assert of_options("defaults", fs) == ["no-nofail"]


@pytest.mark.parametrize("word", ["x-systemd.required-by=", "x-systemd.wanted-by="])
def test_what_a_unit_pulls_in_is_mounted_at_boot_whatever_noauto_says(word: str) -> None:
    assert of_options(f"noauto,{word}mail.service") == ["no-netdev"]
    assert of_options(f"noauto,_netdev,{word}mail.service") == []
    # Only that unit waits for it, so nofail has no effect (systemd-fstab-generator).
    assert of_options(f"_netdev,{word}mail.service") == []
    assert ids(ours().replace(b"nofail", b"noauto,nofail," + word.encode() + b"m.service"),
               machine(startup="manual")) == ["node-manual"]  # fmt: skip


def test_debian_s_other_name_of_the_login_service_is_that_service() -> None:
    for name in (SERVICE, "iscsi.service"):
        options = f"_netdev,nofail,x-systemd.requires={name}"
        (found,) = check(LINE.format(fs="ext4", options=options))
        assert (found.id, found.severity) == ("requires-login", "warn")
        assert found.fix.startswith(f"replace x-systemd.requires={name} with x-systemd.after=")
        assert check(ours().replace(SERVICE.encode(), name.encode())) == ()
    assert of_options("_netdev,nofail,x-systemd.requires=mail.service") == []


@pytest.mark.parametrize(
    "entry",
    [
        "/srv/a.img /a ext4 loop,_netdev,nofail 0 2",
        "/srv/a /a none bind,_netdev,nofail 0 2",
        f"UUID={UUID} none swap _netdev,nofail 0 2",
    ],
)
def test_only_a_filesystem_on_a_device_is_checked_at_boot(entry: str) -> None:
    base = LINE.format(fs="ext4", options="_netdev,nofail")
    assert ids(f"{base}{entry}\n") == []


@pytest.mark.parametrize(
    ("options", "at_boot"),
    [("noauto", False), ("auto,noauto", False), ("noauto,auto", True), ("luks", True)],
)
def test_the_last_of_auto_and_noauto_counts_for_a_volume_too(options: str, at_boot: bool) -> None:
    volumes = parse_crypttab(f"safe UUID={UUID} none {options}\n".encode())
    found = ids("", replace(machine(), crypttab=volumes))
    assert found == (["no-netdev", "no-nofail"] if at_boot else [])


def volumes_found(device: str, options: str, *absent: str) -> list[tuple[str, str, str]]:
    """Return id, severity and fix of what is wrong with a volume."""
    entry = parse_crypttab(f"safe {device} none {options}\n".encode())
    storage = replace(machine(), crypttab=entry, absent=frozenset(absent))
    return [(one.id, one.severity, one.fix) for one in check("", storage)]


@pytest.mark.fault("F105")
@pytest.mark.parametrize("device", [f"UUID={UUID.upper()}", f"uuid={UUID}", f"Uuid={UUID.upper()}"])
def test_case_matters_in_the_name_of_a_volume_s_device(device: str) -> None:
    where = " in line 1 of /etc/crypttab"
    fix = f"replace {device} with UUID={UUID}{where}"
    (found,) = volumes_found(device, "_netdev,nofail", device)
    assert found[:2] == ("name-case" if found[2] == fix else "", "fail")
    assert volumes_found(f"UUID={UUID}", "_netdev,nofail") == []
    assert volumes_found(device, "noauto", device) == []


@pytest.mark.fault("F105")
def test_a_volume_whose_device_is_nowhere_keeps_the_boot_waiting() -> None:
    gone = "UUID=0a1b2c3d-ffff-4000-8000-000000000009"
    fix = f"correct {gone}, or delete the entry, in line 1 of /etc/crypttab"
    assert volumes_found(gone, "luks", gone) == [("uuid-nowhere", "fail", fix)]
    assert volumes_found(gone, "luks,nofail", gone) == [("uuid-nowhere", "warn", fix)]
    assert volumes_found(gone, "noauto", gone) == []
    assert volumes_found(gone, "luks") == []
    # A volume on another one appears when that is opened.
    assert volumes_found("/dev/mapper/safe", "luks", "/dev/mapper/safe") == []
    by_path = "/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-iqn.2001-04.com.example:x-lun-1"
    assert volumes_found(by_path, "_netdev,nofail", by_path) == []
