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
