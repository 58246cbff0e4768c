"""`detach` where something is already gone: the array, the record, the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import B4
from tests.lab.onhost import IQN, attached, lost, mounted, run_on, sessions

if TYPE_CHECKING:
    from tests.lab.pair import Lab

#: Seconds that each command below may take: far less than the 600 s for which I/O waits.
SOON = 120.0
#: Until no process waits in the kernel for a disk.
NOTHING_WAITS = "until ! ps -eo stat | grep -q ^D; do sleep 0.2; done"


@pytest.mark.every_suite
@pytest.mark.fault("F31")
@pytest.mark.fault("F71")
def test_detach_ends_soon_on_a_dead_array_and_with_lost_forgets_it(lab: Lab) -> None:
    host = lab.host
    gone = attached(lab, "gone")
    kept = attached(lab, "kept", portal=B4)
    run_on(host, "echo kept > /srv/kept/file; echo synced > /srv/gone/file; sync")
    sitting = host.start("cd /srv/gone && exec sleep 1000")
    run_on(host, "echo late > /srv/gone/file")  # stays in memory: the array never gets it
    up = run_on(host, f"iscsictl detach /srv/gone --lost --confirm {gone.wwid}", 9, timeout=SOON)
    assert "is not lost" in up.err
    lab.cut("A")
    run_on(host, "until grep -q FAILED /sys/class/iscsi_session/*/state; do sleep 0.2; done")

    refused = run_on(host, "iscsictl detach /srv/gone", 6, timeout=SOON)
    assert "does not answer" in refused.err
    assert f"iscsictl detach /srv/gone --lost --confirm {gone.wwid}" in refused.err
    run_on(host, f"iscsictl detach /srv/gone --lost --confirm {kept.wwid}", 9, timeout=SOON)
    assert mounted(host) == set(sessions(host)) == {"gone", "kept"}

    said = run_on(host, f"iscsictl detach /srv/gone --lost --confirm {gone.wwid}", timeout=SOON)
    assert "data not yet written to /srv/gone is lost" in said.err
    assert "(sleep) works in /srv/gone, which is lost" in said.err
    assert mounted(host) == set(sessions(host)) == {"kept"}
    assert "/srv/gone" not in host.text("/etc/fstab")
    run_on(host, "iscsictl detach /srv/gone", timeout=SOON)
    sitting.signal()
    sitting.wait()
    assert run_on(host, "echo more >> /srv/kept/file && sync && cat /srv/kept/file").out
    run_on(host, NOTHING_WAITS, timeout=SOON)


@pytest.mark.torture
@pytest.mark.fault("F31")
@pytest.mark.fault("F71")
def test_detach_with_lost_does_not_wait_for_what_was_never_written(lab: Lab) -> None:
    host = lab.host
    gone = attached(lab, "gone")
    # Nobody works there: the unmount ends the filesystem, and writes what is in memory first.
    run_on(host, "echo late > /srv/gone/file")
    lab.cut("A")
    run_on(host, "until grep -q FAILED /sys/class/iscsi_session/*/state; do sleep 0.2; done")
    run_on(host, f"iscsictl detach /srv/gone --lost --confirm {gone.wwid}", timeout=SOON)
    assert mounted(host) == set(sessions(host)) == set()
    run_on(host, NOTHING_WAITS, timeout=SOON)


@pytest.mark.fault("F31")
def test_detach_works_without_a_record_and_without_a_session(lab: Lab) -> None:
    host = lab.host
    attached(lab, "one")
    attached(lab, "two")
    records = f"/etc/iscsi/nodes/{IQN}one /var/lib/iscsi/nodes/{IQN}one"
    run_on(host, f"rm -r $(ls -d {records} 2>/dev/null)")
    run_on(host, "iscsictl detach /srv/one")
    lost(host, "two")
    run_on(host, "iscsictl detach /srv/two")
    assert mounted(host) == set(sessions(host)) == set()
    assert "/srv/" not in host.text("/etc/fstab")
