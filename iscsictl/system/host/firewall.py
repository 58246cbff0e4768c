"""The rules of nf_tables, read with nft(8), and which of this host's addresses a portal sees."""

import socket
from collections.abc import Iterable
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.model.firewall import Firewall, Interval
from iscsictl.parse.nftables import needs_listing, parse_ruleset
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import read_attribute, to_integer

# The kernel's own default (Documentation/networking/ip-sysctl.rst).
_LOCAL_PORTS = (32768, 60999)
# The discard protocol (RFC 863). Nothing is sent to it: connect(2) on a UDP socket only chooses a
# route.
_DISCARD = 9


def read_firewall(timeout: float) -> Firewall:
    """Read all tables of nf_tables, including those of iptables-nft; only root may.

    Raises MissingError without nft(8), UnreachableError if it takes longer than `timeout` seconds,
    and IscsictlError if it fails or does not support JSON. Rules of iptables-legacy are not
    included.
    """
    text = _list_ruleset("--json", timeout)
    listing = _list_ruleset("--handle", timeout) if needs_listing(text) else ""
    try:
        return parse_ruleset(text, local_ports(), listing)
    except ValueError as error:
        raise IscsictlError(
            f"the firewall's rules cannot be read: {error}", hint="try: nft --json list ruleset"
        ) from error


def _list_ruleset(form: str, timeout: float) -> str:
    result = run(["nft", form, "list", "ruleset"], timeout=timeout, ok=None)
    if result.code:
        raise IscsictlError(
            f"nft cannot list the firewall's rules: {result.last_line}",
            hint="nft list ruleset shows what is wrong",
        )
    return result.out


def local_ports(root: Path = Path("/")) -> Interval:
    """Return the first and the last local port that the kernel uses for outgoing connections."""
    text = read_attribute(f"{root}/proc/sys/net/ipv4/ip_local_port_range") or ""
    first, last = ([to_integer(word) for word in text.split()] + [None, None])[:2]
    return _LOCAL_PORTS if first is None or last is None else (first, last)


def find_own_addresses(addresses: Iterable[str]) -> dict[str, str]:
    """Return the source address that the kernel would use for each address, by its routes.

    Addresses without a route, and host names, are left out.
    """
    found = {}
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.inet_pton(family, address)
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((address, _DISCARD))
                found[address] = str(asked.getsockname()[0])
        except OSError:
            continue
    return found
