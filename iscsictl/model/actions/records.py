"""Actions on node records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from iscsictl.model.names import Portal
from iscsictl.model.plan import Action
from iscsictl.model.secret import Secret


@dataclass(frozen=True)
class CreateRecord(Action):
    """Create a node record with the defaults of iscsid.conf."""

    verb: ClassVar[str] = "record"
    target: str
    portal: Portal
    iface: str


@dataclass(frozen=True)
class WriteRecord(Action):
    """Set values of a node record; None clears one. Secrets are written to the file directly."""

    verb: ClassVar[str] = "settings"
    target: str
    portal: Portal
    iface: str
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class DeleteRecord(Action):
    """Delete a node record; `direct`: without iscsiadm, which is slow for hundreds of records."""

    verb: ClassVar[str] = "forget"
    target: str
    portal: Portal
    iface: str
    direct: bool = False


@dataclass(frozen=True)
class RestoreRecord(Action):
    """Reset the settings that an edit of a record changed to their earlier values, and no others.

    `before` and `after` are the content of the file before and after the edit. They may contain
    secrets and are never shown.
    """

    verb: ClassVar[str] = "restore"
    path: Path
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


@dataclass(frozen=True)
class RemoveCorruptRecord(Action):
    """Remove a record that open-iscsi cannot use; with `keep_copy` a copy of it is kept."""

    verb: ClassVar[str] = "forget"
    path: Path
    keep_copy: bool = False


@dataclass(frozen=True)
class RemoveLink(Action):
    """Remove a link in the node database that leads to no record."""

    verb: ClassVar[str] = "unlink"
    path: Path
