import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections import deque
from pathlib import Path
from typing import cast

import pytest

from iscsictl.model.session_diff import Rate, Snapshot, changes
from iscsictl.observers.watch import watch
from iscsictl.output.keys import Keys
from iscsictl.output.terminal import Screen
from iscsictl.output.views.watch import HEIGHT, Picture, graph
from iscsictl.system.iscsi.sessions import read_listing
from tests.bench.make_tree import Tree, put
from tests.commands import call
from tests.patience import PATIENCE


def test_what_comes_goes_or_changes_is_one_change_each(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    first = tree.session(1, "iqn.2010-10.org.example:a")
    unit = tree.lun(first, 0)
    tree.session(2, "iqn.2010-10.org.example:b")
    before = read_listing(tmp_path)
    put(tmp_path / "sys/class/iscsi_session/session1", state="FAILED")
    tree.block(unit / "block", "sda")
    shutil.rmtree(tmp_path / "sys/devices/platform/host3/session2")
    tree.session(3, "iqn.2010-10.org.example:c")
    found = [
        (change.sid, change.what, change.before, change.after)
        for change in changes(before, read_listing(tmp_path))
    ]
    assert found == [
        (1, "status", "up", "recovering"),
        (1, "session_state", "LOGGED_IN", "FAILED"),
        (1, "device", None, "/dev/sda"),
        (2, "session", "up", None),
        (3, "session", None, "up"),
    ]


def test_nothing_changed_is_no_change(tmp_path: Path) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    assert changes(read_listing(tmp_path), read_listing(tmp_path)) == []


def test_the_graph_is_as_tall_as_the_greatest_point() -> None:
    assert graph(deque([0, 1, 2])) == "▁▅█"
    assert graph(deque([0, 0])) == "▁▁"
    assert graph(deque([0, 8]), unicode=False) == "_#"


def drawn(screen: Screen, *snapshots: Snapshot) -> list[str]:
    out = cast("io.StringIO", screen.stream)
    picture = Picture(screen)
    for snapshot in snapshots:
        out.truncate(out.seek(0))
        picture.draw(snapshot, "12:00:00")
    return out.getvalue().removeprefix("\x1b[H\x1b[2J").splitlines()


def test_throughput_is_shown_of_each_lun_and_of_the_session(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    device = tree.session(1, "iqn.2010-10.org.example:a")
    for number, name in enumerate(("sda", "sdb")):
        tree.block(tree.lun(device, number) / "block", name)
    tree.block(tree.lun(tree.session(2, "iqn.2010-10.org.example:b"), 0) / "block", "sdc")
    tree.session(3, "iqn.2010-10.org.example:c")
    listing = read_listing(tmp_path)
    rates = {"/dev/sda": Rate(2048, 1024), "/dev/sdb": Rate(1024, 0), "/dev/sdc": Rate(0, 512)}
    screen = Screen(io.StringIO(), width=100)
    lines = drawn(screen, Snapshot(listing, (), {}), Snapshot(listing, (), rates))
    assert [line.split()[1:] for line in lines[1:6]] == [
        ["up", "all", "-", "-", "3K", "1K", "▁█"],
        ["up", "0", "/dev/sda", "running", "2K", "1K", "▁█"],
        ["up", "1", "/dev/sdb", "running", "1K", "0B", "▁█"],
        ["up", "0", "/dev/sdc", "running", "0B", "512B", "▁█"],
        ["up", "-", "-", "-", "-", "-", "▁▁"],
    ]


def test_what_does_not_fit_the_terminal_is_counted_and_trouble_comes_first(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for sid in range(1, 100):
        state = "FAILED" if sid == 77 else "LOGGED_IN"
        tree.session(sid, f"iqn.2010-10.org.example:t{sid}", state=state)
    listing = read_listing(tmp_path)
    lines = drawn(Screen(io.StringIO(), width=100), Snapshot(listing, (), {}))
    assert len(lines) == HEIGHT - 1
    assert "t77" in lines[1]
    assert "recovering" in lines[1]
    assert lines[-1] == f"12:00:00 99 sessions, Ctrl-C ends; rows 1 to {HEIGHT - 4} of 99"


def test_the_keys_scroll_through_what_does_not_fit_and_stop_at_both_ends(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for sid in range(1, 31):
        tree.session(sid, f"iqn.2010-10.org.example:t{sid}")
    snapshot = Snapshot(read_listing(tmp_path), (), {})
    out = io.StringIO()
    picture = Picture(Screen(out, width=100), end="q")
    room = HEIGHT - 4

    def shown(key: str) -> str:
        picture.scroll(key)
        out.truncate(out.seek(0))
        picture.draw(snapshot, "12:00:00")
        lines = out.getvalue().removeprefix("\x1b[H\x1b[2J").splitlines()
        assert len(lines) == HEIGHT - 1
        return lines[1].split()[0].rpartition(":")[2] + lines[-1].rpartition(";")[2]

    assert shown("up") == f"t1 rows 1 to {room} of 30"
    assert shown("down") == f"t2 rows 2 to {room + 1} of 30"
    assert shown("page down") == "t11 rows 11 to 30 of 30"
    assert shown("down") == "t11 rows 11 to 30 of 30"
    assert shown("home") == f"t1 rows 1 to {room} of 30"
    assert shown("end") == "t11 rows 11 to 30 of 30"
    assert shown("up") == "t10 rows 10 to 29 of 30"


END = "<end>"


def command(*args: str) -> list[str]:
    door = "from iscsictl.cli.commands.watch import watch; watch()"
    return [sys.executable, "-c", door, *args]


def test_the_picture_follows_the_size_of_the_terminal(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for sid in range(1, 4):
        tree.lun(tree.session(sid, f"iqn.2010-10.org.example:{'long' * 8}{sid}"), 0)
    listing = read_listing(tmp_path)
    snapshot = Snapshot(listing, tuple(changes(listing, read_listing(tmp_path / "none"))), {})
    master, slave = pty.openpty()
    try:
        with open(slave, "w", closefd=False) as stream:
            picture = Picture(Screen(stream, width=80))
            for lines, columns in ((24, 80), (9, 44)):
                termios.tcsetwinsize(slave, (lines, columns))
                picture.draw(snapshot, "12:00:00")
                stream.write(END)
                stream.flush()
                seen = b""
                while not seen.endswith(END.encode()):
                    seen += os.read(master, 65536)
                text = seen.decode().removesuffix(END)
                shown = text.split("\x1b[2J")[-1].split("\r\n")
                assert len(shown) <= lines
                assert max(map(len, shown)) <= columns
    finally:
        os.close(master)
        os.close(slave)


def test_each_change_is_a_line_of_json(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.session(1, "iqn.2010-10.org.example:a")
    with subprocess.Popen(
        command("-J", "--interval", "100ms"),
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"ISCSICTL_ROOT": str(tmp_path)},
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]  # what is there at the beginning
        put(tmp_path, state="FAILED")
        # As the kernel does it: whoever reads it gets the old state or the new one.
        (tmp_path / "state").replace(tmp_path / "sys/class/iscsi_session/session1/state")
        lines += [child.stdout.readline(), child.stdout.readline()]
        child.send_signal(signal.SIGTERM)
        lines += child.stdout.readlines()
        assert child.wait(PATIENCE) == 128 + signal.SIGTERM
    found = [json.loads(line) for line in lines]
    assert [(line["what"], line["after"]) for line in found] == [
        ("session", "up"),
        ("status", "recovering"),
        ("session_state", "FAILED"),
    ]
    assert {line["schema"] for line in found} == {"iscsictl.watch/1"}


def test_a_watch_ends_by_itself_after_its_time(tmp_path: Path) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    said = call(["watch", "-J", "--interval", "100ms", "--timeout", "300ms"], tmp_path)
    assert (said.code, len(said.out.splitlines())) == (0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("monitor", [False, True])
def test_a_signal_ends_a_long_wait_at_once(
    tmp_path: Path, number: signal.Signals, monitor: bool
) -> None:
    """The child tells when it waits, on the clock alone or on a monitor that stays silent."""
    door = f"""
import os
from pathlib import Path
from iscsictl.observers import watch
from iscsictl.errors import InterruptError

events = watch.Events(Path({str(tmp_path)!r}))
events._monitor = open(os.pipe()[0]) if {monitor} else None
watch.Events = lambda root: events
looks = watch.watch(Path({str(tmp_path)!r}), interval=600)
next(looks)
print("waits", flush=True)
try:
    next(looks)
except InterruptError as error:
    raise SystemExit(int(error.exit))
"""
    with subprocess.Popen([sys.executable, "-c", door], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"waits\n"
        time.sleep(0.3)
        child.send_signal(number)
        try:
            assert child.wait(PATIENCE) == 128 + number
        finally:
            child.kill()


def test_a_signal_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    master, slave = pty.openpty()
    env = os.environ | {"ISCSICTL_ROOT": str(tmp_path), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command("--interval", "100ms"), stdout=slave, stderr=subprocess.DEVNULL, env=env
    ) as child:
        os.close(slave)
        data = b""
        sent = False
        while True:
            try:
                data += os.read(master, 65536)
            except OSError:
                break
            if not sent and b"example:a" in data:
                child.send_signal(signal.SIGTERM)
                sent = True
        assert child.wait(PATIENCE) == 143
    os.close(master)
    assert data.startswith(b"\x1b[?1049h\x1b[?25l")
    assert data.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")


def test_only_the_named_target_is_watched_also_after_it_ended(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    first = tree.session(1, "iqn.2010-10.org.example:a")
    tree.session(2, "iqn.2010-10.org.example:a2")
    snapshots = watch(tmp_path, target="iqn.2010-10.org.example:a", interval=0.05)
    assert [s.sid for s in next(snapshots).listing.sessions] == [1]
    shutil.rmtree(first)
    put(tmp_path / "sys/class/iscsi_session/session2", state="FAILED")
    snapshot = next(snapshots)
    assert snapshot.listing.sessions == ()
    assert [(c.sid, c.what, c.after) for c in snapshot.changes] == [(1, "session", None)]


def test_a_target_that_nobody_knows_is_an_error_and_the_screen_is_not_taken(tmp_path: Path) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    said = call(["watch", "nosuch"], tmp_path)
    assert (said.code, said.out) == (3, "")
    assert "no session with a target like 'nosuch'" in said.err


def on_terminal(tmp_path: Path, typed: bytes) -> tuple[int, bytes, list[object], list[object]]:
    """Run watch on a terminal, and type when it has drawn: exit code, output, modes, before."""
    master, slave = pty.openpty()
    env = os.environ | {"ISCSICTL_ROOT": str(tmp_path), "TERM": "xterm", "COLUMNS": "80"}
    before = termios.tcgetattr(slave)
    with subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command("--interval", "60s")],
        stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env=env, start_new_session=True,
    ) as child:  # fmt: skip
        data = b""
        while b" ends" not in data:
            data += os.read(master, 65536)
        os.write(master, typed)
        while b"\x1b[?1049l" not in data:
            data += os.read(master, 65536)
        code = child.wait(PATIENCE)
    after = termios.tcgetattr(slave)
    os.close(master)
    os.close(slave)
    return code, data, after, before


TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def test_q_ends_it_at_once_with_exit_0_and_the_modes_of_the_terminal_as_before(
    tmp_path: Path,
) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    code, data, after, before = on_terminal(tmp_path, b"q")
    assert code == 0
    assert b"1 sessions, q ends" in data
    assert after == before


def test_keys_that_mean_nothing_are_left_out_and_a_sequence_is_one_key(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        with open(slave, closefd=False) as stream:
            keys = Keys(stream)
            # The pair belongs to no session, so no process is in its foreground.
            assert keys.fd is None
            assert keys.pressed() == []
            keys.fd = slave
            with keys:
                assert keys.pressed() == []
                os.write(master, b"x\x1b[6~\x1b[A\x1bOBq")
                assert keys.pressed() == ["page down", "up", "down", "quit"]
    finally:
        os.close(master)
        os.close(slave)


def test_the_help_of_timeout_says_that_it_ends_the_watch(tmp_path: Path) -> None:
    text = " ".join(call(["watch", "--help"], tmp_path).out.split())
    assert "--timeout DURATION How long to watch [until Ctrl-C]." in text
    other = " ".join(call(["ls", "--help"], tmp_path).out.split())
    assert "How long to wait for the array, a program or another iscsictl [60s]." in other


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_without_a_cursor_gets_lines(tmp_path: Path, term: str) -> None:
    Tree(tmp_path).session(1, "iqn.2010-10.org.example:a")
    master, slave = pty.openpty()
    env = os.environ | {"ISCSICTL_ROOT": str(tmp_path), "TERM": term}
    words = command("--interval", "100ms", "--timeout", "300ms")
    done = subprocess.run(words, stdin=slave, stdout=slave, stderr=slave, env=env, check=False)
    os.close(slave)
    data = os.read(master, 65536)
    os.close(master)
    assert done.returncode == 0
    assert b"example:a: session - -> up" in data
    assert b"\x1b" not in data
