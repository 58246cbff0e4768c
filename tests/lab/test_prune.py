"""prune against a real array: exactly what it does not offer any more goes, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.lio import Target

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.pair import Lab

pytestmark = [pytest.mark.torture, pytest.mark.fault("F111")]

PREFIX = "iqn.2001-04.com.example:prune"
TARGETS = [f"{PREFIX}.target{n}" for n in range(4)]


def records(lab: Lab) -> set[str]:
    found = lab.host.run("iscsiadm -m node")
    return {line.split()[1] for line in found.out.splitlines()}


def sessions(lab: Lab) -> set[str]:
    found = lab.host.run("cat /sys/class/iscsi_session/*/targetname 2>/dev/null")
    return set(found.out.split())


def database(lab: Lab) -> str:
    """Return all that is in the node database: records, links, discovery records."""
    return lab.host.run("ls -R /etc/iscsi /var/lib/iscsi 2>/dev/null").out


def states(lab: Lab) -> dict[str, str]:
    listed = json.loads(lab.host.run("iscsictl ls -J", check=True, timeout=120).out)
    return {one["target"]: one["status"] for one in listed["sessions"]}


def pruned(lab: Lab, *words: str) -> Result:
    result = lab.host.run(["iscsictl", "prune", "--for", "1s", "-J", *words], timeout=300)
    assert result.code in {0, 10}, str(result)
    return result


def steps(result: Result) -> dict[str, str]:
    return {step["id"]: step["status"] for step in json.loads(result.out)["steps"]}


def wait_until_down(lab: Lab, *down: str) -> None:
    for _ in range(60):
        found = states(lab)
        if all(found.get(iqn) != "up" for iqn in down):
            return
        lab.host.run("sleep 1")
    raise AssertionError(states(lab))


def test_an_array_that_lists_nothing_for_this_host_takes_nothing_away(lab: Lab) -> None:
    lab.array.targets(Target(iqn, (A4,), {}) for iqn in TARGETS)
    lab.host.run(f"iscsiadm -m discovery -t st -p {A4}", check=True)
    lab.host.run(f"iscsiadm -m node -T {TARGETS[0]} -l", check=True)
    for iqn in TARGETS:
        lab.array.remove_target(iqn)
        made = lab.array.target(iqn, initiators=["iqn.2001-04.com.example:another-host"])
        # Otherwise LIO lists targets to hosts that it lets log in nowhere.
        lab.array.run(f"echo 0 > {made.group}/attrib/demo_mode_discovery", check=True)
    wait_until_down(lab, TARGETS[0])
    assert lab.host.run(f"iscsiadm -m discovery -t st -p {A4} -o nonpersistent").out == ""
    before = database(lab)
    assert steps(pruned(lab)) == {}
    assert (records(lab), sessions(lab), database(lab)) == (set(TARGETS), {TARGETS[0]}, before)


def test_what_a_dead_target_leaves_behind_goes_with_it(lab: Lab) -> None:
    """A claim in fstab, a dangling link, and a discovery record without a node record."""
    gone, dangling, other = TARGETS[:3]
    lab.array.targets(Target(iqn, (A4,), {}) for iqn in (gone, dangling))
    claim = (
        "UUID=0aa80dd2-7a3c-4ba2-9bdc-2a4f2f5a8d11 /srv ext4 noauto,nofail,_netdev,"
        f"x-iscsictl.making=naa.1,x-iscsictl.target={gone},x-iscsictl.lun=0 0 0"
    )
    fstab = lab.host.text("/etc/fstab")
    lab.host.run(
        f"""set -e
        iscsiadm -m discovery -t st -p {A4}
        for db in /etc/iscsi /var/lib/iscsi; do rm -rf $db/nodes/{dangling}; done
        echo '{claim}' >> /etc/fstab
        """,
        check=True,
    )
    # As long as the target is there, only the link leads to nothing.
    assert [step.partition(":")[0] for step in steps(pruned(lab, "-n"))] == ["unlink"]
    lab.array.target(other, portals=[A4])
    lab.array.remove_target(gone)
    done = steps(pruned(lab, "-y"))
    assert sorted(step.partition(":")[0] for step in done) == [
        "forget", "undiscover", "unfstab", "unlink"
    ]  # fmt: skip
    assert set(done.values()) == {"done"}
    assert lab.host.text("/etc/fstab") == fstab
    assert records(lab) == set()
    assert dangling not in database(lab)
    assert f"{A4}:3260" not in lab.host.run("iscsiadm -m discovery").out
