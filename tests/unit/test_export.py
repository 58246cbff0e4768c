"""What of a host goes into its file of volumes, what is left out, and what is said of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.cli.commands import export as command
from iscsictl.cli.owner import owner_ids
from iscsictl.errors import UsageError
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import HostFacts, Inventory, MountPointState
from iscsictl.model.listing import Block, Lun, Mount
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.planner.volumes.export import brief_notes, export
from tests.commands import call
from tests.exported import PLAIN, SPARE, Machine, Made, planned, read
from tests.worlds import GREEDY

IQN = "iqn.2001-04.com.example:0"
PORTAL = Portal("192.0.2.5", 3260, 1)
OVER_ALL = HostFacts(multipath=GREEDY)


def made(**changes: Any) -> Made:
    """A volume as everybody has it."""
    plain = Made("mail", 0, PORTAL, [], "ext4", None, None, "600", False, 0, 0, 0o755)
    return replace(plain, **changes)


def exported(*rows: Made, facts: HostFacts = PLAIN) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the volumes and the notes; `plan` takes each; it changes one only with a note."""
    machine = Machine(list(rows), facts)
    return judged(machine)


def judged(machine: Machine) -> tuple[list[dict[str, Any]], list[str]]:
    found = export(machine.inventory, machine.places)
    for volume in read(found):
        plan = planned(machine, volume)
        assert plan.refusal is None
        assert not plan.pending or any("plan will show a change" in n for n in found.notes)
    return list(found.volumes), list(found.notes)


def test_a_volume_as_attach_makes_it_is_all_there_is_to_say() -> None:
    wanted = {
        "name": "mail", "portals": ["192.0.2.5"], "target": IQN, "lun": 0, "wwid": "naa.0",
        "table": "none", "fs": "ext4", "mount": "/srv/mail",
    }  # fmt: skip
    assert exported(made()) == ([wanted], [])


@pytest.mark.fault("F101")
@pytest.mark.parametrize("ways", [1, 2])
def test_an_exclusive_volume_is_one_in_the_file_too(ways: int) -> None:
    (row,), notes = exported(made(exclusive=True, ways=ways), facts=OVER_ALL)
    assert row["exclusive"] is True
    assert "options" not in row
    assert notes == []


@pytest.mark.parametrize("number", [1162401118, 2**32 - 2])
def test_a_number_of_a_directory_service_is_an_owner(number: int) -> None:
    (row,), notes = exported(made(uid=number, gid=number))
    assert row["owner"] == f"{number}:{number}"
    assert notes == []
    assert owner_ids(row["owner"], "owner") == (number, number)


@pytest.mark.parametrize("number", ["4294967295", "9999999999"])
def test_a_number_that_no_user_can_have_is_refused(number: str) -> None:
    for text in (number, f"{number}:0", f":{number}"):
        with pytest.raises(UsageError, match="the largest user and group number is 4294967294"):
            owner_ids(text, "--owner")


def test_more_digits_than_any_number_has_are_a_name_that_nobody_has() -> None:
    with pytest.raises(UsageError, match="there is no such user or group"):
        owner_ids("12345678901", "--owner")


@pytest.mark.parametrize("startup", ["manual", "onboot"])
def test_the_records_own_startup_stays_where_fstab_mounts_at_boot(startup: str) -> None:
    (row,), notes = exported(made(startup=startup))
    assert row["set"] == {"node.startup": startup}
    assert notes == []


def test_a_volume_that_is_not_for_the_boot_needs_no_startup() -> None:
    (row,), notes = exported(made(startup="manual", boot=False))
    assert (row["boot"], "set" in row, notes) == (False, False, [])


def test_a_line_that_waits_while_its_target_is_logged_in_at_boot_is_noauto() -> None:
    (row,), notes = exported(made(boot=False, options=["ro"]))
    assert (row["options"], "boot" in row, notes) == (["noauto", "ro"], False, [])


def test_one_disk_behind_two_targets_is_one_volume() -> None:
    (row,), notes = exported(made(twin=True), facts=OVER_ALL)
    assert row["target"] == IQN
    assert notes == [f"left out: {IQN}.b LUN 0, another path to the disk of mail"]


def test_under_a_map_a_portal_without_a_session_is_what_plan_will_log_in_to() -> None:
    (row,), told = exported(made(startup="automatic", spare=True, ways=2), facts=OVER_ALL)
    assert row["portals"] == ["192.0.2.5", "203.0.113.5", "198.51.100.5"]
    assert told == [f"plan will show a change: login {IQN} {SPARE} (opens the session)"]


def test_over_one_path_the_other_portals_stay_to_be_tried_in_turn() -> None:
    (row,), notes = exported(made(spare=True))
    assert (row["portals"], notes) == (["192.0.2.5", "198.51.100.5"], [])


def test_of_records_that_differ_in_the_tag_alone_the_one_with_the_session_is_named() -> None:
    machine = Machine([made()])
    record = machine.records[0]
    twin = replace(record, path=record.path.with_name("twin"), portal=replace(PORTAL, tpgt=2))
    machine.records.insert(0, twin)
    (row,), notes = judged(machine)
    assert row["portals"] == ["192.0.2.5:3260,1", "192.0.2.5:3260,2"]
    assert notes == []


def test_under_a_map_the_sessions_through_a_second_iface_are_paths_too() -> None:
    (row,), notes = exported(made(ways=2, nic=True), facts=OVER_ALL)
    assert (row["portals"], row["iface"]) == (["192.0.2.5", "203.0.113.5"], ["default", "nic"])
    assert all("plan will show a change" in note for note in notes)


def test_without_a_map_sessions_through_a_second_iface_are_left_out_and_named() -> None:
    machine = Machine([made(ways=2, nic=True)])
    found = export(machine.inventory, machine.places)
    assert f"{IQN}: its sessions through the iface nic are left out; " in found.notes[0]


def test_an_account_that_authmethod_does_not_ask_for_is_used_all_the_same() -> None:
    (row,), notes = exported(made(user="u", method="None"))
    assert row["chap"] == {"user": "u"}
    assert row["set"] == {"node.session.auth.authmethod": "None"}
    assert [f"{IQN}: authmethod is None" in note for note in notes] == [True]


def test_what_the_record_does_not_say_is_what_plan_will_set() -> None:
    (row,), notes = exported(made(user="u", method=None))
    assert "set" not in row
    what = f"settings {IQN} {PORTAL} (sets node.session.auth.authmethod=CHAP)"
    assert notes == [f"plan will show a change: {what}"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"at": None}, ["mount /srv/mail (mounts it)"]),
        ({"at": None, "held": True},
         ["mount /srv/mail (mounts it)", "unhold /srv/mail (no longer on hold)"]),
        ({"ways": 0}, [f"login {IQN} {PORTAL} (opens the session)"]),
    ],
)  # fmt: skip
def test_what_was_taken_down_is_what_plan_will_bring_up(
    changes: dict[str, Any], says: list[str]
) -> None:
    (row,), notes = exported(made(**changes))
    assert row["mount"] == "/srv/mail"
    assert notes == [f"plan will show a change: {what}" for what in says]


def test_the_login_service_that_is_not_enabled_is_named_once() -> None:
    facts = HostFacts(service_enabled=False)
    _, notes = exported(made(), made(name="www"), facts=facts)
    what = "enable open-iscsi.service (logs in at boot)"
    assert notes == [f"plan will show a change: {what}"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"placed": False, "at": "/mnt"}, "/dev/sd1 is in use: the mount on /mnt/0"),
        ({"at": "/mnt"}, "/dev/sd1 is in use: the mount on /mnt/0"),
        ({"at": None, "empty": False}, "/srv/mail is not empty: a mount would hide its content"),
    ],
)  # fmt: skip
def test_a_filesystem_that_plan_would_refuse_is_left_out_and_its_disk_is_not(
    changes: dict[str, Any], says: str
) -> None:
    (row,), notes = exported(made(**changes))
    assert (row["wwid"], {"fs", "mount", "table"} & row.keys()) == ("naa.0", set())
    assert notes == [f"without its filesystem: {IQN} LUN 0: {says}"]


@pytest.mark.parametrize("lined", [True, False])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ways": 2}, "/dev/sd1, /dev/sd2 are paths of one disk, naa.0, without a multipath map"),
        ({"known": False}, "/dev/sd1 reports no WWID and cannot be identified reliably"),
    ],
)  # fmt: skip
def test_a_disk_that_plan_would_refuse_is_left_out(
    changes: dict[str, Any], says: str, lined: bool
) -> None:
    rows, notes = exported(made(name="www"), made(lined=lined, **changes))
    assert [row["name"] for row in rows] == ["www"]
    says = says.replace("sd2", "sd3").replace("sd1", "sd2").replace("naa.0", "naa.1")
    assert notes == [f"left out: iqn.2001-04.com.example:1 LUN 0: {says}"]


def test_a_volume_whose_array_is_away_stays_in_the_file() -> None:
    machine = Machine([made(status="recovering")])
    found = export(machine.inventory, machine.places)
    assert [row["mount"] for row in found.volumes] == ["/srv/mail"]
    assert found.notes == (
        f"plan will stop at mail: the session to {IQN} through {PORTAL} is recovering",
    )


def test_a_mount_that_does_not_answer_stays_in_the_file() -> None:
    machine = Machine([made()])
    found = export(machine.inventory, {})
    assert [row["mount"] for row in found.volumes] == ["/srv/mail"]
    assert found.notes == (
        ("plan will stop at mail: the owner and mode of /srv/mail could not be read"),
    )


def test_one_value_that_no_file_can_have_spoils_no_file() -> None:
    rows, notes = exported(made(options=["x y"]), made(name="www", user="\u00a0u"))
    assert [(row["name"], "mount" in row) for row in rows] == [("0", False)]
    first, second = notes
    assert first.startswith(
        f"without its filesystem: {IQN} LUN 0: options: x y: separate mount options"
    )
    assert second.startswith("left out: iqn.2001-04.com.example:1 LUN 0: user: '\\xa0u' cannot be")


def test_two_luns_of_a_target_want_the_same_of_its_record() -> None:
    machine = Machine([made(startup="manual", boot=True, user="u", method="None")])
    (session,), (disk,) = machine.sessions, machine.disks
    lun = Lun(1, "1:0:0:1", "/dev/sdz", "running", "naa.z")
    machine.sessions[0] = session._replace(luns=(*(session.luns or ()), lun))
    path = DiskPath(1, "1:0:0:1", "/dev/sdz", "running")
    block = Block("/dev/sdz", "disk", fstype="xfs", uuid="z", mounts=(Mount("/opt"),))
    machine.disks.append(disk._replace(wwid="naa.z", paths=(path,), block=block))
    rows, _ = judged(machine)
    assert [(row["name"], row["lun"], row.get("boot", True)) for row in rows] == [
        ("mail", 0, True), ("0-1", 1, False),
    ]  # fmt: skip


def test_a_filesystem_in_a_partition_is_found_again_when_it_is_not_mounted() -> None:
    machine = Machine([made(at=None)])
    (disk,) = machine.disks
    part = disk.block._replace(device="/dev/sd1p1", kind="part")
    machine.disks[0] = disk._replace(block=Block("/dev/sd1", "disk", children=(part,)))
    found = export(machine.inventory, machine.places)
    assert [(row["mount"], "table" in row) for row in found.volumes] == [("/srv/mail", False)]
    assert found.notes == ("plan will show a change: mount /srv/mail (mounts it)",)


def test_a_line_of_ours_that_names_no_lun_is_told() -> None:
    machine = Machine([made()])
    (line,) = machine.fstab.lines
    options = tuple(o for o in line.options if not o.startswith("x-iscsictl.lun="))
    machine.fstab = Fstab((replace(line, options=options),))
    (row,), notes = judged(machine)
    assert "mount" not in row
    assert notes == ["left out: UUID=u-0, whose fstab line names no LUN"]


def test_what_is_left_out_for_one_reason_is_one_line_with_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [made(name=f"v{n}", ways=2, lined=n % 2 == 0) for n in range(20)]
    rows.append(made(name="nameless", known=False))
    found = export(*observed(Machine(rows)))
    assert len(found.notes) == 21
    several, alone = brief_notes(found)
    assert several == (
        f"left out: {IQN} LUN 0: /dev/sd1, /dev/sd2 are paths of one disk, naa.0, without a "
        "multipath map (19 more like this; to see all: iscsictl export -v)"
    )
    assert alone.endswith("/dev/sd41 reports no WWID and cannot be identified reliably")
    monkeypatch.setattr(command, "observe_for_export", lambda _: observed(Machine(rows)))
    for args, lines in ((["export"], 2), (["export", "-v"], 21), (["export", "-q"], 0)):
        answer = call(args, tmp_path, uid=0)
        assert answer.err.count("left out") == lines, args


@pytest.mark.parametrize(
    "machine",
    [
        Machine([made(name=f"v{n}", status="recovering") for n in range(5)]),
        Machine([made(name=f"v{n}", twin=True) for n in range(5)], OVER_ALL),
        Machine([made(name=f"v{n}", options=["x y"]) for n in range(5)]),
    ],
    ids=["down", "another path to the disk", "without its filesystem"],
)
def test_notes_that_differ_only_in_names_are_one(machine: Machine) -> None:
    found = export(*observed(machine))
    assert len(found.notes) == 5
    (note,) = brief_notes(found)
    assert note == f"{found.notes[0]} (4 more like this; to see all: iscsictl export -v)"


def observed(machine: Machine) -> tuple[Inventory, dict[str, MountPointState]]:
    return machine.inventory, dict(machine.places)
