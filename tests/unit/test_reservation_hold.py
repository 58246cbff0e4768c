"""Who may write to a LUN while this host formats it, and what is left afterwards."""

from pathlib import Path

import pytest

from iscsictl.engine.handlers.reservations import HANDLERS
from iscsictl.errors import MissingError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.reservation import ReservationType, format_key
from iscsictl.system.block.reservation_hold import release, reserve
from iscsictl.system.context import Context
from tests.unit.reserving_lun import (
    EARLIER,
    FOREIGN,
    ID,
    MINE,
    THEIRS,
    A,
    B,
    Nexus,
    ReservingLun,
    make_host,
    own_key,
)
from tests.worlds import OTHER_KEY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of this host."""
    return make_host(tmp_path / "mine", MINE, ID)


def is_free(lun: ReservingLun) -> bool:
    """Whether nobody has registered any more."""
    return not lun.keys and lun.holder is None


# Reserving


def test_a_reserved_lun_takes_writes_of_this_host_alone_until_it_is_released(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A})
    disk = lun.serve(monkeypatch)
    assert reserve(disk, root)
    assert lun.keys == {A: own_key(root)}
    assert (lun.may_write(A), lun.may_write(FOREIGN)) == (True, False)
    assert release(disk, root)
    assert is_free(lun)
    assert not release(disk, root)


def test_what_a_run_has_reserved_is_known_until_it_is_released(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A})
    disk, context = lun.serve(monkeypatch), Context(root=root)
    HANDLERS[actions.Reserve](actions.Reserve(disk), context)
    assert context.reserved == {disk.wwid}
    HANDLERS[actions.Release](actions.Release(disk), context)
    assert context.reserved == set()
    lun.changeable = False
    HANDLERS[actions.Reserve](actions.Reserve(disk), context)
    assert context.reserved == set()


@pytest.mark.fault("F100")
def test_of_two_hosts_the_later_one_is_refused_and_told_the_other_s_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, {FOREIGN: OTHER_KEY}, (FOREIGN, 1))
    disk = lun.serve(monkeypatch)
    with pytest.raises(RefusedError, match=r"another host's .* key 0x0000000000000abc") as caught:
        reserve(disk, root)
    assert caught.value.exit == 9
    assert lun.keys == {FOREIGN: OTHER_KEY}
    assert lun.may_write(FOREIGN)


@pytest.mark.fault("F100")
@pytest.mark.parametrize("moment", [0, 1])
def test_the_race_is_lost_wherever_the_other_host_is_faster(
    root: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    lun = ReservingLun({"/dev/sda": A})

    def be_faster(action: int, _: Nexus) -> None:
        if action == moment and not lun.holder:
            lun.change(6, FOREIGN, 0, 0, OTHER_KEY)
            assert lun.change(1, FOREIGN, 1, OTHER_KEY, 0)

    lun.before = be_faster
    disk = lun.serve(monkeypatch)
    with pytest.raises(RefusedError, match="0x0000000000000abc"):
        reserve(disk, root)
    assert lun.keys == {FOREIGN: OTHER_KEY}
    assert not lun.may_write(A)


@pytest.mark.fault("F100")
def test_a_race_is_lost_also_where_the_winner_is_gone_by_the_time_it_is_looked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A})

    def come_and_go(action: int, _: Nexus) -> None:
        # RESERVE is refused because of a reservation that the next question does not find.
        lun.refuses = action == 1

    lun.before = come_and_go
    with pytest.raises(RefusedError, match="first, and has since released it") as caught:
        reserve(lun.serve(monkeypatch), root)
    assert caught.value.exit == 9
    assert is_free(lun)


def test_a_host_that_has_only_registered_does_not_stop_who_reserves_first(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts that register at once must not both give up."""
    lun = ReservingLun({"/dev/sda": A}, {FOREIGN: OTHER_KEY})
    reserve(lun.serve(monkeypatch), root)
    assert (lun.may_write(A), lun.may_write(FOREIGN)) == (True, False)


@pytest.mark.parametrize("forgets_itself", [True, False])
@pytest.mark.parametrize("kind", [None, 1, 5])
def test_what_an_earlier_session_left_is_replaced(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: int | None, *, forgets_itself: bool
) -> None:
    own = own_key(root)
    holder = None if kind is None else (EARLIER, kind)
    lun = ReservingLun({"/dev/sda": A}, {EARLIER: own}, holder, forgets_itself=forgets_itself)
    disk = lun.serve(monkeypatch)
    reserve(disk, root)
    assert lun.keys == {A: own}
    assert lun.holder == (A, ReservationType.WRITE_EXCLUSIVE)
    assert release(disk, root)
    assert is_free(lun)


@pytest.mark.parametrize("forgets_itself", [True, False])
@pytest.mark.parametrize("holder", [EARLIER, FOREIGN])
def test_the_registration_of_an_earlier_session_is_released_over_this_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, holder: Nexus, *, forgets_itself: bool
) -> None:
    keys = {EARLIER: own_key(root), FOREIGN: OTHER_KEY}
    lun = ReservingLun({"/dev/sda": A}, keys, (holder, 1), forgets_itself=forgets_itself)
    assert release(lun.serve(monkeypatch), root)
    assert lun.keys == {FOREIGN: OTHER_KEY}
    assert lun.holder == (None if holder is EARLIER else (FOREIGN, 1))


def test_reserving_twice_over_one_session_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A})
    disk = lun.serve(monkeypatch)
    reserve(disk, root)
    reserve(disk, root)
    assert lun.keys == {A: own_key(root)}
    assert lun.holder == (A, ReservationType.WRITE_EXCLUSIVE)


@pytest.mark.parametrize("left", [None, (EARLIER, 1), (A, 1)])
def test_every_path_of_a_map_may_write_and_no_other_host(
    root: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[Nexus, int] | None
) -> None:
    own = own_key(root)
    lun = ReservingLun({"/dev/sda": A, "/dev/sdb": B}, {left[0]: own} if left else {}, left)
    disk = lun.serve(monkeypatch)
    reserve(disk, root)
    assert lun.keys == {A: own, B: own}
    assert lun.holder == (A, ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)
    assert [lun.may_write(one) for one in (A, B, FOREIGN)] == [True, True, False]
    assert release(disk, root)
    assert is_free(lun)


@pytest.mark.parametrize("holder", [A, B])
def test_no_write_over_any_path_is_refused_while_a_map_is_reserved_and_released(
    root: Path, monkeypatch: pytest.MonkeyPatch, holder: Nexus
) -> None:
    """Other partitions of the disk may be mounted at the first, the new one is at the second."""
    lun = ReservingLun({"/dev/sda": A, "/dev/sdb": B})
    refused: list[tuple[int, Nexus]] = []

    def watch(action: int, nexus: Nexus) -> None:
        refused.extend((action, one) for one in (A, B) if not lun.may_write(one))

    lun.before = watch
    disk = lun.serve(monkeypatch)
    reserve(disk, root)
    assert lun.holder is not None
    lun.holder = (holder, lun.holder[1])
    assert release(disk, root)
    assert not refused
    assert is_free(lun)


def test_no_path_stays_registered_after_a_lost_race(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A, "/dev/sdb": B}, {FOREIGN: OTHER_KEY}, (FOREIGN, 5))
    with pytest.raises(RefusedError):
        reserve(lun.serve(monkeypatch), root)
    assert lun.keys == {FOREIGN: OTHER_KEY}


def test_a_path_that_is_lost_before_the_reservation_leaves_no_registration_either(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A, "/dev/sdb": B}, {FOREIGN: OTHER_KEY})

    def lose_the_path(action: int, nexus: Nexus) -> None:
        if action == 1:
            lun.dead.add(nexus)

    lun.before = lose_the_path
    with pytest.raises(UnreachableError, match="path to the disk is down"):
        reserve(lun.serve(monkeypatch), root)
    assert lun.keys == {FOREIGN: OTHER_KEY}


# Clones


@pytest.mark.fault("F100")
@pytest.mark.parametrize("holder", [None, (A, 1)])
def test_a_host_with_this_initiator_name_and_isid_keeps_its_registration_and_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, holder: tuple[Nexus, int] | None
) -> None:
    """To the array both hosts are one nexus; only their keys differ."""
    lun = ReservingLun({"/dev/sda": A}, {A: OTHER_KEY}, holder)
    with pytest.raises(RefusedError, match="0x0000000000000abc"):
        reserve(lun.serve(monkeypatch), root)
    assert (lun.keys, lun.holder) == ({A: OTHER_KEY}, holder)


@pytest.mark.parametrize("holder", [None, (FOREIGN, 1)])
def test_a_clone_with_the_same_machine_id_is_refused_and_keeps_its_registration(
    root: Path, monkeypatch: pytest.MonkeyPatch, holder: tuple[Nexus, int] | None
) -> None:
    own = own_key(root)
    lun = ReservingLun({"/dev/sda": A}, {FOREIGN: own}, holder)
    disk = lun.serve(monkeypatch)
    with pytest.raises(RefusedError, match=f"{format_key(own)}, by another one: {THEIRS}"):
        reserve(disk, root)
    assert (lun.keys, lun.holder) == ({FOREIGN: own}, holder)
    with pytest.raises(RefusedError, match=THEIRS):
        release(disk, root)
    assert lun.keys.get(FOREIGN) == own


def test_a_session_with_a_name_of_its_own_is_no_clone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = root / "sys/class/iscsi_session/session3"
    session.mkdir(parents=True)
    (session / "initiatorname").write_text(THEIRS, encoding="ascii")
    lun = ReservingLun({"/dev/sda": A}, {FOREIGN: own_key(root)}, (FOREIGN, 1))
    reserve(lun.serve(monkeypatch), root)
    assert lun.keys == {A: own_key(root)}


def test_where_the_array_does_not_tell_who_has_this_key_it_is_not_preempted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_key(root)
    lun = ReservingLun({"/dev/sda": A}, {EARLIER: own}, (EARLIER, 1), full_status=False)
    with pytest.raises(RefusedError, match="does not report which initiator"):
        reserve(lun.serve(monkeypatch), root)
    assert (lun.keys, lun.holder) == ({EARLIER: own}, (EARLIER, 1))


def test_over_the_same_session_a_run_goes_on_also_where_the_array_does_not_tell_that(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, full_status=False)
    disk = lun.serve(monkeypatch)
    reserve(disk, root)
    reserve(disk, root)
    assert lun.holder == (A, 1)
    assert release(disk, root)
    assert is_free(lun)


# What cannot be


def test_a_host_without_a_machine_id_cannot_reserve(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "etc/machine-id").write_text("uninitialized\n", encoding="ascii")
    lun = ReservingLun({"/dev/sda": A})
    disk = lun.serve(monkeypatch)
    with pytest.raises(MissingError, match="no machine-id") as caught:
        reserve(disk, root)
    assert "systemd-machine-id-setup" in (caught.value.hint or "")
    assert not lun.keys


def test_another_disk_is_neither_reserved_nor_released(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, {EARLIER: own_key(root)})
    disk = lun.serve(monkeypatch)
    other = DiskId(disk.target, 0, "naa.2", disk.device)
    for change in (reserve, release):
        with pytest.raises(RefusedError, match=r"not the disk naa\.2"):
            change(other, root)
    assert lun.keys == {EARLIER: own_key(root)}


def test_a_lun_that_lists_registrations_and_takes_none_is_told_from_one_that_fails(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, changeable=False)
    disk = lun.serve(monkeypatch)
    said: list[str] = []
    action = actions.Reserve(disk)
    result = HANDLERS[actions.Reserve](action, Context(root=root, say=said.append))
    assert not result.changed
    assert said == ["/dev/sda is not protected from other hosts: it does not accept reservations"]
    assert not release(disk, root)


def test_a_lun_that_does_not_know_register_and_ignore_is_reserved_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, {EARLIER: own_key(root)}, (EARLIER, 1), ignores=False)
    disk = lun.serve(monkeypatch)
    assert reserve(disk, root)
    assert (lun.keys, lun.holder) == ({A: own_key(root)}, (A, 1))
    assert release(disk, root)
    assert is_free(lun)


@pytest.mark.parametrize("left", [{}, {EARLIER: OTHER_KEY}])
def test_an_array_that_cannot_write_its_file_of_registrations_keeps_hosts_apart_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, left: dict[Nexus, int]
) -> None:
    lun = ReservingLun({"/dev/sda": A, "/dev/sdb": B}, dict(left), stores=False)
    disk = lun.serve(monkeypatch)
    assert reserve(disk, root)
    assert [lun.may_write(one) for one in (A, B, FOREIGN)] == [True, True, False]
    assert release(disk, root)
    assert lun.keys == left
    assert lun.holder is None
