"""Observe the machine for `boot check`: its files, and what the next boot depends on."""

from dataclasses import replace

from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.observers.doctor import observe_local_files
from iscsictl.observers.root_boot import observe_root_boot, targets_of_root
from iscsictl.planner.selection.names import resolve_name
from iscsictl.system.context import Context


def observe_boot_check(context: Context, target: str | None, *, interactive: bool) -> Machine:
    """Return the machine with the facts of its next boot, for `boot check`.

    `target` is the one that the root filesystem is to be moved to, None for the one that it is on.
    `root_boot` is None if it is on no target. Raises NotFoundError for a name that no record or
    session has.
    """
    machine = observe_local_files(context)
    targets = targets_of_root(machine)
    planned = False
    if target is not None:
        records = machine.db.value.records if isinstance(machine.db, Known) else ()
        names = [record.target for record in records]
        names += [session.target for session in machine.listing.sessions]
        exact = resolve_name(target, names, interactive)
        planned = exact not in targets
        targets = frozenset({exact})
    if not targets:
        return machine
    facts = observe_root_boot(context, targets, context.wait, planned=planned)
    return replace(machine, root_boot=facts)
