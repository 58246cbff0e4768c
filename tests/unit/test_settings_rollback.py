"""Rolling back changed settings: the keys of this run get their values, and no others change."""

from __future__ import annotations

from pathlib import Path

import pytest

from iscsictl.engine.executor import CompletedStep, execute_steps, roll_back
from iscsictl.model import actions
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Status, Step
from iscsictl.model.secret import Secret
from iscsictl.system.context import Context

IQN = "iqn.2012-12.local.example:other"
PORTAL = Portal("192.0.2.22", 3260, 1)
RECORD = (Path(__file__).parent / "data/records/framed.txt").read_text()
DISCOVERY = """\
# BEGIN RECORD 2.1.8
discovery.startup = manual
discovery.type = sendtargets
discovery.sendtargets.address = 192.0.2.22
discovery.sendtargets.port = 3260
discovery.sendtargets.auth.authmethod = None
# END RECORD
"""
CONF = """\
# The comment of an admin.
#node.session.auth.username = username
node.startup = manual
iscsid.startup = /bin/systemctl start iscsid.socket
"""
NODE_FILE = f"etc/iscsi/nodes/{IQN}/192.0.2.22,3260,1/default"
DISCOVERY_FILE = "etc/iscsi/send_targets/192.0.2.22,3260/st_config"
CONF_FILE = "etc/iscsi/iscsid.conf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {NODE_FILE: RECORD, DISCOVERY_FILE: DISCOVERY, CONF_FILE: CONF}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return tmp_path


CASES: dict[str, tuple[Action, str]] = {
    "a node record": (
        actions.WriteRecord(
            IQN,
            PORTAL,
            "default",
            {
                "node.startup": "automatic",
                "node.session.auth.password": Secret("of-this-run-only"),
                "node.session.auth.username_in": "array",
                "node.leading_login": None,
            },
        ),
        NODE_FILE,
    ),
    "a discovery record": (
        actions.WriteDiscovery(
            PORTAL,
            {
                "discovery.sendtargets.auth.authmethod": "CHAP",
                "discovery.sendtargets.auth.username": "us",
                "discovery.sendtargets.auth.password": Secret("of-this-run-only"),
            },
        ),
        DISCOVERY_FILE,
    ),
    "the defaults": (
        actions.WriteDefaults(
            {"node.session.auth.username": "us", "node.startup": "automatic"},
        ),
        CONF_FILE,
    ),
}


def execute(action: Action, root: Path) -> list[CompletedStep]:
    done: list[CompletedStep] = []
    list(execute_steps([Step(action, "subject", "why")], Context(5.0, root), done))
    return done


def undo(done: list[CompletedStep], root: Path) -> None:
    outcomes, leftovers = roll_back(done, Context(5.0, root))
    assert [outcome.step.status for outcome in outcomes] == [Status.UNDONE]
    assert leftovers == []


@pytest.mark.fault("F84")
@pytest.mark.parametrize("case", CASES)
def test_a_rollback_leaves_a_file_that_nobody_else_changed_as_it_was(case: str, root: Path) -> None:
    action, name = CASES[case]
    before = (root / name).read_bytes()
    done = execute(action, root)
    assert (root / name).read_bytes() != before
    undo(done, root)
    assert (root / name).read_bytes() == before


@pytest.mark.fault("F84")
@pytest.mark.parametrize("case", CASES)
def test_a_rollback_keeps_what_somebody_else_changed_meanwhile(case: str, root: Path) -> None:
    action, name = CASES[case]
    path = root / name
    before = path.read_text()
    done = execute(action, root)
    ours = path.read_text()
    end = "# END RECORD\n" if "# END" in ours else ""
    other = "node.session.queue_depth = 64\n"
    theirs = ours.removesuffix(end).replace("node.session.queue_depth = 32\n", "") + other + end
    path.write_text(theirs)
    undo(done, root)

    expected = before.removesuffix(end).replace("node.session.queue_depth = 32\n", "") + other + end
    assert sorted(path.read_text().splitlines()) == sorted(expected.splitlines())
    assert "of-this-run-only" not in path.read_text()


@pytest.mark.fault("F84")
def test_a_rollback_keeps_a_key_of_its_own_that_somebody_else_set_since(root: Path) -> None:
    action, name = CASES["a node record"]
    path = root / name
    done = execute(action, root)
    path.write_text(path.read_text().replace("startup = automatic", "startup = onboot", 1))
    undo(done, root)
    assert path.read_text() == RECORD.replace("startup = manual", "startup = onboot", 1)


@pytest.mark.fault("F84")
def test_a_rollback_does_not_make_a_record_again_that_is_gone(root: Path) -> None:
    action, name = CASES["a node record"]
    done = execute(action, root)
    (root / name).unlink()
    undo(done, root)
    assert not (root / name).exists()


def test_what_a_rollback_needs_shows_no_secret(root: Path) -> None:
    action, _ = CASES["a node record"]
    (done,) = execute(action, root)
    shown = repr(done)
    assert "example-secret1" not in shown
    assert "of-this-run-only" not in shown
