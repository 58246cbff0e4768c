"""What `ls` and `doctor` say of reservations, and whom they ask."""

import io
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks.reservations import check
from iscsictl.model.finding import Finding, Level
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, NotObserved
from iscsictl.model.listing import Block, Disk, Kind, Listing, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.reservation import LunReservations, Reservation
from iscsictl.observers import listing as observer
from iscsictl.observers import reservations
from iscsictl.output.terminal import Screen
from iscsictl.output.views.ls import Form, print_listing
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.fstab import parse_fstab

IQN, WWID, OTHER = "iqn.2024-01.com.example:mail", "naa.6001405aa", "naa.6001405bb"
OWN, THEIR = 0x5C1A5C1A5C1A5C1A, 0xABC
FREE = LunReservations(OWN)
OURS = LunReservations(OWN, keys=(OWN,), holder=Reservation(OWN, 1))
THEIRS = LunReservations(OWN, keys=(THEIR,), holder=Reservation(THEIR, 1))
ENTRY = (
    f"UUID=0a-1 /srv/mail ext4 _netdev,x-iscsictl.wwid={WWID},x-iscsictl.target={IQN},"
    "x-iscsictl.lun=0,x-iscsictl.exclusive 0 0\n"
)

pytestmark = pytest.mark.fault("F101")


def disks(*wwids: str, kind: Kind = "disk", paths: int = 1) -> tuple[Disk, ...]:
    return tuple(
        Disk(
            wwid,
            tuple(DiskPath(1, f"{n}:0:0:{lun}", f"/dev/sd{lun}{n}", "running")
                  for n in range(paths)),
            Block(f"/dev/sd{lun}", kind, 1 << 30),
        )
        for lun, wwid in enumerate(wwids)
    )  # fmt: skip


def listing(*found: LunReservations | None) -> Listing:
    """One session with a LUN for each of these."""
    luns = tuple(Lun(n, f"0:0:0:{n}", f"/dev/sd{n}0", "running", str(n)) for n in range(len(found)))
    session = Session("sysfs", IQN, sid=1, status="up", luns=luns)
    shown = (
        disk._replace(reservations=one)
        for disk, one in zip(disks(*map(str, range(len(found)))), found, strict=True)
    )
    return Listing((session,), tuple(shown))


def table(what: Listing, *, long: bool = False) -> list[str]:
    out = io.StringIO()
    print_listing(what, Screen(out, width=None), Form(long=long))
    return out.getvalue().splitlines()


# ls


def test_who_holds_a_lun_is_this_host_another_key_or_nobody() -> None:
    head, *rows = table(listing(OURS, THEIRS, FREE, None))
    assert head.endswith("RESERVED BY")
    ends = [row.split("/dev/sd")[1].split("-")[-1].strip() for row in rows]
    assert ends == ["this host", "key 0x0000000000000abc", "nobody", ""]


def test_without_reservations_the_table_has_no_column_for_them() -> None:
    assert "RESERVED" not in table(listing(None, None))[0]


def test_a_long_listing_names_all_keys() -> None:
    lines = table(listing(OURS, THEIRS, None), long=True)
    assert any("reserved by this host keys 0x5c1a5c1a5c1a5c1a" in line for line in lines)
    assert any("reserved by key 0x0000000000000abc keys" in line for line in lines)
    assert not any("reserved" in line for line in lines if "LUN 2" in line)


def test_the_document_has_the_reservations_of_what_was_asked_alone() -> None:
    first, second, third = json.loads(listing_json(listing(OURS, THEIRS, None)))["disks"]
    assert first["reservations"] == {
        "supported": True,
        "own_key": "0x5c1a5c1a5c1a5c1a",
        "keys": ["0x5c1a5c1a5c1a5c1a"],
        "holder": {"key": "0x5c1a5c1a5c1a5c1a", "type": 1},
        "held_by": "this host",
    }
    assert second["reservations"]["held_by"] == "key 0x0000000000000abc"
    assert "reservations" not in third


@pytest.mark.parametrize(("second", "known"), [(FREE, {}), (OURS, {WWID: OURS})])
def test_what_one_disk_says_is_not_taken_for_what_another_of_its_wwid_says(
    second: LunReservations, known: dict[str, LunReservations], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((OURS, second))
    monkeypatch.setattr(reservations, "ask_reservations", lambda *_: next(answers))
    # With an entry of fstab and no answer `detach` ends the reservations of both, unasked.
    assert reservations.observe_reservations(disks(WWID, WWID)) == known


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The WWIDs of the disks that are asked on a host with two, of which one is reserved."""
    found: list[str | None] = []

    def observe(some: Iterable[Disk], _: Path) -> dict[str, LunReservations]:
        found.extend(disk.wwid for disk in some)
        return {WWID: FREE, OTHER: FREE}

    monkeypatch.setattr(reservations, "observe_reservations", observe)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return found


@pytest.mark.parametrize(
    ("fstab", "ask_all", "expected", "shown"),
    [
        ("", False, [], []),
        ("# x-iscsictl.exclusive\n", False, [], []),
        (ENTRY, False, [WWID], [WWID]),
        (ENTRY, True, [WWID, OTHER], [WWID]),
        ("", True, [WWID, OTHER], []),
    ],
)
def test_only_exclusive_volumes_are_asked_unless_all_is_wanted(
    asked: list[str | None], monkeypatch: pytest.MonkeyPatch, fstab: str, ask_all: bool,
    expected: list[str], shown: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Path, "read_bytes", lambda _: fstab.encode())
    before = Listing(disks=disks(WWID, OTHER))
    after = observer._with_reservations(before, Path("/"), None, ask_all=ask_all)
    assert asked == expected
    assert [d.wwid for d in after.disks or () if d.reservations is not None] == shown


def test_other_users_are_shown_none(
    asked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = Listing(disks=disks(WWID))
    assert observer._with_reservations(before, Path("/"), None, ask_all=True) == before
    assert not asked


# doctor


def machine(found: LunReservations | None, *there: Disk, program: str | None = "/x") -> Machine:
    known = {} if found is None else {WWID: found}
    return Machine(
        listing=Listing(disks=there or disks(WWID)), fstab=Known(parse_fstab(ENTRY.encode())),
        reservations=Known(known), reserve_program=program,
    )  # fmt: skip


def only(what: Machine) -> Finding:
    (found,) = check(what)
    return found


def test_doctor_accepts_what_is_reserved_and_names_the_key() -> None:
    found = only(machine(OURS))
    assert (found.level, found.subject) == (Level.OK, "/srv/mail")
    assert "0x5c1a5c1a5c1a5c1a" in found.message


def test_doctor_fails_for_a_reservation_that_is_lost_or_another_host_s() -> None:
    lost = only(machine(FREE))
    assert (lost.level, lost.fix) == (Level.FAIL, "iscsictl reconnect")
    theirs = only(machine(THEIRS))
    assert theirs.level is Level.FAIL
    assert "0x0000000000000abc" in theirs.message
    mapped = disks(WWID, kind="mpath", paths=2)
    one_path = LunReservations(OWN, keys=(OWN,), holder=Reservation(OWN, 5))
    assert only(machine(one_path, *mapped)).level is Level.FAIL
    assert only(machine(replace(one_path, keys=(OWN, OWN)), *mapped)).level is Level.OK


def test_doctor_skips_a_lun_that_could_not_be_asked() -> None:
    unasked = replace(machine(None), reservations=NotObserved())
    for what in (machine(None), unasked):
        assert only(what).level is Level.SKIP
    assert only(replace(unasked, root=False)).fix == "sudo iscsictl doctor"


def test_doctor_fails_where_the_mount_would_wait_for_a_unit_that_is_not_there() -> None:
    first, unit = check(machine(OURS, program=None))
    assert (first.level, unit.id, unit.level) == (Level.OK, "reservation-unit", Level.FAIL)


def test_doctor_says_nothing_on_hosts_without_exclusive_volumes() -> None:
    assert not list(check(replace(machine(OURS), fstab=Known(parse_fstab(b"# none\n")))))
    assert not list(check(machine(OURS, *disks(OTHER))))
