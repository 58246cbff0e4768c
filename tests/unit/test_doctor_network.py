"""What doctor reads of the network, and asks it."""

import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.model.host_facts import KernelRoute, Policy
from iscsictl.model.names import Portal
from iscsictl.system.host import network
from iscsictl.system.host.path_mtu import path_mtus
from iscsictl.system.iscsi.portal_probe import find_silent_portals
from tests.patience import PATIENCE
from tests.unit.fake_root import put


def printed(address: str) -> str:
    """An address as /proc/net/route has it: its bytes as a number of the machine's own order."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


NONE = printed("0.0.0.0")
ROUTES = f"""Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t{NONE}\t{printed("192.0.2.1")}\t0003\t0\t0\t100\t{NONE}\t0\t0\t0
eth1\t{printed("198.51.100.0")}\t{NONE}\t0001\t0\t0\t0\t{printed("255.255.255.0")}\t0\t0\t0
*\t{printed("10.0.0.0")}\t{NONE}\t0201\t0\t0\t0\t{printed("255.0.0.0")}\t0\t0\t0
"""
ROUTES6 = (
    "20010db8000a00000000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "20010db8000a00000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
)


def test_routes_are_read_as_the_kernel_prints_them(tmp_path: Path) -> None:
    put(tmp_path, "proc/net/route", ROUTES)
    put(tmp_path, "proc/net/ipv6_route", ROUTES6)
    assert network.read_routes(tmp_path) == (
        KernelRoute("0.0.0.0/0", "eth0", "192.0.2.1", 100),
        KernelRoute("198.51.100.0/24", "eth1"),
        KernelRoute("2001:db8:a::/64", "eth0", None, 256),
        KernelRoute("::/0", "eth0", "2001:db8:a::1", 1024),
    )


def test_a_nic_has_the_settings_that_are_in_force(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/net/eth0/mtu", "9000\n")
    put(tmp_path, "sys/class/net/eth0/operstate", "up\n")
    put(tmp_path, "sys/class/net/eth0/speed", "-1\n")
    put(tmp_path, "proc/sys/net/ipv4/conf/all/arp_ignore", "1\n")
    put(tmp_path, "proc/sys/net/ipv4/conf/eth0/arp_ignore", "0\n")
    nic = network.read_nics(tmp_path)["eth0"]
    assert (nic.mtu, nic.state, nic.speed, nic.arp_ignore) == (9000, "up", None, 1)


def test_a_listener_on_3260_is_seen_but_not_on_loopback(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st\n"
    put(tmp_path, "proc/net/tcp", head + "   0: 0100007F:0CBC 00000000:0000 0A\n")
    assert network.listening_address(tmp_path) is None
    six = "   0: 00000000000000000000000000000000:0CBC 00000000000000000000000000000000:0000 0A\n"
    put(tmp_path, "proc/net/tcp6", head + six)
    assert network.listening_address(tmp_path) == "::"


XFRM = """src 192.0.2.9/32 dst 192.0.2.5/32
\tdir out priority 1000 ptype main
\ttmpl src 192.0.2.9 dst 192.0.2.5
\t\tproto esp spi 0x1 reqid 1 mode transport
src 192.0.2.5/32 dst 192.0.2.9/32
\tdir in priority 1000 ptype main
\ttmpl src 192.0.2.5 dst 192.0.2.9
\t\tproto esp reqid 1 mode transport
src ::/0 dst 2001:db8::/32
\tdir out action block priority 0
"""


def test_ipsec_policies_that_go_out_are_read() -> None:
    assert network.parse_policies(XFRM) == (
        Policy("192.0.2.5/32"),
        Policy("2001:db8::/32", protects=False),
    )
    assert network.parse_policies("") == ()


def test_names_that_nobody_resolves_are_asked_for_side_by_side_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, over = socket.getaddrinfo, threading.Event()
    ended: list[str] = []

    def slow(host: str, port: int, **options: Any) -> Any:
        if options.get("flags") == 0:
            if host != "quick":
                over.wait(PATIENCE)
                ended.append(host)
            host = "127.0.0.1"
        return real(host, port, **options)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        found = find_silent_portals(
            [Portal(n, port) for n in ("slow", "lame", "quick", "127.0.0.1")], 3
        )
    assert ended == []
    over.set()
    assert found == {Portal(n, port): "the name cannot be resolved in time"
                     for n in ("slow", "lame")}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["array1..example", ".example", "../../etc", "a" * 64, "a" * 2000, "array\udcff"]
)
def test_a_name_that_no_host_can_have_leaves_the_other_portals_as_they_are(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = Portal("127.0.0.1", server.getsockname()[1])
        found = find_silent_portals([Portal(name), here], 5)
    assert list(found) == [Portal(name)]
    assert found[Portal(name)].startswith("the name cannot be resolved: ")


def test_an_echo_comes_back_from_here_and_not_from_nowhere() -> None:
    here, nowhere = Portal("127.0.0.1"), Portal("192.0.2.254")
    try:
        seen = path_mtus({here: 1500}, PATIENCE)
        seen |= path_mtus({nowhere: 1500, Portal("name.invalid"): 1500}, 0.6)
    except IscsictlError as error:
        pytest.skip(f"no echo here: {error}")
    assert (seen[here].small, seen[here].large) == (True, True)
    assert Portal("name.invalid") not in seen
    if nowhere in seen:
        assert not seen[nowhere].small
