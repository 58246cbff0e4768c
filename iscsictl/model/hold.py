"""A hold: what an admin took down and what therefore stays down (until a boot at the latest)."""

from dataclasses import dataclass

from iscsictl.model.names import Portal


@dataclass(frozen=True)
class Hold:
    """Names a mount point, or a target and perhaps one portal and interface of it.

    `until` counts seconds of CLOCK_BOOTTIME, which no change of the clock moves; None is until
    `unhold` or a boot. `why` is the command that set it.
    """

    target: str | None = None
    portal: Portal | None = None
    iface: str | None = None
    mount_point: str | None = None
    until: float | None = None
    why: str = ""

    def covers(self, target: str, portal: Portal | None = None, iface: str | None = None) -> bool:
        """Tell whether logging in there is held; what the hold leaves open, it covers.

        A hold on a target alone covers all its portals and interfaces. Portal group tags do not
        count.
        """
        return (
            self.target == target
            and (self.portal is None or (portal is not None and self.portal.same_place(portal)))
            and (self.iface is None or self.iface == iface)
        )

    def covers_mount(self, mount_point: str) -> bool:
        """Tell whether mounting there is held; a slash at the end does not matter.

        Mount points below it are not covered: each has its own hold.
        """
        own = self.mount_point
        return own is not None and (own.rstrip("/") or "/") == (mount_point.rstrip("/") or "/")

    @property
    def name(self) -> str:
        """What is held, for people: a mount point, or target, portal and interface."""
        if self.mount_point is not None:
            return self.mount_point
        parts = (self.target, self.portal, self.iface)
        return " ".join(str(part) for part in parts if part is not None)
