"""Which session belongs to which record, and that every command gives the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iscsictl.checks import sessions as session_checks
from iscsictl.model.finding import Level
from iscsictl.model.host_facts import Machine, NodeDb
from iscsictl.model.inventory import Inventory, Known
from iscsictl.model.listing import Listing
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan, Status
from iscsictl.planner.attach.multipath import choose_paths
from iscsictl.planner.attach.reconnect import missing_records, plan_reconnect
from iscsictl.planner.iscsi.records import plan_forget
from iscsictl.planner.iscsi.sessions import plan_login
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.selection.session_index import SessionIndex
from tests.unit.sessions_facts import P1, P2, A, record, session
from tests.worlds import spec

if TYPE_CHECKING:
    from iscsictl.model.listing import Session
    from iscsictl.model.record import NodeRecord


def bare(sid: int, portal: Portal | None, requested: Portal | None = None) -> Session:
    """A session that tells its portals and nothing of its interface."""
    return session(sid)._replace(portal=portal, persistent_portal=requested, iface=None)


def session_of(wanted: NodeRecord, *sessions: Session) -> Session | None:
    return SessionIndex((wanted,), sessions).session_of(wanted)


def test_a_subject_names_iface_and_tag_where_they_matter() -> None:
    one, other = record(A), record(A, replace(P1, tpgt=2))
    assert SessionIndex((one,), ()).subject_of(one) == f"{A} {P1}"
    assert SessionIndex((one, other), ()).subject_of(one) == f"{A} {P1},1"
    assert SessionIndex((), ()).subject_of(record(A, iface="netA")) == f"{A} {P1} [netA]"
    through = record(A, replace(P1, tpgt=2), iface="netA")
    assert SessionIndex((one, through), ()).subject_of(one) == f"{A} {P1}"


def test_a_record_is_found_by_portal_and_iface_together() -> None:
    records = [
        record(A, portal, iface=iface) for portal in (P1, P2) for iface in ("default", "netA")
    ]
    index = SessionIndex(records, ())
    for wanted in records:
        assert index.record_for(A, wanted.portal, wanted.iface) is wanted
    gone = index.record_for(A, P1, "netB")
    assert (gone.target, gone.portal, gone.iface, gone.values) == (A, P1, "netB", {})


def test_a_leading_login_is_served_by_its_own_session_first() -> None:
    leading = record(leading_login="Yes")
    through, own = session(2)._replace(iface="eth1"), session(1)
    for sessions in ((through, own), (own, through)):
        assert SessionIndex((leading,), sessions).sessions_serving(leading) == (own,)


def test_each_session_that_a_record_asks_for_counts_as_missing() -> None:
    two = replace(record(), values={"node.session.nr_sessions": "2"})
    for there in (0, 1, 2, 3):
        sessions = tuple(session(sid) for sid in range(there))
        assert SessionIndex((two,), sessions).missing_sessions(two) == max(0, 2 - there)


def test_a_session_is_found_by_the_requested_portal_else_by_its_own() -> None:
    redirected, plain = bare(1, P2, P1), bare(1, P1)
    assert session_of(record(), redirected) is redirected
    assert session_of(record(portal=P2), redirected) is None
    assert session_of(record(), plain) is plain
    assert session_of(record(iface="netA"), plain) is None
    assert session_of(record(), bare(1, None)) is None


def test_of_several_sessions_the_one_with_the_tag_is_first() -> None:
    second = replace(P1, tpgt=2)
    for one, two in ((bare(1, P1), bare(2, second)), (bare(1, P2, P1), bare(2, P2, second))):
        for sessions in ((one, two), (two, one)):
            assert session_of(record(), *sessions) is one
            assert session_of(record(portal=second), *sessions) is two
            assert SessionIndex((), sessions).sessions_of(record()) == (one, two)


def test_a_session_through_any_iface_makes_a_leading_login_unnecessary() -> None:
    leading = record(leading_login="Yes")
    there = session()._replace(iface="eth1")
    assert session_of(leading, there) is there
    assert session_of(leading, session(2, portal=P2), there) is there
    assert session_of(leading) is session_of(leading, session(2, portal=P2)) is None
    assert session_of(leading, there._replace(target=f"{leading.target}2")) is None
    requested = there._replace(portal=P2, persistent_portal=P1)
    assert session_of(leading, requested) is requested
    assert session_of(leading, requested._replace(portal=P1, persistent_portal=P2)) is None
    assert session_of(leading, there._replace(portal=None, persistent_portal=None)) is None
    assert session_of(leading, there._replace(portal=P1, persistent_portal=None)) is not None
    for word in ("No", "yes"):
        assert session_of(record(leading_login=word), there) is None
    assert session_of(record(), there) is None
    assert SessionIndex((leading,), (there,)).sessions_of(leading) == ()


def test_the_tag_of_a_session_chooses_among_records_that_differ_in_it_alone() -> None:
    one, other = record(A), record(A, replace(P1, tpgt=2))
    for now in (bare(1, P1), bare(1, P2, P1)):
        index = SessionIndex((one, other), (now,))
        assert index.session_of(one) is now
        assert index.session_of(other) is None
        assert SessionIndex((other,), (now,)).session_of(other) is now
    untagged = bare(1, replace(P1, tpgt=None))
    index = SessionIndex((one, other), (untagged,))
    assert index.session_of(one) is index.session_of(other) is untagged
    assert SessionIndex((one, other), ()).session_of(one) is None


def test_a_session_whose_record_is_gone_is_found_by_its_key() -> None:
    index = SessionIndex((), (session(),))
    assert index.session_of(index.record_for(A, P1, "default")) == session()
    assert SessionIndex((record(),), ()).record_for(A, P1, "default") == record()


# Every command asks the same question.

CASES: dict[str, tuple[NodeRecord, tuple[NodeRecord, ...], Session, bool]] = {
    "exact": (record(startup="automatic"), (), session(), True),
    "redirected": (record(startup="automatic"), (), bare(1, P2, P1), True),
    "redirected to it": (record(startup="automatic"), (), bare(1, P1, P2), False),
    "another iface": (record(startup="automatic"), (), session()._replace(iface="eth1"), False),
    "leading login": (
        record(startup="automatic", leading_login="Yes"),
        (),
        session()._replace(iface="eth1"),
        True,
    ),
    "another tag, one record": (
        record(startup="automatic"),
        (),
        session(portal=replace(P1, tpgt=2)),
        True,
    ),
    "another tag, two records": (
        record(startup="automatic"),
        (record(portal=replace(P1, tpgt=2), startup="manual"),),
        session(portal=replace(P1, tpgt=2)),
        False,
    ),
    "another spelling": (
        record(portal=Portal("2001:DB8:0:0::5", 3260, 1), startup="automatic"),
        (),
        session(portal=Portal("2001:db8::5", 3260, 1)),
        True,
    ),
    "an IPv4-mapped address": (
        record(portal=Portal("::ffff:192.0.2.5", 3260, 1), startup="automatic"),
        (),
        session(portal=P1),
        True,
    ),
}


@pytest.mark.fault("F87")
@pytest.mark.parametrize("case", CASES)
def test_every_command_agrees_on_whether_a_record_has_a_session(case: str) -> None:
    wanted, siblings, there, expected = CASES[case]
    records = (wanted, *siblings)
    now = Inventory(records=records, sessions=(there,))
    key = RecordSelector(wanted.target, wanted.portal, wanted.iface)

    def login_is_unchanged(plan: Plan) -> bool:
        own = [s for s in plan.steps if s.action.verb == "login"]
        return not own or own[0].status is Status.UNCHANGED

    assert login_is_unchanged(plan_login(now, key, {})) is expected
    assert (wanted not in missing_records(now, None)) is expected
    assert login_is_unchanged(plan_reconnect(now, {})) is expected

    forgotten = plan_forget(now, key)
    assert bool(forgotten.errors) is expected

    request = spec(target=wanted.target, portals=(wanted.portal,), ifaces=(wanted.iface,))
    (path,) = choose_paths(now, request).paths
    assert (path.session is not None) is expected

    machine = Machine(db=Known(NodeDb("/db", records)), listing=Listing((there,)))
    missing = [f for f in session_checks.check(machine) if f.id == "session-missing"]
    assert (not missing) is expected
    assert all(finding.level is Level.FAIL for finding in missing)
