"""The changes of `import`: writing the content of the old files as records and fstab entries."""

from collections.abc import Mapping

from iscsictl.engine.handlers.registry import execute_action
from iscsictl.errors import NotFoundError
from iscsictl.legacy.planner import MountPlan
from iscsictl.model import actions
from iscsictl.model.actions import SetInitiatorName
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.plan import Action, Status, Step
from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.model.shell_form import shell_form
from iscsictl.observers.sessions import require_answer
from iscsictl.system.context import Context
from iscsictl.system.io import journal
from iscsictl.system.iscsi import discovery, iscsiadm, nodedb
from iscsictl.system.iscsi.initiator_name import read_initiator
from iscsictl.system.iscsi.sessions import read_listing

_Found = tuple[str, int, Disk, Block]
# Not imported: `defaults` and `auto` change nothing, and all entries of iscsictl have the others.
_OLD_ONLY = frozenset({"defaults", "auto", "_netdev", "nofail"})


class MachineWriter:
    """Executes an import on this machine: the implementation of `legacy.planner.Writer`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def discover(
        self, portal: Portal, record: Mapping[str, str | Secret]
    ) -> list[tuple[str, Portal]]:
        """Create the discovery record, ask the portal, return targets and their portals.

        The account is written to the record first. Raises UnreachableError if the portal does not
        answer, AuthError if it refuses the account.
        """
        context, subject = self._context, str(portal)
        require_answer(context, portal)
        if discovery.record_of(context.db, portal) is None:
            self._execute_and_note(actions.CreateDiscovery(portal), subject)
        if record:
            self._execute_and_note(actions.WriteDiscovery(portal, record), subject)
        offers = iscsiadm.discover_with_record(portal, timeout=context.wait, warn=context.say)
        return [(offer.target, offer.portal) for offer in offers]

    def set_node(self, target: str, portal: Portal, values: Mapping[str, str | Secret]) -> None:
        """Create or change the record of a target; other settings are left alone.

        Secrets are written directly to the file, as iscsiadm would show them in its arguments.
        """
        subject = f"{target} {portal}"
        if self._find_record(target, portal) is None:
            self._execute_and_note(actions.CreateRecord(target, portal, DEFAULT_IFACE), subject)
        if values:
            self._execute_and_note(
                actions.WriteRecord(target, portal, DEFAULT_IFACE, values), subject
            )

    def set_initiator(self, name: str) -> None:
        """Change the initiator name of this machine, unless it has that name already.

        Raises InUseError while a session is up.
        """
        if read_initiator(self._context.root).name != name:
            self._execute_and_note(SetInitiatorName(name), name)

    def set_mount(self, mount: MountPlan) -> None:
        """Find the filesystem, logging in to the target if the line names one; write its entry.

        Raises NotFoundError if the old line leads to no filesystem.
        """
        path = mount.source.directory
        target, lun, disk, block = self._find_by_name(mount) or self._find_by_lun(mount)
        if block.uuid is None or disk.wwid is None:
            raise NotFoundError(
                f"line {mount.source.line}: {block.device} has no UUID that a line could use",
                hint=f"see what it contains: iscsictl disk show {shell_form(block.device)}",
            )
        options = tuple(o for o in mount.source.options if o not in _OLD_ONLY)
        disk_id = actions.DiskId(target, lun, disk.wwid, disk.block.device)
        fs = block.fstype or mount.source.fstype
        self._execute_and_note(actions.MakeDirectory(path), path)
        self._execute_and_note(actions.WriteFstab(disk_id, block.uuid, path, fs, options), path)

    def _find_by_name(self, mount: MountPlan) -> _Found | None:
        """Find the filesystem that a line names by UUID= or LABEL=; None if it names a LUN."""
        kind, _, name = mount.source.spec.partition("=")
        if mount.target is not None or kind not in {"UUID", "LABEL"}:
            return None
        listing = read_listing(self._context.root)
        matches = [
            (disk, block)
            for disk in listing.disks or ()
            for block in blocks(disk.block)
            if name == (block.uuid if kind == "UUID" else block.label)
        ]
        if len(matches) != 1:
            many = f"{len(matches)} disks have" if matches else "no disk of a session has"
            raise NotFoundError(
                f"line {mount.source.line}: {many} {mount.source.spec}",
                hint="log in first: iscsictl login --all; list the disks: iscsictl disk ls",
            )
        # Any path will do for target and LUN, which are only notes: the entry mounts by UUID.
        ((disk, block),) = matches
        for session in listing.sessions:
            for lun in session.luns or ():
                if any((path.sid, path.hctl) == (session.sid, lun.hctl) for path in disk.paths):
                    return session.target, lun.lun, disk, block
        return None

    def _find_by_lun(self, mount: MountPlan) -> _Found:
        target, lun = mount.target, mount.lun
        if target is None or lun is None:
            raise NotFoundError(
                f"line {mount.source.line}: {mount.source.spec} does not say which LUN it is",
                hint="find it with iscsictl ls, then: "
                f"iscsictl fstab add DISK {shell_form(mount.source.directory)}",
            )
        disk = self._find_disk(target, lun) or self._log_in_to_lun(target, lun, mount.part)
        block = None if disk is None else _find_filesystem(disk.block, mount.part)
        if disk is None or block is None:
            raise NotFoundError(
                f"line {mount.source.line}: there is no filesystem on {target} LUN {lun}",
                hint=f"see its LUNs: iscsictl ls {shell_form(target)}",
            )
        return target, lun, disk, block

    def _execute_and_note(self, action: Action, subject: str) -> None:
        if execute_action(action, self._context).changed:
            journal.note(Step(action, subject, "import"), Status.DONE)

    def _find_record(self, target: str, portal: Portal | None = None) -> NodeRecord | None:
        for record in nodedb.read_records(self._context.db):
            is_at_portal = portal is None or record.portal.same_place(portal)
            if record.target == target and record.problem is None and is_at_portal:
                return record
        return None

    def _find_disk(self, target: str, lun: int) -> Disk | None:
        listing = read_listing(self._context.root)
        hctls = {
            (session.sid, unit.hctl)
            for session in listing.sessions
            if session.target == target
            for unit in session.luns or ()
            if unit.lun == lun
        }
        for disk in listing.disks or ():
            if any((path.sid, path.hctl) in hctls for path in disk.paths):
                return disk
        return None

    def _log_in_to_lun(self, target: str, lun: int, part: int | None) -> Disk | None:
        record = self._find_record(target)
        if record is None:
            raise NotFoundError(
                f"there is no node record of {target}", hint="import iscsi.conf first"
            )
        login = actions.Login(target, record.portal, record.iface, lun)
        self._execute_and_note(login, f"{target} {record.portal}")

        def find_disk() -> Disk | None:
            disk = self._find_disk(target, lun)
            # The kernel shows a disk before udev has probed its content: it is ready once its
            # filesystem is known.
            return disk if disk is not None and _find_filesystem(disk.block, part) else None

        return self._context.waiter.wait(
            find_disk, self._context.deadline(), f"waiting for LUN {lun} of {target}"
        )


def _find_filesystem(block: Block, part: int | None) -> Block | None:
    """Return the device with a filesystem: partition `part`, or the disk or its only partition."""
    if part is None and block.uuid:
        return block
    parts = [child for child in block.children if child.kind == "part" and child.uuid]
    if part is not None:
        ends = (f"{block.device}{part}", f"{block.device}p{part}", f"{block.device}-part{part}")
        parts = [child for child in parts if child.device in ends]
    return parts[0] if len(parts) == 1 else None
