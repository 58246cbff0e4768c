"""The commands on sessions, records and CHAP accounts, on real open-iscsi and LIO."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import ctl

if TYPE_CHECKING:
    from tests.lab.pair import Lab

IQN = "iqn.2026-01.example.lab:one"
OTHER = "iqn.2026-01.example.lab:two"
CHAP = ("myaccount", "array takes 4f2Q")
MUTUAL = ("array", "host takes 8k3Wq")
WRONG = "this is wrong 77"
SECRETS = "-T {iqn} --user myaccount --secret-file /root/secret"


def steps(lab: Lab, command: str, code: int = 0) -> dict[str, str]:
    """The statuses of a command's steps, by verb and the last word of the subject."""
    document = json.loads(ctl(lab, f"{command} -o json", code).out)
    return {step["id"]: step["status"] for step in document["steps"]}


def database(lab: Lab) -> str:
    """Every file of the node database with its mode and a hash of its content."""
    return lab.host.run(
        "for d in /etc/iscsi /var/lib/iscsi; do for k in nodes send_targets isns; do "
        "[ -d $d/$k ] && find $d/$k -type f -exec stat -c '%n %a' {} + -exec sha256sum {} +; "
        "done; done | sort"
    ).out


def record(lab: Lab, iqn: str = IQN, place: str = f"{A4},3260,1", iface: str = "default") -> str:
    found = lab.host.run("ls -d /etc/iscsi/nodes /var/lib/iscsi/nodes 2>/dev/null").out.split()
    return f"{found[-1]}/{iqn}/{place}/{iface}"


def path_of(lab: Lab, address: str) -> str:
    return record(lab, place=f"{address},3260,1")


def sessions(lab: Lab) -> list[str]:
    return lab.host.run("cat /sys/class/iscsi_session/*/targetname 2>/dev/null").out.split()


def saved(lab: Lab, *, portals: tuple[str, ...] = (A4,), **target: Any) -> None:
    """One target with one disk, and its records made."""
    lab.array.target(IQN, [lab.array.disk("one", "64M")], portals=portals, **target)
    lab.host.run(["iscsiadm", "-m", "discovery", "-t", "st", "-p", A4], check=True)


def logged_in(lab: Lab) -> None:
    """The target of `saved`, logged in, with its disks."""
    lab.host.run(["iscsiadm", "-m", "node", "--login"], check=True)
    lab.host.run(f"until {DISKS} | grep -q sd; do sleep 0.2; done")


@pytest.mark.fault("F06")
@pytest.mark.fault("F10")
def test_discovery_shows_and_with_save_adds_and_changes_nothing_else(lab: Lab) -> None:
    empty = ctl(lab, "nodes -o json")
    assert json.loads(empty.out) == {"schema": "iscsictl.nodes/1", "nodes": []}
    lab.array.target(IQN, [lab.array.disk("one", "64M")], portals=[A4, B4])
    before = database(lab)
    shown = json.loads(ctl(lab, f"discover {A4} -J").out)
    places = [(t["target"], t["portal"]["address"], t["record"]) for t in shown["targets"]]
    assert places == [(IQN, A4, False), (IQN, B4, False)]
    assert database(lab) == before
    ctl(lab, f"discover {A4} --save")
    assert set(ctl(lab, "nodes ls -o tsv").out.split()) >= {IQN, "manual", f"{B4}:3260,1"}
    ctl(lab, f"startup {IQN} automatic")
    ctl(lab, f"nodes set -T {IQN} -p {A4} node.session.timeo.replacement_timeout=77")
    lab.host.put("/root/secret", CHAP[1], 0o600)
    lab.host.put("/root/mutual", MUTUAL[1], 0o600)
    ctl(lab, f"chap set {SECRETS.format(iqn=IQN)} -p {A4} "
             f"--mutual-user {MUTUAL[0]} --mutual-secret-file /root/mutual")  # fmt: skip
    lab.array.target(OTHER, [lab.array.disk("two", "64M")])
    own = lab.host.text(record(lab))
    for setting in (
        "node.startup = automatic",
        "node.session.timeo.replacement_timeout = 77",
        "node.session.auth.authmethod = CHAP",
        f"node.session.auth.username = {CHAP[0]}",
        f"node.session.auth.password = {CHAP[1]}",
        f"node.session.auth.username_in = {MUTUAL[0]}",
        f"node.session.auth.password_in = {MUTUAL[1]}",
    ):
        assert f"{setting}\n" in own
    found = steps(lab, f"discover {A4} --save")
    assert found[f"record:{IQN} {A4}:3260"] == "unchanged"
    assert found[f"record:{OTHER} {A4}:3260"] == "done"
    assert lab.host.text(record(lab)) == own
    assert set(steps(lab, f"discover {A4} --save").values()) == {"unchanged"}
    # `attach` discovers as well, and meets an array that asks for no account.
    ctl(lab, f"attach -p {A4} -T {OTHER}")
    assert lab.host.text(record(lab)) == own


@pytest.mark.torture
@pytest.mark.fault("F41")
def test_records_are_there_or_gone_after_a_power_cut_as_they_were_before(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("one", "64M")], portals=[A4, B4])
    ctl(lab, f"discover {A4} --save")
    before = database(lab)
    lab.host.power_cut()
    lab.host.boot()
    assert "default 600" in before
    assert database(lab) == before
    ctl(lab, f"forget {IQN}")
    lab.host.power_cut()
    lab.host.boot()
    assert database(lab) == ""


def test_a_silent_portal_and_a_refused_one_are_told_quickly(lab: Lab) -> None:
    refused = ctl(lab, "discover 192.0.2.5:4444", 6)
    assert "connection refused" in refused.err
    lab.cut("A")
    silent = ctl(lab, f"discover {A4} --timeout 2s", 6)
    assert "no answer within 2 s" in silent.err
    assert "hint:" in silent.err


def test_discovery_with_an_account_leaves_the_database_as_it_was(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("one", "64M")])
    lab.array.discovery_auth(CHAP)
    lab.host.put("/root/secret", CHAP[1], 0o600)
    lab.host.put("/root/wrong", WRONG, 0o600)
    before = database(lab)
    account = "--chap-user myaccount --chap-secret-file /root/"
    assert IQN in ctl(lab, f"discover {A4} {account}secret").out
    assert database(lab) == before
    ctl(lab, f"discover {A4} {account}wrong", 5)
    assert database(lab) == before
    ctl(lab, f"chap set --discovery {A4} --user myaccount --secret-file /root/secret")
    assert IQN in ctl(lab, f"discover {A4}").out
    kept = database(lab)
    ctl(lab, f"discover {A4} {account}wrong", 5)
    assert database(lab) == kept


@pytest.mark.fault("F04")
@pytest.mark.fault("F16")
@pytest.mark.fault("F17")
def test_a_chap_account_is_set_privately_refused_in_seconds_and_really_cleared(lab: Lab) -> None:
    saved(lab, chap=CHAP)
    lab.host.put("/root/secret", WRONG + "\n", 0o600)
    lab.host.run(["chmod", "644", record(lab)], check=True)
    given = SECRETS.format(iqn=IQN)
    first = ctl(lab, f"chap set {given}")
    assert lab.host.run(["stat", "-c", "%a", record(lab)]).out.strip() == "600"
    before = database(lab)
    wrong = ctl(lab, f"login -T {IQN}", 5)
    # The other command tells how long this machine takes to start one.
    assert wrong.seconds < 20 + 3 * first.seconds
    assert database(lab) == before
    assert sessions(lab) == []
    lab.host.put("/root/secret", CHAP[1] + "\n", 0o600)
    ctl(lab, f"chap set {given} --algorithms sha256,md5")
    assert set(steps(lab, f"chap set {given} --algorithms sha256,md5").values()) == {"unchanged"}
    right = ctl(lab, f"login -T {IQN} -v")
    shown = ctl(lab, "chap show")
    assert "SHA256,MD5" in shown.out
    assert sessions(lab) == [IQN]
    for result in (first, wrong, right, shown):
        assert CHAP[1] not in result.out + result.err
        assert WRONG not in result.out + result.err
    ctl(lab, f"logout -T {IQN}")
    lab.array.remove_target(IQN)
    lab.array.target(IQN, [lab.array.state.disks["one"]])
    ctl(lab, f"chap clear -T {IQN}")
    ctl(lab, f"login -T {IQN}")
    names = lab.host.run("cat /sys/class/iscsi_session/*/username").out.strip()
    assert names in {"", "(null)", "<NULL>"}
    assert ".auth.password" not in lab.host.text(record(lab))


@pytest.mark.fault("F07")
@pytest.mark.fault("F09")
def test_login_is_success_twice_and_touches_the_named_record_alone(lab: Lab) -> None:
    saved(lab, portals=(A4, B4))
    lab.host.run(f"iscsiadm -m node -T {IQN} -p {A4}:3260,2 -o new", check=True)
    lab.host.run("iscsiadm -m iface -I second -o new", check=True)
    lab.host.run(f"iscsiadm -m node -T {IQN} -p {A4}:3260,1 -I second -o new", check=True)
    others = [record(lab), record(lab, iface="second"), record(lab, place=f"{B4},3260,1")]
    before = [lab.host.text(path) for path in others]
    ctl(lab, f"nodes set -T {IQN} -p {A4}:3260,2 node.session.queue_depth=8")
    assert "queue_depth = 8" in lab.host.text(record(lab, place=f"{A4},3260,2"))
    assert [lab.host.text(path) for path in others] == before
    ctl(lab, f"forget {IQN} -p {A4}:3260,2")
    ctl(lab, f"forget {IQN} -I second")
    lab.host.run(f"iscsiadm -m node -T {IQN} -p {A4} --login", check=True)
    found = steps(lab, f"login -T {IQN}")
    assert found == {f"login:{IQN} {A4}:3260": "unchanged", f"login:{IQN} {B4}:3260": "done"}
    assert sessions(lab) == [IQN, IQN]
    ctl(lab, f"forget {IQN}", 7)


@pytest.mark.fault("F11")
def test_a_dead_portal_is_named_and_the_others_are_logged_in(lab: Lab) -> None:
    saved(lab, portals=(A4, B4))
    ctl(lab, f"startup {IQN} automatic")
    lab.cut("A")
    dead = ctl(lab, "login --all --timeout 5s", 4)
    assert f"{A4}:3260 does not answer" in dead.err
    assert sessions(lab) == [IQN]


USES = {
    "mount": ("mkfs.ext4 -q {d}; mkdir -p /mnt/x; mount {d} /mnt/x", "umount /mnt/x", "/mnt/x"),
    "namespace": (
        "mkfs.ext4 -q {d}; unshare -m sh -c 'mount {d} /srv; exec sleep 777' >/dev/null 2>&1 &",
        "pkill -x sleep; sleep 0.3",
        "mount on /srv in the namespace of process",
    ),
    "swap": ("mkswap {d} >/dev/null; swapon {d}", "swapoff {d}", "swap on"),
    "lvm": (
        "vgcreate -qq -y vg {d} >/dev/null; lvcreate -qq -y -n lv -l 4 vg",
        "vgremove -qq -f -y vg",
        "LVM volume /dev/mapper/vg-lv",
    ),
    "md": (
        "mdadm -q --create /dev/md7 --level=1 --force --raid-devices=1 --run {d}",
        "mdadm -q --stop /dev/md7",
        "md array /dev/md7",
    ),
    "open": ("sleep 777 <{d} >/dev/null 2>&1 & sleep 0.3", "pkill -x sleep", "(sleep) that has"),
}
DISKS = (
    "for s in /sys/class/iscsi_session/*; do "
    "echo $(cat $s/targetname) $(ls $s/device/target*/*:0/block); done"
)


@pytest.mark.fault("F29")
def test_logout_is_refused_while_the_disk_is_used_in_any_way(lab: Lab) -> None:
    for name in USES:
        lab.array.target(f"{IQN}.{name}", [lab.array.disk(name, "64M")])
    lab.host.run(f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login", check=True)
    lab.host.run(f"while [ $({DISKS} | grep -c sd) -lt {len(USES)} ]; do sleep 0.2; done")
    found = dict(line.split() for line in lab.host.run(DISKS).out.splitlines())
    devices = {name: f"/dev/{found[f'{IQN}.{name}']}" for name in USES}
    for name, (take, _, _) in USES.items():
        lab.host.run(take.format(d=devices[name]), check=True)
    lab.host.run(
        "until grep -q ' /srv ' /proc/$(pgrep -x sleep | head -1)/mounts; do sleep 0.2; done"
    )
    refused = ctl(lab, "logout --all", 7)
    for name, (_, leave, holder) in USES.items():
        (line,) = [x for x in refused.err.splitlines() if f"logout {IQN}.{name} " in x]
        assert f"{devices[name]} is in use" in line
        assert holder in line
        lab.host.run(leave.format(d=devices[name]))
    assert len(sessions(lab)) == len(USES)
    assert json.loads(ctl(lab, "hold -J").out)["holds"] == []
    ctl(lab, "logout --all")
    assert sessions(lab) == []


@pytest.mark.fault("F59")
def test_logout_holds_the_target_down_until_login_or_unhold(lab: Lab) -> None:
    saved(lab)
    logged_in(lab)
    ctl(lab, f"logout -T {IQN} -n", 10)
    assert sessions(lab) == [IQN]
    ctl(lab, f"logout -T {IQN} --for 1h")
    (held,) = json.loads(ctl(lab, "hold -J").out)["holds"]
    assert held["target"] == IQN
    assert 3000 < held["seconds"] <= 3600
    assert set(steps(lab, f"logout -T {IQN}").values()) == {"unchanged"}
    ctl(lab, f"login -T {IQN}")
    assert json.loads(ctl(lab, "hold -J").out)["holds"] == []
    ctl(lab, "hold /srv/data")
    assert set(steps(lab, "hold /srv/data/").values()) == {"unchanged"}
    ctl(lab, "unhold /srv/data")
    assert json.loads(ctl(lab, "hold -J").out)["holds"] == []
    ctl(lab, "logout -T iqn.2026-01.example.lab:none", 3)


@pytest.mark.fault("F22")
@pytest.mark.fault("F27")
def test_rescan_sees_what_grew_appeared_and_became_another_disk(lab: Lab) -> None:
    saved(lab)
    logged_in(lab)
    assert set(steps(lab, "rescan").values()) == {"unchanged"}
    one = lab.array.grow(lab.array.state.disks["one"], "128M")
    lab.array.map(IQN, 1, lab.array.disk("two", "64M"))
    told = ctl(lab, "rescan")
    assert "grew from 67108864 to 134217728" in told.err
    assert f"LUN 1 of {IQN} appeared" in told.err
    three = lab.array.disk("three", "64M")
    lab.array.swap(IQN, 0, three)
    told = ctl(lab, "rescan")
    assert f"it is now another disk: {three.wwid}, not {one.wwid}" in told.err
    listed = json.loads(ctl(lab, "ls -J").out)
    luns = {lun["lun"]: lun["wwid"] for lun in listed["sessions"][0]["luns"]}
    assert luns[0] == three.wwid


@pytest.mark.fault("F81")
@pytest.mark.fault("F82")
def test_what_is_accepted_can_be_listed_and_what_cannot_is_named_with_what_to_change(
    lab: Lab,
) -> None:
    saved(lab)
    for change in (
        "node.session.timeo.replacement_timeout=30",
        "node.conn[0].iscsi.HeaderDigest=CRC32C,None",
        "node.session.scan=manual",
    ):
        ctl(lab, f"nodes set -T {IQN} {change} -y")
        assert IQN in lab.host.run("iscsiadm -m node", check=True).out
    refused = ctl(lab, f"nodes set -T {IQN} node.session.timeo.replacment_timeout=30 -y", 2)
    assert "node.session.timeo.replacement_timeout" in refused.err

    # Written by hand, as the documentation of another version says.
    path = record(lab)
    lab.host.run(f"sed -i 's/^# END/node.session.foo = 1\\n# END/' '{path}'", check=True)
    assert lab.host.run("iscsiadm -m node").code != 0
    (finding,) = json.loads(ctl(lab, "doctor -J --only nodedb-listing", 1).out)["findings"]
    assert finding["level"] == "fail"
    assert IQN in finding["subject"]
    assert "node.session.foo" in finding["message"]
    lab.host.run(f"{finding['fix']} -y", check=True, timeout=120)
    assert IQN in lab.host.run("iscsiadm -m node", check=True).out


@pytest.mark.fault("F85")
@pytest.mark.fault("F86")
def test_missing_ones_of_two_sessions_come_back_and_the_boot_leaves_out_what_no_host_reaches(
    lab: Lab,
) -> None:
    saved(lab)
    never = "169.254.7.9"
    lab.host.run(f"iscsiadm -m node -o new -T {IQN} -p {never}:3260,1", check=True)
    started = ctl(lab, f"startup {IQN} automatic")
    assert never in started.err
    assert "is skipped" in started.err
    shown = lab.host.run(f"grep -h '^node.startup' '{record(lab)}' '{path_of(lab, never)}'").out
    assert shown.split() == ["node.startup", "=", "automatic", "node.startup", "=", "manual"]

    ctl(lab, f"nodes set -T {IQN} -p {A4} node.session.nr_sessions=2 -y")
    ctl(lab, f"login -T {IQN} -p {A4}")
    assert sessions(lab) == [IQN, IQN]
    sid = lab.host.run("ls /sys/class/iscsi_session").out.split()[0].removeprefix("session")
    lab.host.run(f"iscsiadm -m session -r {sid} --logout", check=True)
    (finding,) = json.loads(ctl(lab, "doctor -J --only session-missing", 1).out)["findings"]
    assert finding["level"] == "fail"
    ctl(lab, "reconnect")
    assert sessions(lab) == [IQN, IQN]


@pytest.mark.fault("F108")
def test_a_lun_that_shrank_under_a_mount_fails_in_rescan_and_in_doctor(lab: Lab) -> None:
    disk = lab.array.disk("shrinks", "128M")
    lab.array.target(IQN, [disk])
    lab.host.run(f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login", check=True)
    device = lab.host.run(
        f"until {DISKS} | grep -q sd; do sleep 0.2; done; udevadm settle; "
        f"realpath /dev/disk/by-path/*{IQN}-lun-0"
    ).out.strip()
    lab.host.run(f"mkfs.ext4 -q -F {device} 32M && mount --mkdir {device} /m", check=True)
    lab.array.grow(disk, "64M")
    told = ctl(lab, "rescan", 4)
    assert f"it now has {64 << 20} bytes, not {128 << 20}" in told.err
    assert lab.host.run(f"blockdev --getsize64 {device}").out.strip() == str(128 << 20)
    (finding,) = json.loads(ctl(lab, "doctor -J --only disk-changed", 1).out)["findings"]
    assert (finding["level"], finding["subject"]) == ("fail", device)
    assert f"{device} is mounted on /m" in finding["message"]


@pytest.mark.fault("F19")
def test_what_is_missing_has_four_different_errors(lab: Lab) -> None:
    saved(lab)
    command = f"login -T {IQN} --timeout 20s"
    lab.host.run("useradd -m somebody 2>/dev/null; true")
    plain = lab.host.run(f"setpriv --reuid 65534 --clear-groups iscsictl {command}")
    assert plain.code == 13, str(plain)
    # iscsiadm itself would start it again.
    lab.host.run("systemctl mask --runtime --now iscsid.socket iscsid.service", check=True)
    silent = ctl(lab, command, 8)
    lab.host.run("systemctl unmask --runtime iscsid.socket iscsid.service", check=True)
    lab.host.run("systemctl start iscsid.socket", check=True)
    lab.host.run(
        "echo 'install iscsi_tcp /bin/false' > /etc/modprobe.d/no.conf; modprobe -r iscsi_tcp"
    )
    module = ctl(lab, command, 8)
    lab.host.run("rm /etc/modprobe.d/no.conf; mv /usr/sbin/iscsiadm /root/", check=True)
    tool = ctl(lab, command, 8)
    lab.host.run("mv /root/iscsiadm /usr/sbin/", check=True)
    errors = [result.err for result in (plain, silent, module, tool)]
    hints = {error.partition("hint:")[2] for error in errors}
    assert len(set(errors)) == 4
    assert len(hints) == 4
    assert "" not in hints
