"""Ask multipathd(8): over its socket, or with its own program if the socket cannot be used.

The program first reads all of multipath's configuration, which takes many times as long as the
answer. The protocol is that of libmpathcmd (mpath_cmd.h, the same since multipath-tools 0.5): each
message is its length, a size_t of this machine, and a text that ends with a zero byte.
"""

import os
import socket
import struct
import time
from typing import Final

from iscsictl.errors import UnreachableError
from iscsictl.limits import MULTIPATHD_WAIT
from iscsictl.system.io.process import Result, run, show_command
from iscsictl.system.io.waits import waiting

#: In the abstract namespace (unix(7)); systemd listens there too, if multipathd.socket is enabled.
_ADDRESS: Final = "\0/org/kernel/linux/storage/multipathd"
_LENGTH: Final = struct.Struct("N")
_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
#: Bytes; libmpathcmd accepts no longer answer either (MAX_REPLY_LEN).
_MAX_ANSWER: Final = 32 << 20


def ask(*words: str, timeout: float = MULTIPATHD_WAIT) -> Result:
    """Give multipathd a command, such as "show", "paths"; return the result of its program.

    The exit code is 1 if it reports a failure, or that it did not get to the command within 4 s.
    `timeout` is in seconds. Raises UnreachableError at the deadline, MissingError.
    """
    argv = ("multipathd", *words)
    try:
        with waiting("waiting for multipathd", timeout):
            answer = _ask_over_socket(words, time.monotonic() + timeout)
    except TimeoutError:
        raise UnreachableError(f"no answer within {timeout:g} s from multipathd") from None
    except OSError:
        return run(argv, timeout=timeout, ok=None)
    failed = answer.startswith("fail\n") or answer.strip() == "timeout"
    return Result(argv, int(failed), answer, "")


def _ask_over_socket(words: tuple[str, ...], deadline: float) -> str:
    """Return the answer. Raises OSError if root is not the listener or none comes, TimeoutError."""
    # Its parser accepts a word with a blank in it only in quotes.
    command = " ".join(f'"{word}"' if " " in word else word for word in words).encode() + b"\0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(0.0, deadline - time.monotonic()))
        connection.connect(_ADDRESS)
        # Any user can listen in the abstract namespace while multipathd does not.
        if _read_listening_user(connection) != 0:
            raise PermissionError
        show_command(("multipathd", *words))
        connection.sendall(_LENGTH.pack(len(command)) + command)
        (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size, deadline))
        if not 0 < length < _MAX_ANSWER:
            raise ConnectionError
        answer = _receive(connection, length, deadline)
    return os.fsdecode(answer.rstrip(b"\0"))


def _read_listening_user(connection: socket.socket) -> int:
    """Return the uid of the process that listens (unix(7), SO_PEERCRED)."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(peer)[1])


def _receive(connection: socket.socket, length: int, deadline: float) -> bytes:
    """Return `length` bytes. Raises ConnectionError if fewer come, TimeoutError."""
    found = bytearray()
    while len(found) < length:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(length - len(found))
        if not piece:
            raise ConnectionError
        found += piece
    return bytes(found)
