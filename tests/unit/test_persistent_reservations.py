"""The data of PERSISTENT RESERVE IN and OUT: bytes put together by hand, as SPC-4 has them."""

import pytest

from iscsictl.model.reservation import Registration, Reservation, ReservationType
from iscsictl.parse import persistent_reservations as codec

#: PRGENERATION is counted up by each registration, and means nothing here.
GENERATION = "0000002a"
KEY, OTHER = 0x1122334455667788, 0xABC
NAME = b"iqn.1993-08.org.debian:01:abcdef"


def answer(length: int, rest: str) -> bytes:
    return bytes.fromhex(f"{GENERATION}{length:08x}{rest}")


def test_each_registered_key_is_read_also_one_that_two_sessions_share() -> None:
    keys = "11223344556677880000000000000abc1122334455667788"
    assert codec.parse_keys(answer(24, keys)) == (KEY, OTHER, KEY)
    assert codec.parse_keys(answer(0, "")) == ()
    # What follows the list is not part of it.
    assert codec.parse_keys(answer(8, keys)) == (KEY,)


def test_the_reservation_has_the_key_of_its_holder_and_a_type() -> None:
    # Key, obsolete, reserved, SCOPE and TYPE in one byte, obsolete.
    held = "11223344556677880000000000050000"
    kind = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    assert codec.parse_reservation(answer(16, held)) == Reservation(KEY, kind)
    assert codec.parse_reservation(answer(0, "")) is None


@pytest.mark.parametrize(
    "bad",
    [
        b"", answer(0, "")[:7], answer(8, ""), answer(16, "1122334455667788"),
        answer(12, "112233445566778800000000"), answer(0xFFFFFFFF, "00" * 40),
    ],
)  # fmt: skip
def test_what_is_cut_off_or_does_not_add_up_is_an_error_and_not_empty(bad: bytes) -> None:
    for parse in (codec.parse_keys, codec.parse_reservation, codec.parse_full_status):
        with pytest.raises(ValueError, match="bytes"):
            parse(bad)


def test_the_type_mask_says_which_reservations_there_are() -> None:
    # LENGTH, CRH to PTPL_C, TMV to PTPL_A, the mask, reserved: as the kernel's target answers.
    assert codec.parse_types(bytes.fromhex("00080180ea010000")) == frozenset(ReservationType)
    only_write_exclusive = bytes.fromhex("0008008002000000")
    assert codec.parse_types(only_write_exclusive) == frozenset({1})
    without_a_mask = bytes.fromhex("0008000002000000")
    assert codec.parse_types(without_a_mask) is None
    for bad in (b"", bytes(8), only_write_exclusive[:7]):
        with pytest.raises(ValueError, match="bytes arrived"):
            codec.parse_types(bad)


def transport_id(text: bytes, *, format_code: int) -> str:
    padded = text + bytes(4 - len(text) % 4)
    return bytes((format_code << 6 | 5, 0, 0, len(padded))).hex() + padded.hex()


def descriptor(key: int, flags: int, kind: int, transport: str) -> str:
    size = len(transport) // 2
    return f"{key:016x}00000000{flags:02x}{kind:02x}000000000001{size:08x}{transport}"


def test_the_full_status_has_the_initiator_and_the_isid_of_each_registration() -> None:
    port = transport_id(NAME + b",i,0x00023d000001", format_code=1)
    device = transport_id(b"iqn.2001-04.com.example:x", format_code=0)
    both = descriptor(KEY, 0x01, 5, port) + descriptor(OTHER, 0x00, 0, device)
    assert codec.parse_full_status(answer(len(both) // 2, both)) == (
        Registration(KEY, initiator=NAME.decode(), isid="00023d000001", port=1),
        Registration(OTHER, initiator="iqn.2001-04.com.example:x", port=1),
    )
    for length in range(1, len(both) // 2):
        if length != len(descriptor(KEY, 0x01, 5, port)) // 2:
            with pytest.raises(ValueError, match="bytes"):
                codec.parse_full_status(answer(length, both))


def test_a_registration_over_another_transport_has_no_iscsi_name() -> None:
    fibre_channel = "00" + "00" * 7 + "5000112233445566" + "00" * 8
    one = descriptor(OTHER, 1, 1, fibre_channel)
    assert codec.parse_full_status(answer(len(one) // 2, one)) == (Registration(OTHER, port=1),)


def test_a_registration_for_all_ports_of_the_target_is_at_none() -> None:
    # R_HOLDER and ALL_TG_PT.
    one = descriptor(KEY, 0x03, 5, transport_id(NAME, format_code=0))
    (found,) = codec.parse_full_status(answer(len(one) // 2, one))
    assert found.port is None


def test_the_parameters_have_both_keys_and_keep_nothing_over_a_loss_of_power() -> None:
    built = codec.build_out_parameters(KEY, OTHER)
    assert built == bytes.fromhex("11223344556677880000000000000abc") + bytes(8)
