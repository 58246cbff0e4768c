"""What the machine boots from: the login to the targets of the firmware's table, and hints."""

from dataclasses import dataclass

from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.boot import BootEntry
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.plan import Plan
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety.storage_graph import root_filesystem_targets


@dataclass(frozen=True)
class BootFacts:
    """The targets of the firmware's boot table, and the sessions that are up."""

    entries: tuple[BootEntry, ...]
    sessions: tuple[Session, ...]


def hint_for_boot_target(inventory: Inventory, target: str) -> str:
    """Return the command that shows why the machine counts as booted from a target.

    The firmware has a boot table only if it logged in itself; an initrd can do without one.
    """
    target_of = {session.sid: session.target for session in inventory.sessions}
    if target in root_filesystem_targets(inventory.disks, target_of):
        return "see: iscsictl boot check"
    return "see: iscsictl boot show"


def plan_firmware_login(facts: BootFacts) -> Plan:
    """Plan to log in to every target of the table; refused (3) if the table names none.

    iscsiadm logs in to all targets of the table at once (iscsiadm(8), `-m fw --login`), and leaves
    existing sessions alone, so this is one step.
    """
    targets = sorted({entry.target for entry in facts.entries if entry.target})
    if not targets:
        error = NotFoundError(
            "the firmware has no boot table", hint="load its module: modprobe iscsi_ibft"
        )
        return Plan(refusal=error)
    builder = PlanBuilder()
    there = {session.target for session in facts.sessions}
    builder.add(actions.FirmwareLogin(), ", ".join(targets), "the firmware's boot table names it",
                done=set(targets) <= there)  # fmt: skip
    return builder.build()
