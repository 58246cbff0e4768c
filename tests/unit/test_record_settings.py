"""Which settings are taken: each kind of value, each version, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from iscsictl.errors import Exit
from iscsictl.model.open_iscsi import parse_version, version_text
from iscsictl.model.record_keys import KEYS, Scope
from iscsictl.model.record_settings import find_listing_problems, find_problem
from iscsictl.model.record_text import SECRET_KEYS
from iscsictl.model.secret import Secret
from iscsictl.planner.iscsi.settings import Changes, describe_changes
from tests.commands import call

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real_iscsiadm import RealIscsiadm

V8, V11 = (2, 1, 8), (2, 1, 11)
IQN = "iqn.2001-04.com.example:a"


@pytest.mark.parametrize(
    ("text", "version", "written"),
    [
        ("2.1.8", V8, "2.1.8"),
        ("2.0-873", (2, 0, 873), "2.0-873"),
        ("2.0.874", (2, 0, 874), "2.0-874"),
        ("6.2.0.874-10", (2, 0, 874), "2.0-874"),
        ("6.2.1.4", (2, 1, 4), "2.1.4"),
        ("iscsictl", None, ""),
        ("", None, ""),
    ],
)
def test_versions_of_all_distributions_are_read(
    text: str, version: tuple[int, int, int] | None, written: str
) -> None:
    assert parse_version(text) == version
    assert version is None or version_text(version) == written


@pytest.mark.fault("F81")
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("node.startup", ["manual", "automatic", "onboot"]),
        ("node.leading_login", ["Yes", "No"]),
        ("node.session.iscsi.InitialR2T", ["Yes"]),
        ("node.session.scan", ["auto", "manual"]),
        ("node.session.auth.authmethod", ["None", "CHAP"]),
        ("node.session.auth.chap_algs", ["MD5", "SHA3-256,SHA256,SHA1,MD5"]),
        ("node.conn[0].iscsi.HeaderDigest", ["None", "CRC32C", "CRC32C,None", "None,CRC32C"]),
        ("node.session.timeo.replacement_timeout", ["-1", "0", "120", "2147483647"]),
        ("node.session.cmds_max", ["2", "128", "2048"]),
        ("node.session.nr_sessions", ["1", "4"]),
        ("node.session.iscsi.FirstBurstLength", ["512", "16777215"]),
        ("iface.ipaddress", ["192.0.2.9", "default"]),
        ("iface.hwaddress", ["52:54:00:ab:CD:ef", "default"]),
        ("iface.net_ifacename", ["eth0", "x" * 15]),
        ("iface.bootproto", ["dhcp", "static"]),
    ],
)
def test_what_open_iscsi_takes_is_taken(key: str, values: list[str]) -> None:
    for value in values:
        assert find_problem("node", key, value) is None
    assert find_problem("node", key, None) is None


@pytest.mark.fault("F81")
@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("node.startup", "automatik", "did you mean automatic?"),
        ("node.startup", "Automatic", "did you mean automatic?"),
        ("node.session.iscsi.InitialR2T", "yes", "did you mean Yes?"),
        ("node.session.scan", "off", "expected one of auto, manual"),
        ("node.session.auth.authmethod", "chap", "did you mean CHAP?"),
        ("node.conn[0].iscsi.HeaderDigest", "crc32c", "did you mean CRC32C?"),
        ("node.session.auth.chap_algs", "MD5,SHA512",
         "expected some of MD5, SHA1, SHA256, SHA3-256, separated by commas"),
        ("node.session.auth.chap_algs", "MD5,MD5", "did you mean MD5?"),
        ("node.session.timeo.replacement_timeout", "120s",
         "expected a number of seconds from -1 to 2147483647"),
        ("node.session.timeo.replacement_timeout", "-2",
         "expected a number of seconds from -1 to 2147483647"),
        ("node.conn[0].timeo.login_timeout", "0",
         "expected a number of seconds from 1 to 2147483647"),
        ("node.session.cmds_max", "100", "expected a number from 2 to 2048, a power of 2"),
        ("node.session.nr_sessions", "0", "expected a number from 1 to 2147483647"),
        ("node.session.queue_depth", "032", "expected a number from 1 to 1024"),
        ("node.session.iscsi.MaxBurstLength", "16777216",
         "expected a number of bytes from 512 to 16777215"),
        ("iface.ipaddress", "192.0.2.09", "expected an IP address or default"),
        ("iface.ipaddress", "fe80::1%eth0", "expected an IP address or default"),
        ("iface.hwaddress", "52:54:00", "expected a MAC address such as 52:54:00:12:34:56"),
        ("iface.vlan_state", "enabled", "did you mean enable?"),
        ("iface.net_ifacename", "x" * 16, "expected a line of text of at most 15 bytes"),
        ("node.session.auth.username", "", "expected a line of text of at most 255 bytes"),
        ("node.session.auth.username", " a", "expected a line of text of at most 255 bytes"),
    ],
)  # fmt: skip
def test_what_open_iscsi_would_take_for_something_else_is_refused(
    key: str, value: str, hint: str
) -> None:
    problem = find_problem("node", key, value)
    assert problem is not None
    assert problem.text.startswith(f"{key}: ")
    assert problem.hint == hint
    assert problem.error().exit is Exit.USAGE


@pytest.mark.fault("F81")
@pytest.mark.parametrize(
    ("scope", "key", "near"),
    [
        ("node", "node.statup", "node.startup"),
        ("node", "node.Session.Scan", "node.session.scan"),
        ("node", "node.conn[1].startup", "node.conn[0].startup"),
        ("node", "node.session.iscsi.headerdigest", "node.conn[0].iscsi.HeaderDigest"),
        ("iface", "iface.vlan", "iface.vlan_id"),
        ("iface", "iface.max_recv_data_len", "iface.max_receive_data_len"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest(scope: Scope, key: str, near: str) -> None:
    problem = find_problem(scope, key, "1")
    assert problem is not None
    assert problem.text == f"{key}: open-iscsi has no such setting"
    assert problem.hint == f"did you mean {near}?"


@pytest.mark.fault("F81")
@pytest.mark.parametrize("command", ["nodes", "iface", "attach"])
def test_a_command_refuses_an_unknown_setting_with_the_nearest(
    command: str, tmp_path: Path
) -> None:
    words = {
        "nodes": ["nodes", "set", "-T", IQN, "node.statup=manual"],
        "iface": ["iface", "set", "eth1", "vlan_idd=7"],
        "attach": ["attach", "-p", "192.0.2.5", "--set", "node.statup=manual"],
    }[command]
    answer = call(words, tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    near = "iface.vlan_id" if command == "iface" else "node.startup"
    assert answer.err.splitlines()[1] == f"hint: did you mean {near}?"


@pytest.mark.fault("F81")
def test_a_volume_with_an_unknown_setting_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_text(
        '[[volume]]\nname = "v"\nportals = ["192.0.2.5"]\n'
        f'target = "{IQN}"\nset = {{ "node.statup" = "manual" }}\n'
    )
    answer = call(["plan", str(file)], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert "line 5" in answer.err
    assert answer.err.splitlines()[1] == "hint: did you mean node.startup?"


@pytest.mark.parametrize(
    "key", ["node.name", "node.tpgt", "node.conn[0].address", "node.conn[0].port",
            "iface.iscsi_ifacename", "node.discovery_type"],
)  # fmt: skip
def test_what_names_a_record_is_not_set(key: str) -> None:
    problem = find_problem("node", key, "x")
    assert problem is not None
    assert "cannot be changed" in problem.text


@pytest.mark.parametrize("key", ["node.session.auth.password", "node.session.auth.password_in"])
def test_a_secret_is_not_taken_in_the_open(key: str) -> None:
    for value in ("hunter2hunter2", None):
        problem = find_problem("node", key, value)
        assert problem is not None
        assert "hunter2" not in problem.text
        assert problem.hint == "use: iscsictl chap set"


@pytest.mark.fault("F81")
def test_a_setting_is_for_the_versions_that_know_it() -> None:
    frequency = "node.session.conn_reopen_log_freq"
    assert find_problem("node", frequency, "4", version=V11) is None
    older = find_problem("node", frequency, "4", version=V8)
    assert older is not None
    assert older.text == f"{frequency} is new in open-iscsi 2.1.11; this is 2.1.8"
    newer = find_problem("node", frequency, "4", version=(2, 1, 12))
    assert newer is not None
    assert newer.text == f"open-iscsi 2.1.12 does not know {frequency}"
    assert find_problem("node", frequency, "4") is None
    assert find_problem("node", "node.session.scan", "manual", version=(2, 0, 873)) is not None


@pytest.mark.fault("F81")
def test_a_setting_of_one_address_family_is_for_interfaces_of_that_family() -> None:
    assert find_problem("iface", "iface.ttl", "64", iface="eth1") is None
    assert find_problem("iface", "iface.ttl", "64", iface="hba.ipv6.0") is not None
    assert find_problem("iface", "iface.hop_limit", "64", iface="hba.ipv6.0") is None
    other = find_problem("iface", "iface.hop_limit", "64", iface="eth1")
    assert other is not None
    assert "iface.hop_limit is for IPv6, and eth1 is an interface of IPv4" in other.text
    # Up to 2.1.4 the listing of nodes takes all interfaces for IPv4.
    ipv6 = {"scope": "node", "key": "iface.hop_limit", "value": "64", "iface": "hba.ipv6.0"}
    assert find_problem(**ipv6, version=(2, 1, 5)) is None  # type: ignore[arg-type]
    assert find_problem(**ipv6, version=(2, 1, 4)) is not None  # type: ignore[arg-type]


@pytest.mark.fault("F81")
@pytest.mark.parametrize(
    ("address", "iface", "taken"),
    [("192.0.2.9", "eth1", True), ("2001:db8::9", "eth1", False),
     ("192.0.2.9", "hba.ipv6.0", False), ("2001:db8::9", "hba.ipv6.0", True),
     ("default", "eth1", True), ("default", "hba.ipv6.0", True)],
)  # fmt: skip
def test_an_address_is_for_interfaces_of_its_family(
    address: str, iface: str, *, taken: bool
) -> None:
    problem = find_problem("iface", "iface.ipaddress", address, iface=iface)
    assert (problem is None) is taken


@pytest.mark.fault("F81")
def test_an_address_of_the_other_family_would_end_the_listings_of_iscsiadm(
    real_iscsiadm: RealIscsiadm,
) -> None:
    """The reason for the rule above, seen on the real iscsiadm."""
    machine = real_iscsiadm
    ifaces = machine.root / "etc/iscsi/ifaces"
    ifaces.mkdir()
    (ifaces / "eth1").write_text(
        "iface.iscsi_ifacename = eth1\niface.transport_name = tcp\niface.ipaddress = 2001:db8::9\n"
    )
    new = ["-m", "node", "-o", "new", "-T", IQN, "-p", "192.0.2.5,1", "-I", "eth1"]
    assert machine.run(["iscsiadm", *new]).returncode == 0
    assert machine.run(["iscsiadm", "-m", "node"]).returncode != 0


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("key", "value", "change"),
    [
        ("node.session.iscsi.InitialR2T", "yes", "node.session.iscsi.InitialR2T=Yes"),
        ("node.conn[0].iscsi.HeaderDigest", "crc32c", "node.conn[0].iscsi.HeaderDigest=CRC32C"),
        ("node.session.scan", "off", "node.session.scan=auto"),
        ("node.session.auth.authmethod", "chap", "node.session.auth.authmethod=CHAP"),
        ("node.startup", "automatc", "node.startup=automatic"),
        ("node.session.foo", "1", "node.session.foo="),
        ("node.session.conn_reopen_log_freq", "1", "node.session.conn_reopen_log_freq="),
        ("iface.hop_limit", "64", "iface.hop_limit="),
    ],
)
def test_a_setting_that_ends_the_listing_of_iscsiadm_is_found(
    key: str, value: str, change: str, real_iscsiadm: RealIscsiadm
) -> None:
    machine = real_iscsiadm
    new = ["-m", "node", "-o", "new", "-T", IQN, "-p", "192.0.2.5:3260,1"]
    assert machine.run(["iscsiadm", *new]).returncode == 0
    assert machine.run(["iscsiadm", "-m", "node"]).returncode == 0

    path = machine.root / f"etc/iscsi/nodes/{IQN}/192.0.2.5,3260,1/default"
    path.write_text(path.read_text().replace("# END", f"{key} = {value}\n# END"))
    assert machine.run(["iscsiadm", "-m", "node"]).returncode != 0

    ((found, problem),) = find_listing_problems("node", {key: value}, V8, "default")
    assert (found, problem.hint) == (key, change)
    # What is told is a command that ends the trouble.
    answer = call(["nodes", "set", "-T", IQN, change, "-y"], machine.root, uid=0)
    assert answer.code == 0, answer.err
    assert machine.run(["iscsiadm", "-m", "node"]).returncode == 0


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("key", "value"),
    [("node.session.timeo.replacement_timeout", "ten"), ("iface.vlan_state", "enabled"),
     ("node.session.auth.chap_algs", "SHA512"), ("node.session.cmds_max", "99999")],
)  # fmt: skip
def test_a_value_that_iscsiadm_lists_all_the_same_is_not_called_an_obstacle(
    key: str, value: str
) -> None:
    assert list(find_listing_problems("node", {key: value}, V8, "default")) == []


def shown_keys(text: str) -> list[str]:
    return [line.partition(" = ")[0] for line in text.splitlines() if " = " in line]


@pytest.mark.fault("F81")
def test_the_table_has_just_the_settings_that_iscsiadm_shows(
    real_iscsiadm: RealIscsiadm,
) -> None:
    machine = real_iscsiadm
    version = parse_version(
        machine.run(["iscsiadm", "--version"]).stdout.removeprefix("iscsiadm version ")
    )
    assert version is not None
    new = ["-o", "new", "-p", "192.0.2.5:3260"]
    node = ["-m", "node", "-T", IQN]
    assert machine.run(["iscsiadm", *node, *new]).returncode == 0
    assert machine.run(["iscsiadm", "-m", "discoverydb", "-t", "st", *new]).returncode == 0
    isns = ["-m", "discoverydb", "-t", "isns", "-p", "192.0.2.5:3205"]
    assert machine.run(["iscsiadm", *isns, "-o", "new"]).returncode == 0
    for name in ("eth1", "hba.ipv6.0"):
        new_iface = ["-m", "iface", "-I", name, "-o", "new"]
        assert machine.run(["iscsiadm", *new_iface]).returncode == 0

    def known(scope: Scope, family: str) -> list[str]:
        keys = KEYS[scope].values()
        hidden = ("password_length", "password_in_length")
        return [
            key.name
            for key in keys
            if key.known_to(version)
            and key.family in {None, family}
            and not key.name.endswith(hidden)
        ]

    def shown(*words: str) -> list[str]:
        return shown_keys(machine.run(["iscsiadm", *words]).stdout)

    own = [key for key in shown(*node, "-o", "show") if not key.startswith("iface.")]
    assert own == [key for key in known("node", "ipv4") if not key.startswith("iface.")]
    assert sorted(shown(*node, "-o", "show")) == sorted(known("node", "ipv4"))
    assert shown("-m", "iface", "-I", "eth1") == known("iface", "ipv4")
    assert shown("-m", "iface", "-I", "hba.ipv6.0") == known("iface", "ipv6")
    sendtargets = ["-m", "discoverydb", "-t", "st", "-p", "192.0.2.5:3260", "-o", "show"]
    assert sorted(shown(*sendtargets)) == sorted(known("sendtargets", "ipv4"))
    assert sorted(shown(*isns, "-o", "show")) == sorted(known("isns", "ipv4"))


def test_every_setting_that_is_secret_is_masked_and_no_other() -> None:
    secret = {key.name for scope in KEYS.values() for key in scope.values() if key.is_secret}
    # iscsiadm -m host has settings of its own, which no record has.
    assert secret == {key for key in SECRET_KEYS if not key.startswith("host.")}


def test_a_plan_shows_the_values_of_settings_and_no_secret() -> None:
    changes: Changes = {
        "node.startup": "automatic", "node.session.auth.password": Secret("one long secret"),
        "node.session.auth.password_in": "not of its type", "node.session.auth.username": None,
    }  # fmt: skip
    assert describe_changes(changes, changes) == (
        "sets node.startup=automatic, node.session.auth.password, node.session.auth.password_in, "
        "node.session.auth.username"
    )
    assert describe_changes(["node.startup"], changes) == "sets node.startup=automatic"
