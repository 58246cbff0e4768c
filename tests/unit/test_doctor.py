"""The whole of doctor: its observation, the command, and what --fix repairs."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iscsictl.cli.main import cli
from iscsictl.engine.handlers.registry import execute_action
from iscsictl.engine.reconcile import dry_run, reconcile
from iscsictl.engine.tasks.doctor_fix import repairs
from iscsictl.model.actions import RemoveCorruptRecord
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.plan import Status
from iscsictl.observers.doctor import meant_read_only, observe_machine
from iscsictl.parse.fstab import parse_fstab
from iscsictl.parse.mountinfo import parse_mountinfo
from iscsictl.system.context import Context
from iscsictl.system.io import process
from tests.patience import PATIENCE
from tests.unit.fake_root import put, with_modules


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_modules(tmp_path)


def test_a_made_tree_is_looked_at_without_any_process(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2001-04.org.example:a\n")
    put(root, "usr/sbin/iscsiadm").chmod(0o755)
    machine = observe_machine(Context(root=root))
    assert machine.initiator.name == "iqn.2001-04.org.example:a"
    assert machine.programs["iscsiadm"].path == "/usr/sbin/iscsiadm"
    assert isinstance(machine.db, Known)


@pytest.mark.parametrize(
    ("mount", "filesystem", "fstab", "meant"),
    [
        ("ro", "ro", b"", True),  # mount -o ro of a snapshot
        ("ro", "rw", b"", True),  # a read-only bind mount for a container
        ("rw", "ro", b"", False),  # the kernel fell back: it leaves the flag of the mount
        ("rw", "ro", b"UUID=0a-1 /srv ext4 ro 0 0\n", True),
        ("ro", "ro", b"UUID=0a-1 /srv ext4 rw 0 0\n", False),  # of an array that takes no writes
    ],
)
def test_a_mount_is_meant_read_only_by_fstab_or_by_who_mounted_it(
    mount: str, filesystem: str, fstab: bytes, *, meant: bool
) -> None:
    (line,) = parse_mountinfo(f"36 1 8:1 / /srv {mount},relatime - ext4 /dev/sda1 {filesystem}\n")
    assert meant_read_only("/srv", line, parse_fstab(fstab)) is meant


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


def test_the_live_machine_is_looked_at_within_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is asked for the IPsec policies, and does not answer.
    put(tmp_path, "ip", f"#!/bin/sh\nexec sleep {5 * PATIENCE}\n").chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{tmp_path}:{process.PATH}")
    before, began = set(threading.enumerate()), time.monotonic()
    machine = observe_machine(Context(1.0))
    assert time.monotonic() - began < PATIENCE
    assert isinstance(machine.network.policies, ReadFailed)
    assert machine.kernel.release == os.uname().release
    assert len(set(threading.enumerate()) - before) < 3


def record_text(target: str) -> str:
    return (
        f"# BEGIN RECORD 2.1.8\nnode.name = {target}\nnode.conn[0].address = 192.0.2.5\n"
        "node.conn[0].port = 3260\niface.iscsi_ifacename = default\n# END RECORD\n"
    )


@pytest.mark.fault("F01")
@pytest.mark.fault("F03")
def test_fix_clears_the_lock_removes_what_is_corrupt_and_closes_what_is_open(root: Path) -> None:
    nodes, place = "etc/iscsi/nodes", "192.0.2.5,3260,1/default"
    open_ = put(
        root, f"{nodes}/iqn.2001-04.com.x:open/{place}", record_text("iqn.2001-04.com.x:open")
    )
    corrupt = put(root, f"{nodes}/iqn.2001-04.com.x:corrupt/{place}")
    good = put(
        root, f"{nodes}/iqn.2001-04.com.x:good/{place}", record_text("iqn.2001-04.com.x:good")
    )
    open_.chmod(0o644)
    good.chmod(0o600)
    for path in (open_, corrupt, good):
        os.utime(path, (1e9, 1e9))
    lock = put(root, "run/lock/iscsi/lock")
    os.link(lock, lock.with_name("lock.write"))
    (root / "proc").mkdir(exist_ok=True)
    context, before = Context(5.0, root), good.read_bytes()
    task = repairs(lambda finding: finding.id.startswith("nodedb"))
    shown_first = dry_run(task, context)
    assert shown_first.pending
    assert corrupt.exists()
    assert lock.with_name("lock.write").exists()
    report = reconcile(task, context, lambda _: None)
    assert report.error is None
    assert [o.step.status for o in report.outcomes] == [Status.DONE] * 3
    assert not corrupt.exists()
    assert not lock.with_name("lock.write").exists()
    assert open_.stat().st_mode & 0o777 == 0o600
    assert good.read_bytes() == before
    assert not dry_run(task, context).pending


@pytest.mark.fault("F03")
def test_fix_removes_a_corrupt_discovery_record_and_leaves_a_definition_to_its_admin(
    root: Path,
) -> None:
    corrupt = put(root, "etc/iscsi/send_targets/192.0.2.5,3260/st_config")
    good = put(root, "etc/iscsi/isns/192.0.2.6,3205/isns_config", "# BEGIN RECORD\n# END RECORD\n")
    iface = put(root, "etc/iscsi/ifaces/storage")
    for path in (corrupt, good, iface):
        path.chmod(0o600)
    (root / "proc").mkdir(exist_ok=True)
    context = Context(5.0, root)
    task = repairs(lambda finding: finding.id.startswith("nodedb"))
    report = reconcile(task, context, lambda _: None)
    assert report.error is None
    assert [o.step.status for o in report.outcomes] == [Status.DONE]
    assert [path.exists() for path in (corrupt, good, iface)] == [False, True, True]
    assert any(f"{iface} is empty" in note for note in report.notes)
    assert not dry_run(task, context).pending


@pytest.mark.parametrize(
    "name",
    [
        "nodes/iqn.2001-04.com.x:a/192.0.2.5,3260,1/default",
        "send_targets/192.0.2.5,3260/st_config",
        "isns/192.0.2.5,3205/isns_config",
    ],
)
def test_a_record_that_was_made_whole_since_is_not_removed(root: Path, name: str) -> None:
    path = put(root, f"etc/iscsi/{name}", record_text("iqn.2001-04.com.x:a"))
    (root / "proc").mkdir(exist_ok=True)
    assert not execute_action(RemoveCorruptRecord(path), Context(5.0, root)).changed
    assert path.exists()
