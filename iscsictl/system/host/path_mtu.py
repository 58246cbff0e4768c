"""Test whether packets as large as the MTU get through: echoes of two sizes to all portals at once.

The echo is ICMP (RFC 792, RFC 4443) with fragmentation forbidden, over a ping socket, which needs
no privileges (icmp(7), net.ipv4.ping_group_range), or a raw one, which needs root.
"""

import errno
import ipaddress
import selectors
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from iscsictl.errors import BECOME_ROOT, IscsictlError
from iscsictl.model.host_facts import PathMtu
from iscsictl.model.names import Portal

# Bytes of an IP packet: the default of ping(8).
SMALL = 84
# Seconds: one lost packet says nothing about the MTU.
RESEND = 0.5
# Types of RFC 792 and RFC 4443.
_ECHO4, _REPLY4, _ECHO6, _REPLY6 = 8, 0, 128, 129
# <linux/in.h>, <linux/in6.h>: IP_PMTUDISC_PROBE forbids fragments, and ignores a path MTU that the
# kernel has learned (ip(7)).
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
# Bytes of the IP header and of the eight of ICMP.
_HEADERS = {4: 28, 6: 48}


@dataclass
class _Try:
    """The state of one portal: which sizes have not been answered yet."""

    version: int
    raw: bool
    sizes: tuple[int, int]
    heard: set[int] = field(default_factory=set)
    too_large: bool = False

    @property
    def done(self) -> bool:
        return len(self.heard) == len(set(self.sizes)) or (
            self.too_large and self.sizes[0] in self.heard
        )


def path_mtus(portals: Mapping[Portal, int], timeout: float) -> dict[Portal, PathMtu]:
    """Send each portal echoes of SMALL bytes and of its MTU; return which came back.

    Portals with a host name, or with an address that nothing can be sent to, are left out.
    `timeout` is in seconds. Raises IscsictlError if this user may use neither kind of socket.
    """
    deadline = time.monotonic() + timeout
    tries: dict[Portal, _Try] = {}
    with selectors.DefaultSelector() as selector:
        try:
            for portal, mtu in portals.items():
                opened = _open_echo_socket(portal, mtu)
                if opened is not None:
                    connection, one = opened
                    tries[portal] = one
                    selector.register(connection, selectors.EVENT_READ, one)
            _exchange_echoes(selector, deadline)
        finally:
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()
    return {
        portal: PathMtu(one.sizes[0] in one.heard, one.sizes[1] in one.heard, one.sizes[1])
        for portal, one in tries.items()
    }


def _open_echo_socket(portal: Portal, mtu: int) -> tuple[socket.socket, _Try] | None:
    try:
        version = ipaddress.ip_address(portal.address).version
    except ValueError:
        return None
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    connection, raw = _create_icmp_socket(family, protocol)
    try:
        connection.setblocking(False)
        if version == 4:
            connection.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
        else:
            connection.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
        connection.connect((portal.address, 0))
    except OSError:
        connection.close()
        return None
    return connection, _Try(version, raw, (SMALL, max(SMALL + 1, min(mtu, 65535))))


def _create_icmp_socket(family: int, protocol: int) -> tuple[socket.socket, bool]:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with suppress(OSError):
            return socket.socket(family, kind, protocol), kind == socket.SOCK_RAW
    raise IscsictlError("this user is not allowed to ping", hint=BECOME_ROOT)


def _exchange_echoes(selector: selectors.BaseSelector, deadline: float) -> None:
    again = 0.0
    while (now := time.monotonic()) < deadline:
        waiting = [key for key in selector.get_map().values() if not key.data.done]
        if not waiting:
            return
        if now >= again:
            for key in waiting:
                _send_requests(key.fileobj, key.data)
            again = now + RESEND
        for key, _ in selector.select(max(0.0, min(again, deadline) - now)):
            _receive_replies(key.fileobj, key.data)


def _send_requests(connection: object, one: _Try) -> None:
    if not isinstance(connection, socket.socket):
        return
    for size in one.sizes:
        if size not in one.heard:
            try:
                connection.send(_echo_request(one, size))
            except OSError as error:
                if error.errno == errno.EMSGSIZE and size == one.sizes[1]:
                    one.too_large = True


def _echo_request(one: _Try, size: int) -> bytes:
    """Return an echo request; its sequence number is its size, which identifies the reply."""
    payload = bytes(size - _HEADERS[one.version])
    kind = _ECHO4 if one.version == 4 else _ECHO6
    header = struct.pack("!BBHHH", kind, 0, 0, 0x1511, size)
    if one.version == 4:
        # The kernel computes the checksum for ping sockets and ICMPv6, but not for raw ICMP.
        header = struct.pack("!BBHHH", kind, 0, _internet_checksum(header + payload), 0x1511, size)
    return header + payload


def _internet_checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _receive_replies(connection: object, one: _Try) -> None:
    if not isinstance(connection, socket.socket):
        return
    while True:
        try:
            data = connection.recv(70000)
        except BlockingIOError:
            return
        except OSError:
            return
        if one.raw and one.version == 4 and data:
            data = data[(data[0] & 0xF) * 4 :]
        if len(data) >= 8 and data[0] in {_REPLY4, _REPLY6}:
            sequence = struct.unpack("!H", data[6:8])[0]
            if sequence in one.sizes:
                one.heard.add(sequence)
