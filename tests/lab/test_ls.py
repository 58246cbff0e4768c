"""`ls` and `watch` on real sessions: against real iscsiadm, in every state, and while all moves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4, A6, B4

if TYPE_CHECKING:
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture  # until each has been seen whole, several times
IQN = "iqn.2026-01.example.lab:"
CHAP = ("myaccount", "G7xkd2Wq0Zt5rB")
MUTUAL = ("the array", "p4Nf8sVy1Kc6Hm")
LEVELS = ("P0", "P1", "P2", "P3", "S3")
LUN_STATISTICS = {"in_flight", "queue_depth", "latency_ms"}

# What a source does not tell; the rest it must.
LIVE_UNKNOWN = {"alias", "internal_state", "chap.username", "chap.username_in"}
ALWAYS_UNKNOWN = {"alias", "luns[].wwid"}
P3_UNKNOWN = ALWAYS_UNKNOWN | {"chap.username", "chap.username_in"}
P2_UNKNOWN = P3_UNKNOWN - {"luns[].wwid"} | {"host", "luns"}
P1_UNKNOWN = P2_UNKNOWN - {"chap.username", "chap.username_in"} | {"timeouts", "chap", "params"}
P0_UNKNOWN = P1_UNKNOWN | {
    "portal", "iface", "initiator", "initiator_address", "connection_state", "session_state",
    "internal_state",
}  # fmt: skip
UNKNOWN = {
    "P0": P0_UNKNOWN,
    "P1": P1_UNKNOWN,
    "P2": P2_UNKNOWN,
    "P3": P3_UNKNOWN,
    "S3": P3_UNKNOWN,
}
#: While there is no connection nobody knows its state but iscsid, nor from where it will come.
BROKEN_UNKNOWN = {"connection_state", "initiator_address"}

CAPTURE = """
mkdir -p /root/c && cd /root/c && rm -f ./*
iscsictl ls -J >live.json 2>live.err || exit 90
for n in 0 1 2 3; do iscsiadm -m session -P $n >P$n.txt 2>P$n.err || exit 91; done
iscsiadm -m session -S -P 3 >S3.txt 2>S3.err || exit 92
iscsictl ls -l -J >long.json 2>long.err || exit 93
setpriv --reuid 65534 --clear-groups iscsictl ls -J >plain.json 2>plain.err || exit 94
for f in P0 P1 P2 P3 S3; do iscsictl ls --from $f.txt -J >$f.json 2>$f.warn || exit 95; done
cat P0.txt P1.txt P3.txt | tr -d '\\t' | iscsictl ls --from - -J >all.json 2>all.warn || exit 96
"""


def build(lab: Lab) -> None:
    """Eight sessions: several LUNs over two ifaces, IPv6, mutual CHAP, no LUN, two on net B."""
    array, host = lab.array, lab.host
    names = ("p0", "p2", "p10", "v6", "mutual", "far", "given-up", "stopped")
    disks = {name: array.disk(name, "64M") for name in names}
    luns = {0: disks["p0"], 2: disks["p2"], 10: disks["p10"]}
    array.target(f"{IQN}plain.a-1", luns, portals=[A4])
    array.target(f"{IQN}v6", [disks["v6"]], portals=[A6])
    array.target(f"{IQN}mutual", [disks["mutual"]], portals=[A4], chap=CHAP, mutual=MUTUAL)
    array.target(f"{IQN}empty", [], portals=[A4])
    array.target(f"{IQN}far", [disks["far"]], portals=[B4])
    array.target(f"{IQN}given-up", [disks["given-up"]], portals=[B4])
    array.target(f"{IQN}stopped", [disks["stopped"]], portals=[A4])
    for place in (A4, B4, f"[{A6}]"):
        host.run(f"iscsiadm -m discovery -t st -p {place}", check=True)
    host.run("iscsiadm -m iface -I second -o new", check=True)
    host.run(f"iscsiadm -m node -T {IQN}plain.a-1 -p {A4}:3260,1 -I second -o new", check=True)
    host.put("/root/one", CHAP[1], 0o600)
    host.put("/root/two", MUTUAL[1], 0o600)
    host.run(
        f"iscsictl chap set -T {IQN}mutual --user {CHAP[0]} --secret-file /root/one "
        f"--mutual-user '{MUTUAL[0]}' --mutual-secret-file /root/two",
        check=True,
    )
    host.run(
        f"iscsiadm -m node -T {IQN}given-up -o update "
        "-n node.session.timeo.replacement_timeout -v 2",
        check=True,
    )
    host.run("iscsiadm -m node --login", timeout=120, check=True)
    host.run("until [ $(ls -d /sys/block/sd* | wc -l) = 11 ]; do sleep 0.2; done")
    host.run("udevadm settle", check=True)


def no_disk(lab: Lab) -> None:
    """One LUN loses its disk, as while the kernel has not yet attached it."""
    lab.host.run(
        "for l in /sys/class/iscsi_session/*/device/target*/*:10; do "
        "basename $l >/sys/bus/scsi/drivers/sd/unbind; break; done",
        check=True,
    )


def captured(lab: Lab) -> dict[str, dict[str, Any]]:
    """The listings of one moment: live, long, as nobody, and of each level of iscsiadm."""
    result = lab.host.run(CAPTURE, timeout=300)
    assert result.code == 0, f"{result}\n{lab.host.run('cat /root/c/*.err').out}"
    found = {}
    for name in ("live", "long", "plain", *LEVELS, "all"):
        text = lab.host.text(f"/root/c/{name}.json")
        assert CHAP[1] not in text
        assert MUTUAL[1] not in text
        found[name] = json.loads(text)
    assert CHAP[1] in lab.host.text("/root/c/S3.txt")
    for name in (*LEVELS, "all"):
        assert found[name]["warnings"] == []
        assert found[name]["disks"] is None
    return found


def by_sid(document: dict[str, Any]) -> dict[int, dict[str, Any]]:
    sessions = {session["sid"]: session for session in document["sessions"]}
    assert len(sessions) == len(document["sessions"])
    return sessions


def agree(one: Any, other: Any, where: str = "") -> set[str]:
    """Compare what both know; return the keys that one of them (or both) does not know."""
    if one is None or other is None:
        return {where}
    if isinstance(one, dict):
        assert list(one) == list(other), where
        found: set[str] = set()
        for key in one:
            if key != "source":
                found |= agree(one[key], other[key], f"{where}.{key}".lstrip("."))
        return found
    if isinstance(one, list):
        assert len(one) == len(other), f"{where}: {one} and {other}"
        found = set()
        for first, second in zip(one, other, strict=True):
            found |= agree(first, second, where + "[]")
        return found
    assert one == other, where
    return set()


def ordered(session: dict[str, Any]) -> dict[str, Any]:
    """Order the LUNs by number, for iscsiadm prints them in the order of the text."""
    luns = session["luns"]
    return session | {"luns": luns and sorted(luns, key=lambda lun: lun["lun"])}


def trying(session: dict[str, Any]) -> dict[str, Any]:
    """Let a lost connection be one: iscsid waits and logs in, again and again."""
    state = session["connection_state"]
    assert state in {None, "TRANSPORT WAIT", "IN LOGIN", "FREE"}
    return session | {"connection_state": state and "TRANSPORT WAIT"}


def without_statistics(session: dict[str, Any]) -> dict[str, Any]:
    """Take away what only a long listing has."""
    assert session["errors"].keys() == {"digest", "timeout"}
    rest = {key: value for key, value in session.items() if key != "errors"}
    luns = [{key: value for key, value in lun.items() if key not in LUN_STATISTICS}
            for lun in session["luns"]]  # fmt: skip
    return rest | {"luns": luns}


def compare(found: dict[str, dict[str, Any]]) -> None:
    """Hold every listing of a moment against every other."""
    live = by_sid(found["live"])
    long = {sid: without_statistics(one) for sid, one in by_sid(found["long"]).items()}
    broken = {sid for sid, one in live.items() if one["session_state"] != "LOGGED_IN"}
    for sid, one in by_sid(found["plain"]).items():
        assert one == live[sid] | {"chap": None}
    assert found["plain"]["disks"] == found["live"]["disks"]
    for sid, one in long.items():
        loose = BROKEN_UNKNOWN if sid in broken else set()
        assert agree(live[sid], one) <= LIVE_UNKNOWN | loose | {"luns[].device"}
        assert one["internal_state"] == ("REOPEN" if sid in broken else "NO CHANGE")
    for level in LEVELS:
        sessions = by_sid(found[level])
        assert sessions.keys() == live.keys()
        for sid, session in sessions.items():
            one, other = ordered(session), long[sid]
            if sid in broken:
                one, other = trying(one), trying(other)
            if level == "P0":
                assert one["status"] == "unknown"
                other = other | {"status": "unknown"}
            loose = {"initiator_address"} if sid in broken else set()
            missing = agree(other, one)
            assert missing <= UNKNOWN[level] | loose | {"luns[].device", "luns[].state"}, sid
            if level in ("P3", "S3"):
                names = [other["chap"]["username"], other["chap"]["username_in"]]
                mutual = one["target"].endswith("mutual")
                assert names == ([CHAP[0], MUTUAL[0]] if mutual else [None, None])
                disks = [lun["device"] for lun in one["luns"]]
                assert disks == [lun["device"] for lun in other["luns"]]
    # Listed three times in one file, a session is still one.
    whole = {sid: ordered(one) for sid, one in by_sid(found["all"]).items()}
    assert whole == {sid: ordered(one) for sid, one in by_sid(found["P3"]).items()}


@pytest.mark.every_suite
def test_live_and_captured_listings_agree_in_every_state(lab: Lab) -> None:
    build(lab)
    no_disk(lab)
    found = captured(lab)
    compare(found)
    live = by_sid(found["live"])
    assert {one["status"] for one in live.values()} == {"up"}
    assert [one["iface"] for one in live.values()].count("second") == 1
    plain = [one for one in live.values() if one["target"] == f"{IQN}plain.a-1"]
    assert [[lun["lun"] for lun in one["luns"]] for one in plain] == [[0, 2, 10]] * 2
    assert [one["luns"][2]["device"] is None for one in plain].count(True) == 1
    assert [one["luns"] for one in live.values() if one["target"] == f"{IQN}empty"] == [[]]
    places = {one["target"]: one["persistent_portal"]["address"] for one in live.values()}
    assert places[f"{IQN}v6"] == A6
    table = lab.host.run("iscsictl ls", check=True).out
    assert f"[{A6}]:3260" in table

    lab.array.stop_target(f"{IQN}stopped")
    lab.cut("B")
    lab.host.run(
        "until [ \"$(cat /sys/class/iscsi_session/*/state | sort | uniq -c | tr -s ' \\n' ' ')\" "
        "= ' 2 FAILED 1 FREE 5 LOGGED_IN ' ]; do sleep 0.2; done",
        timeout=90,
        check=True,
    )
    found = captured(lab)
    compare(found)
    states = {
        one["target"].removeprefix(IQN): (one["status"], one["session_state"], lun["state"])
        for one in by_sid(found["P3"]).values()
        for lun in one["luns"]
        if one["status"] != "up"
    }
    assert states == {
        "far": ("recovering", "FAILED", "blocked"),
        "stopped": ("recovering", "FAILED", "blocked"),
        "given-up": ("recovering", "FREE", "transport-offline"),
    }


# Runs in the guest: `ls` over and over in one process, as long as the other command lasts.
LOOKER = r"""
import io, json, subprocess, sys
from iscsictl.cli.main import cli
churn = subprocess.Popen(["sh", "/root/churn"], stdout=subprocess.DEVNULL)
rows, runs, counts = set(), 0, set()
out = sys.stdout
while runs < 200 or churn.poll() is None:
    runs += 1
    sys.stdout = io.StringIO()
    code = cli.main(["ls", "-q", "-o", "json"], standalone_mode=False)
    text, sys.stdout = sys.stdout.getvalue(), out
    assert not code, code
    document = json.loads(text)
    sids = {}
    for one in document["sessions"]:
        assert one["sid"] not in sids
        sids[one["sid"]] = one["target"]
        counts.add(len(document["sessions"]))
        for lun in one["luns"] or ():
            assert lun["hctl"].startswith(f"{one['host']['number']}:")
        luns = [[x["lun"], x["wwid"], x["device"] and "disk"] for x in one["luns"] or ()]
        places = [x and x["address"] for x in (one["portal"], one["persistent_portal"])]
        rows.add(json.dumps(["session", one["target"], places, one["iface"], luns]))
    for disk in document["disks"]:
        targets = sorted({sids[path["sid"]] for path in disk["paths"]})
        parts = [[x["kind"], x["size"], x["fstype"], x["uuid"]] for x in disk["children"]]
        about = [disk[key] for key in ("wwid", "size", "kind", "fstype", "uuid")]
        rows.add(json.dumps(["disk", targets, about, parts]))
assert churn.wait() == 0
print(json.dumps({"runs": runs, "rows": sorted(rows), "counts": sorted(counts)}))
"""

# Runs in the guest beside it: sessions and LUNs come and go, the letters with them.
CHURN = r"""
set -e
n=0
while [ $n -lt 5 ]; do
    n=$((n+1))
    iscsiadm -m node --login
    [ $n -gt 1 ] || udevadm settle
    iscsictl ls -o json >/dev/null
    for l in /sys/class/iscsi_session/*/device/target*/*:1; do echo 1 >$l/delete || true; done
    iscsiadm -m node -T {iqn}swap --logout
    iscsictl ls >/dev/null
    iscsiadm -m session -R
    iscsictl ls -o tsv >/dev/null
    iscsiadm -m node -T {iqn}parts --logout
    iscsiadm -m node -T {iqn}blank --logout
done
"""


def test_sessions_and_luns_that_come_and_go_give_no_error_and_no_wrong_row(lab: Lab) -> None:
    array, host = lab.array, lab.host
    sizes = {"swap": 64, "parts": 65, "blank": 66, "swap2": 67, "parts2": 68, "blank2": 69}
    disks = {name: array.disk(name, f"{size}M") for name, size in sizes.items()}
    owner = {}
    for name in ("swap", "parts", "blank"):
        array.target(f"{IQN}{name}", [disks[name], disks[name + "2"]])
        owner[name] = owner[name + "2"] = f"{IQN}{name}"
    host.run(f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login", check=True)
    host.run("until [ $(ls -d /sys/block/sd* | wc -l) = 6 ]; do sleep 0.2; done; udevadm settle")
    uuids = {}
    for name, disk in disks.items():
        device = f"/dev/disk/by-id/wwn-0x{disk.wwid.removeprefix('naa.')}"
        if name.startswith("swap"):
            uuids[name] = f"00000000-0000-4000-8000-{sizes[name]:012}"
            host.run(f"mkswap -q -U {uuids[name]} {device}", check=True)
        elif name.startswith("parts"):
            host.run(f"echo ',,L' | sfdisk -q --no-reread {device}; partx -u {device}", check=True)
    host.run("udevadm settle; iscsiadm -m node --logout", check=True)
    host.put("/root/churn", CHURN.replace("{iqn}", IQN))
    host.put("/root/looker", LOOKER)
    result = host.run(["python3", "/root/looker"], timeout=900)
    assert result.code == 0, str(result)
    seen = json.loads(result.out)
    assert seen["runs"] >= 200
    assert set(seen["counts"]) >= {1, 2, 3}
    wwids = {disk.wwid: name for name, disk in disks.items()}
    whole, sized = 0, set()
    for row in map(json.loads, seen["rows"]):
        if row[0] == "session":
            _, target, places, iface, luns = row
            assert set(places) <= {A4, None}, row
            assert iface in ("default", None), row
            for lun, wwid, _ in luns:
                name = target.removeprefix(IQN) + ("2" if lun else "")
                assert wwid in (disks[name].wwid, None), row
            continue
        _, targets, (wwid, size, kind, fstype, uuid), parts = row
        assert kind == "disk", row
        if wwid is None:
            assert len(targets) == 1, row
            sizes_here = {disks[name].size for name in disks if owner[name] == targets[0]}
            assert size in {*sizes_here, None}, row
            continue
        name = wwids[wwid]
        assert targets == [owner[name]], row
        assert size in (disks[name].size, None), row
        sized |= {name} if size else set()
        known = (fstype, uuid)
        assert known in {(None, None), ("swap", uuids.get(name)) if name in uuids else known}, row
        assert name in uuids or known == (None, None), row
        assert len(parts) <= name.startswith("parts"), row
        whole += known != (None, None) or bool(parts)
    assert whole >= 2
    assert sized == set(disks)


LEAVE = rb"\x1b\[\?25h\x1b\[\?1049l"


def test_watch_shows_changes_and_throughput_and_leaves_the_terminal_as_it_was(lab: Lab) -> None:
    array, host = lab.array, lab.host
    array.target(f"{IQN}busy", [array.disk("busy", "256M"), array.disk("other", "64M")])
    array.target(f"{IQN}goes", [array.disk("goes", "64M")], portals=[B4])
    for place in (A4, B4):
        host.run(f"iscsiadm -m discovery -t st -p {place}", check=True)
    host.run("iscsiadm -m node --login", check=True)
    host.run("until [ $(ls -d /sys/block/sd* | wc -l) = 3 ]; do sleep 0.2; done; udevadm settle")
    json_watch = host.start("exec iscsictl watch -J")
    host.run("mkdir /root/no", check=True)
    host.put("/root/no/pyudev.py", "raise ImportError")
    clock_watch = host.start("exec env PYTHONPATH=/root/no iscsictl watch -o tsv --interval 500ms")
    for job in (json_watch, clock_watch):
        # In select, pselect6 or clock_nanosleep: it has had its first look.
        host.run(f"until grep -qE '^(23|270|230) ' /proc/{job.pid}/syscall; do sleep 0.1; done")
    device = host.run("readlink -f /dev/disk/by-path/*:busy-lun-0", check=True).out.strip()
    load = host.start(f"while :; do dd if={device} of=/dev/null bs=1M count=64 iflag=direct; done")
    console = host.console
    console.sendline(b"export TERM=vt100; stty rows 24 cols 120; stty -a > /root/before")
    console.sendline(b"iscsictl watch; echo left=$?; stty -a > /root/after")
    console.expect(rb"\x1b\[\?1049h\x1b\[\?25l", timeout=60)
    console.expect(rb"READ/S", timeout=60)
    console.expect(rb"lab:busy +\S*up\S* +all +-[- ]+[0-9.]+[KM] ", timeout=60)
    console.expect(rb"lab:busy +\S*up\S* +0 +/dev/sd. .*?[0-9.]+[KM] ", timeout=60)
    # The errors are those of iscsid, which is asked in the background.
    console.expect(rb"LATENCY\W.*?QUEUE\W.*?ERRORS\W", timeout=60)
    console.expect(rb"lab:busy +\S*up\S* +all +[^\n]* 0 ", timeout=60)
    host.run(f"iscsiadm -m node -T {IQN}goes --logout", check=True)
    console.expect(rb"session \d+ " + IQN.encode() + rb"goes: session up -> -", timeout=60)
    console.send(b"\x03")
    console.expect(LEAVE, timeout=60)
    console.expect(rb"left=(\d+)\r", timeout=60)
    assert isinstance(console.match, re.Match)
    assert console.match[1] == b"130"
    host.run("until [ -s /root/after ]; do sleep 0.1; done")
    assert host.text("/root/after") == host.text("/root/before")
    load.signal()
    host.run(
        "until [ $(ls -d /sys/class/iscsi_session/* | wc -l) = 1 ]; do sleep 0.2; done; sleep 1.5"
    )
    for job in (json_watch, clock_watch):
        job.signal()
    ended = json_watch.wait()
    assert (ended.code, ended.err) == (143, "")
    documents = [json.loads(line) for line in ended.out.splitlines()]
    assert {one["schema"] for one in documents} == {"iscsictl.watch/1"}
    changes = [
        one for one in documents if one["what"] == "session" and one["target"] == f"{IQN}goes"
    ]
    # The state at the start comes first.
    assert [(one["before"], one["after"]) for one in changes] == [(None, "up"), ("up", None)]
    (sid,) = {one["sid"] for one in changes}
    lines = [line.split("\t") for line in clock_watch.wait().out.splitlines()]
    assert [str(sid), f"{IQN}goes", "session", "up", ""] in [line[1:6] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\S+", line[0]) for line in lines)
