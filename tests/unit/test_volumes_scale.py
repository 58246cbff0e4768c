"""`export`, `plan`, `apply`, `reconnect`: what one more volume costs does not grow with the others.

Lines of Python that are executed are counted, and not seconds: a loop over all volumes within a
loop over all volumes executes more with each one, whatever else the machine does.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import iscsictl
from iscsictl.engine.volumes import Volumes, plan_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiskAnswers, Inventory
from iscsictl.model.listing import Block, Disk, Session, blocks
from iscsictl.model.listing import Path as DiskPath
from iscsictl.observers.attach import observe_for_export
from iscsictl.observers.reconnect import mounted, observe_locally
from iscsictl.observers.sessions import observe_for_logout
from iscsictl.observers.volumes_file import read_volumes_file
from iscsictl.output.views.apply import document
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.attach.reconnect import plan_reconnect
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.safety.duplicates import are_confusable
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.volumes.apply import read_saved
from iscsictl.planner.volumes.export import export, render
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_listing
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make

#: Where code is counted; the comparisons that a dataclass or a named tuple gets have no file.
COUNTED = (str(Path(iscsictl.__file__).parent), "<string>")
STEP = 20
#: A loop over all volumes for each, even one with a single comparison in it, adds three percent.
MOST = 1.01


def count_lines(run: Callable[[], object]) -> int:
    """Return how many lines of the package `run` executes, in all threads."""
    lock, count = threading.Lock(), 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(COUNTED):
            return None
        if event == "line":
            with lock:
                count += 1
        return trace

    before = sys.gettrace()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
        threading.settrace(None)
    return count


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Hosts with 20, 40 and 60 volumes: all connected, mounted and in fstab."""
    roots = []
    for number in (STEP, 2 * STEP, 3 * STEP):
        root = tmp_path_factory.mktemp(f"host{number}")
        make(root, number)
        make_records(root, number)
        roots.append(root)
    return roots


def exported(root: Path) -> str:
    return render(export(*observe_for_export(root)))


def planned(root: Path, text: str) -> str:
    """Return the plan of a file, saved and read again, as `plan --out` and `apply` do."""
    found = read_volumes_file(text, "file")
    specs = {volume.name: replace(volume.spec, uuid="u") for volume in found.volumes}
    many = Volumes(found.volumes, specs)
    reports = plan_volumes(many.tasks, VolumesContext(5.0, root), 1)
    saved = document(reports, many.wwids, text)
    assert len(read_saved(saved, "plan").volumes) == len(found.volumes)
    return saved


def costs(run: Callable[[Path], object], hosts: list[Path]) -> tuple[int, int]:
    """Return the lines that 20 volumes cost beside 20, and beside 40."""
    for host in hosts:
        run(host)  # Modules and patterns are loaded and compiled once.
    few, more, most = (count_lines(partial(run, root)) for root in hosts)
    assert few > 1000, "nothing was counted"
    return more - few, most - more


def test_what_export_does_for_a_volume_does_not_grow_with_their_number(hosts: list[Path]) -> None:
    assert exported(hosts[-1]).count("[[volume]]") == 3 * STEP
    beside_few, beside_more = costs(exported, hosts)
    assert beside_more <= beside_few * MOST


def test_what_a_plan_does_for_a_volume_does_not_grow_with_their_number(hosts: list[Path]) -> None:
    texts = {root: exported(root) for root in hosts}
    beside_few, beside_more = costs(lambda root: planned(root, texts[root]), hosts)
    assert beside_more <= beside_few * MOST


def test_what_reconnect_does_for_a_volume_does_not_grow_with_their_number(
    hosts: list[Path],
) -> None:
    def reconnect(root: Path) -> None:
        context = Context(root=root)
        inventory = observe_locally(context)
        plan = plan_reconnect(inventory, mounted(context, inventory), None)
        assert not plan.pending
        assert len(plan.steps) >= len(inventory.records)

    beside_few, beside_more = costs(reconnect, hosts)
    assert beside_more <= beside_few * MOST


def test_to_find_who_uses_a_disk_does_not_take_longer_with_the_number_of_disks(
    hosts: list[Path],
) -> None:
    def find(root: Path) -> None:
        inventory = observe_for_logout(Context(root=root))
        assert all(used.mounts for used in inventory.usage.values())

    beside_few, beside_more = costs(find, hosts)
    assert beside_more <= beside_few * MOST


def test_what_rescan_does_for_a_session_does_not_grow_with_their_number(hosts: list[Path]) -> None:
    def rescan(root: Path) -> None:
        listing = read_listing(root)
        units = [unit for session in listing.sessions for unit in session.luns or ()]
        answers = DiskAnswers(sizes=dict.fromkeys((unit.hctl or "" for unit in units), 1 << 20))
        asked = Asked(sessions=listing.sessions, disks=listing.disks or (), answers=answers)
        # Each of them has become smaller on the array.
        assert len(plan_rescan(asked, RecordSelector(), None).steps) >= len(listing.sessions)
        assert plan_rescan(asked, RecordSelector(), asked).steps == ()

    beside_few, beside_more = costs(rescan, hosts)
    assert beside_more <= beside_few * MOST


NAMES = st.sampled_from(["naa.1", "naa.2", "naa.3", None])
DISKS = st.lists(
    st.builds(
        lambda wwid, sids, kind, device, uuids: Disk(
            wwid,
            tuple(DiskPath(sid, f"{sid}:0:0:0", f"/dev/sd{sid}") for sid in sids),
            Block(device, kind, children=tuple(Block(f"{device}{u}", uuid=u) for u in uuids)),
        ),
        NAMES,
        st.lists(st.integers(1, 4), min_size=1, max_size=2),
        st.sampled_from(["disk", "mpath"]),
        st.sampled_from(["/dev/dm-0", "/dev/dm-1", "/dev/sda"]),
        st.lists(st.sampled_from(["u1", "u2"]), max_size=2),
    ),
    max_size=6,
).map(tuple)
SESSIONS = st.lists(
    st.builds(
        lambda sid, target: Session("sysfs", target, sid=sid),
        st.integers(1, 4), st.sampled_from(["iqn.a", "iqn.b"]),
    ),
    max_size=5,
).map(tuple)  # fmt: skip


@given(SESSIONS, DISKS)
def test_an_index_finds_what_a_search_of_all_finds(
    sessions: tuple[Session, ...], disks: tuple[Disk, ...]
) -> None:
    index = HostIndex((), sessions, disks)
    for target in ("iqn.a", "iqn.b", "iqn.c"):
        own = tuple(session for session in sessions if session.target == target)
        assert index.sessions(target) == own
        sids = {session.sid for session in own}
        there = [disk for disk in disks if any(path.sid in sids for path in disk.paths)]
        assert list(map(id, index.disks_of_target(target))) == list(map(id, there))
    for sid in range(6):
        there = [disk for disk in disks if any(path.sid == sid for path in disk.paths)]
        assert list(map(id, index.disks_of_session(sid))) == list(map(id, there))
        assert id(index.disk_of_path(sid, f"{sid}:0:0:0")) == id(there[0] if there else None)
    for uuid in ("u1", "u2", "u3"):
        there = [disk for disk in disks if uuid in {b.uuid for b in blocks(disk.block)}]
        assert list(map(id, index.disks_with_uuid(uuid))) == list(map(id, there))


@given(DISKS)
def test_no_disk_that_can_be_confused_with_another_is_missed_by_the_index(
    disks: tuple[Disk, ...],
) -> None:
    index = HostIndex((), (), disks)
    for disk in disks:
        alike = {id(other) for other in index.disks_named_alike(disk)}
        assert {id(other) for other in disks if are_confusable(disk, other)} <= alike | {id(disk)}
        assert id(disk) in alike


def test_the_index_of_an_inventory_is_that_of_its_own_records_and_disks() -> None:
    here = Session("sysfs", "iqn.a", sid=1)
    before = Inventory(sessions=(here,))
    assert replace(before, silent={}).index is before.index
    after = replace(before, sessions=())
    assert (before.index.sessions("iqn.a"), after.index.sessions("iqn.a")) == ((here,), ())


LINES = b"".join(
    b"UUID=%s %s ext4 noauto%s 0 0\n" % (uuid, path, note)
    for uuid in (b"aa", b"AA", b"bb")
    for path in (b"/srv/a/", b"/srv//a", b"none")
    for note in (b"", b",x-iscsictl.wwid=naa.1", b",x-iscsictl.making=naa.1,x-iscsictl.lun=0")
)


def test_fstab_finds_by_uuid_directory_and_wwid_what_a_search_finds() -> None:
    fstab = parse_fstab(LINES)
    assert len(fstab.by_uuid("aA")) == 2 * len(fstab.by_uuid("bb")) == 18
    assert fstab.by_dir("/srv/a/") == tuple(x for x in fstab.entries if x.mount_point == "/srv/a")
    assert len(fstab.by_dir("/srv/a")) == 18
    assert fstab.by_wwid("naa.1") == tuple(x for x in fstab.entries if x.is_ours)
    assert fstab.by_wwid("naa.2") == ()
