"""Find words that the project replaced by standard ones: one idea, one word.

`python -m tools.vocabulary [PATH]...` lists each place with the words to use instead, and exits
with 1 if there is one. The list is tools/vocabulary.toml. Phrases are searched in the whole text
of a file, so in docstrings, comments, strings and documents; identifiers are taken apart at
underscores and capitals.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]

# What the project writes itself. The test names the words; the data of the tests are the output
# of other programs.
_SEARCHED = ("iscsictl", "tests", "tools", "docs", "newsfragments", ".github")
_NOT_SEARCHED = ("tests/unit/test_vocabulary.py", "tests/unit/data/")
_SUFFIXES = {".py", ".md", ".1", ".yaml", ".yml", ".cfg"}

# Between the words of a phrase: blanks, and what begins the next line of a comment or a string.
_GAP = r"[\s#\"']+"


@dataclass(frozen=True, order=True)
class Offender:
    """One place where a word is to be replaced; `line` counts from 1, and is 0 for a file name."""

    path: str
    line: int
    found: str
    use: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found}: use {self.use}"


@dataclass(frozen=True)
class Vocabulary:
    """The words to replace: in any text, in any identifier, in names that are defined."""

    phrases: Mapping[re.Pattern[str], str]
    identifiers: Mapping[str, str]
    definitions: Mapping[str, str]
    renamed: Mapping[str, str]

    @classmethod
    def load(cls, path: Path = ROOT / "tools" / "vocabulary.toml") -> Vocabulary:
        """Read the list of words."""
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        phrases = {_whole_words(pattern): use for pattern, use in tables.pop("phrases").items()}
        return cls(phrases, **tables)

    def search_text(self, text: str) -> Iterator[tuple[int, str, str]]:
        """Yield line, words and replacement of each phrase, one that runs over a line's end too."""
        for pattern, use in self.phrases.items():
            for match in pattern.finditer(text):
                words = " ".join(re.split(_GAP, match[0]))
                yield text.count("\n", 0, match.start()) + 1, words, use

    def search_source(self, source: str) -> Iterator[tuple[int, str, str]]:
        """Yield line, name and replacement of each such identifier of Python source."""
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                for word in self.identifiers.keys() & words_of(token.string):
                    yield token.start[0], token.string, self.identifiers[word]
        for line, name in _definitions(ast.parse(source)):
            yield from ((line, name, use) for use in self.judge_definition(name))

    def judge_definition(self, name: str) -> Iterator[str]:
        """Yield what a module, type, function, parameter or field is better called.

        The name of a test is a sentence, and judged as one.
        """
        if name.startswith("test_"):
            yield from (use for _, _, use in self.search_text(name.replace("_", " ")))
        elif not {"look", "up"} <= (words := words_of(name)):
            yield from (self.definitions[word] for word in self.definitions.keys() & words)

    def search_renamed(self, source: str) -> Iterator[tuple[int, str, str]]:
        """Yield each type and function that is defined under its old name."""
        for line, name in _definitions(ast.parse(source)):
            if name in self.renamed:
                yield line, name, self.renamed[name]


def words_of(name: str) -> set[str]:
    """Take an identifier apart, in lower case: `NotLooked` and `not_looked` are `not`, `looked`."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def _whole_words(pattern: str) -> re.Pattern[str]:
    spaced = pattern.replace(" ", _GAP)
    return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)


def _definitions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield what others call by name: types, functions, parameters, the fields of a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield field.lineno, field.target.id


def searched_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files that the project writes itself, generated pages included."""
    below = (path for name in _SEARCHED for path in (root / name).rglob("*"))
    for path in sorted([*root.iterdir(), *below]):
        name = path.relative_to(root).as_posix()
        if path.is_file() and path.suffix in _SUFFIXES and not name.startswith(_NOT_SEARCHED):
            yield path


def search_file(path: Path, vocabulary: Vocabulary, root: Path = ROOT) -> list[Offender]:
    """List the offenders of one file by line, each name or phrase of a line once."""
    name = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    found = list(vocabulary.search_text(text))
    if path.suffix == ".py":
        found += vocabulary.search_source(text)
        found += ((0, path.stem, use) for use in vocabulary.judge_definition(path.stem))
        if path.stem in vocabulary.renamed:
            found.append((0, path.stem, vocabulary.renamed[path.stem]))
        if name.startswith("iscsictl/"):
            found += vocabulary.search_renamed(text)
    once = {(line, words.lower()): (words, use) for line, words, use in found}
    return sorted(Offender(name, line, *once[line, words]) for line, words in once)


def search(paths: Iterable[Path] = (), root: Path = ROOT) -> list[Offender]:
    """Search the given files and directories, or the whole project."""
    vocabulary = Vocabulary.load()
    below = [path.resolve() for path in paths] or [root]
    return [
        offender
        for path in searched_files(root)
        if any(path.is_relative_to(one) for one in below)
        for offender in search_file(path, vocabulary, root)
    ]


def main(arguments: list[str]) -> int:
    """Print the offenders; 1 if there are any."""
    found = search([Path(argument) for argument in arguments])
    for offender in found:
        print(offender)
    print(f"{len(found)} in {len({one.path for one in found})} files", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
