"""What actions do to what is on a disk."""

from dataclasses import replace

from iscsictl.model import actions
from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.model.inventory import Inventory, Known
from iscsictl.model.partition_table import partition_node
from iscsictl.model.reservation import Reservation, ReservationType
from iscsictl.parse.fstab import claim_line, replace_line
from tests.machine_model.machine import MIB, Array


def known(now: Inventory, wwid: str) -> Content:
    content = now.contents[wwid]
    assert isinstance(content, Known)
    return content.value


def stands(now: Inventory, content: Content, wwid: str) -> Inventory:
    return replace(now, contents={**now.contents, wwid: Known(content)})


def reserve(action: actions.Reserve, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    assert old.reservations.supported
    own = old.reservations.own_key
    assert own is not None
    if action.exclusive:
        assert old.reservations.exclusive_refusal(action.disk.device) is None, "another host has it"
    else:
        assert old.reservations.format_refusal(action.disk.device) is None, "another host has it"
    disk = next(disk for disk in now.disks if disk.wwid == action.disk.wwid)
    kind = ReservationType.WRITE_EXCLUSIVE
    if disk.block.kind == "mpath":
        kind = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    keys = (*old.reservations.other_keys, *(own for _ in disk.paths))
    held = replace(old.reservations, keys=keys, holder=Reservation(own, kind))
    return stands(now, replace(old, reservations=held), action.disk.wwid)


def release(action: actions.Release, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    left = replace(old.reservations, keys=old.reservations.other_keys, holder=None)
    return stands(now, replace(old, reservations=left), action.disk.wwid)


def take_over(action: actions.TakeOver, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    found = old.reservations
    may_be_another_s = action.key in found.other_keys or (
        action.key == found.own_key and found.own_key_is_doubtful
    )
    assert may_be_another_s, "no other host has the key"
    keys = tuple(key for key in found.keys if key != action.key)
    # Where all registrants hold it together (key 0), it ends with the last of them.
    stays = found.holder is not None and found.holder.key in ({0, *keys} if keys else keys)
    left = replace(found, keys=keys, holder=found.holder if stays else None)
    if found.own_key not in keys:
        left = replace(left, clones=(), owners_known=True)
    return stands(now, replace(old, reservations=left), action.disk.wwid)


def wipe(action: actions.Wipe, now: Inventory, _: Array) -> Inventory:
    old = known(now, action.disk.wwid)
    rest = None if old.blank else 0
    clean = replace(old, signatures=(), table=None, partitions=(), data_at=rest, filesystem=None)
    return stands(now, clean, action.disk.wwid)


def label(action: actions.Label, now: Inventory, _: Array) -> Inventory:
    old, claim = known(now, action.disk.wwid), action.claim
    new = replace(old, table=action.table, partitions=(), data_at=None, filesystem=None)
    if claim is not None:
        name = partition_node(action.disk.device, 1)
        kind, size = claim.partition_type or "", old.size - 2 * MIB
        part = Partition(
            1, name, MIB, size, kind, data_at=old.data_at, id=claim.partition_id
        )  # fmt: skip
        new = replace(new, table_id=claim.table_id, partitions=(part,))
    return stands(now, new, action.disk.wwid)


def mkfs(action: actions.Mkfs, now: Inventory, _: Array) -> Inventory:
    now, claim = begun(action, now), action.claim
    old = known(now, action.disk.wwid)
    signature = Signature(claim.fs, 0, claim.uuid, action.label)
    used = False if claim.fs.startswith("ext") else None
    if claim.part is None:
        there = Filesystem(action.disk.device, claim.fs, claim.uuid, action.label, used=used)
        new = replace(old, signatures=(signature,), data_at=None, filesystem=there)
    else:
        part = old.partitions[0]
        there = Filesystem(part.device, claim.fs, claim.uuid, action.label, used=used)
        part = replace(part, signatures=(signature,), data_at=None)
        new = replace(old, partitions=(part,), filesystem=there)
    return stands(now, new, action.disk.wwid)


def begun(action: actions.Mkfs, now: Inventory) -> Inventory:
    """The machine once the claim has its mark, and mkfs has not written yet."""
    disk = action.disk
    for entry in now.fstab.by_wwid(disk.wwid):
        if entry.is_claim and entry.uuid == action.claim.uuid:
            marked = claim_line(
                replace(action.claim, begun=True), entry.mount_point,
                wwid=disk.wwid, target=disk.target, lun=disk.lun,
            )  # fmt: skip
            return replace(now, fstab=replace_line(now.fstab, entry.number, marked))
    raise AssertionError("mkfs without a claim in fstab")
