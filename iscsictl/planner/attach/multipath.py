"""Plan the paths of an attach: one, or all of them with a multipath map over them."""

from dataclasses import dataclass, replace

from iscsictl.errors import RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Disk, in_use
from iscsictl.model.multipath import MULTIPATHD
from iscsictl.model.packages import install_command
from iscsictl.model.reservation import format_key
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.mount_point import UNKNOWN
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety.duplicates import outside_map
from iscsictl.planner.selection.paths import LoginPath, reachable_paths

#: Seconds for which I/O waits for a path: as `replacement_timeout` of a disk with one path, and
#: as `no_path_retry` of a map, which counts checks of its paths.
WAIT_FOR_PATH = 600
_SYSTEM_KINDS = frozenset({"mpath", "part"})


@dataclass(frozen=True)
class PathChoice:
    """The paths that an attach uses, those with a working session first.

    `mapped`: they are, or will be, under a map that this attach manages. `several`: that map has,
    or will have, several paths; None if it has one now and may have had more.
    """

    paths: tuple[LoginPath, ...]
    mapped: bool
    several: bool | None = False
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether each path has a session."""
        return all(path.session is not None for path in self.paths)


def choose_paths(inventory: Inventory, spec: AttachSpec) -> PathChoice:
    """Return the paths to use: all of them under a map if one can be made, otherwise one.

    An existing session is preferred, because another one would show the disk twice; but no map is
    made over a path that serves no reads, because udev would wait for them. Raises what
    `reachable_paths` raises, and RefusedError if a map is required that cannot be made.
    """
    paths = reachable_paths(inventory, spec)
    disks = inventory.index.disks_of_target(paths[0].target)
    wanted = [disk for disk in disks if spec.lun in {None, _lun_of_disk(inventory, disk)}]
    has_map = any(disk.block.kind == "mpath" for disk in wanted)
    ranks = {id(path): _rank_of_path(path, spec.lun, has_map=has_map) for path in paths}
    paths = tuple(sorted(paths, key=lambda path: ranks[id(path)]))
    obstacle = None if has_map else _find_map_obstacle(inventory, disks)
    if spec.multipath == "require" and obstacle is not None:
        raise RefusedError(
            f"a multipath map is not possible: {obstacle[0]}",
            hint=f"{obstacle[1]}; or omit --multipath require",
        )
    facts = inventory.host.multipath
    # Settings without a map: an attach over several paths was stopped. It is continued as one,
    # though only one portal may answer now.
    begun = any(facts.settings_of(disk.wwid) for disk in wanted) or (
        not wanted and _has_settings_of_unknown_disk(inventory, paths[0].target)
    )
    many = len(paths) > 1 or _has_other_sessions(inventory, paths)
    # Where each disk gets a map, it is the map that waits for a path, however many it has.
    forced = has_map or (not wanted and facts.maps_every_disk)
    wants_map = spec.multipath == "require" or many or begun or forced
    one_now = None if has_map or begun else False
    if spec.multipath != "off" and obstacle is None and wants_map:
        return PathChoice(paths, True, True if many else one_now, _notes_on_failed_paths(paths))
    notes: tuple[str, ...] = ()
    if forced and spec.multipath == "off":
        notes = ("the disk has a multipath map, which is used; to remove it: iscsictl detach",)
    elif len(paths) > 1:
        why = "because of --multipath off" if obstacle is None else obstacle[0]
        notes = (f"uses one of {len(paths)} paths, {paths[0].portal}: {why}",)
    if forced and obstacle is None:
        return PathChoice(paths[:1], True, one_now, notes)
    return PathChoice(paths[:1], False, notes=notes)


def _has_settings_of_unknown_disk(inventory: Inventory, target: str) -> bool:
    """Tell whether there are settings for a disk that is not there, perhaps one of this target.

    An entry for another target says that they are not.
    """
    settings = inventory.host.multipath.settings
    if not settings:
        return False
    known = {disk.wwid for disk in inventory.disks}
    known |= {line.wwid for line in inventory.fstab.ours if line.target != target}
    return any(one.disk not in known for one in settings)


def _has_other_sessions(inventory: Inventory, paths: tuple[LoginPath, ...]) -> bool:
    """Tell whether sessions outside these paths lead to the target, or will at boot.

    They belong to other volumes, through a portal that does not answer now or another interface;
    sooner or later each of them shows this LUN too.
    """
    target, used = paths[0].target, {id(path.session) for path in paths}
    others = [
        record
        for record in inventory.index.records(target)
        if not any(r.portal.same_place(record.portal) and r.iface == record.iface for r in paths)
    ]
    return any(record.onboot and record.problem is None for record in others) or any(
        id(session) not in used for session in inventory.index.sessions(target)
    )


def _rank_of_path(path: LoginPath, lun: int | None, *, has_map: bool) -> tuple[int, int]:
    """Order paths: those with a running LUN, working ones, those that are down, new ones.

    A LUN can be offline even though its session is up, and the LUNs of a new session may appear one
    after another: the session that shows the most comes first, so that the disk is not looked for
    again. Without a map, a path that is standby comes after all others.
    """
    session = path.session
    if session is None:
        return 3, 0
    if session.status != "up":
        return 2, 0
    stopped = session.stopped_luns
    there = [u for u in session.luns or () if u.device is not None and u not in stopped]
    shown = [u for u in there if lun in {None, u.lun}]
    if shown and not has_map and all(u.is_passive for u in shown):
        return 4, 0
    return (0 if shown else 1), -len(shown)


def _notes_on_failed_paths(paths: tuple[LoginPath, ...]) -> tuple[str, ...]:
    """Return a note for each path that does not work while another does."""
    if paths[0].session is None or paths[0].session.status != "up":
        return ()
    return tuple(
        f"the path through {path.portal} is {path.session.status}; the map works without it"
        for path in paths
        if path.session is not None and path.session.status != "up"
    )


def _lun_of_disk(inventory: Inventory, disk: Disk) -> int | None:
    hctl = disk.paths[0].hctl
    sessions = inventory.index.sessions_with_sid(disk.paths[0].sid)
    units = (unit for session in sessions for unit in session.luns or ())
    return next((unit.lun for unit in units if unit.hctl == hctl), None)


def _find_map_obstacle(inventory: Inventory, disks: tuple[Disk, ...]) -> tuple[str, str] | None:
    """Return why no map can be made, and what to do about it; None if one can."""
    facts = inventory.host.multipath
    for disk in disks:
        # A second session would show each LUN of the target twice, also those that are in use.
        if disk.block.kind != "mpath" and in_use(disk.block, _SYSTEM_KINDS):
            device = disk.block.device
            return (
                f"{device} is in use through one path, until it is detached",
                f"detach it first: iscsictl detach {shell_form(device)}, then attach it again",
            )
    if not facts.installed:
        return (
            "multipath-tools is not installed",
            install_command("multipath-tools", inventory.host.package_manager),
        )
    if facts.masked:
        return f"{MULTIPATHD} is masked", f"systemctl unmask {MULTIPATHD}"
    if facts.unmet_condition is not None and not facts.running:
        without_file = facts.unmet_condition.endswith("=/etc/multipath.conf")
        return (
            f"systemd does not start {MULTIPATHD}: {facts.unmet_condition}",
            "mpathconf --enable"
            if without_file
            else f"see the condition: systemctl cat {MULTIPATHD}",
        )
    return None


def add_service_steps(builder: PlanBuilder, inventory: Inventory) -> None:
    """Add the steps after which multipathd runs, now and at each boot.

    They come before the first login, so that multipathd notices the first path as soon as it
    appears.
    """
    facts = inventory.host.multipath
    enable = actions.EnableService(MULTIPATHD)
    builder.add(enable, MULTIPATHD, "assembles the map at boot", done=facts.enabled)
    start = actions.StartMultipathd(MULTIPATHD)
    builder.add(start, MULTIPATHD, "assembles the map now", done=facts.running)


def add_map_steps(
    builder: PlanBuilder, inventory: Inventory, target: str, lun: int, disk: Disk | None,
    name: str, *, exclusive: bool = False,
) -> None:  # fmt: skip
    """Add the steps that put a map over the first path; `disk` is None while it is not known.

    `no_path_retry` counts checks, one per `polling_interval` seconds, and is set so that they add
    up to WAIT_FOR_PATH. A WWID must be on multipathd's list (`multipath -a`), or `find_multipaths
    strict` makes no map of it. multipathd registers the paths of an `exclusive` map with this
    host's key as they join the map. Raises RefusedError if multipathd does not list the device as a
    path, UnreachableError if it does not answer.
    """
    facts = inventory.host.multipath
    device, wwid, spelled = UNKNOWN, UNKNOWN, UNKNOWN
    if disk is not None:
        device, wwid = disk.paths[0].device, disk.wwid or UNKNOWN
        spelled = next(
            (facts.spelled[path.device] for path in disk.paths if path.device in facts.spelled),
            UNKNOWN,
        )
    settings = facts.settings_of(wwid)
    if spelled == UNKNOWN and settings is not None:
        spelled = settings.wwid
    if spelled == UNKNOWN and not builder.beyond_frontier:
        if not facts.answers:
            raise UnreachableError(
                f"multipathd does not answer, so its name for {device} is unknown",
                hint="check what it is doing: journalctl -u multipathd; then run this again",
            )
        raise RefusedError(
            f"{device} is not accepted as a path of a map by multipathd",
            hint=(
                "check whether it is excluded: multipathd show blacklist; or attach with "
                "--multipath off"
            ),
        )
    retries = max(1, WAIT_FOR_PATH // facts.polling_interval)
    has_map = disk is not None and disk.block.kind == "mpath"
    outside = () if disk is None else _outside_map(inventory, disk)
    known = DiskId(target, lun, wwid, device)
    key = inventory.host.reservation_key if exclusive else None
    write = actions.WriteMapSettings(known, spelled, retries, key)
    # Settings that an admin made for this very map count more than ours. The daemon tells of those
    # of maps that are there, wherever they are from.
    theirs = spelled in facts.set_elsewhere or (
        (settings is None or settings.no_path_retry is None)
        and spelled in facts.in_force
        and spelled not in facts.unread
    )
    ours = (
        settings is not None
        and settings.wwid == spelled
        and settings.no_path_retry is not None
        and settings.reservation_key == key
        # A daemon that was not asked, as by `export`, has read what the file says.
        and (not facts.spelled or facts.in_force.get(spelled) == settings.no_path_retry)
    )
    why = f"I/O waits {WAIT_FOR_PATH} s when no path works"
    if key is not None:
        why += ", and each path is registered before it is used"
        if theirs:
            builder.notes.append(
                f"a path that joins the map later cannot write until multipathd registers it: add "
                f"reservation_key {format_key(key)} to the section of {spelled} in multipath.conf"
            )
    builder.add(write, name, why, done=theirs or ours)
    allow = actions.AllowMap(known, spelled)
    builder.add(allow, name, "allows multipathd to create its map", done=spelled in facts.listed)
    make = actions.MakeMap(known, joins=has_map or bool(outside))
    builder.add(make, name, "combines all paths in one disk", done=has_map and not outside)


def _outside_map(inventory: Inventory, disk: Disk) -> tuple[Disk, ...]:
    index = inventory.index
    return outside_map(disk, index.disks_with_wwid(disk.wwid), index)


def add_release_steps(
    builder: PlanBuilder, inventory: Inventory, disk: DiskId, subject: str, *, mapped: bool,
    lost: bool,
) -> None:  # fmt: skip
    """Add the steps that end the map of a disk; its settings stay until `add_forget_steps`.

    The WWID is removed from multipathd's list first; otherwise multipathd would make the map again
    at the next uevent.
    """
    facts = inventory.host.multipath
    settings = facts.settings_of(disk.wwid)
    if settings is not None:
        disallow = actions.DisallowMap(settings.wwid)
        listed = settings.wwid in facts.listed
        builder.add(disallow, subject, "multipathd will not create its map again", done=not listed)
    if mapped:
        remove = actions.RemoveMap(disk, lost)
        builder.add(remove, disk.device, "releases the paths")


def add_forget_steps(
    builder: PlanBuilder, inventory: Inventory, wwid: str | None, subject: str
) -> None:
    """Add, last, the removal of iscsictl's settings for a map: until then they tell its WWID.

    A run that was stopped in between is finished by the same command, which by then finds the WWID
    nowhere else. If the map has no settings of iscsictl, nothing is added.
    """
    settings = inventory.host.multipath.settings_of(wwid)
    if settings is not None:
        drop = actions.DropMapSettings(settings.wwid)
        builder.add(drop, subject, "its map no longer needs settings")


def add_read_step(builder: PlanBuilder, inventory: Inventory) -> None:
    """Add, as the last step, that multipathd reads the settings dropped now or by an earlier run.

    multipathd may hang, but everything else is done by then: if this step fails, nothing is rolled
    back.
    """
    dropped = any(isinstance(step.action, actions.DropMapSettings) for step in builder.steps)
    if dropped or inventory.host.multipath.unread:
        read = actions.ReadMapSettings()
        builder.add(read, MULTIPATHD, "drops the settings of the removed map")


def silent_paths(inventory: Inventory, target: str | None) -> tuple[tuple[Disk, Disk], ...]:
    """Return maps of a target, each with a path of its disk that is outside the map and silent.

    Without its answer, a path can only be matched by target, LUN, WWID, serial number and size.
    """
    return tuple(
        (disk, other)
        for disk in inventory.index.disks_of_target(target or "")
        if disk.block.kind == "mpath"
        for other in _outside_map(inventory, disk)
        if other.block.size == disk.block.size and not _answers(inventory, other)
    )


def without_silent_paths(
    inventory: Inventory, target: str | None
) -> tuple[Inventory, tuple[str, ...]]:
    """Return the inventory without the `silent_paths` that nobody uses, and notes on them.

    Adding such a path to the map would need a proof that only its answer gives, and the map works
    without it. A path that somebody uses stays: what was written through it reaches the disk when
    the path answers again.
    """
    silent, notes = set[int](), []
    for disk, other in silent_paths(inventory, target):
        used = inventory.usage_of(other)
        if used is None or used.holders or in_use(other.block):
            continue
        silent.add(id(other))
        notes.append(
            f"{other.block.device} does not answer, so it cannot be verified that it leads to "
            f"{disk.wwid}: it stays outside the map {disk.block.device}, which works without it; "
            "attach it again when it answers"
        )
    if not silent:
        return inventory, ()
    kept = tuple(disk for disk in inventory.disks if id(disk) not in silent)
    return replace(inventory, disks=kept), tuple(notes)


def _answers(inventory: Inventory, disk: Disk) -> bool:
    """Tell whether some path of a disk takes commands, as the kernel shows it."""
    return any(
        path.state in {"running", None} and session.status == "up"
        for path in disk.paths
        for session in inventory.index.sessions_with_sid(path.sid)
    )


def is_being_mapped(inventory: Inventory, spec: AttachSpec) -> bool:
    """Tell whether paths or the map are still missing, so that the disk need not be read yet.

    Raises what `choose_paths` raises. The proof of blankness reads the disk for a long time, so it
    is made only once, through the map, and not also over the first path.
    """
    choice = choose_paths(inventory, spec)
    if not choice.mapped:
        return False
    inventory, _ = without_silent_paths(inventory, choice.paths[0].target)
    disks = inventory.index.disks_of_target(choice.paths[0].target)
    wanted = [disk for disk in disks if spec.lun in {None, _lun_of_disk(inventory, disk)}]
    return (
        not choice.complete
        or all(disk.block.kind != "mpath" for disk in wanted)
        or any(_outside_map(inventory, disk) for disk in wanted)
    )
