"""What a hint says to run can be pasted into a shell, and does what the hint says."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.model.disk_content import Content, Signature
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import (
    DiskUsage,
    Inventory,
    Known,
    MountedSource,
    MountPointState,
)
from iscsictl.model.listing import Lun, Session
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import append_line, mount_line, parse_fstab
from iscsictl.planner.attach.reconnect import Mounted, plan_reconnect
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.planner.disks.mounts import (
    MountSpec,
    plan_fstab_add,
    plan_fstab_rm,
    plan_mount,
    plan_umount,
)
from tests.unit.attach_facts import here, planned
from tests.unit.disk_facts import (
    GIB,
    IQN,
    NEW,
    SERVICE,
    UUID,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    our_line,
    part,
    session,
)
from tests.worlds import DIR, W, bare, blank, line, parted, spec, wwid_of

SPACED = "/srv/Ann's mail; $(x)"


def hint(plan: Plan) -> str:
    assert plan.refusal is not None
    return plan.refusal.hint or ""


def says(text: str, *command: str) -> bool:
    """Tell whether the words of a command stand in a text as a shell reads it."""
    words = shlex.split(text)
    return any(tuple(words[at : at + len(command)]) == command for at in range(len(words)))


def test_mounts_in_the_way_are_taken_down_by_what_the_hint_says() -> None:
    mounted = a_disk(fstype="ext4", uuid=UUID, mounts=[SPACED])
    for plan in (
        plan_mount(disk_inventory(mounted, content=carries("ext4")), MountSpec("/mnt")),
        plan_label(replace(disk_inventory(mounted), used=DiskUsage((SPACED,))), "gpt", Consent()),
    ):
        assert says(hint(plan), "iscsictl", "umount", SPACED)


def test_a_mount_of_another_disk_is_taken_down_by_umount_itself() -> None:
    taken = Known(MountPointState(exists=True, mounted="8:1", source="/dev/sdz"))
    free = disk_inventory(a_disk(fstype="ext4", uuid=UUID), content=carries("ext4"))
    for plan in (
        plan_mount(replace(free, place=taken), MountSpec(SPACED)),
        planned(here(blank(W)).having(place=taken), spec(mount=SPACED)),
    ):
        assert says(hint(plan), "umount", SPACED)
        assert not says(hint(plan), "iscsictl", "umount", SPACED)


def test_what_cannot_be_unmounted_here_is_named_as_a_shell_reads_it() -> None:
    away = replace(
        disk_inventory(), chosen=None, place=Known(MountPointState(exists=True, mounted="8:1"))
    )
    assert says(hint(plan_umount(away, SPACED)), "umount", SPACED)
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=[SPACED])
    dead = replace(disk_inventory(disk), sessions=(session("recovering"),))
    assert says(hint(plan_umount(dead, SPACED)), "iscsictl", "detach", SPACED, "--lost")


def test_lines_in_the_way_are_taken_out_by_what_the_hint_says() -> None:
    there = disk_inventory(
        a_disk(fstype="ext4", uuid=UUID), content=carries("ext4"), lines=[our_line(SPACED)]
    )
    anew = MkfsSpec("xfs", NEW, consent=Consent(wipe=WWID))
    for plan in (plan_fstab_add(there, MountSpec("/mnt")), plan_mkfs(there, anew)):
        assert says(hint(plan), "iscsictl", "fstab", "rm", SPACED)
    assert plan_fstab_rm(there, SPACED).pending


def test_a_volume_of_ours_that_is_mounted_in_the_way_keeps_its_line_until_it_is_detached() -> None:
    taken = Known(MountPointState(exists=True, mounted="8:1", source="/dev/sdz"))
    now = here(blank(W)).with_line(line(wwid_of(1))).having(place=taken)
    assert says(hint(planned(now)), "iscsictl", "detach", DIR)
    assert "fstab rm" not in hint(planned(now))


def test_fstab_rm_says_that_what_is_mounted_is_not_there_after_a_boot() -> None:
    there = disk_inventory(lines=[our_line(SPACED)])
    assert plan_fstab_rm(there, SPACED).notes == ()
    mounted = replace(there, mounted={SPACED: MountedSource("8:1", "/dev/sda")})
    for name in (SPACED, UUID):
        (note,) = plan_fstab_rm(mounted, name).notes
        assert note.startswith(f"{SPACED} stays mounted, but only until the next boot; ")
        # The note and the name have an apostrophe each.
        assert note.endswith(f"iscsictl umount {shlex.quote(SPACED)}")


def test_only_a_line_of_ours_is_said_to_go_by_fstab_rm() -> None:
    foreign = f"UUID=0-1 {DIR} ext4 defaults 0 2\n".encode()
    ours = here(blank(W)).with_line(line(wwid_of(1)))
    assert says(hint(planned(ours)), "iscsictl", "fstab", "rm", DIR)
    theirs = here(blank(W)).having(fstab=parse_fstab(foreign))
    both = theirs.with_line(line(wwid_of(1)))
    for now in (theirs, both):
        assert "edit /etc/fstab" in hint(planned(now))
        assert "fstab rm" not in hint(planned(now))
    refused = plan_fstab_rm(disk_inventory(lines=[foreign, our_line(DIR)]), DIR)
    assert refused.refusal is not None


@pytest.mark.parametrize("content", [carries("xfs"), Content(WWID, GIB, 512, data_at=4096)])
def test_adopt_is_named_only_where_it_can_be_given(content: Content) -> None:
    for plan in (
        plan_label(disk_inventory(content=content), "gpt", Consent()),
        plan_mkfs(disk_inventory(content=content), MkfsSpec("ext4", NEW)),
        plan_mkfs(
            disk_inventory(a_disk(part()), content=content, name="/dev/sda1"), MkfsSpec("ext4", NEW)
        ),
    ):
        assert hint(plan) == f"to destroy it: --wipe --confirm {WWID}"


DESTROY = f"to destroy it: --wipe --confirm {W}"


@pytest.mark.parametrize(
    ("content", "fs", "ways"),
    [
        (blank(W, data_at=4096), "ext4", DESTROY),
        (blank(W, signatures=(Signature("LVM2_member", 0x218, "abc"),)), "ext4", DESTROY),
        (parted(W, "xfs", NEW), "xfs", f"to mount it as it is: --adopt; {DESTROY}"),
        (bare(W, "xfs"), "ext4", f"to mount the xfs as it is: --adopt without --fs; {DESTROY}"),
    ],
)
def test_a_refused_attach_names_each_way_on_that_is_open(
    content: Content, fs: str, ways: str
) -> None:
    assert hint(planned(here(content), spec(fs=fs))) == ways


# -- reconnect ----------------------------------------------------------------------------

PORTAL = Portal("192.0.2.5", 3260, 1)


def reconnecting(mounted: dict[str, Mounted], state: str = "running", *holds: Hold) -> str:
    """The hint of a reconnect whose only mount point has blanks and quotes in it."""
    mount = mount_line(UUID, SPACED, "ext4", (), login_service=SERVICE, wwid=WWID,
                       target=IQN, lun=0)  # fmt: skip
    up = Session(
        "sysfs", IQN, sid=1, portal=PORTAL, persistent_portal=PORTAL, iface="default",
        luns=(Lun(0, "1:0:0:0", "/dev/sda", state, WWID),),
        status="up" if state == "running" else "recovering",
    )  # fmt: skip
    record = NodeRecord(
        path=Path("/db"), values={"node.startup": "automatic"}, target=IQN, portal=PORTAL
    )
    world = Inventory((record,), (up,), fstab=append_line(Fstab(), mount))
    plan = plan_reconnect(replace(world, holds=holds), mounted, IQN)
    (error,) = plan.errors.values()
    return error.hint or ""


def test_what_reconnect_says_to_run_names_mount_points_as_a_shell_reads_them() -> None:
    held = reconnecting({}, "running", Hold(mount_point=SPACED))
    assert says(held, "iscsictl", "unhold", SPACED)
    fallen = {SPACED: Mounted(("ro",))}
    # The prose around the commands has an apostrophe of its own.
    assert f"umount {shlex.quote(SPACED)}, check" in reconnecting(fallen)
    lost = reconnecting({SPACED: Mounted(("rw",))}, "transport-offline")
    assert f"umount {shlex.quote(SPACED)}, fsck" in lost
