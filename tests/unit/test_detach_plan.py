"""What a detach plans, by example."""

from dataclasses import replace

import pytest

from iscsictl.errors import Exit, NotFoundError
from iscsictl.model import actions
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.inventory import DiskUsage, HostFacts, Inventory
from iscsictl.model.listing import Block, Mount
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.selection.disks import choose
from tests.unit.detach_facts import (
    ALL,
    MOUNTED,
    SECOND,
    attached,
    pending,
    planned,
    refused,
)
from tests.worlds import (
    CLAIMED,
    DIR,
    GREEDY,
    OTHER,
    TARGET,
    W1,
    WRONG,
    A,
    B,
    W,
    blank,
    line,
    parted,
    unit,
    world,
    wwid_of,
)


@pytest.mark.parametrize("name", [TARGET, DIR, W, CLAIMED, "/dev/sda", "/dev/sda1"])
def test_whatever_names_the_lun_takes_it_down_in_order(name: str) -> None:
    plan = planned(attached(), name)
    assert pending(plan) == ALL
    settings = next(s.action for s in plan.steps if isinstance(s.action, actions.WriteRecord))
    assert settings.changes == {"node.startup": "manual", "node.conn[0].startup": "manual"}


@pytest.mark.fault("F31")
@pytest.mark.parametrize("name", [TARGET, DIR, W, CLAIMED, "/dev/sda", "/dev/sda1"])
def test_taking_down_twice_is_once(name: str) -> None:
    now = attached()
    after = now.do(*(s.action for s in planned(now, name).pending)).having(in_journal=True)
    assert pending(planned(after, name)) == []


@pytest.mark.fault("F31")
def test_a_session_that_is_gone_leaves_the_record_and_the_line() -> None:
    now = attached().do(actions.Logout(TARGET, A, "default"))
    for name in (TARGET, DIR, W, CLAIMED):
        assert pending(planned(now, name)) == ["settings", "unfstab"]


@pytest.mark.fault("F31")
def test_a_record_that_is_gone_is_not_missed() -> None:
    now = attached().do(actions.DeleteRecord(TARGET, A, "default"))
    assert pending(planned(now)) == ["umount", "logout", "unfstab"]


def test_forget_deletes_the_record_after_the_logout() -> None:
    assert pending(planned(attached(), forget=True)) == ["umount", "logout", "forget", "unfstab"]


@pytest.mark.fault("F29")
@pytest.mark.parametrize(
    "holder",
    [
        "swap on /dev/sda1",
        "LVM volume /dev/dm-0",
        "md array /dev/md0",
        "mount on /mnt in the namespace of process 7 (bash)",
        "process 7 (dd) that has /dev/sda open",
    ],
)
def test_what_is_in_use_stays_and_the_holder_is_named(holder: str) -> None:
    for usage in (
        DiskUsage(other_holders=(holder,)),
        DiskUsage(mounts=(DIR,), other_holders=(holder,)),
    ):
        error = refused(planned(attached(usage=usage)))
        assert error.exit is Exit.IN_USE
        assert holder in error.text
        assert error.hint


@pytest.mark.fault("F29")
def test_who_works_in_the_mount_keeps_it() -> None:
    usage = DiskUsage(mounts=(DIR,), open_files=("process 7 (bash) works in /srv/data",))
    error = refused(planned(attached(usage=usage)))
    assert error.exit is Exit.IN_USE
    assert "process 7" in error.text


def test_a_mount_by_hand_goes_only_where_it_is_named() -> None:
    now = attached(usage=DiskUsage(mounts=(DIR, "/mnt")))
    error = refused(planned(now, TARGET))
    assert error.exit is Exit.IN_USE
    assert "/mnt" in error.text
    assert pending(planned(now, "/dev/sda"))[:2] == ["umount", "umount"]


@pytest.mark.fault("F29")
def test_a_line_that_names_a_disk_finds_who_uses_it_even_when_not_mounted_there() -> None:
    now = attached(usage=DiskUsage(other_holders=("LVM volume /dev/dm-0",)))
    for name in (DIR, W, CLAIMED):
        assert refused(planned(now, name)).exit is Exit.IN_USE


def test_a_disk_that_tells_no_name_is_unmounted_before_its_session_ends() -> None:
    now = world(replace(unit(blank(W)), wwid=None, content=None)).logged_in()
    disk = now.inventory.disks[0]
    from iscsictl.model.listing import Mount

    mounted = disk._replace(block=disk.block._replace(mounts=(Mount("/mnt"),)))
    seen = replace(now.inventory, disks=(mounted,))
    assert refused(plan_detach(seen, DetachRequest(TARGET))).exit is Exit.IN_USE
    plan = plan_detach(seen, DetachRequest("/mnt"))
    assert pending(plan) == ["umount", "logout"]


@pytest.mark.fault("F31")
def test_an_array_that_does_not_answer_is_not_waited_for() -> None:
    now = attached()
    down = tuple(s._replace(status="recovering") for s in now.inventory.sessions)
    dead = now.having(sessions=down)
    error = refused(planned(dead))
    assert error.exit is Exit.UNREACHABLE
    assert f"--lost --confirm {W}" in (error.hint or "")
    plan = planned(dead, consent=Consent(lost=W))
    assert pending(plan) == ALL
    assert any("lost" in note and DIR in note for note in plan.notes)
    unmount = next(s.action for s in plan.steps if isinstance(s.action, actions.Unmount))
    assert unmount.lost


def test_lost_needs_the_name_of_the_disk() -> None:
    error = refused(planned(attached(), consent=Consent(lost=WRONG)))
    assert error.exit is Exit.REFUSED
    assert W in error.text


@pytest.mark.fault("F71")
def test_a_disk_whose_session_is_up_is_not_lost() -> None:
    plan = planned(attached(), consent=Consent(lost=W))
    assert refused(plan).exit is Exit.REFUSED
    assert "is up" in refused(plan).text
    assert not plan.pending


def test_inner_mounts_go_before_outer_ones() -> None:
    now = attached(usage=DiskUsage(mounts=(DIR, f"{DIR}/inner")))
    plan = planned(now, "/dev/sda")
    paths = [s.action.path for s in plan.steps if isinstance(s.action, actions.Unmount)]
    assert paths == [f"{DIR}/inner", DIR]


def test_a_map_is_let_go_before_its_paths() -> None:
    units = (unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED),)
    now = world(*units).having(host=HostFacts(multipath=GREEDY)).logged_in().logged_in(portal=B)
    plan = planned(now.with_line(line(W)), TARGET)
    assert pending(plan) == ["umount", "unmap", "logout", "logout", "unfstab"]


def test_two_sessions_through_two_interfaces_are_two_steps() -> None:
    now = attached().do(
        actions.CreateRecord(TARGET, A, "eth1"), actions.Login(TARGET, A, "eth1", None)
    )
    plan = planned(now, TARGET)
    ids = [s.id for s in plan.steps]
    assert len(ids) == len(set(ids))
    assert sum(verb == "logout" for verb in pending(plan)) == 2


def one_lun_with_two_disks(
    *, old: DiskUsage, new: DiskUsage, maps: tuple[str, str] | None = None
) -> Inventory:
    """The array put another disk behind the LUN: one session has the old, one the new disk."""
    now = attached().logged_in(portal=B).inventory
    (disk,) = now.disks
    if maps is None:
        blocks = [Block(path.device, "disk") for path in disk.paths]
    else:
        mounts = tuple(Mount(path) for path in old.mounts)
        blocks = [Block(f"/dev/mapper/{name}", "mpath", mounts=mounts) for name in maps]
    disks = tuple(
        disk._replace(wwid=wwid, paths=(path,), block=block)
        for wwid, path, block in zip((W, W1), disk.paths, blocks, strict=True)
    )
    return replace(now, disks=disks, usage={disks[0].block.device: old, disks[1].block.device: new})


@pytest.mark.fault("F65")
def test_the_second_disk_behind_a_lun_number_is_never_logged_out_while_it_is_in_use() -> None:
    now = one_lun_with_two_disks(old=DiskUsage(), new=SECOND)
    for name, lun in ((TARGET, None), (TARGET, 0)):
        error = refused(plan_detach(now, DetachRequest(name, lun)))
        assert error.exit is Exit.IN_USE
        assert "/srv/two" in error.text
    plan = plan_detach(now, DetachRequest(W))
    assert pending(plan) == ["remove", "unfstab"]
    assert plan.notes == (f"the session to {TARGET} stays: LUN 0 is mounted on /srv/two",)


@pytest.mark.fault("F65")
def test_a_command_for_one_disk_asks_which_of_two_behind_a_lun_number_is_meant() -> None:
    now = one_lun_with_two_disks(old=DiskUsage(), new=DiskUsage())
    with pytest.raises(NotFoundError, match=r"is two disks.*: /dev/sda, /dev/sdb"):
        choose(now, TARGET, 0)
    assert choose(now, "/dev/sdb").disk.wwid == W1


def test_two_disks_behind_one_lun_number_are_let_go_each_by_its_own_step() -> None:
    now = one_lun_with_two_disks(old=DiskUsage(), new=DiskUsage(), maps=("a", "b"))
    plan = plan_detach(now, DetachRequest(TARGET))
    assert pending(plan).count("unmap") == 2
    ids = [step.id for step in plan.steps]
    assert len(ids) == len(set(ids))


@pytest.mark.fault("F65")
def test_a_map_over_two_disks_is_let_go_once() -> None:
    mounted = DiskUsage((DIR,))
    now = one_lun_with_two_disks(old=mounted, new=mounted, maps=("a", "a"))
    plan = plan_detach(now, DetachRequest(TARGET))
    assert pending(plan) == ["umount", "unmap", "settings", "logout", "logout", "unfstab"]
    ids = [step.id for step in plan.steps]
    assert len(ids) == len(set(ids))
    now = one_lun_with_two_disks(old=DiskUsage(), new=SECOND, maps=("a", "a"))
    error = refused(plan_detach(now, DetachRequest(TARGET)))
    assert error.exit is Exit.IN_USE


def test_drop_ins_for_the_mount_go_with_it() -> None:
    now = attached().having(host=HostFacts(required={"mail.service": (DIR,)}))
    assert pending(planned(now)) == [*ALL[:-1], "unrequire", "unfstab"]


@pytest.mark.fault("F48")
def test_the_line_of_a_disk_that_moved_elsewhere_stays() -> None:
    moved = unit(parted(wwid_of(8), "ext4", CLAIMED), target=OTHER, usage=MOUNTED)
    now = world(unit(blank(W)), moved).logged_in().logged_in(OTHER)
    now = now.with_line(line(wwid_of(8)))  # The line still says TARGET.
    assert pending(planned(now, TARGET)) == ["logout"]


def test_a_name_that_fits_two_luns_is_refused_with_both() -> None:
    units = (unit(blank(W)), unit(blank(W), target=OTHER))
    now = world(*units).logged_in().logged_in(OTHER)
    error = refused(planned(now, W))
    assert error.exit is Exit.NOT_FOUND
    assert TARGET in error.text
    assert OTHER in error.text


@pytest.mark.parametrize(
    "name",
    ["sda", "-", "", "iqn.2030-01.com.x:y", "/mnt", "/dev/sdq", "a-b"],
)
@pytest.mark.parametrize("in_journal", [False, None])
def test_what_names_nothing_is_not_found(name: str, in_journal: bool | None) -> None:
    error = refused(planned(attached().having(in_journal=in_journal), name))
    assert error.exit is Exit.NOT_FOUND
    assert "iscsictl ls" in (error.hint or "")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (TARGET[:-1] + "k", TARGET), ("/srv/dat", DIR), ("/srv/data2", DIR), ("iqn", TARGET),
        (TARGET.rpartition(":")[2].upper(), TARGET),
    ],
)  # fmt: skip
def test_a_part_of_a_name_or_a_typing_error_is_answered_with_the_name_that_was_meant(
    name: str, meant: str
) -> None:
    error = refused(planned(attached(), name))
    assert error.exit is Exit.NOT_FOUND
    assert error.hint == f"did you mean: {meant}"


@pytest.mark.fault("F29")
@pytest.mark.parametrize("lost", [None, W])
def test_what_is_mounted_over_ours_is_not_taken_down(lost: str | None) -> None:
    usage = DiskUsage(mounts=(DIR,), covered=((DIR, "theirs"),))
    now = attached(usage=usage)
    if lost:
        sessions = tuple(s._replace(status="recovering") for s in now.inventory.sessions)
        now = now.having(sessions=sessions)
    error = refused(planned(now, consent=Consent(lost=lost)))
    assert error.exit is Exit.IN_USE
    assert error.text == f"theirs is mounted over {DIR}"


@pytest.mark.fault("F106")
def test_what_stands_on_the_disk_is_refused_with_the_commands_that_release_it() -> None:
    commands = ("umount /srv/data", "vgchange -an vg0")
    used = DiskUsage(
        mounts=(DIR,), other_holders=("LVM volume /dev/mapper/vg0-a",), releases=commands
    )
    plan = planned(attached(usage=used))
    assert refused(plan).hint == (
        "release it, then run this again: umount /srv/data && vgchange -an vg0"
    )
    assert not plan.steps


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        ("LABEL=data", "nofail", "still mounts /home/data at boot"),
        (f"/dev/disk/by-id/wwn-0x{W.partition('.')[2]}-part1", "defaults",
         (
             "still mounts /home/data at boot, and the boot waits for it: add nofail, or delete "
             "the entry"
         )),
        ("/srv/data/home", "bind,nofail", None),
        ("LABEL=data", "noauto", None),
        ("LABEL=other", "defaults", None),
    ],
)  # fmt: skip
def test_what_an_admin_s_own_entry_wants_at_the_next_boot_is_told(
    spec: str, options: str, said: str | None
) -> None:
    units = [unit(parted(W, "ext4", CLAIMED, used=True, label="data"), usage=MOUNTED)]
    now = world(*units).logged_in().with_line(line(W))
    (entry,) = parse_fstab(f"{spec} /home/data ext4 {options} 0 0\n".encode()).lines
    plan = planned(now.with_line(entry))
    assert plan.refusal is None
    assert plan.notes == (() if said is None else (f"/etc/fstab line 2 {said}",))


def test_a_volume_of_crypttab_is_told_of_too() -> None:
    entry = CrypttabEntry(2, "safe", f"UUID={CLAIMED}")
    plan = planned(attached().having(crypttab=(entry,)))
    (note,) = plan.notes
    assert note.startswith("/etc/crypttab line 2 still opens safe at boot, and the boot waits")
