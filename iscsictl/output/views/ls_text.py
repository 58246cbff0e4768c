"""Text that the table and the tree of `ls` have in common."""

from ipaddress import IPv6Address

from iscsictl.model.listing import Mount, Session
from iscsictl.model.names import DEFAULT_PORT, Portal


def place_of(session: Session, *, short: bool = False) -> str | None:
    """Return the portal in use, else the one that was asked for; None if neither is known.

    With `short` the default port is left out.
    """
    portal = canonical(session.portal or session.persistent_portal)
    if portal is None:
        return None
    if short and portal.port == DEFAULT_PORT:
        return portal.address
    return str(portal)


def canonical(portal: Portal | None) -> Portal | None:
    """Return the portal with its IPv6 address as people write it (RFC 5952).

    The kernel writes every digit of one. An IPv4 address, a host name and None stay as they are.
    """
    if portal is None or ":" not in portal.address:
        return portal

    try:
        return Portal(str(IPv6Address(portal.address)), portal.port, portal.tpgt)
    except ValueError:
        return portal


def mount_text(mount: Mount) -> str:
    """Return where it is mounted, and whether it cannot be written.

    `(ro)` is said of a mount that was asked to be read-only, and of a filesystem that fell back to
    it.
    """
    return f"{mount.path} (ro)" if "ro" in mount.options else mount.path
