"""`take-over`: when the reservation of another host may be ended, and what is left."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest

from iscsictl.cli.commands.take_over import reservation_key
from iscsictl.engine.runtime import open_context
from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.inventory import DiskUsage, Known
from iscsictl.model.listing import Disk
from iscsictl.model.plan import Plan
from iscsictl.model.reservation import LunReservations, Reservation
from iscsictl.observers import disks as observers
from iscsictl.planner.disks.take_over import plan_take_over
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.reservation_hold import take_over
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.block.reservations import read_reservations
from iscsictl.system.mount import usage
from tests.machine_model import effect
from tests.unit.disk_facts import WWID, a_disk, disk_inventory, unchanged, verbs
from tests.unit.reserving_lun import Nexus, ReservingLun, make_host
from tests.worlds import FREE, OTHER_KEY, OURS, OWN_KEY, RESERVED, blank

ID = "6c6162000000000000000000000000aa"
MINE = Nexus("iqn.2024-01.com.example:mine")
DEAD, ALIVE = Nexus("iqn.2024-01.com.example:dead"), Nexus("iqn.2024-01.com.example:alive")
ALIVE_KEY = 0xDEF


def planned(found: LunReservations, key: int = OTHER_KEY, *, agreed: bool = True) -> Plan:
    return plan_take_over(disk_inventory(reservations={WWID: found}), key, agreed=agreed)


@pytest.mark.parametrize("found", [RESERVED, replace(RESERVED, holder=None)])
def test_a_key_that_is_named_is_preempted_once_the_user_said_that_its_host_is_off(
    found: LunReservations,
) -> None:
    asked = planned(found, agreed=False).refusal
    assert isinstance(asked, ConsentRequiredError)
    assert "0x0000000000000abc" in asked.question
    assert "two hosts that write to one filesystem" in asked.question
    assert "--yes" in (asked.hint or "")
    plan = planned(found)
    assert verbs(plan) == ["take-over"]
    action = plan.steps[0].action
    assert isinstance(action, actions.TakeOver)
    assert action.key == OTHER_KEY


def test_where_nobody_else_has_registered_nothing_is_to_be_done() -> None:
    for found in (FREE, OURS):
        assert unchanged(planned(found))


@pytest.mark.parametrize(
    ("found", "key", "error", "said"),
    [
        (RESERVED, 0xDEAD, NotFoundError, "registered: 0x0000000000000abc"),
        (OURS, OWN_KEY, RefusedError, "the key of this host"),
        (
            replace(FREE, supported=False),
            OTHER_KEY,
            RefusedError,
            ("does not support persistent reservations"),
        ),
        (replace(FREE, holder=Reservation()), OTHER_KEY, NotFoundError, "does not report its key"),
    ],
)
def test_any_other_key_is_an_error_that_says_why(
    found: LunReservations, key: int, error: type[IscsictlError], said: str
) -> None:
    refusal = planned(found, key).refusal
    assert type(refusal) is error
    assert said in refusal.text
    assert refusal.hint


@pytest.mark.parametrize(
    "found", [replace(OURS, clones=(DEAD.initiator,)), replace(OURS, owners_known=False)]
)
def test_the_key_of_this_host_is_ended_too_where_it_may_be_another_s_and_the_user_said_it_is_off(
    found: LunReservations,
) -> None:
    assert isinstance(planned(found, OWN_KEY, agreed=False).refusal, ConsentRequiredError)
    assert verbs(planned(found, OWN_KEY)) == ["take-over"]


@pytest.mark.parametrize(
    "found", [replace(OURS, clones=(DEAD.initiator,)), replace(OURS, owners_known=False)]
)
@pytest.mark.parametrize("agreed", [True, False])
def test_the_key_of_this_host_is_not_ended_while_it_uses_the_disk(
    found: LunReservations, *, agreed: bool
) -> None:
    used = DiskUsage(mounts=("/srv/mail",))
    inventory = disk_inventory(reservations={WWID: found}, used=used)
    plan = plan_take_over(inventory, OWN_KEY, agreed=agreed)
    assert not plan.steps
    assert isinstance(plan.refusal, InUseError)
    assert "the mount on /srv/mail" in plan.refusal.text
    # The key of another host may be ended meanwhile.
    other = replace(inventory, reservations={WWID: RESERVED})
    assert verbs(plan_take_over(other, OTHER_KEY, agreed=True)) == ["take-over"]


@pytest.mark.parametrize("full_status", [True, False])
@pytest.mark.parametrize("kind", [None, 1, 5, 7])
def test_what_this_host_registered_under_an_earlier_name_is_ended_by_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int | None, *, full_status: bool
) -> None:
    """attach and detach refuse it: a clone that is running would look the same."""
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    own = read_own_key(root)
    assert own is not None
    holder = None if kind is None else (DEAD, kind)
    lun = ReservingLun({"/dev/sda": MINE}, {DEAD: own}, holder, full_status=full_status)
    disk = lun.serve(monkeypatch)
    assert take_over(disk, own, root)
    assert (lun.keys, lun.holder) == ({}, None)
    with pytest.raises(RefusedError, match="the key of this host"):
        take_over(disk, own, root)


def test_a_disk_that_is_mounted_while_the_user_is_asked_keeps_the_registration_of_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    own = read_own_key(root)
    assert own is not None
    lun = ReservingLun({"/dev/sda": MINE}, {MINE: own}, (MINE, 5), full_status=False)
    disk = lun.serve(monkeypatch)
    lun.in_use = True
    with pytest.raises(InUseError):
        take_over(disk, own, root)
    assert (lun.keys, lun.holder) == ({MINE: own}, (MINE, 5))


HOLDERS = pytest.mark.parametrize(
    "holder", [(DEAD, 1), (DEAD, 5), (DEAD, 7), (ALIVE, 1), (ALIVE, 5), None]
)


@HOLDERS
def test_the_dead_host_has_nothing_afterwards_and_no_other_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holder: tuple[Nexus, int] | None
) -> None:
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    lun = ReservingLun({"/dev/sda": MINE}, {DEAD: OTHER_KEY, ALIVE: ALIVE_KEY}, holder)
    disk = lun.serve(monkeypatch)
    assert take_over(disk, OTHER_KEY, root)
    assert lun.keys == {ALIVE: ALIVE_KEY}
    assert (lun.holder is not None) == (
        holder is not None and (holder[0] == ALIVE or holder[1] == 7)
    )
    assert not take_over(disk, OTHER_KEY, root)
    own = read_own_key(root)
    assert own is not None
    with pytest.raises(RefusedError):
        take_over(disk, own, root)


@pytest.mark.parametrize("dead", [(), (DEAD,)])
@pytest.mark.parametrize("kind", [None, 1, 5])
def test_the_key_that_this_host_had_before_it_got_another_machine_id_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int | None, dead: tuple[Nexus, ...]
) -> None:
    """Its session has the same ISID after the boot, so the nexus is registered with that key."""
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    keys = {MINE: OTHER_KEY, **dict.fromkeys(dead, OTHER_KEY), ALIVE: ALIVE_KEY}
    lun = ReservingLun({"/dev/sda": MINE}, keys, None if kind is None else (MINE, kind))
    assert take_over(lun.serve(monkeypatch), OTHER_KEY, root)
    assert (lun.keys, lun.holder) == ({ALIVE: ALIVE_KEY}, None)


@HOLDERS
@pytest.mark.parametrize("others", [{}, {ALIVE: ALIVE_KEY}])
def test_a_lun_is_left_as_the_model_of_the_machine_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holder: tuple[Nexus, int] | None,
    others: dict[Nexus, int],
) -> None:
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    keys = {DEAD: OTHER_KEY, **others}
    lun = ReservingLun({"/dev/sda": MINE}, keys, holder if holder and holder[0] in keys else None)
    disk = lun.serve(monkeypatch)
    before = replace(blank(WWID), reservations=read_reservations(0, root))
    inventory = disk_inventory(
        contents={WWID: Known(before)}, reservations={WWID: before.reservations}
    )
    (step,) = plan_take_over(inventory, OTHER_KEY, agreed=True).steps
    expected = effect(step, inventory).reservations[WWID]
    assert take_over(disk, OTHER_KEY, root)
    assert read_reservations(0, root) == expected


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Disk], LunReservations]:
    """Ask a disk as the command does, of a LUN where another host has registered."""
    root = make_host(tmp_path / "mine", MINE.initiator, ID)
    ReservingLun({"/dev/sda": MINE}, {DEAD: OTHER_KEY}, (DEAD, 1)).serve(monkeypatch)
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage())
    query = observers.DiskQuery("/dev/sda", whole_disk=True, reservations=True)

    def ask(disk: Disk) -> LunReservations:
        monkeypatch.setattr(observers, "base", lambda _: disk_inventory(disk))
        found = observers.observe(open_context(1.0, root), query, None).reservations
        return found[WWID]

    return ask


def test_the_lun_is_asked_over_a_path_that_works(
    asked: Callable[[Disk], LunReservations],
) -> None:
    assert asked(a_disk()).other_keys == (OTHER_KEY,)


def test_a_lun_that_does_not_answer_or_has_no_working_path_is_unreachable_and_that_is_said(
    asked: Callable[[Disk], LunReservations], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = a_disk()
    offline = disk._replace(paths=tuple(path._replace(state="offline") for path in disk.paths))
    with pytest.raises(UnreachableError, match="none of its paths works") as caught:
        asked(offline)
    assert caught.value.hint

    def submit(*_: object) -> None:
        raise UnreachableError("no answer within 10 s: asking the disk for reservations")

    monkeypatch.setattr(scsi_commands, "_submit_command", submit)
    with pytest.raises(UnreachableError, match="no answer within 10 s"):
        asked(disk)


@pytest.mark.parametrize("text", ["0xabc", "abc", "0X0000000000000ABC", "0000000000000abc"])
def test_a_key_is_read_with_and_without_its_prefix(text: str) -> None:
    assert reservation_key(text) == OTHER_KEY


@pytest.mark.parametrize("text", ["", "0", "0x0", "0xg", "10000000000000000", "-1", " abc"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        reservation_key(text)
