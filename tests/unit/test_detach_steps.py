"""The steps of a detach in full: which sessions, records, disks and entries they name."""

from dataclasses import replace

import pytest

from iscsictl.errors import Exit
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import DISK_GONE, NO_PATHS, DiskUsage
from iscsictl.model.listing import Lun
from iscsictl.model.plan import Action, Plan, Status
from iscsictl.model.record import startup_values
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import parse_fstab
from tests.unit.detach_facts import MOUNTED, SECOND, attached, pending, planned, refused
from tests.worlds import (
    CLAIMED,
    DIR,
    FOREIGN,
    OTHER,
    OURS,
    TARGET,
    W1,
    A,
    B,
    W,
    World,
    blank,
    line,
    parted,
    record,
    unit,
    world,
    wwid_of,
)

MANUAL = startup_values("manual")


def steps(plan: Plan) -> list[tuple[Action, str]]:
    assert plan.refusal is None, plan.refusal
    return [(step.action, step.subject) for step in plan.steps if step.status is Status.PLANNED]


def actions_of(plan: Plan) -> list[Action]:
    return [action for action, _ in steps(plan)]


def down(now: World) -> World:
    return now.having(
        sessions=tuple(s._replace(status="recovering") for s in now.inventory.sessions)
    )


def test_the_steps_of_a_detach_name_just_what_is_detached() -> None:
    now = attached().do(
        actions.CreateRecord(OTHER, B, "default"),
        actions.WriteRecord(OTHER, B, "default", {"node.startup": "automatic"}),
    )
    path = f"{TARGET} {A}"
    assert steps(planned(now)) == [
        (actions.Unmount(DIR), DIR),
        (actions.WriteRecord(TARGET, A, "default", MANUAL), path),
        (actions.Logout(TARGET, A, "default"), path),
        (actions.DropFstab(now.inventory.fstab.ours[0]), DIR),
    ]


def test_with_forget_the_records_of_the_target_are_deleted_after_the_logout() -> None:
    now = attached().do(actions.CreateRecord(OTHER, A, "default"))
    assert actions_of(planned(now, forget=True))[1:3] == [
        actions.Logout(TARGET, A, "default"),
        actions.DeleteRecord(TARGET, A, "default"),
    ]


def test_a_lost_disk_is_named_to_the_step_that_asks_once_more_whether_it_answers() -> None:
    now = down(attached())
    assert actions_of(planned(now, consent=Consent(lost=W))) == [
        actions.Unmount(DIR, lost=True, disk=DiskId(TARGET, 0, W, "/dev/sda")),
        actions.WriteRecord(TARGET, A, "default", MANUAL),
        actions.Logout(TARGET, A, "default", lost=True),
        actions.DropFstab(now.inventory.fstab.ours[0]),
    ]
    assert not any("reserved" in one for one in planned(now, consent=Consent(lost=W)).notes)


@pytest.mark.parametrize(
    ("reason", "consent", "unmount"),
    [
        (DISK_GONE, Consent(), actions.Unmount(DIR)),
        (NO_PATHS, Consent(lost=W), actions.Unmount(DIR, True, DiskId(TARGET, 2, W, ""))),
    ],
)
def test_a_mount_without_a_disk_is_named_by_its_entry(
    reason: str, consent: Consent, unmount: actions.Unmount
) -> None:
    now = world().with_line(line(W, lun=2)).having(stranded={DIR: reason})
    assert actions_of(planned(now, consent=consent))[0] == unmount


def test_of_two_luns_the_one_that_was_named_is_removed() -> None:
    now = world(
        unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED), unit(blank(W1), lun=1)
    ).logged_in().with_line(line(W))  # fmt: skip
    (_, disk) = now.inventory.disks
    hctls = tuple(path.hctl for path in disk.paths)
    for plan in (planned(now, TARGET, 1), planned(now, W1)):
        assert steps(plan) == [
            (actions.RemoveDevice(DiskId(TARGET, 1, W1, "/dev/sdb"), hctls), f"{TARGET} LUN 1")
        ]
    gone = now.with_line(line(wwid_of(5), FOREIGN, "/srv/gone", lun=5))
    (entry,) = gone.inventory.fstab.by_dir("/srv/gone")
    assert actions_of(planned(gone, TARGET, 5)) == [actions.DropFstab(entry)]


def test_the_reservation_of_an_array_that_answers_is_ended_and_not_noted() -> None:
    content = unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED)
    now = world(content).logged_in().with_line(line(W, exclusive=True))
    now = World(replace(now.inventory, reservations={W: OURS}))
    plan = planned(now)
    assert any(isinstance(action, actions.Release) for action in actions_of(plan))
    assert plan.notes == ()
    gone = planned(down(now), consent=Consent(lost=W))
    assert not any(isinstance(action, actions.Release) for action in actions_of(gone))
    assert any("is still reserved for this host" in one for one in gone.notes)


# Sessions and records


def test_a_session_is_ended_at_the_portal_that_it_was_requested_at() -> None:
    (session,) = attached().inventory.sessions
    for changes, portal in (
        ({"persistent_portal": A, "portal": B}, A),
        ({"persistent_portal": None, "portal": B}, B),
        ({"persistent_portal": A, "portal": A, "iface": None}, A),
    ):
        now = attached().having(sessions=(session._replace(**changes),))
        logouts = [a for a in actions_of(planned(now)) if isinstance(a, actions.Logout)]
        assert logouts == [actions.Logout(TARGET, portal, "default")]
    hidden = session._replace(persistent_portal=None, portal=None)
    assert "logout" not in pending(planned(attached().having(sessions=(hidden,))))


def test_a_record_without_a_session_is_shown_as_logged_out() -> None:
    now = attached().do(actions.CreateRecord(TARGET, B, "default"))
    unchanged = [s.action for s in planned(now).steps if s.status is Status.UNCHANGED]
    assert actions.Logout(TARGET, B, "default") in unchanged


def test_a_corrupt_record_is_not_written_but_deleted_with_the_others() -> None:
    now = attached().having(
        records=(record(values={"node.startup": "automatic"}, problem="is cut off"),)
    )
    assert "settings" not in pending(planned(now))
    assert "forget" in pending(planned(now, forget=True))


# What keeps the session


@pytest.mark.parametrize("kind", [0x03, 0x0C, 0x0D, 0x1E, 0x1F])
def test_a_unit_of_the_array_itself_does_not_keep_the_session(kind: int) -> None:
    (session,) = attached().inventory.sessions
    hctl = f"{session.sid}:0:0:9"
    for number, verb in ((kind, "logout"), (0x01, "remove")):
        units = (*(session.luns or ()), Lun(9, hctl, None, "running", type=number))
        now = attached().having(sessions=(session._replace(luns=units),))
        assert verb in pending(planned(now))


@pytest.mark.fault("F30")
@pytest.mark.parametrize(
    ("entry", "stays"),
    [
        (line(W1, FOREIGN, "/srv/two", lun=1), True),
        # The disk moved to this LUN, or the array gave the LUN another name.
        (line(W1, FOREIGN, "/srv/two", target=OTHER, lun=7), True),
        (line(wwid_of(7), FOREIGN, "/srv/two", lun=1), True),
        (line(wwid_of(7), FOREIGN, "/srv/two", lun=3), False),
        (line(wwid_of(7), FOREIGN, "/srv/two", target=OTHER, lun=1), False),
    ],
)
def test_the_session_stays_for_a_lun_that_an_entry_of_ours_is_for(
    entry: FstabLine, stays: bool
) -> None:
    plan = planned(attached(second=DiskUsage()).with_line(entry))
    assert ("logout" not in pending(plan)) is stays
    assert any("LUN 1 is in /etc/fstab: /srv/two" in one for one in plan.notes) is stays


def test_the_session_stays_for_a_mounted_lun_whose_use_was_not_observed() -> None:
    two = parted(W1, "ext4", FOREIGN, used=True)
    units = (unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED),
             unit(two, lun=1, usage=SECOND))  # fmt: skip
    now = world(*units).logged_in().with_line(line(W))
    usage = {device: one for device, one in now.inventory.usage.items() if device != "/dev/sdb"}
    unobserved = World(replace(now.inventory, usage=usage))
    assert "logout" not in pending(planned(unobserved))


def test_a_path_whose_disk_was_removed_does_not_keep_the_session() -> None:
    """The other session still has the unit, but the kernel has no disk for it any more."""
    now = attached().logged_in(portal=B)
    (disk,) = now.inventory.disks
    now = now.having(disks=(disk._replace(paths=disk.paths[:1]),))
    assert pending(planned(now)).count("logout") == 2


# What forbids


def test_the_root_filesystem_is_found_also_where_only_its_use_shows_it() -> None:
    now = world(unit(blank(W), usage=DiskUsage(mounts=("/",)))).logged_in()
    (disk,) = now.inventory.disks
    bare = disk._replace(block=disk.block._replace(children=(), mounts=()))
    now = World(replace(now.inventory, disks=(bare,)))
    assert refused(planned(now, TARGET)).exit is Exit.IN_USE
    assert "the root filesystem is on LUN 0" in refused(planned(now, TARGET)).text


def test_what_is_mounted_through_another_device_is_not_unmounted() -> None:
    """umount(8) would take down that mount, and the other device would still hold the disk."""
    now = attached()
    (disk,) = now.inventory.disks
    bare = disk._replace(block=disk.block._replace(children=(), mounts=()))
    for name in (DIR, "/dev/sda"):
        error = refused(planned(World(replace(now.inventory, disks=(bare,))), name))
        assert (error.exit, error.text) == (
            Exit.IN_USE, "/dev/sda is mounted through another device",
        )  # fmt: skip


# Entries


def dropped(now: World, name: str = TARGET, lun: int | None = None) -> list[str | None]:
    found = [a for a in actions_of(planned(now, name, lun)) if isinstance(a, actions.DropFstab)]
    return [action.entry.mount_point for action in found]


def test_the_entries_of_the_lun_are_dropped_and_those_of_others_stay() -> None:
    now = world(unit(blank(W)), unit(blank(W1), lun=1)).logged_in()
    for entry in (
        line(W, CLAIMED, "/srv/a"),
        line(W1, FOREIGN, "/srv/b", lun=1),
        line(wwid_of(7), FOREIGN, "/srv/replaced"),
        line(W, FOREIGN, "/srv/moved", target=OTHER, lun=3),
        line(wwid_of(7), FOREIGN, "/srv/elsewhere", target=OTHER),
    ):
        now = now.with_line(entry)
    (stripped,) = parse_fstab(line(W).raw.replace(f",x-iscsictl.wwid={W}".encode(), b"")).lines
    now = now.with_line(stripped)
    assert dropped(now, TARGET, 0) == ["/srv/a", "/srv/replaced", "/srv/moved"]
    assert dropped(now, TARGET, 1) == ["/srv/b"]


def test_of_two_disks_with_one_wwid_each_keeps_its_own_entry() -> None:
    now = world(unit(blank(W)), unit(replace(blank(W), wwid=W), target=OTHER))
    now = now.logged_in().logged_in(OTHER)
    now = now.with_line(line(W, CLAIMED, "/srv/b", target=OTHER)).with_line(
        line(W, CLAIMED, "/srv/a")
    )
    assert dropped(now, TARGET) == ["/srv/a"]
    assert dropped(now, OTHER) == ["/srv/b"]


def test_an_entry_without_a_directory_is_named_by_its_uuid() -> None:
    now = world(unit(blank(W))).logged_in().with_line(line(W, CLAIMED, "none"))
    assert steps(planned(now, TARGET))[-1][1] == CLAIMED


@pytest.mark.parametrize(
    ("options", "noted"),
    [("nofail", True), ("noauto", False), ("noauto,x-systemd.automount", True)],
)
def test_an_entry_of_an_admin_that_comes_at_boot_is_noted(options: str, noted: bool) -> None:
    own = f"UUID={CLAIMED} /elsewhere ext4 _netdev,{options} 0 0\n".encode()
    (entry,) = parse_fstab(own).lines
    # A volume that is opened by hand is no note either.
    volume = CrypttabEntry(3, "safe", f"UUID={CLAIMED}", ("noauto",))
    notes = planned(attached().with_line(entry).having(crypttab=(volume,))).notes
    assert not any("crypttab" in one for one in notes)
    assert any("still mounts /elsewhere at boot" in one for one in notes) is noted
