"""What doctor says to do, done: the finding is gone, and no new one came of it."""

import os
import shlex
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iscsictl.checks.examine import examine
from iscsictl.engine.reconcile import reconcile
from iscsictl.engine.tasks.doctor_fix import repairs
from iscsictl.model.finding import Finding, Level
from iscsictl.observers.doctor import observe_machine
from iscsictl.system.context import Context
from tests.commands import call
from tests.unit.fake_root import put, with_modules

IQN = "iqn.2001-04.com.example:"
RECORD = """\
# BEGIN RECORD 2.1.8
node.name = {name}
node.tpgt = 1
node.startup = manual
node.session.auth.authmethod = CHAP
node.conn[0].address = 192.0.2.5
node.conn[0].port = 3260
node.conn[0].timeo.noop_out_interval = 5
iface.iscsi_ifacename = default
{more}# END RECORD
"""
#: Faults of one record, and the lines or the mode that it has for that.
FAULTS = {
    "sound": "",
    "no ping": "node.conn[0].timeo.noop_out_interval = 0\n",
    "unknown key": "node.session.foo = 1\n",
    "wrong value": "node.session.scan = off\n",
    "wrong case": "node.session.iscsi.InitialR2T = yes\n",
    "open": "",
    "corrupt": "",
}


def planted(root: Path, faults: list[str]) -> None:
    with_modules(root)
    (root / "proc").mkdir(exist_ok=True)
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2001-04.org.example:a\n")
    for number, fault in enumerate(faults):
        name = f"{IQN}{number}"
        text = RECORD.format(name=name, more=FAULTS[fault])
        if fault == "no ping":
            text = text.replace("node.conn[0].timeo.noop_out_interval = 5\n", "")
        path = put(
            root,
            f"etc/iscsi/nodes/{name}/192.0.2.5,3260,1/default",
            "" if fault == "corrupt" else text,
        )
        path.chmod(0o644 if fault == "open" else 0o600)
        # A record that was changed just now may be one that another program is writing.
        os.utime(path, (time.time() - 3600,) * 2)


def wrong(root: Path) -> dict[tuple[str, str | None], Finding]:
    found = examine(observe_machine(Context(5.0, root), probe=False))
    return {(f.id, f.subject): f for f in found if f.level in {Level.WARN, Level.FAIL}}


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=6))
def test_what_fix_repairs_is_well_afterwards_and_brings_no_new_finding(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str]
) -> None:
    root = tmp_path_factory.mktemp("host")
    planted(root, faults)
    before = wrong(root)
    task = repairs(lambda finding: finding.id.startswith("nodedb"))
    assert reconcile(task, Context(5.0, root), lambda _: None).error is None
    after = wrong(root)
    assert after.keys() <= before.keys()
    assert not [f for f in after.values() if f.repair is not None and f.id.startswith("nodedb")]


@pytest.mark.parametrize("fault", ["no ping", "unknown key", "wrong value", "wrong case"])
def test_a_command_that_doctor_gives_ends_its_finding_and_brings_no_new_one(
    tmp_path: Path, fault: str
) -> None:
    planted(tmp_path, ["sound", fault])
    before = wrong(tmp_path)
    (key,) = [
        key
        for key, finding in before.items()
        if (finding.fix or "").startswith("iscsictl nodes set") and key[0] != "chap-md5"
    ]
    _, *words = shlex.split(before[key].fix or "")
    answer = call([*words, "-y"], tmp_path, uid=0)
    assert answer.code == 0, answer.err
    assert wrong(tmp_path).keys() == before.keys() - {key}
