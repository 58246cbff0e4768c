"""Plan the reservation of an exclusive volume's LUN, for systemd, before the mount."""

from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.disks.new_filesystem import is_kept_over


def plan_reserve(inventory: Inventory, uuid: str) -> Plan:
    """Plan the reservation that an entry of fstab asks for, by the UUID of its filesystem.

    The step is done once the LUN confirms it. Until the LUN has been asked, the step is planned:
    the disk may appear only now, and an earlier answer would be of no use.
    """

    def add_steps(builder: PlanBuilder) -> None:
        lines = [x for x in inventory.fstab.by_uuid(uuid) if x.exclusive and not x.is_claim]
        if not lines:
            raise NotFoundError(
                f"/etc/fstab has no entry with x-iscsictl.exclusive for {uuid}",
                hint="it has been changed; let systemd read it: systemctl daemon-reload",
            )
        line = lines[0]
        disk = DiskId(line.target or "", line.lun or 0, line.wwid or "", "")
        found = inventory.reservations.get(disk.wwid)
        builder.add(
            actions.Reserve(disk, exclusive=True, uuid=line.uuid),
            f"{line.target} LUN {line.lun}",
            "no other host can write until it is detached",
            done=found is not None
            and any(is_kept_over(one, found) for one in inventory.disks if one.wwid == disk.wwid),
        )

    return build_plan(add_steps)
