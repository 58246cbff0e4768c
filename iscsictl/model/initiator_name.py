"""The initiator name of this host."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InitiatorName:
    """/etc/iscsi/initiatorname.iscsi; times are in seconds since the epoch.

    `name` is None if the file has none. `machine_changed` is when machine-id(5) was written.
    """

    exists: bool = False
    name: str | None = None
    generate: bool = False
    changed: float | None = None
    machine_changed: float | None = None
