"""Persistent names of devices: the links that udev creates in /dev/disk."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from iscsictl.lazy_import import lazy_import
from iscsictl.limits import LASTING_NAME_WAIT
from iscsictl.model.listing import Disk, blocks
from iscsictl.system.block.udev_wait import Waiter

pyudev = lazy_import("pyudev")

_FOLDER = "/dev/disk/by-id/"
_TAGS = {
    "UUID": "by-uuid",
    "LABEL": "by-label",
    "PARTUUID": "by-partuuid",
    "PARTLABEL": "by-partlabel",
    "ID": "by-id",
}
_QUOTES = "\"'"
# Names that the array gave (wwn, NAA, EUI-64) before those that udev derives from other fields.
_PREFERRED = ("wwn-", "scsi-3", "scsi-2", "dm-uuid-", "scsi-")


def stable_path(device: str) -> str:
    """Return the best persistent name of a device; wait some seconds for udev to create it.

    udev creates the links one after the other, so the choice is made only when all links in udev's
    database exist. If udev creates none, the device's own path is returned.
    """
    with Waiter() as events:
        found = events.wait(
            lambda: _best_link(device),
            time.monotonic() + LASTING_NAME_WAIT,
            f"waiting for udev to name {device}",
        )
        return found or device


def _best_link(device: str) -> str | None:
    """Return the best link, the device's own path if there is none; None while udev is at work."""
    try:
        known = pyudev.Devices.from_device_file(pyudev.Context(), device)
    except (OSError, pyudev.DeviceNotFoundError):
        return None
    links = sorted(known.device_links)
    if not known.is_initialized or not all(map(os.path.exists, links)):
        return None
    real = os.path.realpath(device)
    own = [link for link in links if os.path.realpath(link) == real]
    named = (link for start in _PREFERRED for link in own if link.startswith(_FOLDER + start))
    return next(named, device)


def named_nodes(specs: Iterable[str], devices: Iterable[str], root: Path) -> dict[str, str]:
    """Return spec -> device for each spec (fstab(5), first field) that names one of the devices.

    Tags (LABEL=, PARTUUID=, ...) are looked up in /dev/disk, as libmount does; links are followed.
    Only names in /dev are looked up: elsewhere, lstat(2) may hang on a server that is down, or
    trigger an automount.
    """
    nodes = {_resolve_links(device, root): device for device in devices}
    links = ((spec, _tag_link(spec)) for spec in specs)
    found = (
        (spec, nodes.get(_resolve_links(link, root)))
        for spec, link in links
        if link.startswith("/dev/")
    )
    return {spec: device for spec, device in found if device is not None}


def find_nodes(name: str, disks: Iterable[Disk], root: Path) -> dict[str, str]:
    """Return link -> the kernel's node, for `name` and for the devices on the disks.

    Names that are no links, or are not in /dev, are left out.
    """
    names = (name, *(block.device for disk in disks for block in blocks(disk.block)))
    nodes = ((one, _resolve_links(one, root)) for one in names if one.startswith("/dev/"))
    return {one: node for one, node in nodes if node != one}


def absent_specs(specs: Iterable[str], root: Path) -> frozenset[str]:
    """Return the specs that name a device which does not exist now; none if there is no udev.

    A spec that is no device, such as `tmpfs` or host:/export, is never absent.
    """
    if not (root / "dev/disk").is_dir():
        return frozenset()
    links = ((spec, _tag_link(spec)) for spec in specs)
    return frozenset(
        spec
        for spec, link in links
        if link.startswith("/dev/") and not os.path.lexists(root / link.lstrip("/"))
    )


def _tag_link(spec: str) -> str:
    """Return the link that udev creates for a tag such as UUID=; any other spec unchanged."""
    tag, _, value = spec.partition("=")
    folder = _TAGS.get(tag)
    return (
        spec if folder is None else f"/dev/disk/{folder}/{_encode_for_udev(value.strip(_QUOTES))}"
    )


def _encode_for_udev(value: str) -> str:
    """Escape a name as udev does in links: all but letters, digits and a few signs in hex."""
    return "".join(
        c if c.isalnum() or c in "#+-.:=@_" or ord(c) >= 128 else f"\\x{ord(c):02x}" for c in value
    )


def _resolve_links(path: str, root: Path) -> str:
    """Follow the links of a host or a capture to the kernel's own name."""
    base = os.path.realpath(root).rstrip("/")
    return os.path.realpath(f"{base}/{path.lstrip('/')}").removeprefix(base)
