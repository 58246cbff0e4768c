"""Enabling and disabling a unit, with a systemctl of our own that is busy, or forgets it."""

from pathlib import Path

import pytest

from iscsictl.engine.handlers.registry import execute_action, inverse
from iscsictl.engine.runtime import open_context
from iscsictl.errors import IscsictlError
from iscsictl.model.actions import EnableService
from iscsictl.model.plan import Status
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.planner.builder import PlanBuilder, add_login_service
from iscsictl.system.host import systemd
from iscsictl.system.host.unit_files import read_unit
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


@pytest.mark.parametrize(
    "directory",
    [
        "run/systemd/generator.early", "etc/systemd/system", "run/systemd/system",
        "run/systemd/generator", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
        "lib/systemd/system", "run/systemd/generator.late",
    ],
)  # fmt: skip
def test_a_unit_counts_wherever_systemd_looks_for_units(tmp_path: Path, directory: str) -> None:
    put(tmp_path, f"{directory}/iscsi.service", "[Service]\nExecStart=iscsiadm -m node -L manual\n")
    facts = read_host_facts(tmp_path)
    assert (facts.login_service, facts.service_defined) == ("iscsi.service", True)
    assert facts.login_startups == {"manual"}
    assert read_unit("iscsi.service", tmp_path).defined


def test_a_unit_of_the_admin_comes_before_one_that_is_for_this_boot_and_a_package_s_last(
    tmp_path: Path,
) -> None:
    places = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
    files = [put(tmp_path, f"{place}/system/{UNIT}") for place in places]
    while files:
        assert systemd.unit_file(UNIT, tmp_path) == files[0]
        files.pop(0).unlink()


def with_script(root: Path) -> None:
    """Put a SysV script of the login service there, without a unit."""
    put(root, "etc/init.d/open-iscsi", "#!/bin/sh\n").chmod(0o755)


@pytest.mark.parametrize("runlevel", ["S", "2", "5"])
def test_a_script_that_a_runlevel_starts_logs_in_at_boot(tmp_path: Path, runlevel: str) -> None:
    with_script(tmp_path)
    put(tmp_path, "etc/rc0.d/K01open-iscsi")
    assert not read_host_facts(tmp_path).service_enabled
    put(tmp_path, f"etc/rc{runlevel}.d/S17open-iscsi")
    builder = PlanBuilder()
    add_login_service(builder, read_host_facts(tmp_path))
    assert [step.status for step in builder.steps] == [Status.UNCHANGED]
    assert not builder.notes


def test_a_script_that_no_runlevel_starts_is_enabled_by_systemd_or_named_with_the_command(
    tmp_path: Path,
) -> None:
    with_script(tmp_path)
    builder = PlanBuilder()
    add_login_service(builder, read_host_facts(tmp_path))
    assert not builder.steps
    (note,) = builder.notes
    assert note == (
        "nothing logs in at boot, because no runlevel starts /etc/init.d/open-iscsi: update-rc.d "
        "open-iscsi defaults"
    )
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    builder = PlanBuilder()
    add_login_service(builder, read_host_facts(tmp_path))
    assert [step.status for step in builder.steps] == [Status.PLANNED]


def test_the_script_of_a_unit_says_nothing_of_whether_it_is_enabled(tmp_path: Path) -> None:
    # Debian's package has both, and links the script into the runlevels in any case.
    with_script(tmp_path)
    put(tmp_path, "etc/rcS.d/S17open-iscsi")
    put(tmp_path, f"lib/systemd/system/{UNIT}")
    assert not systemd.enabled(UNIT, tmp_path)
    (tmp_path / f"lib/systemd/system/{UNIT}").unlink()
    put(tmp_path, f"run/systemd/generator.late/{UNIT}")
    assert systemd.enabled(UNIT, tmp_path)
