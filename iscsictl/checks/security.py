"""Who else could read the data on the network, or pass for this host or the array."""

from collections.abc import Iterator

from iscsictl.checks.portals import wanted_portals
from iscsictl.checks.routing import (
    address_of,
    find_route,
    is_default_route,
    is_local,
    is_public,
    network_of,
)
from iscsictl.model.finding import Finding, ok, skip, warn
from iscsictl.model.host_facts import Machine, Policy
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.shell_form import shell_form

_ALGORITHMS = "SHA3-256,SHA256,SHA1,MD5"


def check(machine: Machine) -> Iterator[Finding]:
    """Report how far the host and its portals are exposed, with warnings at most.

    What is acceptable is for the admin to decide, so none of it makes `doctor` fail. Portals on the
    loopback interface are left out, and corrupt records are reported by another check.
    """
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    for record in records:
        if record.problem is None and not is_local(record.portal.address):
            yield from _check_chap(record)
            if record.over_tcp:
                yield from _check_routed_digests(machine, record)
    yield from _check_shared_secrets(machine)
    for portal in wanted_portals(machine):
        if not is_local(portal.address):
            yield from _check_exposed_portal(machine, portal)
    yield from _check_ipsec_policies(machine)
    if machine.network.open_port is not None:
        yield warn(
            "security-port",
            f"this host itself listens on port 3260 ({machine.network.open_port})",
            "if it is not a target: stop the program that listens (ss -ltnp 'sport = :3260'), or "
            "close the port in the firewall",
        )
    else:
        yield ok("security-port", "this host does not listen on port 3260")


def _check_chap(record: NodeRecord) -> Iterator[Finding]:
    subject = f"{record.target} {record.portal}"
    target = record.target
    if not (record.has_secret and record.username):
        yield warn(
            "chap-none",
            "CHAP is not configured: any host that uses this host's name, or its address, can "
            "access its LUNs",
            "set an account on the array, then: iscsictl chap set "
            f"-T {shell_form(target)} --user NAME "
            "--secret-prompt",
            subject,
        )
        return
    # Without this setting, open-iscsi offers only MD5 (iscsid.conf, node.session.auth.chap_algs).
    algorithms = {a.upper() for a in record.chap_algs} or {"MD5"}
    if algorithms == {"MD5"}:
        yield warn(
            "chap-md5",
            "CHAP with MD5 alone",
            f"if the array supports more: iscsictl nodes set -T {shell_form(target)} "
            f"node.session.auth.chap_algs={_ALGORITHMS}",
            subject,
        )
    if record.has_secret_in:
        yield ok("chap-none", "CHAP in both directions", subject)
    else:
        yield ok(
            "chap-none", "CHAP of this host only; the array does not authenticate itself", subject
        )


def _check_routed_digests(machine: Machine, record: NodeRecord) -> Iterator[Finding]:
    route = find_route(record.portal.address, machine.network.routes)
    # Within one network, a frame keeps its checksum; a router computes a new one, and may have
    # damaged the data before.
    if route is None or route.gateway is None:
        return
    values = [
        record.values.get(f"node.conn[0].iscsi.{w}Digest", "None") for w in ("Header", "Data")
    ]
    if all(value.upper().startswith("NONE") for value in values):
        yield warn(
            "digest-routed",
            f"the path crosses the router {route.gateway}, and no digest protects the data",
            f"iscsictl login -T {shell_form(record.target)} "
            "--header-digest crc32c --data-digest crc32c",
            f"{record.target} {record.portal}",
        )


def _check_shared_secrets(machine: Machine) -> Iterator[Finding]:
    if not isinstance(machine.db, Known):
        return
    for targets in machine.db.value.shared_secrets:
        yield warn(
            "chap-shared",
            f"{len(targets)} targets share one CHAP secret: {', '.join(targets)}",
            "give each its own secret: iscsictl chap generate; iscsictl chap set",
        )


def _check_exposed_portal(machine: Machine, portal: Portal) -> Iterator[Finding]:
    subject = str(portal)
    if is_public(portal.address):
        yield warn(
            "portal-public",
            "it has a public address: iSCSI sends data as plain text",
            "put the array and the host in a private network or a VPN, and close port 3260 to "
            "others",
            subject,
        )
    route = find_route(portal.address, machine.network.routes)
    if route is not None and is_default_route(route):
        yield warn(
            "portal-default-route",
            f"it is reached over the default route (through {route.gateway or route.nic})",
            "give the host an address in the storage network, or add a route: ip route add "
            f"{portal.address} via ROUTER",
            subject,
        )


def _covers_portal(policy: Policy, portal: Portal) -> bool:
    net, address = network_of(policy.destination), address_of(portal.address)
    return (
        policy.protects and net is not None and address is not None
        and net.version == address.version and address in net
    )  # fmt: skip


def _check_ipsec_policies(machine: Machine) -> Iterator[Finding]:
    portals = [p for p in wanted_portals(machine) if not is_local(p.address)]
    if not portals:
        return
    policies = machine.network.policies
    if isinstance(policies, ReadFailed):
        yield skip("ipsec-policy", policies.error.text, "sudo iscsictl doctor")
    elif isinstance(policies, Known):
        for portal in portals:
            if any(_covers_portal(policy, portal) for policy in policies.value):
                yield ok("ipsec-policy", "an IPsec policy covers it", str(portal))
            else:
                yield warn(
                    "ipsec-policy",
                    "no IPsec policy covers it: the data can be read and modified on the wire",
                    "use a separate network, or encrypt the traffic: ip xfrm policy, strongSwan; "
                    "to accept the risk: iscsictl doctor --ignore ipsec-policy",
                    str(portal),
                )
