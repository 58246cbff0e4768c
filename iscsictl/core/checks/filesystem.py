"""Filesystems on iSCSI disks: written, or failing behind a mount that still shows."""

from collections.abc import Iterator

from iscsictl.model.health import Finding, fail, ok, skip
from iscsictl.model.inventory import Known, Unreadable
from iscsictl.model.machine import Machine, MountHealth

_FULL = "the array is out of space: free or add some there, then "


def check(machine: Machine) -> Iterator[Finding]:
    """Tell which filesystems went read-only or fail."""
    troubles = machine.trouble.value.disk_errors if isinstance(machine.trouble, Known) else {}
    for mount in machine.mounts:
        yield from _mount(mount, troubles.get(mount.device))
    seen = {mount.device for mount in machine.mounts}
    for device, text in sorted(troubles.items()):
        if device not in seen:
            yield fail("disk-errors", text, _again(text, device), device)
    if isinstance(machine.trouble, Unreadable) and machine.mounts:
        yield skip("disk-errors", machine.trouble.error.text, "sudo iscsictl doctor")


def _again(text: str, device: str) -> str:
    if "space" in text:
        return f"{_FULL}check the filesystem on {device}"
    return "see what the array says of the LUN, and: dmesg | grep -w " + device.removeprefix(
        "/dev/"
    )


def _mount(mount: MountHealth, trouble: str | None) -> Iterator[Finding]:
    repair = "xfs_repair" if mount.fstype == "xfs" else "fsck"
    again = f"umount {mount.path} && {repair} {mount.device} && mount {mount.path}"
    full = trouble is not None and "space" in trouble
    if full:
        again = _FULL + again
    if mount.error is not None:
        yield fail("fs-failing", f"it answers: {mount.error}", again, mount.path)
    elif mount.read_only and not mount.meant_read_only:
        why = f" ({trouble})" if trouble else ""
        yield fail("fs-readonly", f"it went read-only{why}", again, mount.path)
    elif mount.errors:
        yield fail(
            "fs-failing",
            f"the filesystem has noted {mount.errors} errors of its own",
            again,
            mount.path,
        )
    elif trouble:
        mend = again if full else _again(trouble, mount.device)
        yield fail("disk-errors", trouble, mend, mount.path)
    else:
        yield ok("fs-readonly", "read-only as asked" if mount.read_only else "takes writes",
                 mount.path)  # fmt: skip
