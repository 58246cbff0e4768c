"""Who may write to the LUN of an exclusive volume, from the first reservation to the last boot."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from iscsictl.cli.main import cli
from iscsictl.engine.handlers import reservations as handlers
from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.reservation import ReservationType
from iscsictl.system.block import multipath_conf
from iscsictl.system.block.reservation_hold import keep_reserved, release
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.context import Context
from tests.unit.reserving_lun import (
    EARLIER,
    FOREIGN,
    ID,
    MINE,
    A,
    B,
    Nexus,
    ReservingLun,
    make_host,
)

OTHER_KEY = 0xABC
ALONE = ReservationType.WRITE_EXCLUSIVE
SHARED = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
ONE, TWO = {"/dev/sda": A}, {"/dev/sda": A, "/dev/sdb": B}

pytestmark = pytest.mark.fault("F101")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of this host."""
    return make_host(tmp_path / "mine", MINE, ID)


@pytest.fixture
def own(root: Path) -> int:
    """The key of this host."""
    key = read_own_key(root)
    assert key is not None
    return key


def test_one_path_writes_and_no_other_host_until_the_volume_is_detached(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(ONE)
    disk = lun.serve(monkeypatch)
    assert keep_reserved(disk, root)
    assert (lun.keys, lun.holder) == ({A: own}, (A, ALONE))
    assert (lun.may_write(A), lun.may_write(FOREIGN)) == (True, False)
    assert release(disk, root)
    assert (lun.keys, lun.holder) == ({}, None)


def test_every_path_of_a_map_is_registered_and_no_other_host_writes(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO)
    keep_reserved(lun.serve(monkeypatch), root)
    assert (lun.keys, lun.holder) == ({A: own, B: own}, (A, SHARED))
    assert [lun.may_write(one) for one in (A, B, FOREIGN)] == [True, True, False]


@pytest.mark.parametrize("paths", [ONE, TWO])
@pytest.mark.parametrize("in_use", [False, True])
def test_what_is_reserved_already_is_left_as_it_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, paths: dict[str, Nexus], *, in_use: bool
) -> None:
    lun = ReservingLun(paths)
    disk = lun.serve(monkeypatch)
    keep_reserved(disk, root)
    lun.in_use = in_use
    before = (dict(lun.keys), lun.holder)
    assert not keep_reserved(disk, root)
    assert (lun.keys, lun.holder) == before


@pytest.mark.parametrize(("paths", "kind"), [(ONE, ALONE), (TWO, SHARED)])
def test_what_the_session_of_an_earlier_boot_reserved_is_replaced_before_the_mount(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch, paths: dict[str, Nexus], kind: int
) -> None:
    lun = ReservingLun(paths, {EARLIER: own}, (EARLIER, kind))
    keep_reserved(lun.serve(monkeypatch), root)
    assert lun.keys == dict.fromkeys(paths.values(), own)
    assert lun.holder == (A, kind)
    assert not lun.may_write(FOREIGN)


@pytest.mark.parametrize("left", [{}, {A: 0}, {EARLIER: 0}, {A: 0, EARLIER: 0}])
def test_no_write_is_refused_while_the_reservation_of_a_mounted_map_is_restored(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch, left: dict[Nexus, int]
) -> None:
    """The array lost all; or a path came back over a new session, which nobody registered."""
    holder = next(iter(left), None)
    lun = ReservingLun(
        TWO, dict.fromkeys(left, own), None if holder is None else (holder, SHARED), in_use=True
    )
    disk = lun.serve(monkeypatch)
    could_write = [one for one in (A, B) if lun.may_write(one)]
    refused: list[tuple[int, Nexus]] = []
    lun.before = lambda action, _: refused.extend(
        (action, one) for one in could_write if not lun.may_write(one)
    )
    assert keep_reserved(disk, root)
    assert not refused
    assert [lun.may_write(one) for one in (A, B, FOREIGN)] == [True, True, False]


def test_a_session_without_registration_is_found_although_the_number_of_keys_is_right(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO, {A: own, EARLIER: own}, (A, SHARED), in_use=True)
    assert keep_reserved(lun.serve(monkeypatch), root)
    assert lun.may_write(B)


def test_a_map_that_has_one_path_lets_the_next_one_write_too(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO)
    disk = lun.serve(monkeypatch)
    del lun.paths["/dev/sdb"]
    keep_reserved(disk, root)
    assert lun.holder == (A, SHARED)
    lun.paths["/dev/sdb"] = B
    lun.in_use = True
    assert keep_reserved(disk, root)
    assert lun.keys == {A: own, B: own}
    assert lun.may_write(B)


def test_a_path_that_joins_the_map_meanwhile_is_registered_too(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO)
    disk = lun.serve(monkeypatch)
    del lun.paths["/dev/sdb"]
    lun.before = lambda _action, _nexus: lun.paths.update({"/dev/sdb": B})
    keep_reserved(disk, root)
    assert lun.keys == {A: own, B: own}


@pytest.mark.parametrize("mine", [{}, {A: 0}])
def test_another_host_that_holds_the_lun_keeps_it_and_is_named(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch, mine: dict[Nexus, int]
) -> None:
    keys = {**dict.fromkeys(mine, own), FOREIGN: OTHER_KEY}
    lun = ReservingLun(ONE, dict(keys), (FOREIGN, ALONE))
    with pytest.raises(RefusedError, match="key 0x0000000000000abc"):
        keep_reserved(lun.serve(monkeypatch), root)
    assert (lun.keys, lun.holder) == (keys, (FOREIGN, ALONE))


def test_another_host_that_could_write_as_a_registrant_is_named_before_the_first_reservation(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO, {FOREIGN: OTHER_KEY})
    with pytest.raises(RefusedError, match=r"has registered .*0x0000000000000abc"):
        keep_reserved(lun.serve(monkeypatch), root)
    assert lun.keys == {FOREIGN: OTHER_KEY}


def test_a_race_that_is_lost_leaves_no_registration(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(ONE)

    def be_faster(action: int, _: Nexus) -> None:
        if action == 1 and not lun.holder:
            lun.change(6, FOREIGN, 0, 0, OTHER_KEY)
            lun.change(1, FOREIGN, 1, OTHER_KEY, 0)

    lun.before = be_faster
    with pytest.raises(RefusedError, match="0x0000000000000abc"):
        keep_reserved(lun.serve(monkeypatch), root)
    assert lun.keys == {FOREIGN: OTHER_KEY}


@pytest.mark.parametrize("lun", [ReservingLun(ONE, supported=False),
                                 ReservingLun(ONE, changeable=False)])  # fmt: skip
def test_a_lun_without_reservations_cannot_be_exclusive(
    root: Path, monkeypatch: pytest.MonkeyPatch, lun: ReservingLun
) -> None:
    with pytest.raises(
        RefusedError, match=("does not support SCSI-3 persistent reservations")
    ) as caught:
        keep_reserved(lun.serve(monkeypatch), root)
    assert "omit --exclusive" in (caught.value.hint or "")


def test_an_array_that_cannot_write_its_file_of_registrations_keeps_the_lun_all_the_same(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO, stores=False)
    disk = lun.serve(monkeypatch)
    assert keep_reserved(disk, root)
    assert not keep_reserved(disk, root)
    assert lun.keys == {A: own, B: own}


# The step


def test_the_step_awaits_a_disk_that_has_no_device_yet_and_tells_multipathd_once(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = ReservingLun(TWO)
    disk = lun.serve(monkeypatch)
    told: list[str] = []
    awaited: list[str] = []

    def await_filesystem(named: DiskId, uuid: str, _: Context) -> tuple[DiskId, None]:
        awaited.append(uuid)
        return replace(named, device=disk.device), None

    monkeypatch.setattr(handlers, "await_filesystem", await_filesystem)
    monkeypatch.setattr(multipath_conf, "note_registration", told.append)
    step = actions.Reserve(replace(disk, device=""), exclusive=True, uuid="0a-1")
    for changed in (True, False):
        result = handlers.HANDLERS[actions.Reserve](step, Context(root=root))
        assert result.changed is changed
    assert awaited == ["0a-1", "0a-1"]
    assert told == ["mpatha"]
    assert lun.keys == {A: own, B: own}
    undo = handlers.INVERSES[actions.Reserve](replace(step, disk=disk), None)
    assert isinstance(undo, actions.Release)


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_roll_back_ends_no_reservation_that_fstab_asked_for_before(
    root: Path, own: int, monkeypatch: pytest.MonkeyPatch, *, exclusive: bool
) -> None:
    """The reservation changes its type, as when a map replaces the one path; then a step fails."""
    lun = ReservingLun(TWO)
    disk = lun.serve(monkeypatch)
    monkeypatch.setattr(multipath_conf, "note_registration", lambda _: None)
    notes = f"x-iscsictl.wwid={disk.wwid}{',x-iscsictl.exclusive' if exclusive else ''}"
    (root / "etc/fstab").write_text(f"UUID=0a-1 /srv/data ext4 _netdev,{notes} 0 0\n")
    step = actions.Reserve(disk, exclusive=True)
    result = handlers.HANDLERS[actions.Reserve](step, Context(root=root))
    assert result.changed
    assert set(lun.keys.values()) == {own}
    undo = handlers.INVERSES[actions.Reserve](step, result.before)
    assert undo == (None if exclusive else actions.Release(disk))


@pytest.mark.parametrize("exclusive", [False, True])
def test_nothing_is_reserved_where_fstab_cannot_be_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, exclusive: bool
) -> None:
    """What undoes the step needs it, and a step that failed is not undone."""
    lun = ReservingLun(TWO)
    disk = lun.serve(monkeypatch)
    (root / "etc/fstab").mkdir()
    with pytest.raises((IscsictlError, OSError)):
        handlers.HANDLERS[actions.Reserve](
            actions.Reserve(disk, exclusive=exclusive), Context(root=root)
        )
    assert lun.keys == {}


def test_the_command_of_the_unit_is_there_and_in_no_help() -> None:
    context = click.Context(cli)
    command = cli.get_command(context, "reserve")
    assert command is not None
    assert command.hidden
    assert "reserve" not in cli.list_commands(context)
