"""What `export` prints, a file of volumes says again: nothing is lost between the two."""

from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.cli.owner import owner_ids
from iscsictl.errors import UnreachableError
from iscsictl.model.inventory import HostFacts
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.planner.volumes.apply import plan_volume
from iscsictl.planner.volumes.export import export
from tests.exported import Machine, Made, planned, read
from tests.worlds import GREEDY

TEXT = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])
WORDS = st.text(TEXT, min_size=1, max_size=8)
NAMES = WORDS.filter(lambda w: "/" not in w and w not in {".", ".."})
OPTIONS = st.lists(
    st.sampled_from(["noatime", "ro", "discard", "commit=30", "x-systemd.automount"]), unique=True
)
PORTALS = st.sampled_from(
    [Portal("192.0.2.5", 3260, 1), Portal("192.0.2.5", 3261, 1), Portal("2001:db8::5", 3260, 2),
     Portal("2001:db8::5", 860, 2), Portal("array.example.com", 3260, 1)]
)  # fmt: skip
IDS = st.integers(0, 2**32 - 2)


def volumes_of(**more: st.SearchStrategy[object]) -> st.SearchStrategy[list[Made]]:
    made = st.builds(
        Made, NAMES, st.integers(0, 255), PORTALS, OPTIONS,
        st.sampled_from(["ext4", "xfs", "vfat"]), st.none() | WORDS, st.none() | WORDS,
        st.sampled_from(["600", "120"]), st.booleans(), IDS, IDS, st.integers(0, 0o7777), **more,
    )  # fmt: skip
    return st.lists(made, min_size=1, max_size=4, unique_by=lambda v: v.name)


WHOLE = volumes_of(
    startup=st.sampled_from(["automatic", "manual", "onboot"]),
    boot=st.booleans(),
    method=st.sampled_from(["CHAP", "None"]),
    spare=st.booleans(),
)
ODD = volumes_of(
    startup=st.sampled_from(["automatic", "manual", "onboot"]),
    boot=st.booleans(),
    lined=st.booleans(),
    placed=st.booleans(),
    at=st.sampled_from(["", "/mnt", None]),
    ways=st.sampled_from([1, 1, 2, 0]),
    nic=st.booleans(),
    spare=st.booleans(),
    twin=st.booleans(),
    status=st.sampled_from([*["up"] * 9, "recovering"]),
    known=st.sampled_from([*[True] * 5, False]),
    held=st.booleans(),
    empty=st.booleans(),
    method=st.sampled_from(["CHAP", "None", None]),
)


@given(WHOLE, st.booleans())
def test_the_plan_of_what_is_exported_has_nothing_to_change(
    rows: list[Made], multipathd: bool
) -> None:
    if multipathd:
        # Under a map every recorded portal is a path, through every interface.
        rows = [replace(row, spare=False, nic=False) for row in rows]
    machine = Machine(rows, HostFacts(multipath=GREEDY if multipathd else MultipathFacts()))
    found = export(machine.inventory, machine.places)
    assert all("authmethod" in note or "has no session" in note for note in found.notes)
    volumes = read(found)
    assert len(volumes) == len(rows)
    for row, volume in zip(rows, volumes, strict=True):
        assert volume.spec.mount == f"/srv/{row.name}"
        assert (0o755 if volume.spec.mode is None else volume.spec.mode) == row.mode
        assert owner_ids(volume.owner or "0:0", "owner") == (row.uid, row.gid)
        plan = planned(machine, volume)
        assert plan.refusal is None
        assert {step.status for step in plan.steps} == {Status.UNCHANGED}


@given(ODD, st.booleans(), st.booleans())
def test_what_plan_would_do_to_an_odd_host_and_what_is_left_out_is_told(
    rows: list[Made], multipathd: bool, enabled: bool
) -> None:
    machine = Machine(
        rows,
        HostFacts(multipath=GREEDY if multipathd else MultipathFacts(), service_enabled=enabled),
    )
    found = export(machine.inventory, machine.places)
    told = "\n".join(found.notes)
    volumes = read(found)
    for volume in volumes:
        plan = planned(machine, volume)
        if plan.refusal is not None:
            event(f"refused: {type(plan.refusal).__name__}")
            assert isinstance(plan.refusal, UnreachableError)
            assert plan.refusal.text in told
        for step in plan.steps:
            if step.status is Status.PLANNED:
                event(f"planned: {step.action.verb}")
                assert f"{step.action.verb} {step.subject}" in told
    there = {(volume.spec.target, volume.spec.lun) for volume in volumes}
    for session in machine.sessions:
        for lun in session.luns or ():
            assert (session.target, lun.lun) in there or f"{session.target} LUN {lun.lun}" in told
    for line in machine.fstab.ours:
        printed = any(volume.spec.mount == line.mount_point for volume in volumes)
        assert printed or f"{line.target} LUN {line.lun}" in told


@given(WHOLE)
def test_a_secret_that_no_record_has_must_be_named(rows: list[Made]) -> None:
    machine = Machine(rows)
    volumes = read(export(machine.inventory, machine.places))
    bare = replace(machine.inventory, records=())
    for volume in volumes:
        plan = plan_volume(bare, volume, replace(volume.spec, uuid="new"))
        assert plan.refusal is not None
        if any(c is not None and c.secret_file is None for c in (volume.chap, volume.mutual)):
            assert "secret-file" in (plan.refusal.hint or "")
