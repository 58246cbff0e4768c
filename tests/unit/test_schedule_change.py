"""The schedule on a made machine: one means replaces the other, and nothing is lost on the way."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from iscsictl.engine.handlers import schedule as schedule_handlers
from iscsictl.errors import Exit, InterruptError
from iscsictl.model.schedule import (
    CRON,
    PRUNE_DROP_IN,
    SERVICE,
    SERVICE_DROP_IN,
    TIMER,
    TIMER_DROP_IN,
    TIMER_UNIT,
)
from iscsictl.observers.schedule import observe_schedule
from iscsictl.system.host import systemd
from iscsictl.system.host.cron import find_cron
from iscsictl.system.io import signals
from iscsictl.system.io.files import remove_file
from iscsictl.system.io.process import Result, ToolError
from tests.commands import Answer, call
from tests.unit.fake_root import put

WANTS = "etc/systemd/system/timers.target.wants"
BY_CRON = ["install", "--cron"]
BY_TIMER = ["install", "--systemd"]
UNIT = Path(__file__).parents[2] / "iscsictl/data/iscsictl-reconnect.service"


class Machine:
    """A machine with systemd and cron; its systemctl fails at the verbs of `fails`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fails: set[str] = set()
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "etc/cron.d").mkdir(parents=True)
        (root / "etc/systemd/system").mkdir(parents=True)
        for name in ("iscsictl", "usr/sbin/cron"):
            put(root, name).chmod(0o755)
        self.start("cron")

    def start(self, name: str) -> None:
        """Have a daemon run."""
        put(self.root, "proc/70/comm", f"{name}\n")
        put(self.root, "proc/70/stat", f"70 ({name}) S 1\n")

    def systemctl(self, argv: Sequence[str], *_: object, **__: object) -> Result:
        """Stand in for systemctl(1) wherever it is run."""
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        result = Result(tuple(argv), int(verb in self.fails), "", "no bus")
        if result.code:
            raise ToolError(result)
        link = self.root / WANTS / TIMER_UNIT
        if verb == "enable":
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(TIMER)
        elif verb == "disable":
            link.unlink(missing_ok=True)
        return result

    def schedule(self, *words: str) -> Answer:
        """Call `schedule`."""
        return call(["schedule", *words], self.root, uid=0)

    def statuses(self, *words: str) -> dict[str, str]:
        """Call `schedule`; return what became of each step, in order."""
        steps = json.loads(self.schedule(*words, "-J").out)["steps"]
        return {step["id"]: step["status"] for step in steps}

    @property
    def etc(self) -> dict[str, str]:
        """All files in /etc."""
        files = (p for p in (self.root / "etc").rglob("*") if not p.is_dir())
        return {
            f"/{p.relative_to(self.root)}": str(p.readlink()) if p.is_symlink() else p.read_text()
            for p in files
        }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    for module, name in ((schedule_handlers, "run"), (systemd, "run"), (systemd, "start")):
        monkeypatch.setattr(module, name, made.systemctl)
    return made


def test_the_old_means_goes_once_the_new_one_is_on(machine: Machine) -> None:
    assert machine.statuses(*BY_CRON) == {f"install:{CRON}": "done"}
    assert machine.statuses(*BY_CRON) == {f"install:{CRON}": "unchanged"}
    assert machine.schedule("status").out == f"every 2min by cron: {CRON}\n"
    to_timer = machine.statuses(*BY_TIMER)
    assert list(to_timer) == [
        f"install:{SERVICE}", f"install:{TIMER}", f"timer:{TIMER_UNIT}", f"remove:{CRON}"
    ]  # fmt: skip
    assert set(to_timer.values()) == {"done"}
    assert set(machine.statuses(*BY_TIMER).values()) == {"unchanged"}
    assert machine.schedule("status").out == f"every 2min by systemd: {SERVICE}, {TIMER}\n"
    assert list(machine.statuses(*BY_CRON)) == [
        f"install:{CRON}", f"timer:{TIMER_UNIT}", f"remove:{SERVICE}", f"remove:{TIMER}"
    ]  # fmt: skip
    assert machine.etc.keys() == {CRON}
    assert machine.statuses("remove") == {f"remove:{CRON}": "done"}
    again = machine.schedule("remove")
    assert (again.code, again.err) == (Exit.DONE, "iscsictl: nothing was scheduled\n")
    assert machine.etc == {}
    assert machine.schedule("status").out == "not scheduled\n"


@pytest.mark.fault("F111")
@pytest.mark.parametrize("packaged", [True, False])
def test_prune_is_scheduled_with_reconnect_and_ends_with_it(
    machine: Machine, packaged: bool
) -> None:
    if packaged:
        install_package(machine)
    assert machine.statuses(*BY_TIMER, "--prune")[f"install:{PRUNE_DROP_IN}"] == "done"
    assert set(machine.statuses(*BY_TIMER, "--prune").values()) == {"unchanged"}
    assert f"ExecStartPre=-{machine.root}/iscsictl prune --yes " in machine.etc[PRUNE_DROP_IN]
    for words in (BY_TIMER, BY_CRON):
        assert machine.schedule(*words, "--prune").code == Exit.DONE
        status = machine.schedule("status")
        assert (" (prune, then reconnect): " in status.out, status.err) == (True, "")
        assert json.loads(machine.schedule("status", "-J").out)["prune"] is True
    assert PRUNE_DROP_IN not in machine.etc
    assert f"{machine.root}/iscsictl prune --yes " in machine.etc[CRON]

    machine.schedule(*BY_TIMER, "--prune")
    assert machine.statuses(*BY_TIMER)[f"remove:{PRUNE_DROP_IN}"] == "done"
    assert json.loads(machine.schedule("status", "-J").out)["prune"] is False
    machine.schedule(*BY_TIMER, "--prune")
    machine.schedule("remove")
    assert machine.etc == {}
    assert not (machine.root / PRUNE_DROP_IN.lstrip("/")).parent.exists()


def test_a_means_that_nothing_runs_is_refused_and_nothing_changed(machine: Machine) -> None:
    machine.schedule(*BY_CRON)
    before = machine.etc
    (machine.root / "run/systemd/system").rmdir()
    for words in (BY_TIMER, [*BY_TIMER, "-n"]):
        answer = machine.schedule(*words)
        assert answer.code == Exit.MISSING
        assert answer.err == (
            "iscsictl: systemd is not the init system of this host\nhint: use cron: iscsictl "
            "schedule install --cron\n"
        )
    (machine.root / "usr/sbin/cron").unlink()
    answer = machine.schedule(*BY_CRON, "--every", "5min")
    assert answer.code == Exit.MISSING
    assert answer.err == (
        "iscsictl: no cron that reads /etc/cron.d is installed\nhint: install the package cron\n"
    )
    assert machine.etc == before
    status = machine.schedule("status")
    assert (status.code, status.out) == (Exit.DONE, f"every 2min by cron: {CRON}\n")
    assert "no cron that reads /etc/cron.d is installed" in status.err


@pytest.mark.fault("F80")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("method", [BY_CRON, BY_TIMER])
@pytest.mark.parametrize("what", ["the program", "a directory above", "a link to it", "its Python"])
def test_a_program_that_others_can_replace_is_not_scheduled(
    machine: Machine, method: list[str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = machine.root / "iscsictl"
    if what == "the program":
        program.chmod(0o757)
    elif what == "a directory above":
        machine.root.chmod(0o777)
    elif what == "a link to it":
        program.rename(machine.root / "elsewhere")
        program.symlink_to("elsewhere")
        os.chown(program, 65534, 65534, follow_symlinks=False)
    else:
        python = put(machine.root, "python")
        os.chown(python, 65534, 65534)
        monkeypatch.setattr(sys, "executable", str(python))
    before = machine.etc
    for words in (method, [*method, "-n"]):
        answer = machine.schedule(*words)
        assert answer.code == Exit.REFUSED, answer
        assert answer.err.startswith("iscsictl: a timer would run ")
        assert "hint: install iscsictl where only root can write" in answer.err
    assert machine.etc == before


def test_a_cron_that_was_stopped_is_told(machine: Machine) -> None:
    machine.start("init")
    installed = machine.schedule(*BY_CRON)
    assert installed.code == Exit.DONE
    assert "cron is not running" in installed.err
    document = json.loads(machine.schedule("status", "-J").out)
    assert (document["method"], document["cron"]) == ("cron", "cron")
    assert "cron is not running" in document["warnings"][0]["text"]


@pytest.mark.parametrize("verb", ["enable", "restart", "daemon-reload"])
@pytest.mark.parametrize("first", [[], BY_CRON, [*BY_TIMER, "--every", "5min"]])
def test_an_install_that_fails_leaves_what_was_there(
    machine: Machine, first: list[str], verb: str
) -> None:
    if first:
        machine.schedule(*first)
    before = machine.etc
    machine.fails = {verb, "restart"}
    answer = machine.schedule(*BY_TIMER)
    assert answer.code == Exit.ERROR
    assert "iscsictl: systemctl: no bus\nhint: see: systemctl" in answer.err
    assert machine.etc == before


def test_a_timer_that_cannot_be_stopped_stays_and_so_does_its_schedule(machine: Machine) -> None:
    machine.schedule(*BY_TIMER)
    before = machine.etc
    machine.fails = {"stop"}
    for words in (BY_CRON, ["remove"]):
        assert machine.schedule(*words).code == Exit.ERROR
        assert machine.etc == before


def test_what_was_taken_away_comes_back_when_the_rest_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.schedule(*BY_TIMER)
    before = machine.etc

    def all_but_the_timer(path: Path) -> bool:
        if path.name == TIMER_UNIT:
            raise PermissionError(1, "Operation not permitted", str(path))
        return remove_file(path)

    monkeypatch.setattr("iscsictl.engine.handlers.schedule.remove_file", all_but_the_timer)
    statuses = machine.statuses(*BY_CRON)
    assert statuses == {
        f"install:{CRON}": "undone",
        f"timer:{TIMER_UNIT}": "undone",
        f"remove:{SERVICE}": "undone",
        f"remove:{TIMER}": "failed",
    }
    assert machine.etc == before


def install_package(machine: Machine, program: str | None = None) -> None:
    """Put the units of a package in place; by default they run the program that is called."""
    directory = "usr/lib/systemd/system"
    program = program or str(machine.root / "iscsictl")
    put(machine.root, f"{directory}/{Path(SERVICE).name}", f"ExecStart={program} reconnect -q\n")
    put(machine.root, f"{directory}/{TIMER_UNIT}", "OnUnitInactiveSec=120s\n")


def test_the_units_of_a_package_are_enabled_and_get_their_period_in_a_drop_in(
    machine: Machine,
) -> None:
    install_package(machine)
    assert machine.schedule("status").out == "not scheduled\n"
    install = [*BY_TIMER, "--every", "5min"]
    assert machine.statuses(*install) == {
        f"install:{TIMER_DROP_IN}": "done", f"timer:{TIMER_UNIT}": "done"
    }  # fmt: skip
    assert set(machine.statuses(*install).values()) == {"unchanged"}
    lines = machine.etc[TIMER_DROP_IN].splitlines()
    assert lines[-3:] == ["OnBootSec=45s", "OnUnitInactiveSec=300s", "RandomizedDelaySec=30s"]
    units = [f"/usr/lib/systemd/system/{Path(unit).name}" for unit in (SERVICE, TIMER)]
    status = machine.schedule("status")
    files = ", ".join([TIMER_DROP_IN, *units])
    assert (status.out, status.err) == (f"every 5min by systemd: {files}\n", "")
    document = json.loads(machine.schedule("status", "-J").out)
    assert document["files"] == sorted([TIMER_DROP_IN, *units])
    assert set(machine.statuses(*BY_CRON).values()) == {"done"}
    assert machine.etc.keys() == {CRON}
    assert set(machine.statuses(*install).values()) == {"done"}
    assert machine.statuses("remove") == {
        f"timer:{TIMER_UNIT}": "done", f"remove:{TIMER_DROP_IN}": "done"
    }  # fmt: skip
    assert machine.etc == {}
    assert not (machine.root / TIMER_DROP_IN.lstrip("/")).parent.exists()


def test_cron_sends_no_mail_once_the_program_is_removed(machine: Machine) -> None:
    # Debian policy, 9.5: a package that is removed and not purged leaves its cron file.
    machine.schedule(*BY_CRON, "--prune")
    command = (machine.root / CRON.lstrip("/")).read_text().splitlines()[-1].partition(" root ")[2]
    program = machine.root / "iscsictl"
    program.write_text('#!/bin/sh\necho "$1"\n')
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert ran.stdout == "prune\nreconnect\n"
    program.unlink()
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.parametrize("method", [BY_CRON, BY_TIMER])
def test_a_scheduled_run_leaves_no_bytecode_behind_for_a_package_that_is_removed_meanwhile(
    machine: Machine, method: list[str]
) -> None:
    machine.schedule(*method)
    (text,) = (text for text in machine.etc.values() if "reconnect --quiet" in text)
    # PYTHONDONTWRITEBYTECODE is Python's (python3(1)); the line is one of Environment= or crontab.
    assert re.search(r"^(Environment=)?PYTHONDONTWRITEBYTECODE=1$", text, re.MULTILINE)


@pytest.mark.parametrize("packaged", [True, False])
@pytest.mark.parametrize("method", [BY_CRON, BY_TIMER])
def test_metrics_are_written_until_an_install_leaves_them_out(
    machine: Machine, method: list[str], packaged: bool
) -> None:
    if packaged:
        install_package(machine)
    machine.schedule(*method)
    before = machine.etc
    file = machine.root / "iscsi.prom"
    install = [*method, "--metrics", str(file)]
    assert "done" in machine.statuses(*install).values()
    (command,) = (
        line for text in machine.etc.values() for line in text.splitlines() if "--metrics" in line
    )
    assert command.endswith(f"{machine.root}/iscsictl reconnect --quiet --metrics {file}")
    assert (SERVICE_DROP_IN in machine.etc) is (packaged and method == BY_TIMER)
    assert set(machine.statuses(*install).values()) == {"unchanged"}
    assert machine.schedule("status").err == ""
    machine.schedule(*method)
    assert machine.etc == before
    machine.schedule(*install)
    machine.schedule("remove")
    assert machine.etc == {}


def test_metrics_in_a_directory_that_is_missing_are_refused_at_once(machine: Machine) -> None:
    said = (
        "iscsictl: there is no directory /nonexistent\n"
        "hint: name a file in the directory that node_exporter reads "
        "(--collector.textfile.directory)"
    )
    package = "; with its package: apt install prometheus-node-exporter"
    for distribution, more in (("fedora", ""), ("debian", package)):
        put(machine.root, "usr/lib/os-release", f"ID={distribution}\n")
        answer = machine.schedule(*BY_TIMER, "--metrics", "/nonexistent/iscsi.prom")
        assert answer.code == Exit.NOT_FOUND
        assert answer.err == f"{said}{more}\n"
    assert machine.etc == {}


def test_a_drop_in_of_somebody_else_keeps_its_directory(machine: Machine) -> None:
    install_package(machine)
    other = f"{TIMER_DROP_IN.rpartition('/')[0]}/local.conf"
    put(machine.root, other.lstrip("/"), "[Timer]\n")
    machine.schedule(*BY_TIMER)
    machine.schedule("remove")
    assert machine.etc.keys() == {other}


def test_a_second_installation_has_units_of_its_own(machine: Machine) -> None:
    install_package(machine, "/usr/bin/another-iscsictl")
    machine.schedule(*BY_TIMER)
    assert {SERVICE, TIMER} <= machine.etc.keys()
    assert TIMER_DROP_IN not in machine.etc


@pytest.mark.parametrize("packaged_first", [True, False])
def test_a_package_and_another_installation_replace_the_schedule_of_each_other(
    machine: Machine, packaged_first: bool
) -> None:
    install_package(machine, None if packaged_first else "/usr/bin/another-iscsictl")
    machine.schedule(*BY_TIMER)
    install_package(machine, "/usr/bin/another-iscsictl" if packaged_first else None)
    before = machine.etc
    machine.fails = {"restart"}
    assert machine.schedule(*BY_TIMER).code == Exit.ERROR
    assert machine.etc == before
    machine.fails = set()
    assert set(machine.statuses(*BY_TIMER).values()) == {"done"}
    assert (TIMER_DROP_IN in machine.etc) is not packaged_first
    assert (TIMER in machine.etc) is packaged_first
    assert machine.schedule("status").err == ""
    assert set(machine.statuses(*BY_TIMER).values()) == {"unchanged"}


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize(("first", "then"), [(BY_CRON, BY_TIMER), (BY_TIMER, BY_CRON)])
def test_an_interrupt_leaves_one_means_on_and_a_second_run_finishes(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    first: list[str],
    then: list[str],
    steps: int,
) -> None:
    machine.schedule(*first)
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        # The first one comes once the host was observed, before any step.
        if checks == steps + 2:
            raise InterruptError("stopped by SIGINT", signal=2)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(signals, "check", check)
        assert machine.schedule(*then).code == Exit.INTERRUPTED
    assert observe_schedule(machine.root).method
    if steps:
        assert "do not match: install or remove it again" in machine.schedule("status").err
    assert machine.schedule(*then).code == Exit.DONE
    status = machine.schedule("status")
    assert status.out.startswith(f"every 2min by {then[1].removeprefix('--')}: ")
    assert status.err == ""
    machine.schedule("remove")
    assert machine.etc == {}


@pytest.mark.parametrize(
    ("name", "target", "known"),
    [
        ("usr/sbin/cron", None, "cron"),
        ("usr/sbin/crond", None, "crond"),
        ("usr/sbin/crond", "bin/busybox", None),
        ("usr/lib/systemd/system-generators/systemd-crontab-generator", None, "systemd-cron"),
        ("usr/sbin/fcron", None, None),
    ],
)
def test_a_cron_counts_that_reads_the_directory(
    tmp_path: Path, name: str, target: str | None, known: str | None
) -> None:
    if target is None:
        put(tmp_path, name).chmod(0o755)
    else:
        put(tmp_path, target).chmod(0o755)
        put(tmp_path, name).unlink()
        (tmp_path / name).symlink_to(tmp_path / target)
    found = find_cron(tmp_path)
    assert (found and found.name) == known


def test_the_unit_stops_as_a_user_would_stop_it_and_hides_nothing_in_run() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"KillMode=mixed", "TimeoutStartSec=1h", "UMask=0022"} <= set(lines)
