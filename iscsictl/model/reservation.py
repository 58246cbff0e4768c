"""SCSI-3 persistent reservations: who has registered with a LUN and who holds it (SPC-4 5.12)."""

from dataclasses import dataclass, field
from enum import IntEnum

from iscsictl.errors import RefusedError
from iscsictl.model.shell_form import shell_form


class ReservationType(IntEnum):
    """What a reservation forbids to others: the values of the TYPE field (SPC-4 6.15.3.4)."""

    WRITE_EXCLUSIVE = 1
    EXCLUSIVE_ACCESS = 3
    WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5
    EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6
    WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7
    EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8


def format_key(key: int) -> str:
    """Return a reservation key as arrays and sg_persist(8) show it: sixteen hexadecimal digits."""
    return f"0x{key:016x}"


def _status_command(device: str) -> str:
    """Return the command of sg3-utils that shows all registrations."""
    return f"sg_persist --in --read-full-status {shell_form(device)}"


def _hint_about_holder(device: str) -> str:
    """Return a hint how to find the host that holds the LUN, and what to do if it is gone.

    A refused attach logs out again, so the user may have to log in before these commands work.
    """
    return (
        f"try again later; while logged in to the target, {_status_command(device)} shows who it "
        "is, and if that host is off for good, iscsictl take-over TARGET --lun N --confirm KEY "
        "frees the LUN"
    )


def no_reservations(device: str) -> RefusedError:
    """Return the error for `--exclusive` on a LUN that does not support reservations."""
    return RefusedError(
        f"{device} does not support SCSI-3 persistent reservations, which --exclusive needs",
        hint="map the LUN to this host only, and omit --exclusive (exclusive = true)",
    )


@dataclass(frozen=True)
class Reservation:
    """The reservation of a LUN. `key` is 0 where all registrants hold it together.

    `type` is a number of `ReservationType`, or one that SPC-4 does not define. `key` and `type` are
    None if the LUN only reports that it is reserved.
    """

    key: int | None = None
    type: int | None = None


@dataclass(frozen=True)
class Registration:
    """One I_T nexus that has registered: its key, and the initiator's name and ISID (RFC 7143).

    The name is None if the array does not give it in iSCSI's format. `port` is the relative
    identifier of the target port, None for a registration on all target ports.
    """

    key: int
    initiator: str | None = None
    isid: str | None = None
    port: int | None = None


@dataclass(frozen=True)
class LunReservations:
    """Everything that a LUN reports about its reservations, from the point of view of this host.

    `own_key` is the key of this host, None if it has none. `keys` are all registered keys, one for
    each I_T nexus. `clones` are the names of other initiators that have registered with the key of
    this host; they are known only if `owners_known`. `supported` is False only if the LUN itself
    says so. `registrations` are those with the key of this host, and `unregistered` the working
    paths over which it has not registered, as far as both are known.
    """

    own_key: int | None = None
    supported: bool = True
    keys: tuple[int, ...] = ()
    holder: Reservation | None = None
    clones: tuple[str, ...] = ()
    owners_known: bool = True
    registrations: tuple[Registration, ...] = field(default=(), compare=False, repr=False)
    unregistered: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether nobody has registered or reserved anything."""
        return not self.keys and self.holder is None

    @property
    def held_by(self) -> str:
        """Who holds the LUN, in words: this host, the key of another one, or nobody."""
        if self.holder is None:
            return "nobody"
        if self.clones:
            return "a host with this key"
        return self.other_holder or "this host"

    @property
    def is_registered(self) -> bool:
        """Whether this host has registered, over a current or an earlier session."""
        return self.own_key is not None and self.own_key in self.keys

    @property
    def is_ours(self) -> bool:
        """Whether this host, and no other with the same key, has registered."""
        return self.is_registered and not self.clones

    @property
    def own_key_is_doubtful(self) -> bool:
        """Whether another host may have registered with the key of this one.

        Either the array names such a host, or it does not report who has registered.
        """
        return self.is_registered and bool(self.clones or not self.owners_known)

    def is_kept(self, kind: ReservationType, paths: int) -> bool:
        """Return whether this host has a reservation of this type and registered over all paths.

        `paths` is their number. A registration of an ended session counts too, unless it is known
        that a path has none.
        """
        own = self.own_key
        enough = self.keys.count(own or 0) >= paths and not self.unregistered
        return self.holder == Reservation(own, kind) and enough

    @property
    def other_keys(self) -> tuple[int, ...]:
        """The keys of other hosts, each once."""
        return tuple(dict.fromkeys(key for key in self.keys if key != self.own_key))

    @property
    def other_holder(self) -> str | None:
        """Which other host holds the LUN, by its key; None if it is this host or nobody."""
        if self.holder is None:
            return None
        key = self.holder.key
        if key == 0:
            # All registrants hold it, and this host may be the only one.
            own = self.own_key if self.is_registered else None
            key = next(iter(self.other_keys), own)
        if key is None:
            return "a host that does not report its key"
        return None if key == self.own_key else f"key {format_key(key)}"

    def refusal(self, device: str) -> RefusedError | None:
        """Return why this host must not write to the LUN; None if no reservation forbids it."""
        if self.own_key is not None and self.clones:
            return RefusedError(
                f"{device} is registered with the reservation key of this host, "
                f"{format_key(self.own_key)}, by another one: {', '.join(self.clones)}",
                hint="both hosts have the same machine-id(5): give the copy its own; if that is "
                "an earlier initiator name of this host: iscsictl take-over TARGET --lun N "
                "--confirm KEY",
            )
        if self.other_holder is not None:
            return RefusedError(
                f"{device} is under another host's SCSI-3 persistent reservation: "
                f"{self.other_holder}",
                hint=f"that host uses the LUN, or is formatting it: {_hint_about_holder(device)}",
            )
        return None

    def exclusive_refusal(self, device: str) -> RefusedError | None:
        """Return why this host cannot have the LUN for itself; None if it can.

        Until this host has registered, any registration of another host prevents it too: under a
        registrants-only reservation that host could write.
        """
        if not self.supported:
            return no_reservations(device)
        return self.refusal(device) if self.is_registered else self.format_refusal(device)

    def format_refusal(self, device: str) -> RefusedError | None:
        """Return why the LUN must not be formatted; None if it may.

        Even a registration of another host, without a reservation, forbids it.
        """
        refusal = self.refusal(device)
        if refusal is not None or not self.other_keys:
            return refusal
        keys = ", ".join(map(format_key, self.other_keys))
        return RefusedError(
            f"another host has registered for persistent reservations of {device}: key {keys}",
            hint="a cluster uses the LUN, or another host is about to format it: "
            + _hint_about_holder(device),
        )
