"""The steps on a map: each that fails leaves nothing behind, and says whom to ask."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine.handlers import multipath as handlers
from iscsictl.engine.handlers import partitions
from iscsictl.engine.handlers.registry import execute_action, inverse
from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.listing import Block, Disk, Listing
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.multipath import MapSettings
from iscsictl.parse.multipath_conf import parse_conf, settings_in_force
from iscsictl.system.block import multipath_conf, probe, resize, scsi_commands, scsi_scan
from iscsictl.system.block.known_partitions import known_partitions
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.context import Context
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_root import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from iscsictl.model.plan import Action

W, SPELLED = "naa.6001405aaa", "36001405aaa"
DISK = DiskId("iqn.2024-01.com.example:mail", 0, W, "/dev/sda")
OTHER = MapSettings("36001405bbb", "naa.6001405bbb", 60)


@pytest.mark.fault("F96")
@pytest.mark.parametrize("before", [(), (OTHER,), (OTHER, MapSettings(SPELLED, W, 60))])
def test_settings_that_multipathd_does_not_read_are_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[MapSettings, ...]
) -> None:
    def reconfigure(*_: object) -> None:
        assert MapSettings(SPELLED, W, 120) in multipath_conf.read_settings(tmp_path)
        raise UnreachableError("multipathd does not finish reading its configuration")

    monkeypatch.setattr(multipath_conf, "reconfigure", reconfigure)
    multipath_conf.save_settings(before, tmp_path)
    with pytest.raises(UnreachableError):
        execute_action(
            actions.WriteMapSettings(DISK, SPELLED, 120), Context(root=tmp_path, wait=0.0)
        )
    assert multipath_conf.read_settings(tmp_path) == before


def silent(*_: object) -> None:
    raise UnreachableError("multipathd does not finish reading its configuration")


def run(action: Action, root: Path) -> bool:
    return execute_action(action, Context(root=root, wait=0.0)).changed


MINE = MapSettings(SPELLED, W, 120)


@pytest.mark.fault("F96")
@pytest.mark.parametrize("others", [(), (OTHER,)])
def test_settings_are_dropped_without_multipathd_which_reads_the_file_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[MapSettings, ...]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(multipath_conf, "reconfigure", lambda *_: asked.append("reconfigure"))
    multipath_conf.save_settings([*others, MINE], tmp_path)
    assert run(actions.DropMapSettings(SPELLED), tmp_path)
    assert not run(actions.DropMapSettings(SPELLED), tmp_path)
    assert (asked, multipath_conf.read_settings(tmp_path)) == ([], others)
    assert multipath_conf.read_facts(tmp_path).unread == (SPELLED,)
    monkeypatch.setattr(multipath_conf, "reconfigure", silent)
    with pytest.raises(UnreachableError) as caught:
        run(actions.ReadMapSettings(), tmp_path)
    assert caught.value.hint == (
        "check what it is doing: journalctl -u multipathd; when it answers, run the same command "
        "again"
    )
    assert caught.value.text.endswith(": it still has the settings of a removed map")
    assert multipath_conf.read_unread(tmp_path) == (SPELLED,)
    monkeypatch.setattr(multipath_conf, "reconfigure", lambda *_: asked.append("reconfigure"))
    assert run(actions.ReadMapSettings(), tmp_path)
    assert not run(actions.ReadMapSettings(), tmp_path)
    assert asked == ["reconfigure"]
    facts = multipath_conf.read_facts(tmp_path)
    assert (facts.unread, facts.settings) == ((), others)
    assert (tmp_path / "etc/multipath/conf.d/iscsictl.conf").exists() is bool(others)


def test_settings_that_are_rolled_back_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(multipath_conf, "reconfigure", lambda *_: asked.append("reconfigure"))
    effect = execute_action(
        actions.WriteMapSettings(DISK, SPELLED, 120), Context(root=tmp_path, wait=0.0)
    )
    back = inverse(actions.WriteMapSettings(DISK, SPELLED, 120), effect)
    assert back == actions.DropMapSettings(SPELLED, is_read=True)
    assert run(back, tmp_path)
    assert asked == ["reconfigure"] * 2
    assert not (tmp_path / "etc/multipath/conf.d/iscsictl.conf").exists()


@pytest.mark.fault("F96")
def test_what_an_attach_put_on_the_list_is_noted_where_no_section_of_ours_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipath_conf, "allow", lambda _: True)
    monkeypatch.setattr(multipath_conf, "disallow", lambda _: True)
    multipath_conf.save_settings([OTHER], tmp_path)
    assert run(actions.AllowMap(DISK, SPELLED), tmp_path)
    noted = MapSettings(SPELLED, W, None)
    assert multipath_conf.read_settings(tmp_path) == (OTHER, noted)
    # For multipath it is no section.
    text = (tmp_path / "etc/multipath/conf.d/iscsictl.conf").read_text()
    assert settings_in_force(parse_conf(text)) == {OTHER.wwid: 60}
    assert run(actions.DisallowMap(SPELLED), tmp_path)
    assert multipath_conf.read_settings(tmp_path) == (OTHER,)
    # A section says it already, and stays until the end.
    multipath_conf.save_settings([MINE], tmp_path)
    run(actions.AllowMap(DISK, SPELLED), tmp_path)
    run(actions.DisallowMap(SPELLED), tmp_path)
    assert multipath_conf.read_settings(tmp_path) == (MINE,)


def test_what_an_admin_has_on_the_list_is_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipath_conf, "allow", lambda _: False)
    assert not run(actions.AllowMap(DISK, SPELLED), tmp_path)
    assert multipath_conf.read_settings(tmp_path) == ()


class Multipathd:
    """A multipathd that takes the first of two paths and not the second."""

    def __init__(self, *, had_map: bool) -> None:
        self.mapped = {"/dev/sda"} if had_map else set()
        self.flushed: list[str] = []

    def listing(self, *_: object, **__: object) -> Listing:
        def disk(block: Block, *devices: str) -> Disk:
            return Disk(
                W, tuple(DiskPath(1, f"1:0:0:{d[-1]}", d, "running") for d in devices), block
            )

        left = [d for d in ("/dev/sda", "/dev/sdb") if d not in self.mapped]
        disks = [disk(Block(left[0], "disk"), *left)] if left else []
        if self.mapped:
            disks.append(disk(Block("/dev/mapper/mail", "mpath"), *self.mapped))
        return Listing((), tuple(disks))

    def add_path(self, device: str) -> None:
        if device == "/dev/sda":
            self.mapped.add(device)

    def flush(self, name: str, *_: object) -> None:
        self.flushed.append(name)
        self.mapped.clear()


def answer(monkeypatch: pytest.MonkeyPatch, names: dict[str, str | None]) -> None:
    """Have each path say that it leads to the disk of this name; None for one that is silent."""

    @contextmanager
    def opened(device: str, *, exclusive: bool) -> Iterator[int]:
        assert not exclusive
        if names[device] is None:
            raise UnreachableError(f"{device} does not answer")
        yield list(names).index(device)

    monkeypatch.setattr(probe, "opened", opened)
    told = [frozenset({name or ""}) for name in names.values()]
    monkeypatch.setattr(scsi_commands, "wwids", lambda fd: told[fd])
    monkeypatch.setattr(scsi_commands, "port_access", lambda _: None)


@pytest.mark.fault("F66")
@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("other", ["naa.99", None])
def test_no_path_joins_that_leads_to_another_disk_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joins: bool, other: str | None
) -> None:
    daemon = Multipathd(had_map=joins)
    added: list[str] = []

    def add_path(device: str) -> None:
        added.append(device)
        daemon.mapped.add(device)

    monkeypatch.setattr(handlers, "read_listing", daemon.listing)
    monkeypatch.setattr(handlers, "_has_map", lambda device, _: device in daemon.mapped)
    monkeypatch.setattr(handlers, "run", lambda *_, **__: None)
    monkeypatch.setattr(multipath_conf, "add_path", add_path)
    answer(monkeypatch, {"/dev/sda": W, "/dev/sdb": other})
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    make = actions.MakeMap(DISK, joins=joins)
    if other is None and not joins:
        # It may have been lost long before; the other path gets its map.
        execute_action(make, context)
        assert added == ["/dev/sda", "/dev/sdb"]
        return
    with pytest.raises(IscsictlError) as raised:
        execute_action(make, context)
    assert "/dev/sdb" in raised.value.text
    assert isinstance(raised.value, UnreachableError if other is None else RefusedError)
    assert added == []


@pytest.mark.fault("F61")
def test_partitions_of_a_path_stay_known_when_multipathd_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Multipathd(had_map=False)
    part = tmp_path / "sys/class/block/sda/sda1"
    for name, value in (("partition", 1), ("start", 123457), ("size", 8192)):
        put(tmp_path, f"sys/class/block/sda/sda1/{name}", f"{value}\n")

    def take(device: str) -> None:
        # As 68-del-part-nodes.rules of kpartx has the kernel do.
        shutil.rmtree(part, ignore_errors=True)
        daemon.mapped.add(device)

    monkeypatch.setattr(handlers, "read_listing", daemon.listing)
    monkeypatch.setattr(handlers, "_has_map", lambda device, _: device in daemon.mapped)
    monkeypatch.setattr(handlers, "run", lambda *_, **__: None)
    monkeypatch.setattr(multipath_conf, "add_path", take)
    answer(monkeypatch, {"/dev/sda": W, "/dev/sdb": W})
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    execute_action(actions.MakeMap(DISK), context)
    assert not part.exists()
    put(tmp_path, "sys/class/block/dm-0/dm/name", "mail\n")
    put(tmp_path, "sys/class/block/dm-0/dm/uuid", "mpath-3600\n")
    put(tmp_path, "sys/class/block/dm-0/slaves/sda")
    known = known_partitions("/dev/mapper/mail", tmp_path)
    assert [(one.number, one.start) for one in known] == [(1, 123457 * 512)]


@pytest.mark.fault("F66")
@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("state", ["blocked", "transport-offline"])
def test_a_path_that_takes_no_commands_is_sent_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joins: bool, state: str
) -> None:
    """A command to a blocked path waits for its session, for as long as replacement_timeout."""
    daemon = Multipathd(had_map=joins)
    put(tmp_path, "sys/class/block/sda/device/state", "running\n")
    put(tmp_path, "sys/class/block/sdb/device/state", f"{state}\n")
    monkeypatch.setattr(handlers, "read_listing", daemon.listing)
    monkeypatch.setattr(handlers, "_has_map", lambda device, _: device in daemon.mapped)
    monkeypatch.setattr(handlers, "run", lambda *_, **__: None)
    monkeypatch.setattr(multipath_conf, "add_path", daemon.mapped.add)
    # A path that is not named here cannot be opened.
    answer(monkeypatch, {"/dev/sda": W})
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    make = actions.MakeMap(DISK, joins=joins)
    if not joins:
        execute_action(make, context)
        assert daemon.mapped == {"/dev/sda", "/dev/sdb"}
        return
    with pytest.raises(UnreachableError, match=f"/dev/sdb .*{state}"):
        execute_action(make, context)
    assert daemon.mapped == {"/dev/sda"}


@pytest.mark.fault("F96")
@pytest.mark.parametrize("joins", [False, True])
def test_a_map_that_did_not_get_all_paths_goes_unless_it_was_there_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joins: bool
) -> None:
    daemon = Multipathd(had_map=joins)
    clock = FakeClock()
    clock.seconds = 100.0
    monkeypatch.setattr(handlers, "time", clock)
    monkeypatch.setattr(handlers, "read_listing", daemon.listing)
    monkeypatch.setattr(handlers, "_has_map", lambda device, _: device in daemon.mapped)
    monkeypatch.setattr(multipath_conf, "add_path", daemon.add_path)
    monkeypatch.setattr(multipath_conf, "flush", daemon.flush)
    answer(monkeypatch, {"/dev/sda": W, "/dev/sdb": W})
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    with pytest.raises(UnreachableError) as raised:
        execute_action(actions.MakeMap(DISK, joins=joins), context)
    assert "no map of /dev/sdb" in raised.value.text
    assert "multipath -v3 /dev/sdb" in (raised.value.hint or "")
    assert daemon.flushed == ([] if joins else ["mail"])


@pytest.mark.fault("F98")
@pytest.mark.parametrize(
    ("device", "says"),
    [("/dev/mapper/mail", "journalctl -u multipathd"), ("/dev/sda", "journalctl -k")],
)
def test_who_did_not_take_the_new_size_is_the_one_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, says: str
) -> None:
    block = Block(device, "mpath" if "mapper" in device else "disk", 64 << 20)
    disk = Disk(W, (DiskPath(1, "1:0:0:0", "/dev/sda", "running"),), block)
    asked: list[str] = []
    monkeypatch.setattr(partitions, "read_listing", lambda *_, **__: Listing((), (disk,)))
    monkeypatch.setattr(resize, "capacity", lambda _: 128 << 20)
    monkeypatch.setattr(scsi_scan, "rescan", lambda *_: None)
    monkeypatch.setattr(multipath_conf, "resize_map", asked.append)
    clock = FakeClock()
    clock.seconds = 100.0
    monkeypatch.setattr(partitions, "time", clock)
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    grown = DiskId(DISK.target, 0, W, device)
    with pytest.raises(UnreachableError) as raised:
        execute_action(actions.Reread(grown, ("1:0:0:0",)), context)
    assert says in (raised.value.hint or "")
    assert asked == (["mail"] if "mapper" in device else [])
