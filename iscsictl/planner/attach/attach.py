"""Plan an attach: the steps up to the LUN, one after the other, from the observed facts."""

from iscsictl.errors import IscsictlError, NotFoundError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory, Known
from iscsictl.model.listing import Disk, Lun, Session
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord, discovery_values
from iscsictl.model.secret import Secret
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.filesystem import FilesystemPlanner
from iscsictl.planner.attach.mount_point import UNKNOWN
from iscsictl.planner.attach.multipath import (
    WAIT_FOR_PATH,
    PathChoice,
    add_map_steps,
    add_service_steps,
    choose_paths,
    without_silent_paths,
)
from iscsictl.planner.builder import PlanBuilder, add_login_service
from iscsictl.planner.iscsi.first_login import RETRIES, RETRIES_OF_SEVERAL, values_of_only_path
from iscsictl.planner.iscsi.settings import describe_changes, require_settings
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.duplicates import outside_map
from iscsictl.planner.selection.paths import LoginPath

SINGLE_PATH_TIMEOUT = str(WAIT_FOR_PATH)


def record_values(spec: AttachSpec, *, multipath: bool | None) -> dict[str, str | Secret | None]:
    """Return the values that a record of this spec must have.

    `multipath` says whether the disk has, or will have, several paths under a map. None means that
    this is not known; then the record keeps the values that it has for either case.

    Values that the user set by name (`spec.values`) override the rest. Without a map, I/O waits in
    the session, for `replacement_timeout` seconds; under a map, multipathd sets that timeout to its
    own `fast_io_fail_tmo`, and I/O waits in the map. At boot, the other paths serve the map while
    one is down, so the login service waits for each of several paths for a shorter time than for a
    single one.
    """
    values: dict[str, str | Secret | None] = {}
    if spec.boot:
        values["node.startup"] = "automatic"
    if multipath:
        values[RETRIES] = RETRIES_OF_SEVERAL
    elif multipath is False:
        values["node.session.timeo.replacement_timeout"] = SINGLE_PATH_TIMEOUT
    if spec.account is not None:
        values.update(spec.account.values())
    values.update(spec.values)
    return values


def values_for_record(
    inventory: Inventory, spec: AttachSpec, record: NodeRecord | None, *, multipath: bool | None
) -> dict[str, str | Secret | None]:
    """Return the values that a record must have; `record` is None for one yet to be created.

    If a record used to have several paths beside it and now has none, its first login at boot gets
    the usual wait again.
    """
    values = record_values(spec, multipath=multipath)
    if record is None or multipath:
        return values
    others = inventory.index.records(record.target)
    return {**values_of_only_path(record, others, inventory.host.login_retries), **values}


def plan_attach(inventory: Inventory, spec: AttachSpec) -> Plan:
    """Return the steps to be done and, as a forecast, those that cannot be decided yet.

    Never raises: whatever forbids the spec becomes the refusal of the plan.
    """
    builder = PlanBuilder()
    result = None
    refusal: IscsictlError | None = None
    try:
        choice = choose_paths(inventory, spec)
        silent = (f"portal {p} does not answer: {why}" for p, why in inventory.silent.items())
        inventory, notes = without_silent_paths(inventory, choice.paths[0].target)
        builder.notes += [*choice.notes, *notes, *dict.fromkeys(silent)]
        _add_records_and_services(builder, inventory, spec, choice)
        result = _plan_from_first_login(builder, inventory, spec, choice)
        _drop_matching_holds(builder, inventory, spec, choice.paths)
    except IscsictlError as error:
        refusal = error
    return builder.build(refusal, result)


def _add_records_and_services(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, choice: PathChoice
) -> None:
    """Add the records of all paths, and the services that the host needs."""
    for path in choice.paths:
        _add_record(builder, inventory, spec, path, choice)
    if spec.boot:
        add_login_service(builder, inventory.host)
    if choice.mapped:
        add_service_steps(builder, inventory)


def _add_login(builder: PlanBuilder, spec: AttachSpec, path: LoginPath, *, alone: bool) -> None:
    """Add the login over a path. A session that is down is an error unless another path works."""
    session = path.session
    if session is not None and session.status != "up" and alone:
        raise UnreachableError(
            f"the session to {path.target} through {path.portal} is {session.status}",
            hint="iscsid keeps trying; see: iscsictl doctor, journalctl -u iscsid",
        )
    login = actions.Login(path.target, path.portal, path.iface, spec.lun)
    builder.add(login, path.subject, "opens the session", done=session is not None)


def _plan_from_first_login(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, choice: PathChoice
) -> str | None:
    """Plan from the first login on: the disk, its map, the other paths, and the filesystem.

    multipathd makes a map of the first path, so that each later path joins it as soon as it appears
    and the disk never shows up twice. Returns the device that the user will work with, if it is
    known.
    """
    first, *others = choice.paths
    name = first.target if spec.lun is None else f"{first.target} LUN {spec.lun}"
    _add_login(builder, spec, first, alone=True)
    found = None
    if not builder.beyond_frontier and first.session is not None:
        found = _find_disk(inventory, spec, first.session)
    hosts = (first.session.host.number,) if first.session and first.session.host else ()
    scan = actions.Scan(first.target, spec.lun, hosts)
    builder.add(scan, name, "finds the disk", done=found is not None)
    if found is not None:
        # multipathd makes one map of all that has one WWID, two different disks too: it must not
        # get that far.
        alike = inventory.index.disks_named_alike(found[1])
        outside = outside_map(found[1], alike, inventory.index)
        overwrite.verify_identity(
            found[1],
            # By identity: equal disks may be two.
            [disk for disk in alike if id(disk) not in set(map(id, outside))],
            spec.wwid,
            one_disk=spec.consent.one_disk,
            to_be_mapped=choice.mapped,
        )
        _require_served(found[1], first, choice)
    if choice.mapped:
        lun, disk = found or (None, None)
        number = spec.lun if lun is None else lun.lun
        add_map_steps(
            builder, inventory, first.target, number or 0, disk, name, exclusive=spec.exclusive
        )
        for path in others:
            _add_login(builder, spec, path, alone=False)
    if found is None or builder.beyond_frontier:
        unknown = DiskId(first.target, spec.lun or 0, UNKNOWN, UNKNOWN)
        FilesystemPlanner(builder, inventory, spec, unknown, name).forecast()
        return None
    lun, disk = found
    wwid = overwrite.verify_identity(
        disk,
        inventory.index.disks_named_alike(disk),
        spec.wwid,
        one_disk=spec.consent.one_disk,
    )
    device = DiskId(first.target, lun.lun, wwid, disk.block.device)
    if not (spec.fs or spec.mount):
        return disk.block.device
    return FilesystemPlanner(builder, inventory, spec, device, name).plan(disk)


def _require_served(disk: Disk, path: LoginPath, choice: PathChoice) -> None:
    """Raise UnreachableError where the only path of a disk serves no reads and writes."""
    if choice.mapped or disk.block.kind != "disk" or not disk.paths[0].is_passive:
        return
    raise UnreachableError(
        f"the array does not serve {disk.wwid} through {path.portal}, which is "
        f"{disk.paths[0].access}",
        hint="name a portal of the array's other controller with -p, or both for a map",
    )


def _drop_matching_holds(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, routes: tuple[LoginPath, ...]
) -> None:
    """End the holds on targets and mount points of the spec, once these exist."""
    for hold in inventory.holds:
        if (spec.mount is not None and hold.covers_mount(spec.mount)) or any(
            hold.covers(route.target, route.portal, route.iface) for route in routes
        ):
            builder.add(actions.DropHold(hold), hold.name, "no longer on hold")


def _add_record(
    builder: PlanBuilder, inventory: Inventory, spec: AttachSpec, route: LoginPath,
    choice: PathChoice,
) -> None:  # fmt: skip
    record = route.record
    values = values_for_record(inventory, spec, record, multipath=choice.several)
    require_settings("node", values, version=inventory.open_iscsi, iface=route.iface)
    create = actions.CreateRecord(route.target, route.portal, route.iface)
    builder.add(create, route.subject, "open-iscsi must know the target", done=record is not None)
    # A record that is yet to be made has none of the values.
    wrong = tuple(values)
    if record is not None:
        wrong = inventory.unsettled.get(str(record.path), ())
    # Also if an earlier run was stopped when it had just created the record.
    if record is None or (wrong and record.named_by is None):
        values |= _note_on_discovery(inventory, route)
    write = actions.WriteRecord(route.target, route.portal, route.iface, values)
    builder.add(write, route.subject, describe_changes(wrong or values, values), done=not wrong)


def _note_on_discovery(inventory: Inventory, route: LoginPath) -> dict[str, str]:
    """Return what a record notes about the portal that named its target; empty if none did.

    From this note, two targets are known to belong to one array, as after `discover --save`.
    """
    offers = inventory.offers.value if isinstance(inventory.offers, Known) else ()
    asked = next((o.named_by for o in offers if o.target == route.target), None)
    return {} if asked is None else discovery_values(asked)


def _find_disk(inventory: Inventory, spec: AttachSpec, session: Session) -> tuple[Lun, Disk] | None:
    """Return the requested LUN and its disk; None while a scan has to find it."""
    lun = _choose_lun(inventory, spec, session)
    disk = None if lun is None else inventory.index.disk_of_path(session.sid, lun.hctl)
    return None if lun is None or disk is None else (lun, disk)


def _choose_lun(inventory: Inventory, spec: AttachSpec, session: Session) -> Lun | None:
    """Return the requested LUN; None while it has no disk.

    Without a number it is the only LUN, or the one with the requested WWID, or the one that an
    entry written by iscsictl mounts at the requested directory. Raises NotFoundError if several
    match, UnreachableError if one has a disk and the target does not report its other LUNs.
    """
    luns = [lun for lun in session.luns or () if lun.device is not None]
    if spec.lun is not None:
        return next((lun for lun in luns if lun.lun == spec.lun), None)
    if not luns:
        return None
    offered = inventory.luns.get(session.sid or 0)
    # A LUN that the target offers and the kernel has no disk of may be the one that is meant.
    if offered is not None and not session.settled_luns >= set(offered):
        return None
    if len(luns) == 1 and offered is not None:
        return luns[0]
    ours = [x.wwid for x in inventory.fstab.by_dir(spec.mount or "/") if x.is_ours]
    wanted = spec.wwid or next(iter(ours), None)
    named = [lun for lun in luns if lun.wwid is not None and lun.wwid == wanted]
    if len(named) == 1:
        return named[0]
    if len(luns) == 1:
        # REPORT LUNS failed. The disks of a target appear one after another, so the first to come
        # need not be the one that is meant.
        number = luns[0].lun
        raise UnreachableError(
            f"{session.target} did not report its LUNs: LUN {number} may not be the only one",
            hint=f"run this again with the one you mean, such as --lun {number}; if the disk does "
            "not answer, see why: iscsictl doctor",
        )
    sizes = [inventory.index.disk_of_path(session.sid, lun.hctl) for lun in luns]
    raise SeveralLunsError(
        session.target,
        tuple(
            (lun, None if disk is None else disk.block.size)
            for lun, disk in zip(luns, sizes, strict=True)
        ),
    )


class SeveralLunsError(NotFoundError):
    """The target has several LUNs and none was named; `luns` has each with its size in bytes."""

    def __init__(self, target: str, luns: tuple[tuple[Lun, int | None], ...]) -> None:
        # No device names: they are gone when the session is rolled back.
        rows = ", ".join(
            f"{lun.lun} ({lun.wwid}" + (")" if size is None else f", {size} bytes)")
            for lun, size in luns
        )
        super().__init__(
            f"{target} has {len(luns)} LUNs: {rows}",
            hint=f"run this again with the one you mean, such as --lun {luns[0][0].lun}",
        )
        self.target = target
        self.luns = luns
