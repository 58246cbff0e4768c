"""A fix of doctor that is done on the made machine ends its finding, and brings no new one."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.model.host_facts import KernelRoute, Machine, MountHealth, Nic, PathMtu
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Listing, Timeouts
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.services import Daemon
from tests.unit.healthy_host import (
    BARE,
    IQN,
    SOUND,
    bad,
    db,
    disk,
    found,
    record,
    session,
    with_network,
    with_record,
    with_units,
)

_KEY = "node.session.timeo.replacement_timeout"


def set_mtu(machine: Machine, name: str, mtu: str) -> Machine:
    """ip link set NAME mtu N: smaller packets pass, whatever is in the way."""
    network = machine.network
    nic = replace(network.nics[name], mtu=int(mtu))
    passed = {
        portal: replace(seen, bytes=int(mtu), large=True)
        for portal, seen in network.path_mtu.items()
        if any(route.nic == name and portal.address.startswith(route.prefix.rpartition(".")[0])
               for route in network.routes)
    }  # fmt: skip
    return replace(
        machine,
        network=replace(
            network,
            nics={**network.nics, name: nic},
            path_mtu={**network.path_mtu, **passed},
        ),
    )


def set_sysctl(machine: Machine, key: str, value: str) -> Machine:
    """sysctl -w net.ipv4.conf.all.KEY=N: the higher of `all` and the NIC's own counts."""
    change: dict[str, Any] = {key: int(value)}
    nics = {name: replace(nic, **change) for name, nic in machine.network.nics.items()}
    return replace(machine, network=replace(machine.network, nics=nics))


def set_key(machine: Machine, target: str, key: str, value: str) -> Machine:
    """iscsictl nodes set, and a login after it: the kernel then has the record's timeout."""
    assert target == IQN
    assert isinstance(machine.db, Known)
    records = tuple(
        replace(one, values={**one.values, key: value}) for one in machine.db.value.records
    )
    machine = replace(machine, db=Known(replace(machine.db.value, records=records)))
    if key != _KEY:
        return machine
    again = tuple(
        one._replace(timeouts=Timeouts(int(value), 30, 30, 15)) for one in machine.listing.sessions
    )
    return replace(machine, listing=machine.listing._replace(sessions=again))


def set_disk_timeout(machine: Machine, seconds: str, name: str) -> Machine:
    """echo N > /sys/block/NAME/device/timeout."""
    return replace(machine, disk_timeouts={**machine.disk_timeouts, f"/dev/{name}": int(seconds)})


def set_digests(machine: Machine, target: str, header: str, data: str) -> Machine:
    """iscsictl login with digests, which writes them into the record."""
    key = "node.conn[0].iscsi.{}Digest"
    machine = set_key(machine, target, key.format("Header"), header.upper())
    return set_key(machine, target, key.format("Data"), data.upper())


def enable(machine: Machine, name: str) -> Machine:
    """systemctl enable."""
    assert name == "multipathd.service"
    return replace(machine, multipath=replace(machine.multipath, enabled=True))


def enable_services(machine: Machine) -> Machine:
    """iscsictl service enable, which refuses a masked unit."""
    assert not any(one.masked for one in machine.systemd.units.values())
    units = {name: replace(one, enabled=True) for name, one in machine.systemd.units.items()}
    return replace(machine, systemd=replace(machine.systemd, units=units))


def unmask(machine: Machine, names: str) -> Machine:
    """systemctl unmask: one that was never enabled still is not."""
    units = {
        name: replace(one, masked=one.masked and name not in names.split())
        for name, one in machine.systemd.units.items()
    }
    return replace(machine, systemd=replace(machine.systemd, units=units))


def start(machine: Machine, name: str) -> Machine:
    """systemctl start."""
    if name == "iscsid.service":
        return replace(machine, iscsid=Daemon(401))
    assert name == "multipathd.service"
    return replace(machine, multipath=replace(machine.multipath, running=True, answers=True))


def continue_daemon(machine: Machine) -> Machine:
    """kill -CONT."""
    assert machine.iscsid is not None
    return replace(machine, iscsid=replace(machine.iscsid, state="S"))


def set_startup(machine: Machine, target: str, mode: str) -> Machine:
    """iscsictl startup."""
    return set_key(machine, target, "node.startup", mode)


def read_fstab(machine: Machine) -> Machine:
    """systemctl daemon-reload."""
    return replace(machine, systemd=replace(machine.systemd, stale=False))


#: What the commands of fixes do, as far as the made machines below need them.
COMMANDS: dict[str, Callable[..., Machine]] = {
    r"ip link set (\S+) mtu (\d+)": set_mtu,
    r"net\.ipv4\.conf\.all\.(\w+)=(\d+)": set_sysctl,
    r"iscsictl nodes set -T (\S+) (\S+?)=([^\s,;]+(?:,[A-Z0-9-]+)*)": set_key,
    r"echo (\d+) > /sys/block/(\w+)/device/timeout": set_disk_timeout,
    r"iscsictl login -T (\S+) --header-digest (\w+) --data-digest (\w+)": set_digests,
    r"systemctl enable (multipathd\.service)": enable,
    r"iscsictl service enable": enable_services,
    r"systemctl daemon-reload": read_fstab,
    r"systemctl unmask ([\w.-]+(?: [\w.-]+)*)": unmask,
    r"systemctl start (\S+)": start,
    r"kill -CONT \$\(pidof iscsid\)": continue_daemon,
    r"iscsictl startup (\S+) (\w+)": set_startup,
}


def do_what_it_says(machine: Machine, fix: str) -> Machine:
    matches = [
        (match.start(), command, match.groups())
        for pattern, command in COMMANDS.items()
        for match in re.finditer(pattern, fix)
    ]
    assert matches, fix
    for _, command, words in sorted(matches, key=lambda one: one[0]):
        machine = command(machine, *words)
    return machine


OTHER = Portal("198.51.100.5")
TWO_NICS: dict[str, Any] = {
    "nics": {name: Nic(name, mtu=9000) for name in ("eth0", "eth1")},
    "routes": (KernelRoute("192.0.2.0/24", "eth0"), KernelRoute("198.51.100.0/24", "eth1")),
}
ONE_SUBNET = (KernelRoute("192.0.2.0/24", "eth0"), KernelRoute("192.0.2.0/24", "eth1"))
ROUTED = (
    KernelRoute("198.51.100.0/24", "eth1"),
    KernelRoute("192.0.2.0/24", "eth1", "198.51.100.1"),
)


def over_both_nics() -> Machine:
    """Two portals over two NICs of 9000 bytes, which the switch before the first one drops."""
    both = db(record(), replace(record(), portal=replace(OTHER, tpgt=1)))
    machine = with_network(
        **TWO_NICS,
        path_mtu={
            BARE: PathMtu(small=True, large=False, bytes=9000),
            OTHER: PathMtu(small=True, large=True, bytes=9000),
        },
    )
    return replace(machine, db=both)


def with_timeout(seconds: int, *, mapped: bool = False) -> Machine:
    kept = session(timeouts=Timeouts(seconds, 30, 30, 15))
    return replace(SOUND, listing=Listing((kept,), (disk(1, "mpath" if mapped else "disk"),)))


def without_multipathd(*, running: bool = True) -> Machine:
    """A map, whose daemon runs and is not started at boot, or the other way round."""
    facts = MultipathFacts(installed=True, running=running, enabled=not running)
    return replace(with_timeout(5, mapped=True), multipath=facts)


#: Machines with a fault, each with the finding whose fix is done.
FAULTY: dict[str, tuple[str, Machine]] = {
    "lost large packets": ("net-mtu", over_both_nics()),
    "one subnet": ("net-one-subnet", with_network(routes=ONE_SUBNET)),
    "no ping": ("timeout-noop", with_record(**{"node.conn[0].timeo.noop_out_interval": "0"})),
    "no wait": ("timeout-recovery", with_timeout(0)),
    "short wait": ("timeout-recovery", with_timeout(30)),
    "long wait below a map": ("timeout-recovery", with_timeout(600, mapped=True)),
    "short timeout of a disk": ("timeout-disk", replace(SOUND, disk_timeouts={"/dev/sda": 5})),
    "MD5": ("chap-md5", with_record(**{"node.session.auth.chap_algs": "MD5"})),
    "router": ("digest-routed", with_network(routes=ROUTED)),
    "stale units": ("service-reload", replace(SOUND, systemd=replace(SOUND.systemd, stale=True))),
    "no multipathd at boot": ("multipath-boot", without_multipathd()),
    "login service": ("service-login", with_units(enabled=False)),
    "iscsid at boot": ("service-iscsid", with_units(enabled=False)),
    "masked login service": ("service-login", with_units(enabled=False, masked=True)),
    "masked iscsid": ("service-iscsid", with_units(enabled=False, masked=True)),
    "no iscsid": ("iscsid-running", replace(SOUND, iscsid=None)),
    "stopped iscsid": ("iscsid-answers", replace(SOUND, iscsid=Daemon(400, "T"))),
    "no multipathd": ("multipath-daemon", without_multipathd(running=False)),
    "onboot": ("session-startup", with_record(**{"node.startup": "onboot"})),
}


@pytest.mark.parametrize(("id_", "machine"), FAULTY.values(), ids=FAULTY)
def test_the_fix_ends_its_finding_and_brings_no_new_one(id_: str, machine: Machine) -> None:
    before = bad(machine)
    assert id_ in before
    after = bad(do_what_it_says(machine, found(machine, id_).fix or ""))
    assert id_ not in after
    assert after.keys() <= before.keys()


def run_fix(fix: str, directory: Path) -> tuple[int, list[str]]:
    """Run a fix in a shell without a terminal, with an iscsictl that only notes its arguments."""
    program = directory / "bin/iscsictl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {directory}/calls\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", fix], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={"PATH": f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True,
    )  # fmt: skip
    return done.returncode, (directory / "calls").read_text().splitlines()


@pytest.mark.skipif(shutil.which("debugfs", path="/usr/sbin:/sbin") is None, reason="no e2fsprogs")
def test_the_fix_of_a_filesystem_checks_it_between_umount_and_mount(tmp_path: Path) -> None:
    """fsck exits with 1 if it has corrected errors, and asks nothing without a terminal."""
    image, environment = tmp_path / "image", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    image.touch()
    os.truncate(image, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, env=environment)
    damage = ["debugfs", "-w", "-R", "set_super_value state 2", str(image)]
    mount = MountHealth("/srv/mail", str(image), "ext4", read_only=True)
    fix = found(replace(SOUND, mounts=(mount,)), "fs-readonly").fix or ""
    steps = ["umount /srv/mail", f"mount {image} /srv/mail"]
    for number in (1, 2):
        if number == 1:
            subprocess.run(damage, check=True, env=environment, capture_output=True)
        assert run_fix(fix, tmp_path) == (0, steps * number)
    check = subprocess.run(["e2fsck", "-fn", image], check=False, env=environment)
    assert check.returncode == 0
    image.write_bytes(bytes(8 << 20))
    code, calls = run_fix(fix, tmp_path)
    assert code != 0
    assert calls == [*steps * 2, steps[0]]


def test_the_fix_of_xfs_has_the_log_replayed_before_any_repair(tmp_path: Path) -> None:
    """After it has shut down there is a log, and xfs_repair exits with 2 until it is replayed."""
    mount = MountHealth("/srv/mail", "/dev/sda1", "xfs", error="input/output error")
    fix = found(replace(SOUND, mounts=(mount,)), "fs-failing").fix or ""
    assert "xfs_repair /dev/sda1" in fix
    calls = ["umount /srv/mail", "mount /dev/sda1 /srv/mail"]
    assert run_fix(fix.rpartition(": ")[2], tmp_path) == (0, calls)


def test_the_fix_of_a_mtu_names_each_nic_to_a_portal() -> None:
    fix = found(over_both_nics(), "net-mtu").fix or ""
    assert fix.endswith("until then: ip link set eth0 mtu 1400; ip link set eth1 mtu 1400")
