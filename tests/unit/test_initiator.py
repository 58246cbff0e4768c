"""The name of this host and its services: planned, written, refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.errors import InUseError, MissingError, UsageError
from iscsictl.model.actions import EnableService, SetInitiatorName, StartService
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.listing import Session
from iscsictl.model.names import why_not_made
from iscsictl.model.plan import Status
from iscsictl.model.services import Systemd, Unit
from iscsictl.planner.iscsi.initiator import (
    NameFacts,
    ServiceFacts,
    plan_enable,
    plan_generate,
    plan_name,
    plan_start,
    require_name,
)
from iscsictl.system.iscsi.initiator_name import (
    make_name,
    name_in,
    read_initiator,
    with_name,
    write_name,
)
from tests.unit.fake_root import put

OLD, NEW = "iqn.1993-08.org.debian:01:aaaaaaaaaaaa", "iqn.2001-04.com.example:host1"
FILE = f"## DO NOT EDIT\nInitiatorName={OLD}\n# end\nInitiatorAlias=me\n"


def put_name(root: Path, text: str) -> Path:
    return put(root, "etc/iscsi/initiatorname.iscsi", text)


def test_a_name_is_read_byte_for_byte(tmp_path: Path) -> None:
    put_name(tmp_path, "#InitiatorName=no\nInitiatorName=iqn.2001-04.COM.x:Odd_Name \n")
    assert read_initiator(tmp_path).name == "iqn.2001-04.COM.x:Odd_Name"


def test_a_file_that_still_wants_a_name_says_so(tmp_path: Path) -> None:
    put_name(tmp_path, "GenerateName=yes\n")
    found = read_initiator(tmp_path)
    assert (found.exists, found.name, found.generate) == (True, None, True)
    assert not read_initiator(tmp_path / "nowhere").exists


def test_a_new_name_leaves_every_other_line_in_its_place() -> None:
    assert with_name(FILE, NEW) == FILE.replace(OLD, NEW)
    assert name_in(with_name("GenerateName=yes\n", NEW)) == NEW
    assert with_name("", NEW) == f"InitiatorName={NEW}\n"


@pytest.mark.parametrize(
    "line", [f"InitiatorName = {OLD}", f"  InitiatorName={OLD}", f"\tInitiatorName\t=\t{OLD} \t"]
)
def test_blanks_around_the_key_and_the_name_are_none_of_iscsid_s_business(line: str) -> None:
    text = f"# a\n{line}\n# b\n"
    assert name_in(text) == OLD
    assert with_name(text, NEW) == f"# a\nInitiatorName={NEW}\n# b\n"


def test_the_first_name_counts_and_a_new_one_is_the_only_one() -> None:
    text = f"GenerateName=yes\n # InitiatorName = no\nInitiatorName =\n# a\n InitiatorName={OLD}\n"
    assert name_in(text) == OLD
    assert name_in(f"{text}InitiatorName={NEW}\n") == OLD
    assert with_name(text, NEW) == f" # InitiatorName = no\nInitiatorName={NEW}\n# a\n"


def test_a_name_that_is_there_with_blanks_is_left_alone(tmp_path: Path) -> None:
    path = put_name(tmp_path, f"InitiatorName = {OLD}\n")
    assert not write_name(OLD, tmp_path)
    assert path.read_text() == f"InitiatorName = {OLD}\n"


def test_a_name_is_written_once(tmp_path: Path) -> None:
    path = put_name(tmp_path, FILE)
    path.chmod(0o600)
    assert write_name(NEW, tmp_path)
    assert not write_name(NEW, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert write_name(NEW, tmp_path / "fresh")


def test_a_made_name_is_strict_and_each_is_another(tmp_path: Path) -> None:
    names = {make_name(tmp_path) for _ in range(50)}
    assert len(names) == 50
    assert all(why_not_made(name) is None for name in names)
    assert all(re.fullmatch(r"iqn\.1993-08\.org\.debian:01:[0-9a-f]{12}", n) for n in names)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/redhat-release").write_text("x")
    assert make_name(tmp_path).startswith("iqn.1994-05.com.redhat:")


@pytest.mark.parametrize("name", ["", "host", "iqn.2001-13.com.x:a", "iqn.2001-04.com.x:A_b",
                                  "eui.123", "iqn.2001-04.com.x:" + "a" * 223])  # fmt: skip
def test_a_malformed_name_is_not_given_to_a_host(name: str) -> None:
    with pytest.raises(UsageError):
        require_name(name)


def test_a_name_that_is_there_is_unchanged_even_with_sessions() -> None:
    facts = NameFacts(InitiatorName(exists=True, name=NEW), (Session("sysfs", "iqn.x"),))
    plan = plan_name(facts, NEW)
    assert plan.refusal is None
    assert [step.status for step in plan.steps] == [Status.UNCHANGED]


def test_a_name_does_not_change_under_a_session() -> None:
    facts = NameFacts(InitiatorName(exists=True, name=OLD), (Session("sysfs", "iqn.x:mail"),))
    refusal = plan_name(facts, NEW).refusal
    assert isinstance(refusal, InUseError)
    assert "iqn.x:mail" in refusal.text


def test_a_new_name_is_to_be_told_to_the_arrays() -> None:
    plan = plan_name(NameFacts(InitiatorName(exists=True, name=OLD), ()), NEW)
    assert len(plan.pending) == 1
    assert OLD in plan.notes[0]


@pytest.mark.parametrize("name", [NEW, "iqn.2001-04.com.example:a_b", "iqn.2001-04.COM.x:Odd"])
def test_a_name_that_arrays_may_know_stays_when_one_is_made(name: str) -> None:
    facts = NameFacts(InitiatorName(exists=True, name=name), ())
    kept = plan_generate(facts, OLD, new=False)
    assert [(step.action, step.status) for step in kept.steps] == [
        (SetInitiatorName(name), Status.UNCHANGED)
    ]
    assert any("it is kept" in note for note in kept.notes) == (name != NEW)
    renewed = plan_generate(facts, OLD, new=True)
    assert [step.action for step in renewed.pending] == [SetInitiatorName(OLD)]


@pytest.mark.parametrize("name", [None, "host1", "iqn.2001-04.com.example:" + "a" * 200])
def test_a_name_that_no_array_can_take_is_replaced_by_the_one_made(name: str | None) -> None:
    plan = plan_generate(NameFacts(InitiatorName(exists=True, name=name), ()), NEW, new=False)
    assert [step.action for step in plan.pending] == [SetInitiatorName(NEW)]


DEBIAN = Systemd(
    units={
        name: Unit(name, defined=True, active="inactive")
        for name in ("open-iscsi.service", "iscsid.service", "iscsid.socket")
    }
)
RHEL = Systemd(
    login_service="iscsi.service",
    units={n: Unit(n, defined=True) for n in ("iscsi.service", "iscsid.service")},
)


def test_services_are_enabled_by_the_names_of_the_distribution() -> None:
    for systemd, names in (
        (DEBIAN, ["iscsid.socket", "open-iscsi.service"]),
        (RHEL, ["iscsid.service", "iscsi.service"]),
    ):
        plan = plan_enable(ServiceFacts(systemd))
        assert [step.action for step in plan.pending] == [EnableService(name) for name in names]


def test_what_is_enabled_stays_so() -> None:
    units = {name: replace(unit, enabled=True) for name, unit in DEBIAN.units.items()}
    assert not plan_enable(ServiceFacts(replace(DEBIAN, units=units))).pending


def test_a_masked_or_missing_unit_is_said() -> None:
    units = {name: replace(unit, masked=True) for name, unit in DEBIAN.units.items()}
    refusal = plan_enable(ServiceFacts(replace(DEBIAN, units=units))).refusal
    assert isinstance(refusal, MissingError)
    assert "unmask" in str(refusal.hint)
    for systemd in (Systemd(), replace(DEBIAN, running=False)):
        assert isinstance(plan_start(ServiceFacts(systemd)).refusal, MissingError)


@pytest.mark.fault("F59")
def test_start_logs_in_to_nothing_that_is_on_hold() -> None:
    on_hold = plan_start(ServiceFacts(DEBIAN, automatic=True, on_hold=True))
    assert [step.action for step in on_hold.pending] == [StartService("iscsid.socket")]
    free = plan_start(ServiceFacts(DEBIAN, automatic=True))
    assert StartService("open-iscsi.service") in [step.action for step in free.pending]
    assert not any(s.pending for s in [plan_start(ServiceFacts(_running(DEBIAN)))])


def _running(systemd: Systemd) -> Systemd:
    units = {name: replace(unit, active="active") for name, unit in systemd.units.items()}
    return replace(systemd, units=units)
