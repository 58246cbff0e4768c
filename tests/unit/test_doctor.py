"""What doctor looks at, read from made trees; and how it shows what it found."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iscsictl.cli.main import cli
from iscsictl.engine.context import Context
from iscsictl.engine.converge import converge, dry_run
from iscsictl.engine.doctor import look
from iscsictl.engine.repairs import repairs
from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.health import Finding, Level, fail, ok, skip, warn, worst
from iscsictl.model.host_actions import ClearLock
from iscsictl.model.inventory import Known
from iscsictl.model.machine import Policy, Route
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.system import facts, modules, network, units
from iscsictl.system.pathmtu import path_mtus
from iscsictl.system.portals import silent
from iscsictl.ui import doctorview
from iscsictl.ui.screen import Screen

RELEASE = "6.1.0-35-amd64"


def put(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "proc/sys/kernel/osrelease", RELEASE + "\n")
    modules_at = f"lib/modules/{RELEASE}"
    tcp, lib = "kernel/drivers/scsi/iscsi_tcp.ko", "kernel/drivers/scsi/libiscsi.ko.xz"
    put(tmp_path, f"{modules_at}/{tcp}")
    put(tmp_path, f"{modules_at}/{lib}")
    put(tmp_path, f"{modules_at}/modules.dep", f"{tcp}: {lib}\n{lib}:\nkernel/b/be2iscsi.ko:\n")
    put(tmp_path, f"{modules_at}/modules.builtin", "kernel/lib/libcrc32c.ko\n")
    return tmp_path


def state_of(root: Path, name: str) -> str:
    return modules.read_kernel([name], root).modules[name]


def test_a_module_with_all_it_needs_is_loadable(root: Path) -> None:
    assert state_of(root, "iscsi_tcp") == "loadable"
    assert state_of(root, "libcrc32c") == "builtin"
    (root / "sys/module/iscsi_tcp").mkdir(parents=True)
    assert state_of(root, "iscsi_tcp") == "loaded"


@pytest.mark.fault("F19")
def test_a_module_whose_file_or_need_is_gone_is_missing(root: Path) -> None:
    assert state_of(root, "be2iscsi") == "missing"
    (root / f"lib/modules/{RELEASE}/kernel/drivers/scsi/libiscsi.ko.xz").unlink()
    assert state_of(root, "iscsi_tcp") == "missing"


@pytest.mark.fault("F19")
def test_a_module_that_modprobe_may_not_load_is_blocked_and_the_file_named(root: Path) -> None:
    put(root, "etc/modprobe.d/no.conf", "# no\ninstall iscsi-tcp /bin/false\n")
    kernel = modules.read_kernel(["iscsi_tcp"], root)
    assert kernel.modules["iscsi_tcp"] == "blocked"
    assert kernel.blockers["iscsi_tcp"] == "/etc/modprobe.d/no.conf"


def test_a_blacklist_does_not_keep_iscsid_from_loading_a_module(root: Path) -> None:
    put(root, "etc/modprobe.d/no.conf", "blacklist iscsi_tcp\n")
    assert state_of(root, "iscsi_tcp") == "loadable"


def test_a_kernel_whose_modules_went_with_an_upgrade_is_told(root: Path) -> None:
    put(root, "proc/sys/kernel/osrelease", "6.1.0-34-amd64\n")
    kernel = modules.read_kernel(["iscsi_tcp"], root)
    assert (kernel.has_modules, kernel.modules["iscsi_tcp"]) == (False, "missing")


UNIT = "[Unit]\nAfter=network-online.target \\\n  iscsid.service\nBefore=remote-fs-pre.target\n"


def test_a_unit_is_read_with_its_drop_ins(root: Path) -> None:
    put(root, "lib/systemd/system/open-iscsi.service", UNIT)
    put(root, "etc/systemd/system/open-iscsi.service.d/x.conf", "[Unit]\nAfter=openvpn.service\n")
    found = units.read_unit("open-iscsi.service", root)
    assert found.after == {"network-online.target", "iscsid.service", "openvpn.service"}
    assert found.before == {"remote-fs-pre.target"}
    assert (found.defined, found.enabled, found.masked) == (True, False, False)


def test_a_drop_in_may_empty_an_order(root: Path) -> None:
    put(root, "lib/systemd/system/a.service", UNIT)
    put(root, "etc/systemd/system/a.service.d/x.conf", "[Unit]\nAfter=\nAfter=b.service\n")
    assert units.read_unit("a.service", root).after == {"b.service"}


def test_a_masked_unit_is_not_enabled(root: Path) -> None:
    put(root, "lib/systemd/system/iscsid.socket", "[Socket]\n")
    wants = root / "etc/systemd/system/sockets.target.wants"
    wants.mkdir(parents=True)
    (wants / "iscsid.socket").symlink_to("/lib/systemd/system/iscsid.socket")
    assert units.read_unit("iscsid.socket", root).enabled
    (root / "etc/systemd/system/iscsid.socket").symlink_to("/dev/null")
    found = units.read_unit("iscsid.socket", root)
    assert (found.enabled, found.masked) == (False, True)


def test_only_a_unit_that_is_there_tells_that_the_network_is(root: Path) -> None:
    wants = root / "etc/systemd/system/network-online.target.wants"
    wants.mkdir(parents=True)
    for name in ("gone.service", "wait@eth0.service", "off.service"):
        (wants / name).symlink_to(f"/lib/systemd/system/{name}")
    put(root, "lib/systemd/system/wait@.service", "[Unit]\n")
    put(root, "lib/systemd/system/off.service", "[Unit]\n")
    (root / "etc/systemd/system/off.service").symlink_to("/dev/null")
    assert units.read_systemd(root).online_providers == ("wait@eth0.service",)


def test_an_fstab_newer_than_what_systemd_read_is_told(root: Path) -> None:
    made, fstab = root / "run/systemd/generator", put(root, "etc/fstab")
    made.mkdir(parents=True)
    os.utime(made, (1e9, 1e9))
    os.utime(fstab, (1e9 - 1, 1e9 - 1))
    assert not units.read_systemd(root).stale
    os.utime(fstab, (1e9 + 1, 1e9 + 1))
    assert units.read_systemd(root).stale


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0
"""
ROUTES6 = (
    "20010db8000a00000000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "20010db8000a00000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
)


@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel prints its own byte order")
def test_routes_are_read_as_the_kernel_prints_them(root: Path) -> None:
    put(root, "proc/net/route", ROUTES)
    put(root, "proc/net/ipv6_route", ROUTES6)
    assert network.read_routes(root) == (
        Route("0.0.0.0/0", "eth0", "192.0.2.1", 100),
        Route("198.51.100.0/24", "eth1"),
        Route("2001:db8:a::/64", "eth0", None, 256),
        Route("::/0", "eth0", "2001:db8:a::1", 1024),
    )


def test_a_nic_has_the_settings_that_are_in_force(root: Path) -> None:
    put(root, "sys/class/net/eth0/mtu", "9000\n")
    put(root, "sys/class/net/eth0/operstate", "up\n")
    put(root, "sys/class/net/eth0/speed", "-1\n")
    put(root, "proc/sys/net/ipv4/conf/all/arp_ignore", "1\n")
    put(root, "proc/sys/net/ipv4/conf/eth0/arp_ignore", "0\n")
    nic = network.read_nics(root)["eth0"]
    assert (nic.mtu, nic.state, nic.speed, nic.arp_ignore) == (9000, "up", None, 1)


def test_a_listener_on_3260_is_seen_but_not_on_loopback(root: Path) -> None:
    head = "  sl  local_address rem_address   st\n"
    put(root, "proc/net/tcp", head + "   0: 0100007F:0CBC 00000000:0000 0A\n")
    assert network.listens(root) is None
    six = "   0: 00000000000000000000000000000000:0CBC 00000000000000000000000000000000:0000 0A\n"
    put(root, "proc/net/tcp6", head + six)
    assert network.listens(root) == "::"


XFRM = """src 192.0.2.9/32 dst 192.0.2.5/32
\tdir out priority 1000 ptype main
\ttmpl src 192.0.2.9 dst 192.0.2.5
\t\tproto esp spi 0x1 reqid 1 mode transport
src 192.0.2.5/32 dst 192.0.2.9/32
\tdir in priority 1000 ptype main
\ttmpl src 192.0.2.5 dst 192.0.2.9
\t\tproto esp reqid 1 mode transport
src ::/0 dst 2001:db8::/32
\tdir out action block priority 0
"""


def test_ipsec_policies_that_go_out_are_read() -> None:
    assert network.parse_policies(XFRM) == (
        Policy("192.0.2.5/32"),
        Policy("2001:db8::/32", "block", protects=False),
    )
    assert network.parse_policies("") == ()


LOG = [
    "6,1,5000000,-; connection1:0: detected conn error (1020)\n",
    "6,2,700000000,-; connection1:0: detected conn error (1020)\n SUBSYSTEM=x\n",
    "6,3,800000000,-; connection2:0: detected conn error (1022)\n",
    "3,4,900000000,-;critical space allocation error, dev sdb, sector 8 op 0x1:(WRITE)\n",
    "3,5,900000000,-;I/O error, dev sdc, sector 0 op 0x0:(READ) flags 0x0\n",
    "nonsense",
]


@pytest.mark.fault("F56")
def test_the_kernels_log_tells_breaks_and_errors_of_late_alone() -> None:
    trouble = facts.parse_log(LOG, since=600)
    assert trouble.breaks == {1: 1}
    assert "space allocation" in trouble.disk_errors["/dev/sdb"]
    assert "I/O" in trouble.disk_errors["/dev/sdc"]


@pytest.mark.fault("F01")
def test_a_lock_that_nobody_owns_is_told_with_its_age(root: Path) -> None:
    (root / "proc").mkdir(exist_ok=True)
    put(root, "run/lock/iscsi/lock")
    assert facts.look_at_lock(root) is None
    os.link(root / "run/lock/iscsi/lock", root / "run/lock/iscsi/lock.write")
    lock = facts.look_at_lock(root)
    assert lock is not None
    assert lock.owners == ()


def test_a_stopped_iscsid_is_found_before_a_sleeping_one(root: Path) -> None:
    for pid, state in ((300, "S"), (301, "T")):
        put(root, f"proc/{pid}/comm", "iscsid\n")
        put(root, f"proc/{pid}/stat", f"{pid} (iscsid) {state} 1 1")
    daemon = facts.find_daemon("iscsid", root)
    assert daemon is not None
    assert (daemon.pid, daemon.state) == (301, "T")


def test_a_made_tree_is_looked_at_without_any_process(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2001-04.org.example:a\n")
    put(root, "usr/sbin/iscsiadm").chmod(0o755)
    machine = look(Context(root=root))
    assert machine.initiator.name == "iqn.2001-04.org.example:a"
    assert machine.programs["iscsiadm"].path == "/usr/sbin/iscsiadm"
    assert isinstance(machine.db, Known)


def test_names_that_nobody_resolves_are_asked_for_side_by_side_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def slow(host: str, port: int, **options: Any) -> Any:
        if options.get("flags") == 0:
            time.sleep(0.2 if host == "quick" else 2.0)
            host = "127.0.0.1"
        return real(host, port, **options)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        began = time.monotonic()
        found = silent([Portal(n, port) for n in ("slow", "lame", "quick", "127.0.0.1")], 0.5)
    assert time.monotonic() - began < 1.0
    assert found == {Portal(n, port): "the name cannot be resolved in time"
                     for n in ("slow", "lame")}  # fmt: skip


def test_an_echo_comes_back_from_here_and_not_from_nowhere() -> None:
    here, nowhere = Portal("127.0.0.1"), Portal("192.0.2.254")
    try:
        seen = path_mtus({here: 1500, nowhere: 1500, Portal("name.invalid"): 1500}, 0.6)
    except IscsictlError as error:
        pytest.skip(f"no echo here: {error}")
    assert (seen[here].small, seen[here].large) == (True, True)
    assert Portal("name.invalid") not in seen
    if nowhere in seen:
        assert not seen[nowhere].small


FOUND = (
    ok("a-one", "fine"),
    warn("b-two", "odd | thing", "do x", 'iqn."x"\n'),
    fail("c-three", "broken \x1b[31m", "do y", "s", ClearLock()),
    skip("d-four", "only root"),
)


def shown(findings: tuple[Finding, ...], *, everything: bool, width: int | None = None) -> str:
    stream = io.StringIO()
    doctorview.show(findings, Screen(stream, width=width), everything=everything)
    return stream.getvalue()


def test_the_gravest_comes_first_and_what_is_fine_is_left_out() -> None:
    text = shown(FOUND, everything=False)
    assert text.startswith("fail  c-three  s\n")
    assert "a-one" not in text
    assert "mend: do y" in text
    assert text.endswith("1 failed, 1 warnings, 1 ok, 1 skipped\n")
    assert "\x1b" not in text
    assert "a-one" in shown(FOUND, everything=True)


def test_a_narrow_terminal_breaks_no_name() -> None:
    path = "/etc/iscsi/nodes/iqn.2001-04.com.example:mail/192.0.2.5,3260,1/default"
    text = shown((fail("x", f"see {path} now", "chmod"),), everything=False, width=40)
    assert path in text


def test_the_json_has_every_finding_whole() -> None:
    document = json.loads(doctorview.as_json(FOUND))
    assert document["schema"] == "iscsictl.doctor/1"
    assert document["level"] == "fail"
    assert [f["level"] for f in document["findings"]] == ["ok", "warn", "fail", "skip"]
    assert document["findings"][2]["fix"] is True
    assert document["findings"][1]["subject"] == 'iqn."x"\n'


@pytest.mark.parametrize(
    ("findings", "word", "code"),
    [
        (FOUND, "CRITICAL", 2),
        (FOUND[:2], "WARNING", 1),
        ((FOUND[0], FOUND[3]), "OK", 0),
        ((FOUND[3],), "UNKNOWN", 3),
        ((), "OK", 0),
    ],
)
def test_a_monitoring_plugin_has_one_status_line_and_its_code(
    findings: tuple[Finding, ...], word: str, code: int
) -> None:
    lines = doctorview.nagios(findings).split("\n")
    assert lines[0].startswith(f"ISCSI {word} - ")
    assert lines[0].count("|") == 1
    assert all("|" not in line for line in lines[1:])
    assert re.search(r"\| failed=\d+;;1 warnings=\d+;1 ok=\d+$", lines[0])
    assert doctorview.NAGIOS_EXIT[doctorview.nagios_level(findings)] == code


def test_prometheus_gets_each_series_once_with_its_worst_value() -> None:
    twice = (*FOUND, fail("a-one", "again", "z"))
    lines = doctorview.prometheus(twice, 12.0).split("\n")
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'iscsictl_check_level{id="a-one",subject=""} 2' in lines
    assert 'iscsictl_check_level{id="b-two",subject="iqn.\\"x\\"\\\\x0a"} 1' in lines
    assert 'iscsictl_checks{level="skip"} 1' in lines


def test_the_worst_level_counts() -> None:
    assert worst(FOUND) is Level.FAIL
    assert worst(()) is Level.OK


def run_doctor(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["doctor", *arguments], env={"ISCSICTL_ROOT": str(root)})


def test_the_exit_code_is_1_with_a_failure_and_0_with_warnings_alone(root: Path) -> None:
    assert run_doctor(root).exit_code == 1
    assert run_doctor(root, "--only", "clock").exit_code == 0
    assert run_doctor(root, "--only", "initiator-name").exit_code == 1
    assert run_doctor(root, "--only", "initiator", "--ignore", "initiator-name").exit_code == 0


def test_a_mistyped_check_is_no_clean_bill(root: Path) -> None:
    for option in ("--only", "--ignore"):
        answer = run_doctor(root, option, "net-mto")
        assert (answer.exit_code, "no check net-mto" in answer.output) == (2, True)


def test_looking_has_nothing_to_try_out(root: Path) -> None:
    result = run_doctor(root, "-n")
    assert result.exit_code == 2
    assert "--fix" in result.output


def test_the_live_machine_is_looked_at_within_the_deadline() -> None:
    began = time.monotonic()
    machine = look(Context(1.0))
    assert time.monotonic() - began < 6
    assert machine.kernel.release == os.uname().release
    assert threading.active_count() < 4


def test_a_log_that_only_root_may_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> int:
        raise PermissionError(1, "no")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(NeedsRootError):
        facts.read_trouble()


def record_text(target: str) -> str:
    return (
        f"# BEGIN RECORD 2.1.8\nnode.name = {target}\nnode.conn[0].address = 192.0.2.5\n"
        "node.conn[0].port = 3260\niface.iscsi_ifacename = default\n# END RECORD\n"
    )


@pytest.mark.fault("F01")
@pytest.mark.fault("F03")
def test_fix_clears_the_lock_removes_what_is_torn_and_closes_what_is_open(root: Path) -> None:
    nodes, place = "etc/iscsi/nodes", "192.0.2.5,3260,1/default"
    open_ = put(
        root, f"{nodes}/iqn.2001-04.com.x:open/{place}", record_text("iqn.2001-04.com.x:open")
    )
    torn = put(root, f"{nodes}/iqn.2001-04.com.x:torn/{place}")
    good = put(
        root, f"{nodes}/iqn.2001-04.com.x:good/{place}", record_text("iqn.2001-04.com.x:good")
    )
    open_.chmod(0o644)
    good.chmod(0o600)
    for path in (open_, torn, good):
        os.utime(path, (1e9, 1e9))
    lock = put(root, "run/lock/iscsi/lock")
    os.link(lock, lock.with_name("lock.write"))
    (root / "proc").mkdir(exist_ok=True)
    context, before = Context(5.0, root), good.read_bytes()
    task = repairs(lambda finding: finding.id.startswith("nodedb"))
    shown_first = dry_run(task, context)
    assert shown_first.pending
    assert torn.exists()
    assert lock.with_name("lock.write").exists()
    report = converge(task, context, lambda _: None)
    assert report.error is None
    assert [o.step.status for o in report.outcomes] == [Status.DONE] * 3
    assert not torn.exists()
    assert not lock.with_name("lock.write").exists()
    assert open_.stat().st_mode & 0o777 == 0o600
    assert good.read_bytes() == before
    assert not dry_run(task, context).pending
