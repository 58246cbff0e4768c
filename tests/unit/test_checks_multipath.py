"""The rules of doctor on multipath, each on a map that breaks it and on one that does not."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.checks.examine import examine
from iscsictl.model.finding import Level
from iscsictl.model.host_facts import KernelRoute, Machine, Policy, Program
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, Disk, Listing, Mount, Timeouts
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.services import Daemon
from tests.unit.healthy_host import NETWORK, SOUND, bad, disk, found, session

WWID = "360014051234"
PATHS = {"/dev/sda": WWID, "/dev/sdb": WWID}
HEALTHY = MultipathFacts(
    installed=True, running=True, enabled=True, listed=frozenset({WWID}), spelled=PATHS,
    queueing={"m": "120 chk"},
)  # fmt: skip
SECOND = Portal("198.51.100.5", 3260, 1)
ROUTES = (KernelRoute("192.0.2.0/24", "eth0"), KernelRoute("198.51.100.0/24", "eth1"))


POLICIES: Known[tuple[Policy, ...]] = Known((Policy("192.0.2.0/24"), Policy("198.51.100.0/24")))


def machine(over: Disk, **facts: Any) -> Machine:
    """A host with two sessions on two networks, and one disk that both lead to."""
    quick = Timeouts(recovery=5)
    second = session(sid=2, portal=SECOND, persistent_portal=SECOND, timeouts=quick)
    sessions = (session(timeouts=quick), second)
    return replace(
        SOUND,
        multipathd=Daemon(9),
        multipath=replace(HEALTHY, **facts),
        listing=Listing(sessions, (over,)),
        network=replace(NETWORK, routes=ROUTES, policies=POLICIES),
        programs={**SOUND.programs, "multipath": Program("multipath", "/sbin/multipath")},
    )


MAP = disk(2, "mpath")


def test_a_map_over_two_networks_that_waits_long_enough_is_ok() -> None:
    assert bad(machine(MAP)) == {}


@pytest.mark.parametrize(
    ("queueing", "words"),
    [
        ("off", "fails at once"),
        ("-", "fails at once"),
        ("12 chk", "fails 60 s after"),
        ("on", "forever"),
    ],
)
def test_a_map_that_waits_too_short_or_without_end_is_named(queueing: str, words: str) -> None:
    asked = machine(MAP, queueing={"m": queueing})
    assert bad(asked) == {"multipath-queue": Level.WARN}
    finding = found(asked, "multipath-queue")
    assert words in finding.message
    assert "no_path_retry 24" in (finding.fix or "")


@pytest.mark.fault("F93")
def test_a_map_that_gave_up_waiting_is_not_said_to_be_configured_so() -> None:
    lost = MAP._replace(paths=tuple(p._replace(state="transport-offline") for p in MAP.paths))
    levels = bad(machine(lost, queueing={"m": "off"}))
    assert (levels["multipath-paths"], levels.get("multipath-queue")) == (Level.FAIL, None)


def test_the_checks_of_a_map_are_counted_in_seconds_of_the_polling_interval() -> None:
    assert bad(machine(MAP, queueing={"m": "12 chk"}, polling_interval=10)) == {}
    assert bad(machine(MAP, queueing={"m": "55 sec"})) == {}


def test_a_path_outside_of_the_map_is_named_and_the_array_is_not_blamed() -> None:
    first, second = MAP.paths
    alone = MAP._replace(paths=(second,), block=Block("/dev/sdb", "disk"))
    asked = machine(MAP._replace(paths=(first,)))
    apart = asked.listing._replace(disks=(MAP._replace(paths=(first,)), alone))
    levels = bad(replace(asked, listing=apart))
    assert (levels["multipath-paths"], levels.get("disk-identity")) == (Level.WARN, None)
    fixes = [
        one.fix or "" for one in examine(replace(asked, listing=apart)) if one.level is Level.WARN
    ]
    # `multipathd add path` would trust the WWID that the kernel remembers.
    assert any("attach it again" in fix and "multipath -v3 /dev/sdb" in fix for fix in fixes)
    other = apart._replace(disks=(MAP._replace(paths=(first,)), alone._replace(serial="another")))
    assert bad(replace(asked, listing=other))["disk-identity"] is Level.FAIL


def test_a_standby_path_that_multipathd_takes_for_failed_is_named() -> None:
    first, second = MAP.paths
    standby = MAP._replace(paths=(first, second._replace(access="standby")))
    known = {first.device: "ready", second.device: "ghost"}
    assert bad(machine(standby, checked=known)) == {}
    failed = machine(standby, checked={**known, second.device: "faulty"})
    assert bad(failed) == {"multipath-paths": Level.WARN}
    assert second.device in found(failed, "multipath-paths").message
    assert "path_checker tur" in (found(failed, "multipath-paths").fix or "")


def test_a_mount_on_a_path_beside_its_map_is_a_failure() -> None:
    first, second = MAP.paths
    part = Block("/dev/sdb1", "part", mounts=(Mount("/srv", ("rw",)),))
    alone = MAP._replace(paths=(second,), block=Block("/dev/sdb", "disk", children=(part,)))
    empty = MAP._replace(paths=(first,), block=MAP.block._replace(children=()))
    asked = machine(empty)
    beside = replace(asked, listing=asked.listing._replace(disks=(empty, alone)))
    (finding,) = [
        one for one in examine(beside) if one.id == "multipath-paths" and "/srv" in one.message
    ]
    assert finding.level is Level.FAIL
    assert "/srv is mounted on /dev/sdb, beside its map /dev/mapper/m" in finding.message
    assert "iscsictl detach /srv" in (finding.fix or "")
    assert "verifies" not in (finding.fix or "")


def test_endless_failover_is_named_with_its_section() -> None:
    asked = machine(MAP, endless_failover=("device LIO-ORG",))
    assert bad(asked) == {"multipath-failover": Level.WARN}
    assert "device LIO-ORG" in found(asked, "multipath-failover").message


def test_a_daemon_that_does_not_start_at_boot_is_named() -> None:
    assert bad(machine(MAP, enabled=False)) == {"multipath-boot": Level.WARN}


def test_a_daemon_that_does_not_run_or_does_not_answer_is_named() -> None:
    stopped = machine(MAP, running=False, spelled={}, queueing={})
    assert bad(stopped) == {"multipath-daemon": Level.FAIL}
    assert found(stopped, "multipath-daemon").fix == "systemctl start multipathd.service"
    silent = machine(MAP, answers=False, spelled={}, queueing={})
    assert bad(silent) == {"multipath-daemon": Level.WARN}
    # Without a map nobody needs it.
    assert "multipath-daemon" not in bad(machine(disk(1), running=False))


def test_two_paths_through_one_nic_are_named_unless_ifaces_may_bind_them() -> None:
    one_nic = replace(NETWORK, routes=(KernelRoute("0.0.0.0/0", "eth0", "192.0.2.1"),))
    shared = replace(machine(MAP), network=one_nic)
    assert bad(shared)["multipath-nic"] is Level.WARN
    assert "eth0" in found(shared, "multipath-nic").message
    first, second = shared.listing.sessions
    bound = shared.listing._replace(sessions=(first, second._replace(iface="netB")))
    assert "multipath-nic" not in bad(replace(shared, listing=bound))


@pytest.mark.parametrize(
    ("facts", "words", "fix"),
    [
        ({"listed": frozenset()}, "is not in /etc/multipath/wwids", "multipath -a /dev/sda"),
        ({"spelled": {"/dev/sdz": "3f"}}, "configuration excludes it", "show blacklist"),
        ({"spelled": {}}, "destroys data", "multipath -v3 /dev/sda"),
    ],
    ids=["not allowed", "excluded", "nobody knows"],
)
def test_the_reason_why_there_is_no_map_is_told(
    facts: dict[str, Any], words: str, fix: str
) -> None:
    finding = found(
        machine(disk(2)._replace(block=Block("/dev/sda", "disk")), **facts), "multipath-map"
    )
    assert finding.level is Level.FAIL
    assert words in finding.message
    assert fix in (finding.fix or "")


def test_a_mount_on_one_path_is_why_there_is_no_map() -> None:
    block = Block("/dev/sda", "disk", mounts=(Mount("/srv", ("rw",)),))
    finding = found(machine(disk(2)._replace(block=block)), "multipath-map")
    assert "/srv is mounted on a single path" in finding.message
    assert "iscsictl detach /srv" in (finding.fix or "")
