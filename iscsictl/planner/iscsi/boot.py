"""Plan the login to the targets of the firmware's boot table."""

from dataclasses import dataclass

from iscsictl.errors import NotFoundError
from iscsictl.model.actions import FirmwareLogin
from iscsictl.model.boot import BootEntry
from iscsictl.model.listing import Session
from iscsictl.model.plan import Plan
from iscsictl.planner.builder import PlanBuilder


@dataclass(frozen=True)
class BootFacts:
    """The targets of the firmware's boot table, and the sessions that are up."""

    entries: tuple[BootEntry, ...]
    sessions: tuple[Session, ...]


def plan_firmware_login(facts: BootFacts) -> Plan:
    """Plan to log in to every target of the table; refused (3) where the table names none.

    iscsiadm logs in to all targets of the table at once (iscsiadm(8), `-m fw --login`), and leaves
    alone those that are logged in, so this is one step.
    """
    targets = sorted({entry.target for entry in facts.entries if entry.target})
    if not targets:
        error = NotFoundError(
            "the firmware has no boot table", hint="load its module: modprobe iscsi_ibft"
        )
        return Plan(refusal=error)
    builder = PlanBuilder()
    there = {session.target for session in facts.sessions}
    builder.add(FirmwareLogin(), ", ".join(targets), "the firmware's table names it",
                done=set(targets) <= there)  # fmt: skip
    return builder.build()
