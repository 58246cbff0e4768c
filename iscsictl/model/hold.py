"""A hold: something that an admin took down and that stays down, at most until the next boot."""

from dataclasses import dataclass

from iscsictl.model.names import Portal


@dataclass(frozen=True)
class Hold:
    """A hold on a mount point, or on a target, optionally only one portal and interface of it.

    `until` is in seconds of CLOCK_BOOTTIME, which setting the clock does not affect; None means
    until `unhold` or a boot. `why` is the command that set the hold.
    """

    target: str | None = None
    portal: Portal | None = None
    iface: str | None = None
    mount_point: str | None = None
    until: float | None = None
    why: str = ""

    def covers(self, target: str, portal: Portal | None = None, iface: str | None = None) -> bool:
        """Return whether the hold forbids this login.

        A hold without a portal or an interface covers all of them. Portal group tags are ignored.
        """
        return (
            self.target == target
            and (self.portal is None or (portal is not None and self.portal.same_place(portal)))
            and (self.iface is None or self.iface == iface)
        )

    def covers_mount(self, mount_point: str) -> bool:
        """Return whether the hold forbids mounting there; a trailing slash does not matter.

        Mount points below the held one are not covered: each has its own hold.
        """
        own = self.mount_point
        return own is not None and (own.rstrip("/") or "/") == (mount_point.rstrip("/") or "/")

    @property
    def name(self) -> str:
        """What is held, for output: a mount point, or target, portal and interface."""
        if self.mount_point is not None:
            return self.mount_point
        parts = (self.target, self.portal, self.iface)
        return " ".join(str(part) for part in parts if part is not None)
