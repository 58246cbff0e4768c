"""prune removes what an answering portal proves to be gone, and nothing else."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.engine.handlers.registry import execute_action
from iscsictl.errors import Exit, InUseError, NotFoundError
from iscsictl.model import actions
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiscoveredTarget, DiskUsage
from iscsictl.model.listing import Block, Disk, Listing, Session, Status
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.planner.iscsi.prune import PruneFacts, plan_prune, portals_to_ask
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import down_times
from iscsictl.system.iscsi.sessions import has_session, read_listing
from tests.bench.make_tree import make
from tests.commands import call
from tests.unit.fake_root import put

A, B = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)
WAIT = 600.0


def target(name: object) -> str:
    return f"iqn.2001-04.com.example:{name}"


def record(name: object, portal: Portal = A, iface: str = "default") -> NodeRecord:
    path = Path(f"/etc/iscsi/nodes/{target(name)}/{portal.address},3260,1/{iface}")
    return NodeRecord(path, {}, target=target(name), portal=portal, iface=iface)


def session(sid: int, name: object, status: Status = "recovering", portal: Portal = A) -> Session:
    return Session("sysfs", target(name), sid=sid, portal=portal, persistent_portal=portal,
                   iface="default", status=status)  # fmt: skip


def answers(*names: object, portals: Iterable[Portal] = (A, B), iface: str = "default") -> Any:
    return {(portal.place, iface): frozenset(map(target, names)) for portal in portals}


def removed(plan: Plan) -> tuple[set[str], set[str]]:
    """The targets of the records that go, and of the sessions."""
    steps = [step.action for step in plan.pending]
    records = {one.target for one in steps if isinstance(one, actions.DeleteRecord)}
    sessions = {one.target for one in steps if isinstance(one, actions.Logout)}
    assert len(steps) == sum(
        isinstance(one, actions.DeleteRecord | actions.Logout) for one in steps
    )
    return records, sessions


LIVE = range(50)
DEAD = range(1000, 1300)
DEAD_SESSIONS = DEAD[:50]


def host() -> PruneFacts:
    """50 live sessions, one of them recovering; 300 dead records, 50 of them with a session."""
    live = [session(n + 1, n, "up" if n else "recovering") for n in LIVE]
    dead = [session(n, n) for n in DEAD_SESSIONS]
    return PruneFacts(
        tuple(record(n) for n in (*LIVE, *DEAD)),
        (*live, *dead),
        offered=answers(*LIVE),
        down_for={one.sid or 0: WAIT for one in (live[0], *dead)},
    )


@pytest.mark.fault("F111")
def test_exactly_what_the_array_does_not_offer_any_more_goes() -> None:
    plan = plan_prune(host(), seconds=WAIT)
    gone = {target(n) for n in DEAD}
    assert removed(plan) == (gone, {target(n) for n in DEAD_SESSIONS})
    assert len(plan.pending) == 350


@pytest.mark.fault("F111")
@pytest.mark.parametrize(
    "offered",
    [
        {},
        {(A.place, "default"): frozenset()},
        {(A.place, "other"): frozenset({"iqn.2001-04.com.example:0"})},
        {(B.place, "default"): frozenset({"iqn.2001-04.com.example:0"})},
    ],
    ids=["silent or refused", "empty", "asked through another interface", "another portal"],
)
def test_what_is_no_proof_removes_nothing(offered: Any) -> None:
    plan = plan_prune(replace(host(), offered=offered), seconds=WAIT)
    assert plan.steps == ()
    assert plan.refusal is None


@pytest.mark.fault("F111")
def test_a_target_at_two_portals_needs_the_answer_of_both() -> None:
    facts = PruneFacts((record("x"), record("x", B)), offered=answers("y", portals=[A]))
    assert plan_prune(facts, seconds=0).steps == ()
    for second, gone in ((answers("y"), {target("x")}), (answers("x", "y"), set())):
        both = {**answers("y", portals=[A]), (B.place, "default"): second[B.place, "default"]}
        assert removed(plan_prune(replace(facts, offered=both), seconds=0))[0] == gone


@pytest.mark.fault("F111")
def test_an_address_that_no_host_can_reach_stands_in_the_way_of_no_proof() -> None:
    places = [A, Portal("169.254.3.4", 3260, 2), Portal("0.0.0.0", 3260, 3)]
    facts = PruneFacts(tuple(record("x", place) for place in places), offered=answers("y"))
    assert len(plan_prune(facts, seconds=0).pending) == 3
    alone = replace(facts, records=facts.records[1:])
    assert plan_prune(alone, seconds=0).steps == ()


@pytest.mark.fault("F111")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"boot_targets": frozenset({target("x")})}, "the machine boots from it"),
        ({"fstab_targets": frozenset({target("x")})}, "/etc/fstab has an entry for it"),
        ({"holds": (Hold(target("x")),)}, "it is on hold"),
        ({"usage": {"/dev/sda": DiskUsage(("/srv",))}}, "/dev/sda is in use: the mount on /srv"),
        ({"usage": {"/dev/sda": DiskUsage((), ("swap on /dev/sda",))}}, "swap on /dev/sda"),
        ({"open_devices": {1: ("process 7 (mt)",)}}, "process 7 (mt)"),
        ({"down_for": {1: WAIT - 1}}, "not known to have been down for 600 s"),
        ({"down_for": {}}, "not known to have been down for 600 s"),
    ],
)
def test_what_is_in_use_or_meant_to_come_back_is_kept_and_said(more: Any, why: str) -> None:
    disk = Disk("naa.1", (DiskPath(1, "1:0:0:0", "/dev/sda"),), Block("/dev/sda", "disk"))
    facts = PruneFacts(
        (record("x"),), (session(1, "x"),), (disk,), offered=answers("y"), down_for={1: WAIT}
    )
    assert len(plan_prune(facts, seconds=WAIT).pending) == 2
    plan = plan_prune(replace(facts, **more), seconds=WAIT)
    assert plan.steps == ()
    (note,) = plan.notes
    assert note.startswith(f"{target('x')} is no longer offered, but kept: ")
    assert why in note


@pytest.mark.fault("F111")
def test_a_target_with_one_session_up_is_not_even_asked_for() -> None:
    sessions = (session(1, "x", "up"), session(2, "x", "down", B))
    facts = PruneFacts((record("x"), record("x", B)), sessions, offered=answers("y"),
                       down_for={2: WAIT})  # fmt: skip
    assert portals_to_ask(facts.records, sessions) == {}
    assert plan_prune(facts, seconds=0).steps == ()


@pytest.mark.fault("F111")
def test_a_session_without_a_record_goes_by_its_number_and_records_after_their_sessions() -> None:
    facts = PruneFacts(
        (record("x"),), (session(7, "x"), session(8, "z")), offered=answers("y"),
        down_for={7: WAIT, 8: WAIT},
    )  # fmt: skip
    first, forget, second = plan_prune(facts, seconds=WAIT).steps
    assert isinstance(first.action, actions.Logout)
    assert isinstance(second.action, actions.Logout)
    assert (first.action.sid, second.action.sid) == (7, 8)
    assert forget.after == {first.id}


def test_named_targets_alone_are_looked_at_and_a_name_of_nothing_is_an_error() -> None:
    facts = PruneFacts((record("x"), record("z")), offered=answers("y"))
    assert removed(plan_prune(facts, seconds=0, names=[target("z")]))[0] == {target("z")}
    assert isinstance(plan_prune(facts, seconds=0, names=["iqn.x"]).refusal, NotFoundError)


NAMES = st.sampled_from("abcdef")
PORTALS = st.sampled_from([A, B, Portal("2001:db8::5", 3260, 1)])
STATUSES = st.sampled_from(["up", "recovering", "down", "unknown"])


@pytest.mark.fault("F111")
@given(
    records=st.lists(st.tuples(NAMES, PORTALS), unique=True),
    sessions=st.lists(st.tuples(NAMES, STATUSES, PORTALS)),
    offered=st.dictionaries(PORTALS, st.frozensets(NAMES)),
)
def test_nothing_goes_that_is_up_or_that_no_answer_speaks_against(
    records: list[tuple[str, Portal]],
    sessions: list[tuple[str, Status, Portal]],
    offered: dict[Portal, frozenset[str]],
) -> None:
    facts = PruneFacts(
        tuple(record(name, portal) for name, portal in records),
        tuple(session(n, *one) for n, one in enumerate(sessions, 1)),
        offered={(p.place, "default"): frozenset(map(target, n)) for p, n in offered.items()},
        down_for={n: WAIT for n, _ in enumerate(sessions, 1)},
    )
    gone, ended = removed(plan_prune(facts, seconds=WAIT))
    listed = {name for names in facts.offered.values() for name in names}
    up = {one.target for one in facts.sessions if one.status == "up"}
    for name in gone | ended:
        assert name not in listed | up
        known = [r.portal for r in facts.records if r.target == name]
        known += [s.portal for s in facts.sessions if s.target == name and s.portal is not None]
        assert all(facts.offered.get((portal.place, "default")) for portal in known)


@pytest.mark.fault("F111")
def test_since_when_a_session_is_down_is_noted_until_it_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("iscsictl.system.iscsi.holds.now", lambda: clock[0])
    down, up = session(1, "x"), session(1, "x", "up")
    assert down_times.note_down_sessions([down], tmp_path) == {1: 0.0}
    clock[0] = 160.0
    assert down_times.note_down_sessions([down], tmp_path, keep=False) == {1: 60.0}
    # A number is used again by the kernel, for whatever logs in next.
    assert down_times.note_down_sessions([session(1, "other")], tmp_path) == {1: 0.0}
    assert down_times.note_down_sessions([up], tmp_path) == {}
    assert down_times.note_down_sessions([down], tmp_path) == {1: 0.0}
    for text in ("", "[1]", '{"1 x": []}', json.dumps({"1 iqn.2001-04.com.example:x": 9e9})):
        put(tmp_path, "run/iscsictl/down", text)
        assert down_times.note_down_sessions([down], tmp_path, keep=False) == {1: 0.0}


RECORD = "# BEGIN RECORD 2.1.8\nnode.name = {}\niface.iscsi_ifacename = default\n# END RECORD\n"


@pytest.mark.fault("F111")
def test_a_record_is_removed_with_its_link_and_its_neighbours_stay(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    for name in ("x", "y"):
        place = f"{target(name)}/192.0.2.5,3260,1"
        put(tmp_path, f"etc/iscsi/nodes/{place}/default", RECORD.format(target(name)))
        link = tmp_path / f"etc/iscsi/send_targets/192.0.2.5,3260/{target(name)},192.0.2.5,3260,1,"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.with_name(f"{link.name}default").symlink_to(tmp_path / f"etc/iscsi/nodes/{place}")
    delete = actions.DeleteRecord(target("x"), A, "default", direct=True)
    context = Context(5.0, tmp_path)
    assert execute_action(delete, context).changed
    assert not execute_action(delete, context).changed
    (left,) = (tmp_path / "etc/iscsi/nodes").iterdir()
    (link,) = (tmp_path / "etc/iscsi/send_targets/192.0.2.5,3260").iterdir()
    assert left.name == target("y")
    assert link.name.startswith(target("y"))


@pytest.mark.fault("F111")
def test_a_session_that_came_up_again_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("logged out")

    monkeypatch.setattr("iscsictl.system.iscsi.iscsiadm.logout", refuse)
    listing = "iscsictl.engine.handlers.sessions.read_listing"
    logout = actions.Logout(target("x"), A, "default", sid=1)
    context = Context(5.0, Path("/nowhere"))
    monkeypatch.setattr(listing, lambda *_, **__: Listing((session(1, "x", "up"),), ()))
    with pytest.raises(InUseError, match="is up again"):
        execute_action(logout, context)
    # Its number belongs to another target by now.
    monkeypatch.setattr(listing, lambda *_, **__: Listing((session(1, "other"),), ()))
    assert not execute_action(logout, context).changed


def test_of_one_session_only_its_own_disks_are_read(tmp_path: Path) -> None:
    make(tmp_path, 3)
    whole = read_listing(tmp_path)
    for one in whole.sessions:
        sid = one.sid or 0
        alone = read_listing(tmp_path, sid=sid)
        assert alone.sessions == (one,)
        assert alone.disks == tuple(
            disk for disk in whole.disks or () if any(path.sid == sid for path in disk.paths)
        )
        assert has_session(sid, tmp_path)
    assert read_listing(tmp_path, sid=99) == Listing((), ())
    assert not has_session(99, tmp_path)


@pytest.mark.fault("F111")
def test_portals_are_asked_and_down_times_waited_for_once_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    sound = RECORD.replace("# END", "node.conn[0].address = 192.0.2.5\n# END")
    place = f"etc/iscsi/nodes/{target('x')}/192.0.2.5,3260,1/default"
    put(tmp_path, place, sound.format(target("x")))
    asked: list[Portal] = []

    def answer(
        _: Context, portal: Portal, *__: object, **___: object
    ) -> tuple[DiscoveredTarget, ...]:
        asked.append(portal)
        return (DiscoveredTarget(target("y"), portal),)

    monkeypatch.setattr("iscsictl.observers.prune.discover", answer)
    done = call(["prune", "--yes", "-J"], tmp_path, uid=0)
    assert (done.code, asked) == (0, [A])
    (step,) = json.loads(done.out)["steps"]
    assert step["status"] == "done"
    assert list((tmp_path / "etc/iscsi/nodes").iterdir()) == []


def test_a_signal_while_a_portal_is_asked_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_host(tmp_path, 1)

    def interrupt(*_: object, **__: object) -> None:
        signals._asked.append(2)
        signals.check()

    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr("iscsictl.observers.prune.discover", interrupt)
    done = call(["prune", "--yes"], tmp_path, uid=0)
    assert done.code == 130
    assert "is no evidence" not in done.err
    assert "nothing was changed" in done.err


def test_a_list_that_may_lack_targets_is_no_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_host(tmp_path, 1)

    def answer(
        _: Context, portal: Portal, *__: object, warn: Callable[[str], None]
    ) -> tuple[DiscoveredTarget, ...]:
        warn("a name that iscsiadm does not accept")
        return (DiscoveredTarget(target("y"), portal),)

    monkeypatch.setattr("iscsictl.observers.prune.discover", answer)
    done = call(["prune", "--yes"], tmp_path, uid=0)
    assert done.code == 0
    assert f"{A} is no evidence: a name that iscsiadm does not accept" in done.err
    assert list((tmp_path / "etc/iscsi/nodes").iterdir()) != []


def dead_host(root: Path, number: int) -> list[Path]:
    """A host with the records of a portal that lists none of them any more; return its links."""
    (root / "proc").mkdir()
    sound = RECORD.replace("# END", "node.conn[0].address = 192.0.2.5\n# END")
    links = []
    for name in range(number):
        place = f"{target(name)}/192.0.2.5,3260,1"
        record_path = put(root, f"etc/iscsi/nodes/{place}/default", sound.format(target(name)))
        link = f"etc/iscsi/send_targets/192.0.2.5,3260/{target(name)},192.0.2.5,3260,1,default"
        links.append(root / link)
        links[-1].parent.mkdir(parents=True, exist_ok=True)
        links[-1].symlink_to(record_path.parent)
    return links


@pytest.fixture
def other_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every portal answers, and lists another target only."""

    def answer(
        _: Context, portal: Portal, *__: object, **___: object
    ) -> tuple[DiscoveredTarget, ...]:
        return (DiscoveredTarget(target("other"), portal),)

    monkeypatch.setattr("iscsictl.observers.prune.discover", answer)


@pytest.mark.fault("F111")
@pytest.mark.usefixtures("other_offered")
def test_many_records_go_with_a_few_flushes_and_one_that_stays_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = dead_host(tmp_path, 70)
    # What lies below another directory is not removed through a link that anybody may have made.
    (moved := tmp_path / "elsewhere").mkdir()
    os.chown(moved, 1, -1)
    stays = tmp_path / f"etc/iscsi/nodes/{target(7)}/192.0.2.5,3260,1"
    stays.rename(moved / stays.name)
    os.lchown(moved / stays.name, 1, -1)
    stays.symlink_to(moved / stays.name)
    os.lchown(stays, 1, -1)
    flushes: list[int] = []
    flush = os.fsync

    def count_flush(descriptor: int) -> None:
        flushes.append(descriptor)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", count_flush)
    done = call(["prune", "--yes", "-J"], tmp_path, uid=0)
    steps = {step["subject"].split()[0]: step for step in json.loads(done.out)["steps"]}
    assert done.code == Exit.PARTIAL
    failed = [name for name, step in steps.items() if step["status"] != "done"]
    assert (len(steps), failed) == (70, [target(7)])
    assert target(7) in done.err
    assert [path.name for path in (tmp_path / "etc/iscsi/nodes").iterdir()] == [target(7)]
    assert len(flushes) < 70 / 4
    left = [link for link in links if link.is_symlink()]
    assert left in ([], [links[7]])
