"""Generated command lines: never a traceback, never an exit code outside the contract."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.errors import Exit
from tests.commands import call, commands

LINES = settings(max_examples=20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "torture" else 300)
LEAVES = [(words, c) for words, c in commands() if not isinstance(c, click.Group)]
NASTY = [
    "", " ", "-", "--", "-x", "0", "-1", "1", "7", "4294967296", "9" * 20, "9" * 5000, "²", "0x10",
    "é", "日本", "\udcff", "\x1b[31m", "[red]", "a" * 300, "a,b", "a=b", "=", "%s{}", "..", "/",
    "/dev/null", "/dev/sda", "/nonexistent", "/srv/data", "/srv/../x", "none", "ext4", "0750",
    "33:33", ":", "root:root", "30s", "1e9", "0ms", "999999999d", "gpt", "json", "automatic",
    "iqn.2024-01.com.example:x", "IQN.2024-01.com.example:X", "iqn.", "naa.6001405", "192.0.2.5",
    "192.0.2.5:3260,1", "192.0.2.5:99999", "[2001:db8::5]:3260", "[::1", "fe80::1%eth0",
    "node.startup=manual", "node.session.auth.password=x", "node.conn[0].timeo.login_timeout=",
    "11111111-1111-4111-8111-111111111111", "defaults,noatime", 'x-systemd.idle="a,b"',
]  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
    st.binary(max_size=12)
    .filter(lambda data: b"\0" not in data)
    .map(lambda data: data.decode("utf-8", "surrogateescape")),
)
# What has no end of its own gets one.
ENDING: dict[tuple[str, ...], list[str]] = {
    ("watch",): ["--timeout", "50ms"],
    ("doctor",): ["--timeout", "50ms"],
}


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options and arguments, most of them of the right shape."""
    words, command = draw(st.sampled_from(LEAVES))
    args = list(words)
    for param in command.params:
        if isinstance(param, click.Argument):
            args += draw(st.lists(WORDS, min_size=0 if not param.required else 1, max_size=1))
    # A file of its own choosing is what `--out` is for; it is not written where chance says.
    options = [p for p in command.params if isinstance(p, click.Option) and p.name != "out"]
    for option in draw(st.lists(st.sampled_from(options), max_size=6)):
        args.append(draw(st.sampled_from(option.opts)))
        if isinstance(option.type, click.Choice) and draw(st.booleans()):
            args.append(draw(st.sampled_from(list(option.type.choices))))
        elif not (option.is_flag or option.count):
            args.append(draw(WORDS))
    args += draw(st.lists(WORDS, max_size=1))
    return [*args, *ENDING.get(words, [])]


def check(args: list[str], uid: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        answer = call(args, Path(root), uid=uid)
        left = [str(p.relative_to(root)) for p in Path(root).rglob("*")]
    assert answer.code in set(Exit)
    assert "Traceback" not in answer.out + answer.err
    if answer.code == Exit.USAGE:
        assert answer.err.startswith("iscsictl: ")
        assert all(x.startswith(("iscsictl: ", "hint: ")) for x in answer.err.splitlines())
    # A report is a new file with the name that the command line gives it.
    assert len(left) <= (args[:1] == ["report"])


@LINES
@given(lines())
def test_no_command_line_ends_in_a_traceback(args: list[str]) -> None:
    check(args, uid=1000)


@LINES
@given(lines())
def test_no_dry_run_of_root_ends_in_a_traceback_or_changes_anything(args: list[str]) -> None:
    options = next(c for words, c in LEAVES if tuple(args[: len(words)]) == words).params
    if any("-n" in option.opts for option in options):
        place = next(len(words) for words, _ in LEAVES if tuple(args[: len(words)]) == words)
        check([*args[:place], "-n", *args[place:]], uid=0)


def strings(value: object) -> Iterator[str]:
    """All strings of a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def test_what_is_no_utf_8_is_escaped_as_json_does_it(tmp_path: Path) -> None:
    answer = call(["fstab", "rm", "/srv/\udc80", "-n", "-J"], tmp_path, uid=0)
    assert "/srv/\udc80" in " ".join(strings(json.loads(answer.out)))


@pytest.mark.parametrize("word", NASTY)
def test_no_first_word_ends_in_a_traceback(word: str) -> None:
    check([word], uid=1000)
