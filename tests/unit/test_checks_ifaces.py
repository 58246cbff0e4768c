"""Files among the definitions of interfaces that open-iscsi does not read as they were meant."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from iscsictl.checks.nodedb import check
from iscsictl.model.finding import Finding, Level
from iscsictl.observers import doctor
from iscsictl.system.context import Context
from tests.commands import call
from tests.unit.fake_root import put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real_iscsiadm import RealIscsiadm

DEFINITION = "iface.iscsi_ifacename = {name}\niface.transport_name = {transport}\n{more}"


def definition(name: str, transport: str = "tcp", more: str = "") -> str:
    return DEFINITION.format(name=name, transport=transport, more=more)


def findings(root: Path) -> list[Finding]:
    machine = doctor.observe_machine(Context(5.0, root))
    wrong = {"nodedb-iface", "nodedb-listing"}
    return [f for f in check(machine) if f.id in wrong and f.level is not Level.OK]


def put_definition(root: Path, name: str, text: str) -> Path:
    (root / "proc").mkdir(exist_ok=True)
    return put(root, f"etc/iscsi/ifaces/{name}", text)


def apply_fix(finding: Finding, root: Path) -> None:
    """Do what a fix says, a command of iscsictl or a move."""
    words = shlex.split((finding.fix or "").removeprefix("move it away: "))
    if words[0] == "mv":
        (root / words[1]).rename(root / "moved")
        return
    assert words[0] == "iscsictl"
    answer = call([*words[1:], "-y"], root, uid=0)
    assert answer.code == 0, answer.err


@pytest.mark.fault("F110")
@pytest.mark.parametrize(
    ("name", "text", "level"),
    [
        (".sw0.swp", "b0VIM 9.0\n", Level.WARN),
        ("README", "NICs of the storage network\n", Level.WARN),
        ("sw0~", "", Level.FAIL),
        ("sw0~", "iface.iscsi_ifacename = sw0~\n", Level.FAIL),
        ("my nic", definition("my nic", more="node.startup = automatic\n"), Level.FAIL),
        ("my nic", definition("my nic", more=f"iface.initiatorname = {'x' * 300}\n"), Level.FAIL),
        ("sw1", definition("sw1", "TCP"), Level.FAIL),
        ("sw1", definition("sw1", "e1000"), Level.FAIL),
        ("sw1", "iface.iscsi_ifacename = sw1\n", Level.FAIL),
    ],
)
def test_the_fix_of_a_definition_that_open_iscsi_cannot_use_makes_all_well(
    name: str, text: str, level: Level, tmp_path: Path
) -> None:
    """Not one of these names but sw1 can be given to a command of iscsictl."""
    put_definition(tmp_path, "sw0", definition("sw0"))
    put_definition(tmp_path, name, text)
    found = findings(tmp_path)
    assert {finding.level for finding in found} == {level}
    apply_fix(found[0], tmp_path)
    assert findings(tmp_path) == []


@pytest.mark.fault("F110")
def test_a_definition_of_a_built_in_interface_is_ignored_as_iscsiadm_does(
    real_iscsiadm: RealIscsiadm,
) -> None:
    machine = real_iscsiadm
    path = put_definition(
        machine.root, "default", definition("default", more="iface.net_ifacename = eth9\n")
    )
    shown = machine.run(["iscsiadm", "-m", "iface", "-I", "default"]).stdout
    assert "iface.net_ifacename = <empty>" in shown
    (found,) = findings(machine.root)
    assert (found.level, found.subject) == (Level.WARN, "default")
    assert (found.fix or "").endswith(f"move it away: mv {path} /root/")


@pytest.mark.fault("F110")
def test_a_copy_that_kept_the_name_of_its_origin_gives_records_the_other_interface(
    real_iscsiadm: RealIscsiadm,
) -> None:
    machine = real_iscsiadm
    for name in ("sw0", "sw1"):
        more = f"iface.net_ifacename = {name}\n"
        path = put_definition(machine.root, name, definition("sw0", more=more))
    target = "iqn.2001-04.com.example:mail"
    machine.run(
        ["iscsiadm", "-m", "node", "-o", "new", "-T", target, "-p", "192.0.2.5:3260,1", "-I", "sw1"]
    )
    made = machine.root / f"etc/iscsi/nodes/{target}/192.0.2.5,3260,1"
    assert [record.name for record in made.iterdir()] == ["sw0"]
    assert "iface.net_ifacename = sw0" in (made / "sw0").read_text()
    (found,) = findings(machine.root)
    assert (found.level, found.subject) == (Level.FAIL, "sw1")
    assert "a record that is created for sw1 gets that interface" in found.message
    assert f"mv {path} /root/" in (found.fix or "")
    path.write_text(path.read_text().replace("name = sw0", "name = sw1"))
    assert findings(machine.root) == []


def test_no_command_defines_an_interface_with_a_name_that_none_can_have(tmp_path: Path) -> None:
    record = (
        "node.name = iqn.2001-04.com.example:mail\nnode.conn[0].address = 192.0.2.5\n"
        "iface.iscsi_ifacename = my nic\n"
    )
    put(tmp_path, "etc/iscsi/nodes/iqn.2001-04.com.example:mail/192.0.2.5,3260,1/my nic", record)
    (tmp_path / "proc").mkdir()
    (found,) = findings(tmp_path)
    assert found.fix == "iscsictl forget iqn.2001-04.com.example:mail"
