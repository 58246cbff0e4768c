"""NICs, routes, IPsec policies and open ports, as the kernel's files show them."""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.model.host_facts import KernelRoute, Nic, Policy
from iscsictl.system.host.addresses import read_addresses
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import Folder, list_names, read_small, to_integer

ISCSI_PORT = 3260
# TCP_LISTEN of net/tcp_states.h, as /proc/net/tcp prints it.
_LISTEN = "0A"
# Flags of <linux/route.h>.
_RTF_UP = 0x1
_RTF_REJECT = 0x200


def read_nics(root: Path = Path("/")) -> dict[str, Nic]:
    """Return the network interfaces by name.

    Empty if /sys is not mounted. Speeds are in Mbit/s, None without one (a bridge, or a link that
    is down: the kernel says -1). The addresses of a capture are not known.
    """
    base = root / "sys/class/net"
    found = {}
    addresses = read_addresses() if root == Path("/") else None
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return {}
    for name in names:
        if not (base / name).is_dir():
            continue
        with Folder(str(base / name)) as own:
            found[name] = Nic(
                name,
                mtu=own.number("mtu") or 1500,
                mac=own.get("address"),
                state=own.get("operstate") or "unknown",
                speed=_known_speed(own.number("speed")),
                duplex=own.get("duplex"),
                driver=_driver_of_nic(base / name),
                arp_ignore=_effective_setting(root, name, "arp_ignore"),
                arp_announce=_effective_setting(root, name, "arp_announce"),
                rp_filter=_effective_setting(root, name, "rp_filter"),
                vlan=_vlan_id(root, name),
                parent=_parent_of_vlan(base / name),
                addresses=None if addresses is None else addresses.get(name, ()),
            )
    return found


def _known_speed(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None


def _driver_of_nic(nic: Path) -> str | None:
    try:
        return (nic / "device/driver").readlink().name
    except OSError:
        return None


def _vlan_id(root: Path, name: str) -> int | None:
    """Read the VID of a VLAN from /proc/net/vlan, which only root may (net/8021q/vlanproc.c)."""
    for row in _read_rows(root / "proc/net/vlan" / name):
        if "VID:" in row[:-1]:
            return to_integer(row[row.index("VID:") + 1])
    return None


def _parent_of_vlan(nic: Path) -> str | None:
    """Return the NIC below a VLAN; a bridge or bond may have several `lower_` links."""
    if "DEVTYPE=vlan" not in read_small(f"{nic}/uevent").decode(errors="replace").split():
        return None
    below = (name for name in list_names(str(nic)) if name.startswith("lower_"))
    return next((name.removeprefix("lower_") for name in below), None)


def nic_modules(root: Path = Path("/")) -> dict[str, str]:
    """Return the kernel module of each NIC, with underscores; built-in drivers have none."""
    found = {}
    for nic in sorted((root / "sys/class/net").glob("*")):
        try:
            module = (nic / "device/driver/module").readlink().name
        except OSError:
            continue
        found[nic.name] = module.replace("-", "_")
    return found


def _effective_setting(root: Path, name: str, key: str) -> int:
    """Return the value in force: the kernel uses the larger of the NIC's own and `all`."""
    base = root / "proc/sys/net/ipv4/conf"
    values = []
    for which in (name, "all"):
        try:
            values.append(to_integer((base / which / key).read_text().strip()) or 0)
        except OSError:
            values.append(0)
    return max(values)


def read_routes(root: Path = Path("/")) -> tuple[KernelRoute, ...]:
    """Return the main routing tables of both families (/proc/net/route, ipv6_route).

    Routes that are down or reject packets are left out, and so are multicast routes of IPv6. Rules
    and other tables (ip-rule(8)) are not read.
    """
    return (*_read_ipv4_routes(root), *_read_ipv6_routes(root))


def _read_rows(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        yield line.split()


def _read_ipv4_routes(root: Path) -> Iterator[KernelRoute]:
    for row in _read_rows(root / "proc/net/route"):
        if len(row) < 8 or row[0] == "Iface":
            continue
        try:
            flags, metric = int(row[3], 16), int(row[6])
            destination, gateway, mask = (_parse_ipv4_hex(row[index]) for index in (1, 2, 7))
            net = ipaddress.ip_network(f"{destination}/{mask}", strict=False)
        except ValueError:
            continue
        if flags & _RTF_UP and not flags & _RTF_REJECT:
            via = None if int(gateway) == 0 else str(gateway)
            yield KernelRoute(str(net), row[0], via, metric)


def _parse_ipv4_hex(digits: str) -> ipaddress.IPv4Address:
    """Parse an IPv4 address, which the kernel prints as four bytes in the machine's byte order."""
    return ipaddress.IPv4Address(bytes.fromhex(digits)[::-1])


def _read_ipv6_routes(root: Path) -> Iterator[KernelRoute]:
    for row in _read_rows(root / "proc/net/ipv6_route"):
        if len(row) < 10 or row[9] == "lo":
            continue
        try:
            net = ipaddress.ip_network((bytes.fromhex(row[0]), int(row[1], 16)), strict=False)
            gateway = ipaddress.IPv6Address(bytes.fromhex(row[4]))
            metric, flags = int(row[5], 16), int(row[8], 16)
        except ValueError:
            continue
        if flags & _RTF_UP and not flags & _RTF_REJECT and not net.is_multicast:
            yield KernelRoute(str(net), row[9], None if int(gateway) == 0 else str(gateway), metric)


def listening_address(root: Path = Path("/")) -> str | None:
    """Return an address, other than loopback, on which this host listens at port 3260.

    It is the first that is found; None if there is none. A wildcard address is 0.0.0.0 or `::`.
    """
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for row in _read_rows(root / "proc/net" / name):
            if len(row) < 4 or row[3] != _LISTEN:
                continue
            digits, _, number = row[1].partition(":")
            try:
                if int(number, 16) != ISCSI_PORT:
                    continue
                raw = bytes.fromhex(digits)
                words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
                address = ipaddress.ip_address(socket.inet_ntop(family, b"".join(words)))
            except ValueError:
                continue
            if not address.is_loopback:
                return str(address)
    return None


_POLICY = re.compile(r"^src (\S+) dst (\S+)")


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Parse `ip xfrm policy`: outgoing policies, and whether they protect (a tmpl line).

    A policy that blocks does not protect: nothing gets through.
    """
    found: list[Policy] = []
    destination, direction, protects, action = "", "", False, "allow"

    def end_policy() -> None:
        if destination and direction == "out":
            found.append(Policy(destination, protects and action == "allow"))

    for line in text.splitlines():
        match = _POLICY.match(line)
        if match:
            end_policy()
            destination, direction, protects, action = match[2], "", False, "allow"
            continue
        words = line.split()
        if words[:1] == ["dir"] and len(words) > 1:
            direction = words[1]
            if "action" in words:
                action = words[words.index("action") + 1 :][0]
        elif words[:1] == ["tmpl"]:
            protects = True
    end_policy()
    return tuple(found)


def read_policies(timeout: float) -> tuple[Policy, ...]:
    """Ask the kernel for its IPsec policies; only root may.

    Raises IscsictlError if it refuses, MissingError without ip(8), UnreachableError if it takes
    longer than `timeout` seconds.
    """
    result = run(["ip", "xfrm", "policy"], timeout=timeout, ok=None)
    if result.code:
        raise IscsictlError(
            f"the kernel does not list its IPsec policies: {result.last_line}",
            hint="ip xfrm policy needs root",
        )
    return parse_policies(result.out)
