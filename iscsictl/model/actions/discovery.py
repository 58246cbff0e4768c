"""Actions on discovery records and on the defaults of new records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from iscsictl.model.names import Portal
from iscsictl.model.plan import Action
from iscsictl.model.secret import Secret


@dataclass(frozen=True)
class CreateDiscovery(Action):
    """Create a discovery record for a portal (SendTargets) with the defaults of iscsid.conf."""

    verb: ClassVar[str] = "discovery"
    portal: Portal


@dataclass(frozen=True)
class DeleteDiscovery(Action):
    """Delete a discovery record."""

    verb: ClassVar[str] = "undiscover"
    portal: Portal


@dataclass(frozen=True)
class WriteDiscovery(Action):
    """Set values of a discovery record; None clears one. Secrets go straight to the file."""

    verb: ClassVar[str] = "settings"
    portal: Portal
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class WriteDefaults(Action):
    """Set values of iscsid.conf, the defaults of new records; None removes one."""

    verb: ClassVar[str] = "defaults"
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)
