"""multipathd is asked over its socket, and with its program where there is none to be trusted."""

from __future__ import annotations

import os
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine.trace import trace_commands
from iscsictl.errors import UnreachableError
from iscsictl.model.multipath import MultipathFacts
from iscsictl.system.block import multipath_conf, multipathd
from iscsictl.system.io import process
from iscsictl.system.io.process import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: How libmpathcmd sends a length: `size_t`, here 8 bytes of a 64-bit machine.
LENGTH = struct.Struct("N")


class FakeDaemon:
    """A socket that answers as multipathd's does; `answer` tells what it sends to a command."""

    def __init__(self) -> None:
        self.address = f"\0iscsictl-test-{os.getpid()}-{id(self)}"
        self.commands: list[bytes] = []
        self.hangs_up = False
        self.answer: Callable[[bytes], Sequence[bytes]] = lambda _: [packed(b"ok\n\0")]
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(self.address)
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # it was closed
                return
            with connection, connection.makefile("rb") as stream:
                if not (head := stream.read(LENGTH.size)):
                    continue
                command = stream.read(LENGTH.unpack(head)[0])
                self.commands.append(command)
                for piece in self.answer(command):
                    connection.sendall(piece)
                if not self.hangs_up:
                    stream.read()  # until the client does not wait any more

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def packed(answer: bytes) -> bytes:
    return LENGTH.pack(len(answer)) + answer


class Programs:
    """Programs that are started, in place of process.run."""

    def __init__(self) -> None:
        self.started: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], **_: object) -> Result:
        self.started.append(tuple(argv))
        return Result(tuple(argv), 0, "by the program\n", "")


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    one = FakeDaemon()
    monkeypatch.setattr(multipathd, "_ADDRESS", one.address)
    yield one
    one.close()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    one = Programs()
    monkeypatch.setattr(multipathd, "run", one.run)
    return one


def as_user(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this user be the one who listens on the socket."""
    monkeypatch.setattr(multipathd, "_read_listening_user", lambda _: uid)


def test_the_kernel_tells_which_user_listens(daemon: FakeDaemon) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(daemon.address)
        assert multipathd._read_listening_user(connection) == os.getuid()


def test_what_is_asked_of_multipathd_while_a_host_is_observed_starts_no_program(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        b"show paths raw format %d|%T|%w\0": b"sda|ready|36001405aaa\nsdb|i/o pending|1 |a\n\0",
        b"show maps raw format %n|%Q\0": b"mail|12 chk\n\0",
        b"show config local\0": b"defaults {\n polling_interval 7\n}\n\0",
    }
    as_user(0, monkeypatch)
    daemon.answer = lambda command: [packed(answers[command])]
    facts = multipath_conf.ask_daemon(MultipathFacts(installed=True, running=True))
    assert facts.answers
    assert facts.spelled == {"/dev/sda": "36001405aaa", "/dev/sdb": "1 |a"}
    assert facts.checked == {"/dev/sda": "ready", "/dev/sdb": "i/o pending"}
    assert (facts.polling_interval, facts.queueing) == (7, {"mail": "12 chk"})
    assert (len(daemon.commands), programs.started) == (3, [])


def test_verbose_shows_what_is_asked_as_the_command_that_asks_the_same(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(process, "_tracers", [])
    trace_commands(shown.append)
    as_user(0, monkeypatch)
    multipathd.ask("show", "paths", "raw", "format", "%d %w")
    assert shown == ["multipathd show paths raw format '%d %w'"]


def test_an_answer_that_comes_in_pieces_is_read_whole(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(0, monkeypatch)
    text = b"sda:mail\n" * 30_000
    message = packed(text + b"\0")
    daemon.answer = lambda _: [message[:3], message[3:20], message[20:]]
    assert multipathd.ask("show", "paths").out == text.decode()
    assert programs.started == []


@pytest.mark.parametrize(
    ("said", "code"),
    [(b"ok\n", 0), (b"", 0), (b"timeout\n", 1), (b"fail\n", 1), (b"fail\nno such map\n", 1)],
)
def test_the_exit_code_tells_whether_multipathd_did_it(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch, said: bytes, code: int
) -> None:
    as_user(0, monkeypatch)
    daemon.answer = lambda _: [packed(said + b"\0")]
    result = multipathd.ask("resize", "map", "mail")
    assert (result.argv, result.code) == (("multipathd", "resize", "map", "mail"), code)
    assert result.out == said.decode()


def test_a_socket_that_another_user_listens_on_is_not_believed(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(1000, monkeypatch)
    assert multipathd.ask("show", "paths").out == "by the program\n"
    assert daemon.commands == []
    assert programs.started == [("multipathd", "show", "paths")]


@pytest.mark.parametrize(
    "answer",
    [b"", LENGTH.pack(0), LENGTH.pack(1 << 40) + b"x", b"\0" * 3, LENGTH.pack(100) + b"short"],
    ids=["none", "empty", "too long", "no length", "cut off"],
)
def test_an_answer_in_no_form_that_is_known_is_left_to_the_program(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    as_user(0, monkeypatch)
    daemon.answer, daemon.hangs_up = lambda _: [answer], True
    assert multipathd.ask("show", "paths").out == "by the program\n"


def test_without_a_socket_the_program_is_asked(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipathd, "_ADDRESS", "\0iscsictl-test-nobody-listens")
    assert multipathd.ask("show", "daemon").out == "by the program\n"


def test_a_multipathd_that_says_nothing_is_waited_for_until_the_deadline_and_not_asked_again(
    daemon: FakeDaemon, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(0, monkeypatch)
    daemon.answer = lambda _: []
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s from multipathd"):
        multipathd.ask("show", "paths", timeout=0.2)
    assert programs.started == []
