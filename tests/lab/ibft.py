"""A firmware boot table (iBFT, IBM's specification 1.03) of one's own making, for -acpitable.

QEMU writes the 36 bytes of the ACPI header; what is here follows it.
"""

from __future__ import annotations

import ipaddress
import struct

ACPI_HEADER, RESERVED = 36, 12
VALID, SELECTED = 1, 2


def _address(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(text).packed


def _header(kind: int, length: int, flags: int = 0) -> bytes:
    return struct.pack("<BBHBB", kind, 1, length, 0, flags)


def table(*, initiator: str, mac: str, address: str, target: str, portal: str,
          chap: tuple[str, str] | None = None) -> bytes:  # fmt: skip
    """The data of a table with one NIC and one target, both selected; LUN 0, port 3260."""
    control_at = ACPI_HEADER + RESERVED
    initiator_at = control_at + 18 + 6
    nic_at = initiator_at + 74 + 6
    target_at = nic_at + 102 + 2
    heap_at = target_at + 54 + 2
    heap = bytearray()

    def put(text: str) -> bytes:
        if not text:
            return struct.pack("<HH", 0, 0)
        at = heap_at + len(heap)
        heap.extend(text.encode() + b"\0")
        return struct.pack("<HH", len(text), at)

    control = _header(1, 18) + struct.pack("<HHHHHH", 0, initiator_at, nic_at, target_at, 0, 0)
    first = _header(2, 74, VALID | SELECTED) + bytes(64) + put(initiator)
    nic = (
        _header(3, 102, VALID | SELECTED) + _address(address) + bytes([24, 1]) + bytes(64)
        + struct.pack("<H", 0) + bytes.fromhex(mac.replace(":", "")) + struct.pack("<H", 0)
        + put("")
    )  # fmt: skip
    user, secret = chap or ("", "")
    end = (
        _header(4, 54, VALID | SELECTED) + _address(portal) + struct.pack("<H", 3260) + bytes(8)
        + bytes([1 if chap else 0, 0]) + put(target) + put(user) + put(secret) + put("") + put("")
    )  # fmt: skip
    assert (len(control), len(first), len(nic), len(end)) == (18, 74, 102, 54)
    body = bytearray(bytes(heap_at - ACPI_HEADER))
    for at, part in ((control_at, control), (initiator_at, first), (nic_at, nic), (target_at, end)):
        body[at - ACPI_HEADER : at - ACPI_HEADER + len(part)] = part
    return bytes(body + heap)
