"""What appears on a disk once it is activated: logical volumes, arrays and their filesystems."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InactiveNames:
    """The names under which fstab and crypttab may refer to inactive volumes on a device.

    `nodes` are paths in /dev, `tags` pairs such as ("UUID", "0a-1"), as blkid(8) spells them.
    """

    nodes: frozenset[str] = frozenset()
    tags: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class LogicalVolume:
    """A logical volume according to the metadata of its group.

    `parts` are the paths of the devices and the names of the volumes that it consists of; a missing
    device is "[unknown]", as lvs(8) prints it. `key` is its id in device-mapper.
    """

    group: str
    name: str
    key: str
    parts: frozenset[str] = frozenset()

    @property
    def nodes(self) -> frozenset[str]:
        """The paths that it has when it is active (lvm(8), "Valid names", and udev's links)."""
        mapped = "-".join(part.replace("-", "--") for part in (self.group, self.name))
        links = (f"name-{mapped}", f"uuid-LVM-{self.key}")
        return frozenset(
            {f"/dev/{self.group}/{self.name}", f"/dev/mapper/{mapped}"}
            | {f"/dev/disk/by-id/dm-{link}" for link in links}
        )


@dataclass(frozen=True)
class VolumeStart:
    """Where a logical volume begins on a device, and how much of it is there; both in bytes."""

    device: str
    offset: int
    size: int
