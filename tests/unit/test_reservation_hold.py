"""Who may write to a LUN while this host formats it, and what is left afterwards."""

import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl.engine.handlers.reservations import HANDLERS
from iscsictl.errors import MissingError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.reservation import LunReservations, Reservation, ReservationType, format_key
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.reservation_hold import release, reserve
from iscsictl.system.block.reservation_key import APPLICATION_ID, read_initiator_names, read_own_key
from iscsictl.system.block.reservations import read_reservations
from iscsictl.system.context import Context
from tests.unit.reserving_lun import Nexus, ReservingLun, make_host

ID, OTHER_ID = "6c6162000000000000000000000000aa", "6c6162000000000000000000000000bb"
MINE, THEIRS = "iqn.2024-01.com.example:mine", "iqn.2024-01.com.example:theirs"
A, B = Nexus(MINE, "00023d000001"), Nexus(MINE, "00023d000002")
EARLIER, FOREIGN = Nexus(MINE, "00023d000009"), Nexus(THEIRS)
OTHER_KEY = 0xABC


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of this host."""
    return make_host(tmp_path / "mine", MINE, ID)


def own_key(root: Path) -> int:
    key = read_own_key(root)
    assert key is not None
    return key


def is_free(lun: ReservingLun) -> bool:
    """Whether nobody has registered any more."""
    return not lun.keys and lun.holder is None


# The key


def test_the_key_is_what_systemd_derives_from_the_machine_id(root: Path) -> None:
    tool = shutil.which("systemd-id128")
    if tool is None or not Path("/etc/machine-id").read_text(encoding="ascii").strip():
        pytest.skip("no systemd-id128, or no machine-id here")
    command = [tool, "machine-id", f"--app-specific={APPLICATION_ID}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (root / "etc/machine-id").write_bytes(Path("/etc/machine-id").read_bytes())
    assert format_key(own_key(root)) == f"0x{printed[:16]}"


def test_hosts_differ_in_their_keys_and_one_without_a_machine_id_has_none(tmp_path: Path) -> None:
    one, other = (make_host(tmp_path / i, MINE, i) for i in (ID, OTHER_ID))
    assert own_key(one) != own_key(other)
    for text in ("", "uninitialized\n", ID[:-1], f"{ID}{ID}"):
        (one / "etc/machine-id").write_text(text, encoding="ascii")
        assert read_own_key(one) is None
    (one / "etc/machine-id").unlink()
    assert read_own_key(one) is None


def test_the_names_of_this_host_are_those_of_its_sessions_and_of_its_file(root: Path) -> None:
    session = root / "sys/class/iscsi_session/session3"
    session.mkdir(parents=True)
    (session / "initiatorname").write_text("iqn.2024-01.com.example:iface\n", encoding="ascii")
    assert read_initiator_names(root) == {MINE, "iqn.2024-01.com.example:iface"}


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
    with pytest.raises(RefusedError, match="first, and has released it since") as caught:
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
    with pytest.raises(RefusedError, match="does not tell which initiator"):
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
    assert said == ["/dev/sda is not kept apart from other hosts: it takes no reservation"]
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


# Reading


def read(lun: ReservingLun, root: Path, monkeypatch: pytest.MonkeyPatch) -> LunReservations:
    lun.serve(monkeypatch)
    return read_reservations(0, root, capabilities=True)


@pytest.mark.fault("F51")
def test_what_a_lun_says_is_read_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lun = ReservingLun({"/dev/sda": A}, {FOREIGN: OTHER_KEY}, (FOREIGN, 1))
    own = own_key(root)
    found = read(lun, root, monkeypatch)
    assert found == LunReservations(own, True, (OTHER_KEY,), Reservation(OTHER_KEY, 1))
    lun.keys[A] = own
    assert read(lun, root, monkeypatch).is_ours


def test_a_list_that_does_not_fit_is_asked_for_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {Nexus(f"iqn.2024-01.com.example:{number}"): number for number in range(1, 300)}
    assert read(ReservingLun({"/dev/sda": A}, many), root, monkeypatch).keys == tuple(range(1, 300))


def test_reservations_that_all_registrants_hold_are_those_of_each(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, {A: own_key(root)}, (A, 7))
    assert read(lun, root, monkeypatch).other_holder is None
    lun.keys[FOREIGN] = OTHER_KEY
    assert read(lun, root, monkeypatch).other_holder == f"key {format_key(OTHER_KEY)}"


def test_a_holder_with_the_key_zero_is_not_this_host_unless_it_has_registered(root: Path) -> None:
    for kind in (1, 5, 7):
        found = LunReservations(own_key(root), holder=Reservation(0, kind))
        assert found.other_holder == "a host that does not tell its key"
        assert found.refusal("/dev/sda") is not None


def test_a_lun_without_reservations_says_so_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun({"/dev/sda": A}, supported=False)
    assert read(lun, root, monkeypatch) == LunReservations(own_key(root), supported=False)
    only_exclusive_access = ReservingLun({"/dev/sda": A}, types=0x0800)
    assert not read(only_exclusive_access, root, monkeypatch).supported


NOT_READY, ILLEGAL_REQUEST, UNIT_ATTENTION = 2, 5, 6
INVALID_OPCODE, INVALID_FIELD = 0x20, 0x24


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bytes | tuple[int, ...]) -> None:
    """Have the disk answer with these data, or SCSI statuses with sense key and code."""
    left = list(answers)

    def ask(*_: object) -> bytes:
        answer = left.pop(0)
        if isinstance(answer, tuple):
            raise scsi_commands.ScsiError("asking", *answer)
        return answer

    monkeypatch.setattr(scsi_commands, "_read_answer", ask)


NOBODY = bytes(8)
HELD = bytes.fromhex("00000001000000100000000000000abc0000000000010000")
HELD_BY_SOMEBODY = "a host that does not tell its key"


@pytest.mark.fault("F51")
@pytest.mark.parametrize(
    ("answers", "holder"),
    [
        ([NOBODY, NOBODY], None),
        ([NOBODY, HELD], "key 0x0000000000000abc"),
        ([(0x02, ILLEGAL_REQUEST, INVALID_OPCODE)], None),
        ([(0x02, ILLEGAL_REQUEST, INVALID_FIELD)], None),
        ([(0x18,)], HELD_BY_SOMEBODY),
        ([NOBODY, (0x18,)], HELD_BY_SOMEBODY),
        ([NOBODY, (0x02, UNIT_ATTENTION), (0x02, UNIT_ATTENTION), HELD], "key 0x0000000000000abc"),
    ],
)
def test_a_reservation_is_seen_behind_what_the_disk_tells_first(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    answers: list[bytes | tuple[int, ...]],
    holder: str | None,
) -> None:
    answering(monkeypatch, *answers)
    assert read_reservations(0, root).other_holder == holder


@pytest.mark.fault("F24")
@pytest.mark.parametrize(
    "answer",
    [
        (0x02, NOT_READY), (0x08,), (0x02,), (0x02, ILLEGAL_REQUEST),
        # LOGICAL UNIT NOT SUPPORTED: how a LUN answers that was unmapped.
        (0x02, ILLEGAL_REQUEST, 0x25),
    ],
)  # fmt: skip
def test_no_answer_is_no_proof_that_nobody_holds_the_disk(
    monkeypatch: pytest.MonkeyPatch, root: Path, answer: tuple[int, ...]
) -> None:
    for answers in ([answer], [NOBODY, answer]):
        answering(monkeypatch, *answers)
        with pytest.raises(scsi_commands.ScsiError):
            read_reservations(0, root)
