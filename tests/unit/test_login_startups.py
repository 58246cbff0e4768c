"""Which records the login service of a distribution logs in to, by the commands of its unit."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks import sessions as session_checks
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.record import NodeRecord
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.safety.fstab_rules import check_fstab
from iscsictl.planner.safety.storage_graph import Carrier, StorageFacts
from iscsictl.system.host.unit_files import read_login_startups, read_systemd
from tests.unit.fake_root import put
from tests.unit.healthy_host import IQN, LOGIN, SOUND, db, found, record

AUTOMATIC, BOTH = frozenset({"automatic"}), frozenset({"automatic", "onboot"})
UNIT = f"usr/lib/systemd/system/{LOGIN}"
# What the packages of Debian 12 and SUSE have, shortened.
DEBIAN = (
    "[Service]\nExecStartPre=/bin/systemctl --quiet is-active iscsid.service\n"
    "ExecStart=/sbin/iscsiadm -m node --loginall=automatic\n"
    "ExecStart=/lib/open-iscsi/activate-storage.sh\n"
    "ExecStop=/sbin/iscsiadm -m node --logoutall=onboot\n"
)
SUSE = (
    "[Service]\nExecStart=/sbin/iscsiadm -m node --loginall=automatic -W\n"
    "ExecStart=/sbin/iscsiadm -m node --loginall=onboot -W\n"
)


@pytest.mark.parametrize(
    ("unit", "drop_in", "startups"),
    [
        (DEBIAN, "", AUTOMATIC),
        (SUSE, "", BOTH),
        (None, "", AUTOMATIC),
        ("[Service]\nExecStart=/etc/init.d/open-iscsi start\n", "", AUTOMATIC),
        ("[Service]\nExecStart=iscsiadm -m node \\\n  -L onboot\n", "", frozenset({"onboot"})),
        ("[Service]\nExecStart=iscsiadm -m node -L all\n", "", BOTH | {"manual"}),
        ("[Service]\n#ExecStart=iscsiadm -m node -L onboot\n", "", AUTOMATIC),
        (DEBIAN, "[Service]\nExecStart=iscsiadm -m node --loginall onboot\n", BOTH),
        (SUSE, "[Service]\nExecStart=\nExecStart=iscsiadm -m node -L automatic\n", AUTOMATIC),
    ],
)
def test_the_commands_of_the_unit_tell_what_is_logged_in_at_boot(
    tmp_path: Path, unit: str | None, drop_in: str, startups: frozenset[str]
) -> None:
    if unit is not None:
        put(tmp_path, UNIT, unit)
    put(tmp_path, f"etc/systemd/system/{LOGIN}.d/local.conf", drop_in)
    assert read_login_startups(LOGIN, tmp_path) == startups
    assert read_systemd(tmp_path).login_startups == startups
    assert read_host_facts(tmp_path).login_startups == startups


def onboot() -> NodeRecord:
    return record(**{"node.startup": "onboot"})


def asking_for(startups: frozenset[str], *records: NodeRecord) -> Machine:
    systemd = replace(SOUND.systemd, login_startups=startups)
    return replace(SOUND, systemd=systemd, db=db(*records))


def test_a_record_that_is_onboot_is_warned_about_where_nothing_asks_for_that() -> None:
    finding = found(asking_for(AUTOMATIC, onboot()), "session-startup")
    assert finding.fix == f"iscsictl startup {IQN} automatic"
    assert LOGIN in finding.message


@pytest.mark.parametrize(
    "machine",
    [
        asking_for(BOTH, onboot()),
        asking_for(AUTOMATIC, record()),
        asking_for(AUTOMATIC, record(**{"node.startup": "manual"})),
        asking_for(AUTOMATIC, onboot(), record()),
        replace(asking_for(AUTOMATIC, onboot()), boot_targets=frozenset({IQN})),
        replace(SOUND, systemd=replace(SOUND.systemd, running=False), db=db(onboot())),
    ],
    ids=["the service asks", "automatic", "by hand", "another portal", "the initrd", "no systemd"],
)
def test_a_record_is_not_warned_about_where_something_logs_in(machine: Machine) -> None:
    assert isinstance(machine.db, Known)
    assert "session-startup" not in {f.id for f in session_checks.check(machine)}


@pytest.mark.parametrize(("startups", "ids"), [(AUTOMATIC, ["node-manual"]), (BOTH, [])])
def test_an_entry_of_fstab_needs_a_login_that_the_service_makes(
    startups: frozenset[str], ids: list[str]
) -> None:
    carriers = {"0a-1": frozenset({Carrier("naa.1", frozenset({IQN}))})}
    facts = StorageFacts(
        frozenset({"0a-1"}), carriers, records=(onboot(),), login_startups=startups
    )
    fstab = parse_fstab(b"UUID=0a-1 /srv ext4 _netdev,nofail 0 0\n")
    assert [finding.id for finding in check_fstab(fstab, facts)] == ids
