"""The name of this host as an initiator."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InitiatorName:
    """/etc/iscsi/initiatorname.iscsi; times are seconds of the epoch.

    `name` is None where the file has none. `machine_changed` is when the machine's id was made.
    """

    exists: bool = False
    name: str | None = None
    generate: bool = False
    changed: float | None = None
    machine_changed: float | None = None
