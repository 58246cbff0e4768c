"""prune removes what dead targets leave behind: claims, links, discovery records, maps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.engine.handlers.registry import execute_action
from iscsictl.errors import InUseError, RefusedError
from iscsictl.model import actions
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import DiscoveryLink, DiscoveryRecord, NodeRecord
from iscsictl.parse.fstab import append_line, claim_line, mount_line, parse_fstab
from iscsictl.planner.iscsi.prune import (
    PruneFacts,
    leftovers_to_ask,
    plan_prune,
    without_claims,
)
from iscsictl.planner.safety.storage_graph import carriers_in_fstab, storage_facts, targets_of
from iscsictl.system.block.multipath import maps_without_paths
from iscsictl.system.context import Context
from iscsictl.system.iscsi.nodedb import read_discovery_links, read_discovery_records
from tests.unit.fake_root import put

pytestmark = pytest.mark.fault("F111")

A, B = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)
GONE, LIVE = "iqn.2001-04.com.example:gone", "iqn.2001-04.com.example:live"
DB = Path("/etc/iscsi")
UUID = "0aa80dd2-7a3c-4ba2-9bdc-2a4f2f5a8d11"
ANSWER = frozenset({LIVE})


def record(name: str, portal: Portal = A) -> NodeRecord:
    path = DB / f"nodes/{name}/{portal.address},3260,1/default"
    return NodeRecord(path, {}, target=name, portal=portal, iface="default")


def discovery(portal: Portal = B, **values: str) -> DiscoveryRecord:
    path = DB / f"send_targets/{portal.address},3260/st_config"
    found = {f"discovery.sendtargets.{key.replace('__', '.')}": v for key, v in values.items()}
    return DiscoveryRecord(path, found, kind="sendtargets", portal=portal)


def link(name: str, portal: Portal = B, *, leads: bool = True) -> DiscoveryLink:
    place = DB / f"send_targets/{portal.address},3260"
    return DiscoveryLink(place / f"{name},{portal.address},3260,1,default", name, portal, leads)


def planned(plan: Plan) -> list[Any]:
    assert plan.refusal is None
    return [step.action for step in plan.pending]


def claim(name: str, wwid: str = "naa.1") -> FstabLine:
    return claim_line(FilesystemClaim(UUID, "ext4"), "/srv", wwid=wwid, target=name, lun=0)


def with_entries(*lines: FstabLine) -> Fstab:
    fstab = parse_fstab(b"UUID=1234 / ext4 defaults 0 1\n")
    for line in lines:
        fstab = append_line(fstab, line)
    return fstab


def of_portal_a(**more: Any) -> PruneFacts:
    """A target that is gone and one that is there, both known at one portal, which answers."""
    facts = PruneFacts((record(GONE), record(LIVE)), offered={(A.place, "default"): ANSWER})
    return replace(facts, **more)


def test_the_claim_of_a_target_that_is_gone_goes_with_it_and_no_other_entry_does() -> None:
    mounted = mount_line(
        UUID, "/data", "ext4", (), login_service="open-iscsi.service", wwid="naa.3", target=LIVE,
        lun=1,
    )  # fmt: skip
    fstab = with_entries(claim(LIVE, "naa.2"), claim(GONE), mounted)
    drop, forget = planned(plan_prune(of_portal_a(fstab=fstab), seconds=0))
    assert drop == actions.DropFstab(fstab.lines[2])
    assert (forget.target, forget.portal) == (GONE, A)


def test_a_record_goes_after_its_claim_so_that_a_stopped_run_can_be_finished() -> None:
    """Without record and session, a second run would no longer ask for the target."""
    facts = of_portal_a(fstab=with_entries(claim(GONE)))
    drop, forget = plan_prune(facts, seconds=0).pending
    assert isinstance(drop.action, actions.DropFstab)
    assert drop.id in forget.after


def test_a_claim_on_a_disk_that_another_target_shows_stays() -> None:
    there = Disk("naa.1", (DiskPath(1, "1:0:0:0", "/dev/sda"),), Block("/dev/sda", "disk"))
    session = Session("sysfs", LIVE, sid=1, portal=A, iface="default", status="up")
    facts = of_portal_a(fstab=with_entries(claim(GONE)), sessions=(session,), disks=(there,))
    (forget,) = planned(plan_prune(facts, seconds=0))
    assert isinstance(forget, actions.DeleteRecord)


def test_a_claim_keeps_no_target_and_an_entry_that_mounts_does() -> None:
    entry = mount_line(
        UUID, "/data", "ext4", (), login_service="open-iscsi.service", wwid="naa.1", target=GONE,
        lun=0,
    )  # fmt: skip
    for lines, kept in (((claim(GONE),), set()), ((claim(GONE), entry), {GONE})):
        fstab = without_claims(with_entries(*lines))
        assert targets_of(carriers_in_fstab(fstab, storage_facts((), ()))) == kept
    facts = of_portal_a(fstab=with_entries(claim(GONE), entry), fstab_targets=frozenset({GONE}))
    assert plan_prune(facts, seconds=0).steps == ()


def test_a_link_without_its_record_goes_and_one_that_leads_to_a_record_stays() -> None:
    dangling = link("iqn.2001-04.com.example:forgotten", A, leads=False)
    facts = replace(of_portal_a(links=(link(LIVE, A), dangling)), records=(record(LIVE),))
    assert planned(plan_prune(facts, seconds=0)) == [actions.RemoveLink(dangling.path)]
    assert planned(plan_prune(facts, seconds=0, names=[LIVE])) == []
    for silent in ({}, {(A.place, "default"): frozenset[str]()}):
        assert planned(plan_prune(replace(facts, offered=silent), seconds=0)) == []


def test_a_discovery_record_goes_once_its_portal_answers_with_other_targets() -> None:
    facts = of_portal_a(
        discoveries=(discovery(),),
        links=(link(GONE),),
        offered={
            (A.place, "default"): ANSWER,
            (B.place, "default"): frozenset({"iqn.2001-04.com.example:another"}),
        },
    )
    forget, undiscover = plan_prune(facts, seconds=0).pending
    assert isinstance(forget.action, actions.DeleteRecord)
    assert undiscover.action == actions.DeleteDiscovery(B)
    # iscsiadm would delete the record itself with the discovery record.
    assert undiscover.after == {forget.id}
    only_gone = plan_prune(facts, seconds=0, names=[GONE])
    assert [type(action) for action in planned(only_gone)] == [actions.DeleteRecord]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"offered": {}}, None),
        ({"offered": {(B.place, "default"): frozenset()}}, None),
        ({"offered": {(B.place, "other"): frozenset({"iqn.x"})}}, None),
        ({"offered": {(B.place, "default"): frozenset({"iqn.x", LIVE})}}, None),
        ({"links": (link(LIVE),)}, None),
        ({"records": (record(LIVE, B),), "holds": (Hold(LIVE),)}, "it is on hold"),
        ({"discoveries": (replace(discovery(), problem="is empty"),)}, None),
        ({"discoveries": (discovery(auth__password="x"),)}, "it has a CHAP secret"),
        ({"discoveries": (discovery(use_discoveryd="Yes"),)}, "iscsid asks it periodically"),
    ],
    ids=[
        "silent or refused", "empty list", "asked through another interface",
        "offers a target that is recorded", "leads to a record", "a record of this portal",
        "corrupt", "secret", "discoveryd",
    ],
)  # fmt: skip
def test_a_discovery_record_that_may_still_be_meant_stays(more: Any, note: str | None) -> None:
    facts = PruneFacts(
        (record(LIVE),), discoveries=(discovery(),),
        offered={(B.place, "default"): frozenset({"iqn.2001-04.com.example:another"})},
    )  # fmt: skip
    assert planned(plan_prune(facts, seconds=0)) == [actions.DeleteDiscovery(B)]
    plan = plan_prune(replace(facts, **more), seconds=0)
    assert plan.steps == ()
    assert [(note or "") in text for text in plan.notes] == ([] if note is None else [True])


def test_a_discovery_record_of_a_target_on_hold_stays() -> None:
    facts = of_portal_a(discoveries=(discovery(A),), links=(link(GONE, A),), holds=(Hold(GONE),))
    assert plan_prune(facts, seconds=0).steps == ()


def test_only_what_leads_to_no_node_record_is_asked_for() -> None:
    third = Portal("192.0.2.8", 3260, 1)
    links = (link(LIVE, A), link(GONE, third, leads=False))
    corrupt = replace(discovery(Portal("192.0.2.7")), problem="is empty")
    asked = leftovers_to_ask((discovery(A), discovery(B), corrupt), links)
    assert asked == {(B.place, "default"): B, (third.place, "default"): third}


MAP = Disk(None, (), Block("/dev/mapper/mpatha", "mpath"))


@pytest.mark.parametrize(
    ("more", "goes"),
    [
        ({}, True),
        ({"usage": {"/dev/mapper/mpatha": DiskUsage(("/srv",))}}, False),
        ({"usage": {"/dev/mapper/mpatha": DiskUsage((), ("process 7 (dd)",))}}, False),
        ({"fstab_disks": frozenset({"/dev/mapper/mpatha"})}, False),
    ],
    ids=["unused", "mounted", "open", "in fstab"],
)
def test_a_map_without_paths_goes_unless_somebody_has_it(more: Any, goes: bool) -> None:
    facts = replace(of_portal_a(empty_maps=(MAP,)), records=(), **more)
    wanted = actions.RemoveMap(actions.DiskId("", 0, "", "/dev/mapper/mpatha"))
    assert planned(plan_prune(facts, seconds=0)) == ([wanted] if goes else [])


def test_the_maps_without_paths_are_those_of_multipath_that_stand_on_nothing(
    tmp_path: Path,
) -> None:
    for number, (name, uuid) in enumerate(
        {"mpatha": "mpath-36001", "mpathb": "mpath-36002", "swap": "LVM-1"}.items()
    ):
        base = f"sys/class/block/dm-{number}"
        put(tmp_path, f"{base}/dm/name", name)
        put(tmp_path, f"{base}/dm/uuid", uuid)
        put(tmp_path, f"{base}/dev", f"253:{number}")
        put(tmp_path, f"{base}/size", "2048")
        (tmp_path / base / "slaves").mkdir()
    (tmp_path / "sys/class/block/dm-1/slaves/sda").mkdir()
    (only,) = maps_without_paths(tmp_path)
    assert (only.block.device, only.paths) == ("/dev/mapper/mpatha", ())


def test_links_are_read_from_every_kind_of_discovery_and_the_dangling_ones_removed(
    tmp_path: Path,
) -> None:
    (tmp_path / "proc").mkdir()
    node = put(tmp_path, f"etc/iscsi/nodes/{LIVE}/192.0.2.5,3260,1/default", "node.name = x\n")
    places = [f"etc/iscsi/{name}" for name in ("send_targets/192.0.2.5,3260", "static", "fw")]
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / f"{LIVE},192.0.2.5,3260,1,default").symlink_to(node.parent)
        (tmp_path / place / f"{GONE},192.0.2.5,3260,1,default").symlink_to(tmp_path / "nowhere")
    put(tmp_path, f"{places[0]}/st_config", "discovery.sendtargets.address = 192.0.2.5\n")
    db = tmp_path / "etc/iscsi"
    links = read_discovery_links(db)
    assert (
        sorted((one.target, one.leads_to_record) for one in links)
        == [(GONE, False)] * 3 + [(LIVE, True)] * 3
    )
    assert {one.portal for one in links} == {A}

    context = Context(5.0, tmp_path)
    for one in links:
        changed = execute_action(actions.RemoveLink(one.path), context).changed
        assert changed is not one.leads_to_record
    assert {one.target for one in read_discovery_links(db)} == {LIVE}
    assert len(read_discovery_records(db)) == 1
    with pytest.raises(InUseError, match="node records came from it"):
        execute_action(actions.DeleteDiscovery(A), context)
    with pytest.raises(RefusedError, match="not a link of a discovery record"):
        execute_action(actions.RemoveLink(node), context)
