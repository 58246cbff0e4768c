"""What multipathd answers while it is busy, or not at all: every wait for it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine.runtime import open_context
from iscsictl.errors import UnreachableError
from iscsictl.model.inventory import NotObserved
from iscsictl.model.multipath import MapSettings, MultipathFacts
from iscsictl.observers import attach
from iscsictl.planner.attach.multipath import PathChoice
from iscsictl.system.block import multipath, multipath_conf, multipathd
from iscsictl.system.io.process import Result, ToolError
from tests.unit.disk_facts import IQN, disk_inventory
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_root import put
from tests.worlds import spec

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

W = "36001405aaa"
CONFIGURED = (
    f'defaults {{\n}}\nmultipaths {{\n multipath {{\n wwid "{W}"\n no_path_retry 120\n }}\n}}\n'
)
#: How the answers to a request that was not served end, of 0.9.4 and of 0.14: output, exit code.
UNSERVED = (("timeout\n", 0), ("timeout\n", 1), ("timeout receiving packet\n", 1), ("", 1))


class Daemon:
    """multipathd and multipath(8): each command line has a list of answers, the last one stays."""

    def __init__(self, **answers: Sequence[tuple[str, int]]) -> None:
        self.answers = {
            key.replace("_", " ").replace(" f", "-f"): list(value) for key, value in answers.items()
        }
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], *, ok: Sequence[int] | None = (0,), **_: object) -> Result:
        line = " ".join(argv[1:])
        self.asked.append(line)
        answers = next(a for key, a in self.answers.items() if line.startswith(key))
        out, code = answers.pop(0) if len(answers) > 1 else answers[0]
        result = Result(tuple(argv), code, out, "")
        if ok is not None and code not in ok:
            raise ToolError(result)
        return result


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()

    def require_end() -> None:
        assert made.seconds < 600, "it waits for ever"

    made.meanwhile = require_end
    monkeypatch.setattr(multipath_conf, "time", made)
    monkeypatch.setattr(multipath, "runs", lambda *_: True)
    return made


def refuse_connection(*_: object) -> str:
    raise ConnectionRefusedError


def serve(monkeypatch: pytest.MonkeyPatch, **answers: Sequence[tuple[str, int]]) -> Daemon:
    daemon = Daemon(**answers)
    monkeypatch.setattr(multipath_conf, "run", daemon.run)
    monkeypatch.setattr(multipathd, "_ask_over_socket", refuse_connection)
    monkeypatch.setattr(multipathd, "run", daemon.run)
    return daemon


@pytest.mark.fault("F97")
@pytest.mark.parametrize("answer", UNSERVED)
def test_a_map_that_a_busy_multipathd_does_not_remove_is_waited_for_until_the_deadline(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, int]
) -> None:
    serve(monkeypatch, _f=[answer])
    # An absolute path stands for itself: a node that every machine has, also without device-mapper.
    with pytest.raises(UnreachableError, match="was not removed by multipathd") as told:
        multipath_conf.flush("/dev/null", 5.0, clock.sleep)
    assert 5.0 <= clock.seconds < 7.0
    assert "journalctl -u multipathd" in str(told.value.hint)
    assert "run the same command again" in str(told.value.hint)


def test_a_map_that_something_uses_is_an_error_of_multipath(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, _f=[("fail\n", 1), ("Jan 1 | null: map in use\n", 1)])
    with pytest.raises(ToolError, match="map in use"):
        multipath_conf.flush("/dev/null", 5.0, clock.sleep)


def test_a_map_that_is_gone_ends_the_wait(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = serve(monkeypatch, _f=[("", 0)])
    multipath_conf.flush("no-such-map", 5.0, clock.sleep)
    assert daemon.asked == ["-f no-such-map"]


RUNS = MultipathFacts(installed=True, running=True)
PATHS = (f"sda|ready|{W}\n", 0)


@pytest.mark.fault("F90")
@pytest.mark.parametrize("answer", UNSERVED)
def test_a_multipathd_that_is_too_busy_to_answer_is_asked_again(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, int]
) -> None:
    serve(
        monkeypatch, show_config_local=[(CONFIGURED, 0)], show_paths=[answer, answer, PATHS],
        show_maps=[("", 0)],
    )  # fmt: skip
    facts = multipath_conf.ask_daemon(RUNS, 5.0, clock.sleep)
    assert (facts.answers, facts.spelled, facts.in_force) == (True, {"/dev/sda": W}, {W: 120})


@pytest.mark.fault("F97")
@pytest.mark.parametrize("answer", UNSERVED)
def test_a_multipathd_that_never_answers_is_not_taken_for_one_without_paths(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, int]
) -> None:
    serve(monkeypatch, show_config_local=[(CONFIGURED, 0)], show_paths=[answer])
    assert multipath_conf.ask_daemon(RUNS, 5.0, clock.sleep) == replace(RUNS, answers=False)
    assert 5.0 <= clock.seconds < 7.0
    # Without a wait, as for `doctor`, each question is put once.
    multipath_conf.ask_daemon(RUNS, pause=clock.sleep)
    assert clock.seconds < 7.0


def test_a_wwid_with_blanks_is_read_whole(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = "sda|ready|1VENDOR disk  7\nsdb|ready|36001405aaa\n"
    serve(
        monkeypatch, show_config_local=[("", 0)], show_paths=[(shown, 0)], show_maps=[("ok\n", 0)]
    )
    facts = multipath_conf.ask_daemon(RUNS, pause=clock.sleep)
    assert facts.spelled == {"/dev/sda": "1VENDOR disk  7", "/dev/sdb": W}
    serve(monkeypatch, show_config_local=[("", 0)], show_paths=[("ok\n", 0)], show_maps=[("", 0)])
    assert multipath_conf.ask_daemon(RUNS, pause=clock.sleep).spelled == {}


IDLE, MAIL = ("pid 317 idle\n", 0), MapSettings(W, "naa.6001405aaa", 120)


@pytest.mark.fault("F90")
@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ([("pid 317 configure\n", 0), IDLE], [(CONFIGURED, 0)]),
        ([("pid 317 running (pending reconfigure)\n", 0), IDLE], [(CONFIGURED, 0)]),
        ([("pid 317 running\n", 0)], [("multipaths {\n}\n", 0), (CONFIGURED, 0)]),
        ([IDLE], [("timeout\n", 0), (CONFIGURED, 0)]),
    ],
    ids=["reads", "0.14 reads later", "0.9 reads later", "is busy"],
)
def test_settings_are_waited_for_until_multipathd_has_them(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    states: list[tuple[str, int]], shown: list[tuple[str, int]],
) -> None:  # fmt: skip
    daemon = serve(monkeypatch, reconfigure=[("ok\n", 0)], show_daemon=states, show_config=shown)
    multipath_conf.reconfigure(60.0, MAIL, tmp_path, clock.sleep)
    assert daemon.answers["show config"] == [(CONFIGURED, 0)]
    assert len(daemon.answers["show daemon"]) == 1
    assert 0.0 < clock.seconds < 1.0


@pytest.mark.fault("F97")
def test_settings_that_multipathd_never_reads_are_an_error_at_the_deadline(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(monkeypatch, reconfigure=[("ok\n", 0)], show_daemon=[IDLE], show_config=[("x {\n}\n", 0)])
    with pytest.raises(UnreachableError, match="does not finish"):
        multipath_conf.reconfigure(5.0, MAIL, tmp_path, clock.sleep)
    assert 5.0 <= clock.seconds < 7.0
    # Where another file has the last word, there is nothing to wait for.
    put(tmp_path, "etc/multipath/conf.d/local.conf", CONFIGURED.replace("120", "5"))
    multipath_conf.reconfigure(5.0, MAIL, tmp_path, clock.sleep)


def test_who_waits_for_a_busy_multipathd_takes_no_answer_of_who_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many volumes that are observed at once, one asks for all that ask for the same."""
    shared: dict[Hashable, MultipathFacts] = {}

    def ask_once(what: Hashable, read: Callable[[], MultipathFacts]) -> MultipathFacts:
        return shared[what] if what in shared else shared.setdefault(what, read())

    def ask_busy_daemon(facts: MultipathFacts, wait: float) -> MultipathFacts:
        return replace(facts, answers=wait > 0)

    context = open_context(1.0, tmp_path)
    monkeypatch.setattr(context, "coalesce", ask_once)
    monkeypatch.setattr(multipath_conf, "ask_daemon", ask_busy_daemon)
    monkeypatch.setattr(attach, "_ask_array", lambda *_: (NotObserved(), {}))
    monkeypatch.setattr(attach, "_probe_unmounted_disks", lambda *_: {})
    monkeypatch.setattr(attach, "observe_unsettled", lambda *_, **__: {})
    monkeypatch.setattr(attach, "is_being_mapped", lambda *_: True)
    host, answers = replace(disk_inventory(), chosen=None), []
    for mapped in (False, True):
        choice = PathChoice((), mapped=mapped)
        monkeypatch.setattr(attach, "choose_paths", lambda *_, choice=choice: choice)
        seen = attach.observe_lun(context, spec(target=IQN, mount=None), host, None)
        answers.append(seen.host.multipath.answers)
    assert answers == [False, True]
