"""The network around a login: this host's own firewall, and IPsec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4
from tests.lab.onhost import ctl
from tests.lab.test_wire import listening

if TYPE_CHECKING:
    from tests.lab.pair import Lab

HERE = Path(__file__).parent
IQN = "iqn.2001-04.com.example:networks"
HOST4 = "192.0.2.9"
MARK = "MARK=of-the-disk"
#: Rules that stop iSCSI, by what doctor is to say of them.
RULES = {
    "packets to it: table inet lab, chain out, default policy": """
table inet lab {
    chain out {
        type filter hook output priority 0; policy drop;
        oifname "lo" accept
        ct state established,related accept
        tcp dport { 22, 443 } accept
    }
}""",
    "its answers: table ip lab, chain in, default policy": """
table ip lab {
    chain in {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        tcp dport 22 accept
        icmp type echo-reply accept
    }
}""",
    'packets to it: table inet lab, chain san, rule handle 3 "no iSCSI"': """
table inet lab {
    chain san {
        tcp dport 3260-3261 drop comment "no iSCSI"
    }
    chain out {
        type filter hook output priority 0; policy accept;
        ct state vmap { established : accept, new : jump san }
    }
}""",
}
#: Rules of a host that is guarded well, and lets iSCSI through.
SOUND = """
table inet lab {
    chain in {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        tcp dport 22 accept
    }
    chain out {
        type filter hook output priority 0; policy drop;
        oifname "lo" accept
        ct state established,related accept
        ip daddr 192.0.2.0/24 tcp dport 3260 accept
    }
}"""


def findings(lab: Lab, check: str) -> list[dict[str, Any]]:
    told = lab.host.run(f"iscsictl doctor -J --timeout 5s --only {check}", timeout=120)
    found: list[dict[str, Any]] = json.loads(told.out)["findings"]
    return found


def load_rules(lab: Lab, rules: str) -> None:
    lab.host.run(["nft", "-f", "-"], stdin=f"flush ruleset\n{rules}\n", check=True)


@pytest.mark.torture
@pytest.mark.every_suite
def test_a_rule_that_stops_iscsi_is_named_and_the_command_given_lets_it_through(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("d", "64M")])
    ctl(lab, f"discover {A4} --save")
    load_rules(lab, SOUND)
    assert [one["level"] for one in findings(lab, "net-firewall")] == ["ok"]
    ctl(lab, f"login -T {IQN}")
    ctl(lab, f"logout -T {IQN}")
    for says, rules in RULES.items():
        load_rules(lab, rules)
        found = {f["id"]: f for f in findings(lab, "net-firewall --only portal-reachable")}
        finding, tried = found["net-firewall"], found["portal-reachable"]
        assert tried["level"] == "warn", tried
        assert (finding["level"], finding["subject"]) == ("warn", f"{A4}:3260"), finding
        assert finding["message"] == f"this host's firewall drops {says}"
        lab.host.run(finding["fix"].rpartition(": ")[2], check=True)
        assert [one["level"] for one in findings(lab, "net-firewall")] == ["ok"], says
        ctl(lab, f"login -T {IQN}")
        ctl(lab, f"logout -T {IQN}")


def protect(lab: Lab) -> None:
    """Have host and array send each other ESP alone (ip-xfrm(8)), with keys set by hand."""
    array4 = A4
    for guest, own, other in ((lab.host, HOST4, array4), (lab.array, array4, HOST4)):
        lines = []
        for source, target, spi in ((HOST4, array4, 0x101), (array4, HOST4, 0x102)):
            lines.append(
                f"xfrm state add src {source} dst {target} proto esp spi {spi} reqid 1 "
                f"mode transport aead rfc4106(gcm(aes)) 0x{spi:040x} 128"
            )
        for source, target, way in ((own, other, "out"), (other, own, "in")):
            lines.append(
                f"xfrm policy add src {source}/32 dst {target}/32 dir {way} "
                f"tmpl src {source} dst {target} proto esp reqid 1 mode transport"
            )
        guest.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n", check=True)


@pytest.mark.torture
def test_a_portal_behind_an_ipsec_policy_is_reached_over_esp_and_said_to_be_covered(
    lab: Lab,
) -> None:
    disk = lab.array.disk("d", "64M")
    lab.array.write(disk, 0, f"{MARK}\0".encode())
    lab.array.target(IQN, [disk])
    ctl(lab, f"discover {A4} --save")
    tap = listening(lab, "sniffer_guest.py", "TargetName", "MARK")
    read = f"dd if=/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}-lun-0 iflag=direct bs=4k count=1"

    def use_session() -> set[str]:
        """Log in, read what the array wrote, log out; return what the array saw on the wire."""
        before = len(tap.output()[0])
        ctl(lab, f"login -T {IQN}")
        assert MARK in lab.host.run(f"udevadm settle; {read} 2> /dev/null | tr -d '\\0'").out
        ctl(lab, f"logout -T {IQN}")
        return set(tap.output()[0][before:].split())

    plain = {f"TargetName={IQN}", MARK}
    assert use_session() == plain
    (finding,) = findings(lab, "ipsec-policy")
    assert (finding["level"], finding["subject"]) == ("warn", f"{A4}:3260")
    protect(lab)
    assert use_session() == {"ESP"}
    assert [one["level"] for one in findings(lab, "ipsec-policy")] == ["ok"]
    for guest in (lab.host, lab.array):
        guest.run("ip xfrm policy flush; ip xfrm state flush", check=True)
    assert use_session() == plain
    assert [one["level"] for one in findings(lab, "ipsec-policy")] == ["warn"]


ANSWERING = f"""
import socketserver
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read(1))
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("{A4}", 3260), Answer) as server:
    print("listening", flush=True)
    server.serve_forever()
"""


@pytest.mark.torture
def test_the_kernel_does_with_random_rules_what_doctor_concludes_from_them(lab: Lab) -> None:
    server = lab.array.start(["python3", "-c", ANSWERING])
    while "listening" not in server.output()[0]:
        assert server.poll() is None, server.output()
    lab.host.run(f"iscsiadm -m node -o new -T {IQN} -p {A4}", check=True)
    lab.host.put("/root/firewall_guest.py", (HERE / "firewall_guest.py").read_text())
    done = lab.host.run(["python3", "/root/firewall_guest.py", A4, "1", "200"], timeout=600)
    assert done.code == 0, str(done)
    found = json.loads(done.out)
    print(found["said"])
    assert found["wrong"] == []
    assert min(found["said"][kind] for kind in ("lost", "passes")) >= 20, found["said"]
