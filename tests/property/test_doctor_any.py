"""What doctor reads may hold any bytes: it answers, and what it says can be shown."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.checks.examine import examine
from iscsictl.checks.routing import find_route, network_of
from iscsictl.model.finding import Finding, Level
from iscsictl.model.host_facts import KernelRoute
from iscsictl.observers.doctor import observe_machine
from iscsictl.output.views import doctor
from iscsictl.system.context import Context
from iscsictl.system.host import facts, network
from iscsictl.system.iscsi.initiator_name import name_in, with_name

FILES = (
    "etc/iscsi/initiatorname.iscsi",
    "etc/iscsi/iscsid.conf",
    "etc/iscsi/nodes/iqn.2001-04.com.example:a/192.0.2.5,3260,1/default",
    "etc/iscsi/ifaces/a",
    "etc/fstab",
    "etc/modprobe.d/a.conf",
    "lib/systemd/system/open-iscsi.service",
    "proc/net/route",
    "proc/net/ipv6_route",
    "proc/net/tcp6",
    "proc/sys/kernel/osrelease",
    "sys/class/net/eth0/mtu",
)
TEXTS = st.text(max_size=60)


@pytest.mark.fault("F45")
@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=300)))
def test_any_bytes_in_any_file_give_findings(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for file, data in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(data)
            # A record that is corrupt and new is read again for a while.
            os.utime(root / file, (1e9, 1e9))
        found = examine(observe_machine(Context(root=root)))
    assert found
    document = json.loads(doctor.as_json(found))
    assert len(document["findings"]) == len(found)


@given(TEXTS, st.lists(TEXTS))
def test_any_text_of_the_kernel_and_of_ip_is_read(text: str, records: list[str]) -> None:
    network.parse_policies(text)
    facts.parse_log(records, 0)


FINDINGS = st.lists(
    st.builds(Finding, TEXTS, st.sampled_from(Level), TEXTS, st.none() | TEXTS, st.none() | TEXTS)
)


@given(FINDINGS)
def test_a_plugin_has_one_status_line_and_one_line_a_problem(findings: list[Finding]) -> None:
    lines = doctor.nagios(findings).split("\n")
    grave = [f for f in findings if f.level in {Level.WARN, Level.FAIL}]
    assert len(lines) == 1 + len(grave)
    assert all(line.isprintable() for line in lines)


@given(FINDINGS)
def test_every_line_for_prometheus_is_a_comment_or_a_sample(findings: list[Finding]) -> None:
    for line in doctor.prometheus(findings, 1).split("\n"):
        assert line.startswith("#") or line.rpartition(" ")[2].isdigit()


@given(st.text(max_size=80), st.from_regex(r"iqn\.2001-04\.com\.x:[a-z0-9]{1,9}", fullmatch=True))
def test_the_name_that_is_put_in_is_the_one_that_is_read(text: str, name: str) -> None:
    assert name_in(with_name(text, name)) == name


PREFIXES = st.tuples(st.ip_addresses(), st.integers(0, 32)).map(lambda p: f"{p[0]}/{p[1]}")


ADDRESSES = st.ip_addresses().filter(lambda a: getattr(a, "ipv4_mapped", None) is None)


@given(ADDRESSES, st.lists(PREFIXES.map(lambda p: KernelRoute(p, "eth0"))))
def test_the_way_is_the_longest_prefix_that_holds_the_address(
    address: object, routes: list[KernelRoute]
) -> None:
    way = find_route(str(address), routes)
    holding = [n for r in routes if (n := network_of(r.prefix)) is not None
               and n.version == getattr(address, "version", 0) and address in n]  # fmt: skip
    if way is None:
        assert not holding
    else:
        chosen = network_of(way.prefix)
        assert chosen is not None
        assert chosen.prefixlen == max(n.prefixlen for n in holding)
