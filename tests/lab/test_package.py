"""The Debian package on a guest without the project: install, use, reboot, upgrade, purge."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.install import PROJECT, install_package
from tests.lab.onhost import IQN, mounted, run_on, statuses

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
TIMER = "iscsictl-reconnect.timer"
RULE = "/etc/udev/rules.d/62-iscsictl.rules"
DROP_IN = f"/etc/systemd/system/{TIMER}.d/schedule.conf"
METRICS = "/root/iscsi.prom"
#: Where iscsiadm keeps records and links, below /etc/iscsi or, on Debian 13, /var/lib/iscsi.
RECORDS = ("nodes", "static")
#: Seconds for one command: an emulated guest on a busy machine is slow.
PATIENCE = 300.0
ATTACH = (
    f"iscsictl attach -p {A4} --chap-user myaccount --chap-secret-file /root/myaccount.secret "
    "--fs ext4 --mount /srv/mail"
)
#: Where an admin's configuration and a package's files are; logs and caches of apt are not.
PLACES = "/etc /usr /lib /opt /srv /root /var/lib/systemd /var/lib/iscsi /var/spool/cron"
LIST = f"find {PLACES} -xdev -not -name __pycache__ -not -name '*.pyc' -printf '%y %p %l\\n' | sort"


def files(host: Guest) -> set[str]:
    """All files of the places where something could be left behind, with what links point to."""
    return set(run_on(host, LIST).out.splitlines())


def timer(host: Guest) -> tuple[str, str]:
    """Whether the timer is enabled, and whether it is active."""
    state = host.run(f"systemctl is-enabled {TIMER}; systemctl is-active {TIMER}").out.split()
    return state[0], state[1]


@pytest.mark.every_suite
def test_a_host_is_installed_used_rebooted_upgraded_and_purged_and_only_what_is_named_is_left(
    bare_lab: Lab, package: Path
) -> None:
    host, array = bare_lab.host, bare_lab.array
    before = files(host)
    install_package(host, package)
    assert timer(host) == ("disabled", "inactive")
    assert run_on(host, "iscsictl schedule status").out == "not scheduled\n"

    # The README's first five minutes.
    assert run_on(host, "iscsictl initiator show").out.count("iqn.") == 1
    run_on(host, "iscsictl chap generate --out /root/myaccount.secret", timeout=PATIENCE)
    secret = host.get("/root/myaccount.secret").decode().strip()
    disk = array.disk("mail", "64M")
    array.target(f"{IQN}mail", [disk], portals=[A4], chap=("myaccount", secret))
    assert f"{IQN}mail" in run_on(host, f"iscsictl discover {A4}", timeout=PATIENCE).out
    run_on(host, f"{ATTACH} -n", code=10, timeout=PATIENCE)
    run_on(host, ATTACH, timeout=PATIENCE)
    again = run_on(host, f"{ATTACH} -J", timeout=PATIENCE)
    assert set(statuses(again).values()) == {"unchanged"}
    assert json.loads(host.run("iscsictl doctor -J", timeout=PATIENCE).out)["schema"] == (
        "iscsictl.doctor/1"
    )

    install = f"iscsictl schedule install --every 5min --metrics {METRICS}"
    run_on(host, install, timeout=PATIENCE)
    assert timer(host) == ("enabled", "active")
    run_on(host, f"rm -f {METRICS}; systemctl start iscsictl-reconnect.service",
        timeout=PATIENCE)  # fmt: skip
    series = f'{{target="{IQN}mail",portal="{A4}:3260",iface="default"'
    values = dict(
        line.rsplit(" ", 1) for line in host.get(METRICS).decode().splitlines() if line[0] != "#"
    )
    assert values[f"iscsictl_sessions_up{series}}}"] == "1"
    assert values[f"iscsictl_sessions_wanted{series}}}"] == "1"
    disk_series = f'{series},lun="0",wwid="{disk.wwid}"}}'
    assert int(values[f"iscsictl_written_bytes_total{disk_series}"]) > 0
    assert {"iscsictl_command_errors_total" + disk_series} <= values.keys()
    shown = run_on(host, f"systemctl show {TIMER} -p TimersMonotonic -p RandomizedDelayUSec").out
    assert "OnUnitInactiveUSec=5min" in shown
    assert "OnUnitInactiveUSec=2min" not in shown
    assert "OnBootUSec=45s" in shown
    assert "RandomizedDelayUSec=30s" in shown

    host.shutdown()
    host.boot()
    assert mounted(host) == {"mail"}
    assert timer(host) == ("enabled", "active")
    # An upgrade to the same version runs the scripts of any upgrade.
    install_package(host, package, "--reinstall")
    assert timer(host) == ("enabled", "active")
    said = run_on(host, "iscsictl reconnect", timeout=PATIENCE).err
    assert said == "all connected, 1 mounted\n"

    run_on(host, "iscsictl detach /srv/mail --forget", timeout=PATIENCE)
    run_on(host, "apt-get purge -y iscsictl", timeout=600)
    # The files that an admin named are the admin's, and so is the mount point's directory.
    named = {"f /root/myaccount.secret ", f"f {METRICS} ", "d /srv/mail "}
    # iscsiadm and multipathd create these, and the README says that they remain.
    theirs = {f"d {db}/{what} " for db in ("/etc/iscsi", "/var/lib/iscsi") for what in RECORDS}
    theirs |= {"d /etc/multipath ", "f /etc/multipath/bindings ", "f /etc/multipath/wwids "}
    assert files(host) - before - theirs == named
    assert before - files(host) == set()
    assert host.run(f"systemctl is-active {TIMER}").out == "inactive\n"


def test_a_purge_keeps_what_entries_of_fstab_need_and_what_belongs_to_others(
    bare_lab: Lab, package: Path
) -> None:
    host, array = bare_lab.host, bare_lab.array
    install_package(host, package)
    array.target(f"{IQN}mail", [array.disk("mail", "64M")], portals=[A4])
    run_on(host, f"iscsictl attach -p {A4} -T {IQN}mail --fs ext4 --mount /srv/mail "
        "--required-by mail.service")  # fmt: skip
    run_on(host, "iscsictl schedule install --cron")
    theirs = "*/5 * * * * root /usr/local/bin/iscsictl reconnect --quiet\n"
    host.put("/etc/cron.d/iscsictl", theirs)
    run_on(host, "mkdir -p /etc/multipath/conf.d " + str(Path(DROP_IN).parent))
    host.put("/etc/multipath/conf.d/iscsictl.conf", "multipaths {\n}\n")
    host.put(f"{Path(DROP_IN).parent}/local.conf", "[Timer]\n")
    host.put(DROP_IN, "[Timer]\n")
    before = files(host)
    table = host.get("/etc/fstab")

    run_on(host, "apt-get purge -y iscsictl", timeout=600)
    gone = {line.split()[1] for line in before - files(host)}
    assert {path for path in gone if path.startswith("/etc")} == {DROP_IN}
    assert host.get("/etc/fstab") == table
    assert host.get("/etc/cron.d/iscsictl").decode() == theirs
    host.shutdown()
    host.boot()
    assert mounted(host) == {"mail"}

    # The same package again takes over what is there; without entries, nothing is kept.
    install_package(host, package)
    run_on(host, "iscsictl detach /srv/mail")
    run_on(host, "iscsictl schedule install --cron")
    run_on(host, "apt-get purge -y iscsictl", timeout=600)
    left = host.run(f"ls {RULE} /etc/multipath/conf.d/iscsictl.conf /etc/cron.d/iscsictl")
    assert left.out == ""


def test_a_package_takes_over_the_schedule_of_an_installation_by_pip(
    lab: Lab, package: Path
) -> None:
    host = lab.host
    run_on(host, "iscsictl schedule install --every 1min")
    install_package(host, package)
    run_on(host, "/usr/bin/iscsictl schedule install --every 5min")
    for _ in range(2):
        assert timer(host) == ("enabled", "active")
        found = run_on(host, f"systemctl show {TIMER} -p FragmentPath -p DropInPaths").out
        assert f"/lib/systemd/system/{TIMER}\n" in found
        assert f"DropInPaths={DROP_IN}\n" in found
        host.shutdown()
        host.boot()
    # And back again.
    run_on(host, "iscsictl schedule install --every 1min")
    assert timer(host) == ("enabled", "active")
    found = run_on(host, f"systemctl show {TIMER} -p FragmentPath -p DropInPaths").out
    assert f"FragmentPath=/etc/systemd/system/{TIMER}\n" in found
    assert DROP_IN not in found


@pytest.mark.every_suite
def test_autopkgtest_passes(bare_lab: Lab, package: Path, tmp_path: Path) -> None:
    host = bare_lab.host
    subprocess.run(["tar", "-C", PROJECT, "-czf", tmp_path / "source.tar.gz", "debian"], check=True)
    host.put("/root/iscsictl.deb", package.read_bytes())
    host.put("/root/source.tar.gz", (tmp_path / "source.tar.gz").read_bytes())
    run_on(host, "mkdir source && tar -C source -xf source.tar.gz", cwd="/root")
    # autopkgtest then takes the tree for built, and needs no dpkg-source to unpack it.
    run_on(host, "touch source/debian/files", cwd="/root")
    done = host.run(
        "autopkgtest --no-built-binaries --ignore-restrictions isolation-machine "
        "./iscsictl.deb ./source -- null",
        cwd="/root", timeout=900,
    )  # fmt: skip
    print(done.out, done.err)
    assert "installed-program    PASS (superficial)" in done.out + done.err
    assert "attach-over-loopback PASS" in done.out + done.err
    assert done.code == 0
