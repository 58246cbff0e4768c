"""Runs in a guest: does the kernel do with random rulesets what doctor concludes from them?

`firewall_guest.py ADDRESS SEED COUNT`, where a server at port 3260 of ADDRESS answers a byte with a
byte, and this host has a record of that portal. Prints how often doctor said what, as JSON, and
each ruleset with which the connection did not do as it said.
"""

import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

from iscsictl.checks.firewall import check
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, NotObserved
from iscsictl.observers.doctor import observe_machine
from iscsictl.system.context import Context
from iscsictl.system.host.firewall import read_firewall

PORT = 3260
# Seconds: what is not lost is answered in milliseconds, and a lost SYN is sent again after one.
SHORT, LONG = 0.6, 10.0
CONDITIONS = (
    "ct state new",
    "ct state established",
    "ct state established,related",
    "ct state { new, invalid }",
    "ct state != new",
    "ct direction original",
    "ct direction reply",
    "ct status assured",
    "tcp dport 3260",
    "tcp sport 3260",
    "tcp dport != 3260",
    "tcp dport { 22, 3000-4000 }",
    "tcp dport < 1024",
    "tcp sport >= 32768",
    "tcp dport 32768-60999",
    "th dport 3260",
    "tcp flags syn",
    "udp dport != 53",
    "icmp type echo-request",
    "meta l4proto tcp",
    "meta nfproto ipv6",
    "ip protocol { tcp, udp }",
    "ip ttl 64",
    "ip daddr 192.0.2.5",
    "ip saddr 192.0.2.5",
    "ip saddr 192.0.2.9",
    "ip daddr != 192.0.2.0/24",
    "ip daddr @peers",
    "ip saddr != @peers",
    "ip6 daddr != ::1",
    "ip saddr . tcp dport { 192.0.2.9 . 3260 }",
    "meta skuid 0",
    "meta mark 0",
    "limit rate 1000/second",
    "fib daddr type local",
    'oifname "eth0"',
    'oifname "eth1"',
    'iifname "eth0"',
    'oifname "e*"',
    'iifname != "lo"',
    "oif lo",
)
VERDICTS = ("accept", "accept", "drop", "drop", "reject", "return", "jump", "goto", "counter",
            "continue", "meta mark set 1", "ct mark set 2", "log")  # fmt: skip
MAPS = (
    "ct state vmap {{ new : {}, established : {} }}",
    "tcp dport vmap {{ 3260 : {}, 22 : {} }}",
    "tcp sport vmap {{ 3260 : {}, 32768-60999 : {} }}",
)
HOOKS = ("output", "input", "prerouting", "postrouting")


def make_rule(chance: random.Random, chains: list[str]) -> str:
    """Return one rule, which may lead to one of these chains."""
    conditions = " ".join(chance.sample(CONDITIONS, chance.choice((0, 1, 1, 1, 2))))
    if chance.random() < 0.12:
        ends = ["accept", "drop", "return", *(f"jump {name}" for name in chains)]
        choice = chance.choice(MAPS).format(*chance.choices(ends, k=2))
        return f"{conditions} {choice}"
    verdict = chance.choice(VERDICTS)
    if verdict in {"jump", "goto"}:
        verdict = f"{verdict} {chance.choice(chains)}" if chains else "accept"
    return f"{conditions} {verdict}"


def make_ruleset(chance: random.Random) -> str:
    """Return a table of one or two base chains, and two that rules may lead to."""
    peers = "set peers { type ipv4_addr; flags interval; elements = { 192.0.2.4/30 } }"
    lines = [f"table {chance.choice(('inet', 'ip'))} made {{", peers]
    for name, reachable in (("x", []), ("y", ["x"])):
        rules = [make_rule(chance, reachable) for _ in range(chance.randint(0, 3))]
        lines += [f"chain {name} {{", *rules, "}"]
    for hook in chance.sample(HOOKS, chance.choice((1, 1, 2))):
        head = f"type filter hook {hook} priority {chance.choice((0, 0, -150, -300, 10))};"
        policy = f"policy {chance.choice(('accept', 'accept', 'drop'))};"
        rules = [make_rule(chance, ["x", "y"]) for _ in range(chance.randint(0, 4))]
        lines += [f"chain {hook} {{", head, policy, *rules, "}"]
    return "\n".join([*lines, "}\n"])


def conclude(machine: Machine) -> str:
    """Return what doctor makes of the rules that are loaded: lost, passes or open."""
    net = replace(machine.network, firewall=Known(read_firewall(30)), silent=NotObserved())
    levels = {finding.level.value for finding in check(replace(machine, network=net))}
    if levels & {"warn", "fail"}:
        return "lost"
    return "passes" if "ok" in levels else "open"


def is_answered(address: str, seconds: float) -> bool:
    """Tell whether a byte comes back over a new connection."""
    try:
        with socket.create_connection((address, PORT), seconds) as connection:
            connection.sendall(b"?")
            return bool(connection.recv(1))
    except OSError:
        return False


def main(address: str, seed: int, count: int) -> None:
    """Judge and try so many rulesets; those that nft(8) refuses are not counted."""
    chance = random.Random(seed)
    machine = observe_machine(Context(), probe=False)
    counted, wrong = Counter[str](), []
    deadline = time.monotonic() + 420
    while counted.total() < count and time.monotonic() < deadline:
        rules = make_ruleset(chance)
        loaded = subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{rules}", text=True,
                                capture_output=True, check=False)  # fmt: skip
        if loaded.returncode:
            continue
        said = conclude(machine)
        counted[said] += 1
        expected = {"lost": False, "passes": True}.get(said)
        if expected is not None:
            answered = is_answered(address, LONG if expected else SHORT)
            if answered is not expected:
                wrong.append(rules)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    print(json.dumps({"said": counted, "wrong": wrong}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
