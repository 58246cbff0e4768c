"""The network to the portals: links, the MTU of the path, NICs that interfere with each other."""

from collections.abc import Iterator
from itertools import combinations

from iscsictl.checks.portals import wanted_portals
from iscsictl.checks.routing import address_of, find_route, is_local, network_of
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import KernelRoute, Machine, Nic
from iscsictl.model.names import Portal

_UP = frozenset({"up", "unknown"})
SLOW = 1000
#: Bytes: an MTU that fits through every usual tunnel.
LOW_MTU = 1400


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the network carries the packets of iSCSI.

    This checks the NICs that the kernel's routes use for the portals of records and sessions, which
    excludes portals behind offload adapters and RDMA. The path MTU is checked only if it was
    probed.
    """
    ways = [
        (portal, route)
        for portal in wanted_portals(machine)
        if not is_local(portal.address)
        and (route := find_route(portal.address, machine.network.routes)) is not None
    ]
    yield from _check_links(machine, ways)
    names = sorted({route.nic for _, route in ways if route.nic in machine.network.nics} - {"lo"})
    for portal in wanted_portals(machine):
        yield from _check_path_mtu(machine, portal, dict(ways).get(portal), names)
    yield from _check_mixed_mtus(machine, ways)
    yield from _check_shared_subnets(machine, ways)


def _check_links(machine: Machine, ways: list[tuple[Portal, KernelRoute]]) -> Iterator[Finding]:
    for name in dict.fromkeys(route.nic for _, route in ways):
        nic = machine.network.nics.get(name)
        if nic is None or name == "lo":
            continue
        if nic.state not in _UP:
            yield fail(
                "net-link", f"{name} is {nic.state}", f"check the cable; ip link set {name} up",
                name,
            )  # fmt: skip
        elif nic.duplex == "half" or (nic.speed is not None and 0 < nic.speed < SLOW):
            speed = f"{nic.speed} Mbit/s" + (" half duplex" if nic.duplex == "half" else "")
            yield warn(
                "net-link",
                f"{name} runs at {speed}",
                "check the cable, and the speed and duplex setting of the switch port",
                name,
            )
        else:
            yield ok("net-link", f"{name} is up, MTU {nic.mtu}", name)


def _check_path_mtu(
    machine: Machine, portal: Portal, route: KernelRoute | None, names: list[str]
) -> Iterator[Finding]:
    result = machine.network.path_mtu.get(portal)
    if result is None:
        return
    subject = str(portal)
    nic = machine.network.nics.get(route.nic) if route is not None else None
    name = nic.name if nic is not None else "the interface"
    # If small packets are not answered either, a missing answer to a large one proves nothing.
    if not result.small:
        yield skip(
            "net-mtu",
            "it does not answer ping, so the MTU of the path cannot be tested",
            "enable ping on the array, or compare the MTU of host, switch and array by hand",
            subject,
        )
    elif not result.large:
        # For all NICs to portals: otherwise the MTUs of the paths would differ, which is wrong too.
        lower = "; ".join(f"ip link set {nic} mtu {LOW_MTU}" for nic in names or ["NIC"])
        yield fail(
            "net-mtu",
            f"packets of {result.bytes} bytes, the MTU of {name}, are lost, while small ones get "
            "through: logins work, but data transfers hang",
            f"give {name}, the switch and the array the same MTU; until then: {lower}",
            subject,
        )
    else:
        yield ok("net-mtu", f"packets of {result.bytes} bytes get through", subject)


def _check_mixed_mtus(
    machine: Machine, ways: list[tuple[Portal, KernelRoute]]
) -> Iterator[Finding]:
    nics = {r.nic: n for _, r in ways if (n := machine.network.nics.get(r.nic)) is not None}
    if len({nic.mtu for nic in nics.values()}) > 1:
        mtus = ", ".join(f"{name} {nic.mtu}" for name, nic in sorted(nics.items()))
        yield warn(
            "net-mtu-mixed",
            f"the paths have different MTUs: {mtus}",
            "give all NICs of the storage network the same MTU as the switch and the array",
        )


def _check_shared_subnets(
    machine: Machine, ways: list[tuple[Portal, KernelRoute]]
) -> Iterator[Finding]:
    """Check the pairs of NICs in a subnet that has a portal, or the router to one."""
    asked = [address_of(route.gateway or portal.address) for portal, route in ways]
    direct = [
        r for r in machine.network.routes if r.gateway is None and not r.prefix.endswith("/0")
    ]
    reported = set()
    for one, other in combinations(direct, 2):
        first, second = network_of(one.prefix), network_of(other.prefix)
        if first is None or second is None or one.nic == other.nic or "lo" in {one.nic, other.nic}:
            continue
        # A NIC answers for the address of another with ARP, which only IPv4 has.
        if first.version != 4 or second.version != 4 or not first.overlaps(second):
            continue
        pair = tuple(sorted((one.nic, other.nic)))
        is_asked = any(a is not None and a in first and a in second for a in asked)
        if pair in reported or not is_asked:
            continue
        reported.add(pair)
        yield _check_nic_pair(machine, pair[0], pair[1], str(first))


def _check_nic_pair(machine: Machine, one: str, other: str, subnet: str) -> Finding:
    nics = [machine.network.nics.get(name, Nic(name)) for name in (one, other)]
    subject = f"{one} {other}"
    wrong = []
    if any(nic.arp_ignore < 1 for nic in nics):
        wrong.append("arp_ignore=1")
    if any(nic.arp_announce < 2 for nic in nics):
        wrong.append("arp_announce=2")
    # 1 is strict: a packet is dropped if it comes in on a NIC other than the one to which the route
    # to its sender leads (Documentation/networking/ip-sysctl.rst).
    if any(nic.rp_filter == 1 for nic in nics):
        wrong.append("rp_filter=2")
    if not wrong:
        return ok(
            "net-one-subnet", f"both in {subnet}, with ARP and rp_filter set accordingly", subject
        )
    settings = " ".join(f"net.ipv4.conf.all.{one_setting}" for one_setting in wrong)
    return warn(
        "net-one-subnet",
        f"both are in {subnet}: each answers ARP for the other, and one cable carries all traffic",
        "put them in separate subnets, or bind ifaces (iscsictl iface add) and: sysctl -w "
        f"{settings}",
        subject,
    )
