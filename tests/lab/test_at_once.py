"""Several `attach` of different targets at once, which share fstab, units and multipath's files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import IQN, mounted, run_on, sessions
from tests.lab.onmap import start_multipathd

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

NAMES = [f"v{number}" for number in range(6)]
SECTIONS = "/etc/multipath/conf.d/iscsictl.conf"
UNIT = "[Service]\nExecStart=true\n"
#: An attach on a map takes about 30 s when it has the emulated processor for itself.
PATIENCE = 600.0


def ended_well(host: Guest, commands: list[str]) -> None:
    """Run commands side by side; each must exit 0."""
    ended = [run.wait(PATIENCE) for run in [host.start(command) for command in commands]]
    assert [result.code for result in ended] == [0] * len(commands), ended
    assert not [result for result in ended if "Traceback" in result.err]


def failures(host: Guest) -> list[str]:
    """What `doctor` calls a failure."""
    found = json.loads(host.run("iscsictl doctor -J", timeout=PATIENCE).out)["findings"]
    return [str(finding) for finding in found if finding["level"] == "fail"]


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F02")
@pytest.mark.fault("F90")
@pytest.mark.fault("F96")
def test_attaches_of_six_targets_at_once_lose_no_line_of_the_files_that_they_share(
    session_lab: Lab,
) -> None:
    """`--timeout` is not given: who waits for another must wait long enough by itself."""
    lab = start_multipathd(session_lab)
    host, array = lab.host, lab.array
    host.put("/etc/systemd/system/mail.service", UNIT)
    for name in NAMES:
        array.target(IQN + name, [array.disk(name, "64M")], portals=[A4, B4])
    before = host.text("/etc/fstab")
    ended_well(host, [
        f"iscsictl attach -p {A4} -T {IQN}{name} --fs ext4 --mount /srv/{name} "
        "--required-by mail.service"
        for name in NAMES
    ])  # fmt: skip

    assert mounted(host) == set(NAMES)
    run_on(host, "umount /srv/v* && systemctl start " + " ".join(f"srv-{n}.mount" for n in NAMES))
    assert mounted(host) == set(NAMES)
    entries = host.text("/etc/fstab").removeprefix(before).splitlines()
    assert sorted(line.split()[1] for line in entries) == [f"/srv/{name}" for name in NAMES]
    assert "iscsictl.making" not in "".join(entries)
    sources = run_on(host, "findmnt -rno SOURCE -t ext4 | grep mapper").out.split()
    assert len(set(sources)) == len(NAMES)
    assert host.text(SECTIONS).count("wwid ") == len(NAMES)
    required = run_on(host, "systemctl show -P RequiresMountsFor mail.service").out.split()
    assert sorted(required) == [f"/srv/{name}" for name in NAMES]
    units = ["mail.service", *(f"srv-{name}.mount" for name in NAMES)]
    stale = run_on(host, f"systemctl show -P NeedDaemonReload {' '.join(units)}").out.split()
    assert set(stale) == {"no"}
    run_on(host, "findmnt --verify && multipath -t >/dev/null && iscsiadm -m node >/dev/null")
    assert failures(host) == []

    ended_well(host, [f"iscsictl detach /srv/{name} --timeout 10min" for name in NAMES])
    assert mounted(host) == set()
    assert sessions(host) == {}
    assert host.text("/etc/fstab") == before
    assert not host.exists(SECTIONS)
    assert run_on(host, "dmsetup ls --target multipath").out.split() == ["No", "devices", "found"]
    assert failures(host) == []
