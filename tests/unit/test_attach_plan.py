"""What an attach plans, by example; the properties are in tests/property/test_planner.py."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.core.build import plan_attach, record_values
from iscsictl.core.safety import AskError
from iscsictl.errors import AuthError, Exit, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import Right
from iscsictl.model.inventory import HostFacts, Known, NotLooked, Offer, Place, Unreadable, Users
from iscsictl.model.plan import Plan, Status, Step
from iscsictl.model.secret import Secret
from iscsictl.model.wish import Account, AttachWish, Consent
from iscsictl.parse.fstab import parse_fstab
from tests.effects.machine import MIB
from tests.worlds import (
    CLAIMED,
    DIR,
    FOREIGN,
    OTHER,
    TARGET,
    UUID,
    WRONG,
    A,
    B,
    World,
    at,
    bare,
    blank,
    claim,
    in_parts,
    line,
    look,
    parted,
    stranger,
    unit,
    wish,
    world,
    wwid_of,
)

W = wwid_of(0)


def planned(now: World, wanted: AttachWish | None = None) -> Plan:
    wanted = wanted or wish()
    return plan_attach(look(now.inventory, wanted), wanted)


def here(*units: Any) -> World:
    """A machine that is logged in to an array with these LUNs."""
    now = world(*units).logged_in()
    values = record_values(wish(), multipath=False)
    return now.do(actions.WriteRecord(TARGET, A, "default", values))


def verbs(plan: Plan, *status: Status) -> list[str]:
    return [s.action.verb for s in plan.steps if s.status in (status or (Status.PLANNED,))]


def step(plan: Plan, verb: str) -> Step:
    return next(s for s in plan.steps if s.action.verb == verb)


def refused(plan: Plan) -> IscsictlError:
    assert plan.refusal is not None
    return plan.refusal


# The way to the disk


def test_of_an_unknown_array_all_is_shown_but_only_the_way_to_the_login_is_decided() -> None:
    plan = planned(world(blank(W)))
    assert verbs(plan) == ["record", "settings", "login"]
    assert verbs(plan, Status.FORECAST) == [
        "scan", "claim", "label", "mkfs", "directory", "mount", "fstab",
    ]  # fmt: skip
    assert [s.action.verb for s in plan.ready] == ["record", "settings", "login"]


def test_the_login_service_is_enabled_where_it_is_not() -> None:
    now = world(blank(W)).having(host=HostFacts(service_enabled=False))
    assert "enable" in verbs(planned(now))
    assert "enable" not in verbs(planned(now, wish(boot=False)))


def test_a_record_gets_startup_a_long_timeout_and_the_account() -> None:
    account = Account("host", Secret("0123456789abcdef"))
    action = step(planned(world(blank(W)), wish(account=account)), "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert action.changes["node.startup"] == "automatic"
    assert action.changes["node.session.timeo.replacement_timeout"] == "600"
    assert action.changes["node.session.auth.password"] == account.secret
    assert action.changes["node.session.auth.password_in"] is None
    assert "0123" not in repr(action)


def test_with_multipathd_the_timeout_is_its_own_and_every_portal_gets_a_session() -> None:
    now = world(blank(W)).having(host=HostFacts(multipathd=True))
    both = (Offer(TARGET, A), Offer(TARGET, B))
    plan = planned(now.having(offers=Known(both)))
    action = step(plan, "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert "node.session.timeo.replacement_timeout" not in action.changes
    logins = [s.action for s in plan.steps if isinstance(s.action, actions.Login)]
    assert [a.portal for a in logins] == [A, B]


def test_a_value_of_the_user_wins() -> None:
    wanted = wish(values={"node.session.timeo.replacement_timeout": "15"})
    action = step(planned(world(blank(W)), wanted), "settings").action
    assert isinstance(action, actions.WriteRecord)
    assert action.changes["node.session.timeo.replacement_timeout"] == "15"


@pytest.mark.fault("F09")
def test_a_session_that_is_up_is_unchanged_and_not_made_again() -> None:
    plan = planned(here(blank(W)))
    assert step(plan, "login").status is Status.UNCHANGED
    assert step(plan, "record").status is Status.UNCHANGED


@pytest.mark.fault("F35")
def test_a_session_that_is_not_up_is_said_with_what_to_do() -> None:
    now = here(blank(W))
    down = tuple(replace(s, status="recovering") for s in now.inventory.sessions)
    error = refused(planned(now.having(sessions=down)))
    assert error.exit is Exit.UNREACHABLE
    assert "recovering" in error.text
    assert error.hint


@pytest.mark.fault("F22")
def test_a_lun_that_another_disk_answers_for_is_refused() -> None:
    error = refused(planned(here(unit(Known(blank(WRONG))))))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text


def test_several_luns_are_listed_and_none_is_guessed() -> None:
    error = refused(planned(here(blank(W), unit(blank(wwid_of(1)), lun=1))))
    assert error.exit is Exit.NOT_FOUND
    assert "--lun" in error.text
    assert W in error.text
    assert wwid_of(1) in error.text


def test_of_several_luns_the_number_the_wwid_or_our_line_chooses() -> None:
    now = here(blank(W), unit(blank(wwid_of(1)), lun=1))
    for wanted in (wish(lun=1), wish(wwid=wwid_of(1))):
        action = step(planned(now, wanted), "mkfs").action
        assert isinstance(action, actions.Mkfs)
        assert action.disk.wwid == wwid_of(1)
    made = here(blank(W), unit(parted(wwid_of(1), "ext4", CLAIMED, used=True), lun=1))
    plan = planned(made.with_line(line(wwid_of(1), lun=1)))
    assert plan.refusal is None
    assert verbs(plan) == ["directory", "mount"]


@pytest.mark.fault("F15")
def test_with_luns_that_do_not_show_yet_a_scan_comes_first() -> None:
    now = here(blank(W), unit(blank(wwid_of(1)), lun=1, late=True))
    assert verbs(planned(now)) == ["scan"]
    assert verbs(planned(now, wish(lun=1))) == ["scan"]
    assert step(planned(now, wish(lun=0)), "scan").status is Status.UNCHANGED


def test_nothing_to_mount_or_make_ends_at_the_device() -> None:
    plan = planned(here(blank(W)), wish(fs=None, mount=None))
    assert not plan.pending
    assert plan.result == "/dev/sda"


# What may be written


@pytest.mark.fault("F21")
def test_a_blank_disk_is_claimed_before_it_is_written_and_mounted_before_fstab() -> None:
    plan = planned(here(blank(W)))
    assert verbs(plan) == ["claim", "label", "mkfs", "directory", "mount", "fstab"]
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert (action.right, action.uuid, action.part) == (Right.BLANK, UUID, 1)


def test_without_a_table_the_filesystem_takes_the_whole_disk() -> None:
    plan = planned(here(blank(W)), wish(table="none"))
    assert "label" not in verbs(plan)
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert action.part is None


@pytest.mark.fault("F25")
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (bare(W, "ntfs"), "ntfs"),
        (bare(W, "xfs", label="mail"), "mail"),
        (stranger(W, "LVM2_member"), "LVM2_member"),
        (stranger(W, "linux_raid_member"), "linux_raid_member"),
        (stranger(W, "crypto_LUKS"), "crypto_LUKS"),
        (stranger(W, "zfs_member"), "zfs_member"),
        (in_parts(W), "gpt table with 2 partition(s) carrying ext4"),
        (parted(W, None), "gpt table with 1 partition(s)"),
        (parted(W, None, table="dos"), "dos table"),
        (replace(blank(W), data_at=0), "at byte 0"),
        (replace(blank(W), data_at=60 << 20), "data without a known signature"),
    ],
)
def test_a_disk_with_anything_on_it_is_refused_and_the_error_names_it(
    content: Any, named: str
) -> None:
    error = refused(planned(here(content)))
    assert error.exit is Exit.REFUSED
    assert named in error.text
    assert f"--wipe --confirm {W}" in (error.hint or "")


@pytest.mark.fault("F24")
@pytest.mark.parametrize(
    "seen", [Unreadable(UnreachableError("/dev/sda cannot be read at byte 0")), NotLooked()]
)
def test_a_disk_that_could_not_be_read_is_not_blank(seen: Any) -> None:
    plan = planned(here(unit(seen)))
    assert refused(plan).exit in {Exit.UNREACHABLE, Exit.ERROR}
    assert not {"label", "mkfs", "claim"} & set(verbs(plan))


@pytest.mark.fault("F24")
@pytest.mark.parametrize("consent", [Consent(wipe=W), Consent(adopt=True)])
def test_no_consent_makes_an_unreadable_disk_writable(consent: Consent) -> None:
    unreadable = Unreadable(UnreachableError("/dev/sda cannot be read at byte 0"))
    assert planned(here(unit(unreadable)), wish(consent=consent)).refusal is not None


@pytest.mark.fault("F51")
@pytest.mark.parametrize("consent", [Consent(), Consent(wipe=W), Consent(adopt=True)])
def test_a_reserved_disk_is_refused_whatever_was_confirmed(consent: Consent) -> None:
    error = refused(planned(here(blank(W, reserved=True)), wish(consent=consent)))
    assert error.exit is Exit.REFUSED
    assert "reservation" in error.text


@pytest.mark.fault("F28")
def test_a_read_only_disk_is_refused() -> None:
    error = refused(planned(here(blank(W, read_only=True))))
    assert error.exit is Exit.REFUSED
    assert "read-only" in error.text


@pytest.mark.fault("F28")
def test_a_dos_table_is_refused_beyond_two_tebibytes_and_gpt_is_not() -> None:
    limit = 2**32 * 512
    fits, big = blank(W, size=limit), blank(W, size=limit + 512)
    assert planned(here(fits), wish(table="dos")).refusal is None
    assert "DOS" in refused(planned(here(big), wish(table="dos"))).text
    assert planned(here(big), wish(table="gpt")).refusal is None
    large_sectors = replace(big, sector=4096)
    assert planned(here(large_sectors), wish(table="dos")).refusal is None


@pytest.mark.fault("F29")
def test_a_disk_in_use_is_refused_and_the_holder_named() -> None:
    now = here(unit(blank(W), users=Users(others=("LVM volume /dev/dm-3",))))
    for consent in (Consent(), Consent(wipe=W)):
        error = refused(planned(now, wish(consent=consent)))
        assert error.exit is Exit.IN_USE
        assert "LVM volume /dev/dm-3" in error.text


def test_a_filesystem_that_is_mounted_elsewhere_is_in_use() -> None:
    now = here(unit(bare(W, "ext4"), users=Users(mounts=("/mnt",))))
    error = refused(planned(now, wish(consent=Consent(adopt=True))))
    assert error.exit is Exit.IN_USE
    assert "/mnt" in error.text


# Wiping


def test_wipe_needs_the_name_of_this_disk() -> None:
    error = refused(planned(here(bare(W, "xfs")), wish(consent=Consent(wipe=WRONG))))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text
    assert W in error.text


def test_a_confirmed_disk_is_wiped_after_the_claim() -> None:
    plan = planned(here(bare(W, "xfs")), wish(consent=Consent(wipe=W)))
    assert verbs(plan)[:4] == ["claim", "wipe", "label", "mkfs"]


def test_even_a_blank_disk_is_not_written_when_another_one_was_confirmed() -> None:
    assert planned(here(blank(W)), wish(consent=Consent(wipe=WRONG))).refusal is not None


def test_a_wipe_is_in_the_forecast() -> None:
    for fs in ("ext4", None):
        plan = planned(world(blank(W)), wish(fs=fs, consent=Consent(wipe=W)))
        assert {"wipe", "label", "mkfs"} <= set(verbs(plan, Status.FORECAST))


def test_what_our_line_knows_is_not_wiped() -> None:
    now = here(parted(W, "xfs", FOREIGN)).with_line(line(W))
    assert planned(now, wish(consent=Consent(wipe=W))).refusal is not None


# Adopting


def test_a_foreign_filesystem_is_mounted_only_with_consent() -> None:
    now = here(parted(W, "ext4", label="mail"))
    error = refused(planned(now))
    assert isinstance(error, AskError)
    assert error.exit is Exit.REFUSED
    assert error.grant == "adopt"
    assert "mail" in error.question
    plan = planned(now, wish(consent=Consent(adopt=True)))
    assert verbs(plan) == ["directory", "mount", "fstab"]
    action = step(plan, "fstab").action
    assert isinstance(action, actions.WriteFstab)
    assert action.uuid == FOREIGN


def test_a_filesystem_of_another_kind_is_not_adopted() -> None:
    error = refused(planned(here(bare(W, "xfs")), wish(consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "xfs" in error.text


def test_a_filesystem_beside_something_else_is_not_adopted() -> None:
    both = bare(W, "ext4").signatures + stranger(W, "LVM2_member").signatures
    mixed = replace(bare(W, "ext4"), signatures=both)
    assert planned(here(mixed), wish(consent=Consent(adopt=True))).refusal is not None
    assert planned(here(in_parts(W)), wish(consent=Consent(adopt=True))).refusal is not None


def test_a_vfat_shows_three_signatures_and_is_one_filesystem() -> None:
    vfat = bare(W, "vfat", "ABCD-1234")
    vfat = replace(vfat, signatures=vfat.signatures * 3)
    plan = planned(here(vfat), wish(fs="vfat", consent=Consent(adopt=True)))
    assert plan.refusal is None


def test_a_journal_that_needs_recovery_is_refused() -> None:
    now = here(parted(W, "ext4", dirty=True))
    error = refused(planned(now, wish(consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "another host" in error.text


def test_our_own_filesystem_may_need_recovery() -> None:
    now = here(parted(W, "ext4", CLAIMED, dirty=True)).with_line(line(W))
    assert planned(now).refusal is None


@pytest.mark.fault("F53")
def test_a_uuid_that_is_on_another_disk_too_is_refused() -> None:
    now = here(parted(W, "ext4"), unit(parted(wwid_of(1), "ext4"), lun=1))
    error = refused(planned(now, wish(lun=0, consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "snapshot" in error.text
    assert "/dev/sdb" in error.text


@pytest.mark.fault("F53")
def test_with_a_snapshot_beside_it_our_own_filesystem_is_mounted_from_its_own_disk() -> None:
    now = here(
        parted(W, "ext4", CLAIMED), unit(parted(wwid_of(1), "ext4", CLAIMED), lun=1)
    ).with_line(line(W))
    plan = planned(now, wish(lun=0))
    action = step(plan, "mount").action
    assert isinstance(action, actions.Mount)
    assert action.disk.wwid == W
    assert planned(now, wish(lun=1)).refusal is not None


def test_an_unnamed_filesystem_is_not_adopted() -> None:
    assert planned(
        here(bare(W, "ext4", None)), wish(consent=Consent(adopt=True))
    ).refusal is not None  # fmt: skip


# Two names


@pytest.mark.fault("F23")
def test_two_disks_with_one_wwid_are_refused_for_writing() -> None:
    now = here(blank(W), unit(blank(W), lun=1))
    error = refused(planned(now, wish(lun=0)))
    assert error.exit is Exit.REFUSED
    assert "/dev/sda, /dev/sdb" in error.text


@pytest.mark.fault("F23")
def test_two_paths_without_a_map_are_refused_and_the_map_is_not() -> None:
    two = here(blank(W)).logged_in(portal=B)
    assert "multipath" in refused(planned(two)).text
    mapped = world(blank(W)).having(host=HostFacts(multipathd=True)).logged_in()
    plan = planned(mapped.logged_in(portal=B), wish(portals=(at(A), at(B))))
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert action.disk.device == "/dev/mapper/mpath0"


@pytest.mark.fault("F26")
def test_a_disk_that_is_not_the_wished_one_is_refused() -> None:
    error = refused(planned(here(blank(W)), wish(wwid=WRONG)))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text


def test_a_disk_without_a_name_is_never_written() -> None:
    now = here(replace(unit(blank(W)), wwid=None, content=None))
    assert "no WWID" in refused(planned(now)).text


# Going on with what was begun


@pytest.mark.fault("F41")
@pytest.mark.parametrize(
    ("content", "left"),
    [
        (blank(W), ["label", "mkfs"]),
        (parted(W, None), ["mkfs"]),
        (parted(W, None, data_at=MIB), ["mkfs"]),
        (parted(W, "ext4", CLAIMED, used=False), ["mkfs"]),
        (parted(W, "ext4", CLAIMED, used=True), []),
    ],
)
def test_a_claim_is_resumed_where_it_stopped(content: Any, left: list[str]) -> None:
    plan = planned(here(content).with_line(claim(W)))
    assert verbs(plan) == [*left, "directory", "mount", "fstab"]
    action = step(plan, "fstab").action
    assert isinstance(action, actions.WriteFstab)
    assert action.uuid == CLAIMED, "the claim's UUID wins over a new one"


@pytest.mark.parametrize("fs", ["xfs", "btrfs"])
def test_a_claimed_filesystem_that_is_only_there_when_complete_is_kept(fs: str) -> None:
    plan = planned(here(parted(W, fs, CLAIMED)).with_line(claim(W, fs)), wish(fs=fs))
    assert "mkfs" not in verbs(plan)


@pytest.mark.parametrize(
    "content",
    [
        stranger(W, "LVM2_member"),
        parted(W, "ext4", FOREIGN),
        in_parts(W),
        replace(blank(W), data_at=4096),
        parted(W, None, table="dos"),
        replace(parted(W, None), partitions=(replace(parted(W, None).partitions[0], size=MIB),)),
    ],
)
def test_a_claim_gives_no_right_over_what_we_never_made(content: Any) -> None:
    error = refused(planned(here(content).with_line(claim(W))))
    assert error.exit is Exit.REFUSED


def test_a_claim_of_another_disk_gives_no_right() -> None:
    now = here(parted(W, "ext4", CLAIMED, used=False)).with_line(
        claim(wwid_of(1), directory="/srv/other")
    )
    assert planned(now).refusal is not None


def test_a_claim_of_another_kind_of_filesystem_is_not_finished_as_this_one() -> None:
    for content in (blank(W), parted(W, "xfs", CLAIMED), parted(W, "ext4", CLAIMED, used=True)):
        kind = "xfs" if content.filesystem is None else content.filesystem.type
        other = "ext4" if kind == "xfs" else "xfs"
        now = here(content).with_line(claim(W, kind))
        error = refused(planned(now, wish(fs=other)))
        assert f"--fs {kind}" in (error.hint or "") or kind in error.text


def test_without_a_wished_kind_nothing_is_made() -> None:
    begun = here(parted(W, "ext4", CLAIMED, used=False)).with_line(claim(W))
    for now in (here(blank(W)), begun):
        plan = planned(now, wish(fs=None))
        assert "--fs ext4" in (refused(plan).hint or "")


def test_data_that_our_line_misses_is_said_and_nothing_is_made() -> None:
    error = refused(planned(here(blank(W)).with_line(line(W))))
    assert error.exit is Exit.REFUSED
    assert CLAIMED in error.text
    assert "carries nothing" in error.text


# Where it is mounted


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (Place(exists=True, directory=False), Exit.REFUSED),
        (Place(exists=True, empty=False), Exit.REFUSED),
        (Place(exists=True, mounted="0:40", source="tmpfs"), Exit.IN_USE),
    ],
)
def test_a_mount_point_that_is_not_free_is_refused_before_anything_is_done(
    place: Place, code: Exit
) -> None:
    for now in (world(blank(W)), here(blank(W))):
        plan = planned(now.having(place=Known(place)))
        assert refused(plan).exit is code
        assert refused(plan).hint


def test_over_a_directory_with_files_only_who_insists_mounts() -> None:
    now = here(blank(W)).having(place=Known(Place(exists=True, empty=False)))
    assert planned(now, wish(consent=Consent(over_nonempty=True))).refusal is None


@pytest.mark.fault("F48")
def test_a_mount_point_of_another_line_is_refused_ours_or_not() -> None:
    foreign = parse_fstab(f"UUID=0-1 {DIR} ext4 defaults 0 2\n".encode())
    theirs = here(blank(W)).having(fstab=foreign)
    ours = here(blank(W)).with_line(line(wwid_of(1)))
    for now in (theirs, ours):
        error = refused(planned(now))
        assert "line 1" in error.text
        assert error.exit is Exit.REFUSED


def test_twice_is_once() -> None:
    now = here(unit(parted(W, "ext4", CLAIMED, used=True), users=Users(mounts=(DIR,)))).with_line(
        line(W)
    )
    plan = planned(now.having(place=Known(Place(exists=True, mounted="8:1", uid=0, gid=0))))
    assert not plan.pending
    assert plan.refusal is None
    assert plan.result == "/dev/sda1"


def test_mounted_as_another_kind_is_refused() -> None:
    now = here(unit(parted(W, "xfs", CLAIMED), users=Users(mounts=(DIR,)))).with_line(line(W))
    assert "xfs" in refused(planned(now)).text


@pytest.mark.parametrize("given", [("defaults",), ("auto",), ("noauto",), ("noatime", "defaults")])
def test_an_option_that_fstab_does_not_keep_is_not_missed_afterwards(
    given: tuple[str, ...],
) -> None:
    wanted = wish(options=given)
    now = here(blank(W))
    first = planned(now, wanted)
    after = now.do(*(s.action for s in first.pending))
    assert not planned(after, wanted).pending


def test_owner_and_mode_are_set_once() -> None:
    wanted = wish(uid=33, gid=None, mode=0o750)
    now = here(blank(W))
    first = planned(now, wanted)
    assert "owner" in verbs(first)
    assert not planned(now.do(*(s.action for s in first.pending)), wanted).pending


def test_a_unit_is_made_to_wait_for_the_mount_once() -> None:
    wanted = wish(required_by=("mail.service",))
    now = here(blank(W))
    first = planned(now, wanted)
    assert verbs(first)[-1] == "require"
    assert not planned(now.do(*(s.action for s in first.pending)), wanted).pending


@pytest.mark.fault("F50")
def test_without_boot_the_line_is_noauto_and_the_record_not_automatic() -> None:
    plan = planned(here(blank(W)), wish(boot=False))
    fstab, settings = step(plan, "fstab").action, step(plan, "settings").action
    assert isinstance(fstab, actions.WriteFstab)
    assert isinstance(settings, actions.WriteRecord)
    assert fstab.boot is False
    assert "node.startup" not in settings.changes


def test_an_array_that_refuses_discovery_is_believed_where_the_target_is_named() -> None:
    refusal = Unreadable(AuthError("the array refused the account"))
    now = world(blank(W), offers=refusal)
    assert refused(planned(now)).exit is Exit.AUTH
    plan = planned(now, wish(target=TARGET))
    assert verbs(plan)[-1] == "login"
    assert refused(planned(world(blank(W)), wish(target=OTHER))).exit is Exit.NOT_FOUND
