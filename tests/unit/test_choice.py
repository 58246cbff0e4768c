"""What is meant: records, sessions and names, and what is said when nothing or too much is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iscsictl.errors import NotFoundError
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import parse_portal
from iscsictl.planner.selection.luns import find
from iscsictl.planner.selection.names import resolve
from iscsictl.planner.selection.records import (
    Choice,
    chosen_records,
    led,
    session_at,
    session_for,
    subject_of,
    torn_error,
)
from tests.unit.test_sessions_plan import P1, P2, A, B, record, session
from tests.worlds import DIR, TARGET, blank, line, unit, world, wwid_of

if TYPE_CHECKING:
    from iscsictl.model.listing import Session
    from iscsictl.model.names import Portal

NAMES = [f"iqn.2026-01.example:array.{name}" for name in ("raid", "rail", "mail")]
W = wwid_of(0)


def test_the_exact_name_wins_and_a_part_will_do_on_a_terminal_alone() -> None:
    for interactive in (False, True):
        assert resolve(NAMES[0], [*NAMES, NAMES[0] + "2"], interactive) == NAMES[0]
    assert resolve("MAIL", NAMES, True) == NAMES[2]
    for part, interactive in (("mail", False), ("rai", True)):
        with pytest.raises(NotFoundError):
            resolve(part, NAMES, interactive)


def error(name: str, known: list[str], *, interactive: bool, what: str = "target") -> NotFoundError:
    with pytest.raises(NotFoundError) as caught:
        resolve(name, known, interactive, what=what)
    return caught.value


def test_what_is_said_of_a_name_that_does_not_do() -> None:
    several = error("rai", NAMES, interactive=True, what="iface")
    assert several.text == f"'rai' fits 2 ifaces: {NAMES[0]}, {NAMES[1]}"
    assert several.hint == "give more of the name, or all of it"
    part = error("mail", NAMES, interactive=False)
    assert part.text == "no target is called 'mail' here"
    assert part.hint == f"the exact name is needed off a terminal: {NAMES[2]}"
    typing_error = error("iqn.2026-01.exampel:array.mail", NAMES, interactive=False)
    assert typing_error.hint == f"did you mean: {NAMES[2]}, {NAMES[1]}, {NAMES[0]}"
    assert error("nothing like it", NAMES, interactive=True).hint == (
        "see: iscsictl nodes ls, iscsictl ls"
    )


def test_few_of_many_names_are_listed_and_the_rest_is_counted() -> None:
    many = [f"x{number}" for number in range(7)]
    assert error("x", many, interactive=True).text.endswith(": x0, x1, x2, x3, x4 and 2 more")
    assert error("x", many[:6], interactive=True).text.endswith(": x0, x1, x2, x3, x4 and 1 more")
    assert error("x", many[:5], interactive=True).text.endswith(": x0, x1, x2, x3, x4")
    near = [f"array.number.{number}" for number in range(4)]
    assert (error("array.numbr.9", near, interactive=False).hint or "").count("array.number") == 3
    far = error("array.xxxxxx", ["array.yyyyyy", "array.xxxyyy"], interactive=False)
    assert far.hint == "see: iscsictl nodes ls, iscsictl ls"
    assert "did you mean" not in (error("array.9", near, interactive=False).hint or "")


def test_a_choice_takes_what_has_no_iface_for_the_default_one() -> None:
    assert Choice(iface="default").fits(A, P1, None)
    assert not Choice(iface="default").fits(A, P1, "netA")
    assert not Choice(iface="netA").fits(A, P1, None)
    assert Choice(iface="netA").fits(A, P1, "netA")


def test_a_choice_of_a_part_becomes_one_of_the_whole_name_on_a_terminal() -> None:
    seen = Inventory(records=(record(A),), sessions=(session(target=B),))
    assert Choice().exact(seen) == Choice()
    assert Choice(B[-1:], P1, interactive=True).exact(seen).target == B
    assert Choice(B, P1).exact(seen) == Choice(B, P1)
    with pytest.raises(NotFoundError):
        Choice(B[-1:], P1).exact(seen)


def test_a_subject_names_iface_and_tag_where_they_matter() -> None:
    one, other = record(A), record(A, replace(P1, tpgt=2))
    assert subject_of(one, (one,)) == f"{A} {P1}"
    assert subject_of(one, (one, other)) == f"{A} {P1},1"
    assert subject_of(record(A, iface="netA"), ()) == f"{A} {P1} [netA]"


def bare(sid: int, portal: Portal | None, asked: Portal | None = None) -> Session:
    return replace(session(sid), portal=portal, persistent_portal=asked, iface=None)


def test_a_session_is_found_by_the_portal_that_was_asked_for_else_by_its_own() -> None:
    redirected, plain = bare(1, P2, P1), bare(1, P1)
    assert session_at((redirected,), A, P1, "default") is redirected
    assert session_at((redirected,), A, P2, "default") is None
    assert session_at((plain,), A, P1, "default") is plain
    assert session_at((plain,), A, P1, "netA") is None
    assert session_at((bare(1, None),), A, P1, "default") is None


def test_of_several_sessions_the_one_with_the_tag_is_meant() -> None:
    second = replace(P1, tpgt=2)
    for one, two in ((bare(1, P1), bare(2, second)), (bare(1, P2, P1), bare(2, P2, second))):
        for sessions in ((one, two), (two, one)):
            assert session_at(sessions, A, P1, "default") is one
            assert session_at(sessions, A, second, "default") is two


def test_a_leading_login_is_done_by_a_session_through_any_iface() -> None:
    leading = record(leading_login="Yes")
    there = replace(session(), iface="eth1")
    assert led((there,), leading) is there
    assert led((session(2, portal=P2), there), leading) is there
    assert led((), leading) is led((session(2, portal=P2),), leading) is None
    assert led((replace(there, target=f"{leading.target}2"),), leading) is None
    asked = replace(there, portal=P2, persistent_portal=P1)
    assert led((asked,), leading) is asked
    assert led((replace(asked, portal=P1, persistent_portal=P2),), leading) is None
    assert led((replace(there, portal=None, persistent_portal=None),), leading) is None
    assert led((replace(there, portal=P1, persistent_portal=None),), leading) is not None
    for word in ("No", "yes"):
        assert led((there,), record(leading_login=word)) is None
    assert led((there,), record()) is None


def test_among_twins_a_session_belongs_to_the_record_with_its_tag() -> None:
    one, other = record(A), record(A, replace(P1, tpgt=2))
    for seen in (bare(1, P1), bare(1, P2, P1)):
        now = Inventory(records=(one, other), sessions=(seen,))
        assert session_for(one, now) is seen
        assert session_for(other, now) is None
        assert session_for(other, replace(now, records=(other,))) is seen
    assert session_for(one, Inventory(records=(one, other))) is None


def test_no_record_is_an_error_that_says_how_to_make_one() -> None:
    here = Inventory(records=(record(A, iface="netA"), record(A)))
    assert chosen_records(here, Choice(iface="netA")) == here.records[:1]
    with pytest.raises(NotFoundError) as caught:
        chosen_records(here, Choice(A, P2))
    assert caught.value.text == f"there is no node record of {A}, portal {P2}"
    assert caught.value.hint == f"make one: iscsictl discover {P2} --save"
    with pytest.raises(NotFoundError) as caught:
        chosen_records(Inventory(), Choice())
    assert caught.value.hint == "make one: iscsictl discover ADDRESS --save"


def test_a_torn_record_is_named_with_the_way_out() -> None:
    torn = replace(record(A), problem="is empty")
    said = torn_error(torn)
    assert said.text == f"the record {torn.path} is empty"
    assert said.hint == f"remove it and discover again: iscsictl forget {A} -p {P1},1 -I default"


def test_the_way_out_of_a_torn_record_leaves_its_healthy_neighbours() -> None:
    torn = replace(record(A, iface="netA"), problem="is empty")
    others = (record(A), record(A, P2, iface="netA"), record(A, replace(P1, tpgt=2), iface="netA"))
    arguments = str(torn_error(torn).hint).partition("forget ")[2].split()
    target, _, portal, _, iface = arguments
    choice = Choice(target, parse_portal(portal), iface)
    assert chosen_records(Inventory(records=(torn, *others)), choice) == (torn,)
    untagged = replace(torn, portal=replace(P1, tpgt=None))
    assert str(torn_error(untagged).hint).endswith(f"-p {P1} -I netA")


def test_a_device_is_known_by_each_of_its_links_and_nothing_else_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = world(unit(blank(W))).logged_in().inventory
    links = {"/dev/disk/by-id/wwn-0x1": "/dev/sda", "/srv/link": "/dev/sda"}
    monkeypatch.setattr("os.path.realpath", lambda path: links.get(path, path))
    (meant,) = find(now, "/dev/disk/by-id/wwn-0x1", None)
    assert meant.wwid == W
    assert find(now, "/srv/link", None) == ()


def test_a_name_that_fits_several_lists_them_and_says_how_to_choose() -> None:
    lost = (line("naa.1", lun=1), line("naa.2", lun=2))
    now = replace(world(unit(blank(W))).logged_in().inventory, fstab=Fstab(lost))
    with pytest.raises(NotFoundError) as caught:
        find(now, DIR, None)
    assert caught.value.text == f"{DIR} fits several LUNs: {TARGET} LUN 1, {TARGET} LUN 2"
    assert caught.value.hint == "name the target and --lun"


def test_a_session_without_a_number_has_no_disk_of_another() -> None:
    now = world(unit(blank(W))).logged_in().inventory
    (one,) = now.sessions
    assert len(find(now, W, None)) == 1
    nameless = replace(now, sessions=(replace(one, sid=None),))
    assert find(nameless, W, None) == ()
