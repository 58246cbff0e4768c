"""The session of a target stays for another LUN of it that is needed, and no longer."""

from dataclasses import replace

import pytest

from iscsictl.errors import Exit
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Lun
from iscsictl.model.spec import DetachRequest
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.attach.detach import plan_detach
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
    TARGET,
    W1,
    W,
    blank,
    line,
    parted,
    unit,
    world,
)


@pytest.mark.fault("F30")
@pytest.mark.parametrize(
    ("second", "why"),
    [
        (SECOND, "LUN 1 is mounted on /srv/two"),
        (DiskUsage(other_holders=("swap on /dev/sdb",)), "LUN 1 is in use: swap on /dev/sdb"),
    ],
)
def test_one_of_two_luns_goes_and_the_session_stays_for_the_one_in_use(
    second: DiskUsage, why: str
) -> None:
    now = attached(second=second)
    for plan in (planned(now), planned(now, TARGET, 0)):
        assert pending(plan) == ["umount", "remove", "unfstab"]
        assert plan.notes == (f"the session to {TARGET} stays: {why}",)


@pytest.mark.fault("F30")
@pytest.mark.parametrize(
    "spec",
    [
        "UUID=aaaa-bbbb",
        "LABEL=two",
        "/dev/sdb1",
        f"/dev/disk/by-id/wwn-0x{W1.partition('.')[2]}-part1",
        f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{TARGET}-lun-1-part1",
    ],
)
def test_the_session_stays_for_a_lun_that_an_entry_of_fstab_names(spec: str) -> None:
    two = parted(W1, "ext4", "aaaa-bbbb", label="two")
    units = (unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED), unit(two, lun=1))
    now = world(*units).logged_in().with_line(line(W))
    (entry,) = parse_fstab(f"{spec} /srv/two ext4 noauto 0 0\n".encode()).lines
    assert pending(planned(now)) == ["umount", "logout", "unfstab"]
    plan = planned(now.with_line(entry))
    assert pending(plan) == ["umount", "remove", "unfstab"]
    assert "LUN 1 is in /etc/fstab: /srv/two" in plan.notes[0]


@pytest.mark.fault("F30")
@pytest.mark.parametrize(
    "spec",
    ["PARTUUID=0fc63daf-01", "PARTLABEL=two", 'LABEL="two"', "/dev/disk/by-label/two",
     "/dev/disk/by-id/dm-name-two"],
)  # fmt: skip
def test_the_session_stays_for_a_lun_that_a_link_of_fstab_leads_to(spec: str) -> None:
    units = (unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED), unit(blank(W1), lun=1))
    now = world(*units).logged_in().with_line(line(W))
    (entry,) = parse_fstab(f"{spec} /srv/two ext4 noauto 0 0\n".encode()).lines
    now = now.with_line(entry)
    assert pending(planned(now)) == ["umount", "logout", "unfstab"]
    plan = planned(now.having(device_links={spec: "/dev/sdb"}))
    assert pending(plan) == ["umount", "remove", "unfstab"]
    assert "LUN 1 is in /etc/fstab: /srv/two" in plan.notes[0]


@pytest.mark.fault("F30")
def test_the_session_stays_for_a_lun_that_a_volume_of_crypttab_is_on() -> None:
    two = parted(W1, "crypto_LUKS", "aaaa-bbbb")
    units = (unit(parted(W, "ext4", CLAIMED, used=True), usage=MOUNTED), unit(two, lun=1))
    now = world(*units).logged_in().with_line(line(W))
    now = now.having(crypttab=(CrypttabEntry(1, "two", "UUID=aaaa-bbbb", ("noauto",)),))
    plan = planned(now)
    assert pending(plan) == ["umount", "remove", "unfstab"]
    assert "LUN 1 is in /etc/crypttab: two" in plan.notes[0]
    (entry,) = parse_fstab(b"/dev/mapper/two /srv/two ext4 noauto 0 0\n").lines
    assert "LUN 1 is in /etc/fstab: /srv/two" in planned(now.with_line(entry)).notes[0]


@pytest.mark.fault("F30")
def test_the_session_ends_when_the_other_lun_is_only_visible() -> None:
    now = attached(second=DiskUsage())
    for plan in (planned(now), planned(now, TARGET, 0), planned(now, TARGET)):
        assert pending(plan) == ALL
        assert not plan.notes


def test_records_that_stay_for_another_lun_are_told_of() -> None:
    plan = planned(attached(second=SECOND), forget=True)
    assert "forget" not in pending(plan)
    assert f"the records of {TARGET} are kept with its session" in plan.notes


def test_the_session_that_the_machine_booted_from_stays_for_a_lun_beside() -> None:
    now = world(unit(blank(W)), unit(blank(W1), lun=1)).logged_in().inventory
    plan = plan_detach(now, DetachRequest(TARGET, 1), boots_from=frozenset({TARGET}))
    assert pending(plan) == ["remove"]
    assert plan.notes == (f"the session to {TARGET} stays: the machine booted from it",)


@pytest.mark.fault("F30")
def test_the_second_lun_is_looked_at_too_before_the_whole_target_goes() -> None:
    units = (
        unit(parted(W, "ext4", CLAIMED), usage=MOUNTED),
        unit(blank(W1), lun=1, usage=DiskUsage(other_holders=("swap on /dev/sdb",))),
    )
    now = world(*units).logged_in().with_line(line(W))
    assert refused(planned(now, TARGET)).exit is Exit.IN_USE
    assert pending(planned(now)) == ["umount", "remove", "unfstab"]


@pytest.mark.fault("F30")
def test_a_tape_beside_the_disk_keeps_the_session_too() -> None:
    now = attached().inventory
    (session,) = now.sessions
    tape = Lun(1, "1:0:0:1", None, "running", "naa.7")
    beside = session._replace(luns=(*(session.luns or ()), tape))
    now = replace(now, sessions=(beside,))  # of a type that is not known
    controller = session._replace(luns=(*(session.luns or ()), tape._replace(type=0x0C)))
    alone = replace(now, sessions=(controller,))
    assert pending(plan_detach(alone, DetachRequest(DIR))) == ALL
    for plan in (plan_detach(now, DetachRequest(DIR)), plan_detach(now, DetachRequest(TARGET, 0))):
        assert pending(plan) == ["umount", "remove", "unfstab"]
        assert any("LUN 1" in n and f"iscsictl detach {TARGET}" in n for n in plan.notes)
    assert pending(plan_detach(now, DetachRequest(TARGET))) == ALL


def test_what_the_machine_booted_from_is_not_logged_out_but_another_lun_of_it_may_go() -> None:
    booted = frozenset({TARGET})
    now = attached().inventory
    assert refused(plan_detach(now, DetachRequest(DIR), boots_from=booted)).exit is Exit.IN_USE
    two = attached(second=DiskUsage()).inventory
    plan = plan_detach(two, DetachRequest(TARGET, 1), boots_from=booted)
    assert "logout" not in pending(plan)
    out = replace(now, sessions=(), disks=())
    assert plan_detach(out, DetachRequest(TARGET), boots_from=booted).refusal is None


def test_a_copy_goes_without_the_entry_of_the_disk_that_is_mounted() -> None:
    """LUN 1 has the WWID and the filesystem of LUN 0, as a snapshot of some arrays has."""
    disk = parted(W, "ext4", CLAIMED, used=True)
    now = world(unit(disk), unit(disk, lun=1, usage=MOUNTED)).logged_in().with_line(line(W))
    plan = planned(now, TARGET, 0)
    assert pending(plan) == ["remove"]
    assert plan.notes == (f"the session to {TARGET} stays: LUN 1 is mounted on {DIR}",)


def test_a_copy_that_nothing_uses_does_not_keep_the_session() -> None:
    """What one run leaves, another one does not take away."""
    disk = parted(W, "ext4", CLAIMED, used=True)
    now = world(unit(disk), unit(disk, lun=1)).logged_in().with_line(line(W))
    plan = planned(now, TARGET, 0)
    assert pending(plan) == ["logout", "unfstab"]
