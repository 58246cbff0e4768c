"""Checks that weigh several things, or say what to do by what else is seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks.examine import examine
from iscsictl.checks.repair import plan_repairs
from iscsictl.model.actions import ClearLock, EnableService, Protect, Reload, RemoveCorruptRecord
from iscsictl.model.finding import Level
from iscsictl.model.hold import Hold
from iscsictl.model.host_facts import (
    Clock,
    Kernel,
    KernelLogErrors,
    KernelRoute,
    Lock,
    Machine,
    MountHealth,
    Nic,
    PathMtu,
    Program,
)
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, Listing
from iscsictl.model.names import Portal
from iscsictl.model.record import IfaceRecord
from iscsictl.model.services import Daemon, Systemd
from iscsictl.parse.fstab import parse_fstab
from tests.unit.healthy_host import (
    BARE,
    IQN,
    LOGIN,
    NAME,
    NETWORK,
    SOUND,
    bad,
    db,
    disk,
    found,
    record,
    session,
    with_network,
    with_units,
)


@pytest.mark.fault("F35")
def test_a_session_in_reopen_says_what_to_do() -> None:
    lost = session(status="recovering", session_state="FAILED", internal_state="REOPEN")
    machine = replace(SOUND, listing=Listing((lost,), (disk(),)))
    answering = found(machine, "session-state")
    assert "REOPEN" in answering.message
    assert "600 s" in answering.message
    assert "journalctl -u iscsid" in str(answering.fix)
    network = replace(NETWORK, silent=Known({BARE: "no answer within 5 s"}))
    silent = found(replace(machine, network=network), "session-state")
    assert "no answer within 5 s" in str(silent.fix)
    alone = found(replace(machine, iscsid=None), "session-state")
    assert "start iscsid" in str(alone.fix)


@pytest.mark.fault("F20")
@pytest.mark.parametrize(
    ("name", "changed", "breaks", "level"),
    [
        ("iqn.1993-08.org.debian:01:123456789abc", 2e9, 0, Level.WARN),
        ("iqn.2001-04.com.example:host1", 2e9, 0, Level.WARN),
        (NAME, 1e9 - 100, 0, Level.WARN),
        (NAME, 2e9, 9, Level.FAIL),
    ],
)
def test_a_cloned_initiator_name_is_reported(
    name: str, changed: float, breaks: int, level: Level
) -> None:
    machine = replace(
        SOUND,
        initiator=InitiatorName(exists=True, name=name, changed=changed, machine_changed=1e9),
        listing=Listing((session(initiator=name),), (disk(),)),
        trouble=Known(KernelLogErrors({1: breaks})),
    )
    assert found(machine, "initiator-clone").level is level


def test_a_session_that_breaks_because_its_portal_is_dead_is_no_clone() -> None:
    machine = replace(
        with_network(silent=Known({BARE: "no answer"})), trouble=Known(KernelLogErrors({1: 9}))
    )
    assert "initiator-clone" not in bad(machine)


@pytest.mark.fault("F54")
def test_packets_that_are_too_large_for_the_path_are_named() -> None:
    lost = found(
        with_network(path_mtu={BARE: PathMtu(small=True, large=False, bytes=1500)}), "net-mtu"
    )
    assert lost.level is Level.FAIL
    assert "1500" in lost.message
    assert "MTU" in lost.message
    assert "eth0" in str(lost.fix)


@pytest.mark.fault("F56")
def test_an_array_out_of_space_is_named() -> None:
    text = "the kernel says: critical space allocation error on sda1"
    full = found(
        replace(SOUND, trouble=Known(KernelLogErrors({}, {"/dev/sda1": text}))), "disk-errors"
    )
    assert full.level is Level.FAIL
    assert "out of space" in str(full.fix)


@pytest.mark.fault("F56")
def test_what_the_kernel_says_of_a_disk_counts_for_the_mount_on_its_partition() -> None:
    text = "the kernel says: critical space allocation error on sda"
    errors = KernelLogErrors({}, {"/dev/sda": text})
    machine = replace(SOUND, trouble=Known(errors))
    full = found(machine, "disk-errors")
    assert (full.subject, "out of space" in str(full.fix)) == ("/srv", True)
    read_only = MountHealth("/srv", "/dev/sda1", "ext4", read_only=True)
    fallen = found(replace(machine, mounts=(read_only,)), "fs-readonly")
    assert text in fallen.message
    assert "out of space" in str(fallen.fix)
    assert "disk-errors" not in bad(replace(machine, mounts=(read_only,)))


def test_errors_of_disks_that_are_not_iscsi_are_none_of_ours() -> None:
    errors = {f"/dev/{name}": f"the kernel says: I/O error on {name}"
              for name in ("fd0", "sr0", "sdb", "sdb1")}  # fmt: skip
    machine = replace(SOUND, trouble=Known(KernelLogErrors({}, errors)))
    assert "disk-errors" not in bad(machine)
    assert "disk-errors" not in bad(replace(machine, listing=Listing()))


def test_errors_of_a_map_and_of_another_volume_are_told_apart() -> None:
    other = Block("/dev/mapper/other", kind="lvm")
    map_ = disk(2, "mpath")
    map_ = map_._replace(block=map_.block._replace(children=(*map_.block.children, other)))
    machine = replace(SOUND, listing=Listing((session(),), (map_,)), mounts=SOUND.mounts)
    for device, subject in (("/dev/mapper/m", "/srv"), ("/dev/mapper/other", "/dev/mapper/other")):
        errors = {device: "the kernel says: I/O error"}
        lost = found(replace(machine, trouble=Known(KernelLogErrors({}, errors))), "disk-errors")
        assert lost.subject == subject
        assert f"the LUN of {device}" in str(lost.fix)


def test_two_nics_in_one_subnet_need_the_settings_for_it() -> None:
    routes = (KernelRoute("192.0.2.0/24", "eth0"), KernelRoute("192.0.2.0/24", "eth1"))
    pair = found(with_network(routes=routes), "net-one-subnet")
    assert "arp_ignore=1" in str(pair.fix)
    tuned = {n: Nic(n, arp_ignore=1, arp_announce=2, rp_filter=2) for n in ("eth0", "eth1")}
    assert "net-one-subnet" not in bad(with_network(routes=routes, nics=tuned))


def test_a_subnet_that_leads_to_no_portal_may_be_on_two_nics() -> None:
    # Zeroconf (RFC 3927) gives each NIC a route to all of 169.254.0.0/16.
    routes = (
        KernelRoute("192.0.2.0/24", "eth0"),
        KernelRoute("169.254.0.0/16", "eth0", metric=1002),
        KernelRoute("169.254.0.0/16", "eth1", metric=1003),
    )
    assert "net-one-subnet" not in bad(with_network(routes=routes))


def test_two_nics_in_the_subnet_of_the_router_to_a_portal_count() -> None:
    routes = (
        KernelRoute("198.51.100.0/24", "eth0"),
        KernelRoute("198.51.100.0/24", "eth1"),
        KernelRoute("192.0.2.0/24", "eth0", "198.51.100.1"),
    )
    assert found(with_network(routes=routes), "net-one-subnet").level is Level.WARN


def test_the_firmware_may_have_a_name_of_its_own() -> None:
    other = session(initiator="iqn.2001-04.com.x:firmware")
    machine = replace(SOUND, listing=Listing((other,), (disk(),)))
    assert "initiator-session" in bad(machine)
    booted = replace(machine, boot_targets=frozenset({IQN}))
    assert "initiator-session" not in bad(booted)


def test_a_public_portal_over_the_default_route_is_exposed() -> None:
    away = replace(record(), portal=Portal("8.8.8.8", 3260, 1))
    machine = replace(SOUND, db=db(away), listing=Listing())
    assert {"portal-public", "portal-default-route", "digest-routed", "ipsec-policy"} <= set(
        bad(machine)
    )


def test_nothing_is_said_of_the_way_that_an_adapter_has_for_itself() -> None:
    hba = record(**{"iface.transport_name": "qedi"})
    machine = replace(
        with_network(silent=Known({BARE: "no answer"}), policies=Known(()), routes=()),
        kernel=Kernel("6.1.0", modules={"qedi": "loaded"}),
        db=db(hba),
        listing=Listing((session(transport="qedi"),), (disk(),)),
    )
    assert bad(machine) == {}
    lost = session(transport="qedi", status="recovering")
    lost_machine = replace(machine, listing=Listing((lost,), (disk(),)))
    assert "answers" not in str(found(lost_machine, "session-state").fix)


def test_a_record_without_an_account_is_warned_about() -> None:
    plain = replace(record(), values={"node.startup": "automatic"})
    assert bad(replace(SOUND, db=db(plain))) == {"chap-none": Level.WARN}


def test_a_leading_login_through_another_iface_is_enough() -> None:
    first = replace(record(**{"node.leading_login": "Yes"}), iface="eth0")
    machine = replace(SOUND, db=db(first))
    assert "session-missing" not in bad(machine)
    alone = replace(first, values={**first.values, "node.leading_login": "No"})
    assert "session-missing" in bad(replace(SOUND, db=db(alone)))
    strange = Listing((session(target=f"{IQN}2"),), (disk(),))
    assert "session-missing" in bad(replace(machine, listing=strange))


def test_what_is_on_hold_is_not_missed() -> None:
    machine = replace(SOUND, listing=Listing(), holds=(Hold(target=IQN),))
    assert "session-missing" not in bad(machine)


def test_a_manual_record_needs_neither_service_nor_portal() -> None:
    manual = record(**{"node.startup": "manual"})
    machine = replace(
        with_units(enabled=False), db=db(manual), listing=Listing(), fstab=Known(parse_fstab(b""))
    )
    network = replace(NETWORK, silent=Known({BARE: "refused"}))
    levels = bad(replace(machine, network=network))
    assert "service-login" not in levels
    assert levels["portal-reachable"] is Level.WARN


def test_the_module_of_an_iface_is_the_one_that_is_needed() -> None:
    iface = IfaceRecord(path=Path("/x"), values={"iface.transport_name": "iser"}, name="rdma")
    machine = replace(SOUND, db=db(replace(record(), iface="rdma"), ifaces=(iface,)))
    assert found(machine, "kernel-transport").subject == "iser"


BARE_CONTAINER = Machine(
    kernel=Kernel("6.1.0", has_modules=False, modules={"iscsi_tcp": "missing"}, contained=True),
    programs={name: Program(name) for name in ("iscsiadm", "iscsid")},
    clock=Clock(2e9, synchronized=False),
    systemd=Systemd(running=False),
)


@pytest.mark.parametrize("systemd", [False, True])
def test_without_open_iscsi_no_fix_is_told_twice(systemd: bool) -> None:
    machine = replace(BARE_CONTAINER, systemd=Systemd(running=systemd))
    wrong = [one for one in examine(machine) if one.level in {Level.WARN, Level.FAIL}]
    assert len(wrong) > 3 - systemd
    assert len({one.fix for one in wrong}) == len(wrong)


def test_in_a_bare_container_no_fix_needs_systemd() -> None:
    wrong = [one for one in examine(BARE_CONTAINER) if one.level in {Level.WARN, Level.FAIL}]
    fixes = [str(one.fix) for one in wrong]
    assert [fix for fix in fixes if "systemctl" in fix or "timedatectl" in fix] == []
    assert found(BARE_CONTAINER, "kernel-transport").fix == (
        "on the host of this container: modprobe iscsi_tcp"
    )
    assert found(BARE_CONTAINER, "tools-open-iscsi").subject == "open-iscsi"
    assert {"kernel-modules", "iscsid-running"} & bad(BARE_CONTAINER).keys() == set()


def test_without_systemd_iscsid_is_started_by_its_own_command() -> None:
    machine = replace(SOUND, iscsid=None, systemd=replace(SOUND.systemd, running=False))
    assert found(machine, "iscsid-running").fix == "iscsid"
    assert found(replace(machine, listing=Listing()), "iscsid-running").fix == "iscsid"
    lost = session(status="recovering", session_state="FAILED")
    machine = replace(machine, listing=Listing((lost,), (disk(),)))
    assert found(machine, "session-state").fix == "iscsid"


def test_modules_that_are_gone_are_told_once() -> None:
    gone = replace(SOUND, kernel=replace(SOUND.kernel, has_modules=False))
    assert "kernel-modules" in bad(gone)
    assert "kernel-transport" not in bad(gone)
    missing = replace(gone, kernel=replace(gone.kernel, modules={}))
    assert "kernel-modules" not in bad(missing)
    assert "/lib/modules/6.1.0" in found(missing, "kernel-transport").message


def test_the_plan_of_fix_holds_the_safe_repairs_and_no_other() -> None:
    corrupt = replace(record(), problem="is empty", path=Path("/etc/iscsi/nodes/corrupt"))
    open_ = replace(record(), mode=0o644)
    machine = replace(
        with_units(enabled=False),
        lock=Lock("/run/lock/iscsi/lock.write", 100),
        db=db(open_, corrupt),
        iscsid=Daemon(400, "T", replaced=True),
        listing=Listing((session(status="down"),)),
    )
    machine = replace(machine, systemd=replace(machine.systemd, stale=True))
    plan = plan_repairs(examine(machine))
    assert {step.action for step in plan.steps} == {
        Reload(),
        EnableService(LOGIN),
        EnableService("iscsid.socket"),
        ClearLock(),
        RemoveCorruptRecord(corrupt.path, keep_copy=True),
        Protect(open_.path),
    }
    assert any("is stopped" in note for note in plan.notes)
