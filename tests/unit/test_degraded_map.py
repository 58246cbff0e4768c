"""One path of a map is away: a state that is told, not a failure."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks.examine import examine
from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.model.finding import Level
from iscsictl.model.fstab import Fstab
from iscsictl.model.host_facts import KernelLogErrors, Machine
from iscsictl.model.inventory import Inventory, Known
from iscsictl.model.listing import Block, Disk, Listing, Lun, Mount, Session, Status, Timeouts
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.plan import Status as StepStatus
from iscsictl.model.services import Daemon
from iscsictl.observers import reconnect as reconnect_observer
from iscsictl.parse.fstab import append_line, mount_line
from iscsictl.planner.attach.reconnect import Mounted, missing_records, plan_reconnect
from iscsictl.system.context import Context
from iscsictl.system.iscsi import sessions
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import Tree, make, put
from tests.unit.healthy_host import IQN, PORTAL, SOUND, bad, db, found, record

OTHER = Portal("198.51.100.5", 3260, 1)
RECORDS = (record(), replace(record(), portal=OTHER, path=Path("/db/198.51.100.5/default")))
MAP = Block("/dev/mapper/m", "mpath", uuid="0a-1", mounts=(Mount("/srv", ("rw",)),))


def way(sid: int, portal: Portal, status: Status = "up") -> Session:
    """A session that shows the LUN as a disk of its own."""
    state = "running" if status == "up" else "transport-offline"
    lun = Lun(0, f"{sid}:0:0:0", f"/dev/sd{'xab'[sid]}", state, "naa.60014051234")
    return Session(
        "sysfs", IQN, sid, portal=portal, persistent_portal=portal, iface="default",
        initiator="iqn.1993-08.org.debian:01:5f3e9a0c77d1", status=status, luns=(lun,),
    )  # fmt: skip


def listing(*sessions: Session, block: Block = MAP) -> Listing:
    """The sessions, and the one disk that all of them lead to."""
    paths = []
    for session in sessions:
        (lun,) = session.luns or ()
        paths.append(DiskPath(session.sid or 0, lun.hctl or "", lun.device or "", lun.state))
    return Listing(sessions, (Disk("naa.60014051234", tuple(paths), block),))


def machine(*sessions: Session, silent: tuple[Portal, ...] = ()) -> Machine:
    """A sound machine with two portals, of which some do not answer."""
    network = replace(
        SOUND.network, silent=Known({Portal(p.address, p.port): "timed out" for p in silent})
    )
    return replace(
        SOUND, multipathd=Daemon(9), listing=listing(*sessions), db=db(*RECORDS), network=network
    )


def reconnected(*sessions: Session, block: Block = MAP, silent: tuple[Portal, ...] = ()) -> Plan:
    """What reconnect plans for both records."""
    shown = listing(*sessions, block=block)
    inventory = Inventory(
        RECORDS, shown.sessions, shown.disks or (), silent=dict.fromkeys(silent, "timed out")
    )
    return plan_reconnect(inventory, {})


def errors(plan: Plan) -> list[IscsictlError]:
    return list(plan.errors.values())


LOST = way(2, OTHER, "recovering")


@pytest.mark.fault("F93")
def test_reconnect_notes_a_path_that_is_recovering_while_its_map_has_another() -> None:
    plan = reconnected(way(1, PORTAL), LOST)
    assert [step.status for step in plan.steps] == [StepStatus.UNCHANGED]
    assert errors(plan) == []
    (note,) = plan.notes
    assert note == (
        f"the path to {IQN} through {OTHER} is recovering; its map works without it"
    )  # fmt: skip


@pytest.mark.fault("F93")
def test_reconnect_notes_a_missing_path_whose_portal_is_silent() -> None:
    plan = reconnected(way(1, PORTAL), silent=(OTHER,))
    assert [step.status for step in plan.steps] == [StepStatus.UNCHANGED]
    assert f"through {OTHER} does not answer: timed out" in plan.notes[0]


def test_reconnect_logs_in_to_a_missing_path_whose_portal_answers() -> None:
    plan = reconnected(way(1, PORTAL))
    assert [(s.action.verb, s.status) for s in plan.steps] == [("login", StepStatus.PLANNED)]


@pytest.mark.parametrize("block", [MAP, Block("/dev/sda", "disk")], ids=["no path", "no map"])
def test_reconnect_fails_where_no_other_path_carries_the_io(block: Block) -> None:
    first = way(1, PORTAL, "recovering" if block is MAP else "up")
    plan = reconnected(first, LOST, block=block)
    assert StepStatus.FAILED in {step.status for step in plan.steps}
    assert isinstance(errors(plan)[0], UnreachableError)
    assert plan.notes == ()


@pytest.mark.fault("F93")
def test_reconnect_tells_of_a_broken_mount_whose_map_works_through_another_target() -> None:
    # An array with a target for each controller; the one that fstab names is away.
    other = way(2, OTHER)._replace(target=f"{IQN}.b")
    line = mount_line(
        "0a-1", "/srv", "ext4", (), login_service="open-iscsi.service",
        wwid="naa.60014051234", target=IQN, lun=0,
    )  # fmt: skip
    shown = listing(way(1, PORTAL, "recovering"), other)
    inventory = Inventory(
        (RECORDS[0],), shown.sessions, shown.disks or (), fstab=append_line(Fstab(), line)
    )
    plan = plan_reconnect(inventory, {"/srv": Mounted(("ro",))})
    (error,) = errors(plan)
    assert "became read-only after errors" in error.text
    assert errors(plan_reconnect(inventory, {"/srv": Mounted(("rw",))})) == []


@pytest.mark.fault("F92")
def test_reconnect_says_of_a_map_without_a_path_that_writes_wait_and_advises_no_fsck() -> None:
    plan = reconnected(way(1, PORTAL, "recovering"), LOST)
    for error in errors(plan):
        assert "its map has no path left: writes wait" in error.text
        assert "multipath -ll" in (error.hint or "")
        for word in ("umount", "fsck", "replacement_timeout"):
            assert word not in f"{error.text} {error.hint}"
    assert len(errors(plan)) == 2


@pytest.mark.fault("F93")
def test_doctor_warns_and_names_the_path_while_another_works() -> None:
    degraded = machine(way(1, PORTAL), LOST, silent=(OTHER,))
    levels = bad(degraded)
    assert Level.FAIL not in levels.values(), levels
    assert {"multipath-paths", "session-state", "portal-reachable"} <= set(levels)
    assert "/dev/sdb" in found(degraded, "multipath-paths").message
    state = found(degraded, "session-state")
    assert str(OTHER) in state.message
    assert "over the other paths" in state.message
    assert "umount" not in (state.fix or "")


@pytest.mark.fault("F93")
def test_doctor_warns_of_a_path_that_is_not_logged_in() -> None:
    levels = bad(machine(way(1, PORTAL), silent=(OTHER,)))
    assert levels["session-missing"] is Level.WARN
    assert Level.FAIL not in levels.values(), levels


@pytest.mark.fault("F93")
def test_doctor_fails_when_no_path_of_a_map_is_left() -> None:
    ways = (way(1, PORTAL, "recovering"), LOST)
    # What multipathd makes of the timeout of each session under a map.
    short = [one._replace(timeouts=Timeouts(recovery=5)) for one in ways]
    lost = machine(*short, silent=(PORTAL, OTHER))
    levels = bad(lost)
    assert levels["multipath-paths"] is Level.FAIL
    assert levels["session-state"] is Level.FAIL
    assert levels["portal-reachable"] is Level.FAIL
    assert "no working path" in found(lost, "multipath-paths").message
    states = [one.message for one in examine(lost) if one.id == "session-state"]
    assert len(states) == 2
    assert all("I/O waits in its map" in one and "then fails" not in one for one in states)


def test_an_error_on_a_path_whose_map_has_none_is_no_failure() -> None:
    degraded = machine(way(1, PORTAL), LOST, silent=(OTHER,))
    logged = replace(
        degraded, trouble=Known(KernelLogErrors(disk_errors={"/dev/sdb": "it said no"}))
    )
    assert bad(logged)["disk-errors"] is Level.WARN
    both = {"/dev/sdb": "it said no", "/dev/mapper/m": "it said no"}
    failed = replace(degraded, trouble=Known(KernelLogErrors(disk_errors=both)))
    assert bad(failed)["disk-errors"] is Level.FAIL


@pytest.mark.parametrize("mapped", [False, True])
def test_with_a_session_missing_the_disks_are_read_only_where_one_may_be_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: bool
) -> None:
    tree = Tree(tmp_path)
    make_records(tmp_path, 2)
    make(tmp_path, 1)
    (tmp_path / "etc/fstab").write_text("")
    if mapped:
        put(tree.virtual("dm-0", "253:0") / "dm", name="m", uuid="mpath-36001405")
    read: list[Path] = []
    real = sessions.read_listing

    def read_listing(root: Path, *, details: bool) -> Listing:
        read.append(root)
        return real(root, details=details)

    monkeypatch.setattr(reconnect_observer, "read_listing", read_listing)
    inventory = reconnect_observer.observe_locally(Context(root=tmp_path))
    assert len(missing_records(inventory, None)) == 1
    assert bool(read) is bool(inventory.disks) is mapped
