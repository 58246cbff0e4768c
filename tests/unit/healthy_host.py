"""A made machine on which all is well, and what to change of it for a fault."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from iscsictl.checks.examine import examine
from iscsictl.model.finding import Finding, Level
from iscsictl.model.host_facts import (
    Clock,
    Kernel,
    KernelLogErrors,
    KernelRoute,
    Machine,
    MountHealth,
    Network,
    Nic,
    NodeDb,
    PathMtu,
    Policy,
    Program,
)
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, Disk, Kind, Listing, Lun, Mount, Session, Timeouts
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.record_text import MASK
from iscsictl.model.services import Daemon, Systemd, Unit
from iscsictl.parse.fstab import parse_fstab

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
    return made._replace(**more)


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
    (KernelRoute("192.0.2.0/24", "eth0"), KernelRoute("0.0.0.0/0", "eth1", "198.51.100.1")),
    Known({}),
    {BARE: PathMtu(small=True, large=True, bytes=1500)},
    Known((Policy("192.0.2.0/24"),)),
)
SOUND = Machine(
    now=2e9,
    package_manager="apt",
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
    trouble=Known(KernelLogErrors()),
    mounts=(MountHealth("/srv", "/dev/sda1", "ext4"),),
    fstab=Known(parse_fstab(b"UUID=0a-1 /srv ext4 _netdev,nofail 0 0\n")),
)


def bad(machine: Machine) -> dict[str, Level]:
    """Return what is not ok, by id."""
    return {f.id: f.level for f in examine(machine) if f.level is not Level.OK}


def found(machine: Machine, id_: str) -> Finding:
    """Return the one finding of that id that is not ok, with its fix."""
    (only,) = [f for f in examine(machine) if f.id == id_ and f.level is not Level.OK]
    assert only.fix
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
