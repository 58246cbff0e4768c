"""Help that teaches: examples that work, options in groups, nothing cut, a pager if it is long."""

import os
import re
import shlex
import sys
from pathlib import Path

import click
import pexpect
import pytest

from iscsictl.cli.examples import EXAMPLES
from iscsictl.cli.help import ALL_COMMANDS, COMMON, GROUPS, OTHER, HelpPage, group_options
from iscsictl.cli.main import cli
from iscsictl.model.plan import Status
from iscsictl.planner.volumes import file as volumes_file
from tests.commands import call, commands
from tests.patience import PATIENCE
from tools import man_pages

ALL = list(commands())
LINES = [line for rows in EXAMPLES.values() for line, _ in rows]


def name(pair: object) -> str:
    return " ".join(pair) or "iscsictl" if isinstance(pair, tuple) else ""


def test_every_command_has_two_or_three_examples_and_no_other_has() -> None:
    assert set(EXAMPLES) == {" ".join(words) for words, _ in ALL}
    assert {len(rows) for rows in EXAMPLES.values()} <= {2, 3}


@pytest.mark.parametrize(("words", "command"), ALL, ids=name)
def test_help_begins_with_the_summary_and_the_examples(
    words: tuple[str, ...], command: click.Command, tmp_path: Path
) -> None:
    assert isinstance(command, HelpPage)
    text = call([*words, "-h"], tmp_path).out
    parts = text.split("\n\n")
    assert parts[0].startswith("Usage: ")
    assert parts[2].startswith("Examples:\n")
    for line, meaning in EXAMPLES[" ".join(words)]:
        assert f"  iscsictl {line}\n      {meaning}" in parts[2]


@pytest.mark.parametrize("line", LINES)
def test_an_example_is_taken_by_the_parser(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])
    command: click.Command = cli
    context = click.Context(cli, info_name="iscsictl")
    while isinstance(command, click.Group):
        args = list(words)
        default = getattr(command, "default_command", None)
        if default is not None and (not args or args[0].startswith("-")):
            args = [default, *args]
        found, words = args[0], args[1:]
        inner = command.get_command(context, found)
        assert inner is not None, line
        command = inner
        context = click.Context(command, info_name=found, parent=context)
    command.parse_args(context, list(words))


@pytest.mark.parametrize(("words", "command"), ALL, ids=name)
def test_no_summary_of_a_command_is_cut(
    words: tuple[str, ...], command: click.Command, tmp_path: Path
) -> None:
    if isinstance(command, click.Group):
        text = " ".join(call([*words, "-h"], tmp_path).out.split())
        assert "..." not in text.partition("Commands:")[2]


def test_many_options_are_shown_in_groups_with_the_common_ones_last() -> None:
    attach = dict(ALL)[("attach",)]
    options = [one for one in attach.params if isinstance(one, click.Option)]
    groups = group_options(options)
    assert list(groups) == [*GROUPS, ALL_COMMANDS]
    assert sorted(map(id, options)) == sorted(id(one) for some in groups.values() for one in some)
    ls = dict(ALL)[("ls",)]
    few = group_options([one for one in ls.params if isinstance(one, click.Option)])
    assert list(few) == ["Options", ALL_COMMANDS]


def test_each_option_of_a_group_is_one_that_exists() -> None:
    known = {word for _, command in ALL for one in command.params for word in one.opts}
    assert {word for names in (*GROUPS.values(), COMMON) for word in names} - {"--help"} <= known
    assert OTHER not in GROUPS


def shown(command: str, rows: int, *, pager: str = "sed s/^/PAGED:/") -> str:
    """What a terminal of so many rows gets."""
    child = pexpect.spawn(
        sys.executable, ["-m", "iscsictl", *command.split()],
        env={**os.environ, "PAGER": pager, "TERM": "xterm"},
        encoding="utf-8", timeout=PATIENCE, dimensions=(rows, 80),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return str(child.before)


def test_long_help_goes_through_the_pager_and_short_help_does_not() -> None:
    assert "PAGED:Usage: iscsictl attach" in shown("attach -h", 24)
    assert "PAGED:" not in shown("schedule -h", 60)


def test_the_list_of_all_codes_goes_through_the_pager() -> None:
    assert "PAGED:exit codes of iscsiadm" in shown("explain", 24)


def test_the_page_of_volumes_has_every_key() -> None:
    text = man_pages.volumes_page(man_pages.VOLUMES.read_text())
    keys = re.findall(r"^\.TP\n\\fB(.+?)\\fR", text, re.MULTILINE)
    assert [key.replace("\\-", "-") for key in keys] == list(dict.fromkeys(
        key.replace("\\-", "-") for key in keys
    ))  # fmt: skip
    assert {key.replace("\\-", "-") for key in keys} == set(volumes_file._KEYS)


def test_the_words_of_steps_are_explained() -> None:
    assert set(man_pages.STEP_WORDS) == {status.value for status in Status}
