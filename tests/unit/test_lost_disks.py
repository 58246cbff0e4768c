"""Disks that are gone under a mount: what `detach` takes down, what it asks, what is lost."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks import filesystem
from iscsictl.engine.handlers.registry import execute_action
from iscsictl.engine.runtime import open_context
from iscsictl.errors import Exit, RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import DISK_GONE, NO_PATHS, DiskUsage, Known
from iscsictl.model.listing import Listing
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.plan import Plan
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.observers import doctor
from iscsictl.parse.fstab import parse_fstab
from iscsictl.parse.mountinfo import MountLine
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.safety.lost_disks import SEPARATOR
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.system.block import multipath_conf, multipathd
from iscsictl.system.mount import mounts, usage
from tests.bench.make_tree import Tree
from tests.unit.detach_facts import pending
from tests.unit.fake_root import put
from tests.unit.healthy_host import SOUND
from tests.worlds import CLAIMED, DIR, TARGET, W, World, line, parted, unit, world

SHELL = "process 7 (sh) works in /srv/data"
USED = DiskUsage((DIR,), ("LVM volume /dev/vg/a",), (SHELL,))


def cut_off(usage: DiskUsage = USED) -> World:
    """A host whose array does not answer any more, under a mounted filesystem."""
    now = world(unit(parted(W, "ext4", CLAIMED, used=True), usage=usage))
    now = now.logged_in().with_line(line(W))
    return now.having(
        sessions=tuple(s._replace(status="recovering") for s in now.inventory.sessions)
    )


def served_by_another_target() -> World:
    """The same host, where the disk is a map that another target of the array still serves."""
    now = cut_off(DiskUsage((DIR,)))
    (session,), (disk,) = now.inventory.sessions, now.inventory.disks
    other = session._replace(sid=9, target=f"{TARGET}.b", status="up", luns=())
    paths = (*disk.paths, DiskPath(9, "9:0:0:0", "/dev/sdz", "running"))
    block = disk.block._replace(device="/dev/mapper/m", kind="mpath")
    shown = disk._replace(paths=paths, block=block)
    return now.having(
        sessions=(session, other), disks=(shown,), usage={"/dev/mapper/m": DiskUsage((DIR,))}
    )


@pytest.mark.fault("F71")
def test_a_disk_that_another_target_serves_is_taken_down_and_is_not_lost() -> None:
    now = served_by_another_target()
    assert pending(planned(now))[:2] == ["umount", "unmap"]
    refusal = planned(now, Consent(lost=W)).refusal
    assert isinstance(refusal, RefusedError)
    assert f"the session to {TARGET}.b" in refusal.text


@pytest.mark.fault("F71")
def test_a_disk_of_another_array_that_answers_does_not_keep_a_lost_one() -> None:
    now = cut_off(DiskUsage((DIR,)))
    other = now.inventory.sessions[0]._replace(
        sid=9, target=f"{TARGET}.elsewhere", status="up", luns=()
    )
    plan = planned(now.having(sessions=(*now.inventory.sessions, other)), Consent(lost=W))
    assert pending(plan)[0] == "umount"


def unmapped(reason: str) -> World:
    """A host whose LUN is not there any more, while its filesystem is still mounted."""
    now = world().with_line(line(W))
    return now.having(stranded={DIR: reason})


def planned(now: World, consent: Consent | None = None) -> Plan:
    return plan_detach(now.inventory, DetachRequest(DIR, consent=consent or Consent()))


@pytest.mark.fault("F71")
def test_everything_that_is_lost_is_listed() -> None:
    plan = planned(cut_off(), Consent(lost=W))
    assert plan.refusal is None
    for what in (DIR, "/dev/vg/a", SHELL):
        assert any(what in note for note in plan.notes)


@pytest.mark.fault("F71")
def test_where_a_user_can_be_asked_the_question_lists_what_is_lost() -> None:
    refusal = planned(cut_off(), Consent(lost=W, losses=())).refusal
    assert isinstance(refusal, ConsentRequiredError)
    for what in (DIR, "/dev/vg/a", SHELL, "/dev/sda"):
        assert what in refusal.question
    agreed = Consent(lost=W, losses=tuple(refusal.grant.split(SEPARATOR)))
    assert "umount" in pending(planned(cut_off(), agreed))


@pytest.mark.fault("F71")
def test_a_yes_does_not_cover_what_was_not_listed() -> None:
    refusal = planned(cut_off(), Consent(lost=W, losses=())).refusal
    assert isinstance(refusal, ConsentRequiredError)
    agreed = Consent(lost=W, losses=tuple(refusal.grant.split(SEPARATOR)))
    more = replace(USED, open_files=(SHELL, "process 8 (dd) has open /srv/data/x"))
    again = planned(cut_off(more), agreed).refusal
    assert isinstance(again, ConsentRequiredError)
    assert "process 8 (dd)" in again.question


@pytest.mark.fault("F71")
def test_where_nothing_is_lost_nothing_is_asked() -> None:
    plan = planned(cut_off(DiskUsage()), Consent(lost=W, losses=()))
    assert pending(plan) == ["logout", "unfstab"]


@pytest.mark.fault("F71")
def test_an_array_that_came_back_since_the_plan_keeps_its_mount(tmp_path: Path) -> None:
    """The kernel is asked just before the unmount: here it has the session logged in."""
    tree = Tree(tmp_path)
    lun = tree.lun(tree.session(1, TARGET), 0, wwid=W)
    tree.block(lun / "block", "sda")
    context = open_context(1.0, tmp_path)
    give_up = actions.Unmount(str(tmp_path / "srv"), lost=True, disk=DiskId(TARGET, 0, W, ""))
    with pytest.raises(RefusedError, match=r"is not lost: the session to .* is up"):
        execute_action(give_up, context)


@pytest.mark.fault("F71")
def test_files_on_a_disk_that_does_not_answer_are_found_by_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "proc/self/mountinfo", "36 35 8:17 / /srv/data rw - ext4 /dev/sdb1 rw\n")
    for pid, comm, cwd, opened in (
        (70, "sh", "/srv/data", "/srv/data/log (deleted)"),
        (71, "sh", "/srv/database", "/srv"),
    ):
        put(tmp_path, f"proc/{pid}/comm", f"{comm}\n")
        for name, where in (("cwd", cwd), ("root", "/"), ("fd/3", opened)):
            link = tmp_path / f"proc/{pid}" / name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(where)

    def touched(path: object, **_: object) -> os.stat_result:
        raise AssertionError(f"{path} was touched")

    monkeypatch.setattr(os, "stat", touched)
    assert usage.working_in("/srv/data", tmp_path, answers=False) == (
        "process 70 (sh) works in /srv/data",
    )


@pytest.mark.fault("F107")
def test_a_mount_whose_disk_is_gone_is_unmounted_before_its_entry_goes() -> None:
    plan = planned(unmapped(DISK_GONE))
    assert pending(plan) == ["umount", "unfstab"]
    (unmount,) = [s.action for s in plan.steps if isinstance(s.action, actions.Unmount)]
    assert (unmount.path, unmount.lost) == (DIR, False)


@pytest.mark.fault("F107")
def test_a_disk_that_came_back_under_another_letter_leaves_no_mount_behind() -> None:
    """The disk is found again as it is named now; what is mounted stands on the one before."""
    now = world(unit(parted(W, "ext4", CLAIMED))).logged_in().with_line(line(W))
    plan = planned(now.having(stranded={DIR: DISK_GONE}))
    assert pending(plan)[0] == "umount"
    assert pending(plan)[-1] == "unfstab"


@pytest.mark.fault("F107")
def test_a_mount_on_a_map_without_paths_has_to_be_given_up() -> None:
    """dm-multipath may queue the writes of an unmount for ever."""
    now = unmapped(NO_PATHS)
    refusal = planned(now).refusal
    assert refusal is not None
    assert refusal.exit is Exit.UNREACHABLE
    assert f"iscsictl detach {DIR} --lost --confirm {W}" in (refusal.hint or "")
    wrong = planned(now, Consent(lost="naa.1")).refusal
    assert wrong is not None
    assert wrong.exit is Exit.REFUSED
    plan = planned(now, Consent(lost=W))
    assert pending(plan) == ["umount", "unfstab"]
    (unmount,) = [s.action for s in plan.steps if isinstance(s.action, actions.Unmount)]
    assert unmount.lost


@pytest.mark.fault("F107")
def test_what_else_is_mounted_there_now_is_left_alone() -> None:
    assert pending(planned(world().with_line(line(W)))) == ["unfstab"]


MOUNTINFO = """\
36 35 8:17 / /srv/gone rw - ext4 /dev/sdb1 rw
37 35 8:33 / /srv/kept rw - ext4 /dev/sdc1 rw
38 35 253:1 / /srv/pathless rw - xfs /dev/mapper/mpatha1 rw
39 35 253:3 / /srv/mapped rw - xfs /dev/mapper/mpathb rw
40 35 253:4 / /srv/volume rw - xfs /dev/vg/a rw
41 35 0:50 / /srv/btrfs rw - btrfs /dev/sdd rw
42 35 0:51 / /srv/tmp rw - tmpfs tmpfs rw
"""


def block(root: Path, name: str, number: str, uuid: str = "", slaves: tuple[str, ...] = ()) -> None:
    """Have a device in sysfs, as the kernel lays it out."""
    put(root, f"sys/devices/{name}/dev", f"{number}\n")
    if uuid:
        put(root, f"sys/devices/{name}/dm/uuid", f"{uuid}\n")
    for folder, entry in (("sys/dev/block", number), ("sys/class/block", name)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / entry).symlink_to(f"../../devices/{name}")
    below = root / f"sys/devices/{name}/slaves"
    below.mkdir()
    for slave in slaves:
        (below / slave).symlink_to(f"../../{slave}")


@pytest.mark.fault("F107")
def test_mounts_without_a_disk_are_told_from_those_with_one(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/mountinfo", MOUNTINFO)
    block(tmp_path, "sdc1", "8:33")
    block(tmp_path, "dm-0", "253:0", "mpath-3600")
    block(tmp_path, "dm-1", "253:1", "part1-mpath-3600", ("dm-0",))
    block(tmp_path, "sde", "8:64")
    block(tmp_path, "dm-3", "253:3", "mpath-3601", ("sde",))
    block(tmp_path, "dm-4", "253:4", "LVM-x", ("sde",))
    paths = [text.split()[4] for text in MOUNTINFO.splitlines()]
    assert mounts.find_stranded([*paths, "/srv/not-mounted"], tmp_path) == {
        "/srv/gone": DISK_GONE,
        "/srv/pathless": NO_PATHS,
        "/srv/btrfs": DISK_GONE,
    }


@pytest.mark.fault("F107")
def test_a_mount_without_a_disk_that_came_while_the_others_were_asked_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "proc/self/mountinfo", "")
    real, asked = mounts.mounted, []

    def mounted(root: Path) -> tuple[MountLine, ...]:
        """Read the mounts; after the first time somebody mounts something."""
        lines = real(root)
        asked.append(root)
        put(tmp_path, "proc/self/mountinfo", MOUNTINFO)
        return lines

    monkeypatch.setattr(mounts, "mounted", mounted)
    monkeypatch.setattr(doctor, "LIVE", tmp_path)
    line = b"UUID=u /srv/gone ext4 _netdev,nofail,x-iscsictl.wwid=naa.6 0 0\n"
    machine = replace(SOUND, fstab=Known(parse_fstab(line)), listing=Listing((), ()))
    (health,) = doctor._mount_health(machine, 1)
    assert (health.path, health.stranded) == ("/srv/gone", DISK_GONE)
    assert len(asked) == 2


@pytest.mark.fault("F107")
def test_a_mount_made_by_hand_that_lost_its_disk_is_reported_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuse = "43 35 0:52 / /run/doc rw - fuse /dev/fuse rw\n"
    put(tmp_path, "proc/self/mountinfo", MOUNTINFO + fuse)
    block(tmp_path, "sdc1", "8:33")
    block(tmp_path, "dm-1", "253:1", "mpath-3600")
    for name, number in (("sde", "8:64"), ("dm-3", "253:3")):
        block(tmp_path, name, number)
    monkeypatch.setattr(doctor, "LIVE", tmp_path)
    machine = replace(SOUND, fstab=Known(parse_fstab(b"")), listing=Listing((), ()))
    found = {health.path: health.stranded for health in doctor._mount_health(machine, 1)}
    assert found == {
        "/srv/gone": DISK_GONE, "/srv/pathless": NO_PATHS, "/srv/btrfs": DISK_GONE,
    }  # fmt: skip


@pytest.mark.fault("F71")
@pytest.mark.parametrize("lost", [False, True])
def test_the_map_of_a_lost_array_fails_what_waits_before_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(multipath_conf, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(multipathd, "ask", lambda *words: commands.append(["multipathd", *words]))
    disk = DiskId(TARGET, 0, W, "/dev/mapper/no-such-map")
    assert execute_action(actions.RemoveMap(disk, lost), open_context(1.0, tmp_path)).changed
    stop_waiting = ["multipathd", "disablequeueing", "map", "no-such-map"]
    assert commands == [stop_waiting] * lost + [["multipath", "-f", "no-such-map"]]


LAYERS = """\
50 35 253:5 / /srv/volume rw - ext4 /dev/mapper/vg-lv rw
51 35 253:6 / /srv/crypt rw - xfs /dev/mapper/safe rw
52 35 9:127 / /srv/array rw - ext4 /dev/md127 rw
53 35 9:126 / /srv/mirror rw - ext4 /dev/md126 rw
"""


@pytest.mark.fault("F107")
def test_a_volume_outlives_its_disks_and_a_mount_on_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links of a volume to its disks stay when the disks are deleted."""
    put(tmp_path, "proc/self/mountinfo", LAYERS)
    block(tmp_path, "sde", "8:64")
    block(tmp_path, "dm-5", "253:5", "LVM-x", ("sdx", "sdy1"))
    block(tmp_path, "dm-6", "253:6", "CRYPT-LUKS2-x", ("dm-5",))
    block(tmp_path, "md127", "9:127", slaves=("sdx", "sdy"))
    block(tmp_path, "md126", "9:126", slaves=("sde", "sdy"))
    monkeypatch.setattr(doctor, "LIVE", tmp_path)
    machine = replace(SOUND, fstab=Known(parse_fstab(b"")), listing=Listing((), ()))
    healths = doctor._mount_health(machine, 1)
    assert {health.path: health.stranded for health in healths} == dict.fromkeys(
        ("/srv/volume", "/srv/crypt", "/srv/array"), DISK_GONE
    )
    fixes = [one.fix for one in filesystem.check(replace(SOUND, mounts=healths)) if one.fix]
    assert [fix.split("; ")[2].partition(" (")[0] for fix in fixes] == [
        "stop /dev/mapper/vg-lv", "stop /dev/mapper/safe", "stop /dev/md127",
    ]  # fmt: skip
