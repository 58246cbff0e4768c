"""How an attach finds its disk; the properties are in tests/property/test_planner.py."""

from dataclasses import replace

import pytest

from iscsictl.errors import AuthError, Exit
from iscsictl.model import actions
from iscsictl.model.inventory import DiscoveredTarget, HostFacts, Known, ReadFailed
from iscsictl.model.listing import Lun
from iscsictl.model.plan import Plan, Status
from iscsictl.model.secret import Secret
from iscsictl.model.spec import Account
from iscsictl.observers import attach as observers
from iscsictl.system.context import Context
from tests.unit.attach_facts import here, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    GREEDY,
    OTHER,
    TARGET,
    WRONG,
    A,
    B,
    W,
    blank,
    line,
    parted,
    spec,
    unit,
    world,
    wwid_of,
)


def test_of_an_unknown_array_all_is_shown_but_only_the_way_to_the_login_is_decided() -> None:
    plan = planned(world(blank(W)))
    assert verbs(plan) == ["record", "settings", "login"]
    assert verbs(plan, Status.FORECAST) == [
        "scan", "claim", "reserve", "label", "mkfs", "directory", "mount", "release", "fstab",
    ]  # fmt: skip
    assert [s.action.verb for s in plan.ready] == ["record", "settings", "login"]


def test_the_login_service_is_enabled_where_it_is_not() -> None:
    now = world(blank(W)).having(host=HostFacts(service_enabled=False))
    assert "enable" in verbs(planned(now))
    assert "enable" not in verbs(planned(now, spec(boot=False)))


def test_without_a_login_service_attach_goes_on_and_says_what_to_do_at_boot() -> None:
    facts = HostFacts(service_enabled=False, service_defined=False)
    now = world(blank(W)).having(host=facts)
    plan = planned(now)
    assert plan.refusal is None
    assert "enable" not in verbs(plan)
    (note,) = plan.notes
    assert "there is no open-iscsi.service" in note
    assert "--loginall=automatic" in note
    assert planned(now, spec(boot=False)).notes == ()


def test_a_record_gets_startup_a_long_timeout_and_the_account() -> None:
    account = Account("host", Secret("0123456789abcdef"))
    action = step(planned(world(blank(W)), spec(account=account)), "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert action.changes["node.startup"] == "automatic"
    assert action.changes["node.session.timeo.replacement_timeout"] == "600"
    assert action.changes["node.session.auth.password"] == account.secret
    assert action.changes["node.session.auth.password_in"] is None
    assert "0123" not in repr(action)


@pytest.mark.fault("F65")
def test_a_new_record_notes_the_portal_that_named_its_target() -> None:
    noted = {"node.discovery_address": B.address, "node.discovery_port": str(B.port)}
    offers = Known((DiscoveredTarget(OTHER, B), DiscoveredTarget(TARGET, A, named_by=B)))

    def changes(plan: Plan) -> dict[str, object]:
        action = step(plan, "settings").action
        assert isinstance(action, actions.WriteRecord)
        return dict(action.changes)

    now, wanted = world(blank(W)).having(offers=offers), spec(target=TARGET)
    assert noted.items() <= changes(planned(now, wanted)).items()
    # An earlier run may have been stopped when it had just created the record.
    there = now.do(actions.CreateRecord(TARGET, A, "default"))
    assert noted.items() <= changes(planned(there, wanted)).items()
    # A record that has a note keeps it.
    (made,) = there.inventory.records
    other = {"node.discovery_address": A.address, "node.discovery_port": "3260"}
    known = replace(made, values={**made.values, "node.discovery_type": "static", **other})
    assert not noted.keys() & changes(planned(there.having(records=(known,)), wanted)).keys()
    # Nobody was asked: the record is made from what the user says.
    assert not noted.keys() & changes(planned(world(blank(W)))).keys()


@pytest.mark.fault("F65")
def test_the_portal_that_was_asked_is_kept_with_its_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = (DiscoveredTarget(TARGET, A), DiscoveredTarget(OTHER, B))
    monkeypatch.setattr(observers, "_find_silent_portals", lambda *_: {A: "no answer"})
    monkeypatch.setattr(observers, "_ask_in_turn", lambda *_: offers)
    found, _ = observers._discover_targets(Context(1.0), spec(), (A, B))
    assert isinstance(found, Known)
    assert [(offer.target, offer.named_by) for offer in found.value] == [(TARGET, B), (OTHER, B)]


def test_with_multipathd_the_timeout_is_its_own_and_every_portal_gets_a_session() -> None:
    now = world(blank(W)).having(host=HostFacts(multipath=GREEDY))
    both = (DiscoveredTarget(TARGET, A), DiscoveredTarget(TARGET, B))
    plan = planned(now.having(offers=Known(both)))
    action = step(plan, "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert "node.session.timeo.replacement_timeout" not in action.changes
    logins = [s.action for s in plan.steps if isinstance(s.action, actions.Login)]
    assert [a.portal for a in logins] == [A, B]


def test_a_value_of_the_user_wins() -> None:
    wanted = spec(values={"node.session.timeo.replacement_timeout": "15"})
    action = step(planned(world(blank(W)), wanted), "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert action.changes["node.session.timeo.replacement_timeout"] == "15"


@pytest.mark.fault("F09")
def test_a_session_that_is_up_is_unchanged_and_not_made_again() -> None:
    plan = planned(here(blank(W)))
    assert step(plan, "login").status is Status.UNCHANGED
    assert step(plan, "record").status is Status.UNCHANGED


@pytest.mark.fault("F35")
def test_a_session_that_is_not_up_is_said_with_what_to_do() -> None:
    now = here(blank(W))
    down = tuple(s._replace(status="recovering") for s in now.inventory.sessions)
    error = refused(planned(now.having(sessions=down)))
    assert error.exit is Exit.UNREACHABLE
    assert "recovering" in error.text
    assert error.hint


@pytest.mark.fault("F22")
def test_a_lun_that_another_disk_answers_for_is_refused() -> None:
    error = refused(planned(here(unit(Known(blank(WRONG))))))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text


def test_several_luns_are_listed_and_none_is_guessed() -> None:
    error = refused(planned(here(blank(W), unit(blank(wwid_of(1)), lun=1))))
    assert error.exit is Exit.NOT_FOUND
    assert "--lun 0" in (error.hint or "")
    assert W in error.text
    assert wwid_of(1) in error.text


def test_of_several_luns_the_number_the_wwid_or_written_entry_chooses() -> None:
    now = here(blank(W), unit(blank(wwid_of(1)), lun=1))
    for wanted in (spec(lun=1), spec(wwid=wwid_of(1))):
        action = step(planned(now, wanted), "mkfs").action
        assert isinstance(action, actions.Mkfs)
        assert action.disk.wwid == wwid_of(1)
    made = here(blank(W), unit(parted(wwid_of(1), "ext4", CLAIMED, used=True), lun=1))
    plan = planned(made.with_line(line(wwid_of(1), lun=1)))
    assert plan.refusal is None
    assert verbs(plan) == ["directory", "mount"]


@pytest.mark.fault("F15")
def test_with_luns_that_do_not_show_yet_a_scan_comes_first() -> None:
    now = here(blank(W), unit(blank(wwid_of(1)), lun=1, late=True))
    assert verbs(planned(now)) == ["scan"]
    assert verbs(planned(now, spec(lun=1))) == ["scan"]
    assert step(planned(now, spec(lun=0)), "scan").status is Status.UNCHANGED


@pytest.mark.fault("F15")
@pytest.mark.parametrize(
    ("kind", "settled"),
    [(0x0C, True), (0x0D, True), (0x01, True), (0x00, False), (0x0E, False), (None, False)],
    ids=["controller", "enclosure", "tape", "disk", "simplified disk", "not known"],
)
def test_a_lun_that_never_gets_a_disk_is_not_waited_for(kind: int | None, settled: bool) -> None:
    """Many arrays have a controller at LUN 0, beside which the first disk is LUN 1."""
    now = here(unit(blank(W), lun=1))
    controller = Lun(0, "2:0:0:0", None, "running", type=kind)
    (there,) = now.inventory.sessions
    there = there._replace(luns=(controller, *(there.luns or ())))
    now = now.having(sessions=(there,), luns={there.sid: (0, 1)})
    assert (verbs(planned(now)) == ["scan"]) is not settled
    if settled:
        action = step(planned(now), "mkfs").action
        assert isinstance(action, actions.Mkfs)
        assert (action.disk.lun, action.disk.wwid) == (1, W)


def test_a_target_that_did_not_tell_its_luns_may_have_more_than_the_one_with_a_disk() -> None:
    now = here(blank(W)).having(luns={})
    error = refused(planned(now))
    assert error.exit is Exit.UNREACHABLE
    assert "LUN 0 may not be the only one" in error.text
    assert "--lun 0" in (error.hint or "")
    for wanted in (spec(lun=0), spec(wwid=W)):
        plan = planned(now, wanted)
        assert plan.refusal is None
        assert "mkfs" in verbs(plan)
    assert refused(planned(now, spec(wwid=wwid_of(1)))).exit is Exit.UNREACHABLE


def test_nothing_to_mount_or_make_ends_at_the_device() -> None:
    plan = planned(here(blank(W)), spec(fs=None, mount=None))
    assert not plan.pending
    assert plan.result == "/dev/sda"


def test_an_array_that_refuses_discovery_is_believed_where_the_target_is_named() -> None:
    refusal = ReadFailed(AuthError("the array refused the account"))
    now = world(blank(W), offers=refusal)
    assert refused(planned(now)).exit is Exit.AUTH
    plan = planned(now, spec(target=TARGET))
    assert verbs(plan)[-1] == "login"
    assert refused(planned(world(blank(W)), spec(target=OTHER))).exit is Exit.NOT_FOUND
