"""The Debian package: it is reproducible, lintian finds nothing, and its files are in place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl import __version__

ROOT = Path(__file__).parents[2]
DEB = f"iscsictl_{__version__}_all.deb"
PAGES = {f"{page.name}.gz" for page in (ROOT / "docs/man").glob("*.1")}

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs a Debian system")


def build(directory: Path, umask: int, zone: str) -> Path:
    """Build the package as `make deb` does, for an admin with that umask and time zone."""
    done = subprocess.run(
        [ROOT / "packaging/build-deb", directory],
        capture_output=True, text=True, check=False, umask=umask, env=os.environ | {"TZ": zone},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"), 0o022, "UTC")


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-x", built / DEB, directory], check=True)
    subprocess.run(["dpkg-deb", "-e", built / DEB, directory / "DEBIAN"], check=True)
    return directory


def test_two_builds_by_different_users_are_equal_byte_for_byte_and_stand_alone(
    built: Path, tmp_path: Path
) -> None:
    (tmp_path / "iscsictl_0.0.1_all.deb").write_bytes(b"of an earlier build")
    other = build(tmp_path, 0o077, "Asia/Tokyo")
    assert [package.name for package in other.glob("*.deb")] == [DEB]
    names = [DEB, f"iscsictl_{__version__}.tar.xz", f"iscsictl_{__version__}.dsc"]
    assert [n for n in names if (built / n).read_bytes() != (other / n).read_bytes()] == []


def test_lintian_finds_nothing_and_nothing_is_overridden(built: Path) -> None:
    (changes,) = built.glob("*.changes")
    done = subprocess.run(
        ["lintian", "--allow-root", "--pedantic", "--display-info", changes],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert list((ROOT / "debian").rglob("*lintian-overrides")) == []


def test_it_depends_on_and_recommends_what_the_readme_lists(unpacked: Path) -> None:
    control = (unpacked / "DEBIAN/control").read_text()
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", control, re.MULTILINE))
    table = (ROOT / "README.md").read_text().partition("| package | for |\n|---|---|\n")[2]
    rows = [line.split("|")[1:3] for line in table.partition("\n\n")[0].splitlines()]
    listed = {name.strip() for names, _ in rows for name in names.split(",")}
    recommended = set(fields["Recommends"].split(", "))
    assert recommended <= listed
    assert listed - recommended == {"fdisk", "e2fsprogs", "cron"}
    assert {"fdisk", "e2fsprogs", "open-iscsi"} <= set(fields["Depends"].split(", "))
    # "Not installed by default", says the table.
    assert fields["Suggests"] == "cron | cron-daemon"


def test_man_pages_and_completions_are_where_debian_looks_for_them(unpacked: Path) -> None:
    share = unpacked / "usr/share"
    assert {page.name for page in (share / "man/man1").iterdir()} == PAGES
    for name in (
        "bash-completion/completions/iscsictl.bash",
        "zsh/vendor-completions/_iscsictl",
        "fish/vendor_completions.d/iscsictl.fish",
    ):
        assert (share / name).read_bytes() == (ROOT / "completions" / Path(name).name).read_bytes()


def test_the_units_run_the_packaged_program_and_are_complete(unpacked: Path) -> None:
    units = unpacked / "usr/lib/systemd/system"
    service = (units / "iscsictl-reconnect.service").read_text()
    timer = (units / "iscsictl-reconnect.timer").read_text()
    assert "ExecStart=/usr/bin/iscsictl reconnect --quiet\n" in service
    assert "OnUnitInactiveSec=120s\nRandomizedDelaySec=12s\n" in timer
    for text in (service, timer):
        assert text.startswith("[Unit]\n")
        assert "@" not in text


def test_no_file_is_in_a_directory_that_is_a_link_on_debian(unpacked: Path) -> None:
    # Debian policy of trixie, 10.1: /bin, /lib and /sbin are links to those of /usr.
    assert {place.name for place in unpacked.iterdir()} == {"DEBIAN", "usr"}


def test_a_removal_stops_a_reconnect_at_work_before_its_bytecode_is_removed(
    unpacked: Path,
) -> None:
    # What runs on writes the bytecode of a module that it imports, and dpkg does not know of it.
    script = (unpacked / "DEBIAN/prerm").read_text()
    lines = [line.strip() for line in script.splitlines()]
    stop = next(i for i, line in enumerate(lines) if "stop iscsictl-reconnect.timer" in line)
    assert "iscsictl-reconnect.service" in lines[stop]
    assert stop < next(i for i, line in enumerate(lines) if line.startswith("py3clean"))
