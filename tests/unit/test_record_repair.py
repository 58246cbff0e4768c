"""Records that stand in the way of others, and what `doctor --fix` does to records."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iscsictl.checks.nodedb import check
from iscsictl.engine.reconcile import reconcile
from iscsictl.engine.tasks.doctor_fix import repairs
from iscsictl.model.finding import Finding, Level
from iscsictl.observers import doctor
from iscsictl.system.context import Context
from tests.commands import call

if TYPE_CHECKING:
    from tests.real_iscsiadm import RealIscsiadm

DATA = Path(__file__).parent / "data/records"
IQN = "iqn.2012-12.local.example:other"
PLACE = f"etc/iscsi/nodes/{IQN}/192.0.2.22,3260,1"
FRAMED = (DATA / "framed.txt").read_text()
SECRET = "example-secret1"


def findings(root: Path, level: Level = Level.FAIL) -> list[Finding]:
    """What doctor finds wrong with the node database."""
    machine = doctor.observe_machine(Context(5.0, root))
    return [f for f in check(machine) if f.level is level and f.id.startswith("nodedb")]


def fix(root: Path) -> list[str]:
    """Let doctor repair what it can; return what it said."""
    (root / "proc").mkdir(exist_ok=True)
    said: list[str] = []
    task = repairs(lambda finding: finding.id.startswith("nodedb"))
    report = reconcile(task, Context(5.0, root, said.append), lambda _: None)
    assert report.error is None
    return said


def put_record(root: Path, text: str, name: str = "default") -> Path:
    path = root / PLACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    # It is not one that is being written just now.
    os.utime(path, (1e9, 1e9))
    return path


@pytest.mark.fault("F83")
@pytest.mark.parametrize("name", ["framed.txt", "without-frame.txt"])
def test_a_record_that_iscsiadm_uses_is_left_as_it_is(
    name: str, real_iscsiadm: RealIscsiadm
) -> None:
    root, key = real_iscsiadm.root, ["-m", "node", "-T", IQN, "-p", "192.0.2.22:3260"]
    text = (DATA / name).read_text()
    path = put_record(root, text)
    # It is sound: iscsiadm lists it and shows its values.
    assert IQN in real_iscsiadm.run(["iscsiadm", "-m", "node"]).stdout
    assert "username = acct" in real_iscsiadm.run(["iscsiadm", *key, "-o", "show"]).stdout

    assert findings(root) == []
    fix(root)
    assert path.read_text() == text

    assert call(["nodes", "set", "-T", IQN, "node.startup=automatic", "-y"], root, uid=0).code == 0
    assert path.read_text() == text.replace("startup = manual", "startup = automatic", 1)
    update = ["-o", "update", "-n", "node.startup", "-v", "manual"]
    assert real_iscsiadm.run(["iscsiadm", *key, *update]).returncode == 0
    assert real_iscsiadm.run(["iscsiadm", *key, "-o", "delete"]).returncode == 0
    assert not path.exists()


@pytest.mark.fault("F83")
def test_a_truncated_record_is_kept_as_long_as_iscsiadm_can_use_it(
    real_iscsiadm: RealIscsiadm,
) -> None:
    root = real_iscsiadm.root
    lines = FRAMED.splitlines(keepends=True)
    for kept in range(1, len(lines)):
        path = put_record(root, "".join(lines[:kept]) + "node.conn[0].st")
        listed = real_iscsiadm.run(["iscsiadm", "-m", "node"]).stdout
        # What it lists with its name and address, it can log in to.
        usable = f"192.0.2.22:3260,1 {IQN}" in listed
        fix(root)
        assert path.exists() is usable, kept
        if usable:
            assert path.read_text() == "".join(lines[:kept]) + "# END RECORD\n"
            path.unlink()


@pytest.mark.fault("F83")
@pytest.mark.parametrize("before", [0o600, 0o644])
def test_a_copy_is_kept_of_a_record_that_is_removed(tmp_path: Path, before: int) -> None:
    # It names another target, so iscsiadm can neither find nor delete it.
    path = put_record(tmp_path, FRAMED.replace(IQN, "iqn.2012-12.local.example:elsewhere"))
    path.chmod(before)
    held = path.read_bytes()
    (finding,) = findings(tmp_path)
    assert "does not match its path" in finding.message
    (said,) = fix(tmp_path)
    assert not path.exists()

    (copy,) = (tmp_path / "etc/iscsi/removed-records").iterdir()
    assert copy.read_bytes() == held
    assert SECRET in copy.read_text()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert copy.name == f"{IQN},192.0.2.22,3260,1,default"
    assert said == f"a copy of {path} is in {copy}"
    assert SECRET not in said


@pytest.mark.fault("F83")
def test_a_copy_takes_no_other_copys_place(tmp_path: Path) -> None:
    texts = [FRAMED.replace(IQN, f"iqn.2012-12.local.example:{n}") for n in "aba"]
    for text in texts:
        put_record(tmp_path, text)
        fix(tmp_path)
    copies = sorted((tmp_path / "etc/iscsi/removed-records").iterdir())
    assert [copy.read_text() for copy in copies] == texts[:2]


@pytest.mark.fault("F83")
def test_open_iscsi_reads_nothing_of_the_copies(real_iscsiadm: RealIscsiadm) -> None:
    root = real_iscsiadm.root
    new = ["-m", "node", "-o", "new", "-T", f"{IQN}2", "-p", "192.0.2.22,1"]
    assert real_iscsiadm.run(["iscsiadm", *new]).returncode == 0
    modes = ("node", "iface", "discoverydb")
    before = [real_iscsiadm.run(["iscsiadm", "-m", mode]).stdout for mode in modes]
    put_record(root, FRAMED.replace(IQN, "iqn.2012-12.local.example:elsewhere"))
    fix(root)
    assert list((root / "etc/iscsi/removed-records").iterdir())
    assert [real_iscsiadm.run(["iscsiadm", "-m", mode]).stdout for mode in modes] == before


def test_nothing_is_kept_of_a_record_with_nothing_in_it(tmp_path: Path) -> None:
    put_record(tmp_path, "")
    put_record(tmp_path, "\0" * 512, "eth1")
    assert fix(tmp_path) == []
    assert not (tmp_path / "etc/iscsi/removed-records").exists()
    assert not (tmp_path / f"etc/iscsi/nodes/{IQN}").exists()


def test_a_corrupt_record_that_is_forgotten_leaves_no_secret_behind(tmp_path: Path) -> None:
    path = put_record(tmp_path, FRAMED.replace(IQN, "iqn.2012-12.local.example:elsewhere"))
    assert call(["forget", IQN, "-y"], tmp_path, uid=0).code == 0
    assert not path.exists()
    assert not (tmp_path / "etc/iscsi/removed-records").exists()


#: What is put into the database of a host with one good record, and how doctor names it.
OBSTACLES = {
    "a wrong word in a record": (f"{PLACE}/default", "node.session.iscsi.InitialR2T = yes"),
    "an unknown setting in a record": (f"{PLACE}/default", "node.session.foo = 1"),
    "an unknown setting in an interface": ("etc/iscsi/ifaces/eth1", "iface.isid = 1"),
    "a setting of IPv6 in an interface": ("etc/iscsi/ifaces/eth1", "iface.hop_limit = 1"),
    "an editor's file in the place of a record": (f"{PLACE}/.default.swp", "b0VIM = 9.0"),
    "a backup in the place of a record": (f"{PLACE}/default~", FRAMED + "node.foo = 1\n"),
    "a file in the place of a target": ("etc/iscsi/nodes/notes.txt", "a = b"),
    "a file in the place of a portal": (f"etc/iscsi/nodes/{IQN}/README", "a = b"),
}


@pytest.mark.fault("F82")
@pytest.mark.parametrize("case", OBSTACLES)
def test_what_makes_the_listing_of_iscsiadm_fail_is_named_with_what_to_change(
    case: str, real_iscsiadm: RealIscsiadm
) -> None:
    root = real_iscsiadm.root
    place, text = OBSTACLES[case]
    good = FRAMED.replace(IQN, f"{IQN}2")
    other = root / f"etc/iscsi/nodes/{IQN}2/192.0.2.22,3260,1/default"
    other.parent.mkdir(parents=True)
    other.write_text(good)
    other.chmod(0o600)
    mode = "iface" if "ifaces" in place else "node"
    listing = ["iscsiadm", "-m", mode]
    before = real_iscsiadm.run(listing)
    assert before.returncode == 0
    assert findings(root) == []

    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = FRAMED if place.endswith("/default") else ""
    if mode == "iface":
        frame = "iface.iscsi_ifacename = eth1\niface.transport_name = tcp\n# END RECORD\n"
    path.write_text(frame.replace("# END", f"{text}\n# END") if frame else f"{text}\n")
    path.chmod(0o600)
    os.utime(path, (1e9, 1e9))
    assert real_iscsiadm.run(listing).returncode != 0

    (finding,) = findings(root)
    assert str(path) in f"{finding.message} {finding.subject}"
    assert finding.fix is not None
    if finding.repair is not None:
        fix(root)
    elif finding.fix.startswith("iscsictl "):
        answer = call([*shlex.split(finding.fix)[1:], "-y"], root, uid=0)
        assert answer.code == 0, answer.err
    else:
        source = shlex.split(finding.fix.partition(": ")[2])[1]
        assert source == str(path)
        path.unlink()
    after = real_iscsiadm.run(listing)
    assert after.returncode == 0
    assert set(before.stdout.splitlines()) <= set(after.stdout.splitlines())
    assert findings(root) == []


@pytest.mark.fault("F82")
def test_a_value_that_overruns_iscsiadm_is_named_with_what_to_change(tmp_path: Path) -> None:
    long = "x" * 256
    put_record(tmp_path, FRAMED.replace("username = acct", f"username = {long}"))
    (finding,) = findings(tmp_path)
    assert finding.id == "nodedb-listing"
    assert "node.session.auth.username is longer than" in finding.message
    assert finding.fix is not None
    answer = call([*shlex.split(finding.fix)[1:], "-y"], tmp_path, uid=0)
    assert answer.code == 0, answer.err
    assert findings(tmp_path) == []


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("name", "text", "lists_nothing"),
    [("README", "x\n", True), (f"{IQN}/README", "x = 1\n", True), (f"{IQN}/README", "x\n", False)],
)
def test_what_a_file_between_the_records_does_to_the_listing_is_said(
    name: str, text: str, lists_nothing: bool, real_iscsiadm: RealIscsiadm
) -> None:
    machine = real_iscsiadm
    put_record(machine.root, FRAMED)
    stray = machine.root / "etc/iscsi/nodes" / name
    stray.write_text(text)
    shown = machine.run(["iscsiadm", "-m", "node"])
    assert (shown.returncode != 0, "[]:3260" in shown.stdout) == (lists_nothing, not lists_nothing)
    (found,) = findings(machine.root)
    assert found.fix == f"move it away: mv {stray} /root/"
    says = (
        "lists no records at all" in found.message,
        "lists a record without a name" in found.message,
    )
    assert says == ((True, False) if "/" not in name else (False, True))
