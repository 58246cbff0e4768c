"""The content of the files of the old driver (sfnet 4.x, kernels 2.4 and 2.6).

Times are in seconds, lengths in bytes; lines count from 1. Values that differ from open-iscsi's
only in their words (digests) are already in those of open-iscsi.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from iscsictl.model.secret import Secret

Level = Literal["error", "warning", "note"]
Source = Literal["bindings", "file"]


@dataclass(frozen=True)
class Problem:
    """One line that is not imported as it is.

    An error is a line that the old driver refused too; a warning is one that it or open-iscsi
    ignores; a note is one that it accepted silently, but surely not as intended. `source` is where
    the line is: in the imported file, or in the list of targets that belongs to fstab.iscsi.
    """

    line: int
    text: str
    level: Level = "warning"
    source: Source = "file"


@dataclass(frozen=True)
class Setting:
    """One value and the line that sets it."""

    value: int | bool | str
    line: int


Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Account:
    """CHAP credentials of one direction; either may be missing."""

    username: str | None = None
    password: Secret | None = None
    line: int = 0

    def __bool__(self) -> bool:
        return self.username is not None or self.password is not None


@dataclass(frozen=True)
class Discovery:
    """A portal to ask for targets; `settings` are those in the file, without the defaults."""

    line: int
    address: str
    port: int
    account: Account = Account()
    incoming: Account = Account()
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Settings of one target. An empty name matches no target."""

    line: int
    name: str
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Subnet:
    """Settings of all portals in an IPv4 network (address/bits)."""

    line: int
    network: str
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class OldConfig:
    """The whole of iscsi.conf. `defaults` applies to targets without their own entry."""

    discovery: tuple[Discovery, ...] = ()
    targets: tuple[Target, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    defaults: Settings = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Binding:
    """Which target the old driver called /dev/iscsi/bus<bus>/target<id>."""

    bus: int
    id: int
    target: str


@dataclass(frozen=True)
class OldDevice:
    """A device of the old driver: bus, target id, LUN and partition (None is the whole disk)."""

    bus: int
    id: int
    lun: int
    part: int | None = None


@dataclass(frozen=True)
class OldMount:
    """One line of fstab.iscsi. `spec` is its first field with the escapes decoded."""

    line: int
    spec: str
    directory: str
    fstype: str
    options: tuple[str, ...] = ()
    device: OldDevice | None = None
