"""A mounted filesystem on a map of which no path works: no command waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import run_on
from tests.lab.onmap import ATTACH, IQN, path_states, start_multipathd, wait_for
from tests.lab.rundir import NETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.pair import Lab

pytestmark = pytest.mark.every_suite


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A host with a filesystem on a map; both networks are out. I/O waits for 600 s."""
    lab = start_multipathd(session_lab)
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("mail", "256M")], portals=[A4, B4])
    run_on(host, ATTACH)
    run_on(host, "iscsictl export > /root/volumes.toml")
    for net in NETS:
        lab.cut(net)
    wait_for(lambda: path_states(host) == ["faulty", "faulty"])
    return lab


def exit_codes(lab: Lab, commands: Iterable[str]) -> dict[str, int]:
    """Run commands, each of which has to end, and leave the mount as it is; return their codes."""
    host, codes = lab.host, {}
    fstab = host.text("/etc/fstab")
    for command in commands:
        result = host.run(f"iscsictl {command}", timeout=100)
        assert not result.timed_out, command
        assert "Traceback" not in result.err, result.err
        assert result.code != 2, str(result)
        codes[command.partition(" --timeout")[0]] = result.code
    assert host.text("/etc/fstab") == fstab
    lab.restore_cables()
    wait_for(lambda: path_states(host) == ["ready", "ready"], 120)
    run_on(host, "echo written > /srv/mail/file; sync -f /srv/mail")
    return codes


@pytest.mark.fault("F97")
def test_no_command_hangs_on_a_map_without_a_path(lab: Lab) -> None:
    codes = exit_codes(lab, (
        "ls", "ls --tree", "doctor --timeout 10", "reconnect --timeout 10", "disk ls",
        "disk show /srv/mail", "disk grow /srv/mail -y", "rescan --timeout 10",
        f"{ATTACH.removeprefix('iscsictl ')} --timeout 10", "detach /srv/mail --timeout 10",
        "umount /srv/mail --timeout 10", "fstab check", "export", "report /root/report.tar.gz",
        "ls -l", "nodes ls", "fstab ls", "service status", "boot check", "watch --timeout 5",
    ))  # fmt: skip
    assert (codes["ls"], codes["doctor"]) == (0, 1), codes
    assert codes["detach /srv/mail"] == codes["umount /srv/mail"] == 6, codes


@pytest.mark.fault("F97")
def test_no_command_that_would_write_hangs_on_a_map_without_a_path(lab: Lab) -> None:
    disk = lab.array.state.disks["mail"].wwid
    writing = (
        f"disk label {disk} gpt --yes --timeout 10",
        f"disk mkfs {disk} --fs ext4 --yes --timeout 10",
        f"disk part add {disk} --rest --yes --timeout 10",
        f"disk part rm {disk} 1 --yes --timeout 10",
        f"attach -p {A4} -T {IQN} --wipe --confirm {disk} --fs xfs --mount /srv/x --timeout 10",
    )
    others = (
        f"disk part verify {disk}", f"login -T {IQN} --timeout 10",
        f"logout -T {IQN} --timeout 10", "mount /srv/mail --timeout 10",
        "plan /root/volumes.toml --timeout 10", "apply /root/volumes.toml --timeout 10",
        f"detach /srv/mail --lost --confirm {disk} -n", f"prune {IQN} -n --timeout 10",
        f"take-over {IQN} --lun 0 --confirm 0x1 -n", "doctor --fix -n --timeout 10",
    )  # fmt: skip
    codes = exit_codes(lab, (*writing, *others))
    refused = {command.partition(" --timeout")[0] for command in writing}
    assert 0 not in {codes[command] for command in refused}, codes
