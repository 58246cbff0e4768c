"""Errors of sessions and the load of disks, from the kernel's counters to `ls --long`."""

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.model.listing import Listing, Lun, LunLoad, Session, SessionErrors
from iscsictl.model.services import Daemon
from iscsictl.observers.listing import live_listing, read_session_errors
from iscsictl.output.terminal import Screen
from iscsictl.output.views.ls import Form, print_listing
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.statistics import parse_disk_load, parse_session_errors
from iscsictl.system.io import daemons, process
from tests.bench.make_tree import Tree
from tests.unit.fake_root import put

STATS = """\
Stats for session [sid: 3, target: iqn.2001-04.com.example:mail, portal: 192.0.2.5,3260]
iSCSI SNMP:
\ttxdata_octets: 1516
\trxdata_octets: 69212
\tnoptx_pdus: 0
\tasync_pdus: 0
\trjt_pdus: 0
\tdigest_err: 2
\ttimeout_err: 17
iSCSI Extended:
\ttx_sendpage_failures: 0
\teh_abort_cnt: 0
Stats for session [sid: 4, target: iqn.2001-04.com.example:web, portal: 192.0.2.5,3260]
iSCSI SNMP:
\tdigest_err: 0
\ttimeout_err: 0
"""


def test_errors_are_read_for_each_session() -> None:
    assert parse_session_errors(STATS) == {3: SessionErrors(2, 17), 4: SessionErrors(0, 0)}
    cut = STATS[: STATS.index("\ttimeout_err")]
    assert parse_session_errors(cut) == {3: SessionErrors(2, None)}
    assert parse_session_errors("\tdigest_err: 1\n") == {}


@pytest.mark.parametrize(
    ("stat", "depth", "load"),
    [
        ("10 0 80 30 30 5 240 90 2 100 120\n", "128\n", LunLoad(2, 128, 3.0)),
        ("0 0 0 0 0 0 0 0 0 0 0", "", LunLoad(0, None, None)),
        ("1 0 8 1 0 0 0 0 0 1 1", "many", LunLoad(0, None, 1.0)),
        ("", "32", None),
        ("1 2 3", "32", None),
        ("a b c d e f g h i", "32", None),
    ],
)
def test_the_load_of_a_disk_is_what_the_kernel_counts(
    stat: str, depth: str, load: LunLoad | None
) -> None:
    assert parse_disk_load(stat, depth) == load


@given(st.text(), st.text())
def test_any_text_is_read(text: str, other: str) -> None:
    parse_session_errors(f"Stats for session [sid: 1,\n{text}")
    parse_disk_load(text, other)


@pytest.mark.parametrize("daemon", [None, Daemon(400)])
def test_iscsid_is_asked_only_if_it_runs_for_its_socket_would_start_it(
    monkeypatch: pytest.MonkeyPatch, daemon: Daemon | None
) -> None:
    started: list[list[str]] = []

    def run(argv: list[str], **_: object) -> process.Result:
        started.append(argv)
        return process.Result(tuple(argv), 0, STATS, "")

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(daemons, "find_daemon", lambda *_: daemon)
    found = read_session_errors(Path("/"), 1.0)
    assert (bool(started), set(found)) == ((True, {3, 4}) if daemon else (False, set()))


LISTING = Listing(
    (
        Session(
            "sysfs", "iqn.2001-04.com.example:mail", sid=3, status="up",
            luns=(Lun(0, "2:0:0:0", "/dev/sda", "running", load=LunLoad(2, 128, 3.0)),),
            errors=SessionErrors(2, 17),
        ),
    ),
    (),
)  # fmt: skip


def test_ls_long_shows_errors_queue_and_latency() -> None:
    stream = io.StringIO()
    print_listing(LISTING, Screen(stream), Form(long=True))
    text = stream.getvalue()
    assert "  digest errors            2\n" in text
    assert "  timeout errors           17\n" in text
    assert "running queue 2/128, 3.0 ms" in text


def test_the_json_has_them_where_they_were_asked_for() -> None:
    (session,) = json.loads(listing_json(LISTING))["sessions"]
    assert session["errors"] == {"digest": 2, "timeout": 17}
    (lun,) = session["luns"]
    assert (lun["in_flight"], lun["queue_depth"], lun["latency_ms"]) == (2, 128, 3.0)
    plain = LISTING.sessions[0]._replace(errors=None, luns=(Lun(0),))
    (session,) = json.loads(listing_json(Listing((plain,), ())))["sessions"]
    assert "errors" not in session
    assert "in_flight" not in session["luns"][0]


def test_only_the_long_listing_reads_the_counters(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    lun = tree.lun(tree.session(7, "iqn.2010-10.org.example:a", "192.0.2.5"), 3)
    tree.block(lun / "block", "sdc")
    put(tmp_path, "sys/block/sdc/stat", "10 0 80 30 30 5 240 90 2 100 120\n")
    put(tmp_path, "sys/block/sdc/device/queue_depth", "64\n")
    for long, load in ((True, LunLoad(2, 64, 3.0)), (False, None)):
        listing = live_listing(tmp_path, details=True, internal_states=long, timeout=None)
        assert [one.load for one in listing.sessions[0].luns or ()] == [load]
