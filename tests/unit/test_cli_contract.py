"""What every command owes: help that fits, the common options, exit codes of the contract."""

import importlib
import json
import os
import shlex
import sys
from pathlib import Path

import click
import pytest

from iscsictl.cli.main import SECTIONS
from iscsictl.cli.options import Settings, print_error
from iscsictl.errors import Exit, IscsictlError
from iscsictl.system.io.host_lock import host_lock
from tests.bench.make_tree import make
from tests.commands import call, commands
from tests.unit.fake_root import put

ALL = list(commands())
LEAVES = [(words, c) for words, c in ALL if not isinstance(c, click.Group)]
COMMON = ["--output", "-J", "--no-color", "--verbose", "--quiet", "--timeout"]
CHANGING = [
    "attach", "detach", "apply", "reconnect", "login", "logout", "rescan", "startup", "forget",
    "hold", "unhold", "nodes set", "chap set", "chap clear", "disk label", "disk part add",
    "disk part rm", "disk part type", "disk part bootable", "disk mkfs", "disk grow", "mount",
    "umount", "fstab add", "fstab rm", "initiator set", "iface add", "iface set", "iface rm",
    "boot login", "service enable", "service start", "schedule install", "schedule remove",
]  # fmt: skip


def name(pair: object) -> str:
    return " ".join(pair) or "iscsictl" if isinstance(pair, tuple) else ""


def options(command: click.Command) -> set[str]:
    return {word for p in command.params for word in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize(
    "entry", [e for section in SECTIONS.values() for e in section.values()], ids=lambda e: e.where
)
def test_every_entry_of_the_command_tree_imports(entry: object) -> None:
    where = getattr(entry, "where", "")
    module, _, attribute = where.partition(":")
    found = getattr(importlib.import_module(f"iscsictl.cli.commands.{module}"), attribute)
    assert isinstance(found, click.Command)


@pytest.mark.parametrize(("words", "command"), ALL, ids=name)
def test_a_command_says_what_it_does_and_every_option_too(
    words: tuple[str, ...], command: click.Command
) -> None:
    assert command.help
    assert command.help.strip().splitlines()[0].endswith((".", ":"))
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name(words)} {option.opts[0]}"


@pytest.mark.parametrize(("words", "command"), ALL, ids=name)
def test_help_fits_eighty_columns_and_exits_0(
    words: tuple[str, ...], command: click.Command, tmp_path: Path
) -> None:
    for flag in ("--help", "-h"):
        answer = call([*words, flag], tmp_path)
        assert answer.code == 0
        assert answer.out.startswith("Usage: iscsictl")
        assert answer.err == ""
        assert max(map(len, answer.out.splitlines())) <= 80
        assert "\\b" not in answer.out, "the mark of lines that stay lines is no text"


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=name)
def test_every_command_takes_the_common_options(
    words: tuple[str, ...], command: click.Command
) -> None:
    if words != ("completion",):
        assert set(COMMON) <= options(command)


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=name)
def test_what_changes_takes_dry_run_and_yes_and_what_looks_does_not(
    words: tuple[str, ...], command: click.Command
) -> None:
    if name(words) in CHANGING:
        assert {"-n", "--dry-run", "-y", "--yes"} <= options(command)


@pytest.mark.fault("F19")
@pytest.mark.parametrize(("words", "command"), LEAVES, ids=name)
def test_what_changes_needs_root_and_says_so(
    words: tuple[str, ...], command: click.Command, tmp_path: Path
) -> None:
    if name(words) not in CHANGING:
        return
    fitting = {
        "attach": ["-p", "192.0.2.5"],
        "login": ["--all"], "logout": ["--all"], "chap set": ["--user", "u"],
        "disk mkfs": ["--fs", "ext4"], "hold": ["iqn.2024-01.com.example:x"],
    }  # fmt: skip
    numbers = {"number": "1", "kind": "linux", "table": "gpt", "when": "manual", "where": "/srv/x",
               "pairs": "node.startup=manual"}  # fmt: skip
    arguments = [
        numbers.get(p.name or "", "iqn.2024-01.com.example:x")
        for p in command.params
        if isinstance(p, click.Argument) and p.required
    ]
    answer = call([*words, *arguments, *fitting.get(name(words), [])], tmp_path)
    assert answer.code in {Exit.NEEDS_ROOT, Exit.USAGE}, answer.err
    assert answer.err.startswith("iscsictl: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "command"), ALL, ids=name)
def test_an_unknown_option_is_a_usage_error_of_one_line_and_a_hint(
    words: tuple[str, ...], command: click.Command, tmp_path: Path
) -> None:
    answer = call([*words, "--no-such-option"], tmp_path)
    assert answer.code == Exit.USAGE
    assert answer.out == ""
    first, second = answer.err.splitlines()
    assert first.startswith("iscsictl: ")
    assert second.startswith("hint: ")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("attach -p", "attach"), ("ls --from", "ls"), ("doctor --only", "doctor"),
        ("disk part add x --size", "disk part add"), ("nodes set -T", "nodes set"),
        ("ls nodes --from", "ls"), ("watch --interval 1ms", "watch"),
    ],
)  # fmt: skip
def test_the_hint_names_the_help_of_the_command_that_was_called(
    words: str, command: str, tmp_path: Path
) -> None:
    answer = call(words.split(), tmp_path)
    assert answer.code == Exit.USAGE
    assert answer.err.splitlines()[1] == f"hint: see iscsictl {command} --help"


@pytest.mark.parametrize(
    "words",
    [
        "detach x --lun 99999 -n -J", "ls -J --nope", "ls --nope -o json", "mount -nJ",
        "mount --output=json", "mount -nojson", "fstab add x --output json", "atach -J",
    ],
)  # fmt: skip
def test_an_error_that_click_finds_is_told_in_json_too(words: str, tmp_path: Path) -> None:
    answer = call(words.split(), tmp_path)
    assert answer.code == Exit.USAGE
    document = json.loads(answer.out)
    assert document["schema"] == "iscsictl.error/1"
    assert document["error"]["exit"] == Exit.USAGE
    assert answer.err.startswith(f"iscsictl: {document['error']['text']}")


@pytest.mark.parametrize("words", ["mount -- -J", "mount -o tsv", "ls --nope -o table", "hold -oJ"])
def test_where_nobody_asked_for_json_there_is_none(words: str, tmp_path: Path) -> None:
    assert call(words.split(), tmp_path).out == ""


@pytest.mark.parametrize("words", [
    "doctor -o nagios --only nothing", "doctor -o nagios --nope", "doctor --output=nagios --fix",
    "doctor -qonagios --timeout x",
])  # fmt: skip
def test_a_monitoring_plugin_that_cannot_look_is_unknown(words: str, tmp_path: Path) -> None:
    answer = call(words.split(), tmp_path)
    assert answer.code == 3
    assert answer.out.startswith("ISCSI UNKNOWN - ")
    assert answer.out.count("\n") == 1
    assert "|" not in answer.out


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("attach 192.0.2.5", "name the portal with -p: iscsictl attach -p 192.0.2.5"),
        ("attach 2001:db8::5 /srv/mail", "name the portal with -p: iscsictl attach -p 2001:db8::5"),
        ("attach iqn.2001-04.com.example:mail --fs ext4",
         "name the target with -T: iscsictl attach -T iqn.2001-04.com.example:mail --fs ext4"),
        ("attach 192.0.2.5 --dry-run --fs-label 'my mail'",
         "name the portal with -p: iscsictl attach -p 192.0.2.5 --dry-run --fs-label 'my mail'"),
        ("attach mail", "see iscsictl attach --help"),
        ("schedule status 192.0.2.5", "see iscsictl schedule status --help"),
    ],
)  # fmt: skip
def test_a_portal_or_a_target_without_its_option_is_answered_with_the_option(
    line: str, hint: str, tmp_path: Path
) -> None:
    answer = call(shlex.split(line), tmp_path)
    assert answer.code == Exit.USAGE
    assert answer.err.splitlines()[1] == f"hint: {hint}"


def test_an_error_about_a_file_has_a_hint(tmp_path: Path) -> None:
    put(tmp_path, "etc/fstab/x")
    for words, hint in (
        (["chap", "generate", "--out", "none/x"], "mkdir -p none"),
        (["chap", "generate", "--out", "none/there/x"], "mkdir -p none/there"),
        (["fstab", "ls"], "move the directory of that name away"),
    ):
        answer = call(words, tmp_path)
        assert answer.code == Exit.ERROR
        assert hint in answer.err.splitlines()[1]


def test_a_typing_error_is_met_with_the_nearest_command(tmp_path: Path) -> None:
    answer = call(["atach"], tmp_path)
    assert answer.code == Exit.USAGE
    assert "Did you mean 'attach'?" in answer.err


@pytest.mark.fault("F10")
@pytest.mark.parametrize("words", ["ls", "nodes ls", "disk ls", "fstab ls", "iface ls"])
def test_a_machine_with_nothing_on_it_lists_nothing_and_exits_0(words: str, tmp_path: Path) -> None:
    for output in ("table", "tsv", "json"):
        answer = call([*words.split(), "-o", output], tmp_path)
        assert answer.code == 0, answer.err
        assert "Traceback" not in answer.err


def test_a_line_that_cannot_be_read_leaves_the_table_of_the_others_whole(tmp_path: Path) -> None:
    good = "UUID=6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11 /srv/data ext4 _netdev,nofail 0 0\n"
    put(tmp_path, "etc/fstab", good)
    before = call(["fstab", "ls"], tmp_path).out.splitlines()
    put(tmp_path, "etc/fstab", f"{good}UUID=x /srv/more ext4 nofail, _netdev 0 0\n")
    answer = call(["fstab", "ls"], tmp_path)
    first, second, third = (line.split() for line in answer.out.splitlines())
    assert first == before[0].split()
    assert second[2] == good.split(maxsplit=1)[0]
    assert third == ["2", "-", "-", "-", "-", "unreadable", "-"]
    told = call(["fstab", "check"], tmp_path)
    assert "fifth field" in told.out


def test_what_is_shown_of_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    for args in (
        ["hold", "-n", "/srv/a\x1b[31m\n"],
        ["hold", "-n", "/srv/a\x1b[31m\n", "-o", "tsv"],
        ["nodes", "show", "a\x1b[31m"],
    ):
        answer = call(args, tmp_path, uid=0)
        shown = answer.out + answer.err
        assert "a\\x1b[31m" in shown
        assert "\x1b" not in shown
        assert all(line.strip() for line in shown.splitlines())


def test_json_is_ascii_so_that_no_locale_can_spoil_it(tmp_path: Path) -> None:
    answer = call(["hold", "-n", "/srv/é日", "-J"], tmp_path, uid=0)
    assert answer.out.isascii()
    assert json.loads(answer.out)["steps"][0]["subject"] == "/srv/é日"


def put_record(root: Path) -> None:
    put(
        root,
        "etc/iscsi/nodes/iqn.2024-01.com.example:a/192.0.2.5,3260,1/default",
        "# BEGIN RECORD 2.1.8\nnode.name = iqn.2024-01.com.example:a\nnode.startup = automatic\n"
        "node.conn[0].address = 192.0.2.5\nnode.conn[0].port = 3260\n# END RECORD\n",
    )


def test_reconnect_that_leaves_it_to_another_run_prints_its_document_too(tmp_path: Path) -> None:
    put_record(tmp_path)
    with host_lock(0, print, tmp_path):
        answer = call(["reconnect", "-J"], tmp_path, uid=0)
    assert answer.code == Exit.DONE
    assert "another iscsictl" in answer.err
    assert json.loads(answer.out)["steps"] == []


@pytest.mark.fault("F76")
def test_reconnect_that_one_process_keeps_out_three_times_fails(tmp_path: Path) -> None:
    put_record(tmp_path)
    for _ in range(2):
        with host_lock(0, print, tmp_path):
            codes = [call(["reconnect"], tmp_path, uid=0).code for _ in range(2)]
        assert codes == [Exit.DONE, Exit.DONE]
        # Once it got the lock, the count begins again.
        assert call(["reconnect"], tmp_path, uid=0).code != Exit.IN_USE
    with host_lock(0, print, tmp_path):
        answers = [call(["reconnect"], tmp_path, uid=0) for _ in range(4)]
    assert [answer.code for answer in answers] == [0, 0, Exit.IN_USE, Exit.IN_USE]
    assert f"(pid {os.getpid()})" in answers[2].err
    assert "blocked reconnect 3 times in a row" in answers[2].err
    assert "hint: " in answers[2].err


def test_quiet_leaves_the_warnings_of_an_import_out(tmp_path: Path) -> None:
    text = b"DiscoveryAddress=192.0.2.5\nPollInterval=3\n"
    assert "PollInterval" in call(["import", "-", "-n"], tmp_path, stdin=text).err
    answer = call(["import", "-", "-n", "-q"], tmp_path, stdin=text)
    assert (answer.code, answer.out, answer.err) == (Exit.PENDING, "", "")


def test_a_verdict_in_tsv_is_two_plain_fields(tmp_path: Path) -> None:
    answer = call(
        ["chap", "check", "--secret-file", "-", "-o", "tsv"], tmp_path, stdin=b"\xc3\xa9" * 9
    )
    fields = [line.split("\t") for line in answer.out.splitlines()]
    assert {level for level, _ in fields} == {"refuse", "warn"}


def test_an_interrupt_is_told_over_the_echo_of_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)  # noqa: B023
        assert print_error("stopped", None, Exit.INTERRUPTED) == 130
        assert print_error("other", None, Exit.ERROR) == 1
        said = capsys.readouterr().err
        assert said == "\r" * terminal + "iscsictl: stopped\niscsictl: other\n"


def test_reconnect_says_of_a_session_without_a_record_what_it_lacks(tmp_path: Path) -> None:
    make(tmp_path, 1)
    target = "iqn.2003-01.org.example:array.lun00000"
    answer = call(["reconnect", target], tmp_path, uid=0)
    assert answer.code == Exit.NOT_FOUND
    assert answer.err.splitlines() == [
        f"iscsictl: there is no node record of {target}",
        "hint: create one: iscsictl discover 192.0.0.1:3260 --save",
    ]


def test_reconnect_takes_a_part_of_a_name_on_a_terminal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_record(tmp_path)
    answer = call(["reconnect", "-n", "example:a"], tmp_path, uid=0)
    assert answer.code == Exit.NOT_FOUND
    assert "without a terminal, the exact name is required" in answer.err
    monkeypatch.setattr(Settings, "interactive", property(lambda _: True))
    answer = call(["reconnect", "-n", "example:a"], tmp_path, uid=0)
    assert "portal 192.0.2.5:3260 does not answer" in answer.err


def test_every_error_type_has_an_exit_code_of_the_contract() -> None:
    waiting: list[type[IscsictlError]] = [IscsictlError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        assert kind.exit in set(Exit)


NAMED = "iqn.2024-01.com.example:a"


@pytest.mark.parametrize(
    "words",
    [
        "login -n", "logout -n", "rescan -n", "forget -n", "reconnect -n", "ls", "nodes ls",
        "nodes show", "chap show", "chap clear -n", "startup -n manual",
    ],
)  # fmt: skip
def test_the_target_is_an_argument_or_an_option(words: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    put_record(tmp_path)
    command, rest = words.split(), []
    if command[0] == "startup":
        command, rest = command[:-1], command[-1:]
    by_argument = call([*command, NAMED, *rest], tmp_path, uid=0)
    by_option = call([*command, "-T", NAMED, *rest], tmp_path, uid=0)
    assert by_argument == by_option
    assert by_argument.code in {0, 3, 6, 10}
    other = call([*command, "-T", "iqn.2024-01.com.example:other", *rest], tmp_path, uid=0)
    assert words == "ls" or other != by_option
    twice = call([*command, NAMED, *rest, "-T", NAMED], tmp_path, uid=0)
    assert twice.code == 2
    assert "name the target once" in twice.err


@pytest.mark.parametrize("words", ["login", "logout", "forget", "startup", "startup manual"])
def test_a_command_that_needs_a_target_asks_for_it(words: str, tmp_path: Path) -> None:
    answer = call(words.split(), tmp_path, uid=0)
    assert answer.code == 2
    assert "name" in answer.err
    assert "target" in answer.err
