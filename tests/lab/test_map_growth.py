"""A LUN that grows under a map: each filesystem, in a partition and on the whole disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import run_on, statuses
from tests.lab.onmap import IQN, path_states, start_multipathd

if TYPE_CHECKING:
    from tests.lab.pair import Lab


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it."""
    return start_multipathd(session_lab)


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F98")
@pytest.mark.parametrize(
    ("fs", "table"), [("xfs", "gpt"), ("btrfs", "gpt"), ("ext4", "none"), ("btrfs", "none")]
)
def test_each_filesystem_grows_over_a_map_in_a_partition_and_without(
    lab: Lab, fs: str, table: str
) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("mail", "400M")
    array.target(IQN, [disk], portals=[A4, B4])
    run_on(host, f"iscsictl attach -p {A4} -T {IQN} --table {table} --fs {fs} --mount /srv/mail")
    assert path_states(host) == ["ready", "ready"]
    run_on(host, "echo kept > /srv/mail/file; sync")
    array.grow(disk, "800M")
    run_on(host, "iscsictl disk grow /srv/mail -y")
    size = run_on(host, "df --output=size -BM /srv/mail | tail -n 1").out
    assert int(size.strip(" M\n")) > 700
    again = statuses(run_on(host, "iscsictl disk grow /srv/mail -y -J"))
    assert set(again.values()) == {"unchanged"}, again
    if table == "gpt":
        whole = f"/dev/mapper/{run_on(host, 'dmsetup ls --target multipath').out.split()[0]}"
        assert "No errors detected" in run_on(host, f"sfdisk --verify {whole} 2>&1").out
    run_on(host, "umount /srv/mail && mount /srv/mail")
    assert run_on(host, "cat /srv/mail/file").out == "kept\n"
