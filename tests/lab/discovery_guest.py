"""Runs in a guest: a portal that answers discovery with whatever names it was given.

`discovery_guest.py PORT NAME ...` listens on loopback. It accepts every login, and answers
SendTargets with the names, unchecked (RFC 7143, sections 11.10 to 11.15).
"""

from __future__ import annotations

import socketserver
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

HEADER = 48
IMMEDIATE = 0x40
LOGIN, TEXT, LOGOUT = 0x03, 0x04, 0x06


def read_fully(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def answer(request: bytes, opcode: int, flags: int, number: int, data: bytes) -> bytes:
    """Return the answer to a request: its tags, our numbers, status 0, and the data, padded."""
    (command,) = struct.unpack_from(">I", request, 24)
    # An immediate request does not advance CmdSN.
    expected = command + (not request[0] & IMMEDIATE)
    head = struct.pack(">BB2xB", opcode | 0x20, flags, 0) + len(data).to_bytes(3, "big")
    # ISID and TSIH of a login; the LUN of other requests is 0.
    head += request[8:14] + b"\0\1" if opcode == LOGIN else bytes(8)
    head += request[16:20]
    # TargetTransferTag of a text answer that is complete.
    head += b"\xff" * 4 if opcode == TEXT else bytes(4)
    head += struct.pack(">III", number, expected, expected + 16)
    head = head.ljust(HEADER, b"\0")
    return head + data + bytes(-len(data) % 4)


class Portal(socketserver.BaseRequestHandler):
    """One connection of an initiator."""

    names: tuple[str, ...] = ()

    def handle(self) -> None:
        number = 1
        while True:
            try:
                request = read_fully(self.request, HEADER)
                length = int.from_bytes(request[5:8], "big")
                read_fully(self.request, request[4] * 4 + length + -length % 4)
            except EOFError:
                return
            opcode = request[0] & 0x3F
            flags, data = 0x80, b""
            if opcode == LOGIN:
                # TRANSIT: from security to operational negotiation, or to the full feature phase.
                secure = request[1] >> 2 & 3 == 0
                flags, data = (0x81, b"AuthMethod=None\0") if secure else (0x87, b"")
            if opcode == TEXT:
                port = self.request.getsockname()[1]
                rows = (
                    f"TargetName={name}\0TargetAddress=127.0.0.1:{port},1\0" for name in self.names
                )
                data = "".join(rows).encode()
            self.request.sendall(answer(request, opcode, flags, number, data))
            number += 1
            if opcode == LOGOUT:
                return


def main() -> None:
    Portal.names = tuple(sys.argv[2:])
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Portal) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
