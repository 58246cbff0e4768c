import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from iscsictl.errors import IscsictlError, NotFoundError
from iscsictl.model.listing import Block, Disk, Listing, Lun, Mount, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.output.table import Column, fit, print_table, print_tsv
from iscsictl.output.terminal import Screen, screen_of
from iscsictl.output.text import cell_width, escape_controls, human_size, truncate
from iscsictl.output.views.ls import Form, print_listing
from iscsictl.output.views.ls_json import disk_dict, listing_json
from iscsictl.parse.capture import parse_capture
from iscsictl.planner.selection.listing import keep_targets, named_targets
from iscsictl.system.iscsi import sosreport
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.iscsi.sosreport import read_capture
from tests.bench.make_tree import Tree, make
from tests.patience import PATIENCE

DATA = Path(__file__).parent / "data/sessions"
WWID = "naa.60014051234567890abcdef123456789"
IQN = "iqn.1994-12.com.promise.very.long.authority:storage.array.vtrak"


def listing(paths: int = 2, options: tuple[str, ...] = ("rw",)) -> Listing:
    sessions = tuple(
        Session(
            "sysfs", f"{IQN}.1", sid=sid, portal=Portal(f"192.0.2.{sid}", 3260, 1),
            status="up" if sid == 1 else "recovering",
            luns=(Lun(0, f"{sid}:0:0:0", f"/dev/sd{'abcd'[sid]}", "running", WWID),),
        )
        for sid in range(1, paths + 1)
    )  # fmt: skip
    part = Block("/dev/mapper/m-part1", "part", 2**30, "ext4", None, "u", (Mount("/srv", options),))
    disk = Disk(
        WWID,
        tuple(DiskPath(one.sid or 0, f"{one.sid}:0:0:0", "/dev/x") for one in sessions),
        Block("/dev/mapper/m", "mpath", 2**40, children=(part,)),
    )
    other = Session("sysfs", f"{IQN}.2", sid=9, status="down", luns=())
    return Listing((*sessions, other), (disk,))


def with_states(*states: str | None, status: Literal["up", "recovering", "down"] = "up") -> Listing:
    """A session with a LUN in each of these states of the kernel."""
    luns = tuple(Lun(n, f"1:0:0:{n}", f"/dev/sd{'abcd'[n]}", one) for n, one in enumerate(states))
    return Listing((Session("iscsiadm", f"{IQN}.1", sid=1, status=status, luns=luns),))


@pytest.mark.parametrize("state", ["offline", "transport-offline", "blocked", "quiesce", "deleted"])
@pytest.mark.parametrize("width", [None, 120, 60])
def test_a_lun_that_does_not_run_though_its_session_is_up_is_shown(
    state: str, width: int | None
) -> None:
    head, first, second = shown(with_states("running", state), width).splitlines()
    assert head.split()[-1] == "STATE"
    assert (first.split()[-1], second.split()[-1]) == ("running", state)


@pytest.mark.parametrize(
    "what", [with_states("running", None), with_states("offline", status="recovering")],
    ids=["all run", "the session is away, which says it"],
)  # fmt: skip
def test_a_table_has_no_states_of_luns_where_they_tell_nothing_new(what: Listing) -> None:
    assert "STATE" not in shown(what, None)


@pytest.mark.parametrize("status", ["recovering", "down"])
def test_a_lun_whose_writes_fail_is_told_from_one_whose_writes_wait(
    status: Literal["recovering", "down"],
) -> None:
    """After the recovery timeout (kernel, session_recovery_timedout)."""
    given_up = shown(with_states("transport-offline", status=status), None).splitlines()
    assert given_up[0].split()[-1] == "STATE"
    assert given_up[1].split()[-1] == "transport-offline"
    assert "STATE" not in shown(with_states("blocked", status=status), None)


def test_a_path_of_a_map_that_is_offline_is_told_from_the_others() -> None:
    both = listing()
    first = both.sessions[0]
    bad = first._replace(luns=tuple(one._replace(state="offline") for one in first.luns or ()))
    text = shown(both._replace(sessions=(bad, *both.sessions[1:])), None)
    assert text.splitlines()[1].split()[-1] == "offline,running"


def shown(
    what: Listing, width: int | None, *, tsv: bool = False, long: bool = False, tree: bool = False
) -> str:
    out = io.StringIO()
    print_listing(what, Screen(out, width=width), Form(tsv=tsv, long=long, tree=tree))
    return out.getvalue()


def test_off_a_terminal_nothing_is_shortened_and_paths_stand_together() -> None:
    head, first, second = shown(listing(), None).splitlines()
    assert head.split() == [
        "TARGET", "PORTAL", "STATUS", "LUN", "PATHS", "DEVICE", "SIZE", "FS", "MOUNT",
    ]  # fmt: skip
    assert first.split() == [
        f"{IQN}.1", "192.0.2.1:3260,192.0.2.2:3260", "up,recovering", "0", "1/2", "/dev/mapper/m",
        "1T", "ext4", "/srv",
    ]  # fmt: skip
    assert second.split() == [f"{IQN}.2", "-", "down", "-", "-", "-", "-", "-", "-"]


@pytest.mark.fault("F93")
def test_the_paths_that_work_are_counted_where_a_map_is() -> None:
    rows = shown(listing(3), 40, tsv=True).splitlines()
    values = [dict(zip(rows[0].split("\t"), row.split("\t"), strict=True)) for row in rows[1:]]
    assert [row["paths"] for row in values] == ["1/3", ""]
    without = Listing((Session("sysfs", IQN, sid=1, luns=(Lun(0, device="/dev/sdb"),)),))
    assert "PATHS" not in shown(without, None)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_a_table_fits_the_terminal_and_names_stay_distinct(width: int) -> None:
    text = shown(listing(), width)
    if width >= 40:
        assert max(map(cell_width, text.splitlines())) <= width
    assert "recovering" in text
    assert "/srv" in text
    if width == 200:
        assert f"{IQN}.1" in text
    elif width >= 40:
        names = {line.split()[0] for line in text.splitlines()[1:] if line.strip()[0] == "i"}
        assert len(names) == 2


def test_on_80_columns_what_matters_is_readable() -> None:
    text = shown(listing(), 80)
    for word in ("192.0.2.1", "192.0.2.2", "up", "recovering", "/dev/mapper/m", "1T", "/srv"):
        assert word in text


@pytest.mark.fault("F56")
def test_a_filesystem_that_cannot_be_written_says_so() -> None:
    assert "/srv (ro)" in shown(listing(options=("ro", "relatime")), None)


def test_the_tree_goes_from_the_portal_to_the_mount() -> None:
    lines = [line.strip(" │├└─") for line in shown(listing(1), None, tree=True).splitlines()]
    assert lines == [
        "portal 192.0.2.1:3260", f"{IQN}.1", "session 1 up", f"LUN 0 /dev/sdb 1T {WWID} running",
        "/dev/mapper/m mpath 1T", "/dev/mapper/m-part1 part 1G", "ext4 u", "/srv",
        "portal not known", f"{IQN}.2", "session 9 down",
    ]  # fmt: skip


def test_tsv_has_keys_raw_sizes_and_one_line_a_row() -> None:
    head, first, _ = shown(listing(), 40, tsv=True).splitlines()
    row = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert row["size"] == str(2**40)
    assert row["portal"] == "192.0.2.1:3260,192.0.2.2:3260"
    assert row["filesystem"] == "ext4"


def test_tsv_escapes_what_would_break_a_line() -> None:
    out = io.StringIO()
    screen = Screen(out, width=None)
    print_tsv([("a\tb\nc\\", None, 5)], [Column("A"), Column("B"), Column("C")], screen)
    assert out.getvalue() == "a\tb\tc\na\\tb\\nc\\\\\t\t5\n"


def test_control_characters_from_the_wire_never_reach_the_terminal() -> None:
    evil = "iqn.x:\x1b]0;owned\x07\u202e\udcff\x9b"
    assert escape_controls(evil) == "iqn.x:\\x1b]0;owned\\x07\\u202e\\xff\\x9b"
    for form in ({}, {"tsv": True}, {"long": True}, {"tree": True}):
        text = shown(Listing((Session("sysfs", evil, sid=1, alias=evil),)), 80, **form)
        assert not set(text) & set("\x1b\x07\u202e\udcff\x9b")


def test_all_that_is_known_of_each_lun_is_in_the_long_form() -> None:
    known = Lun(4, "2:0:0:4", "/dev/sdd", "transport-offline", vendor="EXAMPLE", model="BOX 9")
    text = shown(Listing((Session("sfnet", IQN, luns=(known, Lun(5, page83="600a0b")),),)), None,
                 long=True)  # fmt: skip
    assert "  LUN 4 /dev/sdd - - - transport-offline EXAMPLE BOX 9\n" in text
    assert text.endswith("  LUN 5 - - - - 600a0b\n")


def test_the_kernel_s_long_ipv6_address_is_shown_as_people_write_it() -> None:
    portal = Portal("2001:0db8:000a:0000:0000:0000:0000:0005", 860, 1)
    one = Session("sysfs", IQN, sid=1, portal=portal, luns=())
    for form in ({}, {"tsv": True}, {"long": True}, {"tree": True}):
        assert "[2001:db8:a::5]:860" in shown(Listing((one,)), None, **form)
    odd = one._replace(portal=Portal("fe80::1%eth0", 3260, 1))
    assert "[fe80::1%eth0]:3260" in shown(Listing((odd,)), None)


def test_shortened_names_are_never_alike() -> None:
    names = [f"iqn.2010-10.org.example:same.beginning.{n:04}.same.end" for n in range(200)]
    for width in range(3, 60):
        short = truncate(names, width)
        if short is not None:
            assert len(set(short.values())) == 200
            assert max(map(len, short.values())) <= width
    assert truncate(names, 40) is not None
    assert truncate(["aaaba", "aacba"], 3) is None


def test_wide_characters_count_twice() -> None:
    assert cell_width("日本") == 4
    assert cell_width("e\u0301") == 1
    short = truncate(["日本語の長い名前です"], 8)
    assert short is not None
    assert cell_width(next(iter(short.values()))) <= 8


def test_a_table_that_cannot_be_cut_without_lies_becomes_records() -> None:
    names = [f"{n}{'x' * 60}{n}" for n in range(30)]
    columns = [Column("TARGET"), Column("MOUNT")]
    assert fit(columns, [((name,), ("/srv",)) for name in names], 40) is None
    out = io.StringIO()
    print_table([(name, "/srv") for name in names], columns, Screen(out, width=40))
    assert all(name in out.getvalue() for name in names)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (512, "512B"), (1536, "1.5K"), (2**30, "1G"), (3 * 2**40, "3T"), (None, None)],
)
def test_sizes_are_written_as_lsblk_does(size: int | None, text: str | None) -> None:
    assert human_size(size) == text


def test_an_exact_name_wins_over_a_part() -> None:
    sessions = tuple(
        Session("sysfs", name, sid=sid)
        for sid, name in enumerate(["iqn.x:a", "iqn.x:ab", "iqn.x:b"])
    )
    listing = Listing(sessions)
    assert len(keep_targets(listing, named_targets(listing, "iqn.x:a")).sessions) == 1
    assert len(keep_targets(listing, named_targets(listing, "A")).sessions) == 2
    with pytest.raises(NotFoundError):
        named_targets(listing, "zzz")


def test_only_a_terminal_that_can_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    assert screen_of(Terminal()).color
    assert screen_of(Terminal()).width == 40
    assert not screen_of(Terminal(), False).color
    assert not screen_of(io.StringIO(), True).color
    monkeypatch.setenv("NO_COLOR", "1")
    assert not screen_of(Terminal()).color
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not screen_of(Terminal()).color


def run(root: Path, *args: str, text: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iscsictl", "ls", *args],
        input=text, capture_output=True, encoding="utf-8", errors="replace", check=False,
        timeout=PATIENCE,
        env=os.environ | {"ISCSICTL_ROOT": str(root)} | env,
    )  # fmt: skip


@pytest.mark.fault("F10")
def test_no_session_is_an_empty_table_and_exit_0(tmp_path: Path) -> None:
    for args in ((), ("-o", "tsv"), ("--tree",), ("-l",)):
        result = run(tmp_path, *args)
        assert result.returncode == 0
        assert len(result.stdout.splitlines()) == (1 if args == ("-o", "tsv") else 0)
    document = json.loads(run(tmp_path, "-J").stdout)
    assert document == {"schema": "iscsictl.ls/1", "sessions": [], "disks": [], "warnings": []}


def test_live_json_has_the_keys_of_the_contract_in_their_order(tmp_path: Path) -> None:
    make(tmp_path, 1)
    document = json.loads(run(tmp_path, "-J").stdout)
    assert list(document) == ["schema", "sessions", "disks", "warnings"]
    assert list(document["sessions"][0]) == [
        "source", "sid", "target", "alias", "transport", "portal", "persistent_portal", "iface",
        "initiator", "initiator_address", "status", "connection_state", "session_state",
        "internal_state", "timeouts", "chap", "params", "host", "luns",
    ]  # fmt: skip
    assert list(document["disks"][0]) == [
        "wwid", "serial", "vendor", "model", "type", "size", "read_only", "paths", "device",
        "kind", "fstype", "label", "uuid", "mounts", "children",
    ]  # fmt: skip


def test_disks_in_the_document_are_those_that_other_commands_print(tmp_path: Path) -> None:
    make(tmp_path, 2)
    for one in (read_listing(tmp_path), listing(options=("rw", 'a"b\\', "größe\udcff"))):
        document = json.loads(listing_json(one))
        assert document["disks"] == [disk_dict(disk) for disk in one.disks or ()]
        assert [list(disk) for disk in document["disks"]] == [
            list(disk_dict(disk)) for disk in one.disks or ()
        ]


def test_a_capture_on_stdin_is_read_and_what_is_not_one_is_named_by_line(tmp_path: Path) -> None:
    flat = (Path(__file__).parent / "data/sessions/flat.txt").read_text()
    result = run(tmp_path, "--from", "-", "-o", "tsv", text="hello\n" + flat)
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 4)
    assert result.stderr.startswith("iscsictl: stdin:1: ")
    none = run(tmp_path, "--from", "-", text="hello\niscsiadm: No active sessions.\n")
    assert (none.returncode, none.stdout) == (0, "")
    nothing = run(tmp_path, "--from", "-", text="hello\nworld\n")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "stdin:1" in nothing.stderr
    assert run(tmp_path, "--from", str(tmp_path / "none")).returncode == 2


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [("x" * 300, 2, "file name too long"), ("loop", 2, "symbolic links"),
     ("empty", 3, "sos_commands"), ("pipe", 6, "nothing was written to the pipe for 0.2 s"),
     ("/proc/self/mem", 2, "error"),
     ("noise", 2, "noise:1 contains no output"), ("none", 2, "no such file or directory"),
     ("noise/x", 2, "not a directory")],
)  # fmt: skip
def test_what_cannot_be_a_capture_is_one_line_and_a_hint(
    tmp_path: Path, source: str, code: int, words: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise").write_bytes(b"no session\n" + bytes(range(256)) * 99)
    os.mkfifo(tmp_path / "pipe")
    result = run(tmp_path, "--from", str(tmp_path / source), "--timeout", "200ms")
    assert (result.returncode, result.stdout) == (code, "")
    first, second = result.stderr.splitlines()
    assert words in first
    assert second.startswith("hint: ")


def test_a_pipe_is_read_to_its_end_and_an_endless_device_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = (Path(__file__).parent / "data/sessions/flat.txt").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    line = f"(printf 'a\\n'; sleep 0.2; cat {DATA}/flat.txt) >{tmp_path}/pipe"
    with subprocess.Popen(["sh", "-c", line]):
        read = read_capture(tmp_path / "pipe", PATIENCE)
    assert read.sessions == parse_capture(flat).sessions
    monkeypatch.setattr(sosreport, "MAX_CAPTURE", 1 << 21)
    with pytest.raises(IscsictlError, match="larger than 2 MiB"):
        read_capture(Path("/dev/zero"))


@pytest.mark.fault("F46")
def test_any_locale_shows_any_name(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.session(1, "iqn.2010-10.org.example:größe日\udcff")
    for env in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1"},
                {"PYTHONIOENCODING": "ascii"}):  # fmt: skip
        for args in ((), ("--tree",), ("-l",), ("-J",)):
            result = run(tmp_path, *args, **env)
            assert (result.returncode, result.stderr) == (0, "")
            assert "iqn.2010-10.org.example:gr" in result.stdout


def test_only_colour_on_a_terminal_loads_rich(tmp_path: Path) -> None:
    make(tmp_path, 1)
    for args in ((), ("-o", "json"), ("-o", "tsv"), ("--tree",), ("-l",)):
        result = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "iscsictl", "ls", *args],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
            env=os.environ | {"ISCSICTL_ROOT": str(tmp_path)},
        )  # fmt: skip
        loaded = {line.split("|")[2].strip() for line in result.stderr.splitlines() if "|" in line}
        assert not loaded & {"rich", "pyudev", "pexpect", "iscsictl.parse.capture"}


@pytest.mark.parametrize("columns", ["40", "80", "200"])
@pytest.mark.parametrize(
    "terminal", [{"TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}], ids=str
)
def test_a_real_terminal_shows_every_row_in_its_width(
    tmp_path: Path, columns: str, terminal: dict[str, str]
) -> None:
    make(tmp_path, 3)
    master, slave = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    env |= {"ISCSICTL_ROOT": str(tmp_path), "COLUMNS": columns} | terminal
    with subprocess.Popen(
        [sys.executable, "-m", "iscsictl", "ls"], stdout=slave, stderr=slave, env=env
    ) as child:
        os.close(slave)
        data = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            data += chunk
        assert child.wait(PATIENCE) == 0
    os.close(master)
    if terminal == {"TERM": "xterm"}:
        assert b"\x1b[32m" in data
        data = re.sub(rb"\x1b\[[0-9;]*m", b"", data)
    assert b"\x1b" not in data
    lines = data.decode().replace("\r", "").splitlines()
    assert len(lines) == 4
    assert max(map(cell_width, lines)) <= int(columns)
    assert len({line.split()[0] for line in lines}) == 4
