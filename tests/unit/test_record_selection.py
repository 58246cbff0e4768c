"""What is meant: records, sessions and names, and what is said when nothing or too much is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iscsictl.errors import NotFoundError
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import parse_portal
from iscsictl.planner.iscsi.records import plan_forget
from iscsictl.planner.selection.luns import find
from iscsictl.planner.selection.names import resolve_name, similar_names
from iscsictl.planner.selection.records import (
    RecordSelector,
    corrupt_record_error,
    select_records,
)
from tests.unit.sessions_facts import P1, P2, A, B, record, session
from tests.worlds import DIR, TARGET, W, blank, line, unit, world

NAMES = [f"iqn.2026-01.example:array.{name}" for name in ("raid", "rail", "mail")]


def test_the_exact_name_wins_and_a_part_will_do_on_a_terminal_alone() -> None:
    for interactive in (False, True):
        assert resolve_name(NAMES[0], [*NAMES, NAMES[0] + "2"], interactive) == NAMES[0]
    assert resolve_name("MAIL", NAMES, True) == NAMES[2]
    for part, interactive in (("mail", False), ("rai", True)):
        with pytest.raises(NotFoundError):
            resolve_name(part, NAMES, interactive)


def test_the_case_of_a_target_s_name_does_not_hide_it() -> None:
    known = [NAMES[0], NAMES[2].upper()]
    assert resolve_name("mail", known, True) == NAMES[2].upper()
    assert similar_names("mail", known) == [NAMES[2].upper()]


def error(name: str, known: list[str], *, interactive: bool) -> NotFoundError:
    with pytest.raises(NotFoundError) as caught:
        resolve_name(name, known, interactive)
    return caught.value


def test_what_is_said_of_a_name_that_does_not_do() -> None:
    several = error("rai", NAMES, interactive=True)
    assert several.text == f"'rai' matches 2 targets: {NAMES[0]}, {NAMES[1]}"
    assert several.hint == "give a longer part of the name, or the full name"
    part = error("mail", NAMES, interactive=False)
    assert part.text == "no target is called 'mail' here"
    assert part.hint == f"without a terminal, the exact name is required: {NAMES[2]}"
    short = error("il", NAMES, interactive=False)
    assert short.hint == f"without a terminal, the exact name is required: {NAMES[2]}, {NAMES[1]}"
    typing_error = error("iqn.2026-01.exampel:array.mail", NAMES, interactive=False)
    assert typing_error.hint == f"did you mean: {NAMES[2]}, {NAMES[1]}, {NAMES[0]}"
    assert error("nothing like it", NAMES, interactive=True).hint == (
        "see: iscsictl nodes ls, iscsictl ls"
    )
    assert error("mail", [], interactive=True).hint == (
        "none is known yet: iscsictl attach, or iscsictl discover ADDRESS --save"
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


def test_a_selector_takes_what_has_no_iface_for_the_default_one() -> None:
    assert RecordSelector(iface="default").matches(A, P1, None)
    assert not RecordSelector(iface="default").matches(A, P1, "netA")
    assert not RecordSelector(iface="netA").matches(A, P1, None)
    assert RecordSelector(iface="netA").matches(A, P1, "netA")


def test_a_selector_by_portal_takes_nothing_of_which_the_portal_is_not_known() -> None:
    assert RecordSelector(portal=P1).matches(A, P1, None)
    assert not RecordSelector(portal=P1).matches(A, P2, None)
    assert not RecordSelector(portal=P1).matches(A, None, None)
    assert RecordSelector(A).matches(A, None, None)


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (RecordSelector(), "any target"),
        (RecordSelector(interactive=True), "any target"),
        (RecordSelector(A), A),
        (RecordSelector(portal=P1), f"portal {P1}"),
        (RecordSelector(iface="netA"), "iface netA"),
        (RecordSelector(A, P1, "netA"), f"{A}, portal {P1}, iface netA"),
    ],
)
def test_a_selector_restricts_by_each_option_and_is_named_by_all(
    selector: RecordSelector, words: str
) -> None:
    assert selector.description == words
    assert selector.selects_all is (words == "any target")


def test_a_selector_of_a_part_becomes_one_of_the_whole_name_on_a_terminal() -> None:
    seen = Inventory(records=(record(A),), sessions=(session(target=B),))
    assert RecordSelector().with_exact_target(seen) == RecordSelector()
    assert RecordSelector(B[-1:], P1, interactive=True).with_exact_target(seen).target == B
    assert RecordSelector(B, P1).with_exact_target(seen) == RecordSelector(B, P1)
    with pytest.raises(NotFoundError):
        RecordSelector(B[-1:], P1).with_exact_target(seen)


def test_no_record_is_an_error_that_says_how_to_make_one() -> None:
    here = Inventory(records=(record(A, iface="netA"), record(A)))
    assert select_records(here, RecordSelector(iface="netA")) == here.records[:1]
    with pytest.raises(NotFoundError) as caught:
        select_records(here, RecordSelector(A, P2))
    assert caught.value.text == f"there is no node record of {A}, portal {P2}"
    assert caught.value.hint == f"create one: iscsictl discover {P2} --save"
    with pytest.raises(NotFoundError) as caught:
        select_records(Inventory(), RecordSelector())
    assert caught.value.hint == "create one: iscsictl discover ADDRESS --save"
    up = Inventory(sessions=(session(target=A),))
    with pytest.raises(NotFoundError) as caught:
        select_records(up, RecordSelector(A))
    assert caught.value.hint == f"create one: iscsictl discover {P1} --save"
    with pytest.raises(NotFoundError) as caught:
        select_records(replace(up, records=(record(B),)), RecordSelector(B, iface="netA"))
    assert caught.value.hint == "create one: iscsictl discover ADDRESS --save"


def test_a_corrupt_record_is_named_with_the_way_out() -> None:
    corrupt = replace(record(A), problem="is empty")
    said = corrupt_record_error(corrupt)
    assert said.text == f"the record {corrupt.path} is empty"
    assert said.hint == f"remove it and discover again: iscsictl forget {A} -p {P1},1 -I default"


def test_the_way_out_of_a_corrupt_record_leaves_its_healthy_neighbours() -> None:
    corrupt = replace(record(A, iface="netA"), problem="is empty")
    others = (record(A), record(A, P2, iface="netA"), record(A, replace(P1, tpgt=2), iface="netA"))
    arguments = str(corrupt_record_error(corrupt).hint).partition("forget ")[2].split()
    target, _, portal, _, iface = arguments
    selector = RecordSelector(target, parse_portal(portal), iface)
    assert select_records(Inventory(records=(corrupt, *others)), selector) == (corrupt,)
    untagged = replace(corrupt, portal=replace(P1, tpgt=None))
    assert str(corrupt_record_error(untagged).hint).endswith(f"-p {P1} -I netA")


def test_a_device_is_known_by_each_of_its_links() -> None:
    now = world(unit(blank(W))).logged_in().inventory
    now = replace(now, device_links={"/dev/disk/by-id/wwn-0x1": "/dev/sda"})
    (meant,) = find(now, "/dev/disk/by-id/wwn-0x1", None)
    assert meant.wwid == W
    assert find(now, "/dev/disk/by-id/wwn-0x2", None) == ()


def test_a_name_that_fits_several_lists_them_and_says_how_to_choose() -> None:
    lost = (line("naa.1", lun=1), line("naa.2", lun=2))
    now = replace(world(unit(blank(W))).logged_in().inventory, fstab=Fstab(lost))
    with pytest.raises(NotFoundError) as caught:
        find(now, DIR, None)
    assert caught.value.text == f"{DIR} matches several LUNs: {TARGET} LUN 1, {TARGET} LUN 2"
    assert caught.value.hint == "name the target and --lun"


def test_a_session_without_a_number_has_no_disk_of_another() -> None:
    now = world(unit(blank(W))).logged_in().inventory
    (one,) = now.sessions
    assert len(find(now, W, None)) == 1
    nameless = replace(now, sessions=(one._replace(sid=None),))
    assert find(nameless, W, None) == ()


def test_what_is_to_be_deleted_need_not_be_made_first() -> None:
    up = Inventory(sessions=(session(),))
    refusal = plan_forget(up, RecordSelector(A)).refusal
    assert isinstance(refusal, NotFoundError)
    assert refusal.hint == "see which records there are: iscsictl nodes ls"
