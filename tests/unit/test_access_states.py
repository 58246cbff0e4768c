"""Paths to the controller of an array that does not serve the LUN now (ALUA)."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from iscsictl.checks.examine import examine
from iscsictl.engine.handlers.sessions import require_unused
from iscsictl.errors import InUseError
from iscsictl.model.finding import Finding
from iscsictl.model.host_facts import KernelLogErrors
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiskUsage, Inventory, Known
from iscsictl.model.listing import Block, Disk, Listing, Lun, Path, Session
from iscsictl.model.names import Portal
from iscsictl.output.views.ls_json import disk_dict
from iscsictl.planner.iscsi.sessions import plan_logout
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.selection.surviving import has_other_paths
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import usage
from tests.bench.make_tree import Tree, put
from tests.unit.test_checks_multipath import machine
from tests.unit.test_ls_view import shown

ACTIVE, OTHER = "active/optimized", "active/non-optimized"
IQN = "iqn.2001-04.com.example:mail"
PORTALS = (Portal("192.0.2.5"), Portal("198.51.100.5"))


def disk(*access: str | None) -> Disk:
    """A map with a path in each of these states."""
    paths = tuple(
        Path(n, f"{n + 1}:0:0:0", f"/dev/sd{'xab'[n]}", "running", one)
        for n, one in enumerate(access, 1)
    )
    return Disk("naa.60014051234", paths, Block("/dev/mapper/m", "mpath", 1 << 30, "ext4"))


def listing(*access: str | None) -> Listing:
    """The sessions to that map."""
    over = disk(*access)
    sessions = tuple(
        Session(
            "sysfs", IQN, path.sid, portal=PORTALS[path.sid - 1], status="up",
            persistent_portal=PORTALS[path.sid - 1], iface="default",
            luns=(Lun(0, path.hctl, path.device, path.state, over.wwid, access=path.access),),
        )
        for path in over.paths
    )  # fmt: skip
    return Listing(sessions, (over,))


def test_the_access_of_a_path_is_read_where_a_device_handler_knows_it(tmp_path: FilePath) -> None:
    tree = Tree(tmp_path)
    for sid, access in ((1, ACTIVE), (2, "standby"), (3, None)):
        lun = tree.lun(tree.session(sid, IQN), 0, wwid="naa.6001405" + "1" * 25)
        tree.block(lun / "block", f"sd{'xabc'[sid]}")
        if access is not None:
            put(lun, access_state=access)

    def accesses() -> list[list[str | None]]:
        found = read_listing(tmp_path)
        luns = [lun.access for session in found.sessions for lun in session.luns or ()]
        return [luns, [path.access for one in found.disks or () for path in one.paths]]

    assert accesses() == [[None] * 3] * 2
    (tmp_path / "sys/module/scsi_dh_alua").mkdir(parents=True)
    assert accesses() == [[ACTIVE, "standby", None]] * 2


@pytest.mark.parametrize("access", ["standby", "unavailable", "offline", "transitioning"])
def test_ls_calls_a_path_that_serves_no_reads_and_writes_by_its_state(access: str) -> None:
    found = listing(ACTIVE, access)
    for text in (
        shown(found, None),
        shown(found, None, tree=True),
        shown(found, None, long=True),
        shown(found, None, tsv=True, long=True),
    ):
        assert access in text, text
        assert "running" in text


@pytest.mark.parametrize("access", [ACTIVE, OTHER, None, "lba-dependent"])
def test_ls_has_no_states_where_all_paths_serve(access: str | None) -> None:
    text = shown(listing(ACTIVE, access), None)
    assert "STATE" not in text
    assert "2/2" in text


@pytest.mark.parametrize(
    ("access", "count"), [("standby", "2/2"), ("transitioning", "2/2"), ("unavailable", "1/2")]
)
def test_a_standby_path_counts_among_those_that_work(access: str, count: str) -> None:
    assert count in shown(listing(ACTIVE, access), None)


def test_json_has_the_access_beside_the_state_of_the_kernel() -> None:
    paths = disk_dict(disk(ACTIVE, "standby"))["paths"]
    assert [(path["state"], path["access"]) for path in paths] == [
        ("running", ACTIVE),
        ("running", "standby"),
    ]


def paths_finding(*access: str | None) -> Finding:
    (finding,) = (one for one in examine(machine(disk(*access))) if one.id == "multipath-paths")
    return finding


def test_doctor_names_a_standby_path_and_finds_nothing_wrong_with_it() -> None:
    finding = paths_finding(ACTIVE, "standby")
    assert finding.level.value == "ok"
    assert "/dev/sdb (standby)" in finding.message


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ((ACTIVE, "unavailable"), "/dev/sdb is unavailable"),
        (("offline", OTHER), "/dev/sda is offline"),
        (("standby", "standby"), "over none of its paths"),
        (("transitioning", "standby"), "over none of its paths"),
    ],
)
def test_doctor_warns_of_paths_that_the_array_does_not_serve(
    access: tuple[str, ...], words: str
) -> None:
    finding = paths_finding(*access)
    assert finding.level.value == "warn"
    assert words in finding.message
    assert "lost" not in finding.message


@pytest.mark.parametrize(
    ("access", "error", "told"),
    [
        ("standby", "I/O error", False),
        ("standby", "critical medium error", True),
        (ACTIVE, "I/O error", True),
        (None, "I/O error", True),
    ],
)
def test_doctor_expects_no_reads_of_a_standby_path_to_succeed(
    access: str | None, error: str, *, told: bool
) -> None:
    log = KernelLogErrors(disk_errors={"/dev/sdb": f"the kernel says: {error} on sdb"})
    host = replace(machine(disk(ACTIVE, access)), trouble=Known(log))
    assert any(one.id == "disk-errors" for one in examine(host)) == told


def used_map(*access: str | None) -> Inventory:
    """The host of that map, on which a filesystem is mounted."""
    found = listing(*access)
    return Inventory(
        sessions=found.sessions, disks=found.disks or (),
        usage={"/dev/mapper/m": DiskUsage(("/srv",))},
    )  # fmt: skip


@pytest.mark.parametrize("access", ["standby", "unavailable", "offline", "transitioning"])
def test_the_last_path_that_the_array_serves_is_not_logged_out(access: str) -> None:
    (error,) = plan_logout(
        used_map(ACTIVE, access), RecordSelector(IQN, PORTALS[0])
    ).errors.values()
    assert isinstance(error, InUseError)
    assert "the mount on /srv" in error.text
    assert f"/dev/sdb is {access}" in error.text


@pytest.mark.parametrize("access", [OTHER, None, "lba-dependent"])
def test_a_path_beside_one_that_the_array_serves_too_may_be_logged_out(access: str | None) -> None:
    assert not plan_logout(used_map(ACTIVE, access), RecordSelector(IQN, PORTALS[0])).errors


def test_the_path_that_is_standby_may_be_logged_out() -> None:
    assert not plan_logout(used_map(ACTIVE, "standby"), RecordSelector(IQN, PORTALS[1])).errors


def test_a_logout_of_all_paths_names_no_path_that_would_be_left() -> None:
    errors = plan_logout(used_map(ACTIVE, "standby"), RecordSelector(IQN)).errors
    assert len(errors) == 2
    assert not any("standby" in error.text for error in errors.values())


@pytest.mark.parametrize(("access", "refused"), [("standby", True), (OTHER, False)])
def test_a_logout_asks_again_what_the_array_serves(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, access: str, *, refused: bool
) -> None:
    # The array may have moved the LUN to its other controller since the plan was made.
    found = listing(ACTIVE, access)
    index = HostIndex((), found.sessions, found.disks or ())
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage(("/srv",)))
    with pytest.raises(InUseError, match="/dev/sdb is standby") if refused else nullcontext():
        require_unused(found.sessions[0], index, Context(root=tmp_path), openers=(), leaving={1})


def test_io_does_not_avoid_a_lost_session_over_a_path_that_is_standby() -> None:
    for access, avoids in ((OTHER, True), ("standby", False)):
        found = listing(ACTIVE, access)
        lost = found.sessions[0]._replace(status="recovering")
        index = HostIndex((), (lost, found.sessions[1]), found.disks or ())
        assert has_other_paths(IQN, lost, index) == avoids
