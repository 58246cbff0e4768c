"""Persistent reservations of a LUN, without any cache: PERSISTENT RESERVE IN and OUT (SPC-4).

A registration belongs to an I_T nexus: the initiator's name with the ISID of one session, and the
target port (SPC-4 3.1.71, RFC 7143 section 4.4).
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from iscsictl.model.reservation import (
    LunReservations,
    Registration,
    Reservation,
    ReservationType,
)
from iscsictl.parse import persistent_reservations as codec
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.reservation_key import is_own_initiator, read_own_key

T = TypeVar("T")
# Service actions of PERSISTENT RESERVE IN (SPC-4 6.15.1).
_READ_KEYS, _READ_RESERVATION, _REPORT_CAPABILITIES, _READ_FULL_STATUS = range(4)
# ALLOCATION LENGTH has 16 bits; a list that is longer than that is an error.
_MOST = 0xFFFF
_USUAL = 1024


class OutAction(IntEnum):
    """Service actions of PERSISTENT RESERVE OUT (SPC-4 6.16.2)."""

    REGISTER = 0x00
    RESERVE = 0x01
    RELEASE = 0x02
    PREEMPT = 0x04


def read_reservations(
    fd: int, root: Path = Path("/"), *, capabilities: bool = False
) -> LunReservations:
    """Return everything that a LUN reports about its persistent reservations.

    `supported` is False only if the LUN does not know the command, or, with `capabilities`, if it
    reports that it has no Write Exclusive reservations. Raises UnreachableError, ScsiError,
    GarbledAnswerError: what cannot be read is not "no reservation".
    """
    own = read_own_key(root)
    try:
        keys = _ask_disk(fd, _READ_KEYS, codec.parse_keys)
        holder = _ask_disk(fd, _READ_RESERVATION, codec.parse_reservation)
    except scsi_commands.ScsiError as error:
        if error.unknown:
            return LunReservations(own, supported=False)
        if error.conflict:
            # A reservation of the older kind, RESERVE (6) of SPC-2, whose holder cannot be read.
            return LunReservations(own, holder=Reservation())
        raise
    status = read_full_status(fd) if own in keys else ()
    clones = _other_initiators_with_own_key(status or (), own, root)
    types = _read_types(fd) if capabilities else None
    supported = types is None or ReservationType.WRITE_EXCLUSIVE in types
    return LunReservations(
        own, supported, keys, holder, clones, owners_known=status is not None,
        registrations=tuple(one for one in status or () if one.key == own),
    )  # fmt: skip


def read_full_status(fd: int) -> tuple[Registration, ...] | None:
    """Return who has registered; None if the LUN does not know READ FULL STATUS, new in SPC-3.

    Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    return _ask_unless_unknown(fd, _READ_FULL_STATUS, codec.parse_full_status)


def _read_types(fd: int) -> frozenset[int] | None:
    """Return the types of reservation that the LUN supports, None if it does not report them."""
    return _ask_unless_unknown(fd, _REPORT_CAPABILITIES, codec.parse_types)


def _other_initiators_with_own_key(
    registrations: tuple[Registration, ...], own: int | None, root: Path
) -> tuple[str, ...]:
    """Return the initiators that have registered with our key and are not this host."""
    found = dict.fromkeys(one.initiator for one in registrations if one.key == own)
    return tuple(name for name in found if name is not None and not is_own_initiator(name, root))


def _ask_disk(fd: int, service_action: int, parse: Callable[[bytes], T]) -> T:
    """Send PERSISTENT RESERVE IN, again with more room if the answer did not fit."""
    what = "asking the disk for reservations"

    def read(size: int) -> bytes:
        command = struct.pack(">BB5xHx", 0x5E, service_action, size)
        return scsi_commands.ask(fd, command, size, what)

    answer = read(_USUAL)
    try:
        # The answer to REPORT CAPABILITIES is short; its length has 16 bits, at another offset.
        if service_action != _REPORT_CAPABILITIES and codec.length_of(answer) > _USUAL:
            answer = read(min(codec.length_of(answer), _MOST))
        return parse(answer)
    except ValueError as error:
        raise scsi_commands.GarbledAnswerError(what, str(error)) from None


def _ask_unless_unknown(fd: int, service_action: int, parse: Callable[[bytes], T]) -> T | None:
    """Ask as `_ask_disk` does; None if the LUN does not know the command."""
    try:
        return _ask_disk(fd, service_action, parse)
    except scsi_commands.ScsiError as error:
        if error.unknown:
            return None
        raise


def change_reservation(fd: int, action: OutAction, kind: int, key: int, action_key: int) -> None:
    """Send PERSISTENT RESERVE OUT for the whole logical unit (SCOPE 0).

    `kind` is a `ReservationType`, `key` the one of this nexus, `action_key` the one that the
    action is about. Raises UnreachableError; ScsiError, also where another host's reservation
    forbids it.
    """
    data = codec.build_out_parameters(key, action_key)
    command = struct.pack(">BBB2xIx", 0x5F, action, kind, len(data))
    scsi_commands.send(fd, command, data, "changing the reservation of the disk")


def register(fd: int, key: int) -> None:
    """Register this nexus with the key of this host; it may be registered with it already.

    Raises ScsiError (a conflict) if it has another key. REGISTER AND IGNORE EXISTING KEY would
    replace that key: to the array, two hosts with the same initiator name and ISID are one nexus,
    so the later one would take over the reservation of the other.
    """
    try:
        _change_registration(fd, 0, key)
    except scsi_commands.ScsiError as error:
        if not (error.conflict and is_registered_with(fd, key)):
            raise


def is_registered_with(fd: int, key: int) -> bool:
    """Return whether this very nexus is registered with a key, by registering it again."""
    try:
        _change_registration(fd, key, key)
    except scsi_commands.ScsiError as error:
        if not error.conflict:
            raise
        return False
    return True


def unregister(fd: int, key: int) -> None:
    """End the registration of this nexus; nothing happens if it has none or another key."""
    try:
        _change_registration(fd, key, 0)
    except scsi_commands.ScsiError as error:
        if not error.conflict:
            raise


def _change_registration(fd: int, key: int, new_key: int) -> None:
    """Send REGISTER; `key` is the one that this nexus has, 0 for none (SPC-4 table 66).

    The caller reads the result back: if the directory for its file of registrations was never
    created, the kernel's target (LIO) registers and then reports that it could not write that file.
    The file is for a power failure of the array, which does not matter here (APTPL is 0).
    """
    try:
        change_reservation(fd, OutAction.REGISTER, 0, key, new_key)
    except scsi_commands.ScsiError as error:
        if not error.unstored:
            raise
