"""Plan an attach: from a LUN to a mounted filesystem, step by step, from what was seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from iscsictl.core import safety
from iscsictl.core.routes import Route, find_routes
from iscsictl.core.safety import Right
from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.content import Content
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import Inventory, Known, Place, Unreadable
from iscsictl.model.listing import Block, Disk, Lun, Session
from iscsictl.model.plan import Action, Plan, Status, Step
from iscsictl.model.secret import Secret
from iscsictl.model.wish import AttachWish

SINGLE_PATH_TIMEOUT = "600"
DOS_LIMIT_SECTORS = 2**32


def record_values(wish: AttachWish, *, multipath: bool) -> dict[str, str | Secret | None]:
    """Return the values that a record of this wish must have."""
    values: dict[str, str | Secret | None] = {}
    if wish.boot:
        values["node.startup"] = "automatic"
    if not multipath:
        values["node.session.timeo.replacement_timeout"] = SINGLE_PATH_TIMEOUT
    if wish.account is not None:
        values.update(wish.account.values())
    values.update(wish.values)
    return values


@dataclass
class _Draft:
    """The steps so far. Once a frontier is pending, what follows is a forecast."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beyond: bool = False

    def add(self, action: Action, subject: str, why: str, *, done: bool = False) -> None:
        if done:
            status = Status.UNCHANGED
        else:
            status = Status.FORECAST if self.beyond else Status.PLANNED
            self.beyond = self.beyond or action.frontier
        after = frozenset({self.steps[-1].id} if self.steps else ())
        self.steps.append(Step(action, subject, why, status, after))


def plan_attach(inventory: Inventory, wish: AttachWish) -> Plan:
    """Return what is to be done, and as a forecast what cannot be decided yet.

    Never raises: what forbids the wish is the plan's refusal.
    """
    draft = _Draft()
    result = None
    refusal: IscsictlError | None = None
    try:
        routes = find_routes(inventory, wish)
        draft.notes += [f"portal {p} does not answer: {why}" for p, why in inventory.silent.items()]
        _connect(draft, inventory, wish, routes)
        if draft.beyond:
            target = routes[0].target
            scan = actions.Scan(target, wish.lun, ())
            draft.add(scan, _names(wish, target), "finds the disk, if the login did not")
            _forecast(draft, wish, target)
        else:
            result = _disk(draft, inventory, wish, routes)
    except IscsictlError as error:
        refusal = error
    return Plan(tuple(draft.steps), refusal, notes=tuple(draft.notes), result=result)


def _connect(
    draft: _Draft, inventory: Inventory, wish: AttachWish, routes: tuple[Route, ...]
) -> None:
    values = record_values(wish, multipath=inventory.host.multipathd)
    for route in routes:
        target, portal, iface = route.target, route.portal, route.iface
        draft.add(
            actions.CreateRecord(target, portal, iface),
            route.subject,
            "the node database must know the target",
            done=route.record is not None,
        )
        keys = ()
        if route.record is not None:
            keys = inventory.unsettled.get(str(route.record.path), ())
        settled = route.record is not None and not keys
        what = ", ".join(keys or values) or "the defaults"
        draft.add(
            actions.WriteRecord(target, portal, iface, values),
            route.subject,
            f"sets {what}",
            done=settled or not values,
        )
    if wish.boot:
        unit = inventory.host.login_service
        draft.add(
            actions.EnableService(unit), unit, "logs in at boot", done=inventory.host.service_enabled
        )
    for route in routes:
        session = route.session
        if session is not None and session.status != "up":
            raise UnreachableError(
                f"the session to {route.target} through {route.portal} is {session.status}",
                hint="iscsid keeps trying; see: iscsictl doctor, journalctl -u iscsid",
            )
        draft.add(
            actions.Login(route.target, route.portal, route.iface, wish.lun),
            route.subject,
            "opens the session",
            done=session is not None,
        )


def _names(wish: AttachWish, target: str) -> str:
    return target if wish.lun is None else f"{target} LUN {wish.lun}"


def _forecast(draft: _Draft, wish: AttachWish, target: str) -> None:
    """Add what will probably follow once the disk can be seen: the strongest it may be."""
    subject = _names(wish, target)
    unknown = DiskId(target, wish.lun or 0, wish.wwid or "?", "?")
    if wish.fs and not wish.consent.adopt:
        _add_making(draft, wish, unknown, subject, table=wish.table or "gpt")
    if wish.mount:
        _add_mounting(draft, wish, unknown, wish.fs or "auto", wish.uuid, Place())
    elif wish.fs:
        _add_fstab(draft, wish, unknown, wish.fs, wish.uuid)


def _disk(
    draft: _Draft, inventory: Inventory, wish: AttachWish, routes: tuple[Route, ...]
) -> str | None:
    target = routes[0].target
    sessions = tuple(r.session for r in routes if r.session is not None)
    lun = _choose_lun(inventory, wish, sessions)
    hosts = tuple(s.host.number for s in sessions if s.host is not None)
    disk = None if lun is None else _disk_of(inventory, sessions[0], lun)
    scan = actions.Scan(target, wish.lun, hosts)
    draft.add(scan, _names(wish, target), "finds the disk", done=disk is not None)
    if disk is None or lun is None:
        _forecast(draft, wish, target)
        return None
    wwid = safety.same_disk(disk, inventory.disks, wish.wwid)
    device = DiskId(target, lun.lun, wwid, disk.block.device)
    if wish.fs or wish.mount:
        return _filesystem(draft, inventory, wish, disk, device)
    return disk.block.device


def _choose_lun(
    inventory: Inventory, wish: AttachWish, sessions: tuple[Session, ...]
) -> Lun | None:
    session = sessions[0]
    luns = [lun for lun in session.luns or () if lun.device is not None]
    if wish.lun is not None:
        return next((lun for lun in luns if lun.lun == wish.lun), None)
    offered = inventory.luns.get(session.sid or 0, ())
    if not luns or not {lun.lun for lun in luns} >= set(offered):
        return None
    if len(luns) == 1:
        return luns[0]
    wanted = wish.wwid or _wwid_in_fstab(inventory, wish)
    named = [lun for lun in luns if lun.wwid is not None and lun.wwid == wanted]
    if len(named) == 1:
        return named[0]
    rows = ", ".join(f"{lun.lun} ({lun.device}, {lun.wwid})" for lun in luns)
    raise NotFoundError(
        f"{session.target} has {len(luns)} LUNs; name one with --lun: {rows}",
        hint="iscsictl ls shows what is on them",
    )


def _wwid_in_fstab(inventory: Inventory, wish: AttachWish) -> str | None:
    for line in inventory.fstab.lines:
        if line.is_ours and wish.mount is not None and line.directory == wish.mount:
            return line.wwid or line.making
    return None


def _disk_of(inventory: Inventory, session: Session, lun: Lun) -> Disk | None:
    for disk in inventory.disks:
        if any(path.sid == session.sid and path.hctl == lun.hctl for path in disk.paths):
            return disk
    return None


def blocks(block: Block) -> Iterator[Block]:
    """Walk over a device and all that stands on it."""
    yield block
    for child in block.children:
        yield from blocks(child)


def _filesystem(
    draft: _Draft, inventory: Inventory, wish: AttachWish, disk: Disk, device: DiskId
) -> str:
    claim = next((x for x in inventory.fstab.lines if x.making == device.wwid), None)
    real = next((x for x in inventory.fstab.lines if _is_real(x, device.wwid, wish)), None)
    place = inventory.place.value if isinstance(inventory.place, Known) else Place()
    mounted = next(
        (b for b in blocks(disk.block) if wish.mount in {m.path for m in b.mounts}), None
    )
    if mounted is not None:
        if wish.fs and mounted.fstype != wish.fs:
            raise RefusedError(
                f"{wish.mount} is mounted from this disk, but as {mounted.fstype}, not {wish.fs}"
            )
        _add_mounting(
            draft, wish, device, mounted.fstype or "auto", mounted.uuid or "", place,
            mounted=True, line=real,
        )  # fmt: skip
        return mounted.device
    _free_place(inventory, wish, device)
    content = _content(inventory, device)
    kept = _kept(inventory, wish, disk, content, real, claim)
    if kept is not None:
        uuid, fs, part = kept
    else:
        uuid, fs, part = _build(draft, inventory, wish, device, content, claim)
    if wish.mount:
        _add_mounting(draft, wish, device, fs, uuid, place, line=real)
    else:
        _add_fstab(draft, wish, device, fs, uuid, line=real)
    return disk.block.device if part is None else f"{disk.block.device}-part{part}"


def _is_real(line: FstabLine, wwid: str, wish: AttachWish) -> bool:
    return line.wwid == wwid and line.directory == (wish.mount or "none")


def _free_place(inventory: Inventory, wish: AttachWish, device: DiskId) -> None:
    """Raise unless the mount point is free for this disk."""
    if wish.mount is None:
        return
    for line in inventory.fstab.lines:
        if line.directory == wish.mount and device.wwid not in {line.wwid, line.making}:
            raise RefusedError(
                f"/etc/fstab line {line.number} mounts something else on {wish.mount}",
                hint=f"take it out (iscsictl fstab rm {wish.mount}), or use another directory",
            )
    if isinstance(inventory.place, Unreadable):
        raise inventory.place.error
    place = inventory.place.value if isinstance(inventory.place, Known) else Place()
    if place.mounted is not None:
        raise InUseError(
            f"{wish.mount} is already the mount point of {place.source}",
            hint=f"unmount it first: iscsictl umount {wish.mount}",
        )
    if place.exists and not place.directory:
        raise RefusedError(f"{wish.mount} is not a directory", hint="choose another mount point")
    if not place.empty and not wish.consent.over_nonempty:
        raise RefusedError(
            f"{wish.mount} is not empty: a mount would hide what is in it",
            hint="choose an empty directory, or insist with --over-nonempty",
        )


def _content(inventory: Inventory, device: DiskId) -> Content:
    seen = inventory.contents.get(device.wwid)
    if isinstance(seen, Known):
        return seen.value
    if isinstance(seen, Unreadable):
        raise seen.error
    raise IscsictlError(f"{device.device} was not probed")


def _kept(
    inventory: Inventory,
    wish: AttachWish,
    disk: Disk,
    content: Content,
    real: FstabLine | None,
    claim: FstabLine | None,
) -> tuple[str, str, int | None] | None:
    """Return UUID, kind and partition of the filesystem that stays; None if one is to be made.

    Raises RefusedError where neither is right.
    """
    there = content.filesystem
    if content.users:
        raise InUseError(
            f"{disk.block.device} is in use: {', '.join(content.users)}",
            hint=f"see what holds it: iscsictl detach {disk.block.device} --dry-run",
        )
    safety.writable(content, disk.block.device, disk.wwid or "")
    if wish.consent.wipe is not None and real is None:
        return None
    if real is not None:
        if there is not None and there.uuid == real.uuid and wish.fs in {None, there.type}:
            return there.uuid or "", there.type, there.part
        raise RefusedError(
            f"/etc/fstab line {real.number} says that {real.uuid} is on {disk.block.device}, "
            f"but it carries {content.description}",
            hint="if the data is gone, take the line out first: iscsictl fstab rm "
            + str(real.directory),
        )
    if claim is not None and there is not None and there.uuid == claim.uuid:
        complete = there.used is True or there.type in {"xfs", "btrfs"}
        return (there.uuid or "", there.type, there.part) if complete else None
    if there is not None and wish.fs in {None, there.type} and _alone(content):
        safety.may_adopt(there, disk, inventory.disks, wish.consent)
        return there.uuid or "", there.type, there.part
    if wish.fs is None:
        raise RefusedError(
            f"{disk.block.device} has no filesystem to mount: it carries {content.description}",
            hint="to make one: --fs ext4",
        )
    return None


def _alone(content: Content) -> bool:
    """Tell whether the filesystem is all there is: on the whole disk, or in its one partition."""
    if content.table is None:
        return len(content.signatures) == 1
    inside = [s for part in content.partitions for s in part.signatures]
    return not content.signatures and len(content.partitions) == 1 and len(inside) == 1


def _build(
    draft: _Draft,
    inventory: Inventory,
    wish: AttachWish,
    device: DiskId,
    content: Content,
    claim: FstabLine | None,
) -> tuple[str, str, int | None]:
    fs = wish.fs or "ext4"
    table = wish.table or "gpt"
    claimed = claim.uuid if claim is not None else None
    right = safety.right_to_destroy(
        content, device.device, wish.consent, claim=claimed, table=table
    )
    if table == "dos" and content.size // content.sector > DOS_LIMIT_SECTORS:
        raise RefusedError(
            f"{device.device} has more than {DOS_LIMIT_SECTORS} sectors: "
            "a DOS table cannot hold it",
            hint="use --table gpt",
        )
    if claim is not None and right is Right.CLAIMED and claim.fs != fs:
        raise RefusedError(
            f"a run that was stopped was making {claim.fs} on {device.device}, not {fs}",
            hint=f"finish it with --fs {claim.fs}, or: iscsictl fstab rm {claimed}",
        )
    uuid = claimed if claimed is not None and right is not Right.CONFIRMED else wish.uuid
    labelled = right is Right.CLAIMED and content.table == table and bool(content.partitions)
    _add_making(
        draft, wish, device, _names(wish, device.target), table=table, uuid=uuid,
        claimed=claimed == uuid, wipe=right is Right.CONFIRMED, labelled=labelled, fs=fs,
    )  # fmt: skip
    return uuid, fs, None if table == "none" else 1


def _add_making(
    draft: _Draft,
    wish: AttachWish,
    device: DiskId,
    subject: str,
    *,
    table: str,
    uuid: str | None = None,
    fs: str | None = None,
    claimed: bool = False,
    wipe: bool | None = None,
    labelled: bool = False,
) -> None:
    uuid, fs = uuid or wish.uuid, fs or wish.fs or "ext4"
    wipe = wish.consent.wipe is not None if wipe is None else wipe
    draft.add(
        actions.Claim(device, uuid, wish.mount, fs),
        subject,
        "notes in fstab that the disk is being made",
        done=claimed,
    )
    if wipe:
        draft.add(actions.Wipe(device), subject, f"erases what is there: confirmed {device.wwid}")
    if table != "none":
        draft.add(
            actions.Label(device, table),
            subject,
            f"{table} table, one partition",
            done=labelled,
        )
    part = None if table == "none" else 1
    draft.add(actions.Mkfs(device, part, fs, uuid, wish.fs_label), subject, f"{fs} {uuid}")


def _add_mounting(
    draft: _Draft,
    wish: AttachWish,
    device: DiskId,
    fs: str,
    uuid: str,
    place: Place,
    *,
    mounted: bool = False,
    line: FstabLine | None = None,
) -> None:
    path = wish.mount or ""
    draft.add(
        actions.MakeDirectory(path), path, "the mount point", done=mounted or place.exists
    )
    draft.add(
        actions.Mount(device, uuid, path, fs, wish.options), path, "mounts it", done=mounted
    )
    if (wish.uid, wish.gid, wish.mode) != (None, None, None):
        same = mounted and all(
            want in {None, has}
            for want, has in (
                (wish.uid, place.uid),
                (wish.gid, place.gid),
                (wish.mode, place.mode),
            )
        )
        draft.add(
            actions.Own(path, wish.uid, wish.gid, wish.mode), path, "owner and mode", done=same
        )
    _add_fstab(draft, wish, device, fs, uuid, line=line)
    for unit in wish.required_by:
        draft.add(
            actions.RequireMount(unit, path),
            unit,
            f"waits for {path}",
            done=path in inventory_required.get(unit, ()),
        )


def _add_fstab(
    draft: _Draft,
    wish: AttachWish,
    device: DiskId,
    fs: str,
    uuid: str,
    *,
    line: FstabLine | None = None,
) -> None:
    action = actions.WriteFstab(
        device.target, device.lun, device.wwid, uuid, wish.mount, fs, wish.options,
        boot=wish.boot and wish.mount is not None,
    )  # fmt: skip
    same = line is not None and line.uuid == uuid and _as_wished(line, wish)
    draft.add(action, wish.mount or device.target, "mounted again after a boot", done=same)


def _as_wished(line: FstabLine, wish: AttachWish) -> bool:
    if wish.mount is not None and wish.boot == ("noauto" in line.options):
        return False
    return set(wish.options) <= set(line.options)
