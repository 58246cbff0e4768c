"""Whether the requested directory is free for the disk of an attach."""

from iscsictl.errors import InUseError, IscsictlError, RefusedError
from iscsictl.model.inventory import Inventory
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import AttachSpec

#: In place of the WWID of a disk that is not there yet.
UNKNOWN = "?"


class MountPointError(IscsictlError):
    """Nothing can be mounted on the requested directory; another one would do."""


class MountPointInUseError(MountPointError, InUseError):
    """Something else is mounted there."""


class MountPointRefusedError(MountPointError, RefusedError):
    """It is no directory, a mount would hide what is in it, or fstab has it for something else."""


def require_free_mount_point(inventory: Inventory, spec: AttachSpec, wwid: str) -> None:
    """Raise MountPointError unless the mount point, if there is one, is free for the disk.

    `wwid` is that of the disk, UNKNOWN if the disk is not there yet.
    """
    path, place = spec.mount, inventory.mount_point_state
    if path is None:
        return
    require_own_lines(inventory, path, wwid)
    if place.mounted is not None:
        # While the disk is not there, what is mounted can be this very disk, as fstab has it.
        if wwid == UNKNOWN and inventory.fstab.by_dir(path):
            return
        raise MountPointInUseError(
            f"{path} is already the mount point of {place.source}",
            hint=f"choose another directory, or unmount it first: umount {shell_form(path)}",
        )
    if place.exists and not place.directory:
        raise MountPointRefusedError(
            f"{path} is not a directory", hint="choose another mount point"
        )
    if not place.empty and not spec.consent.over_nonempty:
        raise MountPointRefusedError(
            f"{path} is not empty: a mount would hide its content",
            hint="choose an empty directory, or use --over-nonempty",
        )


def require_own_lines(inventory: Inventory, path: str, wwid: str) -> None:
    """Raise MountPointError if a line of fstab for another disk has the mount point.

    `wwid` is as for `require_free_mount_point`.
    """
    lines = inventory.fstab.by_dir(path)
    how = "edit /etc/fstab to remove it"
    if all(line.is_ours for line in lines):
        how = f"remove it: iscsictl fstab rm {shell_form(path)}"
        if inventory.mount_point_state.mounted is not None:
            # A volume that is in use would be missing after the next boot.
            how = f"detach what is mounted there: iscsictl detach {shell_form(path)}"
    for line in lines:
        if not line.is_ours or wwid not in {line.wwid, UNKNOWN}:
            raise MountPointRefusedError(
                f"/etc/fstab line {line.number} mounts something else on {path}",
                hint=f"use another directory, or {how}",
            )
