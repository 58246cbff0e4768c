"""Text that the table and the tree of `ls` share."""

from ipaddress import IPv6Address

from iscsictl.model.listing import Mount, Session
from iscsictl.model.names import DEFAULT_PORT, Portal


def place_of(session: Session, *, short: bool = False) -> str | None:
    """Return the current portal, or else the requested one; None if neither is known.

    With `short` the default port is left out.
    """
    portal = canonical(session.portal or session.persistent_portal)
    if portal is None:
        return None
    if short and portal.port == DEFAULT_PORT:
        return portal.address
    return str(portal)


def canonical(portal: Portal | None) -> Portal | None:
    """Return the portal with its IPv6 address in canonical form (RFC 5952).

    The kernel prints all digits. An IPv4 address, a host name and None are returned unchanged.
    """
    if portal is None or ":" not in portal.address:
        return portal

    try:
        return Portal(str(IPv6Address(portal.address)), portal.port, portal.tpgt)
    except ValueError:
        return portal


def mount_text(mount: Mount) -> str:
    """Return the mount point, with `(ro)` if it is read-only.

    That may have been requested, or the filesystem may have become read-only after an error.
    """
    return f"{mount.path} (ro)" if "ro" in mount.options else mount.path
