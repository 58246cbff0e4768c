"""What both ends agree on at a login, seen on the wire; and targets that an iSNS server names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import ctl

if TYPE_CHECKING:
    from tests.lab.agent import Background
    from tests.lab.pair import Lab

HERE = Path(__file__).parent
IQN = "iqn.2001-04.com.example:wire"
CHAP = ("myaccount", "secret-of-the-host")
#: The numbers of the CHAP_A key (RFC 1994, IANA's PPP authentication algorithms).
ALGORITHMS = {"MD5": 5, "SHA1": 6, "SHA256": 7, "SHA3-256": 8}


def listening(lab: Lab, script: str, *arguments: str) -> Background:
    """Run a script of this directory on the array until the test ends."""
    lab.array.put(f"/root/{script}", (HERE / script).read_text())
    running = lab.array.start(["python3", f"/root/{script}", *arguments])
    while "listening" not in running.output()[0]:
        ended = running.poll()
        assert ended is None, str(ended)
    return running


@pytest.mark.torture
def test_digests_and_each_chap_algorithm_are_agreed_on_and_shown(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("d", "64M")], chap=CHAP)
    lab.host.put("/root/secret", CHAP[1], 0o600)
    ctl(lab, f"discover {A4} --save")
    ctl(lab, f"chap set -T {IQN} --user {CHAP[0]} --secret-file /root/secret")
    tap = listening(lab, "sniffer_guest.py", "CHAP_A", "HeaderDigest", "DataDigest")
    for name, number in ALGORITHMS.items():
        ctl(lab, f"chap set -T {IQN} --algorithms {name}")
        before = len(tap.output()[0])
        ctl(lab, f"login -T {IQN} --header-digest crc32c --data-digest crc32c")
        said = tap.output()[0][before:].split()
        assert said.count(f"CHAP_A={number}") >= 2, (name, said)
        assert {s for s in said if s.startswith("CHAP_A")} == {f"CHAP_A={number}"}
        assert {s for s in said if "Digest" in s} == {"HeaderDigest=CRC32C", "DataDigest=CRC32C"}
        (session,) = json.loads(ctl(lab, "ls -J").out)["sessions"]
        assert session["params"]["HeaderDigest"] == session["params"]["DataDigest"] == "CRC32C"
        assert session["chap"]["username"] == CHAP[0]
        long = ctl(lab, "ls -l").out
        assert long.count("CRC32C") == 2
        ctl(lab, f"logout -T {IQN}")
    levels = json.loads(lab.host.run("iscsictl doctor -J --only chap").out)["findings"]
    assert {f["id"]: f["level"] for f in levels} == {"chap-none": "ok"}


@pytest.mark.torture
def test_accounts_of_new_records_and_of_a_portal_prove_both_ends(lab: Lab) -> None:
    for name in ("own", "arrays", "wrong"):
        ctl(lab, f"chap generate --out /root/{name}")
        assert lab.host.run(f"stat -c %a /root/{name}").out == "600\n"
        ctl(lab, f"chap check --secret-file /root/{name} --user myaccount")
    own, arrays = (lab.host.text(f"/root/{name}").strip() for name in ("own", "arrays"))
    lab.array.target(
        IQN, [lab.array.disk("d", "64M")], portals=[A4, B4],
        chap=("myaccount", own), mutual=("array", arrays),
    )  # fmt: skip
    account = "--user myaccount --secret-file /root/{} --mutual-user array --mutual-secret-file {}"
    right, wrong = account.format("own", "/root/arrays"), account.format("own", "/root/wrong")
    ctl(lab, f"chap set --default {right}")
    assert lab.host.run("stat -c %a /etc/iscsi/iscsid.conf").out == "600\n"
    ctl(lab, f"discover {A4} --save")
    ctl(lab, "chap clear --default")
    assert own not in lab.host.text("/etc/iscsi/iscsid.conf")
    ctl(lab, f"chap set -p {B4} {wrong}")
    attach = ctl(lab, f"attach -p {B4} -T {IQN} {wrong} --fs ext4 --mount /m", 5)
    assert "the array's own secret" in attach.err
    ctl(lab, f"login -T {IQN} -p {A4}")
    # open-iscsi says of an array that cannot prove itself only that the login failed for good.
    assert "the array's own secret" in ctl(lab, f"login -T {IQN} -p {B4}", 5).err
    ctl(lab, f"chap set -p {B4} {right}")
    ctl(lab, f"login -T {IQN} -p {B4}")
    sessions = json.loads(ctl(lab, "ls -J").out)["sessions"]
    assert [s["chap"] for s in sessions] == [{"username": "myaccount", "username_in": "array"}] * 2
    said = ctl(lab, "chap check --secret-file /root/own", 0).out
    assert f"the same secret is used for {IQN}" in said


def test_targets_that_an_isns_server_names_are_shown_and_saved(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("d", "64M")])
    server = listening(lab, "isns_guest.py", IQN, A4, "3260", "1")
    (shown,) = json.loads(ctl(lab, f"discover --isns {A4} -J").out)["targets"]
    assert (shown["target"], shown["portal"]["address"], shown["record"]) == (IQN, A4, False)
    assert "request 0x2" in server.output()[0]
    ctl(lab, f"discover --isns {A4} --save")
    ctl(lab, f"login -T {IQN}")
    assert IQN in lab.host.run("iscsiadm -m session").out
    ctl(lab, f"discover --isns {A4}:3206", 6)
