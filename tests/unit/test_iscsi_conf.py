"""The old driver's iscsi.conf is read as that driver read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from iscsictl.legacy.iscsi_conf import parse_iscsi_conf
from iscsictl.legacy.model import OldConfig
from iscsictl.legacy.output import as_json
from iscsictl.legacy.planner import plan_import
from iscsictl.legacy.values import parse_boolean, parse_number, parse_time

DATA = Path(__file__).parent / "data"
OWN: list[dict[str, Any]] = json.loads((DATA / "iscsi_conf.json").read_text())
MEASURED: list[dict[str, Any]] = json.loads((DATA / "iscsi_conf_measured.json").read_text())[
    "cases"
]


def document(text: str) -> dict[str, Any]:
    return as_json(plan_import("iscsi.conf", text))


def counted(text: str, level: str) -> int:
    return sum(problem.level == level for problem in parse_iscsi_conf(text).problems)


def lines(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.level) for problem in parse_iscsi_conf(text).problems]


def only(shown: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert len(shown) == len(wanted)
    return [{key: one.get(key) for key in ask} for one, ask in zip(shown, wanted, strict=True)]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["name"])
def test_the_json_says_what_the_old_driver_understood(case: dict[str, Any]) -> None:
    made = document(case["text"])
    assert only(made["discovery"], case["discovery"]) == case["discovery"]
    assert only(made["targets"], case["targets"]) == case["targets"]
    for level in ("warning", "error", "note"):
        assert counted(case["text"], level) == case[level]


@pytest.mark.parametrize("case", MEASURED, ids=lambda case: case["name"])
def test_what_was_measured_with_the_old_parser_holds(case: dict[str, Any]) -> None:
    made = document(case["input"])
    for wanted in case["discovery"]:
        wanted["secret"] = wanted.pop("password", None) is not None
    assert only(made["discovery"], case["discovery"]) == case["discovery"]
    assert only(made["targets"], case["targets"]) == case["targets"]
    assert counted(case["input"], "warning") == case["warnings"]
    assert counted(case["input"], "error") == case["errors"]
    assert len(made["warnings"]) >= case["warnings"] + case["errors"]


def first(text: str) -> OldConfig:
    return parse_iscsi_conf(text)


def test_the_password_itself_is_kept_but_shown_nowhere() -> None:
    text = 'DiscoveryAddress=a\n Username=u\n Password="pass word#1"\n'
    config = first(text)
    password = config.discovery[0].account.password
    assert password is not None
    assert password.reveal() == "pass word#1"
    assert "pass word" not in repr(config)
    assert "pass word" not in json.dumps(document(text))


@pytest.mark.fault("F05")
@pytest.mark.parametrize(
    "value", ["", '""', '" ahead-of-it"', '"behind-it "', "x" * 256], ids=lambda v: v[:12]
)
def test_a_password_that_no_record_can_keep_is_warned_about(value: str) -> None:
    text = f"DiscoveryAddress=a\n Username=u\n Password={value}\n"
    config = first(text)
    assert config.discovery[0].account.password is None
    assert lines(text) == [(3, "warning")]
    assert "ahead-of-it" not in config.problems[0].text


@pytest.mark.parametrize("value", ["u" * 256, '" u "', "u\0v"], ids=["long", "blanks", "NUL"])
def test_a_user_name_that_no_record_can_keep_is_left_out_and_warned_about(value: str) -> None:
    text = f"Username={value}\nPassword=a-good-secret-1\nDiscoveryAddress=a\nDiscoveryAddress=b\n"
    config = first(text)
    assert [entry.account.username for entry in config.discovery] == [None, None]
    assert lines(text) == [(1, "warning")]


def test_a_password_that_is_the_same_both_ways_is_left_out_for_the_array() -> None:
    text = (
        "Username=u\nPassword=the-same-secret\nIncomingUsername=array\n"
        "IncomingPassword=the-same-secret\nDiscoveryAddress=a\nDiscoveryAddress=b\n"
    )
    assert lines(text) == [(4, "warning")]
    for entry in first(text).discovery:
        assert entry.account.password is not None
        assert not entry.incoming
    assert "the-same" not in first(text).problems[0].text


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        (("DiscoveryAddress=a\nUsername=u\nPassword=pppppppppppp\n"
         "TargetName=iqn.2001-04.com.example:a\n Enabled=yes\n"), [2, 3]),
        ("DiscoveryAddress=a\nUsername=u\nSubnet=10.0.0.0/8\n", [2]),
        ("Username=u\nPassword=pppppppppppp\nTargetName=iqn.2001-04.com.example:a\n", [1, 2]),
        ("Continuous=no\nSLPMulticast=all\n", [1]),
        ("Username=u\nSubnet=10.0.0.0/8\nDiscoveryAddress=a\n", []),
    ],
)  # fmt: skip
def test_what_no_discovery_follows_is_noted_whatever_else_does(text: str, noted: list[int]) -> None:
    assert [line for line, level in lines(text) if level == "note"] == noted


def test_each_ping_time_of_a_portal_that_is_asked_is_told_as_lost() -> None:
    text = "DiscoveryAddress=a\n PingTimeout=3\n ActiveTimeout=9\n IdleTimeout=7\n"
    assert lines(text) == [(2, "warning"), (3, "warning"), (4, "warning")]
    assert len(plan_import("iscsi.conf", text).warnings) == 3
    assert lines("PingTimeout=3\nDiscoveryAddress=a\n LoginTimeout=9\n") == []


def test_continuous_under_a_file_of_targets_reaches_no_other_entry() -> None:
    text = "DiscoveryFile=/etc/x\n Continuous=no\nDiscoveryAddress=a\n"
    assert lines(text) == [(1, "warning"), (2, "note")]
    assert "continuous" not in first(text).discovery[0].settings


@pytest.mark.parametrize("header", ["SLPUnicast=", "SLPMulticast=", 'SLPMulticast=""',
                                    "DiscoveryFile="])  # fmt: skip
def test_a_header_without_a_value_begins_no_entry(header: str) -> None:
    text = f"{header}\n Username=u\nDiscoveryAddress=a\n"
    assert lines(text) == [(1, "error")]
    assert first(text).discovery[0].account.username == "u"


def test_a_mistyped_password_line_is_not_repeated_in_the_warning() -> None:
    config = first("Pasword=hunter2hunter2\nhunter2hunter2\n")
    assert [problem.line for problem in config.problems] == [1, 2]
    assert not any("hunter2" in problem.text for problem in config.problems)


@pytest.mark.parametrize(
    "line",
    ["SendAsyncText=yes", "SLPMulticast=all", "SLPUnicast=192.0.2.1", "PollInterval=5m",
     "DiscoveryFile=/etc/x", "DefaultAddress=192.0.2.1", "ReadSize=512", "Nonsense=1",
     "Target,Lun=0,0"],
)  # fmt: skip
def test_a_line_that_means_nothing_today_is_named(line: str) -> None:
    assert lines(f"# comment\n\n{line}\n") == [(3, "warning")]


def test_lines_under_an_entry_that_means_nothing_do_not_reach_others() -> None:
    text = "SLPUnicast=192.0.2.9\n Username=x\n LoginTimeout=9\nDiscoveryAddress=192.0.2.1\n"
    config = first(text)
    assert config.discovery[0].account.username is None
    assert "login_timeout" not in config.discovery[0].settings


def test_an_indented_header_begins_an_entry_of_its_own() -> None:
    text = "DiscoveryAddress=a\n Username=x\n  DiscoveryAddress=b\n   LoginTimeout=9\n"
    config = first(text)
    assert [entry.address for entry in config.discovery] == ["a", "b"]
    assert config.discovery[1].account.username is None
    assert config.discovery[1].settings["login_timeout"].value == 9


def test_a_line_indented_as_little_as_its_header_is_global() -> None:
    config = first("  DiscoveryAddress=a\n  LoginTimeout=9\n  DiscoveryAddress=b\n")
    assert "login_timeout" not in config.discovery[0].settings
    assert config.discovery[1].settings["login_timeout"].value == 9


def test_blank_lines_and_comments_end_no_entry() -> None:
    config = first("DiscoveryAddress=a\n\n# x\n LoginTimeout=9\n")
    assert config.discovery[0].settings["login_timeout"].value == 9


def test_incoming_credentials_without_outgoing_ones_are_refused() -> None:
    text = "DiscoveryAddress=a\n IncomingUsername=x\n IncomingPassword=abcdefghijkl\n"
    assert lines(text) == [(2, "error")]
    assert not first(text).discovery[0].incoming


def test_both_directions_are_read_with_all_their_names() -> None:
    text = "UsernameOut=o\nPasswordOut=secret-out-12\nUsernameIn=i\nPasswordIn=secret-in-123\n"
    entry = first(text + "TargetIpAddr=a\n").discovery[0]
    assert (entry.account.username, entry.incoming.username) == ("o", "i")
    assert entry.incoming.password is not None
    assert entry.incoming.password.reveal() == "secret-in-123"


@pytest.mark.parametrize(
    ("value", "network"),
    [("10.4.100.7/24", "10.4.100.0/24"), ("10.4.100.2", "10.4.100.2/32"),
     ("10.4.100.9&ffffff00", "10.4.100.0/24"), ("10.0.0.1/99", "10.0.0.1/32")],
)  # fmt: skip
def test_a_subnet_is_read_in_each_form(value: str, network: str) -> None:
    assert first(f"Subnet={value}\n").subnets[0].network == network
    assert first(f"Address={value}\n").subnets[0].network == network


def test_a_subnet_that_is_none_is_an_error() -> None:
    assert lines("Subnet=fd00::/8\n") == [(1, "error")]


def test_settings_are_refused_where_they_do_not_apply() -> None:
    assert lines("DiscoveryAddress=a\n HeaderDigest=always\n Enabled=no\n") == [
        (2, "error"),
        (3, "error"),
    ]
    assert lines("Subnet=10.0.0.0/8\n ConnFailTimeout=5\n") == [(2, "error")]


def test_an_address_without_anything_is_an_error() -> None:
    assert lines("DiscoveryAddress=\n") == [(1, "error")]


@pytest.mark.parametrize(
    ("value", "address", "port"),
    [("192.0.2.1", "192.0.2.1", 3260), ("192.0.2.1:860", "192.0.2.1", 860),
     ("host:x", "host", 3260), ("host:99999", "host", 3260),
     ("[2001:db8::5]:860", "2001:db8::5", 860), ("[2001:db8::5]", "2001:db8::5", 3260)],
)  # fmt: skip
def test_an_address_has_a_port_or_3260(value: str, address: str, port: int) -> None:
    entry = first(f"DiscoveryAddress={value}\n").discovery[0]
    assert (entry.address, entry.port) == (address, port)


@pytest.mark.parametrize("value", ["2001:db8::5", "host:99999", "host:x", "192.0.2.1:860:1"])
def test_an_address_that_is_surely_meant_otherwise_is_noted(value: str) -> None:
    assert lines(f"DiscoveryAddress={value} # array\n") == [(1, "note")]
    assert lines("DiscoveryAddress=host:860\nDiscoveryAddress=[2001:db8::5]:860\n") == []


@pytest.mark.parametrize("line", ["Password geheim=1", "Password:geheim=1", "Pass word=geheim"])
def test_of_a_keyword_that_is_none_the_first_word_is_shown(line: str) -> None:
    (problem,) = parse_iscsi_conf(line).problems
    assert problem.text.startswith("'Pass")
    assert "geheim" not in problem.text


def test_numbers_are_those_of_strtol_with_base_0() -> None:
    assert [parse_number(t) for t in ("10", "010", "0x10", "128 * 2", "")] == [10, 8, 16, 128, None]
    assert [parse_number(t) for t in ("08", "-1", "1k", "99999999999", "²")] == [None] * 5


def test_times_have_units_in_lower_case() -> None:
    assert [parse_time(t) for t in ("7", "7s", "7m", "7h", "7 m")] == [7, 7, 420, 25200, 7]
    assert [parse_time(t) for t in ("", "s", "7M", "7d", "-7s", "999999h")] == [None] * 6


def test_booleans_are_words_or_numbers() -> None:
    assert [parse_boolean(t) for t in ("yes", "YES!", "no", "none", "", "1", "0")] == [
        True, True, False, False, False, True, False,
    ]  # fmt: skip
    assert [parse_boolean(t) for t in ("maybe", "-1")] == [None, None]


def test_crlf_and_a_missing_last_newline_change_nothing() -> None:
    text = "Username=u\r\nDiscoveryAddress=192.0.2.1\r\n LoginTimeout=9"
    entry = first(text).discovery[0]
    assert (entry.account.username, entry.address) == ("u", "192.0.2.1")
    assert entry.settings["login_timeout"].value == 9


def test_a_line_longer_than_the_buffer_is_refused() -> None:
    assert lines("Username=" + "x" * 2048 + "\n") == [(1, "error")]
