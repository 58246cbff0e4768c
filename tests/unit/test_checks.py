"""The checks of doctor, each on a machine that has its fault and on one that has not."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.cli.main import entries
from iscsictl.core import fstabcheck
from iscsictl.core.checks import examine
from iscsictl.core.checks.ids import IDS, known
from iscsictl.core.checks.repair import plan_repairs
from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.actions import EnableService, RemoveTorn
from iscsictl.model.health import Finding, Level
from iscsictl.model.hold import Hold
from iscsictl.model.host_actions import ClearLock, Protect, Reload
from iscsictl.model.inventory import Known, Unreadable
from iscsictl.model.listing import Block, Disk, Kind, Listing, Lun, Mount, Session, Timeouts
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.machine import (
    Clock,
    Daemon,
    InitiatorName,
    Kernel,
    Lock,
    Machine,
    MountHealth,
    Network,
    Nic,
    NodeDb,
    PathMtu,
    Policy,
    Program,
    Route,
    Systemd,
    Trouble,
    Unit,
)
from iscsictl.model.names import Portal
from iscsictl.model.record import MASK, IfaceRecord, NodeRecord
from iscsictl.parse.fstab import parse_fstab

CHECKS = Path(__file__).parents[2] / "iscsictl/core/checks"
IQN = "iqn.2001-04.com.example:mail"
NAME = "iqn.1993-08.org.debian:01:5f3e9a0c77d1"
PORTAL = Portal("192.0.2.5", 3260, 1)
BARE = Portal("192.0.2.5")
LOGIN = "open-iscsi.service"
CHAP = {
    "node.session.auth.username": "host",
    "node.session.auth.password": MASK,
    "node.session.auth.password_in": MASK,
    "node.session.auth.chap_algs": "SHA256,MD5",
}


def record(**more: str) -> NodeRecord:
    values = {"node.startup": "automatic", **CHAP, **more}
    path = Path(f"/etc/iscsi/nodes/{IQN}/192.0.2.5,3260,1/default")
    return NodeRecord(path=path, values=values, target=IQN, portal=PORTAL)


def session(**more: Any) -> Session:
    made = Session(
        "sysfs",
        IQN,
        sid=1,
        portal=PORTAL,
        persistent_portal=PORTAL,
        iface="default",
        initiator=NAME,
        status="up",
        session_state="LOGGED_IN",
        timeouts=Timeouts(600, 30, 30, 15),
        luns=(Lun(0, "2:0:0:0", "/dev/sda", "running", "naa.60014051234"),),
    )
    return replace(made, **more)


def disk(paths: int = 1, kind: Kind = "disk") -> Disk:
    ways = tuple(DiskPath(n + 1, f"{n + 2}:0:0:0", f"/dev/sd{'ab'[n]}", "running")
                 for n in range(paths))  # fmt: skip
    child = Block("/dev/sda1", uuid="0a-1", mounts=(Mount("/srv", ("rw",)),))
    device = "/dev/mapper/m" if kind == "mpath" else "/dev/sda"
    block = Block(device, kind=kind, children=(child,))
    return Disk("naa.60014051234", ways, block)


def unit(name: str, **more: Any) -> Unit:
    made = Unit(name, defined=True, enabled=True)
    return replace(made, **more)


def db(*records: NodeRecord, **more: Any) -> Known[NodeDb]:
    return Known(replace(NodeDb("/etc/iscsi", records), **more))


NETWORK = Network(
    {"eth0": Nic("eth0"), "eth1": Nic("eth1")},
    (Route("192.0.2.0/24", "eth0"), Route("0.0.0.0/0", "eth1", "198.51.100.1")),
    Known({}),
    {BARE: PathMtu(small=True, large=True, bytes=1500)},
    Known((Policy("192.0.2.0/24"),)),
)
SOUND = Machine(
    now=2e9,
    kernel=Kernel("6.1.0", modules={"iscsi_tcp": "loaded"}),
    programs={n: Program(n, f"/sbin/{n}", "2.1.8") for n in ("iscsiadm", "iscsid")},
    iscsid=Daemon(400),
    systemd=Systemd(
        units={
            LOGIN: unit(
                LOGIN,
                after=frozenset({"network-online.target", "iscsid.service"}),
                before=frozenset({"remote-fs-pre.target"}),
            ),
            "iscsid.socket": unit("iscsid.socket"),
        },
        online_providers=("NetworkManager-wait-online.service",),
    ),
    initiator=InitiatorName(exists=True, name=NAME, changed=2e9, machine_changed=1e9),
    db=db(record()),
    listing=Listing((session(),), (disk(),)),
    network=NETWORK,
    clock=Clock(2e9, synchronized=True),
    trouble=Known(Trouble()),
    mounts=(MountHealth("/srv", "/dev/sda1", "ext4"),),
    fstab=Known(parse_fstab(b"UUID=0a-1 /srv ext4 _netdev,nofail 0 0\n")),
)


def bad(machine: Machine) -> dict[str, Level]:
    """Return what is not ok, by id."""
    return {f.id: f.level for f in examine(machine) if f.level is not Level.OK}


def found(machine: Machine, id_: str) -> Finding:
    """Return the one finding of that id that is not ok, with what mends it."""
    (only,) = [f for f in examine(machine) if f.id == id_ and f.level is not Level.OK]
    assert only.mend
    return only


def with_record(**more: str) -> Machine:
    return replace(SOUND, db=db(record(**more)))


def with_session(**more: Any) -> Machine:
    return replace(SOUND, listing=Listing((session(**more),), (disk(),)))


def with_network(**more: Any) -> Machine:
    return replace(SOUND, network=replace(NETWORK, **more))


def with_fstab(text: bytes) -> Machine:
    return replace(SOUND, fstab=Known(parse_fstab(text)))


def with_units(**states: Any) -> Machine:
    units = {n: replace(u, **states) for n, u in SOUND.systemd.units.items()}
    return replace(SOUND, systemd=replace(SOUND.systemd, units=units))


def test_a_sound_machine_has_no_complaint() -> None:
    assert bad(SOUND) == {}


def test_a_machine_of_which_nothing_is_known_has_no_traceback() -> None:
    assert examine(Machine())


FAULTS: Iterable[tuple[Machine, str, Level]] = [
    (replace(SOUND, kernel=Kernel("6.1.0")), "kernel-transport", Level.FAIL),
    (
        replace(SOUND, kernel=Kernel("6.1.0", modules={"iscsi_tcp": "blocked"})),
        "kernel-transport",
        Level.FAIL,
    ),
    (replace(SOUND, kernel=replace(SOUND.kernel, has_modules=False)), "kernel-modules", Level.WARN),
    (
        replace(SOUND, programs={**SOUND.programs, "iscsiadm": Program("iscsiadm")}),
        "tools-open-iscsi",
        Level.FAIL,
    ),
    (
        replace(SOUND, programs={**SOUND.programs, "iscsid": Program("iscsid", "/x", "2.1.9")}),
        "tools-versions",
        Level.FAIL,
    ),
    (replace(SOUND, iscsid=Daemon(400, "S", replaced=True)), "tools-versions", Level.WARN),
    (
        replace(SOUND, programs={**SOUND.programs, "sfdisk": Program("sfdisk")}),
        "tools-disk",
        Level.WARN,
    ),
    (replace(SOUND, iscsid=None), "iscsid-running", Level.FAIL),
    (replace(SOUND, iscsid=Daemon(400, "T")), "iscsid-answers", Level.FAIL),
    (replace(SOUND, iscsid=Daemon(400, "D")), "iscsid-answers", Level.FAIL),
    (replace(SOUND, iscsid_error="iscsid does not answer"), "iscsid-answers", Level.FAIL),
    (replace(SOUND, systemd=replace(SOUND.systemd, running=False)), "service-systemd", Level.WARN),
    (replace(SOUND, systemd=replace(SOUND.systemd, stale=True)), "service-reload", Level.WARN),
    (with_units(enabled=False), "service-login", Level.FAIL),
    (with_units(masked=True), "service-login", Level.FAIL),
    (with_units(enabled=False), "service-iscsid", Level.FAIL),
    (with_units(after=frozenset({"iscsid.service"})), "service-order", Level.WARN),
    (with_units(before=frozenset[str]()), "service-order", Level.WARN),
    (
        replace(SOUND, systemd=replace(SOUND.systemd, online_providers=())),
        "boot-network-online",
        Level.WARN,
    ),
    (replace(SOUND, boot_targets=frozenset({IQN})), "boot-firmware", Level.WARN),
    (replace(SOUND, boot_targets=frozenset({IQN + "2"})), "boot-firmware", Level.WARN),
    (replace(SOUND, initiator=InitiatorName()), "initiator-name", Level.FAIL),
    (
        replace(SOUND, initiator=InitiatorName(exists=True, name="host 1")),
        "initiator-name",
        Level.FAIL,
    ),
    (
        replace(SOUND, initiator=InitiatorName(exists=True, name="iqn.2001-04.com.x:Mixed_Case")),
        "initiator-name",
        Level.WARN,
    ),
    (replace(SOUND, initiator_error="permission denied"), "initiator-name", Level.SKIP),
    (with_session(initiator="iqn.2001-04.com.x:old"), "initiator-session", Level.WARN),
    (replace(SOUND, db=Unreadable(IscsictlError("it is torn"))), "nodedb-readable", Level.FAIL),
    (
        replace(SOUND, root=False, db=Unreadable(NeedsRootError("permission denied"))),
        "nodedb-readable",
        Level.SKIP,
    ),
    (replace(SOUND, lock=Lock("/run/lock", 9.0)), "nodedb-lock", Level.FAIL),
    (replace(SOUND, root=False, lock=Lock("/run/lock", 9.0)), "nodedb-lock", Level.SKIP),
    (replace(SOUND, db=db(replace(record(), problem="is empty"))), "nodedb-records", Level.FAIL),
    (replace(SOUND, db=db(replace(record(), mode=0o644))), "nodedb-modes", Level.FAIL),
    (
        replace(SOUND, db=db(record(), config_secret=True, config_mode=0o644)),
        "nodedb-modes",
        Level.FAIL,
    ),
    (replace(SOUND, db=db(replace(record(), iface="eth7"))), "nodedb-iface", Level.FAIL),
    (replace(SOUND, db=db(record(), others=("/var/lib/iscsi",))), "nodedb-place", Level.WARN),
    (
        with_session(status="down", session_state="FREE"),
        "session-state",
        Level.FAIL,
    ),
    (with_session(status="unknown", session_state=None), "session-state", Level.WARN),
    (with_session(luns=()), "session-luns", Level.WARN),
    (
        with_session(luns=(Lun(0, "2:0:0:0", "/dev/sda", "transport-offline"),)),
        "session-luns",
        Level.FAIL,
    ),
    (replace(SOUND, listing=Listing()), "session-missing", Level.FAIL),
    (with_network(silent=Known({BARE: "connection refused"})), "portal-reachable", Level.FAIL),
    (with_network(nics={"eth0": Nic("eth0", state="down")}), "net-link", Level.FAIL),
    (with_network(nics={"eth0": Nic("eth0", speed=100)}), "net-link", Level.WARN),
    (
        with_network(path_mtu={BARE: PathMtu(small=False, large=False, bytes=1500)}),
        "net-mtu",
        Level.SKIP,
    ),
    (replace(SOUND, clock=Clock(1e9, synchronized=True)), "clock", Level.FAIL),
    (replace(SOUND, clock=Clock(2e9, synchronized=False)), "clock", Level.WARN),
    (replace(SOUND, clock=Clock(2e9)), "clock", Level.SKIP),
    (
        replace(SOUND, listing=Listing((session(),), (disk(2),))),
        "multipath-map",
        Level.FAIL,
    ),
    (
        replace(SOUND, multipathd=Daemon(9), listing=Listing((session(),), (disk(1, "mpath"),))),
        "multipath-paths",
        Level.WARN,
    ),
    (with_session(timeouts=Timeouts(5)), "timeout-recovery", Level.WARN),
    (with_session(timeouts=Timeouts(0)), "timeout-recovery", Level.FAIL),
    (
        replace(SOUND, listing=Listing((session(),), (disk(2, "mpath"),))),
        "timeout-recovery",
        Level.WARN,
    ),
    (with_record(**{"node.conn[0].timeo.noop_out_interval": "0"}), "timeout-noop", Level.WARN),
    (replace(SOUND, disk_timeouts={"/dev/sda": 5}), "timeout-disk", Level.WARN),
    (
        replace(SOUND, mounts=(MountHealth("/srv", "/dev/sda1", "ext4", read_only=True),)),
        "fs-readonly",
        Level.FAIL,
    ),
    (
        replace(SOUND, mounts=(MountHealth("/srv", "/dev/sda1", "xfs", error="I/O error"),)),
        "fs-failing",
        Level.FAIL,
    ),
    (
        replace(SOUND, mounts=(MountHealth("/srv", "/dev/sda1", "ext4", errors=3),)),
        "fs-failing",
        Level.FAIL,
    ),
    (with_fstab(b"UUID=0a-1 /srv ext4 nofail 0 0\n"), "fstab-no-netdev", Level.FAIL),
    (with_fstab(b"UUID=0a-1 /srv ext4 _netdev 0 0\n"), "fstab-no-nofail", Level.FAIL),
    (with_fstab(b"/dev/sda1 /srv ext4 _netdev,nofail 0 0\n"), "fstab-device-name", Level.FAIL),
    (
        with_fstab(b"UUID=0a-1 /srv ext4 _netdev,nofail,x-iscsictl.wwid=naa.6001405ffff 0 0\n"),
        "fstab-wrong-disk",
        Level.FAIL,
    ),
    (
        replace(with_fstab(b"UUID=0f-9 /srv ext4 _netdev 0 0\n"), filesystems=frozenset({"0a-1"})),
        "fstab-uuid-nowhere",
        Level.FAIL,
    ),
    (
        replace(SOUND, fstab=Unreadable(IscsictlError("is a directory"))),
        "fstab-readable",
        Level.FAIL,
    ),
    (
        with_network(open_port="0.0.0.0"),
        "security-port",
        Level.WARN,
    ),
    (with_record(**{"node.session.auth.chap_algs": "MD5"}), "chap-md5", Level.WARN),
    (replace(SOUND, db=db(record(), shared_secrets=(("a", "b"),))), "chap-shared", Level.WARN),
    (with_network(policies=Known(())), "ipsec-policy", Level.WARN),
    (
        with_network(policies=Known((Policy("192.0.2.0/24", protects=False),))),
        "ipsec-policy",
        Level.WARN,
    ),
    (with_network(policies=Unreadable(NeedsRootError("not root"))), "ipsec-policy", Level.SKIP),
]


@pytest.mark.parametrize(("machine", "id_", "level"), FAULTS)
def test_a_fault_is_found_with_what_mends_it(machine: Machine, id_: str, level: Level) -> None:
    assert bad(machine).get(id_) is level
    assert all(f.mend for f in examine(machine) if f.id == id_ and f.level.rank >= level.rank
               and f.level is not Level.SKIP)  # fmt: skip


@pytest.mark.fault("F35")
def test_a_session_in_reopen_says_what_to_do() -> None:
    lost = session(status="recovering", session_state="FAILED", internal_state="REOPEN")
    machine = replace(SOUND, listing=Listing((lost,), (disk(),)))
    answering = found(machine, "session-state")
    assert "REOPEN" in answering.seen
    assert "600 s" in answering.seen
    assert "journalctl -u iscsid" in str(answering.mend)
    network = replace(NETWORK, silent=Known({BARE: "no answer within 5 s"}))
    silent = found(replace(machine, network=network), "session-state")
    assert "no answer within 5 s" in str(silent.mend)
    alone = found(replace(machine, iscsid=None), "session-state")
    assert "start iscsid" in str(alone.mend)


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
        trouble=Known(Trouble({1: breaks})),
    )
    assert found(machine, "initiator-clone").level is level


def test_a_session_that_breaks_because_its_portal_is_dead_is_no_clone() -> None:
    machine = replace(
        with_network(silent=Known({BARE: "no answer"})), trouble=Known(Trouble({1: 9}))
    )
    assert "initiator-clone" not in bad(machine)


@pytest.mark.fault("F54")
def test_packets_that_are_too_large_for_the_path_are_named() -> None:
    lost = found(
        with_network(path_mtu={BARE: PathMtu(small=True, large=False, bytes=1500)}), "net-mtu"
    )
    assert lost.level is Level.FAIL
    assert "1500" in lost.seen
    assert "MTU" in lost.seen
    assert "eth0" in str(lost.mend)


@pytest.mark.fault("F56")
def test_an_array_out_of_space_is_named() -> None:
    text = "the kernel says: critical space allocation error on sda1"
    full = found(replace(SOUND, trouble=Known(Trouble({}, {"/dev/sda1": text}))), "disk-errors")
    assert full.level is Level.FAIL
    assert "out of space" in str(full.mend)


def test_two_nics_in_one_subnet_need_the_settings_for_it() -> None:
    routes = (Route("192.0.2.0/24", "eth0"), Route("192.0.2.0/24", "eth1"))
    pair = found(with_network(routes=routes), "net-one-subnet")
    assert "arp_ignore=1" in str(pair.mend)
    tuned = {n: Nic(n, arp_ignore=1, arp_announce=2, rp_filter=2) for n in ("eth0", "eth1")}
    assert "net-one-subnet" not in bad(with_network(routes=routes, nics=tuned))


def test_a_public_portal_over_the_default_route_is_exposed() -> None:
    away = replace(record(), portal=Portal("8.8.8.8", 3260, 1))
    machine = replace(SOUND, db=db(away), listing=Listing())
    assert {"portal-public", "portal-default-route", "digest-routed", "ipsec-policy"} <= set(
        bad(machine)
    )


def test_a_record_without_an_account_is_warned_about() -> None:
    plain = replace(record(), values={"node.startup": "automatic"})
    assert bad(replace(SOUND, db=db(plain))) == {"chap-none": Level.WARN}


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


def test_the_plan_of_fix_holds_the_safe_repairs_and_no_other() -> None:
    torn = replace(record(), problem="is empty", path=Path("/etc/iscsi/nodes/torn"))
    open_ = replace(record(), mode=0o644)
    machine = replace(
        with_units(enabled=False),
        lock=Lock("/run/lock/iscsi/lock.write", 100),
        db=db(open_, torn),
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
        RemoveTorn(torn.path),
        Protect(open_.path),
    }
    assert any("is stopped" in note for note in plan.notes)


def _ids() -> set[str]:
    text = "".join(path.read_text() for path in CHECKS.glob("*.py"))
    ids = set(re.findall(r'\b(?:ok|warn|fail|skip|make)\(\s*"([a-z0-9-]+)"', text))
    helper = set(re.findall(r'_enabled\(login, "([a-z0-9-]+)"', text))
    return ids | helper


def test_the_list_of_ids_is_whole() -> None:
    text = Path(fstabcheck.__file__).read_text()
    lines = {f"fstab-{one}" for one in re.findall(r'(?:_say|Finding)\(\s*"([a-z-]+)"', text)}
    assert _ids() | lines == IDS
    assert all(map(known, ("net", "net-mtu", "clock")))
    assert not any(map(known, ("ne", "net-mt", "")))


def test_every_id_is_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs/checks.md").read_text()
    listed = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)*)`", docs))
    assert IDS - listed == set()
    table = re.findall(r"^\| `([a-z0-9-]+)` \|", docs, re.MULTILINE)
    assert set(table) - _ids() == set()


def test_every_mend_of_ours_is_a_command_that_there_is() -> None:
    mends: Mapping[str, str] = {
        str(f.mend): f.id for machine, _, _ in FAULTS for f in examine(machine) if f.mend
    }
    commands = {m for mend in mends for m in re.findall(r"iscsictl ([a-z]+)", mend)}
    assert len(commands) > 5
    planned = {"reconnect", "disk", "fstab"}
    assert commands - set(entries()) - planned == set()
