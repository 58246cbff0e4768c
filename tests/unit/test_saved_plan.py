"""A saved plan: read as it was written, and held against what is to be done by now."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.errors import Exit, UsageError
from iscsictl.model.plan import Hazard, Outcome, Plan, Report, Status
from iscsictl.model.spec import Volume
from iscsictl.output.views.apply import document, summary
from iscsictl.parse.toml import parse_toml
from iscsictl.planner.volumes.apply import (
    PlanMismatchError,
    plan_volume,
    read_saved,
    report_lines,
    wwid_of,
)
from iscsictl.planner.volumes.file import read_volumes
from tests.commands import call
from tests.machine_model import apply_action
from tests.worlds import World, blank, facts_for_attach, spec, world
from tests.worlds import wwid_of as disk_name

W, OTHER = disk_name(0), disk_name(1)
SPEC = spec()
VOLUME = Volume("mail", SPEC)
TEXT = '[[volume]]\nname = "mail"\nportals = ["192.0.2.5"]\ntarget = "iqn.2001-04.com.example:x"\n'


def planned(now: World, saved: str | None = None) -> Plan:
    kept = None if saved is None else read_saved(saved, "s").volumes["mail"]
    return plan_volume(facts_for_attach(now.inventory, SPEC), VOLUME, SPEC, kept)


def saved(plan: Plan) -> str:
    outcomes = tuple(Outcome(step) for step in plan.steps)
    wwid = wwid_of(plan)
    wwids = {} if wwid is None else {"mail": wwid}
    return document({"mail": Report(outcomes, pending=bool(plan.pending))}, wwids, TEXT)


def test_a_note_that_many_volumes_have_is_one_line() -> None:
    same = Report(notes=("nothing logs in at boot",))
    reports = {f"v{n}": same for n in range(20)} | {"w": Report(notes=("its own",))}
    assert list(report_lines(reports)) == [
        "v0, v1, v2 and 17 more: nothing logs in at boot",
        "w: its own",
    ]
    assert list(report_lines(reports, quiet=True)) == []
    assert list(report_lines({"v": same})) == ["v: nothing logs in at boot"]


def test_what_was_saved_is_read_again_with_its_file() -> None:
    plan = planned(world(blank(W)))
    kept = read_saved(saved(plan), "s")
    assert kept.text == TEXT
    assert kept.volumes["mail"].steps == {s.id: s.hazard for s in plan.pending}
    assert Hazard.DESTROYS in kept.volumes["mail"].steps.values()
    assert [v.name for v in read_volumes(*parse_toml(kept.text, "s"), "s")] == ["mail"]


def test_a_plan_that_still_fits_is_executed() -> None:
    before = world(blank(W))
    assert planned(before, saved(planned(before))).refusal is None


def logged_in(before: World) -> World:
    now = before.inventory
    for step in planned(before).ready:
        now = apply_action(step.action, now, before.array)
    return replace(before, inventory=now)


def test_less_than_was_saved_is_fine() -> None:
    before = world(blank(W))
    after = logged_in(before)
    assert len(planned(after).pending) < len(planned(before).pending)
    assert planned(after, saved(planned(before))).refusal is None


def test_a_plan_made_for_another_disk_does_not_fit() -> None:
    this, other = logged_in(world(blank(W))), logged_in(world(blank(OTHER)))
    assert planned(this, saved(planned(this))).refusal is None
    refusal = planned(other, saved(planned(this))).refusal
    assert isinstance(refusal, PlanMismatchError)
    assert W in refusal.text
    assert OTHER in refusal.text


def test_a_step_that_destroys_is_not_done_where_none_was_saved() -> None:
    plan = planned(world(blank(W)))
    milder = Plan(tuple(s for s in plan.steps if s.hazard is Hazard.SAFE))
    refusal = planned(world(blank(W)), saved(milder)).refusal
    assert isinstance(refusal, PlanMismatchError)
    assert refusal.exit is Exit.REFUSED
    assert "no longer matches" in refusal.text


def test_what_was_so_when_it_was_saved_is_not_done_later() -> None:
    plan = planned(world(blank(W)))
    so = Plan(tuple(replace(step, status=Status.UNCHANGED) for step in plan.steps))
    refusal = planned(world(blank(W)), saved(so)).refusal
    assert isinstance(refusal, PlanMismatchError)
    assert refusal.text.endswith(f"{plan.pending[0].id} was not part of it")


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"schema": 1}', '{"schema": "iscsictl.plan/1"}', "[" * 100000,
     '{"schema": "iscsictl.ls/1"}', '{"schema": "iscsictl.plan/1", "volumes": [1]}'],
)  # fmt: skip
def test_what_is_no_saved_plan_is_told_so(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_saved(text, "saved")
    assert "saved" in caught.value.text
    assert caught.value.hint
    if text.startswith("{"):
        file = tmp_path / "saved"
        file.write_text(text)
        answer = call(["plan", str(file)], tmp_path)
        assert answer.code in {Exit.USAGE, Exit.NEEDS_ROOT}


def test_the_document_has_an_id_for_each_step_of_each_volume() -> None:
    plan = planned(world(blank(W)))
    outcomes = tuple(Outcome(step) for step in plan.steps)
    reports = {name: Report(outcomes, pending=True) for name in ("a", "b")}
    whole = json.loads(document(reports, {}, ""))
    assert whole["schema"] == "iscsictl.plan/1"
    ids = [row["id"] for row in whole["steps"]]
    assert len(set(ids)) == len(ids) == 2 * len(plan.steps)
    assert ids[0].startswith("a/")
    assert [v["wwid"] for v in whole["volumes"]] == [None, None]
    assert summary(reports) == "2 volumes: 2 planned"


def test_the_error_says_what_would_have_done_in_that_place(tmp_path: Path) -> None:
    file = tmp_path / "volumes.toml"
    file.write_text(TEXT)
    answer = call(["apply", "-n", str(file), "--plan", str(file)], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.err.splitlines() == [
        f"iscsictl: {file} is no saved plan",
        "hint: create one: iscsictl plan FILE --out SAVED",
    ]
    file.write_text("{")
    answer = call(["apply", "-n", str(file)], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert "is neither a volumes file nor a saved plan" in answer.err
