"""Any host, any answers of portals: prune executes its plan, and the next one finds nothing."""

from pathlib import Path
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.model.listing import Block, Disk
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryLink, DiscoveryRecord, NodeRecord
from iscsictl.planner.iscsi.prune import PruneFacts, plan_prune
from tests.machine_model.leftovers import apply_to_leftovers

TARGETS = tuple(f"iqn.2001-04.com.example:{name}" for name in "abc")
PORTALS = tuple(Portal(address, 3260, 1) for address in ("192.0.2.5", "198.51.100.5"))
PLACES = st.tuples(st.sampled_from(TARGETS), st.sampled_from(PORTALS))


def discovery_path(portal: Portal) -> Path:
    return Path(f"/etc/iscsi/send_targets/{portal.address},3260/st_config")


@st.composite
def leftovers(draw: st.DrawFn) -> PruneFacts:
    """Records, links that lead to them or to nothing, discovery records, maps and answers."""
    places = draw(st.lists(PLACES, unique=True))
    records = tuple(
        NodeRecord(Path(f"/etc/iscsi/nodes/{target}/{portal.address},3260,1/default"), {},
                   target=target, portal=portal)
        for target, portal in places
    )  # fmt: skip
    links = tuple(
        DiscoveryLink(
            discovery_path(below).with_name(f"{target},{portal.address},3260,1,default"),
            target, portal, leads_to_record=(target, portal) in places,
        )
        for (target, portal), below in draw(
            st.lists(st.tuples(PLACES, st.sampled_from(PORTALS)), unique=True)
        )
    )  # fmt: skip
    discoveries = tuple(
        DiscoveryRecord(discovery_path(portal), draw(values), kind="sendtargets", portal=portal)
        for portal in draw(st.lists(st.sampled_from(PORTALS), unique=True))
    )
    answers = draw(
        st.dictionaries(st.sampled_from(PORTALS), st.frozensets(st.sampled_from(TARGETS)))
    )
    maps = (Disk("naa.1", (), Block("/dev/mapper/empty", "mpath")),)
    return PruneFacts(
        records,
        discoveries=discoveries,
        links=links,
        offered={(portal.place, "default"): names for portal, names in answers.items()},
        empty_maps=draw(st.sampled_from([(), maps])),
        fstab_disks=draw(st.sampled_from([frozenset[str](), frozenset({"naa.1"})])),
    )


values: st.SearchStrategy[Any] = st.sampled_from(
    [{}, {}, {"discovery.sendtargets.auth.password": "*"},
     {"discovery.sendtargets.use_discoveryd": "Yes"}]
)  # fmt: skip


@given(leftovers())
def test_what_prune_removes_is_gone_and_a_second_run_removes_nothing(facts: PruneFacts) -> None:
    plan = plan_prune(facts, seconds=600)
    event(f"{len(plan.pending)} steps")
    after = apply_to_leftovers(plan, facts)
    assert not plan_prune(after, seconds=600).pending
    listed = {name for names in facts.offered.values() for name in names}
    assert {r.path for r in facts.records if r.target in listed} <= {r.path for r in after.records}
    kept = {one.path for one in facts.links if one.target in listed and one.leads_to_record}
    assert kept <= {one.path for one in after.links}
    for one in facts.discoveries:
        if one not in after.discoveries:
            # An answer proves it; a secret or a setting for iscsid is an admin's work.
            assert facts.offered[one.portal.place, "default"]
            assert not one.has_secret
            assert not one.asked_by_iscsid
