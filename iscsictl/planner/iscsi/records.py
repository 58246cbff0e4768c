"""Plan changes of records: values, startup, deletion, newly discovered targets, other accounts."""

from collections.abc import Collection
from dataclasses import replace

from iscsictl.errors import InUseError, IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.inventory import Inventory, Known, ReadFailed
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord, discovery_values, startup_values
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder, add_login_service
from iscsictl.planner.iscsi.first_login import values_of_only_path
from iscsictl.planner.iscsi.settings import Changes, describe_changes, require_settings
from iscsictl.planner.safety.storage_graph import target_of_link
from iscsictl.planner.selection.records import (
    RecordSelector,
    corrupt_record_error,
    select_records,
)
from iscsictl.planner.selection.session_index import SessionIndex

DEFAULTS = "iscsid.conf"


def discovery_name(portal: Portal) -> str:
    """Name a discovery record in a step."""
    return f"discovery at {portal}"


def plan_values(
    inventory: Inventory, selector: RecordSelector, changes: Changes, *, note: str | None = None
) -> Plan:
    """Set values in all selected records, or in none. `note` is added for those logged in.

    Never raises. If one record is corrupt, or open-iscsi would refuse a value for it, the whole
    plan is refused: iscsiadm lists nothing at all while a record has a value that it cannot read.
    """
    draft = PlanBuilder()
    index = SessionIndex.of(inventory)
    try:
        records = select_records(inventory, selector)
        for record in records:
            if record.problem is not None:
                raise corrupt_record_error(record)
            version = inventory.open_iscsi
            require_settings("node", changes, version=version, iface=record.iface)
            _add_values(draft, inventory, index, record, changes, note)
    except IscsictlError as error:
        return Plan(refusal=error)
    return draft.build()


def _add_values(
    draft: PlanBuilder,
    inventory: Inventory,
    index: SessionIndex,
    record: NodeRecord,
    changes: Changes,
    note: str | None,
) -> None:
    name = index.subject_of(record)
    wrong = inventory.unsettled.get(str(record.path), tuple(changes))
    write = actions.WriteRecord(record.target, record.portal, record.iface, changes)
    draft.add(write, name, describe_changes(wrong or changes, changes), done=not wrong)
    if note is not None and index.session_of(record) is not None:
        draft.notes.append(f"{name}: {note}")


def plan_startup(inventory: Inventory, selector: RecordSelector, startup: str) -> Plan:
    """Set how records are logged in to at boot; if they are, the login service is enabled too.

    Records whose portal no host can reach (link-local without a zone, 0.0.0.0) are left out and set
    to manual: arrays announce them, and the boot would wait for each. If no other record is left,
    the plan is refused. `inventory.silent` becomes notes.
    """
    left_out = () if startup == "manual" else _never_connected(inventory, selector)
    paths = {record.path for record in left_out}
    reachable = tuple(r for r in inventory.records if r.path not in paths)
    if left_out and not any(selector.matches(r.target, r.portal, r.iface) for r in reachable):
        return Plan(refusal=_unreachable_error(left_out))
    plan = plan_values(replace(inventory, records=reachable), selector, startup_values(startup))
    if plan.refusal is not None:
        return plan
    if startup == "manual":
        draft = PlanBuilder(list(plan.steps), list(plan.notes))
        _add_values_of_only_paths(draft, inventory, select_records(inventory, selector))
        return draft.build()
    draft = PlanBuilder(list(plan.steps), list(plan.notes))
    for record in left_out:
        # A login at boot would wait for it until the login service gives up.
        name, manual = f"{record.target} {record.portal}", startup_values("manual")
        write = actions.WriteRecord(record.target, record.portal, record.iface, manual)
        draft.add(write, name, "is not logged in at boot", done=not record.onboot)
        draft.notes.append(f"{name} is skipped: {record.portal.unreachable} cannot be reached")
    draft.notes += [
        f"portal {portal} does not answer: {why}" for portal, why in inventory.silent.items()
    ]
    add_login_service(draft, inventory.host)
    return draft.build()


def _add_values_of_only_paths(
    draft: PlanBuilder, inventory: Inventory, leaving: Collection[NodeRecord]
) -> None:
    """Add the changes for a record that has the only path at boot once the others are `leaving`."""
    index, gone = SessionIndex.of(inventory), {record.path for record in leaving}
    for target in sorted({record.target for record in leaving}):
        left = [r for r in inventory.index.records(target) if r.path not in gone]
        for record in left:
            if not record.onboot or record.problem is not None:
                continue
            values = values_of_only_path(record, left, inventory.host.login_retries)
            if values:
                write = actions.WriteRecord(record.target, record.portal, record.iface, values)
                why = f"{describe_changes(values, values)}: it is the only path left at boot"
                draft.add(write, index.subject_of(record), why)


def _never_connected(inventory: Inventory, selector: RecordSelector) -> tuple[NodeRecord, ...]:
    """Return the selected records whose portal no host can reach, unless there is a session."""
    try:
        selector = selector.with_exact_target(inventory)
    except IscsictlError:
        return ()
    index = SessionIndex.of(inventory)
    return tuple(
        r
        for r in inventory.records
        if selector.matches(r.target, r.portal, r.iface)
        and r.portal.unreachable is not None
        and r.problem is None
        and index.session_of(r) is None
    )


def _unreachable_error(records: tuple[NodeRecord, ...]) -> RefusedError:
    portals = ", ".join(f"{r.portal} ({r.portal.unreachable})" for r in records)
    return RefusedError(
        f"no portal of {records[0].target} can be reached: {portals}",
        hint="find the target through another portal: iscsictl discover ADDRESS --save",
    )


def plan_forget(inventory: Inventory, selector: RecordSelector) -> Plan:
    """Delete the selected records, except those that have a session.

    The steps are independent: only a record that is logged in is refused. A record that cannot be
    parsed is removed as a file, because iscsiadm cannot delete it. A record that was deleted
    before, according to the journal, counts as done.
    """
    try:
        hint = "see which records there are: iscsictl nodes ls"
        records = select_records(inventory, selector, hint=hint)
    except IscsictlError as error:
        if selector.target is None or not inventory.in_journal:
            return Plan(refusal=error)
        plan = PlanBuilder(independent=True)
        gone = actions.DeleteRecord(selector.target, selector.portal or Portal("?"), "default")
        plan.add(gone, selector.description, "has no record", done=True)
        return plan.build()
    plan = PlanBuilder(independent=True)
    index = SessionIndex.of(inventory)
    for record in records:
        name = index.subject_of(record)
        why: IscsictlError | None = None
        if index.session_of(record) is not None:
            why = InUseError(
                f"{name} is logged in",
                hint=f"log out first: iscsictl logout -T {shell_form(record.target)}",
            )
        if record.problem is not None:
            corrupt = actions.RemoveCorruptRecord(record.path)
            plan.add(corrupt, name, f"its record {record.problem}", error=why)
        else:
            delete = actions.DeleteRecord(record.target, record.portal, record.iface)
            plan.add(delete, name, "deletes the record", error=why)
    paths = {record.path for record in records}
    left = {r.target for r in inventory.records if r.path not in paths}
    going = [record for record in records if index.session_of(record) is None]
    _add_values_of_only_paths(plan, inventory, going)
    # An admin's own line has the target in its name, if anywhere: its disk is away by now.
    entries = group_by_keys(
        inventory.fstab.entries,
        lambda entry: (entry.target if entry.is_ours else target_of_link(entry.spec or ""),),
    )
    for target in sorted({r.target for r in records} - left):
        places = [x.mount_point for x in entries.get(target, ()) if x.at_boot]
        if places:
            where = ", ".join(place or "none" for place in places)
            plan.notes.append(f"/etc/fstab still mounts {where} from {target} at boot")
    return plan.build()


def plan_save(inventory: Inventory, iface: str, asked: Portal | None = None) -> Plan:
    """Create the records that discovery found and that do not exist; the others stay (F06).

    `asked` is the portal that answered (SendTargets), None for an iSNS server. The new records note
    it; from that, two targets are known to belong to one array.

    iscsiadm would reset existing records to the defaults of iscsid.conf, including their CHAP
    account. New records are manual, because what logs in at boot is for the user to decide. A
    discovery that failed is the refusal.
    """
    if isinstance(inventory.offers, ReadFailed):
        return Plan(refusal=inventory.offers.error)
    draft = PlanBuilder()
    index = SessionIndex.of(inventory)
    for offer in inventory.offers.value if isinstance(inventory.offers, Known) else ():
        there = any(
            record.iface == iface and record.portal.matches(offer.portal)
            for record in index.records(offer.target)
        )
        suffix = "" if iface == "default" else f" [{iface}]"
        name = f"{offer.target} {offer.portal}{suffix}"
        create = actions.CreateRecord(offer.target, offer.portal, iface)
        draft.add(create, name, "makes it known to open-iscsi", done=there)
        if not there:
            values = startup_values("manual")
            if asked is not None:
                values |= discovery_values(asked)
            write = actions.WriteRecord(offer.target, offer.portal, iface, values)
            draft.add(write, name, "not logged in at boot")
    return draft.build()


def plan_discovery_account(
    portal: Portal, *, there: bool, wrong: tuple[str, ...], changes: Changes
) -> Plan:
    """Set or clear the account with which a portal is asked for its targets.

    `there`: the portal has a discovery record; `wrong` are the keys that differ. To clear the
    account of a portal that has none, nothing is done and no record is created.
    """
    draft = PlanBuilder()
    name = discovery_name(portal)
    clearing = all(value is None or value == "None" for value in changes.values())
    if not clearing:
        create = actions.CreateDiscovery(portal)
        draft.add(create, name, "open-iscsi must know the portal", done=there)
    elif not there:
        wrong = ()
    write = actions.WriteDiscovery(portal, changes)
    draft.add(write, name, describe_changes(wrong or changes, changes), done=not wrong)
    return draft.build()


def plan_default_account(*, wrong: tuple[str, ...], changes: Changes) -> Plan:
    """Set or clear the account that new records get.

    It is in iscsid.conf, from which open-iscsi copies it into each record that it creates. `wrong`
    are the keys that differ.
    """
    draft = PlanBuilder()
    why = describe_changes(wrong or changes, changes)
    draft.add(actions.WriteDefaults(changes), DEFAULTS, why, done=not wrong)
    draft.notes.append("existing records keep their account; new ones get this one")
    return draft.build()
