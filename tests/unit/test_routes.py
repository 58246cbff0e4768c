"""Which target, portals, records and sessions a spec means."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import AuthError, Exit, IscsictlError, NotFoundError, UnreachableError
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import (
    DiscoveredTarget,
    HostFacts,
    Inventory,
    Known,
    NotObserved,
    ReadFailed,
)
from iscsictl.model.listing import Lun, Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.spec import AttachSpec
from iscsictl.observers import attach as observer
from iscsictl.parse.fstab import claim_line, mount_line
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.attach.multipath import choose_paths
from iscsictl.planner.selection.paths import (
    LoginPath,
    reachable_paths,
    recorded_portals,
)
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.context import Context
from tests.worlds import (
    CLAIMED,
    DIR,
    GREEDY,
    OTHER,
    STRICT,
    TARGET,
    V6,
    A,
    B,
    W,
    World,
    at,
    claim_of,
    record,
    spec,
)

MULTIPATH = HostFacts(multipath=GREEDY)


def offers(*pairs: tuple[str, Portal], **more: Any) -> Inventory:
    """A machine to which these targets are offered."""
    return replace(Inventory(), offers=Known(tuple(DiscoveredTarget(*p) for p in pairs)), **more)


def session(portal: Portal | None = A, asked: Portal | None = None, **more: Any) -> Session:
    plain = Session("sysfs", TARGET, 1, portal=portal, persistent_portal=asked, status="up")
    return plain._replace(**more)


def session_of(wanted: NodeRecord, sessions: tuple[Session, ...]) -> Session | None:
    return SessionIndex((wanted,), sessions).session_of(wanted)


def find_login_paths(inventory: Inventory, spec: AttachSpec) -> tuple[LoginPath, ...]:
    return choose_paths(inventory, spec).paths


def portals(routes: tuple[LoginPath, ...]) -> list[Portal]:
    return [route.portal for route in routes]


# Sessions and records


@pytest.mark.fault("F14")
def test_after_a_redirect_the_portal_that_was_asked_for_counts() -> None:
    redirected = session(portal=B, asked=A)
    assert session_of(record(A), (redirected,)) is redirected
    assert session_of(record(B), (redirected,)) is None


@pytest.mark.fault("F14")
def test_a_record_that_names_a_host_has_the_session_that_was_asked_for_by_name() -> None:
    named = Portal("Array.example.com", 3260, 1)
    told = session(portal=A, asked=replace(named, address="array.example.com"))
    assert session_of(record(named), (told,)) is told


@pytest.mark.fault("F14")
def test_a_capture_without_the_asked_portal_goes_by_the_one_it_tells() -> None:
    told = session(portal=A, asked=None)
    assert session_of(record(A), (told,)) is told
    assert session_of(record(A), (session(portal=None),)) is None


@pytest.mark.fault("F07")
def test_a_session_of_another_target_portal_port_or_iface_is_another() -> None:
    for other in (
        session(target=OTHER),
        session(portal=B),
        session(portal=replace(A, port=3261)),
        session(iface="eth1"),
    ):
        assert session_of(record(A), (other,)) is None
    assert session_of(record(A, iface="eth1"), (session(), session(iface="eth1"))) is not None
    assert session_of(record(A), (session(iface=None),)) is not None
    assert session_of(record(A), (session(iface="default"),)) is not None


def test_a_tag_does_not_part_a_session_from_its_record() -> None:
    assert session_of(record(A), (session(portal=replace(A, tpgt=2)),)) is not None


def test_the_session_that_shows_more_luns_stays_first_when_another_path_is_added() -> None:
    wanted = spec(portals=(at(A), at(B)))
    luns = [Lun(n, f"2:0:0:{n}", f"/dev/sd{n}", "running") for n in (0, 1)]
    new = session(portal=A, sid=2, luns=tuple(luns[:1]))
    whole = session(portal=B, luns=tuple(luns))
    for sessions in ((new, whole), (whole, new)):
        known = {"records": (record(A), record(B)), "sessions": sessions}
        now = offers((TARGET, A), (TARGET, B), host=MULTIPATH, **known)
        assert portals(find_login_paths(now, wanted))[0] == B


# The target


def test_the_only_target_is_meant() -> None:
    (route,) = find_login_paths(offers((TARGET, A)), spec())
    assert (route.target, route.portal, route.record, route.session) == (TARGET, A, None, None)


def test_of_several_targets_one_must_be_named_and_all_are_listed() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_login_paths(offers((TARGET, A), (OTHER, A)), spec())
    assert TARGET in caught.value.text
    assert OTHER in caught.value.text
    assert "2 targets" in caught.value.text
    assert f"-T {TARGET}" in (caught.value.hint or "")
    (route,) = find_login_paths(offers((TARGET, A), (OTHER, A)), spec(target=OTHER))
    assert route.target == OTHER


def test_a_target_that_is_not_offered_is_not_found_and_the_offers_are_listed() -> None:
    with pytest.raises(NotFoundError, match="does not offer") as caught:
        find_login_paths(offers((TARGET, A)), spec(target=OTHER))
    assert OTHER in caught.value.text
    assert str(at(A)) in caught.value.text
    assert TARGET in (caught.value.hint or "")


def test_no_offer_points_at_the_access_list() -> None:
    for wanted in (spec(), spec(target=TARGET)):
        with pytest.raises(NotFoundError, match=r"192\.0\.2\.5") as caught:
            find_login_paths(offers(), wanted)
        assert "access list" in (caught.value.hint or "")


def test_an_array_that_nobody_asked_is_not_an_array_without_targets() -> None:
    with pytest.raises(IscsictlError, match="was not queried"):
        find_login_paths(replace(Inventory(), offers=NotObserved()), spec())


def test_what_discovery_met_is_said() -> None:
    seen = replace(Inventory(), offers=ReadFailed(UnreachableError("no route to host")))
    for wanted in (spec(), spec(target=TARGET)):
        with pytest.raises(UnreachableError, match="no route to host"):
            find_login_paths(seen, wanted)


@pytest.mark.parametrize(("tag", "kept"), [(None, 1), (0, 0), (1, 1), (7, 7)])
def test_a_named_target_is_tried_where_discovery_wants_an_account(
    tag: int | None, kept: int
) -> None:
    seen = replace(Inventory(), offers=ReadFailed(AuthError("refused")))
    wanted = spec(target=TARGET, portals=(replace(A, tpgt=tag),))
    assert portals(find_login_paths(seen, wanted)) == [replace(A, tpgt=kept)]
    with pytest.raises(AuthError):
        find_login_paths(seen, spec())


# The portals


def test_one_portal_is_used_and_it_is_the_requested_one() -> None:
    assert portals(find_login_paths(offers((TARGET, B), (TARGET, A)), spec())) == [A]
    assert portals(find_login_paths(offers((TARGET, B), (TARGET, V6)), spec())) == [B]


def test_with_multipathd_all_portals_are_used_the_requested_one_first() -> None:
    seen = offers((TARGET, B), (TARGET, A), (OTHER, V6), host=MULTIPATH)
    assert portals(find_login_paths(seen, spec(target=TARGET))) == [A, B]


def test_with_multipathd_the_other_portals_stay_routes_once_one_has_a_record() -> None:
    pairs = ((TARGET, B), (TARGET, A), (OTHER, V6))
    seen = offers(*pairs, host=MULTIPATH, records=(record(A),))
    assert portals(find_login_paths(seen, spec(target=TARGET))) == [A, B]


@pytest.mark.fault("F11")
def test_a_silent_portal_is_passed_over_and_named() -> None:
    silent = {A: "timed out", V6: "connection refused"}
    seen = offers((TARGET, A), (TARGET, V6), (TARGET, B), silent=silent)
    assert portals(find_login_paths(seen, spec())) == [B]
    plan = plan_attach(seen, spec())
    assert any(str(A) in note and "timed out" in note for note in plan.notes)
    assert any(str(V6) in note for note in plan.notes)


@pytest.mark.fault("F11")
def test_a_portal_is_silent_whatever_its_tag_and_is_named_once() -> None:
    seen = offers((TARGET, A), (TARGET, B), silent={at(A): "timed out", A: "timed out"})
    assert portals(find_login_paths(seen, spec())) == [B]
    assert sum(str(A) in note for note in plan_attach(seen, spec()).notes) == 1


@pytest.mark.fault("F11")
def test_with_all_portals_silent_each_is_named_with_its_reason() -> None:
    seen = offers((TARGET, A), (TARGET, B), silent={A: "timed out", B: "refused"})
    with pytest.raises(UnreachableError) as caught:
        find_login_paths(seen, spec())
    assert caught.value.exit is Exit.UNREACHABLE
    assert f"{A}: timed out; {B}: refused" in caught.value.text
    assert TARGET in caught.value.text
    assert caught.value.hint


# Records


def test_a_record_answers_without_asking_the_array() -> None:
    seen = replace(Inventory(), records=(record(A),), sessions=(session(),))
    (route,) = find_login_paths(seen, spec(target=TARGET))
    assert route.record == record(A)
    assert route.session == session()


def test_a_single_path_that_is_in_use_is_not_asked_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        observer, "_discover_targets", lambda *_: pytest.fail("the array was asked")
    )
    facts = HostFacts(multipath=STRICT)
    host = Inventory(records=(record(A),), sessions=(session(),), host=facts)
    line = mount_line(
        CLAIMED, DIR, "ext4", (), login_service="iscsi.service", wwid=W, target=TARGET, lun=0
    )
    attached = World(host).with_line(line).inventory
    asked = observer._ask_array(Context(), spec(target=TARGET), attached)
    assert asked == (NotObserved(), {})
    assert observer._ask_array(Context(), spec(target=TARGET, mount=None, fs=None), host) == asked


def test_the_array_is_asked_for_the_other_paths_where_an_attach_was_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = Known((DiscoveredTarget(TARGET, A), DiscoveredTarget(TARGET, B)))
    monkeypatch.setattr(observer, "_discover_targets", lambda *_: (both, {}))
    facts = HostFacts(multipath=STRICT)
    # At boot, the login service used the record that was complete.
    host = Inventory(records=(record(A),), sessions=(session(),), host=facts)
    claim = claim_line(claim_of(), DIR, wwid=W, target=TARGET, lun=0)
    for seen in (host, World(host).with_line(claim).inventory):
        assert observer._ask_array(Context(), spec(target=TARGET), seen) == (both, {})


def test_without_a_named_target_a_record_does_not_answer() -> None:
    with pytest.raises(IscsictlError):
        find_login_paths(replace(Inventory(), records=(record(A),)), spec())


@pytest.mark.fault("F03")
def test_a_corrupt_record_is_no_record() -> None:
    corrupt = record(A, problem="is empty")
    assert recorded_portals(HostIndex((corrupt,), ()), spec(target=TARGET)) == ()
    seen = offers((TARGET, A), records=(corrupt,), sessions=(session(),))
    (route,) = find_login_paths(seen, spec())
    assert route.record is None


def test_records_of_another_target_iface_or_portal_do_not_count() -> None:
    others = (record(A, OTHER), record(A, iface="eth1"), record(B))
    assert recorded_portals(HostIndex(others, ()), spec(target=TARGET)) == ()
    seen = offers((TARGET, A), records=others)
    assert find_login_paths(seen, spec())[0].record is None
    assert find_login_paths(seen, spec(ifaces=("eth1",)))[0].record == others[1]


def test_recorded_portals_come_in_the_order_of_the_spec() -> None:
    both = (record(A), record(B))
    assert recorded_portals(HostIndex(both, ()), spec(target=TARGET, portals=(at(B), at(A)))) == (
        B,
        A,
    )


def test_the_record_s_own_words_are_the_route_s() -> None:
    other_case = replace(A, address="ARRAY.example.com")
    named = replace(A, address="array.example.com", tpgt=2)
    (route,) = find_login_paths(offers((TARGET, other_case), records=(record(named),)), spec())
    assert route.portal == named


def test_a_subject_names_the_iface_where_it_is_not_the_default() -> None:
    assert LoginPath(TARGET, A, "default").subject == f"{TARGET} 192.0.2.5:3260"
    assert LoginPath(TARGET, A, "eth1").subject == f"{TARGET} 192.0.2.5:3260 [eth1]"


@pytest.mark.fault("F13")
def test_ipv6_portals_are_written_in_brackets_and_matched() -> None:
    seen = offers((TARGET, V6), records=(record(V6),), sessions=(session(V6),))
    (route,) = find_login_paths(seen, spec(portals=(at(replace(V6, address="2001:DB8::5")),)))
    assert route.subject == f"{TARGET} [2001:db8::5]:3260"
    assert route.session is not None


def refusal(inventory: Inventory, **more: Any) -> IscsictlError:
    with pytest.raises(IscsictlError) as caught:
        find_login_paths(inventory, spec(**more))
    return caught.value


def test_each_error_says_what_to_do() -> None:
    two = (at(A), at(B))
    seen = offers((TARGET, A), (OTHER, A))
    unknown = refusal(seen, target="iqn.2024-01.com.example:none", portals=two)
    assert unknown.text == (
        "the array at 192.0.2.5:3260, 198.51.100.5:3260 does not offer "
        "iqn.2024-01.com.example:none to this host"
    )
    assert unknown.hint == f"it offers: {TARGET}, {OTHER}"
    assert refusal(offers(), target=TARGET).hint == (
        "it offers nothing: check that this host's name is in its access list: iscsictl initiator "
        "show"
    )
    assert refusal(offers()).hint == (
        "add this host's name to the array's access list; see: iscsictl initiator show"
    )
    assert refusal(seen).text.endswith(f"name one with --target: {TARGET}, {OTHER}")
    assert refusal(Inventory()).text == "the array was not queried for its targets"
    assert refusal(offers((TARGET, A), silent={A: "timed out"})).hint == (
        "check the address, the cable and the route, and that the array's iSCSI service is "
        "running; see: iscsictl doctor"
    )


@pytest.mark.fault("F07")
def test_a_new_route_goes_through_the_requested_iface() -> None:
    assert find_login_paths(offers((TARGET, A)), spec(ifaces=("eth1",)))[0].iface == "eth1"


@pytest.mark.fault("F07")
def test_a_way_goes_by_the_twin_whose_tag_was_asked_for() -> None:
    both = (record(replace(A, tpgt=1)), record(replace(A, tpgt=2)))
    for order in (both, both[::-1]):
        for tag in (1, 2):
            asked = replace(A, tpgt=tag)
            (route,) = find_login_paths(
                replace(Inventory(), records=order), spec(target=TARGET, portals=(asked,))
            )
            assert route.portal == asked
            assert route.record is not None
            assert route.record.portal == asked


@pytest.mark.fault("F07")
def test_the_tag_that_was_asked_for_chooses_among_twin_records() -> None:
    both = (record(replace(A, tpgt=1)), record(replace(A, tpgt=2)))
    for tag in (1, 2):
        (known,) = recorded_portals(
            HostIndex(both, ()), spec(target=TARGET, portals=(replace(A, tpgt=tag),))
        )
        assert known.tpgt == tag


def test_without_multipathd_the_way_that_has_a_session_is_taken() -> None:
    world = Inventory((record(A), record(B)), (session(portal=B, asked=B, iface="default"),))
    assert portals(find_login_paths(world, spec(portals=(A, B), target=TARGET))) == [B]
    assert portals(
        find_login_paths(replace(world, sessions=()), spec(portals=(A, B), target=TARGET))
    ) == [A]
    several = replace(world, host=MULTIPATH)
    assert portals(find_login_paths(several, spec(portals=(A, B), target=TARGET))) == [B, A]


@pytest.mark.parametrize(
    ("mode", "host", "more"),
    [
        ("auto", MULTIPATH, [B]),
        ("require", MULTIPATH, [B]),
        ("off", MULTIPATH, []),
        ("auto", HostFacts(), []),
    ],
)
def test_portals_that_only_records_have_are_used_for_a_map_alone(
    mode: Any, host: HostFacts, more: list[Portal]
) -> None:
    now = Inventory(records=(record(A), record(B)), host=host)
    wanted = spec(target=TARGET, multipath=mode)
    assert portals(reachable_paths(now, wanted)) == [A, *more]
    silent = replace(now, silent={A: "timed out"})
    if more:
        assert portals(reachable_paths(silent, wanted)) == more
    else:
        with pytest.raises(UnreachableError, match="no portal of"):
            reachable_paths(silent, wanted)


def test_each_portal_is_a_path_once_and_the_requested_ones_are_first() -> None:
    asked = spec(target=TARGET, portals=(at(A), at(B)))
    offered = offers((TARGET, V6), (TARGET, A), (OTHER, A), (TARGET, B))
    assert portals(reachable_paths(offered, asked)) == [A, B, V6]
    recorded = replace(offered, records=(record(A), record(B)))
    assert portals(reachable_paths(recorded, asked)) == [A, B, V6]
