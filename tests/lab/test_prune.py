"""prune against a real array: exactly what it does not offer any more goes, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.lio import Target

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.pair import Lab

pytestmark = pytest.mark.fault("F111")

PREFIX = "iqn.2001-04.com.example:prune"
TARGETS = [f"{PREFIX}.target{n}" for n in range(4)]
LIVE = [f"{PREFIX}.live{n}" for n in range(50)]
DEAD = [f"{PREFIX}.dead{n}" for n in range(300)]
#: Of the dead targets those that this host was logged in to, one of them without its record.
LOGGED_IN = DEAD[:50]
WITHOUT_RECORD = DEAD[0]


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


def prepare(lab: Lab) -> None:
    """Live and dead targets; one of the live ones has lost its connection over the network B."""
    portals = {LIVE[0]: (A4, B4)}
    lab.array.targets(Target(iqn, portals.get(iqn, (A4,)), {}) for iqn in (*LIVE, *DEAD))
    paths = [f"$db/{iqn}/{A4},*/default" for iqn in (*LIVE[1:], *LOGGED_IN)]
    # At once: iscsiadm takes seconds for each of them in an emulated guest.
    lab.host.run(
        f"""set -e
        iscsiadm -m discovery -t st -p {A4} >/dev/null
        db=$(ls -d /etc/iscsi/nodes /var/lib/iscsi/nodes 2>/dev/null | tail -1)
        sed -i -E 's/^(node.conn.0..timeo.noop_out_.*) = .*/\\1 = 1/' $db/{LIVE[0]}/{B4},*/default
        sed -i 's/^node.startup = manual/node.startup = automatic/' \\
            $db/{LIVE[0]}/{B4},*/default {" ".join(paths)}
        iscsiadm -m node --loginall=automatic >/dev/null
        rm -rf $db/{WITHOUT_RECORD}
        find $db/../send_targets -name '{WITHOUT_RECORD},*' -delete
        """,
        check=True,
        timeout=900,
    )
    for iqn in DEAD:
        lab.array.remove_target(iqn)


def wait_until_down(lab: Lab, *down: str) -> None:
    for _ in range(60):
        found = states(lab)
        if all(found.get(iqn) != "up" for iqn in down):
            return
        lab.host.run("sleep 1")
    raise AssertionError(states(lab))


@pytest.mark.torture
def test_exactly_300_dead_records_and_50_dead_sessions_go(lab: Lab) -> None:
    prepare(lab)
    lab.cut("B")
    wait_until_down(lab, LIVE[0], *LOGGED_IN)
    before = records(lab), sessions(lab), database(lab)
    assert (len(before[0]), len(before[1])) == (349, 100)

    forecast = pruned(lab, "-n")
    assert (records(lab), sessions(lab), database(lab)) == before

    done = pruned(lab, "-y")
    assert steps(forecast).keys() == steps(done).keys()
    assert set(steps(done).values()) == {"done"}
    # One of the 300 had lost its record already.
    assert len(steps(done)) == 299 + 50
    assert records(lab) == set(LIVE)
    assert sessions(lab) == set(LIVE)
    print(f"prune took {done.seconds:.1f} s")


@pytest.mark.torture
def test_nothing_goes_while_the_array_that_would_prove_it_gone_is_silent_or_refuses(
    lab: Lab,
) -> None:
    gone, other = TARGETS[:2]
    lab.array.targets(Target(iqn, (A4,), {}) for iqn in (gone, other))
    lab.host.run(f"iscsiadm -m discovery -t st -p {A4}", check=True)
    lab.array.remove_target(gone)
    before = database(lab)
    for reject in (False, True):
        lab.array.block(A4, reject=reject)
        assert steps(pruned(lab, "-y", "--timeout", "5s")) == {}
        lab.array.unblock()
    assert database(lab) == before
    forget = [step.partition(":")[0] for step in steps(pruned(lab, "-n"))]
    assert forget == ["forget"]


def test_an_array_that_lists_nothing_for_this_host_takes_nothing_away(lab: Lab) -> None:
    lab.array.targets(Target(iqn, (A4,), {}) for iqn in TARGETS)
    lab.host.run(f"iscsiadm -m discovery -t st -p {A4}", check=True)
    lab.host.run(f"iscsiadm -m node -T {TARGETS[0]} -l", check=True)
    for iqn in TARGETS:
        lab.array.remove_target(iqn)
        made = lab.array.target(iqn, initiators=["iqn.2001-04.com.example:another-host"])
        # Otherwise LIO lists targets to hosts that it lets log in nowhere.
        lab.array.run(f"echo 0 > {made.groups[0].directory}/attrib/demo_mode_discovery", check=True)
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
