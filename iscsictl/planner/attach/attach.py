"""Plan an attach: the way to the LUN, step by step, from what was seen."""

from iscsictl.errors import IscsictlError, NotFoundError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Disk, Lun, Session
from iscsictl.model.plan import Plan
from iscsictl.model.secret import Secret
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.filesystem import UNKNOWN, FilesystemPlanner
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety import overwrite
from iscsictl.planner.selection.paths import LoginPath, find_login_paths

SINGLE_PATH_TIMEOUT = "600"


def record_values(wish: AttachSpec, *, multipath: bool) -> dict[str, str | Secret | None]:
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


def plan_attach(inventory: Inventory, wish: AttachSpec) -> Plan:
    """Return what is to be done, and as a forecast what cannot be decided yet.

    Never raises: what forbids the wish is the plan's refusal.
    """
    draft = PlanBuilder()
    result = None
    refusal: IscsictlError | None = None
    try:
        routes = find_login_paths(inventory, wish)
        silent = (f"portal {p} does not answer: {why}" for p, why in inventory.silent.items())
        draft.notes += dict.fromkeys(silent)
        _connect(draft, inventory, wish, routes)
        result = _disk(draft, inventory, wish, routes)
        _let_go(draft, inventory, wish, routes)
    except IscsictlError as error:
        refusal = error
    return draft.build(refusal, result)


def _connect(
    draft: PlanBuilder, inventory: Inventory, wish: AttachSpec, routes: tuple[LoginPath, ...]
) -> None:
    for route in routes:
        _record(draft, inventory, wish, route)
    if wish.boot:
        unit, enabled = inventory.host.login_service, inventory.host.service_enabled
        draft.add(actions.EnableService(unit), unit, "logs in at boot", done=enabled)
    for route in routes:
        session = route.session
        if session is not None and session.status != "up":
            raise UnreachableError(
                f"the session to {route.target} through {route.portal} is {session.status}",
                hint="iscsid keeps trying; see: iscsictl doctor, journalctl -u iscsid",
            )
        login = actions.Login(route.target, route.portal, route.iface, wish.lun)
        draft.add(login, route.subject, "opens the session", done=session is not None)


def _let_go(
    draft: PlanBuilder, inventory: Inventory, wish: AttachSpec, routes: tuple[LoginPath, ...]
) -> None:
    """End the holds on what is wanted again, once it is there."""
    for hold in inventory.holds:
        if (wish.mount is not None and hold.covers_mount(wish.mount)) or any(
            hold.covers(route.target, route.portal, route.iface) for route in routes
        ):
            draft.add(actions.DropHold(hold), hold.name, "it is wanted again")


def _record(draft: PlanBuilder, inventory: Inventory, wish: AttachSpec, route: LoginPath) -> None:
    values = record_values(wish, multipath=inventory.host.multipathd)
    record = route.record
    create = actions.CreateRecord(route.target, route.portal, route.iface)
    draft.add(create, route.subject, "open-iscsi must know the target", done=record is not None)
    wrong = tuple(values)
    if record is not None:
        wrong = inventory.unsettled.get(str(record.path), ())
    write = actions.WriteRecord(route.target, route.portal, route.iface, values)
    draft.add(write, route.subject, f"sets {', '.join(wrong or values)}", done=not wrong)


def _disk(
    draft: PlanBuilder, inventory: Inventory, wish: AttachSpec, routes: tuple[LoginPath, ...]
) -> str | None:
    """Plan from the LUN on. Returns the device that the user will work with, if it is known."""
    target = routes[0].target
    name = target if wish.lun is None else f"{target} LUN {wish.lun}"
    sessions = tuple(r.session for r in routes if r.session is not None)
    hosts = tuple(s.host.number for s in sessions if s.host is not None)
    lun = None if draft.beyond_frontier else _choose_lun(inventory, wish, sessions[0])
    disk = None if lun is None else _disk_of(inventory, sessions[0], lun)
    scan = actions.Scan(target, wish.lun, hosts)
    draft.add(scan, name, "finds the disk", done=disk is not None)
    if disk is None or lun is None:
        unknown = DiskId(target, wish.lun or 0, UNKNOWN, UNKNOWN)
        FilesystemPlanner(draft, inventory, wish, unknown, name).forecast()
        return None
    wwid = overwrite.verify_identity(disk, inventory.disks, wish.wwid)
    device = DiskId(target, lun.lun, wwid, disk.block.device)
    if not (wish.fs or wish.mount):
        return disk.block.device
    return FilesystemPlanner(draft, inventory, wish, device, name).plan(disk)


def _choose_lun(inventory: Inventory, wish: AttachSpec, session: Session) -> Lun | None:
    """Return the LUN that is meant, None while it has no disk.

    Without a number it is the only one, or the one with the wished WWID, or the one that a
    line of ours mounts where it is wished. Raises NotFoundError where several fit.
    """
    luns = [lun for lun in session.luns or () if lun.device is not None]
    if wish.lun is not None:
        return next((lun for lun in luns if lun.lun == wish.lun), None)
    offered = inventory.luns.get(session.sid or 0, ())
    if not luns or not {lun.lun for lun in luns} >= set(offered):
        return None
    if len(luns) == 1:
        return luns[0]
    ours = [x.wwid for x in inventory.fstab.by_dir(wish.mount or "/") if x.is_ours]
    wanted = wish.wwid or next(iter(ours), None)
    named = [lun for lun in luns if lun.wwid is not None and lun.wwid == wanted]
    if len(named) == 1:
        return named[0]
    rows = ", ".join(f"{lun.lun} ({lun.device}, {lun.wwid})" for lun in luns)
    raise NotFoundError(
        f"{session.target} has {len(luns)} LUNs; name one with --lun: {rows}",
        hint="iscsictl ls shows what is on them",
    )


def _disk_of(inventory: Inventory, session: Session, lun: Lun) -> Disk | None:
    for disk in inventory.disks:
        if any(path.sid == session.sid and path.hctl == lun.hctl for path in disk.paths):
            return disk
    return None
