"""Mangle every other format at random: python -m tests.bench.fuzz_parsers [SECONDS [NAME...]].

SECONDS are of the processor's time, for each parser. What one gives is an answer or an
IscsictlError, never anything else; `fuzz_capture` does the same to captures of sessions.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.legacy.fstab_iscsi import parse_bindings, parse_initiatorname, parse_old_fstab
from iscsictl.legacy.iscsi_conf import parse_iscsi_conf
from iscsictl.model.secret import Secret
from iscsictl.parse.firmware import parse_ibft
from iscsictl.parse.fstab import parse_fstab, render_fstab
from iscsictl.parse.iscsiadm_login import parse_logins
from iscsictl.parse.iscsid_conf import conf_values, edit_conf
from iscsictl.parse.mountinfo import parse_mountinfo
from iscsictl.parse.portal import read_portal, read_tag
from iscsictl.parse.record import edit_record, find_damage, is_truncated, parse_values
from iscsictl.parse.sfdisk import parse_table, parse_types
from iscsictl.parse.toml import parse_toml
from tests.bench.fuzz_capture import mangled

CONF = Path(__file__).parents[1] / "unit/data/iscsi_conf.json"
SECRET = "Sesam-oeffne-dich"
RECORD = f"""# BEGIN RECORD 2.1.8
node.name = iqn.2001-04.com.example:a
node.tpgt = 1
node.startup = manual
node.session.auth.username = myaccount
node.session.auth.password = {SECRET}
node.conn[0].address = 2001:db8::5
node.conn[0].port = 3260
# END RECORD
"""
FSTAB = """# /etc/fstab
UUID=0b7f5a3c-52a2-4d6b-9a55-0b7f5a3c52a2 /srv/with\\040blank ext4 _netdev,nofail 0 2
/dev/sda1\t/ ext4\terrors=remount-ro 0 1
LABEL=x none swap sw
"""
FW = f"""# BEGIN RECORD 2.1.8
iface.initiatorname = iqn.2001-04.com.example:host
node.name = iqn.2001-04.com.example:boot
node.conn[0].address = 192.0.2.5
node.conn[0].port = 3260
node.session.auth.username = myaccount
node.session.auth.password = {SECRET}
# END RECORD
"""
LOGINS = """Login to [iface: default, target: iqn.x:a, portal: 192.0.2.5,3260] successful.
iscsiadm: Could not login to [iface: default, target: iqn.x:b, portal: 192.0.2.5,3260].
iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)
"""
MOUNTS = """22 1 254:1 / / rw,relatime shared:1 master:2 - ext4 /dev/vda1 rw
30 22 0:55 /a\\040b /srv ro - btrfs /dev/vdb rw,subvol=/x
"""
OLD = """sdc1 /dev/iscsi/bus0/target0/lun0/part1 /srv ext3 rw 0 0
InitiatorName=iqn.1987-05.com.cisco:01.abc
/dev/iscsi/bus0/target1/lun0/disk /data xfs defaults 0 0
"""
TABLE = json.dumps(
    {
        "partitiontable": {
            "label": "gpt",
            "id": "A",
            "device": "/dev/sda",
            "unit": "sectors",
            "firstlba": 2048,
            "lastlba": 2097118,
            "sectorsize": 512,
            "partitions": [
                {"node": "/dev/sda1", "start": 16384, "size": 2064384, "type": "0FC6", "uuid": "B"}
            ],
        }
    }
)
TOML = """[[volume]]
name = "mail"
portals = ["192.0.2.5", "198.51.100.5"]
chap = { user = "myaccount", secret-file = "/etc/x" }
lun = 0
"""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _record(data: bytes) -> None:
    text = _text(data)
    parse_values(text)
    find_damage(text)
    is_truncated(text)
    edit_record(text, {"node.startup": "automatic", "node.tpgt": None, "a.password": Secret("x")})


def _fstab(data: bytes) -> None:
    if render_fstab(parse_fstab(data)) != data:
        raise ValueError("the file did not come back")


def _fw(data: bytes) -> None:
    names = ("flags", "target-name", "ip-addr", "port", "lun", "nic-assoc", "origin", "vlan")
    files = dict(zip(names, _text(data).split("\n"), strict=False))
    parse_ibft({"initiator": files, "target0": files, "ethernet0": files})


def _iscsid_conf(data: bytes) -> None:
    text = edit_conf(_text(data), {"node.startup": "automatic"})
    if conf_values(text).get("node.startup") != "automatic":
        raise ValueError("the value did not come back")


def _old_fstab(data: bytes) -> None:
    for parse in (parse_bindings, parse_old_fstab, parse_initiatorname):
        parse(_text(data))


def _sfdisk(data: bytes) -> None:
    parse_types(_text(data))
    parse_table(_text(data))


def _portal(data: bytes) -> None:
    for word in _text(data).split():
        read_portal(word)
        read_tag(word)


def _conf_seeds() -> list[str]:
    return [json.dumps(one, indent=1).replace("\\n", "\n") for one in json.loads(CONF.read_text())]


PARSERS: dict[str, tuple[Callable[[bytes], object], list[str]]] = {
    "record": (_record, [RECORD]),
    "fstab": (_fstab, [FSTAB]),
    "fw": (_fw, [FW]),
    "iscsi_conf": (lambda data: parse_iscsi_conf(_text(data)), _conf_seeds()),
    "iscsid_conf": (_iscsid_conf, [RECORD.replace("#", "# "), "node.startup = manual\n#x = y\n"]),
    "iscsiadm_login": (lambda data: parse_logins(_text(data), _text(data)), [LOGINS]),
    "mountinfo": (parse_mountinfo, [MOUNTS]),
    "old_fstab": (_old_fstab, [OLD, FSTAB]),
    "sfdisk": (_sfdisk, [TABLE, " 83  Linux\n0FC6 Linux filesystem\n"]),
    "toml": (lambda data: parse_toml(_text(data), "x"), [TOML]),
    "portal_text": (_portal, [LOGINS, "192.0.2.5:3260,1 [2001:db8::5]:860,-1 [localhost]:1,2"]),
}


def main() -> None:
    """Mangle until the time is over; a failure leaves its input behind."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    for name in sys.argv[2:] or PARSERS:
        parse, seeds = PARSERS[name]
        seed = time.time_ns()
        dice = random.Random(seed)
        begin = time.process_time()
        rounds = refused = 0
        while time.process_time() - begin < seconds:
            rounds += 1
            data = mangled(dice.choice(seeds).encode(), dice)
            try:
                parse(data)
            except IscsictlError:
                refused += 1
            except BaseException:
                (Path.cwd() / "fuzz-failure.txt").write_bytes(data)
                print(f"{name}: seed {seed} round {rounds}")
                raise
        took = time.process_time() - begin
        print(f"{name}: {rounds} rounds in {took:.0f} s, {refused} refused", flush=True)


if __name__ == "__main__":
    main()
