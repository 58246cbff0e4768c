"""Filesystems on iSCSI disks: whether they can be written, and who can replace mount points."""

import re
from collections.abc import Iterable, Iterator, Mapping

from iscsictl.errors import RefusedError
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine, MountHealth
from iscsictl.model.inventory import DISK_GONE, Known, Observation, ReadFailed
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.mount_points import exposure

# Devices of LVM, dm-crypt and md; a multipath map is never gone, but without paths.
_VOLUME = re.compile(r"/dev/(?:mapper/|dm-|md)")
_FULL = "the array is out of space: free or add space there, then "


def check(machine: Machine) -> Iterator[Finding]:
    """Report filesystems that became read-only or fail, and mount points that are not safe.

    Errors of a disk in the kernel's log are reported once, with the filesystem on it. Those of a
    path are only a warning while its map has none: device-mapper sent the I/O over another path.
    A path that is standby is expected to have some.
    """
    errors = machine.trouble.value.disk_errors if isinstance(machine.trouble, Known) else {}
    disks = machine.listing.disks or ()
    below_of = _devices_below(disks)
    repeated = _repeated_errors(errors, disks)
    for device in sorted(repeated - _expected_errors(errors, disks)):
        message = f"{errors[device]}; its map repeated the I/O over another path"
        yield warn("disk-errors", message, "see which path: iscsictl ls; multipath -ll", device)
    errors = {device: text for device, text in errors.items() if device not in repeated}
    reported: set[str] = set()
    for mount in machine.mounts:
        below = below_of.get(mount.device, set())
        troubles = sorted((device, text) for device, text in errors.items() if device in below)
        reported.update(device for device, _ in troubles)
        yield from _check_filesystem(
            mount,
            min(troubles, key=lambda trouble: not _says_out_of_space(trouble[1]), default=None),
        )
    # The kernel's log also has errors of disks that are not iSCSI: they are not reported.
    ours = {device for disk in disks for device in _disk_and_path_devices(disk)}
    for device in sorted((errors.keys() & ours) - reported):
        yield fail(
            "disk-errors", errors[device], _fix_for_disk_error(errors[device], device), device
        )
    if isinstance(machine.trouble, ReadFailed) and machine.mounts:
        yield skip("disk-errors", machine.trouble.error.text, "sudo iscsictl doctor")
    for path, state in machine.mount_points.items():
        yield from _check_mount_point(path, state)


def _check_mount_point(path: str, state: Observation[tuple[str, ...]]) -> Iterator[Finding]:
    """Report what is wrong with a mount point; one that cannot be read is left to other checks."""
    if isinstance(state, ReadFailed) and isinstance(state.error, RefusedError):
        yield fail("mount-link", state.error.text, state.error.hint or "name a directory", path)
    elif isinstance(state, Known) and state.value:
        yield warn(
            "mount-exposed",
            exposure(path, state.value) or "",
            "mount it elsewhere, for example under /srv, or allow only root to write there: chown "
            f"root {shell_form(state.value[0])} && chmod go-w {shell_form(state.value[0])}",
            path,
        )
    elif isinstance(state, Known):
        yield ok("mount-exposed", "only root can replace it", path)


def _expected_errors(errors: Mapping[str, str], disks: Iterable[Disk]) -> set[str]:
    """Return the paths with errors over which the array serves no reads and writes.

    udev reads each new disk, whose answer is NOT READY: an error of no special kind in the log.
    """
    passive = (path.device for disk in disks for path in disk.paths if path.is_passive)
    return {device for device in passive if ": I/O error on" in errors.get(device, "")}


def _repeated_errors(errors: Mapping[str, str], disks: Iterable[Disk]) -> set[str]:
    """Return the paths with errors whose map has none, as device-mapper used another path.

    Errors that mean that the array is out of space are excluded: they are the same on every path.
    """
    return {
        path.device
        for disk in disks
        if disk.block.kind == "mpath" and disk.block.device not in errors
        for path in disk.paths
        if path.device in errors and not _says_out_of_space(errors[path.device])
    }


def _disk_and_path_devices(disk: Disk) -> set[str]:
    return {path.device for path in disk.paths} | {block.device for block in blocks(disk.block)}


def _devices_below(disks: Iterable[Disk]) -> dict[str, set[str]]:
    """Return, for each device on these disks, the device itself and those below it."""
    below: dict[str, set[str]] = {}

    def add_devices_below(block: Block, underlying: frozenset[str]) -> None:
        own = underlying | {block.device}
        below.setdefault(block.device, set()).update(own)
        for child in block.children:
            add_devices_below(child, own)

    for disk in disks:
        add_devices_below(disk.block, frozenset(path.device for path in disk.paths))
    return below


def _says_out_of_space(text: str) -> bool:
    return "space" in text


def _fix_for_disk_error(text: str, device: str) -> str:
    if _says_out_of_space(text):
        return f"{_FULL}check the filesystem on {device}"
    return f"check the array for errors on the LUN of {device}, and: dmesg | grep 'error, dev'"


def _check_filesystem(mount: MountHealth, trouble: tuple[str, str] | None) -> Iterator[Finding]:
    # With -p, fsck asks nothing and needs no terminal; it exits with 1 if it has corrected errors
    # (fsck(8)). What `iscsictl umount` unmounts is not mounted by `reconnect` meanwhile.
    check = f"{{ fsck -p {shell_form(mount.device)} || [ $? = 1 ]; }}"
    again = (
        f"iscsictl umount {shell_form(mount.path)} && {check} && "
        f"iscsictl mount {shell_form(mount.device, mount.path)}"
    )
    if mount.fstype == "xfs":
        # xfs_repair refuses a log that was not replayed, which only a mount does (xfs_repair(8)).
        again = (
            f"mount it again; if that fails, run xfs_repair {shell_form(mount.device)} in between: "
            f"iscsictl umount {shell_form(mount.path)} && "
            f"iscsictl mount {shell_form(mount.device, mount.path)}"
        )
    full = trouble is not None and _says_out_of_space(trouble[1])
    if full:
        again = _FULL + again
    if mount.stranded is not None:
        unmount = f"umount {shell_form(mount.path)}"
        fix = (
            "map the LUN again on the array; then unmount and mount it: "
            f"{unmount}; iscsictl reconnect"
        )
        if mount.stranded == DISK_GONE and _VOLUME.match(mount.device):
            # It would keep the number of the deleted disk, which never comes back.
            fix = (
                f"map the LUN again on the array; {unmount}; stop {mount.device} "
                "(vgchange -an, cryptsetup close or mdadm --stop), start it again, and mount it"
            )
        yield fail("fs-disk-gone", f"it is mounted, but {mount.stranded}", fix, mount.path)
    elif mount.error is not None:
        yield fail("fs-failing", f"it reports: {mount.error}", again, mount.path)
    elif mount.read_only and not mount.meant_read_only:
        why = f" ({trouble[1]})" if trouble else ""
        yield fail("fs-readonly", f"it went read-only{why}", again, mount.path)
    elif mount.errors:
        yield fail(
            "fs-failing",
            f"the filesystem has recorded {mount.errors} errors",
            again,
            mount.path,
        )
    elif trouble:
        device, text = trouble
        yield fail(
            "disk-errors", text, again if full else _fix_for_disk_error(text, device), mount.path
        )
    else:
        yield ok("fs-readonly", "read-only as asked" if mount.read_only else "takes writes",
                 mount.path)  # fmt: skip
