"""Which records and sessions the options of a command mean."""

from dataclasses import dataclass, replace

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.selection.names import resolve_name


@dataclass(frozen=True)
class RecordSelector:
    """The options -T, -p and -I; None means no restriction.

    `interactive` is set on a terminal, where a part of the target's name is enough.
    """

    target: str | None = None
    portal: Portal | None = None
    iface: str | None = None
    interactive: bool = False

    def matches(self, target: str, portal: Portal | None, iface: str | None) -> bool:
        """Tell whether a record or session with this key is selected.

        A portal group tag counts only if both sides have one.
        """
        if self.target not in {None, target} or self.iface not in {None, iface or DEFAULT_IFACE}:
            return False
        return self.portal is None or (portal is not None and self.portal.matches(portal))

    def with_exact_target(self, inventory: Inventory) -> "RecordSelector":
        """Return the selector with the target's whole name.

        Raises NotFoundError if the name fits no target here, or several.
        """
        if self.target is None:
            return self
        known = {record.target for record in inventory.records}
        known |= {session.target for session in inventory.sessions}
        return replace(self, target=resolve_name(self.target, known, self.interactive))

    @property
    def selects_all(self) -> bool:
        """Tell whether no option was given."""
        return (self.target, self.portal, self.iface) == (None, None, None)

    @property
    def description(self) -> str:
        """The words by which an error names the selection."""
        parts = [
            self.target or "",
            f"portal {self.portal}" if self.portal else "",
            f"iface {self.iface}" if self.iface else "",
        ]
        return ", ".join(part for part in parts if part) or "any target"


def select_records(
    inventory: Inventory, selector: RecordSelector, *, hint: str | None = None
) -> tuple[NodeRecord, ...]:
    """Return the selected records, including corrupt ones.

    Raises NotFoundError if there are none, with `hint` or with how to create one; or if the
    target's name fits none or, on a terminal, several.
    """
    selector = selector.with_exact_target(inventory)
    found = tuple(r for r in inventory.records if selector.matches(r.target, r.portal, r.iface))
    if not found:
        used = (s.persistent_portal for s in inventory.sessions if s.target == selector.target)
        address = selector.portal or next(filter(None, used), "ADDRESS")
        raise NotFoundError(
            f"there is no node record of {selector.description}",
            hint=hint or f"create one: iscsictl discover {shell_form(address)} --save",
        )
    return found


def corrupt_record_error(record: NodeRecord) -> RefusedError:
    """Return the error for a record that cannot be used.

    `record.problem` is the reason, and must be set. The hint names the record exactly, with its
    portal group tag, because other records of the target are sound.
    """
    tag = "" if record.portal.tpgt is None else f",{record.portal.tpgt}"
    return RefusedError(
        f"the record {record.path} {record.problem}",
        hint="remove it and discover again: iscsictl forget "
        + shell_form(record.target, "-p", f"{record.portal}{tag}", "-I", record.iface),
    )
