"""The data of PERSISTENT RESERVE IN (SPC-4 6.15) and PERSISTENT RESERVE OUT (6.16).

Every parser raises ValueError, with the reason, for an answer that is truncated or inconsistent: it
must never count as "no reservation".
"""

import struct

from iscsictl.model.reservation import Registration, Reservation

_HEADER = 8
_DESCRIPTOR = 24
# PROTOCOL IDENTIFIER of a TransportID (SPC-4 7.6.4.1).
_ISCSI = 0x5
# Between the name of an initiator port's device and its ISID (RFC 7143, section 3.4.3).
_ISID_SEPARATOR = ",i,0x"
# The bits of PERSISTENT RESERVATION TYPE MASK (6.15.4): byte, bit, TYPE.
_TYPE_BITS = ((4, 1, 1), (4, 3, 3), (4, 5, 5), (4, 6, 6), (4, 7, 7), (5, 0, 8))


def length_of(answer: bytes) -> int:
    """Return the full length of an answer in bytes: ADDITIONAL LENGTH and what precedes it."""
    if len(answer) < _HEADER:
        raise ValueError(f"{len(answer)} bytes arrived")
    return _HEADER + int.from_bytes(answer[4:8], "big")


def _body_of_answer(answer: bytes) -> bytes:
    """Return everything that follows the header."""
    length = length_of(answer)
    if len(answer) < length:
        raise ValueError(f"{len(answer)} of {length} bytes arrived")
    return answer[_HEADER:length]


def parse_keys(answer: bytes) -> tuple[int, ...]:
    """Return the registered keys of an answer to READ KEYS (6.15.2), one for each I_T nexus."""
    body = _body_of_answer(answer)
    if len(body) % 8:
        raise ValueError(f"{len(body)} bytes are not a list of keys")
    return struct.unpack(f">{len(body) // 8}Q", body)


def parse_reservation(answer: bytes) -> Reservation | None:
    """Return the reservation in an answer to READ RESERVATION (6.15.3), None if there is none.

    Some devices of SPC-2 return several descriptors; the first is that of the logical unit.
    """
    body = _body_of_answer(answer)
    if len(body) % 16:
        raise ValueError(f"{len(body)} bytes are not a reservation")
    if not body:
        return None
    return Reservation(int.from_bytes(body[:8], "big"), body[13] & 0x0F)


def parse_types(answer: bytes) -> frozenset[int] | None:
    """Return the types of reservation in an answer to REPORT CAPABILITIES (6.15.4).

    None if the LUN does not report them (TMV is 0).
    """
    if len(answer) < 8 or int.from_bytes(answer[:2], "big") < 8:
        raise ValueError(f"{len(answer)} bytes arrived: {answer[:8].hex()}")
    if not answer[3] & 0x80:
        return None
    return frozenset(kind for byte, bit, kind in _TYPE_BITS if answer[byte] >> bit & 1)


def parse_full_status(answer: bytes) -> tuple[Registration, ...]:
    """Return the registrations in an answer to READ FULL STATUS (6.15.5)."""
    body, found, at = _body_of_answer(answer), [], 0
    while at < len(body):
        end = at + _DESCRIPTOR
        if end > len(body):
            raise ValueError(f"a descriptor of {len(body) - at} bytes")
        key, flags = int.from_bytes(body[at : at + 8], "big"), body[at + 12]
        size = int.from_bytes(body[at + 20 : end], "big")
        if end + size > len(body):
            raise ValueError(f"{len(body) - end} of {size} bytes of a TransportID arrived")
        initiator, isid = parse_transport_id(body[end : end + size])
        # ALL_TG_PT: the registration is for every target port, and the field has no meaning.
        port = None if flags & 0x02 else int.from_bytes(body[at + 18 : at + 20], "big") or None
        found.append(Registration(key, initiator, isid, port))
        at = end + size
    return tuple(found)


def parse_transport_id(data: bytes) -> tuple[str | None, str | None]:
    """Return the iSCSI name and the ISID of a TransportID (7.6.4.6), None for what it lacks.

    The ISID is the hexadecimal number after ",i,0x".
    """
    if len(data) < 4 or data[0] & 0x0F != _ISCSI:
        return None, None
    length = int.from_bytes(data[2:4], "big")
    if len(data) < 4 + length:
        raise ValueError(f"{len(data) - 4} of {length} bytes of an iSCSI name arrived")
    # Padded with zeroes to a multiple of four.
    text = data[4 : 4 + length].partition(b"\0")[0].decode("utf-8", "backslashreplace")
    name, separator, isid = text.partition(_ISID_SEPARATOR)
    return name or None, isid if separator else None


def build_out_parameters(key: int, action_key: int) -> bytes:
    """Return the parameter list of PERSISTENT RESERVE OUT (6.16.3): 24 bytes.

    `key` is RESERVATION KEY, `action_key` SERVICE ACTION RESERVATION KEY. APTPL is 0: nothing
    survives a power failure of the array.
    """
    return struct.pack(">QQ8x", key, action_key)
