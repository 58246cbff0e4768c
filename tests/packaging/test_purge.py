"""What `apt purge` removes from /etc, by the package's own script in a mount namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

POSTRM = Path(__file__).parents[2] / "debian/postrm"
DROP_INS = {
    f"systemd/system/iscsictl-reconnect.{unit}.d/schedule.conf" for unit in ("timer", "service")
}
PRUNE = "systemd/system/iscsictl-reconnect.service.d/prune.conf"
CRON = "cron.d/iscsictl"
RULE = "udev/rules.d/62-iscsictl.rules"
MULTIPATH = "multipath/conf.d/iscsictl.conf"
RESERVE = "systemd/system/iscsictl-reserve@.service"
OURS = DROP_INS | {PRUNE, CRON, RULE, MULTIPATH, RESERVE}
THEIRS = {
    "fstab",
    "systemd/system/iscsictl-reconnect.service.d/local.conf",
    "multipath/conf.d/other.conf",
    "systemd/system/mail.service.d/50-iscsictl-a.conf",
}
NOT_OURS = "UUID=1 / ext4 defaults 0 1\n# UUID=2 /a ext4 x-iscsictl.wwid=naa.1 0 2\n"
ENTRY = "UUID=2 /a ext4 _netdev,x-iscsictl.wwid=naa.1 0 2\n"
SCRIPT = """
mount -t tmpfs tmpfs /etc
cp -r "$1/." /etc
sh "$2" "$3"
cd /etc && find . -type f -printf '%P\\n'
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a mount namespace")


def left(etc: Path, verb: str, fstab: str, program: str = "/usr/bin/iscsictl") -> set[str]:
    """Run the script over a made /etc; return the files that are there afterwards."""
    for name in OURS | THEIRS:
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text("")
    (etc / "fstab").write_text(fstab)
    (etc / CRON).write_text(f"*/5 * * * * root {program} reconnect --quiet\n")
    (etc / PRUNE).write_text(f"[Service]\nExecStartPre=-{program} prune --yes --quiet\n")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", SCRIPT, "sh", etc, POSTRM, verb],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_all_that_is_ours_goes_and_nothing_else(tmp_path: Path) -> None:
    assert left(tmp_path, "purge", NOT_OURS) == THEIRS


def test_what_an_entry_of_fstab_needs_stays(tmp_path: Path) -> None:
    assert left(tmp_path, "purge", ENTRY) == THEIRS | {RULE, MULTIPATH, RESERVE}


def test_the_schedule_of_another_installation_stays(tmp_path: Path) -> None:
    assert left(tmp_path, "purge", NOT_OURS, "/usr/local/bin/iscsictl") == THEIRS | {CRON, PRUNE}


def test_without_purge_configuration_stays(tmp_path: Path) -> None:
    assert left(tmp_path, "remove", NOT_OURS) == THEIRS | OURS
