"""Plan an attach: the way to the LUN, step by step, from the facts observed."""

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
from iscsictl.planner.iscsi.settings import require_settings
from iscsictl.planner.safety import overwrite
from iscsictl.planner.selection.paths import LoginPath, find_login_paths

SINGLE_PATH_TIMEOUT = "600"


def record_values(spec: AttachSpec, *, multipath: bool) -> dict[str, str | Secret | None]:
    """Return the values that a record of this spec must have."""
    values: dict[str, str | Secret | None] = {}
    if spec.boot:
        values["node.startup"] = "automatic"
    if not multipath:
        values["node.session.timeo.replacement_timeout"] = SINGLE_PATH_TIMEOUT
    if spec.account is not None:
        values.update(spec.account.values())
    values.update(spec.values)
    return values


def plan_attach(inventory: Inventory, spec: AttachSpec) -> Plan:
    """Return what is to be done, and as a forecast what cannot be decided yet.

    Never raises: what forbids the spec is the plan's refusal.
    """
    builder = PlanBuilder()
    result = None
    refusal: IscsictlError | None = None
    try:
        routes = find_login_paths(inventory, spec)
        silent = (f"portal {p} does not answer: {why}" for p, why in inventory.silent.items())
        builder.notes += dict.fromkeys(silent)
        _connect(builder, inventory, spec, routes)
        result = _disk(builder, inventory, spec, routes)
        _let_go(builder, inventory, spec, routes)
    except IscsictlError as error:
        refusal = error
    return builder.build(refusal, result)


def _connect(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, routes: tuple[LoginPath, ...]
) -> None:
    for route in routes:
        _record(builder, inventory, spec, route)
    if spec.boot:
        unit, enabled = inventory.host.login_service, inventory.host.service_enabled
        builder.add(actions.EnableService(unit), unit, "logs in at boot", done=enabled)
    for route in routes:
        session = route.session
        if session is not None and session.status != "up":
            raise UnreachableError(
                f"the session to {route.target} through {route.portal} is {session.status}",
                hint="iscsid keeps trying; see: iscsictl doctor, journalctl -u iscsid",
            )
        login = actions.Login(route.target, route.portal, route.iface, spec.lun)
        builder.add(login, route.subject, "opens the session", done=session is not None)


def _let_go(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, routes: tuple[LoginPath, ...]
) -> None:
    """End the holds on what is wanted again, once it is there."""
    for hold in inventory.holds:
        if (spec.mount is not None and hold.covers_mount(spec.mount)) or any(
            hold.covers(route.target, route.portal, route.iface) for route in routes
        ):
            builder.add(actions.DropHold(hold), hold.name, "it is wanted again")


def _record(builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, route: LoginPath) -> None:
    values = record_values(spec, multipath=inventory.host.multipathd)
    require_settings("node", values, version=inventory.open_iscsi, iface=route.iface)
    record = route.record
    create = actions.CreateRecord(route.target, route.portal, route.iface)
    builder.add(create, route.subject, "open-iscsi must know the target", done=record is not None)
    wrong = tuple(values)
    if record is not None:
        wrong = inventory.unsettled.get(str(record.path), ())
    write = actions.WriteRecord(route.target, route.portal, route.iface, values)
    builder.add(write, route.subject, f"sets {', '.join(wrong or values)}", done=not wrong)


def _disk(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, routes: tuple[LoginPath, ...]
) -> str | None:
    """Plan from the LUN on. Returns the device that the user will work with, if it is known."""
    target = routes[0].target
    name = target if spec.lun is None else f"{target} LUN {spec.lun}"
    sessions = tuple(r.session for r in routes if r.session is not None)
    hosts = tuple(s.host.number for s in sessions if s.host is not None)
    lun = None if builder.beyond_frontier else _choose_lun(inventory, spec, sessions[0])
    disk = None if lun is None else _disk_of(inventory, sessions[0], lun)
    scan = actions.Scan(target, spec.lun, hosts)
    builder.add(scan, name, "finds the disk", done=disk is not None)
    if disk is None or lun is None:
        unknown = DiskId(target, spec.lun or 0, UNKNOWN, UNKNOWN)
        FilesystemPlanner(builder, inventory, spec, unknown, name).forecast()
        return None
    wwid = overwrite.verify_identity(
        disk, inventory.disks, spec.wwid, one_disk=spec.consent.one_disk
    )
    device = DiskId(target, lun.lun, wwid, disk.block.device)
    if not (spec.fs or spec.mount):
        return disk.block.device
    return FilesystemPlanner(builder, inventory, spec, device, name).plan(disk)


def _choose_lun(inventory: Inventory, spec: AttachSpec, session: Session) -> Lun | None:
    """Return the LUN that is meant, None while it has no disk.

    Without a number it is the only one, or the one with the requested WWID, or the one that
    an entry written by iscsictl mounts at the requested directory. Raises NotFoundError where
    several fit.
    """
    luns = [lun for lun in session.luns or () if lun.device is not None]
    if spec.lun is not None:
        return next((lun for lun in luns if lun.lun == spec.lun), None)
    offered = inventory.luns.get(session.sid or 0, ())
    if not luns or not {lun.lun for lun in luns} >= set(offered):
        return None
    if len(luns) == 1:
        return luns[0]
    ours = [x.wwid for x in inventory.fstab.by_dir(spec.mount or "/") if x.is_ours]
    wanted = spec.wwid or next(iter(ours), None)
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
