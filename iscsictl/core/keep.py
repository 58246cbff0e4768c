"""Plan a reconnect: what should be connected and mounted, and is not. Nothing is taken down."""

from collections.abc import Iterator, Mapping

from iscsictl.core.choice import session_for, subject_of, torn_error
from iscsictl.core.fork import Branches
from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.fstab import FstabLine
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord

_FOR_FSTAB_ONLY = frozenset({"_netdev", "nofail", "noauto", "auto", "defaults"})


def wanted_records(inventory: Inventory, target: str | None) -> Iterator[NodeRecord]:
    """Yield the records that should have a session: those of boot, or of the target named."""
    for record in inventory.records:
        named = target is not None and record.target == target
        if named or (target is None and record.onboot and not _held(inventory.holds, record)):
            yield record


def _held(holds: tuple[Hold, ...], record: NodeRecord) -> bool:
    return any(hold.covers(record.target, record.portal, record.iface) for hold in holds)


def wanted_mounts(inventory: Inventory, target: str | None) -> Iterator[FstabLine]:
    """Yield our fstab lines that should be mounted."""
    for line in inventory.fstab.ours:
        if line.is_claim or not line.auto or line.mount_point is None:
            continue
        held = any(
            hold.covers_mount(line.mount_point) or hold.covers(line.target or "")
            for hold in inventory.holds
        )
        if line.target == target if target is not None else not held:
            yield line


def missing_records(inventory: Inventory, target: str | None) -> tuple[NodeRecord, ...]:
    """Return the wanted records without a session."""
    return tuple(r for r in wanted_records(inventory, target) if session_for(r, inventory) is None)


def plan_reconnect(
    inventory: Inventory, mounted: Mapping[str, tuple[str, ...]], target: str | None = None
) -> Plan:
    """Return the logins and mounts that are missing, each mount after the logins of its target.

    `mounted` has the options of what is mounted, by mount point. A mount that fell back to
    read-only, and a session that iscsid is trying to mend, are said and left alone.
    """
    plan = Branches()
    logins: dict[str, list[str]] = {}
    for record in missing_records(inventory, target):
        step = _login(plan, inventory, record)
        logins.setdefault(record.target, []).append(step)
    for record in wanted_records(inventory, target):
        session = session_for(record, inventory)
        if session is not None and session.status != "up":
            plan.notes.append(
                f"the session to {record.target} through {record.portal} is {session.status}: "
                "iscsid keeps trying"
            )
    for line in wanted_mounts(inventory, target):
        _mount(plan, line, mounted, logins.get(line.target or "", []))
    return plan.fork()


def _login(plan: Branches, inventory: Inventory, record: NodeRecord) -> str:
    error: IscsictlError | None = None
    if record.problem is not None:
        error = torn_error(record)
    elif record.portal in inventory.silent:
        error = UnreachableError(
            f"{record.target}: portal {record.portal} does not answer: "
            f"{inventory.silent[record.portal]}",
            hint="check the array, the cable and the route; see: iscsictl doctor",
        )
    login = actions.Login(record.target, record.portal, record.iface, None)
    return plan.add(login, subject_of(record, inventory.records), "opens the session", error=error)


def _mount(
    plan: Branches, line: FstabLine, mounted: Mapping[str, tuple[str, ...]], logins: list[str]
) -> None:
    path, uuid = line.mount_point or "", line.uuid or ""
    options = tuple(o for o in line.options if o not in _FOR_FSTAB_ONLY and not o.startswith("x-"))
    disk = DiskId(line.target or "", line.lun or 0, line.wwid or "", "")
    mount = actions.Mount(disk, uuid, path, line.fstype or "auto", options)
    now = mounted.get(path)
    error: IscsictlError | None = None
    if now is not None and "ro" in now and "ro" not in options:
        error = IscsictlError(
            f"{path} is mounted, but fell back to read-only",
            hint=f"see the kernel's log for the cause; then: umount {path}, check the "
            f"filesystem (fsck UUID={uuid}), iscsictl reconnect",
        )
    plan.add(
        mount, path, "mounts it again", done=now is not None and error is None,
        after=logins, error=error,
    )  # fmt: skip
