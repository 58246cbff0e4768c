"""Actions on the host: names, interfaces, files of the node database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from iscsictl.model.plan import Action


@dataclass(frozen=True)
class SetInitiatorName(Action):
    """Write the initiator name and have iscsid read it; only while no session is up."""

    verb: ClassVar[str] = "initiator"
    name: str


@dataclass(frozen=True)
class WriteIface(Action):
    """Write an interface definition; None removes a value."""

    verb: ClassVar[str] = "iface"
    name: str
    values: Mapping[str, str | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class RemoveIface(Action):
    """Remove an interface definition that nothing uses."""

    verb: ClassVar[str] = "remove-iface"
    name: str


@dataclass(frozen=True)
class FirmwareLogin(Action):
    """Log in to the targets of the firmware's boot table."""

    verb: ClassVar[str] = "firmware-login"


@dataclass(frozen=True)
class ClearLock(Action):
    """Remove a lock of the node database that no living process owns."""

    verb: ClassVar[str] = "unlock"


@dataclass(frozen=True)
class Protect(Action):
    """Make a file that may contain secrets accessible to root only (mode 0600)."""

    verb: ClassVar[str] = "protect"
    path: Path
