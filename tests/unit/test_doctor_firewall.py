"""What doctor concludes from the rules of nf_tables, and what it leaves open.

`data/nftables` has rulesets as people write them, for nft(8) and iptables-nft, each beside what
`nft --json list ruleset` (1.0.6) printed of it in a network namespace of its own. For rules with
`-m conntrack` there is also what `nft --handle list ruleset` printed.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.checks.examine import examine
from iscsictl.checks.firewall import check
from iscsictl.errors import IscsictlError, MissingError, NeedsRootError
from iscsictl.model.finding import Finding, Level
from iscsictl.model.firewall import Firewall
from iscsictl.model.host_facts import KernelRoute, Machine, Nic
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.parse.nftables import needs_listing, parse_ruleset
from iscsictl.system.host import firewall as system_firewall
from iscsictl.system.io import process
from tests.patience import PATIENCE
from tests.unit.fake_root import put
from tests.unit.healthy_host import BARE, IQN, NETWORK, SOUND, db, record

DATA = Path(__file__).parent / "data" / "nftables"
OWN = {"192.0.2.5": "192.0.2.9"}
NIC = Nic("eth0", addresses=("192.0.2.9/24", "fe80::9/64"))


def ruleset(name: str) -> Firewall:
    text, listing = (DATA / f"{name}.json").read_text(), DATA / f"{name}.txt"
    assert needs_listing(text) is listing.exists()
    return parse_ruleset(text, listing=listing.read_text() if listing.exists() else "")


def behind(firewall: Firewall, **more: Any) -> Machine:
    """A host with these rules whose portal did not answer."""
    network = replace(
        NETWORK,
        nics={**NETWORK.nics, "eth0": NIC, "lo": Nic("lo")},
        silent=Known({BARE: "nothing within 10 s"}),
        firewall=Known(firewall),
        own_addresses=OWN,
    )
    return replace(SOUND, network=replace(network, **more))


def told(machine: Machine) -> list[Finding]:
    return list(check(machine))


def output_rules(*expressions: Any, policy: str = "accept", **chain: Any) -> Firewall:
    """A chain of these rules in the way of what is sent, with handles from 1."""
    place = {"family": "inet", "table": "t"}
    base = {**place, "name": "c", "handle": 1, "type": "filter", "hook": "output", "prio": 0}
    rules = [
        {"rule": {**place, "chain": "c", "handle": number, "expr": expression}}
        for number, expression in enumerate(expressions, 1)
    ]
    entries = [{"chain": {**base, "policy": policy, **chain}}, *rules]
    return parse_ruleset(json.dumps({"nftables": entries}))


def compare(left: Any, operand: Any, op: str = "==") -> Any:
    return {"match": {"op": op, "left": left, "right": operand}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
DROP = {"drop": None}


@pytest.mark.parametrize(
    ("name", "says", "fix"),
    [
        (
            "policy_out",
            "drops packets to it: table inet filter, chain output, default policy",
            "nft add rule inet filter output ip daddr 192.0.2.5 tcp dport 3260 accept",
        ),
        (
            "rule_out",
            'rejects packets to it: table inet filter, chain san, rule handle 3 "away"',
            "nft insert rule inet filter san handle 3 ip daddr 192.0.2.5 tcp dport 3260 accept",
        ),
        (
            "policy_in",
            "drops its answers: table ip guard, chain in, default policy",
            (
                "nft add rule ip guard in ip saddr 192.0.2.5 tcp sport 3260 ct state established "
                "accept"
            ),
        ),
        (
            "iptables_in",
            "drops its answers: table ip filter, chain INPUT, default policy",
            (
                "iptables -I INPUT -s 192.0.2.5 -p tcp --sport 3260 -m conntrack "
                "--ctstate ESTABLISHED -j ACCEPT"
            ),
        ),
        (
            "rule_in",
            "drops its answers: table inet filter, chain early, rule handle 2",
            "nft insert rule inet filter early handle 2 ip saddr 192.0.2.5 tcp sport 3260 accept",
        ),
        (
            "not_to_it",
            'drops packets to it: table inet filter, chain output, rule handle 3 "held"',
            "nft insert rule inet filter output handle 3 ip daddr 192.0.2.5 tcp dport 3260 accept",
        ),
        (
            "iptables",
            "rejects packets to it: table ip filter, chain storage, rule handle 6",
            "iptables -I storage -d 192.0.2.5 -p tcp --dport 3260 -j ACCEPT",
        ),
        (
            "iptables_state",
            "drops packets to it: table ip filter, chain OUTPUT, default policy",
            "iptables -I OUTPUT -d 192.0.2.5 -p tcp --dport 3260 -j ACCEPT",
        ),
    ],
)
def test_the_rule_that_drops_is_named_with_a_command_that_lets_the_portal_through(
    name: str, says: str, fix: str
) -> None:
    (finding,) = told(behind(ruleset(name)))
    assert (finding.id, finding.level, finding.subject) == ("net-firewall", Level.FAIL, str(BARE))
    assert finding.message == f"this host's firewall {says}"
    assert finding.fix is not None
    assert finding.fix.rpartition(": ")[2] == fix


@pytest.mark.parametrize("name", ["accepts", "other_family"])
def test_rules_that_let_a_portal_through_are_no_fault(name: str) -> None:
    (finding,) = told(behind(ruleset(name)))
    assert finding.level is Level.OK
    (empty,) = told(behind(parse_ruleset('{"nftables": []}')))
    assert empty.level is Level.OK


@pytest.mark.parametrize("name", ["rate", "mark", "sent_elsewhere", "dormant"])
def test_nothing_is_said_of_rules_whose_effect_is_not_certain(name: str) -> None:
    assert told(behind(ruleset(name))) == []


def test_a_portal_that_took_a_connection_is_not_said_to_be_blocked() -> None:
    assert told(behind(ruleset("policy_out"), silent=Known({}))) == []


def test_a_portal_that_need_not_answer_is_a_warning() -> None:
    machine = behind(ruleset("policy_out"))
    manual = replace(
        machine, db=db(record(**{"node.startup": "manual"})), listing=type(machine.listing)()
    )
    assert [finding.level for finding in told(manual)] == [Level.WARN]


def test_an_address_of_this_host_is_reached_over_loopback() -> None:
    own = replace(NIC, addresses=("192.0.2.5/24",))
    assert told(behind(ruleset("policy_out"), nics={"eth0": own})) == []


@pytest.mark.parametrize(
    ("condition", "blamed"),
    [
        (compare(DPORT, 3260), True),
        (compare(DPORT, 3261, "!="), True),
        (compare(DPORT, {"set": [22, {"range": [3000, 4000]}]}), True),
        (compare(DPORT, 3000, ">="), True),
        (compare(DPORT, 3260, ">"), False),
        (compare({"payload": {"protocol": "tcp", "field": "sport"}}, 22), False),
        (compare({"payload": {"protocol": "tcp", "field": "sport"}}, 40000), False),
        (compare({"payload": {"protocol": "tcp", "field": "sport"}}, 1024, ">="), True),
        (compare({"payload": {"protocol": "udp", "field": "dport"}}, 53, "!="), False),
        (compare({"payload": {"protocol": "ip", "field": "saddr"}}, "192.0.2.9"), True),
        (compare({"payload": {"protocol": "ip", "field": "saddr"}}, "192.0.2.10"), False),
        (compare({"meta": {"key": "oifname"}}, "eth*"), True),
        (compare({"meta": {"key": "oif"}}, "eth1"), False),
        (compare({"meta": {"key": "skuid"}}, 0), False),
        (compare({"meta": {"key": "l4proto"}}, "tcp"), True),
        (compare({"ct": {"key": "state"}}, ["new", "invalid"], "in"), True),
        (compare({"ct": {"key": "state"}}, "established", "in"), True),
        (compare({"ct": {"key": "state"}}, {"set": ["invalid", "untracked"]}), False),
        (compare({"ct": {"key": "direction"}}, "reply"), False),
        (compare({"&": [DPORT, 1]}, 0), False),
        ({"xt": {"type": "match", "name": "owner"}}, False),
        ({"limit": {"rate": 1, "per": "second"}}, False),
    ],
)
def test_a_drop_is_blamed_where_its_condition_certainly_holds(condition: Any, blamed: bool) -> None:
    found = told(behind(output_rules([condition, {"counter": None}, DROP])))
    assert [f.level for f in found if f.level is not Level.OK] == [Level.FAIL] * blamed


def test_a_condition_that_may_hold_leaves_open_what_an_accept_decides() -> None:
    maybe = {"xt": {"type": "match", "name": "owner"}}
    assert told(behind(output_rules([maybe, {"accept": None}], [DROP]))) == []
    assert told(behind(output_rules([maybe, {"return": None}], [DROP]))) == []
    # Whichever it is, the packet is lost; it must be let through before the first.
    (finding,) = told(behind(output_rules([maybe, DROP], [{"reject": None}])))
    assert "rejects" in finding.message
    assert "handle 2" in finding.message
    assert "nft insert rule inet t c handle 1 " in str(finding.fix)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        'xt match "conntrack" counter packets 0 bytes 0 accept # handle 2',
        "ct state ! established counter packets 0 bytes 0 accept # handle 2",
        "ct status snat counter packets 0 bytes 0 accept # handle 2",
        "ct direction reply ct state established counter packets 0 bytes 0 accept # handle 2",
        "ct state established counter packets 0 bytes 0 accept # handle 3",
    ],
)
def test_an_extension_of_iptables_that_nft_does_not_show_as_a_state_may_hold(shown: str) -> None:
    text = (DATA / "iptables_state.json").read_text()
    first = "ct state related,established counter packets 0 bytes 0 accept # handle 2"
    listing = (DATA / "iptables_state.txt").read_text()
    assert first in listing
    assert told(behind(parse_ruleset(text, listing=listing.replace(first, shown)))) == []


@pytest.mark.parametrize(
    "statement",
    [
        {"notrack": None},
        {"redirect": {"port": 80}},
        {"queue": None},
        {"xt": None},
        {"mangle": {"key": {"payload": {"protocol": "ip", "field": "daddr"}}, "value": "1.2.3.4"}},
        {"jump": {"target": "nowhere"}},
        {"vmap": {"key": DPORT, "data": "@nowhere"}},
        {"a statement of": "the future"},
    ],
)
def test_a_statement_that_may_do_anything_leaves_all_open(statement: Any) -> None:
    assert told(behind(output_rules([statement], [DROP]))) == []


def test_a_reject_that_ipv6_alone_has_does_not_stop_ipv4() -> None:
    # nft(8) 1.0.6 lists `meta nfproto ipv6 reject` so, without what it depends on.
    for kind, levels in (("icmpv6", [Level.OK]), ("icmp", [Level.FAIL]), ("icmpx", [Level.FAIL])):
        rules = output_rules([{"reject": {"type": kind, "expr": "port-unreachable"}}])
        assert [finding.level for finding in told(behind(rules))] == levels, kind


def test_a_chain_before_connection_tracking_knows_no_state() -> None:
    new = compare({"ct": {"key": "state"}}, "new", "in")
    assert told(behind(output_rules([new, DROP], prio=-300))) == []
    assert [f.level for f in told(behind(output_rules([new, DROP], prio=-150)))] == [Level.FAIL]


def test_a_nic_or_address_is_not_certain_of_a_login_through_an_interface() -> None:
    machine = behind(output_rules([compare({"meta": {"key": "oifname"}}, "eth0"), DROP]))
    assert [f.level for f in told(machine)] == [Level.FAIL]
    bound = NodeRecord(
        path=Path("/x"), values={"node.startup": "automatic"}, target=IQN,
        portal=Portal("192.0.2.5"), iface="san0",
    )  # fmt: skip
    assert told(replace(machine, db=db(bound))) == []
    assert told(behind(output_rules([compare({"meta": {"key": "oifname"}}, "lo", "!="), DROP])))


def test_an_answer_may_come_in_by_another_nic_of_the_same_network() -> None:
    machine = behind(ruleset("rule_in"))
    routes = (*machine.network.routes, KernelRoute("192.0.2.0/24", "eth1"))
    assert told(replace(machine, network=replace(machine.network, routes=routes))) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nftables": [{"rule": {}}]}', '{"nftables": [1]}',
             '{"nftables": [{"set": {"family": "ip", "table": "t"}}]}'],
)  # fmt: skip
def test_what_is_no_ruleset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_ruleset(text)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MissingError("nft is not installed", hint="install the package nftables"), "installed"),
        (NeedsRootError("only root can read the firewall's rules", hint="sudo"), "only root"),
        (IscsictlError("nft: no answer within 10 s"), "no answer"),
    ],
)
def test_a_firewall_that_cannot_be_read_is_one_line(error: IscsictlError, says: str) -> None:
    network = replace(NETWORK, firewall=ReadFailed(error))
    found = [f for f in examine(replace(SOUND, network=network)) if f.id == "net-firewall"]
    assert [finding.level for finding in found] == [Level.SKIP]
    assert says in found[0].message


def program(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a script stand for nft(8), which only root can ask."""
    put(directory, "nft", f"#!/bin/sh\n{text}\n").chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{directory}:/usr/bin:/bin")


def test_nft_is_asked_and_its_failures_are_errors_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    with pytest.raises(MissingError, match="nft is not installed"):
        system_firewall.read_firewall(PATIENCE)
    program(tmp_path, f"cat {DATA / 'rule_out.json'}", monkeypatch)
    assert system_firewall.read_firewall(PATIENCE).chains == ruleset("rule_out").chains
    both = (
        f"case $1 in --json) suffix=json;; *) suffix=txt;; esac; cat {DATA}/iptables_state.$suffix"
    )
    program(tmp_path, both, monkeypatch)
    assert system_firewall.read_firewall(PATIENCE).chains == ruleset("iptables_state").chains
    for text in ("echo 'Error: Operation not permitted' >&2; exit 1", "echo nothing"):
        program(tmp_path, text, monkeypatch)
        with pytest.raises(IscsictlError) as failed:
            system_firewall.read_firewall(PATIENCE)
        assert failed.value.hint
    program(tmp_path, "exec sleep 30", monkeypatch)
    with pytest.raises(IscsictlError, match="nft"):
        system_firewall.read_firewall(0.2)


def test_the_ports_of_outgoing_connections_are_read(tmp_path: Path) -> None:
    assert system_firewall.local_ports(tmp_path) == (32768, 60999)
    put(tmp_path, "proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n")
    assert system_firewall.local_ports(tmp_path) == (1024, 65535)


def test_the_own_address_towards_a_portal_is_the_one_that_the_kernel_would_send_from() -> None:
    found = system_firewall.find_own_addresses(["127.0.0.1", "array1", "", "999.1.1.1"])
    assert found == {"127.0.0.1": "127.0.0.1"}
