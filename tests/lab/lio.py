"""What the array exports, as data, and the configfs steps that make the kernel do it.

The kernel's target (LIO) is set up through plain directories, files and links below
/sys/kernel/config/target; hundreds of steps go to the guest in one request.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@dataclass(frozen=True)
class Target:
    """A target with one portal group.

    Without `initiators` any initiator may log in (demo mode); with them, only these, and
    the LUNs of `read_only` are write-protected for them.  `chap` is what the initiator
    proves itself with, `mutual` what the target answers with.
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

    @property
    def group(self) -> str:
        """The portal group's directory."""
        return f"{ISCSI}/{self.iqn}/tpgt_{self.tpgt}"


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
    group = target.group
    yield "mkdir", ISCSI
    yield "mkdir", group
    yield "write", f"{group}/attrib/authentication", str(int(target.chap is not None))
    demo = not target.initiators
    protect = demo and bool(target.read_only)
    yield "write", f"{group}/attrib/generate_node_acls", str(int(demo))
    yield "write", f"{group}/attrib/cache_dynamic_acls", str(int(demo))
    yield "write", f"{group}/attrib/demo_mode_write_protect", str(int(protect))
    yield from auth_steps(f"{group}/auth", target.chap, target.mutual)
    for number, disk in target.luns.items():
        yield from map_steps(target, number, disk)
    for initiator in target.initiators:
        acl = f"{group}/acls/{initiator}"
        yield "mkdir", acl
        yield from auth_steps(f"{acl}/auth", target.chap, target.mutual)
        for number in target.luns:
            yield from acl_map_steps(target, initiator, number)
    for address in target.portals:
        yield "mkdir", f"{group}/np/{portal_of(address)}"
    if target.enabled:
        yield "write", f"{group}/enable", "1"


def auth_steps(
    directory: str, chap: Credentials | None, mutual: Credentials | None
) -> Iterator[Step]:
    """CHAP both ways; nothing is written for a way that is not used."""
    for suffix, pair in (("", chap), ("_mutual", mutual)):
        if pair is not None:
            yield "write", f"{directory}/userid{suffix}", pair[0]
            yield "write", f"{directory}/password{suffix}", pair[1]


def map_steps(target: Target, number: int, disk: Disk) -> Iterator[Step]:
    """A LUN number of a portal group to a disk."""
    lun = f"{target.group}/lun/lun_{number}"
    yield "mkdir", lun
    yield "link", f"{lun}/disk", f"{CORE}/{disk.name}"


def unmap_steps(target: Target, number: int) -> Iterator[Step]:
    """The inverse of `map_steps`, with what the initiators' ACLs hold of it."""
    for initiator in target.initiators:
        mapped = f"{target.group}/acls/{initiator}/lun_{number}"
        yield "unlink", f"{mapped}/lun"
        yield "rmdir", mapped
    lun = f"{target.group}/lun/lun_{number}"
    yield "unlink", f"{lun}/disk"
    yield "rmdir", lun


def acl_map_steps(target: Target, initiator: str, number: int) -> Iterator[Step]:
    """A LUN as one initiator sees it."""
    mapped = f"{target.group}/acls/{initiator}/lun_{number}"
    yield "mkdir", mapped
    yield "link", f"{mapped}/lun", f"{target.group}/lun/lun_{number}"
    yield "write", f"{mapped}/write_protect", str(int(number in target.read_only))


def target_removal(target: Target) -> Iterator[Step]:
    """The inverse of `target_steps`; sessions end."""
    group = target.group
    yield "write", f"{group}/enable", "0"
    for number in target.luns:
        yield from unmap_steps(target, number)
    for initiator in target.initiators:
        yield "rmdir", f"{group}/acls/{initiator}"
    for address in target.portals:
        yield "rmdir", f"{group}/np/{portal_of(address)}"
    yield "rmdir", group
    yield "rmdir", f"{ISCSI}/{target.iqn}"


def discovery_steps(chap: Credentials | None, mutual: Credentials | None) -> Iterator[Step]:
    """CHAP for discovery sessions, or none."""
    directory = f"{ISCSI}/discovery_auth"
    yield "mkdir", ISCSI
    yield from auth_steps(directory, chap, mutual)
    yield "write", f"{directory}/enforce_discovery_auth", str(int(chap is not None))
