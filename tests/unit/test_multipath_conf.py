"""The files of multipath-tools: what is read of them, and the one that is ours."""

from pathlib import Path

import pytest

from iscsictl.errors import NeedsRootError
from iscsictl.model.multipath import MapSettings
from iscsictl.parse.multipath_conf import (
    default_value,
    endless_failover,
    format_settings,
    parse_conf,
    parse_settings,
    parse_wwids,
    settings_in_force,
)
from iscsictl.system.block import multipath_conf
from iscsictl.system.block.multipath_conf import read_facts, read_settings, save_settings

MAIL = MapSettings("36001405aaa", "naa.6001405aaa", 120)
WEB = MapSettings("36001405bbb", "naa.6001405bbb", 60)

SHOWN = """\
defaults {
	verbosity 2
	polling_interval 7
	find_multipaths "strict"
}
blacklist {
	devnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"
}
devices {
	device {
		vendor "(LIO-ORG|SUSE)"
		product "RBD"
		no_path_retry 12
	}
}
multipaths {
	multipath {
		wwid "36001405aaa"
		no_path_retry 120
	}
	multipath {
		wwid "36001405ccc"
		no_path_retry "queue"
	}
}
"""


@pytest.mark.fault("F90")
def test_what_the_daemon_prints_is_read_section_by_section() -> None:
    conf = parse_conf(SHOWN)
    assert default_value(conf, "polling_interval") == "7"
    assert default_value(conf, "find_multipaths") == "strict"
    assert settings_in_force(conf) == {"36001405aaa": 120, "36001405ccc": "queue"}
    (devices,) = conf.find("devices")
    (device,) = devices.find("device")
    assert device.values["vendor"] == "(LIO-ORG|SUSE)"


def test_comments_and_what_is_not_understood_are_left_out() -> None:
    text = "# a comment\n! another\ndefaults {\n  user_friendly_names yes\n  lonely\n}\n}\nx {\n"
    assert default_value(parse_conf(text), "user_friendly_names") == "yes"
    assert settings_in_force(parse_conf("multipaths {\nmultipath {\nno_path_retry 3\n}\n}")) == {}


@pytest.mark.fault("F90")
def test_our_file_has_one_section_for_all_maps_and_reads_back() -> None:
    text = format_settings([MAIL, WEB])
    assert text.count("multipaths {") == 1
    assert parse_settings(text) == (MAIL, WEB)
    assert settings_in_force(parse_conf(text)) == {"36001405aaa": 120, "36001405bbb": 60}


def test_a_section_that_an_admin_wrote_into_our_file_is_not_taken_for_ours() -> None:
    theirs = 'multipaths {\n\tmultipath {\n\t\twwid "36001405ddd"\n\t\tno_path_retry 5\n\t}\n}\n'
    assert parse_settings(theirs) == ()


def test_a_wwid_that_was_taken_off_the_list_is_not_on_it() -> None:
    text = "# Multipath wwids, Version : 1.0\n# NOTE: ...\n/36001405aaa/\n#36001405bbb/\n/\n"
    assert parse_wwids(text) == {"36001405aaa"}


@pytest.mark.fault("F96")
def test_our_file_is_readable_by_all_and_goes_with_its_last_map(tmp_path: Path) -> None:
    directory = tmp_path / "etc/multipath/conf.d"
    directory.mkdir(parents=True)
    (directory / "theirs.conf").write_bytes(b"defaults {\n}\n")
    assert save_settings([MAIL], tmp_path)
    assert not save_settings([MAIL], tmp_path)
    assert (directory / "iscsictl.conf").stat().st_mode & 0o777 == 0o644
    assert read_settings(tmp_path) == (MAIL,)
    assert save_settings([], tmp_path)
    assert [path.name for path in directory.iterdir()] == ["theirs.conf"]
    assert (directory / "theirs.conf").read_bytes() == b"defaults {\n}\n"
    assert not save_settings([], tmp_path)


def test_the_files_of_a_host_tell_whether_multipath_tools_are_there(tmp_path: Path) -> None:
    assert not read_facts(tmp_path).installed
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/multipathd").touch()
    (tmp_path / "etc/multipath").mkdir(parents=True)
    (tmp_path / "etc/multipath/wwids").write_text("/36001405aaa/\n")
    facts = read_facts(tmp_path)
    assert (facts.installed, facts.running) == (True, False)
    assert facts.listed == frozenset({"36001405aaa"})


@pytest.mark.fault("F96")
def test_settings_in_any_other_file_that_multipath_reads_are_an_admins(tmp_path: Path) -> None:
    section = 'multipaths {{\n multipath {{\n  wwid "{}"\n  {}\n }}\n}}\n'
    directory = tmp_path / "etc/multipath/conf.d"
    directory.mkdir(parents=True)
    assert read_facts(tmp_path).set_elsewhere == frozenset()
    save_settings([MAIL], tmp_path)
    # multipath reads *.conf alone (libmultipath/config.c, process_config_dir()).
    for name, wwid, line in (
        ("etc/multipath.conf", "3main", "no_path_retry queue"),
        ("etc/multipath/conf.d/local.conf", "3local", "no_path_retry 5"),
        ("etc/multipath/conf.d/alias.conf", "3alias", "alias mail"),
        ("etc/multipath/conf.d/local.conf.bak", "3backup", "no_path_retry 5"),
    ):
        (tmp_path / name).write_text(section.format(wwid, line))
    assert read_facts(tmp_path).set_elsewhere == {"3main", "3local"}


def test_sections_in_which_io_never_leaves_a_failed_path_are_named() -> None:
    text = (
        "defaults {\n fast_io_fail_tmo 5\n}\n"
        'devices {\n device {\n vendor "A"\n product "B"\n fast_io_fail_tmo off\n }\n}\n'
        "overrides {\n fast_io_fail_tmo off\n}\n"
    )
    assert endless_failover(parse_conf(text)) == ("overrides", "device A B")


def test_files_that_only_root_can_read_are_not_taken_for_empty_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes | None:
        raise NeedsRootError(f"cannot read {path}")

    assert read_facts(tmp_path).files_were_read
    monkeypatch.setattr(multipath_conf, "read_file", refuse)
    assert not read_facts(tmp_path).files_were_read
