"""What doctor reads of modules, units, the lock and the kernel's log."""

import os
from pathlib import Path

import pytest

from iscsictl.errors import NeedsRootError, UnreachableError
from iscsictl.system.host import facts, kernel_modules, unit_files
from iscsictl.system.io.daemons import find_daemon
from iscsictl.system.iscsi import iscsiadm
from tests.unit.fake_root import RELEASE, put, with_modules


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_modules(tmp_path)


def state_of(root: Path, name: str) -> str:
    return kernel_modules.read_kernel([name], root).modules[name]


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
    kernel = kernel_modules.read_kernel(["iscsi_tcp"], root)
    assert kernel.modules["iscsi_tcp"] == "blocked"
    assert kernel.blockers["iscsi_tcp"] == "/etc/modprobe.d/no.conf"


def test_a_blacklist_does_not_keep_iscsid_from_loading_a_module(root: Path) -> None:
    put(root, "etc/modprobe.d/no.conf", "blacklist iscsi_tcp\n")
    assert state_of(root, "iscsi_tcp") == "loadable"


def test_a_kernel_whose_modules_went_with_an_upgrade_is_told(root: Path) -> None:
    put(root, "proc/sys/kernel/osrelease", "6.1.0-34-amd64\n")
    kernel = kernel_modules.read_kernel(["iscsi_tcp"], root)
    assert (kernel.has_modules, kernel.modules["iscsi_tcp"]) == (False, "missing")


@pytest.mark.parametrize("file", ["run/systemd/container", "run/.containerenv", ".dockerenv"])
def test_the_kernel_of_a_container_is_that_of_its_host(root: Path, file: str) -> None:
    assert not kernel_modules.read_kernel([], root).contained
    put(root, file)
    assert kernel_modules.read_kernel([], root).contained


UNIT = "[Unit]\nAfter=network-online.target \\\n  iscsid.service\nBefore=remote-fs-pre.target\n"


def test_a_unit_is_read_with_its_drop_ins(root: Path) -> None:
    put(root, "lib/systemd/system/open-iscsi.service", UNIT)
    put(root, "etc/systemd/system/open-iscsi.service.d/x.conf", "[Unit]\nAfter=openvpn.service\n")
    found = unit_files.read_unit("open-iscsi.service", root)
    assert found.after == {"network-online.target", "iscsid.service", "openvpn.service"}
    assert found.before == {"remote-fs-pre.target"}
    assert (found.defined, found.enabled, found.masked) == (True, False, False)


def test_a_drop_in_takes_no_order_back(root: Path) -> None:
    # systemd.unit(5): dependencies may not be reset to an empty list.
    put(root, "lib/systemd/system/a.service", UNIT)
    put(root, "etc/systemd/system/a.service.d/x.conf", "[Unit]\nAfter=\nAfter=b.service\n")
    after = {"network-online.target", "iscsid.service", "b.service"}
    assert unit_files.read_unit("a.service", root).after == after


def test_the_names_of_a_units_variables_are_read_without_their_values(root: Path) -> None:
    put(root, "lib/systemd/system/a.service", "[Service]\nEnvironment=\"A=1 B=2\" 'C=x' D=\n")
    assert unit_files.read_unit("a.service", root).environment == {"A", "C", "D"}
    # An empty assignment resets the list (systemd.exec(5)).
    drop_in = "[Service]\nEnvironment=\nEnvironment=E=1\n"
    put(root, "etc/systemd/system/a.service.d/x.conf", drop_in)
    assert unit_files.read_unit("a.service", root).environment == {"E"}


def test_a_masked_unit_is_not_enabled(root: Path) -> None:
    put(root, "lib/systemd/system/iscsid.socket", "[Socket]\n")
    wants = root / "etc/systemd/system/sockets.target.wants"
    wants.mkdir(parents=True)
    (wants / "iscsid.socket").symlink_to("/lib/systemd/system/iscsid.socket")
    assert unit_files.read_unit("iscsid.socket", root).enabled
    (root / "etc/systemd/system/iscsid.socket").symlink_to("/dev/null")
    found = unit_files.read_unit("iscsid.socket", root)
    assert (found.enabled, found.masked) == (False, True)


def test_only_a_unit_that_is_there_tells_that_the_network_is(root: Path) -> None:
    wants = root / "etc/systemd/system/network-online.target.wants"
    wants.mkdir(parents=True)
    for name in ("gone.service", "wait@eth0.service", "off.service"):
        (wants / name).symlink_to(f"/lib/systemd/system/{name}")
    put(root, "lib/systemd/system/wait@.service", "[Unit]\n")
    put(root, "lib/systemd/system/off.service", "[Unit]\n")
    (root / "etc/systemd/system/off.service").symlink_to("/dev/null")
    assert unit_files.read_systemd(root).online_providers == ("wait@eth0.service",)


def test_what_a_generator_has_wait_for_the_network_counts(root: Path) -> None:
    # netplan's generator links it there (src/generate.c, enable_networkd).
    name = "systemd-networkd-wait-online.service"
    wants = root / "run/systemd/generator/network-online.target.wants"
    wants.mkdir(parents=True)
    (wants / name).symlink_to(f"/lib/systemd/system/{name}")
    put(root, f"lib/systemd/system/{name}", "[Unit]\n")
    assert unit_files.read_systemd(root).online_providers == (name,)


def test_an_fstab_newer_than_what_systemd_read_is_told(root: Path) -> None:
    made, fstab = root / "run/systemd/generator", put(root, "etc/fstab")
    made.mkdir(parents=True)
    os.utime(made, (1e9, 1e9))
    os.utime(fstab, (1e9 - 1, 1e9 - 1))
    assert not unit_files.read_systemd(root).stale
    os.utime(fstab, (1e9 + 1, 1e9 + 1))
    assert unit_files.read_systemd(root).stale


LOG = [
    "6,1,5000000,-; connection1:0: detected conn error (1020)\n",
    "6,2,700000000,-; connection1:0: detected conn error (1020)\n SUBSYSTEM=x\n",
    "6,3,800000000,-; connection2:0: detected conn error (1022)\n",
    "3,4,900000000,-;critical space allocation error, dev sdb, sector 8 op 0x1:(WRITE)\n",
    "3,5,900000000,-;I/O error, dev sdc, sector 0 op 0x0:(READ) flags 0x0\n",
    "3,6,900000000,-;I/O error, dev dm-0, sector 0 op 0x0:(READ) flags 0x0\n",
    "nonsense",
]


@pytest.mark.fault("F56")
def test_the_kernels_log_tells_breaks_and_errors_of_late_alone() -> None:
    trouble = facts.parse_log(LOG, since=600)
    assert trouble.breaks == {1: 1}
    assert "space allocation" in trouble.disk_errors["/dev/sdb"]
    assert "I/O" in trouble.disk_errors["/dev/sdc"]


@pytest.mark.parametrize(
    ("kind", "operation", "counts"),
    [
        ("critical target", "0x9:(WRITE_ZEROES)", False),
        ("critical target", "0x3:(DISCARD)", False),
        ("critical target", "0x1:(WRITE)", True),
        ("critical medium", "0x9:(WRITE_ZEROES)", True),
    ],
)
def test_an_array_that_refuses_an_optional_command_is_no_fault(
    kind: str, operation: str, counts: bool
) -> None:
    line = f"3,4,900000000,-;{kind} error, dev sdb, sector 8 op {operation} flags 0x8000800\n"
    assert bool(facts.parse_log([line], since=600).disk_errors) is counts


def test_a_map_is_named_as_it_is_in_the_listing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "sys/class/block/dm-0/dm/name", "vg-data\n")
    put(root, "dev/kmsg", LOG[-2])
    monkeypatch.setattr("time.clock_gettime", lambda _: 1000.0)
    assert list(facts.read_trouble(root).disk_errors) == ["/dev/mapper/vg-data"]


@pytest.mark.fault("F01")
def test_a_lock_that_nobody_owns_is_told_with_its_age(root: Path) -> None:
    (root / "proc").mkdir(exist_ok=True)
    put(root, "run/lock/iscsi/lock")
    assert facts.observe_lock(root) is None
    os.link(root / "run/lock/iscsi/lock", root / "run/lock/iscsi/lock.write")
    lock = facts.observe_lock(root)
    assert lock is not None
    assert lock.owners == ()


@pytest.mark.fault("F12")
@pytest.mark.parametrize(
    ("state", "cause", "hint"),
    [
        ("T", "iscsid (pid 21) is stopped and does not answer", "kill -CONT $(pidof iscsid)"),
        ("S", "nothing within 5 s", "wait longer"),
    ],
)
def test_an_iscsiadm_without_an_answer_names_an_iscsid_that_is_stopped(
    root: Path, state: str, cause: str, hint: str
) -> None:
    put(root, "proc/21/comm", "iscsid\n")
    put(root, "proc/21/stat", f"21 (iscsid) {state} 1 21")
    late = UnreachableError("nothing within 5 s", hint="wait longer")
    error = iscsiadm.explain_no_answer(late, "logging in", root)
    assert error.text == f"logging in: {cause}"
    assert error.hint is not None
    assert error.hint.endswith(hint)


def test_a_stopped_iscsid_is_found_before_a_sleeping_one(root: Path) -> None:
    for pid, state in ((300, "S"), (301, "T")):
        put(root, f"proc/{pid}/comm", "iscsid\n")
        put(root, f"proc/{pid}/stat", f"{pid} (iscsid) {state} 1 1")
    daemon = find_daemon("iscsid", root)
    assert daemon is not None
    assert (daemon.pid, daemon.state) == (301, "T")


def test_a_log_that_only_root_may_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> int:
        raise PermissionError(1, "no")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(NeedsRootError):
        facts.read_trouble()


def test_a_second_iscsictl_is_found_and_one_behind_a_link_is_not_a_second(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/root/.local/bin:/usr/bin:bin")
    put(root, "usr/bin/iscsictl").chmod(0o755)
    (root / "bin").symlink_to("usr/bin")
    assert facts.find_programs(root)["iscsictl"].also_at == ()
    put(root, "root/.local/bin/iscsictl").chmod(0o755)
    put(root, "usr/local/bin/iscsictl").chmod(0o644)
    found = facts.find_programs(root)["iscsictl"]
    assert (found.path, found.also_at) == ("/root/.local/bin/iscsictl", ("/usr/bin/iscsictl",))
    # Tools are run with a PATH of iscsictl's own.
    put(root, "root/.local/bin/sfdisk").chmod(0o755)
    assert facts.find_programs(root)["sfdisk"].path is None
