"""Programs that print nonsense about a disk: no command takes it for an answer and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import mounted, run_on
from tests.lab.test_disks import IQN, login, shell
from tests.lab.test_guards import commands_for, sha256

if TYPE_CHECKING:
    from tests.lab.pair import Lab

pytestmark = [pytest.mark.every_suite, pytest.mark.fault("F68")]

TOOLS = ("wipefs", "blkid", "sfdisk")
#: What printf(1) makes of it is printed instead of an answer.
NONSENSE = {
    "nothing": "",
    "bytes": r"\000\377\033]0;x\007{\n=\n",
    "cut": r'{\n   "signatures": [\n      {"device": "sda", "offset"',
    "other-types": r'{"signatures": 7, "partitiontable": ["gpt"], "blockdevices": {}}\nTYPE\n',
    "endless-line": "%065536d",
}
#: The directory of programs that comes first on every path.
FIRST = "/usr/local/sbin"


def say_nonsense(lab: Lab, text: str) -> None:
    """Have each of `TOOLS` print `text` and exit with 0."""
    for tool in TOOLS:
        lab.host.put(f"{FIRST}/{tool}", f"#!/bin/sh\nprintf '{text}' 0\n".encode(), 0o755)


def give_back(lab: Lab) -> None:
    shell(lab, f"cd {FIRST} && rm {' '.join(TOOLS)}")


def left_on(lab: Lab) -> str:
    return shell(lab, "cat /etc/fstab; ls /sys/class/iscsi_session; mount | grep /srv; true")


def test_nonsense_about_a_disk_with_data_is_no_leave_to_write_it(lab: Lab) -> None:
    disk = lab.array.disk("theirs", "256M")
    (device,) = login(lab, disk)
    shell(lab, f"mkfs.ext4 -q {device} && sync")
    before, state = sha256(lab, disk), left_on(lab)
    for name, text in NONSENSE.items():
        say_nonsense(lab, text)
        for command in commands_for(disk):
            done = lab.host.run(command, timeout=240)
            assert done.code not in {0, 10}, (name, done)
            assert "Traceback" not in done.err, (name, done)
            assert "\u001b" not in done.out + done.err, (name, done)
            assert "iscsictl: " in done.err, (name, done)
            assert (sha256(lab, disk), left_on(lab)) == (before, state), (name, done)
        give_back(lab)


def test_an_attach_that_was_told_nonsense_is_rolled_back_and_works_afterwards(lab: Lab) -> None:
    disk = lab.array.disk("blank", "256M")
    lab.array.target(f"{IQN}two", [disk], portals=[A4])
    state, empty = left_on(lab), sha256(lab, disk)
    attach = f"iscsictl attach -p {A4} -T {IQN}two --fs ext4 --mount /srv/two"
    for name, text in NONSENSE.items():
        say_nonsense(lab, text)
        done = lab.host.run(attach, timeout=240)
        assert done.code not in {0, 10}, (name, done)
        assert "Traceback" not in done.err, (name, done)
        assert left_on(lab) == state, (name, done)
        assert sha256(lab, disk) == empty, (name, done)
        give_back(lab)
    run_on(lab.host, attach)
    assert mounted(lab.host) == {"two"}
