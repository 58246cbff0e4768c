"""The node database: found, read whole, read corrupt, changed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iscsictl import limits
from iscsictl.errors import (
    BECOME_ROOT,
    IscsictlError,
    NeedsRootError,
    NotFoundError,
    RefusedError,
)
from iscsictl.model.names import Portal
from iscsictl.model.secret import Secret
from iscsictl.model.spec import Account, chap_values
from iscsictl.parse import record
from iscsictl.system.io import process
from iscsictl.system.iscsi import nodedb
from iscsictl.system.iscsi.nodedb import (
    find_db,
    is_installed,
    read_discovery_records,
    read_ifaces,
    read_record,
    read_records,
    record_path,
    require_iface,
)
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from iscsictl.system.iscsi.nodedb_write import (
    remove_record,
    write_record,
)
from tests.unit.fake_clock import FakeClock

T1, T2 = "iqn.2003-01.org.example:t1", "iqn.2003-01.org.example:t2"
V4, V6 = Portal("192.0.2.5", 3260, 1), Portal("2001:db8::5", 3260, 1)


def _text(target: str, portal: Portal, iface: str = "default", *more: str) -> str:
    lines = [
        "# BEGIN RECORD 2.1.8",
        f"node.name = {target}",
        f"node.tpgt = {-1 if portal.tpgt is None else portal.tpgt}",
        "node.startup = manual",
        f"iface.iscsi_ifacename = {iface}",
        "node.discovery_address = 192.0.2.5",
        *more,
        f"node.conn[0].address = {portal.address}",
        f"node.conn[0].port = {portal.port}",
        "# END RECORD",
    ]
    return "\n".join(lines) + "\n"


def _add(db: Path, target: str, portal: Portal, iface: str = "default", *more: str) -> Path:
    path = record_path(db, target, portal, iface)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(target, portal, iface, *more))
    path.chmod(0o600)
    link = db / "send_targets" / "192.0.2.5,3260"
    link.mkdir(parents=True, exist_ok=True)
    tpgt = -1 if portal.tpgt is None else portal.tpgt
    name = f"{target},{portal.address},{portal.port},{tpgt},{iface}"
    (link / name).symlink_to(path.parent)
    return path


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "etc/iscsi"


@pytest.mark.fault("F07")
def test_records_that_differ_only_in_iface_or_tag_live_side_by_side(db: Path) -> None:
    other_tag = Portal("192.0.2.5", 3260, 2)
    for portal, iface in ((V4, "default"), (V4, "eth1"), (other_tag, "default"), (V6, "default")):
        _add(db, T1, portal, iface)
    found = read_records(db)
    assert [(r.portal, r.iface, r.problem) for r in found] == [
        (V4, "default", None),
        (V4, "eth1", None),
        (other_tag, "default", None),
        (V6, "default", None),
    ]


def test_without_a_tag_the_portal_itself_is_the_file(db: Path) -> None:
    portal = Portal("array.example.org", 3261)
    path = _add(db, T1, portal, "eth1")
    assert path == db / "nodes" / T1 / "array.example.org,3261"
    (record,) = read_records(db)
    assert (record.portal, record.iface, record.problem) == (portal, "eth1", None)
    assert read_record(path) == record


def test_the_records_of_one_target_are_read_without_listing_all_others(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in (T1, T2):
        _add(db, target, V4)
    listed: list[Path] = []
    scan = os.scandir

    def note_directory(path: Path | str) -> Any:
        listed.append(Path(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", note_directory)
    assert [record.target for record in read_records(db, T1)] == [T1]
    assert listed == [db / "nodes" / T1, db / "nodes" / T1 / "192.0.2.5,3260,1"]
    for name in ("", ".", "..", f"{T1}/../{T1}", f"../nodes/{T1}", "none", "x" * 300, "a\0b"):
        assert read_records(db, name) == ()


@pytest.mark.fault("F03")
def test_a_corrupt_record_is_named_and_harms_no_other(db: Path) -> None:
    _add(db, T1, V4)
    empty, half = _add(db, T2, V4), _add(db, T2, V6)
    empty.write_bytes(b"")
    half.write_bytes(half.read_bytes()[:90])
    wrong = _add(db, T2, V4, "eth1")
    wrong.write_text(_text(T1, V4, "eth1"))
    records = read_records(db)
    assert [r.problem is None for r in records] == [True, False, False, False]
    assert {r.path for r in records if r.problem is not None} == {empty, half, wrong}


@pytest.mark.fault("F45")
def test_any_bytes_and_any_kind_of_file_in_the_database_are_survived(db: Path) -> None:
    path = _add(db, T1, V4)
    path.write_bytes(bytes(range(256)) * 20)
    (path.parent / "a-directory").mkdir()
    (path.parent / "link-to-nowhere").symlink_to("nowhere")
    (db / "nodes" / "a-file").write_bytes(b"")
    (db / "nodes" / T1 / "no portal").mkdir()
    assert [r.problem is None for r in read_records(db)] == [False]


@pytest.mark.fault("F45")
def test_a_link_to_itself_in_the_database_harms_no_record(db: Path) -> None:
    path = _add(db, T1, V4)
    for place in (db / "nodes" / T2, path.parent.with_name("192.0.2.6,3260,1"),
                  db / "send_targets" / "192.0.2.7,3260", db / "ifaces" / "eth1"):  # fmt: skip
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(place.name)
    sound, looping = read_records(db)
    assert (sound.path, sound.problem) == (path, None)
    assert looping.problem is not None
    assert [r.problem is None for r in read_discovery_records(db)] == [False]
    assert [r.problem is None for r in read_ifaces(db) if r.name == "eth1"] == [False]


def test_a_record_that_is_just_being_written_is_not_called_corrupt(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _add(db, T1, V4)
    whole = path.read_bytes()
    path.write_bytes(b"")
    clock = FakeClock(lambda: path.write_bytes(whole), path.stat().st_mtime)
    monkeypatch.setattr(nodedb, "time", clock)
    assert [r.problem for r in read_records(db)] == [None]
    assert 0 < clock.seconds < limits.RECORD_WAIT


def test_a_record_that_stays_empty_is_called_corrupt_in_the_end(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _add(db, T1, V4)
    path.write_bytes(b"")
    clock = FakeClock(now=path.stat().st_mtime)
    monkeypatch.setattr(nodedb, "time", clock)
    assert [r.problem for r in read_records(db)] == ["is empty (0 bytes): its writer was killed"]
    assert clock.seconds >= limits.RECORD_WAIT


@pytest.fixture
def closed(db: Path) -> Iterator[Path]:
    """A database that whoever runs the test may not enter: root becomes somebody else."""
    _add(db, T1, V4)
    db.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield db
    os.seteuid(user)
    db.chmod(0o700)


@pytest.mark.fault("F19")
def test_a_database_that_only_root_may_enter_asks_for_root(closed: Path) -> None:
    for read in (read_records, read_discovery_records, read_ifaces):
        with pytest.raises(NeedsRootError) as caught:
            read(closed)
        assert caught.value.hint == BECOME_ROOT
    assert find_db(closed.parent.parent)


def test_a_file_in_the_place_of_the_records_is_told(db: Path) -> None:
    db.mkdir(parents=True)
    (db / "nodes").write_text("")
    with pytest.raises(IscsictlError, match="is a file, not a directory") as caught:
        read_records(db)
    # A directory that its owner cannot search is as good as none.
    assert str(caught.value.hint).endswith(f"mkdir -m 700 {db}/nodes")


def test_no_database_is_an_empty_one(tmp_path: Path) -> None:
    assert read_records(tmp_path) == ()
    assert read_discovery_records(tmp_path) == ()
    assert read_ifaces(tmp_path) == ()


def test_the_path_compiled_into_iscsiadm_wins_over_directories_left_behind(tmp_path: Path) -> None:
    _add(tmp_path / "etc/iscsi", T1, V4)
    assert find_db(tmp_path) == tmp_path / "etc/iscsi"
    program = tmp_path / "usr/sbin/iscsiadm"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF...\0%s/%s\0/var/lib/iscsi/nodes\0/etc/iscsi/iscsid.conf\0")
    assert find_db(tmp_path) == tmp_path / "var/lib/iscsi"
    # As in the PATH that programs are started with.
    local = tmp_path / "usr/local/sbin/iscsiadm"
    local.parent.mkdir(parents=True)
    local.write_bytes(b"\x7fELF...\0%s/%s\0/etc/iscsi/nodes\0/etc/iscsi/iscsid.conf\0")
    assert find_db(tmp_path) == tmp_path / "etc/iscsi"


def test_iscsiadm_is_found_in_every_directory_that_programs_are_started_from(
    tmp_path: Path,
) -> None:
    for number, directory in enumerate(process.PATH.split(":")):
        root = tmp_path / str(number)
        assert not is_installed(root)
        (root / directory.lstrip("/")).mkdir(parents=True)
        (root / directory.lstrip("/") / "iscsiadm").touch()
        assert is_installed(root)


def test_without_iscsiadm_the_directory_with_records_is_the_database(tmp_path: Path) -> None:
    assert find_db(tmp_path) == tmp_path / "etc/iscsi"
    (tmp_path / "var/lib/iscsi/ifaces").mkdir(parents=True)
    assert find_db(tmp_path) == tmp_path / "var/lib/iscsi"
    _add(tmp_path / "etc/iscsi", T1, V4)
    assert find_db(tmp_path) == tmp_path / "etc/iscsi"


def test_a_database_that_is_a_file_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "nodes").touch()
    with pytest.raises(IscsictlError, match="is a file, not a directory"):
        read_records(tmp_path)


@pytest.mark.fault("F04")
@pytest.mark.parametrize("before", [0o600, 0o644, 0o666])
def test_writing_a_secret_leaves_the_record_private(db: Path, tmp_path: Path, before: int) -> None:
    path = _add(db, T1, V4)
    path.chmod(before)
    changes = chap_values(Account("me", Secret("not-to-be-seen")))
    assert write_record(path, changes, NodeDbLock(tmp_path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = read_record(path)
    assert record is not None
    assert (record.username, record.has_secret, record.problem) == ("me", True, None)
    assert "node.session.auth.password = not-to-be-seen\n" in path.read_text()
    assert not write_record(path, changes, NodeDbLock(tmp_path))


def test_a_record_that_is_being_written_is_no_second_record_to_iscsiadm(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _add(db, T1, V4)
    old = path.read_bytes()
    seen: list[tuple[list[str], list[str]]] = []

    def killed(self: Path, _: Path) -> Path:
        seen.append(([p.name for p in path.parent.iterdir()], [self.parent.name]))
        raise OSError(5, "killed")

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(IscsictlError):
        write_record(path, {"node.startup": "onboot"}, NodeDbLock(tmp_path))
    assert seen == [([path.name], [db.name])]
    assert path.read_bytes() == old


def test_clearing_chap_leaves_nothing_of_it(db: Path, tmp_path: Path) -> None:
    path = _add(db, T1, V4)
    before = path.read_text()
    both = chap_values(Account("me", Secret("not-to-be-seen"), "array", Secret("neither-is-this")))
    write_record(path, both, NodeDbLock(tmp_path))
    write_record(path, chap_values(None), NodeDbLock(tmp_path))
    cleared = path.read_text()
    assert cleared.replace("node.session.auth.authmethod = None\n", "") == before


def test_a_record_that_is_gone_or_corrupt_is_said_in_one_line(db: Path, tmp_path: Path) -> None:
    path = _add(db, T1, V4)
    path.write_bytes(b"")
    with pytest.raises(RefusedError, match="0 bytes"):
        write_record(path, {"node.startup": "manual"}, NodeDbLock(tmp_path))
    path.unlink()
    with pytest.raises(NotFoundError):
        write_record(path, {"node.startup": "manual"}, NodeDbLock(tmp_path))
    assert not (tmp_path / "run/lock/iscsi/lock.write").exists()


@pytest.mark.fault("F03")
def test_removing_a_corrupt_record_takes_its_links_and_empty_directories(
    db: Path, tmp_path: Path
) -> None:
    kept = _add(db, T1, V4)
    lost = _add(db, T1, V6)
    lost.write_bytes(b"")
    (record,) = (r for r in read_records(db) if r.problem is not None)
    assert remove_record(record, db, NodeDbLock(tmp_path))
    assert not lost.parent.exists()
    assert [r.path for r in read_records(db)] == [kept]
    links = [p.name for p in (db / "send_targets/192.0.2.5,3260").iterdir()]
    assert links == [f"{T1},192.0.2.5,3260,1,default"]
    assert not remove_record(record, db, NodeDbLock(tmp_path))


def test_a_record_outside_of_the_database_is_not_removed(db: Path, tmp_path: Path) -> None:
    _add(tmp_path / "other", T1, V4)
    (record,) = read_records(tmp_path / "other")
    with pytest.raises(RefusedError):
        remove_record(record, db, NodeDbLock(tmp_path))
    assert record.path.exists()


def test_discovery_records_are_read_and_get_their_secret(db: Path, tmp_path: Path) -> None:
    place = db / "send_targets/2001:db8::5,3260"
    place.mkdir(parents=True)
    (place / "st_config").write_text(
        "# BEGIN RECORD 2.1.11\n"
        "discovery.startup = manual\n"
        "discovery.type = sendtargets\n"
        "discovery.sendtargets.address = 2001:db8::5\n"
        "discovery.sendtargets.port = 3260\n"
        "discovery.sendtargets.auth.authmethod = None\n"
        "node.session.auth.chap_algs = MD5\n"
        "# END RECORD\n"
    )
    _add(db, T1, V4)
    (record,) = (r for r in read_discovery_records(db) if r.problem is None)
    assert (record.kind, record.portal, record.has_secret) == (
        "sendtargets",
        Portal("2001:db8::5"),
        False,
    )
    changes = chap_values(Account("me", Secret("not-to-be-seen")), "discovery.sendtargets")
    assert write_record(record.path, changes, NodeDbLock(tmp_path))
    (again,) = read_discovery_records(db)
    assert (again.values["discovery.sendtargets.auth.username"], again.has_secret, again.mode) == (
        "me",
        True,
        0o600,
    )
    assert "not-to-be-seen" not in repr(again)
    lines = [line.split(" = ")[0] for line in again.path.read_text().splitlines()]
    assert lines[5:9] == [
        "discovery.sendtargets.auth.authmethod",
        "discovery.sendtargets.auth.username",
        "discovery.sendtargets.auth.password",
        "node.session.auth.chap_algs",
    ]


def test_interfaces_are_read_with_and_without_a_frame(db: Path) -> None:
    (db / "ifaces").mkdir(parents=True)
    (db / "ifaces/eth1").write_text("iface.iscsi_ifacename = eth1\niface.net_ifacename = eth1\n")
    (db / "ifaces/corrupt").write_bytes(b"")
    (db / "ifaces/iface.example").write_text("# an example\n")
    found = read_ifaces(db)
    assert [(i.name, i.transport, i.problem is None) for i in found] == [
        ("corrupt", "tcp", False),
        ("eth1", "tcp", True),
    ]


def test_an_interface_is_one_that_is_built_in_or_defined(db: Path) -> None:
    (db / "ifaces").mkdir(parents=True)
    (db / "ifaces/eth1").write_text("iface.iscsi_ifacename = eth1\n")
    (db / "ifaces/iface.example").write_text("# an example\n")
    (db / "other").write_text("iface.iscsi_ifacename = other\n")
    for name in ("default", "iser", "eth1"):
        require_iface(db, name)
    for name in ("eth2", "../other", ".", "", "iface.example"):
        with pytest.raises(NotFoundError, match="there is no iface"):
            require_iface(db, name)


def test_only_what_changed_is_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def parse_values(text: str) -> dict[str, str]:
        parsed.append(text)
        return dict(record.parse_values(text))

    monkeypatch.setattr(nodedb, "parse_values", parse_values)
    paths = [record_path(tmp_path, target, V4, "default") for target in (T1, T2)]
    for path, target in zip(paths, (T1, T2), strict=True):
        path.parent.mkdir(parents=True)
        path.write_text(_text(target, V4, "default", f"node.session.nr_sessions = {tmp_path}"))
    first = read_records(tmp_path)
    assert (read_records(tmp_path), len(parsed)) == (first, 2)
    paths[0].write_text(_text(T1, V4, "default", f"node.session.nr_sessions = {tmp_path}/2"))
    again = read_records(tmp_path)
    assert again[0].values["node.session.nr_sessions"] == f"{tmp_path}/2"
    assert (again[1], len(parsed)) == (first[1], 3)
