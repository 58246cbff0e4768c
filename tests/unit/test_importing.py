"""The old driver's files become keys of open-iscsi's records."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iscsictl.cli.main import cli
from iscsictl.errors import UnreachableError
from iscsictl.legacy import iscsi_conf
from iscsictl.legacy.iscsi_conf import parse_iscsi_conf
from iscsictl.legacy.planner import (
    DiscoveryPlan,
    ImportPlan,
    MountPlan,
    Values,
    execute_import,
    node_values,
    plan_import,
    recognise,
    record_values,
)
from iscsictl.model.names import Portal
from iscsictl.model.secret import Secret
from tests.commands import call
from tests.unit.fake_root import put

TARGET = "iqn.2001-04.com.example:a"


def mapped(text: str) -> dict[str, str]:
    return record_values(parse_iscsi_conf(text).defaults)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("LoginTimeout=20", {"node.conn[0].timeo.login_timeout": "20"}),
        ("AuthTimeout=1m", {"node.conn[0].timeo.auth_timeout": "60"}),
        ("ActiveTimeout=7", {"node.conn[0].timeo.noop_out_interval": "7"}),
        ("IdleTimeout=70", {"node.conn[0].timeo.noop_out_interval": "70"}),
        ("PingTimeout=6", {"node.conn[0].timeo.noop_out_timeout": "6"}),
        ("ConnFailTimeout=90", {"node.session.timeo.replacement_timeout": "90"}),
        ("ConnFailTimeout=0", {"node.session.timeo.replacement_timeout": "-1"}),
        ("AbortTimeout=11", {"node.session.err_timeo.abort_timeout": "11"}),
        ("AbortTimeout=0", {"node.session.err_timeo.abort_timeout": "0"}),
        (
            "ResetTimeout=31",
            {
                "node.session.err_timeo.lu_reset_timeout": "31",
                "node.session.err_timeo.tgt_reset_timeout": "31",
            },
        ),
        ("HeaderDigest=prefer-off", {"node.conn[0].iscsi.HeaderDigest": "None,CRC32C"}),
        ("DataDigest=never", {"node.conn[0].iscsi.DataDigest": "None"}),
        ("InitialR2T=no", {"node.session.iscsi.InitialR2T": "No"}),
        ("ImmediateData=yes", {"node.session.iscsi.ImmediateData": "Yes"}),
        ("FirstBurstLength=65536", {"node.session.iscsi.FirstBurstLength": "65536"}),
        ("MaxBurstLength=65536", {"node.session.iscsi.MaxBurstLength": "65536"}),
        (
            "MaxRecvDataSegmentLength=8192",
            {"node.conn[0].iscsi.MaxRecvDataSegmentLength": "8192"},
        ),
        ("TCPWindowSize=262144", {"node.conn[0].tcp.window_size": "262144"}),
        ("Enabled=no", {"node.startup": "manual"}),
        ("Enabled=yes", {"node.startup": "automatic"}),
    ],
)
def test_each_keyword_has_its_key(line: str, keys: dict[str, str]) -> None:
    assert mapped(line + "\n") == {"node.startup": "automatic", **keys}


def test_the_lost_ping_interval_is_told_with_its_line() -> None:
    plan = plan_import("iscsi.conf", "ActiveTimeout=5\nIdleTimeout=60\nDiscoveryAddress=a\n")
    assert [(w.line, w.level) for w in plan.warnings] == [(2, "warning")]
    assert record_values(plan.config.defaults)["node.conn[0].timeo.noop_out_interval"] == "5"


def test_one_interval_for_both_loses_nothing() -> None:
    assert plan_import("iscsi.conf", "ActiveTimeout=5\nIdleTimeout=5\n").warnings == ()


def test_the_account_of_a_portal_goes_to_discovery_and_to_its_targets() -> None:
    text = (
        "Username=anna\nPassword=anna-her-own-1\nIncomingUsername=array\n"
        "IncomingPassword=array-its-own\nDiscoveryAddress=192.0.2.1\n Continuous=yes\n"
    )
    found = plan_import("iscsi.conf", text).discovery[0]
    assert found.record == {
        "discovery.sendtargets.auth.authmethod": "CHAP",
        "discovery.sendtargets.auth.username": "anna",
        "discovery.sendtargets.auth.password": Secret("anna-her-own-1"),
        "discovery.sendtargets.auth.username_in": "array",
        "discovery.sendtargets.auth.password_in": Secret("array-its-own"),
        "discovery.sendtargets.use_discoveryd": "Yes",
    }
    assert found.node["node.session.auth.password"] == Secret("anna-her-own-1")
    assert found.node["node.session.auth.username_in"] == "array"


def test_entries_apply_in_the_order_of_the_file() -> None:
    text = (
        "LoginTimeout=10\nHeaderDigest=always\n"
        f"TargetName={TARGET}\n LoginTimeout=20\n AbortTimeout=21\n"
        "Subnet=192.0.2.0/24\n LoginTimeout=30\n"
        "DiscoveryAddress=192.0.2.1\n"
        "LoginTimeout=40\n"
    )
    plan = plan_import("iscsi.conf", text)
    found = plan.discovery[0]

    def login(target: str, address: str) -> str | Secret | None:
        return node_values(plan, found, target, address).get("node.conn[0].timeo.login_timeout")

    assert login("iqn.2001-04.com.example:b", "198.51.100.1") == "40"
    assert login(TARGET, "198.51.100.1") == "20"
    assert login(TARGET, "192.0.2.9") == "30"
    both = node_values(plan, found, TARGET, "192.0.2.9")
    assert both["node.conn[0].iscsi.HeaderDigest"] == "CRC32C"
    assert "node.session.err_timeo.abort_timeout" not in both


class Recorder:
    """A writer that only remembers: two targets at each portal."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def discover(self, portal: Portal, record: Values) -> list[tuple[str, Portal]]:
        self.calls.append(("discover", str(portal), *sorted(record)))
        return [(TARGET, portal)]

    def set_node(self, target: str, portal: Portal, values: Values) -> None:
        self.calls.append(("node", target, str(portal), *sorted(values)))

    def set_initiator(self, name: str) -> None:
        self.calls.append(("initiator", name))

    def set_mount(self, mount: MountPlan) -> None:
        self.calls.append(("mount", mount.source.directory))


def carried(plan: ImportPlan) -> Sequence[tuple[str, ...]]:
    writer = Recorder()
    assert len(list(execute_import(plan, writer))) == len(writer.calls)
    return writer.calls


def test_executing_discovers_then_writes_each_record() -> None:
    calls = carried(plan_import("iscsi.conf", "DiscoveryAddress=192.0.2.1\nDiscoveryAddress=b\n"))
    assert [call[:2] for call in calls] == [
        ("discover", "192.0.2.1:3260"),
        ("node", TARGET),
        ("discover", "b:3260"),
        ("node", TARGET),
    ]


def test_a_portal_that_is_gone_keeps_nobody_else_out() -> None:
    class Half(Recorder):
        def discover(self, portal: Portal, record: Values) -> list[tuple[str, Portal]]:
            if portal.address == "gone":
                raise UnreachableError("gone does not answer")
            return super().discover(portal, record)

    writer = Half()
    done = list(execute_import(plan_import("iscsi.conf", "DiscoveryAddress=gone\n"
                                      "DiscoveryAddress=b\n"), writer))  # fmt: skip
    assert [isinstance(one, UnreachableError) for one in done] == [True, False, False]
    assert [call[:2] for call in writer.calls] == [("discover", "b:3260"), ("node", TARGET)]


def test_an_entry_without_an_address_is_not_asked() -> None:
    plan = plan_import("iscsi.conf", "DiscoveryAddress= 192.0.2.1\n")
    assert plan.discovery == ()
    assert plan.empty
    assert [w.level for w in plan.warnings] == ["note"]


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("iscsi.conf", "InitiatorName=x", "iscsi.conf"),
        ("old-initiatorname.iscsi", "", "initiatorname.iscsi"),
        ("fstab.iscsi", "", "fstab.iscsi"),
        ("x", "# c\nInitiatorName=iqn.2001-04.com.example:a\n", "initiatorname.iscsi"),
        ("x", "/dev/iscsi/bus0/target0/lun0/disk /d ext3 defaults 0 0\n", "fstab.iscsi"),
        ("x", "DiscoveryAddress=a\n", "iscsi.conf"),
        ("-", "", "iscsi.conf"),
    ],
)
def test_a_file_is_recognised_by_name_then_content(name: str, text: str, kind: str) -> None:
    assert recognise(name, text) == kind


def test_bindings_turn_old_device_names_into_targets() -> None:
    text = "/dev/iscsi/bus0/target1/lun2/part3 /d ext3 noatime 0 0\n"
    plan = plan_import("fstab.iscsi", text, f"0 1 {TARGET}\n")
    (mount,) = plan.mounts
    assert (mount.target, mount.lun, mount.part) == (TARGET, 2, 3)
    assert carried(plan) == [("mount", "/d")]


def test_a_device_whose_target_is_not_known_is_warned_about() -> None:
    text = "/dev/iscsi/bus0/target1/lun2/disk /d ext3\n/dev/sdb1 /e ext3\nLABEL=x /f ext3\n"
    plan = plan_import("fstab.iscsi", text)
    assert [w.line for w in plan.warnings] == [1, 2]
    assert [m.source.directory for m in plan.mounts] == ["/f"]


def test_swap_is_left_to_the_admin() -> None:
    text = "/dev/iscsi/bus0/target1/lun2/part3 none swap sw 0 0\nUUID=a swap swap\n"
    plan = plan_import("fstab.iscsi", text, f"0 1 {TARGET}\n")
    assert plan.mounts == ()
    assert [w.line for w in plan.warnings] == [1, 2]


def test_a_target_s_name_that_breaks_the_standard_is_kept_and_noted() -> None:
    plan = plan_import(
        "iscsi.conf",
        f"TargetName=iqn.2001-04.com.Example:A_b\nTargetName={TARGET}\nDiscoveryAddress=a\n",
    )
    assert plan.config.targets[0].name == "iqn.2001-04.com.Example:A_b"
    assert [(w.line, w.level) for w in plan.warnings] == [(1, "note")]


def test_an_initiator_name_that_breaks_the_standard_is_kept_and_warned_about() -> None:
    plan = plan_import("initiatorname.iscsi", "InitiatorName=iqn.2001-04.com.Example:A_b\n")
    assert plan.initiator == "iqn.2001-04.com.Example:A_b"
    assert [w.line for w in plan.warnings] == [1]


def run(tmp_path: Path, text: str, *options: str) -> Result:
    file = tmp_path / "iscsi.conf"
    file.write_text(text)
    return CliRunner().invoke(cli, ["import", str(file), *options])


def test_the_dry_run_exits_10_and_shows_no_secret(tmp_path: Path) -> None:
    text = "Username=u\nPassword=very-secret-1\nDiscoveryAddress=192.0.2.1\n"
    for options in (["-n"], ["-n", "-o", "json"], ["-n", "-o", "tsv"]):
        result = run(tmp_path, text, *options)
        assert result.exit_code == 10
        assert "192.0.2.1" in result.output
        assert "very-secret" not in result.output


def test_the_json_has_the_schema_and_secret_true(tmp_path: Path) -> None:
    text = "Username=u\nPassword=very-secret-1\nDiscoveryAddress=192.0.2.1\n"
    document = json.loads(run(tmp_path, text, "-n", "-o", "json").stdout)
    assert document["schema"] == "iscsictl.import/1"
    assert document["discovery"][0]["secret"] is True
    assert "password" not in document["discovery"][0]
    assert document["warnings"] == []


def test_each_part_of_the_json_names_the_keys_that_it_becomes(tmp_path: Path) -> None:
    text = (
        "PingTimeout=9\nDiscoveryAddress=192.0.2.1\n Username=u\n Password=very-secret-1\n"
        "Subnet=192.0.2.0/24\n PingTimeout=7\n"
    )
    document = json.loads(run(tmp_path, text, "-n", "-o", "json").stdout)
    ping = "node.conn[0].timeo.noop_out_timeout"
    assert document["everywhere"]["keys"] == {ping: "9", "node.startup": "automatic"}
    assert document["subnets"][0]["keys"] == {ping: "7"}
    assert document["discovery"][0]["keys"] == {
        f"{prefix}.auth.{name}": value
        for prefix in ("discovery.sendtargets", "node.session")
        for name, value in (("username", "u"), ("authmethod", "CHAP"))
    }
    assert f"192.0.2.0/24\t{ping} = 7" in run(tmp_path, text, "-n", "-o", "tsv").stdout


def test_a_target_to_which_no_portal_leads_is_warned_about_and_nothing_is_to_do(
    tmp_path: Path,
) -> None:
    result = run(tmp_path, f"TargetName={TARGET}\n LoginTimeout=30\n", "-n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "iscsi.conf:1: warning: no DiscoveryAddress leads to this target" in result.stderr


def test_quiet_leaves_only_errors(tmp_path: Path) -> None:
    text = b"PollInterval=3\nLoginTimeout=soon\nDiscoveryAddress=192.0.2.1\n"
    answer = call(["import", "-", "-n", "-q"], tmp_path, stdin=text)
    assert (answer.code, answer.out) == (10, "")
    assert [line.split(": ")[:2] for line in answer.err.splitlines()] == [["-:2", "error"]]


def test_a_name_that_the_host_has_already_is_nothing_to_do(tmp_path: Path) -> None:
    text = f"InitiatorName={TARGET}\n".encode()
    arguments = ["import", "-", "-n"]
    assert call(arguments, tmp_path, stdin=text).code == 10
    put(tmp_path, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2001-04.com.example:b\n")
    assert call(arguments, tmp_path, stdin=text).code == 10
    put(tmp_path, "etc/iscsi/initiatorname.iscsi", f"InitiatorName={TARGET}\n")
    for options in (["-n"], [], ["-J"]):
        answer = call(["import", "-", *options], tmp_path, stdin=text)
        assert answer.code == 0
        assert "already" in answer.err
    assert json.loads(answer.out)["initiator"] == TARGET


def test_what_is_wrong_with_the_bindings_is_told_by_their_own_name(tmp_path: Path) -> None:
    put(tmp_path, "fstab.iscsi", "LABEL=a /a ext3\n/dev/sdb1 /b ext3\n")
    put(tmp_path, "bound", "0 x iqn.2001-04.com.example:a\n")
    usual = put(tmp_path, "var/lib/iscsi/bindings", "nonsense\n")
    answer = call(["import", "fstab.iscsi", "--bindings", "bound", "-n"], tmp_path)
    assert [line.split(": ")[0] for line in answer.err.splitlines()] == ["bound:1", "fstab.iscsi:2"]
    answer = call(["import", "fstab.iscsi", "-n", "-J"], tmp_path)
    assert answer.err.startswith(f"{usual}:1: warning: ")
    warnings = json.loads(answer.out)["warnings"]
    assert [(w["source"], w["line"]) for w in warnings] == [("bindings", 1), ("file", 2)]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert run(tmp_path, "\ufeffDiscoveryAddress=192.0.2.1\r\n", "-n").exit_code == 10


def test_a_file_with_nothing_in_it_exits_0(tmp_path: Path) -> None:
    assert run(tmp_path, "# nothing\n", "-n").exit_code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x", "hello\n\nworld = 1\n"),
        ("x", "\n# c\nLoginTimeout=soon\n"),
        ("iscsi.conf", "InitiatorName=iqn.2001-04.com.example:a\n"),
        ("initiatorname.iscsi", "DiscoveryAddress=192.0.2.1\n"),
        ("fstab.iscsi", "hello\nthis is no line\n"),
    ],
)
def test_a_file_of_which_no_line_is_understood_is_a_usage_error(
    name: str, text: str, tmp_path: Path
) -> None:
    put(tmp_path, name, text)
    for options in (["-n"], [], ["-n", "-J"]):
        answer = call(["import", name, *options], tmp_path)
        assert answer.code == 2
        first, second = answer.err.splitlines()
        assert "none of its lines is valid in " in first
        assert second.startswith("hint: ")
    assert json.loads(answer.out)["error"]["exit"] == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x", ""),
        ("x", "hello\nPollInterval=3\n"),
        ("x", f"TargetName={TARGET}\n"),
        ("initiatorname.iscsi", "InitiatorAlias=a\n"),
        ("fstab.iscsi", "/dev/iscsi/bus0/target1/lun2/disk /d ext3\n"),
        ("fstab.iscsi", "UUID=a swap swap\n"),
    ],
)
def test_a_line_that_is_understood_and_makes_nothing_is_no_error(
    name: str, text: str, tmp_path: Path
) -> None:
    put(tmp_path, name, text)
    answer = call(["import", name, "-n"], tmp_path)
    assert answer.code == 0
    assert answer.err.endswith(f"{name}: nothing to import\n")


def test_a_missing_file_exits_2(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["import", str(tmp_path / "none"), "-n"]).exit_code == 2


def test_a_directory_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["import", str(tmp_path), "-n"]).exit_code == 2


def test_the_plan_of_a_portal_names_its_source() -> None:
    found = plan_import("iscsi.conf", "\nDiscoveryAddress=a:1\n").discovery[0]
    assert isinstance(found, DiscoveryPlan)
    assert (found.source.line, found.portal) == (2, Portal("a", 1))


def test_the_page_on_the_old_files_has_every_keyword() -> None:
    page = (Path(__file__).parents[2] / "docs/import.md").read_text().lower()
    assert [word for word in iscsi_conf.KEYWORDS if f"`{word}`" not in page] == []
