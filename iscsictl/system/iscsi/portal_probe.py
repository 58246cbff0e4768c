"""Find out which portals accept a TCP connection, all in parallel within one deadline."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from iscsictl.errors.silent_portals import UNRESOLVED
from iscsictl.lazy_import import lazy_import
from iscsictl.model.names import Portal
from iscsictl.model.word_lists import first_names
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting

if TYPE_CHECKING:
    from concurrent import futures
else:
    # It imports `logging`; commands that only show something need neither.
    futures = lazy_import("concurrent.futures")

Address = tuple[int, int, int, Any]
_LATE = f"{UNRESOLVED} in time"
#: Seconds between two checks whether the user asked to stop.
_HEED = 0.1


def find_silent_portals(portals: Iterable[Portal], timeout: float) -> Mapping[Portal, str]:
    """Return the portals that do not accept a connection within `timeout` seconds, and why.

    Raises InterruptError soon after a signal that was deferred.
    """
    asked = tuple(dict.fromkeys(portals))
    with waiting(f"waiting for {first_names(asked, 2)} to answer", timeout):
        return _connect_to_all(asked, timeout)


def _connect_to_all(portals: Iterable[Portal], timeout: float) -> Mapping[Portal, str]:
    deadline = time.monotonic() + timeout
    reasons: dict[Portal, str] = {}
    names: dict[Portal, futures.Future[str | None]] = {}
    with selectors.DefaultSelector() as selector:
        for portal in portals:
            try:
                address = _resolve_address(portal, socket.AI_NUMERICHOST)
            except OSError:
                names[portal] = _try_in_thread(portal, deadline)
                continue
            reason = _start_connection(selector, portal, address)
            if reason is not None:
                reasons[portal] = reason
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            signals.check()
            for key, _ in selector.select(min(left, _HEED)):
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
    for portal, asked in names.items():
        reason = _wait_for_answer(asked, deadline)
        if reason is not None:
            reasons[portal] = reason
    return reasons


def _wait_for_answer(asked: "futures.Future[str | None]", deadline: float) -> str | None:
    while not asked.done() and (left := deadline - time.monotonic()) > 0:
        signals.check()
        with suppress(TimeoutError):
            return asked.result(min(left, _HEED))
    return asked.result() if asked.done() else _LATE


def _try_in_thread(portal: Portal, deadline: float) -> "futures.Future[str | None]":
    """Try a portal with a host name: the resolver has no deadline, so it runs in a thread."""
    answer: futures.Future[str | None] = futures.Future()
    Thread(target=lambda: answer.set_result(_try_connection(portal, deadline)), daemon=True).start()
    return answer


def _try_connection(portal: Portal, deadline: float) -> str | None:
    try:
        family, kind, protocol, place = _resolve_address(portal, 0)
    except OSError as error:
        return f"{UNRESOLVED}: {error.strerror}".lower()
    left = deadline - time.monotonic()
    if left <= 0:
        return _LATE
    try:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(left)
            connection.connect(place)
    except TimeoutError:
        return "no answer in time"
    except OSError as error:
        return _reason_of_error(error)
    return None


def _resolve_address(portal: Portal, flags: int) -> Address:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            portal.address, portal.port, type=socket.SOCK_STREAM, flags=flags
        )[0]
    except UnicodeError as error:
        raise OSError(errno.EINVAL, "it is not a valid host address") from error
    return family, kind, protocol, address


def _start_connection(
    selector: selectors.BaseSelector, portal: Portal, address: Address
) -> str | None:
    family, kind, protocol, place = address
    try:
        with ExitStack() as undo:
            connection = undo.enter_context(
                socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
            )
            code = connection.connect_ex(place)
            if code not in {0, errno.EINPROGRESS}:
                return os.strerror(code).lower()
            selector.register(connection, selectors.EVENT_WRITE, portal)
            undo.pop_all()
    except OSError as error:
        return _reason_of_error(error)
    return None


def _reason_of_error(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
