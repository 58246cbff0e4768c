"""Enabling and disabling a unit, with a systemctl of our own that is busy, or forgets it."""

from pathlib import Path

import pytest

from iscsictl.engine.handlers.registry import execute_action, inverse
from iscsictl.engine.runtime import open_context
from iscsictl.errors import IscsictlError
from iscsictl.model.actions import EnableService
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.system.host import systemd
from iscsictl.system.io import process
from tests.unit.fake_root import put

pytestmark = pytest.mark.fault("F32")

UNIT = "open-iscsi.service"
LINK = f"etc/systemd/system/sysinit.target.wants/{UNIT}"
BUSY = "echo 'Failed to disable unit: Connection timed out' >&2; exit 1"


def with_systemctl(root: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a systemctl into PATH that notes each call in `calls`; return that file."""
    calls = root / "calls"
    tool = put(root, "bin/systemctl", f"#!/bin/sh\necho \"$2\" >>'{calls}'\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{root}/bin:/usr/bin:/bin")
    link = root / LINK
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"/lib/systemd/system/{UNIT}")
    return calls


def test_a_link_that_is_gone_counts_though_the_reload_timed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = with_systemctl(tmp_path, monkeypatch, f"rm -f '{tmp_path}/{LINK}'; {BUSY}")
    context = open_context(1.0, tmp_path)
    undo = inverse(EnableService(UNIT), execute_action(EnableService(UNIT, on=False), context))
    assert not systemd.enabled(UNIT, tmp_path)
    assert undo == EnableService(UNIT, on=False)
    assert calls.read_text() == "disable\n"


def test_systemd_that_is_busy_reloading_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"[ $(wc -l <'{tmp_path}/calls') -ge 3 ] || {{ {BUSY}; }}; rm '{tmp_path}/{LINK}'"
    calls = with_systemctl(tmp_path, monkeypatch, script)
    systemd.disable(UNIT, tmp_path)
    assert calls.read_text() == "disable\n" * 3


@pytest.mark.parametrize(
    ("script", "times"), [(BUSY, 3), ("echo 'Unit is masked.' >&2; exit 1", 1)],
    ids=["always busy", "masked"],
)  # fmt: skip
def test_what_cannot_be_disabled_is_an_error_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, times: int
) -> None:
    calls = with_systemctl(tmp_path, monkeypatch, script)
    with pytest.raises(IscsictlError, match="systemctl: "):
        systemd.disable(UNIT, tmp_path)
    assert calls.read_text() == "disable\n" * times
    assert systemd.enabled(UNIT, tmp_path)


@pytest.mark.fault("F89")
@pytest.mark.parametrize(("forgets", "started"), [(True, ["start"]), (False, [])])
def test_a_service_that_systemd_forgets_when_it_is_enabled_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgets: bool, started: list[str]
) -> None:
    active = tmp_path / "run/systemd/units" / f"invocation:{UNIT}"
    active.parent.mkdir(parents=True)
    active.symlink_to("0123456789abcdef")
    # `start` has the verb as its first argument, `--quiet` comes before the others.
    script = f'[ "$1" != start ] || echo start >>{tmp_path}/calls; '
    script += f'[ "$2" != is-active ] || exit {3 if forgets else 0}'
    calls = with_systemctl(tmp_path, monkeypatch, script)
    (tmp_path / LINK).unlink()
    assert execute_action(EnableService(UNIT), open_context(1.0, tmp_path)).changed
    done = [word for word in calls.read_text().split() if word != "--no-block"]
    assert done == ["enable", "is-active", *started]


@pytest.mark.fault("F89")
def test_a_service_that_did_not_run_is_enabled_and_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = with_systemctl(tmp_path, monkeypatch, "")
    (tmp_path / LINK).unlink()
    assert execute_action(EnableService(UNIT), open_context(1.0, tmp_path)).changed
    assert calls.read_text() == "enable\n"


def test_a_login_service_without_a_file_is_told_from_one_that_is_only_disabled(
    tmp_path: Path,
) -> None:
    assert not read_host_facts(tmp_path).service_defined
    put(tmp_path, "lib/systemd/system/open-iscsi.service", "[Unit]\n")
    facts = read_host_facts(tmp_path)
    assert (facts.service_defined, facts.service_enabled) == (True, False)
