"""What every command says where there is nothing for it: a table that people have read.

`data/command_table.txt` has a paragraph for each command and condition: the command line, its
exit code, and what it prints. A change of it is a change of what users see, to be read as such.
After one that is wanted, `python -m tests.unit.test_command_table` writes the table anew.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.commands import call, commands
from tests.unit.fake_root import put

TABLE = Path(__file__).parent / "data" / "command_table.txt"
TARGET = "iqn.2001-04.com.example:mail"
# What a command needs besides the arguments that it cannot do without.
FITTING = {
    "attach": "-p 192.0.2.5 --mount /srv/mail",
    "apply": "volumes.toml",
    "boot login": "",
    "chap clear": f"-T {TARGET}",
    "chap generate": "--out no-such-directory/secret",
    "chap set": f"-T {TARGET} --user mail --secret-file no-such-file",
    "completion": "bash",
    "detach": "/srv/mail",
    "disk label": "mail gpt",
    "disk mkfs": "mail --fs ext4",
    "disk part add": "mail --rest",
    "disk part bootable": "mail 1",
    "disk part rm": "mail 1",
    "disk part type": "mail 1 linux",
    "discover": "192.0.2.5",
    "forget": TARGET,
    "fstab add": "mail /srv/mail",
    "fstab rm": "/srv/mail",
    "iface add": "eth1",
    "iface rm": "eth1",
    "iface set": "eth1 --netdev eth1",
    "import": "iscsi.conf",
    "initiator set": TARGET,
    "nodes set": f"-T {TARGET} node.startup=manual",
    "plan": "volumes.toml",
    "startup": f"{TARGET} manual",
    "take-over": f"{TARGET} --confirm 0xabc",
}
# `watch` runs until it is stopped (tests/unit/test_watch.py). What the others print is
# long, depends on the host, or is new each time.
NOT_HERE = {"watch", "completion", "explain", "chap generate", "chap check", "report", "doctor"}
# They change the host's name, or wait for a daemon that is not there: the lab shows them.
WAIT_FOR_ISCSID = {"initiator generate", "initiator set", "iface add"}
LEAVES = sorted(
    (" ".join(words), command)
    for words, command in commands()
    if not isinstance(command, click.Group) and " ".join(words) not in NOT_HERE
)


def _arguments(name: str, command: click.Command) -> list[str]:
    if name in FITTING:
        return FITTING[name].split()
    return ["mail" for p in command.params if isinstance(p, click.Argument) and p.required]


def _conditions(name: str, command: click.Command) -> Iterator[tuple[str, list[str], int]]:
    """Yield what the table says of one command: heading, arguments and user id of each call."""
    arguments = _arguments(name, command)
    line = " ".join(["iscsictl", name, *arguments])
    if name != "initiator generate":  # which needs none, and waits for iscsid
        yield f"iscsictl {name}: no arguments", [], 0
    yield f"iscsictl {name}: wrong arguments", ["one", "two", "three", "four"], 0
    yield f"{line}: not root", arguments, 1000
    if name not in WAIT_FOR_ISCSID:
        yield f"{line}: nothing there, no network", arguments, 0


def _make_empty_machine(root: Path) -> None:
    put(root, "proc/self/mountinfo")
    put(root, "proc/swaps")
    put(root, "etc/os-release", "ID=debian\n")


def _answer(name: str, arguments: list[str], uid: int) -> str:
    """Return what one call says on an empty machine, as the table has it."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        _make_empty_machine(root)
        answer = call([*name.split(), *arguments], root, uid=uid)
    said = f"{answer.out}{answer.err}".replace(directory, "")
    lines = [f"    {line}".rstrip() for line in said.splitlines()]
    return "\n".join([f"    exit code {answer.code}", *lines])


def _table() -> str:
    """Return the whole table as text."""
    return "\n".join(
        f"{heading}\n{_answer(name, arguments, uid)}\n"
        for name, command in LEAVES
        for heading, arguments, uid in _conditions(name, command)
    )


def _known() -> dict[str, str]:
    """Return the table that people have read, by heading."""
    text = TABLE.read_text(encoding="utf-8")
    return dict(part.split("\n", 1) for part in text.rstrip("\n").split("\n\n"))


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_a_command_says_what_the_table_has(name: str, command: click.Command) -> None:
    known = _known()
    for heading, arguments, uid in _conditions(name, command):
        assert known[heading] == _answer(name, arguments, uid)


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_a_command_says_the_same_when_it_is_run_again(
    name: str, command: click.Command, tmp_path: Path
) -> None:
    if name in WAIT_FOR_ISCSID:
        return
    _make_empty_machine(tmp_path)
    words = [*name.split(), *_arguments(name, command)]
    first, second = (call(words, tmp_path, uid=0) for _ in range(2))
    assert (first.code, first.out, first.err) == (second.code, second.out, second.err)


def test_the_table_has_no_call_that_is_gone() -> None:
    calls = (one for name, command in LEAVES for one in _conditions(name, command))
    assert set(_known()) == {heading for heading, _, _ in calls}


@pytest.mark.parametrize(("heading", "said"), _known().items(), ids=list(_known()))
def test_a_refusal_is_one_line_and_one_hint(heading: str, said: str) -> None:
    code, *lines = (line.strip() for line in said.splitlines())
    if code in {"exit code 0", "exit code 10"}:
        return
    assert [line.partition(": ")[0] for line in lines] == ["iscsictl", "hint"], heading


if __name__ == "__main__":
    TABLE.write_text(_table(), encoding="utf-8")
    sys.stdout.write(f"{TABLE}\n")
