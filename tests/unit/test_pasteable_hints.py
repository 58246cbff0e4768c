"""Commands in hints: every name in them is quoted, so that pasting one runs that command alone."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.model.shell_form import shell_form

PACKAGE = Path(__file__).resolve().parents[2] / "iscsictl"

#: Where a command begins in a sentence, and where it ends.
_BEGINS = re.compile(
    r"(?:^|[\s(:])(?:iscsictl (?!\()|umount |chmod |chown |mkdir -|blockdev -|"
    r"sg_persist |multipath -|multipathd |lsattr |ls -|systemctl |btrfs f|mount /)"
)
_ENDS = re.compile(r"[;,()]|\. |: | && | and | to | says | removes ")
#: What builds a word that is safe in a shell.
_QUOTING = {"shell_form"}
#: Values that are never anything but numbers, constants or words of our own.
_OWN = re.compile(r"(\w+\.)*(number|kind|label|key|where|_?[A-Z_]+)|others\[0\]")
#: What quotes in the way of other shells, whole commands of the help, and no command at all.
_EXEMPT = ("cli/completions/", "cli/help.py", "planner/disks/new_filesystem.py")


def unquoted(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the values that stand unquoted inside a command of a sentence."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.JoinedStr):
        parts = node.values
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = node.left
        parts = [*(left.values if isinstance(left, ast.JoinedStr) else [left]), node.right]
    inside = False
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            text = part.value
            begins = [match.end() for match in _BEGINS.finditer(text)]
            if begins:
                inside, text = True, text[begins[-1] :]
            if _ENDS.search(text):
                inside = False
        elif inside:
            value = part.value if isinstance(part, ast.FormattedValue) else part
            if not _is_quoted(value) and not _OWN.fullmatch(ast.unparse(value)):
                yield value


def _is_quoted(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _QUOTING


def found() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if str(path.relative_to(PACKAGE)).startswith(_EXEMPT):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for value in unquoted(node):
                name = path.relative_to(PACKAGE.parent)
                yield f"{name}:{value.lineno} {ast.unparse(value)}"


@pytest.mark.fault("F78")
def test_every_name_in_a_command_of_a_hint_is_quoted() -> None:
    assert not sorted(set(found()))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('f"see: iscsictl ls {target}"', ["target"]),
        ('f"iscsictl detach {shell_form(name)} --lost --confirm {wwid}"', ["wwid"]),
        ('f"{device} is in use; see what uses it: iscsictl disk show {device}"', ["device"]),
        ('"sg_persist --in --read-full-status " + device', ["device"]),
        ('f"the disk {device} is not known to iscsictl, {name}"', []),
        ('f"iscsictl umount {shell_form(path)}; {path} is in the way"', []),
    ],
)
def test_the_search_finds_what_is_not_quoted(source: str, names: list[str]) -> None:
    node = ast.parse(source, mode="eval").body
    assert [ast.unparse(value) for value in unquoted(node)] == names


@pytest.mark.fault("F78")
@pytest.mark.parametrize("name", ["iqn.x:$(id)", "/srv/a b", "-rf /", "a;id", "`id`", "a'b", "é\n"])
def test_what_is_pasted_is_the_words_and_nothing_else(name: str) -> None:
    assert shlex.split(f"iscsictl detach {shell_form(name)}") == ["iscsictl", "detach", name]
