"""The checks of doctor, each on a machine that has its fault and on one that has not."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks.examine import examine
from iscsictl.cli.main import entries
from iscsictl.errors import IscsictlError, NeedsRootError, RefusedError
from iscsictl.model.finding import Level
from iscsictl.model.host_facts import (
    Clock,
    Kernel,
    Lock,
    Machine,
    MountHealth,
    Nic,
    PathMtu,
    Policy,
    Program,
)
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.listing import Listing, Lun, Timeouts
from iscsictl.model.record import DiscoveryRecord, IfaceRecord
from iscsictl.model.services import Daemon
from tests.unit.healthy_host import (
    BARE,
    IQN,
    SOUND,
    bad,
    db,
    disk,
    found,
    record,
    session,
    with_fstab,
    with_network,
    with_record,
    with_session,
    with_units,
)


def test_a_sound_machine_has_no_complaint() -> None:
    assert bad(SOUND) == {}


def test_a_machine_of_which_nothing_is_known_has_no_traceback() -> None:
    assert examine(Machine())


CORRUPT_DISCOVERY = DiscoveryRecord(
    path=Path("/etc/iscsi/send_targets/192.0.2.5,3260/st_config"),
    problem="is empty",
    kind="sendtargets",
    portal=BARE,
)
CORRUPT_IFACE = IfaceRecord(path=Path("/etc/iscsi/ifaces/a"), problem="is empty", name="a")
FAULTS: Iterable[tuple[Machine, str, Level]] = [
    (replace(SOUND, kernel=Kernel("6.1.0")), "kernel-transport", Level.FAIL),
    (
        replace(SOUND, kernel=Kernel("6.1.0", modules={"iscsi_tcp": "blocked"})),
        "kernel-transport",
        Level.FAIL,
    ),
    (replace(SOUND, kernel=replace(SOUND.kernel, has_modules=False)), "kernel-modules", Level.WARN),
    (
        replace(
            SOUND,
            programs={
                **SOUND.programs,
                "iscsictl": Program(
                    "iscsictl", "/usr/local/bin/iscsictl", also_at=("/usr/bin/iscsictl",)
                ),
            },
        ),
        "tools-iscsictl",
        Level.WARN,
    ),
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
    (replace(SOUND, db=ReadFailed(IscsictlError("it is corrupt"))), "nodedb-readable", Level.FAIL),
    (
        replace(SOUND, root=False, db=ReadFailed(NeedsRootError("permission denied"))),
        "nodedb-readable",
        Level.SKIP,
    ),
    (replace(SOUND, lock=Lock("/run/lock", 9.0)), "nodedb-lock", Level.FAIL),
    (replace(SOUND, root=False, lock=Lock("/run/lock", 9.0)), "nodedb-lock", Level.SKIP),
    (replace(SOUND, db=db(replace(record(), problem="is empty"))), "nodedb-records", Level.FAIL),
    (
        replace(SOUND, db=db(record(), discovery=(CORRUPT_DISCOVERY,))),
        "nodedb-records",
        Level.FAIL,
    ),
    (replace(SOUND, db=db(record(), ifaces=(CORRUPT_IFACE,))), "nodedb-iface", Level.FAIL),
    (with_record(**{"node.startup": "automatc"}), "nodedb-listing", Level.FAIL),
    (with_record(**{"node.conn[0].startup": "Manual"}), "nodedb-listing", Level.FAIL),
    (replace(SOUND, db=db(replace(record(), mode=0o644))), "nodedb-modes", Level.FAIL),
    (
        replace(SOUND, db=db(record(), config_secret=True, config_mode=0o644)),
        "nodedb-modes",
        Level.FAIL,
    ),
    (replace(SOUND, db=db(replace(record(), iface="eth7"))), "nodedb-iface", Level.FAIL),
    (
        replace(SOUND, db=db(record(), other_holders=("/var/lib/iscsi",))),
        "nodedb-place",
        Level.WARN,
    ),
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
        replace(SOUND, listing=Listing((session(),), (disk(1), disk(1)._replace(serial="S2")))),
        "disk-identity",
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
    (replace(SOUND, mount_points={"/home/a/m": Known(("/home/a",))}), "mount-exposed", Level.WARN),
    (
        replace(SOUND, mount_points={"/home/a/m": ReadFailed(RefusedError("a link"))}),
        "mount-link",
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
        replace(with_fstab(b"UUID=0A-1 /srv ext4 nofail 0 0\n"), filesystems=frozenset({"0a-1"})),
        "fstab-name-case",
        Level.FAIL,
    ),
    (
        replace(SOUND, fstab=ReadFailed(IscsictlError("is a directory"))),
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
    (with_network(policies=ReadFailed(NeedsRootError("not root"))), "ipsec-policy", Level.SKIP),
]


@pytest.mark.parametrize(("machine", "id_", "level"), FAULTS)
def test_a_fault_is_found_with_how_to_fix_it(machine: Machine, id_: str, level: Level) -> None:
    assert bad(machine).get(id_) is level
    assert all(f.fix for f in examine(machine) if f.id == id_ and f.level.rank >= level.rank
               and f.level is not Level.SKIP)  # fmt: skip


def test_every_fix_of_ours_is_a_command_that_there_is() -> None:
    fixes: Mapping[str, str] = {
        str(f.fix): f.id for machine, _, _ in FAULTS for f in examine(machine) if f.fix
    }
    commands = {m for fix in fixes for m in re.findall(r"iscsictl ([a-z]+)", fix)}
    assert len(commands) > 5
    planned = {"reconnect", "disk", "fstab"}
    assert commands - set(entries()) - planned == set()


@pytest.mark.parametrize("word", ["automatic", "manual", "onboot"])
def test_each_word_for_when_to_log_in_is_one(word: str) -> None:
    assert "nodedb-listing" not in bad(with_record(**{"node.startup": word}))


def test_no_chap_is_fixed_by_a_line_that_works_as_it_stands() -> None:
    bare = replace(record(), values={"node.startup": "automatic"})
    finding = found(replace(SOUND, db=db(bare)), "chap-none")
    assert str(finding.fix).endswith(f"chap set -T {IQN} --user NAME --secret-prompt")


@pytest.mark.parametrize(
    ("timeouts", "end"),
    [
        (Timeouts(600), "I/O waits 600 s, then fails"),
        (Timeouts(-1), "I/O waits forever"),
        (Timeouts(None), "I/O waits"),
        (None, "I/O waits"),
    ],
)
def test_how_long_io_waits_is_said_where_it_is_known(timeouts: Timeouts | None, end: str) -> None:
    machine = with_session(status="recovering", timeouts=timeouts)
    assert found(machine, "session-state").message.endswith(f"; {end}")
