"""The addresses of this host, read from the kernel over rtnetlink(7).

Neither sysfs nor /proc shows which NIC has an IPv4 address. The kernel answers at once, to every
user, and ip(8) need not be installed.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator

from iscsictl.limits import HELPER_WAIT

# From <linux/netlink.h> and <linux/rtnetlink.h>.
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
# From <linux/if_addr.h>: on a point-to-point link IFA_ADDRESS is the other end's.
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
# Bytes: the kernel fills at most 32 KiB at a time (NLMSG_GOODSIZE and netlink_dump).
_BUFFER = 1 << 16


def read_addresses() -> dict[str, tuple[str, ...]] | None:
    """Return the addresses of each NIC, with prefix length; None if the kernel does not answer.

    NICs without an address are left out. IPv4 addresses come first, otherwise in the kernel's
    order.
    """
    found: dict[str, list[str]] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(HELPER_WAIT)
            length = _HEADER.size + _ADDRESS.size
            flags = _NLM_F_REQUEST | _NLM_F_DUMP
            kernel.send(
                _HEADER.pack(length, _RTM_GETADDR, flags, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0)
            )
            ended = False
            while not ended:
                ended, rows = parse_addresses(kernel.recv(_BUFFER))
                for index, address in rows:
                    found.setdefault(socket.if_indextoname(index), []).append(address)
    except OSError:
        return None
    return {name: tuple(addresses) for name, addresses in found.items()}


def parse_addresses(data: bytes) -> tuple[bool, list[tuple[int, str]]]:
    """Parse one answer: return whether it is the last, and (index of the NIC, address) of each.

    Raises OSError if the kernel refused, or if the answer is not one of rtnetlink(7).
    """
    found: list[tuple[int, str]] = []
    while len(data) >= _HEADER.size:
        length, kind = _HEADER.unpack_from(data)[:2]
        if kind == _NLMSG_DONE:
            return True, found
        if kind == _NLMSG_ERROR or not _HEADER.size <= length <= len(data):
            break
        if kind == _RTM_NEWADDR and length >= _HEADER.size + _ADDRESS.size:
            _, bits, _, _, index = _ADDRESS.unpack_from(data, _HEADER.size)
            values = dict(_attributes(data[_HEADER.size + _ADDRESS.size : length]))
            raw = values.get(_IFA_LOCAL, values.get(_IFA_ADDRESS, b""))
            if len(raw) in {4, 16}:
                found.append((index, f"{ipaddress.ip_address(raw)}/{bits}"))
        data = data[_aligned(length) :]
    else:
        return False, found
    raise OSError("an answer that rtnetlink(7) does not have")


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    """Round up to four bytes (NLMSG_ALIGN, RTA_ALIGN)."""
    return (length + 3) & ~3
