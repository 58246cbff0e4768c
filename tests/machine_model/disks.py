"""What actions do to what is on a disk."""

from dataclasses import replace

from iscsictl.model import actions
from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.model.inventory import Inventory, Known
from tests.machine_model.machine import MIB, Array


def known(now: Inventory, wwid: str) -> Content:
    content = now.contents[wwid]
    assert isinstance(content, Known)
    return content.value


def stands(now: Inventory, content: Content, wwid: str) -> Inventory:
    return replace(now, contents={**now.contents, wwid: Known(content)})


def wipe(action: actions.Wipe, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    rest = None if old.blank else 0
    clean = replace(old, signatures=(), table=None, partitions=(), data_at=rest, filesystem=None)
    return stands(now, clean, action.disk.wwid)


def label(action: actions.Label, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    device = action.disk.device
    name = f"{device}-part1" if device.startswith("/dev/mapper/") else f"{device}1"
    part = Partition(1, name, MIB, old.size - 2 * MIB, "linux", data_at=old.data_at)
    new = replace(old, table=action.table, partitions=(part,), data_at=None, filesystem=None)
    return stands(now, new, action.disk.wwid)


def mkfs(action: actions.Mkfs, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    signature = Signature(action.fs, 0, action.uuid, action.label)
    used = False if action.fs.startswith("ext") else None
    if action.part is None:
        there = Filesystem(
            action.disk.device, None, action.fs, action.uuid, action.label, used=used
        )
        new = replace(old, signatures=(signature,), data_at=None, filesystem=there)
    else:
        part = old.partitions[0]
        there = Filesystem(part.device, 1, action.fs, action.uuid, action.label, used=used)
        part = replace(part, signatures=(signature,), data_at=None)
        new = replace(old, partitions=(part,), filesystem=there)
    return stands(now, new, action.disk.wwid)
