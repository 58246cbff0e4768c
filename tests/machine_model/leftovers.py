"""What the steps of `prune` do to what it looks at beyond an inventory: links and empty maps."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from iscsictl.model import actions
from iscsictl.model.plan import Action, Plan
from iscsictl.planner.iscsi.prune import PruneFacts
from tests.machine_model import sessions
from tests.machine_model.execution import execute_pending
from tests.machine_model.records import same


def remove_link(action: actions.RemoveLink, now: PruneFacts) -> PruneFacts:
    link = next(one for one in now.links if one.path == action.path)
    assert not link.leads_to_record, "iscsiadm would lose the record's discovery"
    return replace(now, links=tuple(one for one in now.links if one != link))


def delete_record(action: actions.DeleteRecord, now: PruneFacts) -> PruneFacts:
    # iscsiadm refuses to delete a record that has a session (iscsiadm.c, delete_record).
    assert not any(session.target == action.target for session in now.sessions)
    assert any(same(record, action) for record in now.records)
    # The link that leads to it goes with it (idbm.c, idbm_unlink_rec).
    links = tuple(
        one
        for one in now.links
        if one.target != action.target
        or one.portal is None
        or not one.portal.same_place(action.portal)
    )
    kept = tuple(record for record in now.records if not same(record, action))
    return replace(now, records=kept, links=links)


def delete_discovery(action: actions.DeleteDiscovery, now: PruneFacts) -> PruneFacts:
    """iscsiadm deletes the node records that its links lead to with it (iscsiadm(8))."""
    record = next(one for one in now.discoveries if one.portal == action.portal)
    below = [one for one in now.links if one.path.parent == record.path.parent]
    assert not any(one.leads_to_record for one in below), "node records would go with it"
    return replace(
        now,
        discoveries=tuple(one for one in now.discoveries if one != record),
        links=tuple(one for one in now.links if one not in below),
    )


def remove_map(action: actions.RemoveMap, now: PruneFacts) -> PruneFacts:
    empty = next(one for one in now.empty_maps if one.block.device == action.disk.device)
    assert not empty.paths
    return replace(now, empty_maps=tuple(one for one in now.empty_maps if one != empty))


def logout(action: actions.Logout, now: PruneFacts) -> PruneFacts:
    (ended,) = (one for one in now.sessions if one.sid == action.sid)
    assert ended.status != "up"
    return sessions.end_sessions({action.sid or 0}, now)


EFFECTS: Mapping[type[Action], Callable[..., PruneFacts]] = {
    actions.RemoveLink: remove_link,
    actions.DeleteRecord: delete_record,
    actions.DeleteDiscovery: delete_discovery,
    actions.RemoveMap: remove_map,
    actions.Logout: logout,
}


def apply_to_leftovers(plan: Plan, now: PruneFacts) -> PruneFacts:
    """Return what is there after all pending steps of a plan."""
    return execute_pending(plan, EFFECTS, now)
