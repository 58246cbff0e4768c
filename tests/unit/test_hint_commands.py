"""Every iscsictl command in a hint or in a fix exists, with its options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from iscsictl.cli.main import cli

PACKAGE = Path(__file__).resolve().parents[2] / "iscsictl"
#: Stands for a value that is known only when the message is made.
VALUE = "VALUE"
# A command in a sentence goes on until punctuation, or until a word that no command has. Behind
# these words "iscsictl" is the program that a sentence is about.
_COMMAND = re.compile(
    r"(?<![-\w])iscsictl(?! (?:did|exits|for|help|made|where|would|wrote)\b)"
    r"((?: (?!and\b|or\b|to\b|says\b|shows\b|removes\b)[^\s;,()`]+)+)"
)
#: Completions have words of shells, and the lookup patterns of log lines.
_EXEMPT = ("cli/completions/", "errors/lookup.py")


def texts() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each string of the package that is no docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.startswith(_EXEMPT):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {
            id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
            for value in node.values
        }  # fmt: skip
        docs = {
            id(node.value) for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield f"{name}:{node.lineno}", "".join(map(text_of, node.values))
            elif id(node) not in parts | docs and isinstance(node, ast.Constant):
                yield f"{name}:{node.lineno}", text_of(node)


def text_of(part: ast.expr) -> str:
    if not isinstance(part, ast.Constant):
        return VALUE
    return part.value if isinstance(part.value, str) else ""


def commands_in(text: str) -> Iterator[list[str]]:
    for match in _COMMAND.finditer(text):
        words = match[1].split()
        if re.fullmatch(r"[a-z][a-z-]+[:.]?", words[0]):
            yield [word.rstrip(".:'\"") for word in words]


def error_in(words: list[str]) -> str | None:
    """Return what is wrong with a command line; None if it can be typed."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        if found is None:
            return f"there is no command {word}"
        command = found
    parameters = command.get_params(click.Context(command, **cli.context_settings))
    known = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
    return f"there is no {sorted(given - known)}" if given - known else None


def test_every_command_in_a_hint_exists_with_its_options() -> None:
    found = [(place, words) for place, text in texts() for words in commands_in(text)]
    assert len(found) > 200
    wrong = [f"{place} iscsictl {' '.join(w)}: {e}" for place, w in found if (e := error_in(w))]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "words", "wrong"),
    [
        ("see: iscsictl nodes ls", ["nodes", "ls"], None),
        ("iscsictl startup VALUE automatic, then", ["startup", "VALUE", "automatic"], None),
        ("`iscsictl prune --for 1s` and more", ["prune", "--for", "1s"], None),
        ("iscsictl node ls", ["node", "ls"], "there is no command node"),
        ("iscsictl login --nothing", ["login", "--nothing"], "there is no ['--nothing']"),
        ("what iscsictl wrote; iscsictl ls shows it", ["ls"], None),
    ],
)
def test_a_command_is_found_in_its_sentence(text: str, words: list[str], wrong: str | None) -> None:
    (found,) = commands_in(text)
    assert found == words
    assert error_in(found) == wrong


def test_no_hint_needs_a_program_that_no_package_of_the_host_brings_along() -> None:
    """`explain`, whose tables are in `errors`, is also asked about other hosts."""
    absent = re.compile(r"(?<![-/\w])(fuser|lsof|ethtool|lsscsi|file|lslocks) (-|/|VALUE)")
    assert absent.search("see what uses it: fuser -vm VALUE")
    found = [(place, text) for place, text in texts() if not place.startswith("errors/")]
    assert [one for one in found if absent.search(one[1])] == []
