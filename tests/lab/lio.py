"""What the array exports, as data, and the configfs steps that make the kernel do it.

The kernel's target (LIO) is set up through plain directories, files and links below
/sys/kernel/config/target; hundreds of steps go to the guest in one request.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = "/sys/kernel/config/target"
CORE = f"{CONFIG}/core/fileio_0"
ISCSI = f"{CONFIG}/iscsi"
STORE = "/var/lib/lab"
#: Where the target may keep registrations (dbroot); without the directory it refuses them all.
RESERVATIONS = ("/etc/rtslib-fb-target/pr", "/etc/target/pr", "/var/target/pr")

Step = tuple[str, ...]
#: A user name and a secret.
Credentials = tuple[str, str]


@dataclass(frozen=True)
class Disk:
    """A sparse file on the array that can stand behind a LUN.  `size` is in bytes."""

    name: str
    size: int
    block_size: int
    serial: str

    @property
    def path(self) -> str:
        """The file, in the array."""
        return f"{STORE}/{self.name}.img"

    @property
    def wwid(self) -> str:
        """The name the kernel's sysfs will show: LIO makes it from the serial's hex digits."""
        digits = re.sub(r"[^0-9a-f]", "", self.serial.lower())
        return f"naa.6001405{digits[:25]:0<25}"


class Access(enum.IntEnum):
    """What a port lets be done with a LUN: asymmetric logical unit access (SPC-4, 5.15.2)."""

    OPTIMIZED = 0
    NON_OPTIMIZED = 1
    #: No reads and writes, but INQUIRY, capacity and reservations.
    STANDBY = 2
    #: INQUIRY, REPORT LUNS and REPORT TARGET PORT GROUPS alone.
    UNAVAILABLE = 3
    TRANSITIONING = 15


class Changes(enum.IntEnum):
    """Who changes the access (the TPGS field of INQUIRY data): the array, or hosts too."""

    IMPLICIT = 1
    BOTH = 3


class PortalGroup(NamedTuple):
    """A portal group of a target: its directory, its portals and their access to the LUNs."""

    directory: str
    portals: tuple[str, ...]
    access: Access | None

    @property
    def alua_name(self) -> str:
        """The name of the group of target ports that it is for each of its disks."""
        iqn, tpgt = self.directory.split("/")[-2:]
        return f"{iqn}_{tpgt}"


@dataclass(frozen=True)
class Target:
    """A target with one portal group, or one for each portal.

    Without `initiators` any initiator may log in (demo mode); with them, only these, and
    the LUNs of `read_only` are write-protected for them.  `chap` is what the initiator
    proves itself with, `mutual` what the target answers with.  With `access`, each portal is
    a controller's: it has a portal group of its own, `tpgt` being the first one's, with an
    access of its own, which `changes` tells who changes.
    """

    iqn: str
    portals: tuple[str, ...]
    luns: dict[int, Disk] = field(hash=False)
    tpgt: int = 1
    chap: Credentials | None = None
    mutual: Credentials | None = None
    initiators: tuple[str, ...] = ()
    read_only: frozenset[int] = frozenset()
    enabled: bool = True
    access: Mapping[str, Access] = field(default_factory=dict, hash=False)
    changes: Changes = Changes.IMPLICIT

    @property
    def groups(self) -> tuple[PortalGroup, ...]:
        """The portal groups; the number of the first is `tpgt`."""
        base = f"{ISCSI}/{self.iqn}/tpgt_"
        if not self.access:
            return (PortalGroup(f"{base}{self.tpgt}", self.portals, None),)
        return tuple(
            PortalGroup(f"{base}{number}", (portal,), self.access[portal])
            for number, portal in enumerate(self.portals, self.tpgt)
        )


def size_of(size: int | str) -> int:
    """Bytes from a number, or from text such as `512M`, `1G`, `3T` (powers of 1024)."""
    if isinstance(size, int):
        return size
    found = re.fullmatch(r"(\d+)([KMGT]?)", size)
    if found is None:
        raise ValueError(f"no size: {size!r}")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2]]


def serial_of(name: str) -> str:
    """A serial for a disk that was given none: of its name, the same in every run."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def portal_of(address: str) -> str:
    """An address, with or without a port, as LIO writes portals (IPv6 in brackets)."""
    if address.startswith("["):
        return address if "]:" in address else f"{address}:3260"
    if address.count(":") > 1:
        return f"[{address}]:3260"
    return address if ":" in address else f"{address}:3260"


def disk_steps(disk: Disk) -> Iterator[Step]:
    """A disk's backstore; its file must be there."""
    store = f"{CORE}/{disk.name}"
    yield "mkdir", store
    yield "write", f"{store}/control", f"fd_dev_name={disk.path},fd_dev_size={disk.size}"
    yield "write", f"{store}/enable", "1"
    yield "write", f"{store}/attrib/block_size", str(disk.block_size)
    yield "write", f"{store}/attrib/emulate_model_alias", "1"
    yield "write", f"{store}/wwn/vpd_unit_serial", disk.serial


def disk_removal(disk: Disk) -> Iterator[Step]:
    """The inverse of `disk_steps`."""
    yield "rmdir", f"{CORE}/{disk.name}"


def grow_steps(disk: Disk) -> Iterator[Step]:
    """The file and the backstore at the disk's (new) size."""
    yield "size", disk.path, str(disk.size)
    yield "write", f"{CORE}/{disk.name}/control", f"fd_dev_size={disk.size}"


def target_steps(target: Target) -> Iterator[Step]:
    """A target whose disks have their backstores already."""
    yield "mkdir", ISCSI
    for group in target.groups:
        yield from _group_steps(target, group)


def _group_steps(target: Target, group: PortalGroup) -> Iterator[Step]:
    base = group.directory
    yield "mkdir", base
    yield "write", f"{base}/attrib/authentication", str(int(target.chap is not None))
    demo = not target.initiators
    protect = demo and bool(target.read_only)
    yield "write", f"{base}/attrib/generate_node_acls", str(int(demo))
    yield "write", f"{base}/attrib/cache_dynamic_acls", str(int(demo))
    yield "write", f"{base}/attrib/demo_mode_write_protect", str(int(protect))
    yield from auth_steps(f"{base}/auth", target.chap, target.mutual)
    for number, disk in target.luns.items():
        yield from _group_map_steps(target, group, number, disk)
    for initiator in target.initiators:
        acl = f"{base}/acls/{initiator}"
        yield "mkdir", acl
        yield from auth_steps(f"{acl}/auth", target.chap, target.mutual)
        for number in target.luns:
            yield from _acl_map_steps(target, group, initiator, number)
    for address in group.portals:
        yield "mkdir", f"{base}/np/{portal_of(address)}"
    if target.enabled:
        yield "write", f"{base}/enable", "1"


def enable_steps(target: Target) -> Iterator[Step]:
    """The portal groups enabled, or not, as the target says."""
    for group in target.groups:
        yield "write", f"{group.directory}/enable", str(int(target.enabled))


def auth_steps(
    directory: str, chap: Credentials | None, mutual: Credentials | None
) -> Iterator[Step]:
    """CHAP both ways; nothing is written for a way that is not used."""
    for suffix, pair in (("", chap), ("_mutual", mutual)):
        if pair is not None:
            yield "write", f"{directory}/userid{suffix}", pair[0]
            yield "write", f"{directory}/password{suffix}", pair[1]


def map_steps(target: Target, number: int, disk: Disk) -> Iterator[Step]:
    """A LUN number of a target to a disk, for each of its initiators."""
    for group in target.groups:
        yield from _group_map_steps(target, group, number, disk)
        for initiator in target.initiators:
            yield from _acl_map_steps(target, group, initiator, number)


def _group_map_steps(target: Target, group: PortalGroup, number: int, disk: Disk) -> Iterator[Step]:
    lun = f"{group.directory}/lun/lun_{number}"
    yield "mkdir", lun
    yield "link", f"{lun}/disk", f"{CORE}/{disk.name}"
    if group.access is not None:
        ports = _ports_of(group, disk)
        yield "mkdir", ports
        yield "write", f"{ports}/tg_pt_gp_id", "0"  # the next one that is free
        yield "write", f"{ports}/alua_access_type", str(int(target.changes))
        yield "write", f"{ports}/alua_access_state", str(int(group.access))
        yield "write", f"{lun}/alua_tg_pt_gp", group.alua_name


def _ports_of(group: PortalGroup, disk: Disk) -> str:
    """The directory of the group of target ports (ALUA) that a portal group is for a disk."""
    return f"{CORE}/{disk.name}/alua/{group.alua_name}"


def access_steps(target: Target) -> Iterator[Step]:
    """The access of each portal group of a running target.

    First those that lose theirs: of two controllers one has a LUN at a time.
    """
    for group in sorted(target.groups, key=lambda group: -(group.access or 0)):
        for disk in target.luns.values():
            if group.access is not None:
                state = str(int(group.access))
                yield "write", f"{_ports_of(group, disk)}/alua_access_state", state


def unmap_steps(target: Target, number: int) -> Iterator[Step]:
    """The inverse of `map_steps`, with what the initiators' ACLs hold of it."""
    for group in target.groups:
        for initiator in target.initiators:
            mapped = f"{group.directory}/acls/{initiator}/lun_{number}"
            yield "unlink", f"{mapped}/lun"
            yield "rmdir", mapped
        lun = f"{group.directory}/lun/lun_{number}"
        yield "unlink", f"{lun}/disk"
        yield "rmdir", lun
        if group.access is not None:
            yield "rmdir", _ports_of(group, target.luns[number])


def _acl_map_steps(
    target: Target, group: PortalGroup, initiator: str, number: int
) -> Iterator[Step]:
    """A LUN as one initiator sees it."""
    mapped = f"{group.directory}/acls/{initiator}/lun_{number}"
    yield "mkdir", mapped
    yield "link", f"{mapped}/lun", f"{group.directory}/lun/lun_{number}"
    yield "write", f"{mapped}/write_protect", str(int(number in target.read_only))


def target_removal(target: Target) -> Iterator[Step]:
    """The inverse of `target_steps`; sessions end."""
    for group in target.groups:
        yield "write", f"{group.directory}/enable", "0"
    for number in target.luns:
        yield from unmap_steps(target, number)
    for group in target.groups:
        for initiator in target.initiators:
            yield "rmdir", f"{group.directory}/acls/{initiator}"
        for address in group.portals:
            yield "rmdir", f"{group.directory}/np/{portal_of(address)}"
        yield "rmdir", group.directory
    yield "rmdir", f"{ISCSI}/{target.iqn}"


def discovery_steps(chap: Credentials | None, mutual: Credentials | None) -> Iterator[Step]:
    """CHAP for discovery sessions, or none."""
    directory = f"{ISCSI}/discovery_auth"
    yield "mkdir", ISCSI
    yield from auth_steps(directory, chap, mutual)
    yield "write", f"{directory}/enforce_discovery_auth", str(int(chap is not None))
