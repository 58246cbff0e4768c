"""What stands on a disk once it is activated: logical volumes, arrays, and filesystems in them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InactiveNames:
    """By what entries of fstab and crypttab may name what is not active on a device.

    `nodes` are paths in /dev, `tags` pairs such as ("UUID", "0a-1"), as blkid(8) spells them.
    """

    nodes: frozenset[str] = frozenset()
    tags: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class LogicalVolume:
    """A logical volume by the metadata of its group; `parts` are devices and other volumes of it.

    Devices are paths; of a device that is missing, lvs(8) says "[unknown]". `key` is the id that
    device-mapper knows it by.
    """

    group: str
    name: str
    key: str
    parts: frozenset[str] = frozenset()

    @property
    def nodes(self) -> frozenset[str]:
        """The paths that it has when it is active (lvm(8), "Valid names" and udev's links)."""
        mapped = "-".join(one.replace("-", "--") for one in (self.group, self.name))
        links = (f"name-{mapped}", f"uuid-LVM-{self.key}")
        return frozenset(
            {f"/dev/{self.group}/{self.name}", f"/dev/mapper/{mapped}"}
            | {f"/dev/disk/by-id/dm-{link}" for link in links}
        )


@dataclass(frozen=True)
class VolumeStart:
    """Where a logical volume begins on a device, in bytes, and how much of it follows there."""

    device: str
    offset: int
    size: int
