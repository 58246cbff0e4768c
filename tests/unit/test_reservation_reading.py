"""What a LUN says of its reservations is read whole, or it is an error."""

from pathlib import Path

import pytest

from iscsictl.model.reservation import LunReservations, Reservation, format_key
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.reservations import read_reservations
from tests.unit.reserving_lun import FOREIGN, ID, MINE, A, Nexus, ReservingLun, make_host, own_key
from tests.worlds import OTHER_KEY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of this host."""
    return make_host(tmp_path / "mine", MINE, ID)


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
        assert found.other_holder == "a host that does not report its key"
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
HELD_BY_SOMEBODY = "a host that does not report its key"


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
