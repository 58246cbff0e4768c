"""doctor on a host with a thousand sessions: one screen, soon."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from iscsictl.checks.examine import examine
from iscsictl.checks.portals import wanted_portals
from iscsictl.model.finding import Finding, Level, fail, ok, warn
from iscsictl.model.host_facts import Machine, MountHealth
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, Disk, Listing, Lun, Mount
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.output.terminal import Screen
from iscsictl.output.views.doctor import show
from iscsictl.parse.fstab import parse_fstab
from tests.unit import healthy_host
from tests.unit.growth import require_linear_time

SESSIONS = 1000
LINES = 40


def host(count: int = SESSIONS) -> Machine:
    """A session, a record, a disk, a mount and an entry of fstab for each of `count` targets."""
    sessions, records, disks, mounts, lines = [], [], [], [], []
    for n in range(count):
        target, portal = f"iqn.2001-04.com.example:{n}", Portal(f"192.0.2.{n % 250 + 1}", 3260, 1)
        device, hctl, wwid = f"/dev/sdx{n}", f"{n}:0:0:0", f"naa.6001405{n:08d}"
        status = "up" if n % 10 else "recovering"
        lun = Lun(0, hctl, device, "running", wwid)
        sessions.append(
            healthy_host.session(
                sid=n, target=target, portal=portal, persistent_portal=portal, luns=(lun,),
                status=status,
            )
        )  # fmt: skip
        path = Path(f"/etc/iscsi/nodes/{target}/{portal.address},3260,1/default")
        values = {"node.startup": "automatic", "node.conn[0].timeo.noop_out_interval": "0"}
        made = healthy_host.record()
        records.append(replace(made, path=path, values=values, target=target, portal=portal))
        where, uuid = f"/srv/{n}", f"0a-{n}"
        part = Block(f"{device}p1", uuid=uuid, mounts=(Mount(where, ("rw",)),))
        block = Block(device, "disk", 1 << 30, children=(part,))
        disks.append(Disk(wwid, (DiskPath(n, hctl, device, "running"),), block))
        mounts.append(MountHealth(where, part.device, "ext4", read_only=n % 7 == 0))
        lines.append(f"UUID={uuid} {where} ext4 defaults 0 2")
    return replace(
        healthy_host.SOUND,
        listing=Listing(tuple(sessions), tuple(disks)),
        db=healthy_host.db(*records),
        mounts=tuple(mounts),
        fstab=Known(parse_fstab("\n".join(lines).encode() + b"\n")),
    )


def shown(
    findings: tuple[Finding, ...], width: int | None = 80, *, everything: bool = False
) -> str:
    stream = io.StringIO()
    show(findings, Screen(stream, width=width, color=False), everything=everything)
    return stream.getvalue()


@pytest.mark.fault("F110")
def test_the_time_to_judge_sessions_grows_with_their_number_and_not_with_its_square() -> None:
    def judging(count: int) -> Callable[[], object]:
        machine = host(count)
        return lambda: shown(examine(machine))

    require_linear_time(judging, SESSIONS)


@pytest.mark.fault("F110")
def test_a_thousand_sessions_fit_on_one_screen() -> None:
    findings = examine(host())
    text = shown(findings)
    wrong = {f.id for f in findings if f.level in {Level.WARN, Level.FAIL}}
    assert len(wrong) >= 7
    assert len(text.splitlines()) <= LINES
    for id_ in wrong:
        assert len(re.findall(rf"^\w+ +{id_}\b", text, re.MULTILINE)) == 1


@pytest.mark.fault("F110")
def test_each_check_says_how_many_and_which_and_how_each_is_shown() -> None:
    many = tuple(
        fail("session-state", f"it is down {n}", f"fix {n}", f"iqn.{n}") for n in range(90)
    )
    text = shown((*many, warn("clock", "not kept right", "chrony")), None)
    assert text.splitlines() == [
        "fail  session-state  90: iqn.0, iqn.1, iqn.2 and 87 more",
        "      it is down 0",
        "      fix: fix 0",
        "      each of them: iscsictl doctor --all --only session-state",
        "warn  clock",
        "      not kept right",
        "      fix: chrony",
        "90 failed, 1 warnings, 0 ok",
    ]
    every = shown((*many, ok("clock", "kept right")), None, everything=True)
    assert every.count("fail  session-state  iqn.") == 90


@pytest.mark.fault("F110")
def test_a_few_of_one_check_are_shown_each_with_its_own_fix() -> None:
    few = tuple(fail("session-state", "it is down", f"fix {n}", f"iqn.{n}") for n in range(3))
    assert re.findall(r"fix: (.*)", shown(few, None)) == ["fix 0", "fix 1", "fix 2"]


@pytest.mark.fault("F110")
@pytest.mark.parametrize("width", [40, 80, 200, None])
def test_however_many_checks_complain_one_screen_is_enough(width: int | None) -> None:
    found = tuple(
        warn(f"check-{n}", "a long message " * 9, "a long fix " * 9, f"iqn.{m}")
        for n in range(60)
        for m in range(n + 1)
    )
    lines = shown(found, width).splitlines()
    assert len(lines) == LINES
    assert lines[-2] == "22 more checks: iscsictl doctor --all"
    assert all(width is None or len(line) < width for line in lines[:-1])


@pytest.mark.fault("F110")
def test_which_portals_must_answer_is_told_at_once_beside_thousands_of_maps() -> None:
    require_linear_time(lambda count: partial(wanted_portals, mapped_host(count)), 4 * SESSIONS)
    needed = wanted_portals(mapped_host(4 * SESSIONS))
    # The path that is down has another one; the other path is the only one that works.
    assert {portal.address for portal, must in needed.items() if must} == {
        f"192.0.2.{n}" for n in range(2, 251, 2)
    }


def mapped_host(count: int) -> Machine:
    """Make sessions of which every second one is down, each pair with a map over its paths."""
    sessions, disks = [], []
    for n in range(count):
        portal = Portal(f"192.0.2.{n % 250 + 1}", 3260, 1)
        sessions.append(
            healthy_host.session(
                sid=n, target=f"iqn.2001-04.com.example:{n // 2}", portal=portal,
                persistent_portal=portal, status="up" if n % 2 else "recovering",
            )
        )  # fmt: skip
        if n % 2:
            paths = (
                DiskPath(n - 1, f"{n - 1}:0:0:0", f"/dev/sdx{n - 1}", "transport-offline"),
                DiskPath(n, f"{n}:0:0:0", f"/dev/sdx{n}", "running"),
            )
            block = Block(f"/dev/mapper/m{n}", "mpath", 1 << 30)
            disks.append(Disk(f"naa.6001405{n:08d}", paths, block))
    listing = Listing(tuple(sessions), tuple(disks))
    return replace(healthy_host.SOUND, listing=listing, db=healthy_host.db())
