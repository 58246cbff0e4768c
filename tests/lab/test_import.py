"""The old driver's files become records that log in and lines that mount, on a real array."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.pair import Lab

IQN = "iqn.1994-12.com.promise:vtrak.1"
CHAP = ("myaccount", "a-secret-of-2003")
CONF = f"""\
# /etc/iscsi.conf: see the man page
Username={CHAP[0]}
Password={CHAP[1]}
ConnFailTimeout=0
HeaderDigest=always
PollInterval=60
DiscoveryAddress=192.0.2.77
DiscoveryAddress={A4}
    LoginTimeout=20
SLPMulticast=no
"""
#: The lines above that mean nothing today.
MEANINGLESS = {6, 10}
BINDINGS = f"# bus target name\n0 0 {IQN}\n"
OLD_FSTAB = """\
/dev/iscsi/bus0/target0/lun0/part1 /cluster/raid ext4 defaults,noatime 0 0
LABEL=mail /srv/mail ext4 _netdev 0 0
/dev/sdb1 /srv/lost ext4 defaults 0 0
"""
NAMES = "/etc/iscsi/initiatorname.iscsi"


def take(lab: Lab, arguments: str, code: int) -> Result:
    result = lab.host.run(f"iscsictl import {arguments}", timeout=180)
    assert result.code == code, str(result)
    assert "Traceback" not in result.err
    assert CHAP[1] not in result.out + result.err
    return result


def database(lab: Lab) -> str:
    return lab.host.run(
        "find /etc/iscsi /var/lib/iscsi -type f -exec stat -c '%n %a' {} + -exec sha256sum {} + "
        "2>/dev/null | sort; cat /etc/fstab"
    ).out


def filled(lab: Lab) -> None:
    """A target with CHAP, whose LUN 0 has a partition and LUN 1 a label, made long ago."""
    raid, mail = lab.array.disk("raid", "64M"), lab.array.disk("mail", "64M")
    lab.array.run(
        f"printf 'label: dos\\n2048,,83\\n' | sfdisk -q {raid.path} && "
        f"mkfs.ext4 -q -F -E offset=1048576 {raid.path} 60M && "
        f"mkfs.ext4 -q -F -L mail {mail.path}",
        check=True,
    )
    lab.array.target(IQN, [raid, mail], portals=[A4], chap=CHAP)
    lab.array.discovery_auth(CHAP)


@pytest.mark.torture
def test_an_old_configuration_logs_in_and_mounts_on_the_array(lab: Lab) -> None:
    filled(lab)
    for name, text in (("iscsi.conf", CONF), ("bindings", BINDINGS), ("fstab.iscsi", OLD_FSTAB)):
        lab.host.put(f"/root/{name}", text, 0o600)
    before = database(lab)
    seen = take(lab, "/root/iscsi.conf -n", 10)
    assert database(lab) == before
    assert f"iscsi.conf:{min(MEANINGLESS)}: warning:" in seen.err
    document = json.loads(take(lab, "/root/iscsi.conf -n -o json", 10).out)
    assert document["schema"] == "iscsictl.import/1"
    assert {w["line"] for w in document["warnings"]} == MEANINGLESS
    portal = document["discovery"][1]
    assert (portal["address"], portal["username"], portal["secret"], portal["login_timeout"]) == (
        A4, CHAP[0], True, 20,
    )  # fmt: skip

    # One of the two portals has been gone for years: the other is taken over all the same.
    taken = take(lab, "/root/iscsi.conf --timeout 10s", 4)
    assert "192.0.2.77" in taken.err
    shown = lab.host.run(["iscsiadm", "-m", "node", "-T", IQN, "-o", "show"], check=True).out
    for line in (
        "node.startup = automatic",
        "node.session.timeo.replacement_timeout = -1",
        "node.conn[0].iscsi.HeaderDigest = CRC32C",
        f"node.session.auth.username = {CHAP[0]}",
        "node.session.auth.password = ********",
    ):
        assert line in shown
    open_to = lab.host.run(f"grep -rl {CHAP[1]} /etc/iscsi /var/lib/iscsi | xargs stat -c %a").out
    assert set(open_to.split()) == {"600"}
    records = database(lab)
    take(lab, "/root/iscsi.conf --timeout 10s", 4)
    assert database(lab) == records

    # The two lines that name a LUN or a label are taken, the device name is not.
    lines = take(lab, "/root/fstab.iscsi --bindings /root/bindings", 0)
    assert "fstab.iscsi:3: warning: /dev/sdb1 may be another disk" in lines.err
    assert IQN in lab.host.run("iscsiadm -m session", check=True).out
    lab.host.run(
        "mount /cluster/raid && mount /srv/mail && "
        "touch /cluster/raid/file /srv/mail/file && findmnt --verify",
        check=True,
    )
    assert "noatime" in lab.host.run("findmnt -no OPTIONS /cluster/raid").out
    settled = lab.host.text("/etc/fstab")
    assert settled.count("x-iscsictl") >= 2
    assert "/dev/sdb1" not in settled
    take(lab, "/root/fstab.iscsi --bindings /root/bindings", 0)
    assert lab.host.text("/etc/fstab") == settled
    assert lab.host.run("iscsictl fstab check").code == 0

    # The name changes under no session.
    lab.host.put("/root/initiatorname.iscsi", "InitiatorName=iqn.1987-05.com.cisco:01.Old_1 x\n")
    take(lab, "/root/initiatorname.iscsi", 7)
    for place in ("/cluster/raid", "/srv/mail"):
        lab.host.run(["iscsictl", "umount", place], check=True)
    lab.host.run(["iscsictl", "logout", "-T", IQN], check=True)
    kept = take(lab, "/root/initiatorname.iscsi", 0)
    assert "it is kept as it is" in kept.err
    assert "InitiatorName=iqn.1987-05.com.cisco:01.Old_1\n" in lab.host.text(NAMES)
    take(lab, "/root/initiatorname.iscsi", 0)
    lab.host.run(["iscsictl", "login", "-T", IQN], check=True, timeout=120)
    take(lab, "/root/initiatorname.iscsi", 0)
    names = lab.host.run("cat /sys/class/iscsi_session/*/initiatorname").out
    assert names == "iqn.1987-05.com.cisco:01.Old_1\n"
