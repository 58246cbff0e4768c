"""`iscsictl` alone on a terminal, and how the whole command line is understood."""

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from iscsictl.cli.commands.overview import FIRST_ATTACH, first_step, overview_rows
from iscsictl.cli.groups import move_common_options
from iscsictl.errors import NeedsRootError
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.listing import Lun, Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.observers.overview import Overview, observe_overview
from iscsictl.output.terminal import Screen
from iscsictl.output.views.overview import print_overview
from iscsictl.parse.fstab import parse_fstab
from iscsictl.system.iscsi import initiator_name
from tests.commands import call
from tests.unit.fake_root import put

T = "iqn.2001-04.com.example:mail"
PORTAL = Portal("192.0.2.5", 3260, 1)
INSTALL = "dnf install iscsi-initiator-utils"
RECORD = NodeRecord(
    path=Path("/r"), target=T, portal=PORTAL, iface="default",
    values={"node.startup": "automatic"},
)  # fmt: skip
LINE = "UUID=u /srv/mail ext4 _netdev,nofail,x-iscsictl.wwid=naa.6 0 0\n"


def session(status: Literal["up", "recovering"] = "up") -> Session:
    return Session(
        source="sysfs", sid=1, target=T, portal=PORTAL, persistent_portal=PORTAL, iface="default",
        status=status,
    )  # fmt: skip


def rows(
    *,
    name: str | None = "iqn.1993-08.org.debian:01:a",
    sessions: tuple[Session, ...] = (),
    records: tuple[NodeRecord, ...] | None = (),
    fstab: Fstab | None = None,
    mounted: frozenset[str] = frozenset(),
    holds: tuple[Hold, ...] = (),
    installed: bool = True,
    read_only: frozenset[str] = frozenset(),
) -> dict[str, str]:
    initiator = InitiatorName(exists=True, name=name)
    found = Overview(
        initiator, sessions, records, fstab or Fstab(), mounted, holds, installed, "dnf", read_only
    )
    return dict(overview_rows(found))


def test_a_lun_that_is_offline_is_counted_and_not_well() -> None:
    luns = tuple(Lun(n, state=state) for n, state in enumerate(("running", "offline")))
    shown = rows(sessions=(session()._replace(luns=luns),), records=(RECORD,))
    assert (shown["sessions"], shown["warnings"]) == ("1 up", "1 LUN not running")
    assert shown["next"] == "iscsictl doctor"


def test_what_is_wrong_though_nothing_is_missing_is_a_warning() -> None:
    fstab, mounted = parse_fstab(LINE.encode()), frozenset({"/srv/mail"})
    well: dict[str, Any] = {
        "sessions": (session(),), "records": (RECORD,), "fstab": fstab, "mounted": mounted
    }  # fmt: skip
    claim = b"UUID=u /srv/x ext4 noauto,nofail,_netdev,x-iscsictl.making=naa.6 0 0\n"
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"sessions": (session("recovering"),)}, "1 session not up"),
        ({"records": (RECORD, replace(RECORD, problem="truncated"))}, "1 node record corrupt"),
        ({"fstab": parse_fstab(LINE.encode() + claim)}, "1 filesystem not finished"),
        ({"read_only": mounted}, "/srv/mail became read-only"),
    )
    for changed, warning in changes:
        shown = rows(**{**well, **changed})
        assert (shown["warnings"], shown["next"]) == (warning, "iscsictl doctor")
    on_purpose = parse_fstab(LINE.replace("_netdev", "ro,_netdev").encode())
    unchanged: tuple[dict[str, Any], ...] = (
        well, {**well, "fstab": on_purpose, "read_only": mounted},
    )  # fmt: skip
    for kept in unchanged:
        shown = rows(**kept)
        assert shown["warnings"] == "none"
        assert shown["next"].startswith("all is well")


def test_a_filesystem_that_cannot_be_written_is_seen(tmp_path: Path) -> None:
    mounts = "1 0 8:1 / /a rw - ext4 /dev/sda1 ro\n2 0 8:2 / /b rw - ext4 /dev/sdb1 rw\n"
    put(tmp_path, "proc/self/mountinfo", mounts)
    assert observe_overview(tmp_path).read_only == {"/a"}


def test_the_next_action_follows_from_the_state() -> None:
    fstab = parse_fstab(LINE.encode())
    assert rows(name=None)["next"] == "iscsictl initiator generate"
    assert rows()["next"] == FIRST_ATTACH
    assert rows(installed=False)["next"] == INSTALL
    assert rows(records=(RECORD,))["next"] == "iscsictl reconnect"
    assert rows(fstab=fstab)["next"] == "iscsictl reconnect"
    assert rows(sessions=(session("recovering"),))["next"] == "iscsictl doctor"
    well = rows(
        sessions=(session(),), records=(RECORD,), fstab=fstab, mounted=frozenset({"/srv/mail"})
    )
    assert well["next"].startswith("all is well")
    assert (well["sessions"], well["volumes"]) == ("1 up", "1 of 1 mounted")


def test_missing_sessions_and_mounts_are_counted() -> None:
    found = rows(records=(RECORD,), fstab=parse_fstab(LINE.encode()))
    assert found["sessions"] == "0 up, 1 missing"
    assert found["volumes"] == "0 of 1 mounted; missing: /srv/mail"
    assert "only root" in rows(records=None)["sessions"]


def test_a_name_that_only_root_may_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads any file, so the refusal of open(2) is made here."""

    def refuse(_: Path) -> None:
        raise NeedsRootError("/etc/iscsi/initiatorname.iscsi can be read by root only")

    monkeypatch.setattr(initiator_name, "read_file", refuse)
    put(tmp_path, "usr/sbin/iscsiadm")
    found = dict(overview_rows(observe_overview(tmp_path)))
    assert found["initiator"] == "only root can read its name"
    # That the name is not known is no reason to make one.
    assert "initiator" not in found["next"]
    assert found["next"] == FIRST_ATTACH


def nothing_yet(*, installed: bool = True, **known: Any) -> Overview:
    """A host without a session."""
    name = InitiatorName(exists=True, name="iqn.1993-08.org.debian:01:a")
    found = Overview(name, (), (), Fstab(), frozenset(), (), installed, "dnf")
    return replace(found, **known)


def test_where_there_is_no_session_the_first_step_to_one_is_told() -> None:
    manual = replace(RECORD, values={"node.startup": "manual"})
    for found, step in (
        (nothing_yet(installed=False), f"open-iscsi is not installed: {INSTALL}"),
        (nothing_yet(records=None), "only root can read the node records: sudo iscsictl nodes"),
        (nothing_yet(records=(RECORD,)), "log in to what is missing: iscsictl reconnect"),
        (
            nothing_yet(records=(manual,)),
            f"log in to a target that has a record: iscsictl login {T}",
        ),
        (nothing_yet(), f"attach a LUN: {FIRST_ATTACH}"),
        (nothing_yet(sessions=(session(),)), None),
    ):
        assert first_step(found) == step


@pytest.mark.parametrize(
    "words", ["ls", "reconnect", "nodes", "nodes show", "disk", "disk ls", "export"]
)
def test_a_command_that_finds_nothing_says_what_to_do_next(words: str, tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", "ID=fedora\n")
    for installed in (False, True):
        if installed:
            put(tmp_path, "usr/sbin/iscsiadm")
        answer = call(words.split(), tmp_path, uid=0)
        assert answer.code == 0
        said, hint = answer.err.splitlines()
        assert said.startswith("iscsictl: there ")
        assert hint.startswith("hint: ")
        assert hint.endswith(FIRST_ATTACH if installed else INSTALL)
        for options in (["-q"], ["-J"], ["-o", "tsv"]):
            assert call([*words.split(), *options], tmp_path, uid=0).err == ""


def on_a_terminal(root: Path, *args: str) -> tuple[int, str]:
    """Run the program with a terminal as its output."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "ISCSICTL_ROOT": str(root), "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, "-m", "iscsictl", *args], stdout=theirs, stderr=theirs,
        stdin=subprocess.DEVNULL, env=environment,
    ) as child:  # fmt: skip
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
    os.close(ours)
    return child.returncode, text.decode()


def test_the_state_is_folded_to_a_narrow_terminal_and_a_command_is_not() -> None:
    out = io.StringIO()
    shown = [("volumes", "/etc/fstab has no entries"), ("next", "iscsictl unhold /srv/mail")]
    print_overview(shown, Screen(out, width=30))
    assert out.getvalue().splitlines() == [
        "volumes    /etc/fstab has no", "           entries",
        "next       iscsictl unhold /srv/mail",
    ]  # fmt: skip


def test_alone_on_a_terminal_it_shows_the_state_and_off_one_the_help(tmp_path: Path) -> None:
    code, said = on_a_terminal(tmp_path)
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == [
        "initiator", "sessions", "volumes", "on", "warnings", "next",
    ]  # fmt: skip
    answer = call([], tmp_path)
    assert "Usage: iscsictl" in answer.out + answer.err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["-J", "ls"], ["ls", "-J"]),
        (["-o", "json", "chap", "show"], ["chap", "show", "-o", "json"]),
        (["--timeout=5", "-nq", "attach", "--", "x"], ["attach", "--timeout=5", "-nq", "--", "x"]),
        (["--help"], ["--help"]),
        (["-q"], ["-q"]),
        (["-q", "-J", "--help"], ["--help"]),
        (["-v", "-V"], ["-V"]),
        (["--unknown", "ls"], ["--unknown", "ls"]),
        (["-V"], ["-V"]),
    ],
)
def test_common_options_may_stand_before_the_command(given: list[str], meant: list[str]) -> None:
    assert move_common_options(given) == meant


@pytest.mark.parametrize(
    ("line", "schema"),
    [
        *((line, "ls") for line in ("-J ls", "ls -J", "ls --json", "-ojson ls", "ls -ojson")),
        *((line, "nodes") for line in ("nodes -J", "nodes -J ls", "-J nodes ls", "nodes ls -J")),
        ("iface -q -J show", "transports"),
        ("disk part -J verify /dev/sdb", "error"),
        ("-o json disk part verify /dev/sdb", "error"),
    ],
)
def test_common_options_stand_before_or_behind_any_word_of_a_command(
    tmp_path: Path, line: str, schema: str
) -> None:
    answer = call(line.split(), tmp_path)
    assert json.loads(answer.out)["schema"] == f"iscsictl.{schema}/1"
    assert "No such" not in answer.out


@pytest.mark.parametrize(
    ("word", "command"),
    [("status", "ls"), ("list", "ls"), ("connect", "attach"), ("disconnect", "detach"),
     ("resize", "disk grow"), ("scan", "rescan"), ("LS", "ls"), ("List", "ls")],
)  # fmt: skip
def test_a_name_that_other_tools_use_is_answered_with_ours(
    tmp_path: Path, word: str, command: str
) -> None:
    answer = call([word], tmp_path)
    assert answer.code == 2
    assert f"Did you mean '{command}'?" in answer.err


def test_help_and_version_are_commands_too(tmp_path: Path) -> None:
    for line in ("help attach", "help -J attach", "-q help attach", "help attach -v"):
        assert "Usage: iscsictl attach [" in call(line.split(), tmp_path).out
    for line in ("help", "help help", "help -J", "-q help"):
        assert "Usage: iscsictl [" in call(line.split(), tmp_path).out
    version = call(["-V"], tmp_path).out
    for line in ("version", "-J version", "version -J", "-v -V"):
        assert call(line.split(), tmp_path).out == version


def test_help_is_a_command_of_each_group_too(tmp_path: Path) -> None:
    for line in ("disk help", "disk help help", "disk -v help", "disk help -J"):
        assert "Usage: iscsictl disk [" in call(line.split(), tmp_path).out, line
    for line in ("disk part help add", "disk help part add"):
        assert "Usage: iscsictl disk part add [" in call(line.split(), tmp_path).out, line


@pytest.mark.parametrize("line", ["-J", "-q", "-o json", "--timeout 5", "disk part -J"])
def test_a_common_option_alone_lacks_a_command(tmp_path: Path, line: str) -> None:
    answer = call(line.split(), tmp_path)
    assert answer.code == 2
    assert answer.err.startswith("iscsictl: Missing command.\nhint: see iscsictl ")


@pytest.mark.parametrize("group", ["schedule", "initiator", "iface", "chap", "boot"])
def test_a_group_alone_shows_its_state(tmp_path: Path, group: str) -> None:
    answer = call([group], tmp_path, uid=0)
    assert "Usage:" not in answer.out + answer.err
    assert answer.code in {0, 3}
