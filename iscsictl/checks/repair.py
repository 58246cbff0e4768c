"""The plan of `doctor --fix`: only repairs that can do no harm."""

from collections.abc import Iterable

from iscsictl.model.finding import Finding, Level
from iscsictl.model.plan import Plan
from iscsictl.planner.builder import PlanBuilder


def plan_repairs(findings: Iterable[Finding]) -> Plan:
    """Return the plan of the repairs; failures that an admin must correct become notes.

    Each repair is planned once, however many findings ask for it. None of them needs consent: a
    record is removed only if iscsiadm cannot use it, and a copy is kept.
    """
    draft = PlanBuilder()
    planned = set()
    for finding in findings:
        if finding.repair is not None:
            subject = finding.subject or finding.id
            path = getattr(finding.repair, "path", None)
            subject = subject if path is None else str(path)
            if (finding.repair.verb, subject) not in planned:
                planned.add((finding.repair.verb, subject))
                draft.add(finding.repair, subject, finding.message)
        elif finding.level is Level.FAIL:
            about = f"{finding.subject}: " if finding.subject else ""
            draft.notes.append(f"not repaired: {about}{finding.message}")
    return draft.build()
