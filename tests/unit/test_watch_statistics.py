"""watch shows errors, latency and queue as well as throughput."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.model.listing import Listing, Lun, LunLoad, Session, SessionErrors
from iscsictl.model.session_diff import Change, Rate, Snapshot, changes
from iscsictl.observers import watch as observer
from iscsictl.output.terminal import Screen
from iscsictl.output.views.watch import Picture
from tests.bench.make_tree import Tree, put
from tests.patience import PATIENCE

TARGET = "iqn.2010-10.org.example:a"
#: A disk that has done ten requests in 80 ms, and has two in flight.
BEFORE = "4 0 80 30 6 5 240 50 2 100 120"


def session(errors: SessionErrors | None = None, luns: tuple[Lun, ...] = ()) -> Session:
    return Session("sysfs", TARGET, sid=1, status="up", luns=luns, errors=errors)


def drawn(snapshot: Snapshot, width: int = 160) -> list[list[str]]:
    out = io.StringIO()
    Picture(Screen(out, width=width)).draw(snapshot, "12:00:00")
    rows = out.getvalue().removeprefix("\x1b[H\x1b[2J").split("\n\n")[0].splitlines()
    return [row.split() for row in rows]


def test_the_table_has_latency_queue_and_errors() -> None:
    lun = Lun(0, "2:0:0:0", "/dev/sda", "running")
    rates = {"/dev/sda": Rate(2048, 1024, LunLoad(2, 128, 3.04))}
    listing = Listing((session(SessionErrors(2, 17), (lun,)),))
    titles, row = drawn(Snapshot(listing, (), rates))
    shown = dict(zip(titles, row, strict=False))
    assert (shown["LATENCY"], shown["QUEUE"]) == ("3.0ms", "2/128")
    assert " ".join(row).endswith("2 digest, 17 timeout █")


def test_errors_are_shown_once_for_a_session_with_several_luns() -> None:
    luns = tuple(Lun(n, f"2:0:0:{n}", f"/dev/sd{n}", "running") for n in range(2))
    listing = Listing((session(SessionErrors(0, 0), luns), session()))
    _, whole, *each = drawn(Snapshot(listing, (), {}))
    # Nothing is known about latency and queue, so these columns are left out.
    assert whole[-3:-1] == ["-", "0"]
    assert [row[-3:-1] for row in each] == [["-", "-"]] * 3


def test_more_errors_are_a_change_and_none_at_the_beginning_are_not() -> None:
    def between(old: SessionErrors | None, new: SessionErrors | None) -> list[Change]:
        return changes(Listing((session(old),)), Listing((session(new),)))

    assert between(None, SessionErrors(0, 0)) == []
    assert between(SessionErrors(0, 1), None) == []
    assert between(None, SessionErrors(0, 17)) == [Change(1, TARGET, "timeout_errors", None, "17")]
    assert between(SessionErrors(1, 0), SessionErrors(3, 0)) == [
        Change(1, TARGET, "digest_errors", "1", "3")
    ]


def test_latency_is_that_of_the_requests_since_the_last_picture(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    unit = tree.lun(tree.session(1, TARGET), 0)
    tree.block(unit / "block", "sda")
    put(tmp_path / "sys/block/sda", stat=BEFORE)
    put(tmp_path / "sys/block/sda/device", queue_depth="64")
    snapshots = observer.watch(tmp_path, interval=0.05)
    assert next(snapshots).rates == {}
    put(tmp_path / "sys/block/sda", stat="6 0 96 42 8 5 240 58 1 100 120")
    assert next(snapshots).rates["/dev/sda"].load == LunLoad(1, 64, 5.0)
    assert next(snapshots).rates["/dev/sda"].load == LunLoad(1, 64, None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """iscsiadm answers only when the test lets it."""
    may_answer = threading.Event()

    def answer() -> dict[int, SessionErrors]:
        assert may_answer.wait(PATIENCE)
        return {1: SessionErrors(0, 17)}

    monkeypatch.setattr(observer, "read_session_errors", lambda _root, _seconds: answer())
    yield may_answer
    may_answer.set()


def test_a_slow_answer_about_errors_holds_no_picture_up(
    tmp_path: Path, asked: threading.Event
) -> None:
    Tree(tmp_path).session(1, TARGET)
    snapshots = observer.watch(tmp_path, interval=0.05)
    for _ in range(3):
        assert next(snapshots).listing.sessions[0].errors is None
    asked.set()
    found = next(s for s in snapshots if s.listing.sessions[0].errors is not None)
    assert found.listing.sessions[0].errors == SessionErrors(0, 17)
    assert [(one.what, one.after) for one in found.changes] == [("timeout_errors", "17")]
    # They stay until the next answer.
    assert next(snapshots).listing.sessions[0].errors == SessionErrors(0, 17)
