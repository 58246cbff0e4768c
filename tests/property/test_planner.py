"""The planner in generated worlds: what it promises holds whatever the machine is like."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError
from iscsictl.model import actions
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, Inventory, Known
from iscsictl.model.multipath import MULTIPATHD
from iscsictl.model.plan import Hazard, Plan, Status, Step
from iscsictl.model.spec import AttachSpec, DetachRequest
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.safety import overwrite
from iscsictl.planner.selection.luns import find
from tests.machine_model import apply_action, effect, multipath, restart
from tests.machine_model.machine import Array
from tests.machine_model.undo import undo_of, unmarked, with_reservations_of
from tests.strategies import cases, detachments
from tests.worlds import World, facts_for_attach

TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
WORLDS = settings(max_examples=20_000 if TORTURE else 500)
SOME = settings(max_examples=20_000 if TORTURE else 120)
ROUNDS = 20
MAKING = (
    actions.Claim, actions.Reserve, actions.Wipe, actions.Label, actions.Mkfs, actions.Release,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A whole attach on the model: all plans, all (inventory before, step), and how it ended."""

    plans: tuple[Plan, ...]
    done: tuple[tuple[Inventory, Step], ...]
    last: Inventory
    error: IscsictlError | None


def attach(now: Inventory, wanted: AttachSpec, array: Array, *, stop_after: int = 999) -> Run:
    """Do what the engine's loop does, with the model's hands."""
    plans: list[Plan] = []
    done: list[tuple[Inventory, Step]] = []
    ended: set[str] = set()
    for _ in range(ROUNDS):
        plan = plan_attach(facts_for_attach(now, wanted), wanted)
        plans.append(plan)
        if plan.refusal is not None:
            return Run(tuple(plans), tuple(done), now, plan.refusal)
        assert plan.exceeds(plans[0]) is None, "stronger than what was shown"
        assert not ended & {step.id for step in plan.ready}, "done, but it does not show"
        if not plan.pending:
            return Run(tuple(plans), tuple(done), now, None)
        for step in plan.ready:
            if len(done) == stop_after:
                return Run(tuple(plans), tuple(done), now, None)
            done.append((now, step))
            ended.add(step.id)
            after = effect(step, now, array)
            if isinstance(step.action, actions.Scan) and after == now:
                missing = NotFoundError("the target does not show the LUN")
                return Run(tuple(plans), tuple(done), now, missing)
            now = after
    raise AssertionError("no end")


def destroying(plan: Plan) -> Iterator[Step]:
    """The steps that destroy, decided now."""
    return (s for s in plan.steps if s.hazard is Hazard.DESTROYS and s.status is Status.PLANNED)


def disk_of(step: Step) -> actions.DiskId:
    """The disk that a destroying step writes to."""
    assert isinstance(step.action, actions.Wipe | actions.Label | actions.Mkfs)
    return step.action.disk


def why_not(now: Inventory, wanted: AttachSpec, wwid: str) -> str | None:
    """The rule of docs/architecture.md, told once more without the planner's code."""
    disks = [d for d in now.disks if d.wwid == wwid]
    seen = now.contents.get(wwid)
    if len(disks) != 1 or (len(disks[0].paths) > 1 and disks[0].block.kind != "mpath"):
        return "two disks have the name"
    if not isinstance(seen, Known):
        return "it was not read"
    content = seen.value
    if content.wwid != wwid or wanted.wwid not in {None, wwid}:
        return "it is another disk"
    if now.usage_of(disks[0]) not in {None, DiskUsage()}:
        return "it is in use"
    if content.reservations.other_keys or content.read_only:
        return "it is not ours to write"
    if wanted.consent.wipe is not None:
        return None if wanted.consent.wipe == wwid else "another disk was confirmed"
    inside = [s for part in content.partitions for s in part.signatures]
    found = {s.uuid for s in (*content.signatures, *inside)}
    if not found and content.table is None and content.data_at is None:
        return None
    claims = [x.claim for x in now.fstab.entries if x.making == wwid]
    if not any(claim is not None and is_unfinished(content, claim, found) for claim in claims):
        return "something is on it and no claim explains it"
    return None


def writes_that_are_kept_out(run: Run) -> list[str]:
    """The steps of a first run after a boot that the reservation of an earlier session forbids.

    To the LUN this host is another nexus by then, until it has reserved it anew.
    """
    found, reserved = [], False
    for before, step in run.done:
        reserved = reserved or isinstance(step.action, actions.Reserve)
        if not isinstance(step.action, actions.Wipe | actions.Label | actions.Mkfs | actions.Mount):
            continue
        seen = before.contents.get(step.action.disk.wwid)
        if isinstance(seen, Known) and seen.value.reservations.holder and not reserved:
            found.append(step.id)
    return found


def is_unfinished(content: Content, claim: FilesystemClaim, found: set[str | None]) -> bool:
    """Whether an interrupted run of this claim can have left this."""
    data = content.data_at is not None or any(p.data_at is not None for p in content.partitions)
    if (found or data) and not claim.begun:
        return False
    if not found <= {claim.uuid}:
        return False
    if claim.table is None:
        return content.table is None
    ids = [(p.number, p.id, p.type) for p in content.partitions]
    return (content.table, content.table_id, ids) == (
        claim.table, claim.table_id, [(1, claim.partition_id, claim.partition_type)],
    )  # fmt: skip


def handler_agrees(action: actions.Label | actions.Mkfs, content: Content) -> bool:
    """Whether the last check before the write lets it through."""
    if isinstance(action, actions.Label):
        return overwrite.may_label(content, action.ground)
    return overwrite.may_make_filesystem(content, action.ground, action.claim)


@WORLDS
@given(cases())
def test_nothing_is_destroyed_but_what_is_blank_claimed_or_confirmed(
    case: tuple[AttachSpec, World],
) -> None:
    wanted, world = case
    run = attach(world.inventory, wanted, world.array)
    now = facts_for_attach(world.inventory, wanted)
    for plan in run.plans[:1]:
        for step in destroying(plan):
            assert why_not(now, wanted, disk_of(step).wwid) is None
    first = True
    for before, step in run.done:
        if step.hazard is not Hazard.DESTROYS:
            continue
        disk = disk_of(step)
        if first:
            assert why_not(before, wanted, disk.wwid) is None
            assert any(x.making == disk.wwid for x in before.fstab.entries), "no claim before it"
        first = False
        if isinstance(step.action, actions.Label | actions.Mkfs):
            seen = before.contents[disk.wwid]
            assert isinstance(seen, Known)
            assert handler_agrees(step.action, seen.value), "the handler would refuse it"
    event("destroys" if not first else "refused" if run.error else "destroys nothing")


@WORLDS
@given(cases())
def test_after_all_steps_nothing_is_pending_and_nothing_is_refused(
    case: tuple[AttachSpec, World],
) -> None:
    wanted, world = case
    run = attach(world.inventory, wanted, world.array)
    if run.error is not None:
        return
    again = plan_attach(facts_for_attach(run.last, wanted), wanted)
    assert again.refusal is None
    assert not again.pending
    if wanted.mount is not None:
        assert isinstance(run.last.place, Known)
        assert run.last.place.value.mounted is not None
        ours = [x for x in run.last.fstab.by_dir(wanted.mount) if x.is_ours]
        assert len(run.last.fstab.by_dir(wanted.mount)) == len(ours) == 1
        assert not ours[0].is_claim
        assert "_netdev" in ours[0].options
        assert "nofail" in ours[0].options
        assert ours[0].exclusive == wanted.exclusive
        held = run.last.reservations.get(ours[0].wwid or "")
        if wanted.exclusive:
            assert held is not None
            assert held.is_ours
            assert held.other_holder is None
            assert held.holder is not None
        elif wanted.fs is not None and held is not None:
            assert not held.is_ours, "a registration is left"
    assert not any(x.is_claim for x in run.last.fstab.entries if x.uuid == wanted.uuid)


@SOME
@given(cases())
def test_what_was_shown_is_done_or_was_so(case: tuple[AttachSpec, World]) -> None:
    """Milder is allowed for what destroys; all else that was shown must come about."""
    wanted, world = case
    run = attach(world.inventory, wanted, world.array)
    if run.error is not None:
        return
    done = {step.id for _, step in run.done}
    was_so = {s.id for plan in run.plans for s in plan.steps if s.status is Status.UNCHANGED}
    for step in run.plans[0].pending:
        makes = isinstance(step.action, MAKING)
        assert makes or step.id in done | was_so, f"{step.id} was shown and never done"


@SOME
@given(cases(), st.integers(0, 16))
def test_a_run_that_lost_its_power_is_finished_by_running_it_again(
    case: tuple[AttachSpec, World], steps: int
) -> None:
    wanted, world = case
    whole = attach(world.inventory, wanted, world.array)
    if whole.error is not None or wanted.fs is None:
        return  # Without a requested kind nothing is made, and so nothing that was begun finished.
    if any(used.mounts for used in world.inventory.usage.values()):
        return  # What was mounted by hand before is foreign when it is not mounted any more.
    cut = attach(world.inventory, wanted, world.array, stop_after=steps)
    now, array = restart(cut.last, world.array)
    if wanted.consent.wipe is None:
        # Each run chooses a new UUID; the claim's must win.
        wanted = replace(wanted, uuid="99999999-9999-4999-8999-999999999999")
    if not wanted.consent.over_nonempty:
        again = attach(now, wanted, array)
        assert again.error is None
        assert not writes_that_are_kept_out(again)
        assert [x.raw for x in again.last.fstab.lines if not x.is_ours] == [
            x.raw for x in whole.last.fstab.lines if not x.is_ours
        ]


@SOME
@given(cases(), st.integers(0, 16))
def test_undoing_in_reverse_gives_the_machine_back(
    case: tuple[AttachSpec, World], steps: int
) -> None:
    wanted, world = case
    run = attach(world.inventory, wanted, world.array, stop_after=steps)
    done = list(run.done)
    if any(step.hazard is Hazard.DESTROYS for _, step in done):
        return
    now = run.last
    for before, step in reversed(done):
        back = undo_of(before, step, world.array)
        if back is not None:
            now = apply_action(back, now, world.array)
    start = world.inventory
    kinds = {type(step.action) for _, step in done}
    if actions.StartMultipathd in kinds and now.host.multipath.running:
        # It stays for a map that it made of a disk that was there before, or that a scan found.
        assert any(disk.block.kind == "mpath" for disk in now.disks)
        start = apply_action(actions.StartMultipathd(MULTIPATHD), start, world.array)
    if actions.Own in kinds:
        now = replace(now, place=start.place)
    ended = [
        step.action
        for _, step in done
        if isinstance(step.action, (actions.Reserve, actions.Release))
    ]
    for action in ended:
        # It stays reserved, or is again, perhaps over more paths and so with another type.
        held, earlier = (x.reservations.get(action.disk.wwid) for x in (now, start))
        exclusive = start.fstab.is_exclusive(action.disk.wwid)
        ours = earlier is not None and earlier.is_ours and earlier.holder is not None
        if held is not None and exclusive and ours:
            assert held.is_ours
            assert held.holder is not None
    if ended:
        # What an interrupted run had reserved is not reserved again.
        now = with_reservations_of(start, now)
    if actions.Scan in kinds:  # A disk that was found may stay.
        now = replace(
            now, sessions=start.sessions, disks=start.disks, contents=start.contents,
            reservations=start.reservations, usage=start.usage,
        )  # fmt: skip
        now = multipath.changed(now)  # multipathd knows the disks that are left.
    assert unmarked(now) == unmarked(start)


@SOME
@given(cases(), cases())
def test_whatever_happens_between_two_looks_nothing_stronger_is_done(
    case: tuple[AttachSpec, World], swapped: tuple[AttachSpec, World]
) -> None:
    """The disks are swapped for others: the loop stops, or what it does was shown."""
    wanted, world = case
    run = attach(world.inventory, wanted, world.array, stop_after=4)
    _, other = swapped
    plan = plan_attach(facts_for_attach(other.inventory, wanted), wanted)
    shown = {step.id: step.hazard.rank for step in run.plans[0].steps}
    if plan.refusal is None and plan.exceeds(run.plans[0]) is None:
        assert all(step.hazard.rank <= shown[step.id] for step in plan.ready)
    for step in destroying(plan):
        assert why_not(other.inventory, wanted, disk_of(step).wwid) is None


@SOME
@given(cases())
def test_a_plan_is_well_made(case: tuple[AttachSpec, World]) -> None:
    wanted, world = case
    plan = plan_attach(facts_for_attach(world.inventory, wanted), wanted)
    well_made(plan)
    if plan.refusal is None:
        assert plan.steps
        assert plan.result is not None or plan.pending


@SOME
@given(detachments())
def test_a_detach_is_well_made(case: tuple[DetachRequest, World]) -> None:
    wanted, world = case
    well_made(plan_detach(facts_for(wanted, world.inventory), wanted))


def well_made(plan: Plan) -> None:
    """Names are told apart, edges point back, and a forecast never comes before a frontier."""
    ids = [step.id for step in plan.steps]
    assert len(ids) == len(set(ids))
    for number, step in enumerate(plan.steps):
        assert step.after <= set(ids[:number])
        if step.status is Status.FORECAST:
            assert any(
                s.action.frontier and s.status is Status.PLANNED for s in plan.steps[:number]
            )
        assert step.why
    if plan.refusal is not None:
        assert plan.refusal.text
        assert "\n" not in plan.refusal.text
        assert plan.refusal.exit in {1, 3, 5, 6, 7, 9}
        if isinstance(plan.refusal, RefusedError):
            assert plan.refusal.hint or "no WWID" in plan.refusal.text


def facts_for(wanted: DetachRequest, now: Inventory) -> Inventory:
    """What a detach looks at: who uses the disks of the target that is meant, no others."""
    try:
        found = find(now, wanted.name, wanted.lun)
    except IscsictlError:
        found = ()
    targets = {one.target for one in found}
    sids = {session.sid for session in now.sessions if session.target in targets}
    meant = {one.disk.block.device for one in found if one.disk is not None}
    meant |= {d.block.device for d in now.disks if any(path.sid in sids for path in d.paths)}
    usage = {device: used for device, used in now.usage.items() if device in meant}
    return replace(now, usage=usage, contents={})


def holders_on(now: Inventory, sid: int | None, hctls: set[str] | None = None) -> list[DiskUsage]:
    """Who would lose a disk with this session or these paths."""
    losing = [
        d
        for d in now.disks
        if all(p.sid == sid if hctls is None else p.hctl in hctls for p in d.paths)
    ]
    return [now.usage_of(d) or DiskUsage() for d in losing]


@WORLDS
@given(detachments())
def test_nothing_in_use_is_taken_away(case: tuple[DetachRequest, World]) -> None:
    wanted, world = case
    now = world.inventory
    plan = plan_detach(facts_for(wanted, now), wanted)
    if plan.refusal is not None:
        event(f"refused {plan.refusal.exit}")
        return
    event("lost" if wanted.consent.lost else f"{len(plan.pending)} steps")
    for step in plan.pending:
        action = step.action
        losing: list[DiskUsage] = []
        if isinstance(action, actions.Logout):
            ended = effect(step, now)
            gone = {s.sid for s in now.sessions} - {s.sid for s in ended.sessions}
            losing = [used for sid in gone for used in holders_on(now, sid)]
        elif isinstance(action, actions.RemoveDevice):
            losing = holders_on(now, None, set(action.hctls))
        elif isinstance(action, actions.Unmount) and not action.lost:
            losing = [replace(u, mounts=()) for u in now.usage.values() if action.path in u.mounts]
        elif isinstance(action, actions.DropFstab):
            own = [d for d in now.disks if d.wwid == action.entry.wwid]
            left = {path for d in own for path in (now.usage_of(d) or DiskUsage()).mounts}
            assert action.entry.mount_point not in left, "mounted, and not in fstab any more"
        for used in losing:
            assert not used.mounts
            assert not (used.other_holders or used.open_files) or wanted.consent.lost is not None
        now = effect(step, now)


@SOME
@given(detachments())
def test_after_a_detach_nothing_is_pending(case: tuple[DetachRequest, World]) -> None:
    wanted, world = case
    now = world.inventory
    plan = plan_detach(facts_for(wanted, now), wanted)
    if plan.refusal is not None:
        return
    meant = {(m.target, m.lun) for m in find(now, wanted.name, wanted.lun)}
    for step in plan.pending:
        now = effect(step, now)
    again = plan_detach(replace(facts_for(wanted, now), in_journal=True), wanted)
    released = (s.action.disk.wwid for s in plan.steps if isinstance(s.action, actions.Release))
    assert not any(now.reservations[wwid].is_ours for wwid in released if wwid in now.reservations)
    left = {(m.target, m.lun) for m in find(now, wanted.name, wanted.lun)}
    if not left <= meant | {(target, None) for target, _ in meant}:
        return  # What had the name is gone; by a line of fstab another disk has it, maybe in use.
    assert again.refusal is None
    assert not again.pending


@SOME
@given(cases())
def test_a_machine_that_knows_nothing_gets_an_answer(case: tuple[AttachSpec, World]) -> None:
    plan = plan_attach(Inventory(), case[0])
    assert plan.refusal is not None


def test_enough_of_the_worlds_reach_a_step_that_destroys_or_end_in_use() -> None:
    counts = {"all": 0, "destroys": 0, "in use": 0}

    @settings(max_examples=250, database=None, derandomize=True)
    @given(cases())
    def count(case: tuple[AttachSpec, World]) -> None:
        wanted, world = case
        run = attach(world.inventory, wanted, world.array)
        counts["all"] += 1
        counts["destroys"] += any(s.hazard is Hazard.DESTROYS for _, s in run.done)
        counts["in use"] += isinstance(run.error, InUseError)

    count()
    assert counts["destroys"] >= 0.1 * counts["all"], counts
    assert counts["in use"] >= 0.05 * counts["all"], counts
