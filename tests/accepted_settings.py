"""Change settings in every way that iscsictl has, and let iscsiadm list what comes of it.

    python3 accepted_settings.py COUNT SEED

makes records and interfaces in this machine's node database and changes them COUNT times: what is
generated are settings of open-iscsi and things like them, with values at and beyond their limits.
After each change that iscsictl accepts, iscsiadm must list every record and every interface, and
show the value as it was given. It needs no tests package, so it runs in a guest of the lab as well.
"""

from __future__ import annotations

import contextlib
import io
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.cli.commands.attach import parse_settings
from iscsictl.cli.main import run_cli
from iscsictl.errors import UsageError
from iscsictl.legacy.iscsi_conf import parse_iscsi_conf
from iscsictl.legacy.planner import record_values
from iscsictl.model.names import parse_portal
from iscsictl.model.record_keys import KEYS
from iscsictl.planner.iscsi.settings import require_settings
from iscsictl.planner.volumes.file import read_volumes
from iscsictl.system.iscsi import nodedb, nodedb_write
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IQN = "iqn.2001-04.com.example:accepted"
IFACES = ("sw0", "hba.ipv6.0")
#: Target, portal and interface of each record.
RECORDS = (
    (f"{IQN}.a", "192.0.2.5:3260,1", "default"),
    (f"{IQN}.b", "[2001:db8::5]:3260,1", "sw0"),
    (f"{IQN}.c", "198.51.100.5:860,2", "hba.ipv6.0"),
)
WORDS = (
    "Yes", "No", "yes", "no", "on", "off", "true", "1", "0", "-1", "None", "none", "CHAP", "chap",
    "automatic", "manual", "onboot", "Automatic", "auto", "CRC32C", "crc32c", "None,CRC32C",
    "CRC32C,None", "CRC32C, None", "MD5", "MD5,SHA1", "SHA3-256,SHA256", "MD5,MD5", "sha256",
    "enable", "disable", "enabled", "nd", "dhcp", "dhcpv6", "static", "10s", "2m", "1.5", "0x10",
    "007", "1e3", "inf", "192.0.2.7", "192.0.2.07", "2001:db8::7", "2001:DB8:0::7", "fe80::1%eth0",
    "default", "52:54:00:12:34:56", "52:54:00:AB:CD:EF", "tcp", "iser", "qla4xxx", "rdma",
    "<empty>", "a b", "a\tb", "ä", "€uro", "#x", "a=b", " x", "x ", "eth0", "bbr",
    "iqn.2001-04.com.example:host",
)  # fmt: skip
LIMITS = (0, 1, 2, 7, 8, 63, 64, 128, 255, 256, 511, 512, 1024, 2048, 4094, 4095, 65535, 65536,
          2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63)  # fmt: skip
NO_KEYS = (
    "node.session.foo", "node.conn[1].startup", "iface.isid", "iface.primary_dns", "x", "node", "",
)  # fmt: skip
OLD_KEYWORDS = (
    "LoginTimeout", "AuthTimeout", "ActiveTimeout", "IdleTimeout", "PingTimeout",
    "ConnFailTimeout", "AbortTimeout", "ResetTimeout", "TCPWindowSize", "InitialR2T",
    "ImmediateData", "MaxRecvDataSegmentLength", "FirstBurstLength", "MaxBurstLength",
    "HeaderDigest", "DataDigest",
)  # fmt: skip


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def call_cli(words: list[str]) -> int:
    """Run a command of iscsictl in this process and return its exit code."""
    before = sys.argv
    sys.argv = ["iscsictl", *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return run_cli()
    finally:
        sys.argv = before


@dataclass
class Trial:
    """One machine: where its root is, how its iscsiadm and its iscsictl are called."""

    dice: random.Random
    root: Path = Path("/")
    iscsiadm: Callable[[list[str]], subprocess.CompletedProcess[str]] = run
    iscsictl: Callable[[list[str]], int] = call_cli
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    listings: dict[str, str] = field(default_factory=dict)

    @property
    def db(self) -> Path:
        return nodedb.find_db(self.root)

    def prepare(self) -> None:
        """Make the records and interfaces, and note how iscsiadm lists them."""
        for name in IFACES:
            assert self.iscsictl(["iface", "add", name, "--transport", "tcp", "-y"]) == 0
        for target, portal, iface in RECORDS:
            new = ["-m", "node", "-o", "new", "-T", target, "-p", portal, "-I", iface]
            done = self.iscsiadm(["iscsiadm", *new])
            assert done.returncode == 0, done.stderr
        for mode in ("node", "iface"):
            self.listings[mode] = self.listing(mode)
        assert all(target in self.listings["node"] for target, _, _ in RECORDS)
        assert all(f"{name} " in self.listings["iface"] for name in IFACES)

    def listing(self, mode: str) -> str:
        """Return what iscsiadm lists, names only: it prints values of interfaces as well."""
        done = self.iscsiadm(["iscsiadm", "-m", mode])
        assert done.returncode == 0, done.stderr
        assert done.stderr == "", done.stderr
        lines = done.stdout.splitlines()
        return "\n".join(line if mode == "node" else f"{line.split()[0]} " for line in lines)

    def key(self) -> str:
        """Choose a setting, or something like one."""
        key = self.dice.choice([*KEYS["node"], *KEYS["node"], *KEYS["iface"]])
        if self.dice.random() < 0.85:
            return key
        other = self.dice.choice([*KEYS["sendtargets"], *NO_KEYS])
        return self.dice.choice(
            [other, key.swapcase(), key[:-1], f"{key}x", f" {key}", f"{key} x", "k" * 130]
        )

    def value(self, key: str) -> str:
        """Choose a value, often one that fits."""
        setting = KEYS["node"].get(key)
        kinds: list[Callable[[], str]] = [
            lambda: self.dice.choice(WORDS),
            lambda: str(self.dice.choice((1, 1, 1, -1)) * self.dice.choice(LIMITS)),
            lambda: str(self.dice.randrange(300)),
            lambda: self.dice.choice("xü") * self.dice.choice((1, 15, 16, 79, 80, 127, 255, 256)),
        ]
        if setting is not None and setting.kind.words:
            kinds += [lambda: self.dice.choice(setting.kind.words)] * 4
        return self.dice.choice(kinds)()

    def change_once(self) -> bool:
        """Change something in one of the ways; return whether it was accepted."""
        ways = {
            "nodes set": self.change_record,
            "iface set": self.change_iface,
            "attach --set": self.change_by_attach,
            "volumes": self.change_by_volume,
            "import": self.change_by_import,
        }
        weights = (4, 4, 2, 2, 2)
        (name,) = self.dice.choices(list(ways), weights)
        accepted = ways[name]()
        (self.accepted if accepted else self.refused)[name] += 1
        if accepted:
            for mode, expected in self.listings.items():
                assert self.listing(mode) == expected
        return accepted

    def change_record(self) -> bool:
        target, portal, iface = self.dice.choice(RECORDS)
        key = self.key()
        value = "" if self.dice.random() < 0.1 else self.value(key)
        words = ["nodes", "set", "-T", target, "-p", portal, "-I", iface, "-y", f"{key}={value}"]
        code = self.iscsictl(words)
        assert code in {0, 2}, (words, code)
        if code == 0 and value.strip():
            self.require_shown(target, portal, iface, {key.strip(): value.strip()})
        return code == 0

    def change_iface(self) -> bool:
        name = self.dice.choice(IFACES)
        key = self.dice.choice(list(KEYS["iface"])) if self.dice.random() < 0.8 else self.key()
        value = "" if self.dice.random() < 0.1 else self.value(key)
        words = ["iface", "set", name, "-y", f"{key}={value}"]
        code = self.iscsictl(words)
        # A NIC that is not there is not found (3).
        assert code in {0, 2, 3}, (words, code)
        return code == 0

    def change_by_attach(self) -> bool:
        key = self.key()
        try:
            values = parse_settings((f"{key}={self.value(key)}",))
        except UsageError:
            return False
        return self.write(values)

    def change_by_volume(self) -> bool:
        key = self.key()
        row = {"name": "v", "portals": ["192.0.2.5"], "target": IQN, "set": {key: self.value(key)}}
        try:
            (volume,) = read_volumes({"volume": [row]}, {}, "volumes.toml")
        except UsageError:
            return False
        return self.write(volume.spec.values)

    def change_by_import(self) -> bool:
        lines = [f"{word}={self.value('')}" for word in self.dice.sample(OLD_KEYWORDS, 3)]
        config = parse_iscsi_conf("\n".join([*lines, ""]))
        return self.write(record_values(config.defaults))

    def write(self, values: Mapping[str, str]) -> bool:
        """Write values as a plan would: none that this open-iscsi cannot read."""
        target, portal, iface = self.dice.choice(RECORDS)
        try:
            version = nodedb.find_version(self.root)
            require_settings("node", values, version=version, iface=iface)
        except UsageError:
            return False
        path = nodedb.record_path(self.db, target, parse_portal(portal), iface)
        nodedb_write.write_record(path, values, NodeDbLock(self.root))
        self.require_shown(target, portal, iface, values)
        return True

    def require_shown(
        self, target: str, portal: str, iface: str, values: Mapping[str, str]
    ) -> None:
        """Require that iscsiadm reads the values as they were given."""
        show = ["-m", "node", "-T", target, "-p", portal, "-I", iface, "-o", "show"]
        done = self.iscsiadm(["iscsiadm", *show])
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        for key, value in values.items():
            # `-o show` takes every interface for one of IPv4 (idbm.c, __idbm_rec_read).
            if KEYS["node"][key].family != "ipv6":
                assert f"{key} = {value}" in lines, (key, value)


def main(count: int, seed: int) -> None:
    trial = Trial(random.Random(seed))
    trial.prepare()
    while trial.accepted.total() < count:
        trial.change_once()
    print(f"{trial.accepted.total()} accepted: {dict(trial.accepted)}")
    print(f"{trial.refused.total()} refused: {dict(trial.refused)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
