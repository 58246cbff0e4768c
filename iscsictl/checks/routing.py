"""The route of packets to an address, according to the kernel's table."""

import ipaddress
from collections.abc import Iterable

from iscsictl.model.host_facts import KernelRoute

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(text: str) -> Address | None:
    """Parse an address; None for a host name.

    An IPv4-mapped IPv6 address (::ffff:192.0.2.1, RFC 4291, 2.5.5.2) is returned as the IPv4
    address, which is how the kernel routes it.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def network_of(text: str) -> Net | None:
    """Parse a prefix such as 192.0.2.0/24; None if it is not valid."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def find_route(address: str, routes: Iterable[KernelRoute]) -> KernelRoute | None:
    """Return the route to an address: the longest prefix, then the lowest metric.

    None for a host name, and if there is no route. Policy routing (ip-rule(8)) is not considered.
    """
    wanted = address_of(address)
    if wanted is None:
        return None
    best: tuple[int, int] | None = None
    chosen: KernelRoute | None = None
    for route in routes:
        net = network_of(route.prefix)
        if net is None or net.version != wanted.version or wanted not in net:
            continue
        rank = (net.prefixlen, -route.metric)
        if best is None or rank > best:
            best, chosen = rank, route
    return chosen


def is_default_route(route: KernelRoute) -> bool:
    """Return whether a route is the default route of IPv4 or IPv6."""
    return route.prefix.endswith("/0")


def is_public(address: str) -> bool:
    """Return whether an address is globally routable; False for a host name.

    Private and link-local ranges are not (RFC 6890, the registries of IANA).
    """
    parsed = address_of(address)
    return parsed is not None and parsed.is_global


def is_local(address: str) -> bool:
    """Return whether an address is a loopback address."""
    parsed = address_of(address)
    return parsed is not None and parsed.is_loopback
