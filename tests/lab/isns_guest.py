"""Runs in a guest: an iSNS server (RFC 4171) that knows some targets and answers queries alone.

`isns_guest.py NAME ADDRESS PORT TAG ...` says of each four what a portal group is. It prints the
function of each request that comes in.
"""

import ipaddress
import socket
import struct
import sys

HEADER = struct.Struct(">HHHHHH")  # version, function, length, flags, transaction, sequence
QUERY, ANSWER = 0x0002, 0x8000
FROM_SERVER = 0x4000 | 0x0800 | 0x0400  # and the first and last of its message
UNSUPPORTED = 5
DELIMITER, NAME, ADDRESS, PORT, TAG = 0, 48, 49, 50, 51


def attribute(tag: int, value: bytes = b"") -> bytes:
    """One attribute: tag, length, value filled up to four bytes."""
    value += bytes(-len(value) % 4)
    return struct.pack(">II", tag, len(value)) + value


def group(name: str, address: str, port: str, tag: str) -> bytes:
    """The attributes of one portal group."""
    mapped = bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(address).packed
    return (
        attribute(NAME, name.encode() + b"\0")
        + attribute(ADDRESS, mapped)
        + attribute(PORT, struct.pack(">I", int(port)))
        + attribute(TAG, struct.pack(">I", int(tag)))
    )


def exactly(peer: socket.socket, size: int) -> bytes:
    """Read so many bytes; fewer where the peer ended."""
    return peer.recv(size, socket.MSG_WAITALL)


def serve(peer: socket.socket, known: bytes) -> None:
    """Answer one peer until it ends."""
    while len(head := exactly(peer, HEADER.size)) == HEADER.size:
        version, function, length, _, transaction, sequence = HEADER.unpack(head)
        exactly(peer, length)
        print(f"request {function:#x}", flush=True)
        if function == QUERY:
            body = struct.pack(">I", 0) + attribute(DELIMITER) + known
        else:
            body = struct.pack(">I", UNSUPPORTED)
        answer = (version, function | ANSWER, len(body), FROM_SERVER, transaction, sequence)
        peer.sendall(HEADER.pack(*answer) + body)


words = sys.argv[1:]
groups = b"".join(group(*words[at : at + 4]) for at in range(0, len(words), 4))
with socket.create_server(("", 3205)) as server:
    print("listening", flush=True)
    while True:
        with server.accept()[0] as client:
            serve(client, groups)
