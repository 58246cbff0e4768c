"""The command line in this process: all its commands, and a run that touches no machine."""

import contextlib
import io
import os
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click

from iscsictl.cli.main import cli, run_cli
from iscsictl.system.io import process as runner
from iscsictl.system.io import signals


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, with the words that call it."""
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    while waiting:
        words, command = waiting.pop(0)
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None, name
                waiting.append(((*words, name), inner))


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, output, errors."""

    code: int
    out: str
    err: str


def _no_network(*_: object, **__: object) -> None:
    raise OSError(101, "Network is unreachable")


@contextlib.contextmanager
def _standard_input(data: bytes) -> Iterator[None]:
    """Have descriptor 0 read this, as far as a pipe takes it: a secret is read from there."""
    reading, writing = os.pipe()
    os.write(writing, data[: select.PIPE_BUF])
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


def call(args: list[str], root: Path, *, uid: int = 1000, stdin: bytes = b"") -> Answer:
    """Run a command line as `uid` on the empty machine at `root`: no tool, no network.

    Whatever is raised is a traceback that a user would see.
    """
    out, err = io.BytesIO(), io.BytesIO()
    # As the door sets them: in JSON the escape of what is no UTF-8 is JSON's own.
    stdout = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", write_through=True)
    stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
    environment = {"ISCSICTL_ROOT": str(root), "PATH": "/usr/bin", "LANG": "C.UTF-8"}
    with (
        contextlib.chdir(root),
        mock.patch.object(sys, "argv", ["iscsictl", *args]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(os, "geteuid", return_value=uid),
        mock.patch.object(runner, "find", return_value=None),
        mock.patch.object(runner, "_tracers", []),
        mock.patch.object(signals, "defer"),
        mock.patch.object(socket.socket, "connect", _no_network),
        mock.patch.object(socket.socket, "connect_ex", return_value=101),
        mock.patch.object(socket, "getaddrinfo", _no_network),
        _standard_input(stdin),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        code = run_cli()
        stdout.flush()
        stderr.flush()
    return Answer(code, out.getvalue().decode(), err.getvalue().decode())
