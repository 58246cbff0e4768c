"""What the files of the old driver (sfnet 4.x, kernels 2.4 and 2.6) say.

Times are seconds, lengths bytes, lines count from 1. Values stand as open-iscsi writes them
where the two differ only in words (digests).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from iscsictl.model.secret import Secret

Level = Literal["error", "warning", "note"]
Source = Literal["bindings", "file"]


@dataclass(frozen=True)
class Problem:
    """One line that is not carried over as it stands.

    An error is what the old driver refused too, a warning what it or open-iscsi ignores, a note
    what it took silently and surely not as it was meant. `source` is where the line stands: the
    file that is taken over, or the list of targets that goes with fstab.iscsi.
    """

    line: int
    text: str
    level: Level = "warning"
    source: Source = "file"


@dataclass(frozen=True)
class Setting:
    """One value and the line that gave it."""

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
    """A portal to ask for targets; `settings` holds what the file says, not the defaults."""

    line: int
    address: str
    port: int
    account: Account = Account()
    incoming: Account = Account()
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Settings of one target. An empty name fits no target."""

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
    """The whole of iscsi.conf. `everywhere` holds for targets without an entry of their own."""

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
    """One line of fstab.iscsi. `spec` is its first field with the escapes undone."""

    line: int
    spec: str
    directory: str
    fstype: str
    options: tuple[str, ...] = ()
    device: OldDevice | None = None
