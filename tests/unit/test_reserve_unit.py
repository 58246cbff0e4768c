"""The unit that reserves the LUN of an exclusive volume, and the entry that requires it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl.errors import MissingError
from iscsictl.model.fstab import Fstab
from iscsictl.model.reserve_unit import reserve_unit
from iscsictl.parse.fstab import append_line, mount_line, parse_fstab, render_fstab
from iscsictl.system.mount import reserve_unit_file
from iscsictl.system.mount.fstab_file import save_fstab

UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
UNIT = r"iscsictl-reserve@6ba7b810\x2d9dad\x2d11d1\x2d80b4\x2d00c04fd430c8.service"
GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")

pytestmark = pytest.mark.fault("F101")


def entry(*, exclusive: bool) -> Fstab:
    line = mount_line(
        UUID, "/srv/mail", "ext4", (), login_service="open-iscsi.service", wwid="naa.6001405aa",
        target="iqn.2024-01.com.example:mail", lun=0, exclusive=exclusive,
    )  # fmt: skip
    return append_line(parse_fstab(b"# first\n"), line)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with systemd's directory, and an iscsictl that only root can replace."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(
        reserve_unit_file, "require_own_program", lambda *_: "/usr/bin/50%/iscsictl"
    )
    return tmp_path


def test_the_unit_is_named_as_systemd_escapes_the_uuid() -> None:
    assert reserve_unit(UUID) == UNIT
    tool = shutil.which("systemd-escape")
    if tool is not None:
        command = [tool, "--template=iscsictl-reserve@.service", UUID]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == UNIT


def test_the_note_of_an_exclusive_entry_is_read_back() -> None:
    (line,) = parse_fstab(render_fstab(entry(exclusive=True))).ours
    assert line.exclusive
    assert "x-iscsictl.exclusive" in line.options
    assert f"x-systemd.requires={UNIT}" in line.options
    (line,) = entry(exclusive=False).ours
    assert not line.exclusive
    assert not any("reserve" in option for option in line.options)


@pytest.mark.skipif(not GENERATOR.exists(), reason="no systemd here")
def test_systemd_reads_from_the_entry_that_the_mount_requires_the_unit(tmp_path: Path) -> None:
    (tmp_path / "fstab").write_bytes(render_fstab(entry(exclusive=True)))
    made = tmp_path / "units"
    made.mkdir()
    subprocess.run(
        [GENERATOR, made, made, made], check=True, capture_output=True,
        env={"SYSTEMD_FSTAB": str(tmp_path / "fstab")},
    )  # fmt: skip
    lines = (made / "srv-mail.mount").read_text(encoding="utf-8").splitlines()
    assert f"Requires={UNIT}" in lines
    assert f"After={UNIT}" in lines


def test_the_unit_is_there_as_long_as_an_exclusive_entry_is(host: Path) -> None:
    empty = parse_fstab(b"# first\n")
    (host / "etc/fstab").write_bytes(render_fstab(empty))
    unit = reserve_unit_file.path_of(host)
    save_fstab(host, entry(exclusive=False), empty, verify=None)
    assert not unit.exists()
    save_fstab(host, entry(exclusive=True), entry(exclusive=False), verify=None)
    text = unit.read_text(encoding="utf-8")
    assert "\nExecStart=/usr/bin/50%%/iscsictl reserve --quiet %I\n" in text
    assert r"After=dev-disk-by\x2duuid-%i.device " in text
    assert unit.stat().st_mode & 0o777 == 0o644
    save_fstab(host, empty, entry(exclusive=True), verify=None)
    assert not unit.exists()


def test_the_program_of_the_unit_stays_until_it_is_gone(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = host / "iscsictl"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(reserve_unit_file, "require_own_program", lambda *_: str(program))
    reserve_unit_file.install_if_needed(host, entry(exclusive=True))

    def fail(runner: str, _: str) -> str:
        raise MissingError(f"__main__.py cannot be run by {runner}")

    monkeypatch.setattr(reserve_unit_file, "require_own_program", fail)
    assert reserve_unit_file.require_program(host) == str(program)
    reserve_unit_file.install_if_needed(host, entry(exclusive=True))
    program.unlink()
    with pytest.raises(MissingError, match="by systemd"):
        reserve_unit_file.require_program(host)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_the_unit(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve_unit_file, "require_own_program", lambda *_: "/bin/true")
    reserve_unit_file.install_if_needed(host, entry(exclusive=True))
    directory = reserve_unit_file.path_of(host).parent
    instance = directory / UNIT
    instance.symlink_to(reserve_unit_file.path_of(host).name)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", instance],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert UNIT not in done.stderr
    assert done.returncode == 0, done.stderr
