"""The names of packages in each distribution, and the commands to install and remove one."""

from collections.abc import Mapping
from typing import Literal

PackageManager = Literal["apt", "dnf", "zypper"]

# The names that differ from Debian's.
_NAMES: Mapping[str, Mapping[PackageManager, str]] = {
    "open-iscsi": {"dnf": "iscsi-initiator-utils"},
    "multipath-tools": {"dnf": "device-mapper-multipath"},
    "fdisk": {"dnf": "util-linux", "zypper": "util-linux"},
    "mount": {"dnf": "util-linux", "zypper": "util-linux"},
    "dmsetup": {"dnf": "device-mapper", "zypper": "device-mapper"},
    "udev": {"dnf": "systemd-udev"},
    "iproute2": {"dnf": "iproute"},
    "btrfs-progs": {"zypper": "btrfsprogs"},
    "cron": {"dnf": "cronie", "zypper": "cronie"},
}
# The programs in each package, by the name of the package in Debian.
_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "open-iscsi": ("iscsiadm", "iscsi-iname"),
    "multipath-tools": ("multipath", "multipathd"),
    "fdisk": ("sfdisk",),
    "util-linux": ("blkid", "blockdev", "findmnt", "mkswap", "partx", "setsid", "wipefs"),
    "mount": ("mount", "umount"),
    "kpartx": ("kpartx",),
    "dmsetup": ("dmsetup",),
    "udev": ("udevadm",),
    "systemd": ("systemctl", "journalctl"),
    "iproute2": ("ip",),
    "parted": ("parted",),
    "e2fsprogs": ("mkfs.ext2", "mkfs.ext3", "mkfs.ext4", "resize2fs"),
    "xfsprogs": ("mkfs.xfs", "xfs_growfs", "xfs_logprint"),
    "btrfs-progs": ("mkfs.btrfs", "btrfs"),
    "dosfstools": ("mkfs.vfat",),
    "nftables": ("nft",),
}
_OF_PROGRAMS = {program: package for package, some in _PROGRAMS.items() for program in some}
_REMOVES: Mapping[PackageManager, str] = {
    "apt": "apt purge", "dnf": "dnf remove", "zypper": "zypper remove",
}  # fmt: skip


def install_command(package: str, manager: PackageManager | None) -> str:
    """Return the command that installs a package, given its name in Debian.

    If the package manager is not known, return an instruction in words.
    """
    if manager is None:
        return f"install the package {package}"
    return f"{manager} install {_NAMES.get(package, {}).get(manager, package)}"


def install_program_command(program: str, manager: PackageManager | None) -> str:
    """Return the command that installs a program, or an instruction in words if that is unknown."""
    package = _OF_PROGRAMS.get(program)
    if package is None:
        return f"install {program}"
    # SUSE has the programs that need libudev in a separate package.
    if (program, manager) == ("findmnt", "zypper"):
        package = "util-linux-systemd"
    return install_command(package, manager)


def remove_command(package: str, manager: PackageManager | None) -> str:
    """Return the command that removes a package with the same name in all distributions."""
    if manager is None:
        return f"remove the package {package}"
    return f"{_REMOVES[manager]} {package}"
