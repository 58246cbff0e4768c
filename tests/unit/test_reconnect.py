"""What reconnect plans in small worlds, and what it reads where all is well."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine.reconcile import next_batch
from iscsictl.errors import Exit, IscsictlError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan, Status
from iscsictl.model.record import NodeRecord
from iscsictl.model.reservation import LunReservations, Reservation
from iscsictl.observers.reconnect import observe_for_reconnect
from iscsictl.parse.fstab import append_line, mount_line
from iscsictl.parse.iscsiadm_login import parse_logins
from iscsictl.parse.mountinfo import MountLine
from iscsictl.planner.attach.reconnect import Mounted, missing_records, plan_reconnect
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.context import Context
from iscsictl.system.mount.mounts import find_mount_problem
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = "iqn.2026-01.example:a", "iqn.2026-01.example:b"
P1, P2 = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)
UP = {"/srv/a": Mounted(("rw", "relatime"))}


def record(target: str = A, portal: Portal = P1, **values: str) -> NodeRecord:
    named = {f"node.{key}".replace("__", "."): value for key, value in values.items()}
    path = Path(f"/db/{target}/{portal.address}/default")
    named = {"node.startup": "automatic", **named}
    return NodeRecord(path=path, values=named, target=target, portal=portal)


def session(target: str = A, portal: Portal = P1, lun: int | None = 0) -> Session:
    luns = () if lun is None else (Lun(lun, f"1:0:0:{lun}", "/dev/sda", "running", "naa.1"),)
    made = Session("sysfs", target, sid=1, portal=portal, persistent_portal=portal, luns=luns)
    return made._replace(iface="default", status="up")


def fstab(target: str = A, path: str = "/srv/a", lun: int = 0, *options: str) -> Fstab:
    line = mount_line(
        "0a-1", path, "ext4", options, login_service="open-iscsi.service",
        wwid="naa.1", target=target, lun=lun,
    )  # fmt: skip
    return append_line(Fstab(), line)


def statuses(plan: Plan) -> dict[str, Status]:
    return {step.id.partition(" ")[0]: step.status for step in plan.steps}


def errors(plan: Plan) -> Mapping[str, IscsictlError]:
    found: Mapping[str, IscsictlError] = getattr(plan, "errors", {})
    return found


def test_what_is_missing_is_logged_in_and_then_mounted() -> None:
    plan = plan_reconnect(Inventory((record(),), fstab=fstab()), {})
    login, mount = plan.steps
    assert (login.action.verb, mount.action.verb) == ("login", "mount")
    assert mount.after == {login.id}


def test_what_is_there_is_left_alone() -> None:
    world = Inventory((record(), record(B, startup="manual")), (session(),), fstab=fstab())
    assert statuses(plan_reconnect(world, UP)) == {"mount:/srv/a": Status.UNCHANGED}


@pytest.mark.parametrize(("leading", "wanted"), [("Yes", 0), ("No", 1)])
def test_a_leading_login_needs_one_iface_only(leading: str, wanted: int) -> None:
    # iscsid.conf: tries "each available iface until one succeeds, and then stop".
    first, other = (
        replace(record(leading_login=leading), iface=iface) for iface in ("eth0", "eth1")
    )
    there = session()._replace(iface="eth1")
    world = Inventory((first, other), (there,))
    assert len(missing_records(world, None)) == wanted
    assert len(plan_reconnect(world, {}).steps) == wanted
    elsewhere = replace(world, sessions=(there._replace(portal=P2, persistent_portal=P2),))
    assert len(missing_records(elsewhere, None)) == 2


def test_a_line_of_ours_brings_its_target_back_whatever_its_startup() -> None:
    records = (record(startup="manual"), record(portal=P2, startup="manual"))
    world = Inventory(records, fstab=fstab(), silent={P1: "no answer within 10 s"})
    plan = plan_reconnect(world, {})
    assert [step.subject for step in plan.steps] == [f"{A} {P2}", "/srv/a"]
    held = replace(world, holds=(Hold(target=A),))
    assert plan_reconnect(held, {}).steps == ()
    assert plan_reconnect(replace(world, sessions=(session(),)), UP).pending == ()


def test_a_line_whose_target_has_no_record_says_so() -> None:
    plan = plan_reconnect(Inventory(fstab=fstab()), {})
    assert isinstance(errors(plan)["mount:/srv/a"], NotFoundError)
    other = Hold(target=A, portal=P1)
    plan = plan_reconnect(Inventory((record(),), fstab=fstab(), holds=(other,)), {})
    assert "on hold" in errors(plan)["mount:/srv/a"].text


@pytest.mark.fault("F59")
def test_what_is_on_hold_stays_down() -> None:
    world = Inventory((record(), record(B)), fstab=fstab())
    for hold in (Hold(target=A), Hold(target=A, portal=P1)):
        held = replace(world, holds=(hold,))
        assert [r.target for r in missing_records(held, None)] == [B]
    held = replace(world, sessions=(session(), session(B)), holds=(Hold(mount_point="/srv/a/"),))
    assert plan_reconnect(held, {}).steps == ()


@pytest.mark.fault("F59")
def test_what_is_on_hold_stays_down_where_it_is_named_too_and_that_is_said() -> None:
    world = Inventory((record(), record(B)), fstab=fstab())
    for hold in (Hold(target=A), Hold(target=A, portal=P1)):
        plan = plan_reconnect(replace(world, holds=(hold,)), {}, A)
        assert not plan.pending
        error = next(e for name, e in errors(plan).items() if name.startswith("login:"))
        assert (type(error), error.text) == (RefusedError, f"{A} is on hold")
        assert error.hint == f"end the hold: iscsictl unhold {A}"
    held = replace(world, sessions=(session(),), holds=(Hold(mount_point="/srv/a"),))
    plan = plan_reconnect(held, {}, A)
    assert errors(plan)["mount:/srv/a"].text == "/srv/a is on hold"
    assert not plan.pending
    assert errors(plan_reconnect(held, UP, A)) == {}
    assert missing_records(replace(world, holds=(Hold(target=A),)), A) == ()


def test_a_silent_portal_is_named_and_its_mount_waits() -> None:
    records = (record(), record(B, P2))
    plan = plan_reconnect(Inventory(records, fstab=fstab(), silent={P1: "no route to host"}), {})
    assert statuses(plan) == {
        f"login:{A}": Status.FAILED, f"login:{B}": Status.PLANNED, "mount:/srv/a": Status.PLANNED,
    }  # fmt: skip
    (error,) = errors(plan).values()
    assert "192.0.2.5:3260 does not answer: no route to host" in error.text


@pytest.mark.parametrize("iface", ["iser", "hba"])
def test_what_the_hosts_own_tcp_does_not_lead_to_is_not_tried_with_it(
    iface: str, tmp_path: Path
) -> None:
    transport = "iface.transport_name = qedi\n" if iface == "hba" else ""
    for name, port in (("default", 1), (iface, 2)):
        place = tmp_path / f"etc/iscsi/nodes/{A}/127.0.0.1,{port},1/{name}"
        place.parent.mkdir(parents=True)
        place.write_text(
            f"# BEGIN RECORD 2.1.8\nnode.name = {A}\nnode.startup = automatic\n"
            f"iface.iscsi_ifacename = {name}\n{transport if name == iface else ''}"
            f"node.conn[0].address = 127.0.0.1\nnode.conn[0].port = {port}\n# END RECORD\n"
        )
    inventory = observe_for_reconnect(Context(wait=5, root=tmp_path), None, None)
    assert list(inventory.silent) == [Portal("127.0.0.1", 1, 1)]
    both = replace(
        inventory, silent=dict.fromkeys((r.portal for r in inventory.records), "refused")
    )
    assert [step.status for step in plan_reconnect(both, {}).steps] == [
        Status.FAILED, Status.PLANNED,
    ]  # fmt: skip


def test_a_session_that_is_being_recovered_is_an_error_and_left_alone() -> None:
    lost = session()._replace(status="recovering")
    world = Inventory((record(),), (lost,), fstab=fstab())
    (error,) = errors(plan_reconnect(world, UP)).values()
    assert isinstance(error, UnreachableError)
    assert "iscsid keeps trying" in error.text
    gone = lost._replace(luns=(Lun(0, "1:0:0:0", "/dev/sda", "transport-offline", "naa.1"),))
    (error,) = errors(plan_reconnect(replace(world, sessions=(gone,)), UP)).values()
    assert "longer than its recovery timeout" in error.text
    assert "umount /srv/a" in (error.hint or "")
    down = lost._replace(status="down")
    (error,) = errors(plan_reconnect(replace(world, sessions=(down,)), UP)).values()
    assert "not trying" in error.text


@pytest.mark.parametrize("records", [(record(startup="manual"),), ()], ids=["manual", "none"])
def test_a_mount_behind_a_session_that_is_not_up_is_not_said_to_be_on_hold(
    records: tuple[NodeRecord, ...],
) -> None:
    lost = session(lun=None)._replace(status="recovering")
    world = Inventory(records, (lost,), fstab=fstab())
    plan = plan_reconnect(world, {})
    assert plan.steps[-1].id == "mount:/srv/a"
    (error,) = errors(plan).values()
    assert isinstance(error, UnreachableError)
    assert f"the session to {A} through 192.0.2.5:3260 is recovering" in error.text
    assert all(isinstance(step.action, actions.Mount) and step.after for step in plan.pending)
    assert missing_records(world, None) == ()


def test_a_mount_whose_session_is_lost_is_told_of_whatever_the_startup_of_its_record() -> None:
    lost = session()._replace(status="recovering")
    world = Inventory((record(startup="manual"),), (lost,), fstab=fstab())
    (error,) = errors(plan_reconnect(world, UP)).values()
    assert "iscsid keeps trying" in error.text


def test_another_path_that_is_up_is_enough_to_mount() -> None:
    lost = session(portal=P2)._replace(status="recovering")
    world = Inventory((record(), record(portal=P2)), (session(), lost), fstab=fstab())
    mount = plan_reconnect(world, {}).steps[-1]
    assert (mount.status, mount.after) == (Status.PLANNED, frozenset())


@pytest.mark.fault("F15")
def test_a_lun_that_the_kernel_does_not_find_by_itself_is_scanned_for() -> None:
    manual = record(session__scan="manual")
    plan = plan_reconnect(Inventory((manual,), fstab=fstab(lun=2)), {})
    login, scan, mount = plan.steps
    assert scan.id == f"scan:{A} LUN 2"
    assert scan.after == {login.id}
    assert mount.after == {scan.id}
    plan = plan_reconnect(Inventory((manual,), (session(lun=None),), fstab=fstab()), {})
    assert [step.action.verb for step in plan.steps] == ["scan", "mount"]


def test_what_is_mounted_below_another_mount_point_comes_after_that() -> None:
    """What is mounted first would be hidden by the outer one, and written to behind its back."""
    first = fstab(A, "/srv/a/mail", 1)
    lines = append_line(append_line(first, fstab(A, "/srv/b", 2).lines[0]), fstab().lines[0])
    luns = tuple(Lun(n, f"1:0:0:{n}", "/dev/sda", "running", "naa.1") for n in range(3))
    world = Inventory((record(),), (session()._replace(luns=luns),), fstab=lines)
    plan = plan_reconnect(world, {})
    mounts = [step for step in plan.steps if step.action.verb == "mount"]
    assert [step.subject for step in mounts] == ["/srv/b", "/srv/a", "/srv/a/mail"]
    assert [step.after for step in mounts] == [set(), set(), {mounts[1].id}]
    # Where the outer one is mounted, nothing is to be waited for.
    (inner,) = (s for s in plan_reconnect(world, UP).pending if s.subject == "/srv/a/mail")
    assert inner.after == frozenset()
    # It is not mounted before the outer one either where that cannot be mounted at all.
    away = append_line(first, fstab(B, "/srv/a", 0).lines[0])
    plan = plan_reconnect(replace(world, fstab=away), {})
    outer, inner = (s for s in plan.steps if s.action.verb == "mount")
    assert outer.id in errors(plan)
    assert inner.after == {outer.id}


def test_what_is_below_the_mount_of_another_target_also_waits_for_its_own_login() -> None:
    lines = append_line(fstab(B, "/srv/a/mail"), fstab(A, "/srv/a").lines[0])
    plan = plan_reconnect(Inventory((record(), record(B, P2)), fstab=lines), {})
    logins = {s.subject: s.id for s in plan.steps if s.action.verb == "login"}
    outer, inner = (step for step in plan.steps if step.action.verb == "mount")
    (own,) = (step for subject, step in logins.items() if B in subject)
    assert inner.after == {outer.id, own}


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (Mounted(("ro", "relatime")), "became read-only after errors"),
        (Mounted(("rw",), "its disk is gone"), "its disk is gone"),
    ],
)
def test_a_mount_that_is_of_no_use_is_said_with_what_to_do(now: Mounted, word: str) -> None:
    world = Inventory((record(),), (session(),), fstab=fstab())
    (error,) = errors(plan_reconnect(world, {"/srv/a": now})).values()
    assert word in error.text
    assert "fsck UUID=0a-1" in (error.hint or "")


def test_another_filesystem_on_the_mount_point_is_an_error_and_is_left_alone() -> None:
    world = Inventory((record(),), (session(),), fstab=fstab())
    plan = plan_reconnect(world, {"/srv/a": Mounted(("rw",), other="tmpfs (tmpfs)")})
    (error,) = errors(plan).values()
    assert error.exit is Exit.IN_USE
    assert "/srv/a is the mount point of tmpfs (tmpfs)" in error.text
    assert not plan.pending


def test_what_is_meant_to_be_read_only_is_no_error() -> None:
    world = Inventory((record(),), (session(),), fstab=fstab(A, "/srv/a", 0, "ro"))
    assert errors(plan_reconnect(world, {"/srv/a": Mounted(("ro",))})) == {}


@pytest.mark.fault("F14")
def test_a_session_is_found_by_the_portal_that_was_asked_for() -> None:
    host = Portal("Array.example", 3260, 1)
    moved = session()._replace(persistent_portal=Portal("array.example", 3260, 1))
    assert SessionIndex((), (moved,)).session_of(record(portal=host)) == moved
    assert SessionIndex((), (moved,)).session_of(record()) is None


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iscsictl", "reconnect", *words], capture_output=True, text=True,
        env={**os.environ, "ISCSICTL_ROOT": str(root)}, check=False,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_where_all_is_well_it_says_nothing_and_reads_each_thing_once(tmp_path: Path) -> None:
    make(tmp_path, 3)
    make_records(tmp_path, 3)
    quiet = run(tmp_path, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert run(tmp_path).stderr == "all connected, 3 mounted\n"
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=open,openat,clone,clone3,fork,vfork,execve", "-o",
         str(trace), sys.executable, "-m", "iscsictl", "reconnect", "--quiet"],
        env={**os.environ, "ISCSICTL_ROOT": str(tmp_path)}, check=True,
    )  # fmt: skip
    lines = trace.read_text().splitlines()
    assert not [x for x in lines if re.search(r"(clone3?|v?fork)\(", x)]
    assert len([x for x in lines if "execve(" in x]) == 1
    for name in ("etc/fstab", "proc/self/mountinfo", "lun00001/192.0.0.2,3260,1/default",
                 "session2/targetname"):  # fmt: skip
        assert len([x for x in lines if f'{name}"' in x or f'"{name}"' in x]) <= 1, name
    assert any("etc/fstab" in x for x in lines)


OUT = """\
Logging in to [iface: default, target: iqn.2026-01.example:a, portal: 192.0.2.5,3260]
Logging in to [iface: san 0, target: iqn.2026-01.example:b, portal: 2001:db8::5,860]
Logging in to [iface: default, target: iqn.2026-01.example:c, portal: array.example,3260]
Login to [iface: san 0, target: iqn.2026-01.example:b, portal: 2001:db8::5,860] successful.
"""
ERR = """\
iscsiadm: default: 1 session requested, but 1 already present.
iscsiadm: Could not login to \
[iface: default, target: iqn.2026-01.example:a, portal: 192.0.2.5,3260].
iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)
iscsiadm: Could not login to \
[iface: default, target: iqn.2026-01.example:c, portal: array.example,3260].
iscsiadm: Could not log into all portals
"""


def test_what_iscsiadm_says_of_many_logins_is_told_apart() -> None:
    done, failed = parse_logins(OUT, ERR)
    assert done == {("san 0", B, "2001:db8::5", 860)}
    assert failed == {
        ("default", A, "192.0.2.5", 3260): 24,
        ("default", "iqn.2026-01.example:c", "array.example", 3260): 1,
    }
    assert parse_logins("", "\n[] successful.\nLogin to [iface: ") == (frozenset(), {})


def mount_of(
    root: Path,
    fstype: str = "ext4",
    device: str = "8:1",
    path: str = "/",
    source: str = "/dev/sda1",
) -> MountLine:
    return MountLine(device, "/", path, fstype=fstype, source=source, options=("rw",))


def test_a_mount_whose_disk_is_gone_shows(tmp_path: Path) -> None:
    (tmp_path / "sys/dev/block/8:1").mkdir(parents=True)
    assert find_mount_problem(mount_of(tmp_path), tmp_path) is None
    assert find_mount_problem(mount_of(tmp_path, device="8:2"), tmp_path) == "its disk is gone"
    assert find_mount_problem(mount_of(tmp_path, "btrfs", "0:44"), tmp_path) == "its disk is gone"
    (tmp_path / "sys/class/block/sda1").mkdir(parents=True)
    assert find_mount_problem(mount_of(tmp_path, "btrfs", "0:44"), tmp_path) is None


def test_a_mount_that_does_not_answer_shows() -> None:
    lost = mount_of(Path("/"), "btrfs", "0:44", "/proc/self/fdinfo/none", source="none")
    assert find_mount_problem(lost) == "does not answer: no such file or directory"


def test_logins_go_in_batches_and_what_waits_for_them_comes_after() -> None:
    records = tuple(record(f"{A}{n}") for n in range(50))
    corrupt = replace(record(B), problem="is empty (0 bytes): its writer was killed")
    plan = plan_reconnect(Inventory((corrupt, *records), fstab=fstab(f"{A}7")), {})
    assert [step.status for step in plan.steps if step not in plan.pending] == [Status.REFUSED]
    first = next_batch(plan.pending, set(), set())
    assert [step.action.verb for step in first] == ["login"] * 50
    rest = [step for step in plan.pending if step not in first]
    assert [step.action.verb for step in rest] == ["mount"]
    assert next_batch(rest, {step.id for step in first}, set()) == rest


# Exclusive volumes


OURS, ANOTHER = 0x11, 0xABC
KEPT = LunReservations(OURS, keys=(OURS,), holder=Reservation(OURS, 1))
THEIRS = LunReservations(OURS, keys=(ANOTHER,), holder=Reservation(ANOTHER, 1))


def exclusive(found: LunReservations | None, *options: str) -> Inventory:
    """A host whose session is up, with an exclusive entry; `found` is what the LUN says."""
    line = mount_line(
        "0a-1", "/srv/a", "ext4", options, login_service="open-iscsi.service",
        wwid="naa.1", target=A, lun=0, exclusive=True,
    )  # fmt: skip
    disk = Disk(
        "naa.1", (DiskPath(1, "1:0:0:0", "/dev/sda", "running"),), Block("/dev/sda", "disk")
    )
    return Inventory(
        (record(),), (session(),), (disk,), append_line(Fstab(), line),
        reservations={} if found is None else {"naa.1": found},
    )  # fmt: skip


@pytest.mark.fault("F101")
def test_an_exclusive_volume_is_reserved_before_it_is_mounted_again() -> None:
    for world in (exclusive(None), exclusive(KEPT)):
        reserve, mount = plan_reconnect(world, {}).steps
        assert isinstance(reserve.action, actions.Reserve)
        assert (reserve.action.exclusive, reserve.action.uuid) == (True, "0a-1")
        assert mount.after == {reserve.id}
    away = replace(exclusive(None), sessions=(), disks=())
    login, reserve, mount = plan_reconnect(away, {}).steps
    assert reserve.after == {login.id}
    assert mount.after == {reserve.id}


@pytest.mark.fault("F101")
@pytest.mark.parametrize("options", [(), ("noauto",)])
def test_a_mounted_exclusive_volume_gets_its_reservation_back(options: tuple[str, ...]) -> None:
    lost = exclusive(LunReservations(OURS), *options)
    assert [step.action.verb for step in plan_reconnect(lost, UP).pending] == ["reserve"]
    assert not plan_reconnect(lost, UP, B).pending
    for world in (exclusive(KEPT, *options), exclusive(None, *options)):
        assert not plan_reconnect(world, UP).pending


@pytest.mark.fault("F101")
@pytest.mark.parametrize("mounted", [{}, UP])
def test_what_another_host_holds_is_not_mounted_and_its_key_is_named(
    mounted: Mapping[str, Mounted],
) -> None:
    plan = plan_reconnect(exclusive(THEIRS), mounted)
    error = errors(plan)[f"reserve:{A} LUN 0"]
    assert error.exit is Exit.REFUSED
    assert "key 0x0000000000000abc" in error.text
    mount = next(step for step in plan.steps if step.action.verb == "mount")
    assert mounted or mount.after == {f"reserve:{A} LUN 0"}
