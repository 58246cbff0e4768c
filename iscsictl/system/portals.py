"""Find out which portals take a TCP connection, all side by side within one deadline."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterable, Mapping

from iscsictl.model.names import Portal


def silent(portals: Iterable[Portal], timeout: float) -> Mapping[Portal, str]:
    """Return the portals that do not take a connection within `timeout` seconds, and why."""
    deadline = time.monotonic() + timeout
    reasons: dict[Portal, str] = {}
    with selectors.DefaultSelector() as selector:
        for portal in dict.fromkeys(portals):
            reason = _start(selector, portal)
            if reason is not None:
                reasons[portal] = reason
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                connection = key.fileobj
                selector.unregister(connection)
                if isinstance(connection, socket.socket):
                    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    connection.close()
                    if code:
                        reasons[key.data] = os.strerror(code).lower()
        for key in list(selector.get_map().values()):
            reasons[key.data] = f"no answer within {timeout:g} s"
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
    return reasons


def _start(selector: selectors.BaseSelector, portal: Portal) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            portal.address, portal.port, type=socket.SOCK_STREAM
        )[0]
    except OSError as error:
        return f"the name cannot be resolved: {error.strerror}".lower()
    connection = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    code = connection.connect_ex(address)
    if code not in {0, errno.EINPROGRESS}:
        connection.close()
        return os.strerror(code).lower()
    selector.register(connection, selectors.EVENT_WRITE, portal)
    return None
