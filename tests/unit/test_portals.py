"""A portal that cannot be tried says so, and the others are tried all the same."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.model.names import Portal
from iscsictl.observers.sessions import require_answer
from iscsictl.system.context import Context
from iscsictl.system.iscsi import portal_probe

V6 = Portal("2001:db8::1")
NO_FAMILY = os.strerror(errno.EAFNOSUPPORT).lower()


class NoIPv6(socket.socket):
    """What a kernel with ipv6.disable=1 does."""

    def __init__(self, family: int = socket.AF_INET, *args: Any, **named: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        super().__init__(family, *args, **named)


class NoWay(socket.socket):
    """A socket that raises where it should return a code."""

    def connect_ex(self, _address: object) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture
def listening() -> Iterator[Portal]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Portal("127.0.0.1", server.getsockname()[1])


@pytest.fixture
def closed() -> Portal:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Portal("127.0.0.1", server.getsockname()[1])


def test_a_host_without_ipv6_still_tries_its_ipv4_portals(
    listening: Portal, closed: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", NoIPv6)
    assert portal_probe.find_silent_portals([V6, listening, closed], 10) == {
        V6: NO_FAMILY,
        closed: os.strerror(errno.ECONNREFUSED).lower(),
    }


def test_a_name_of_an_ipv6_address_has_the_same_reason(
    listening: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(portal: Portal, flags: int) -> portal_probe.Address:
        if portal == listening:
            return address(portal, flags)
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        return address(V6, flags)

    address = portal_probe._resolve_address
    named = Portal("array.example.com")
    monkeypatch.setattr(portal_probe, "_resolve_address", resolve)
    monkeypatch.setattr(socket, "socket", NoIPv6)
    assert portal_probe.find_silent_portals([named, listening], 10) == {named: NO_FAMILY}


def test_a_connection_that_cannot_begin_is_closed_and_told(
    listening: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    monkeypatch.setattr(socket, "socket", NoWay)
    assert portal_probe.find_silent_portals([listening], 10) == {
        listening: os.strerror(errno.EPERM).lower()
    }
    # What others opened may have been closed meanwhile, by the garbage collector for example.
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_the_hint_of_a_silent_portal_goes_by_the_reason(closed: Portal) -> None:
    refused = portal_probe.find_silent_portals([closed], 10)
    unknown = "the name cannot be resolved: name or service not known"
    late = "no answer within 10 s"
    assert "check the port (usually 3260)" in hint_for_silent_portals(refused.values())
    assert "give the address of the portal" in hint_for_silent_portals([unknown, unknown])
    assert "ip route" in hint_for_silent_portals([os.strerror(errno.ENETUNREACH).lower()])
    assert "the cable" in hint_for_silent_portals([late])
    assert hint_for_silent_portals([late, unknown]) == hint_for_silent_portals([late])


def test_discovery_of_a_closed_port_says_what_to_check(closed: Portal, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="connection refused") as told:
        require_answer(Context(root=tmp_path), closed)
    assert "check the port" in (told.value.hint or "")
