"""Count what can be counted of the style of the code, and compare it with the targets.

`python -m tools.measure_style [DIRECTORY]` prints a line for each figure; its exit code is 1 if a
target is missed. docs/coding-style.md says why each figure is watched.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PACKAGE = Path(__file__).resolve().parents[1] / "iscsictl"

# Comments that speak to a tool or state the license explain nothing to a reader.
_DIRECTIVE = re.compile(r"#!|#\s*(fmt:|noqa|type:|ruff:|mypy:|pragma:|SPDX-)")
# Commands are imported when they are called: `iscsictl ls` must not pay for loading `attach`.
_MAY_IMPORT_LATE = frozenset({"cli/main.py"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class ModuleCounts:
    """What one module contributes to the figures."""

    lines: int
    docstring_lines: int
    comments: int
    public_docstrings: tuple[int, ...]
    name_letters: tuple[int, ...]
    imports_in_functions: int


@dataclass(frozen=True)
class Target:
    """A figure with the value that it must not miss: a `least` or a `most`."""

    what: str
    value: float
    least: float | None = None
    most: float | None = None
    where: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is within its bound."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    def __str__(self) -> str:
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        value = f"{self.value:.2f}".rstrip("0").rstrip(".")
        verdict = "met" if self.met else "MISSED"
        return f"{self.what:<52}{value:>9}  {bound:<15}{verdict:<7}{self.where}".rstrip()


def count_module(source: str) -> ModuleCounts:
    """Count one module. Raises SyntaxError if the source is not Python.

    A comment is a line with a comment that is not a directive to a tool. Leading underscores do
    not count as letters, and names such as `__init__` are not counted at all.
    """
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    own = [f for f in functions if not (f.name.startswith("__") and f.name.endswith("__"))]
    public = [f for f in own if not f.name.startswith("_")]
    docstrings = [ast.get_docstring(f) for f in public]
    return ModuleCounts(
        lines=len(source.splitlines()),
        docstring_lines=sum(_docstring_spans(tree)),
        comments=_count_comments(source),
        public_docstrings=tuple(len(text.splitlines()) for text in docstrings if text),
        name_letters=tuple(len(f.name.lstrip("_")) for f in own),
        imports_in_functions=len(set(_imports_within(functions))),
    )


def _docstring_spans(tree: ast.Module) -> Iterator[int]:
    """Yield the number of lines of each docstring, quotes included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | _Function) and ast.get_docstring(node):
            first = node.body[0]
            yield (first.end_lineno or first.lineno) - first.lineno + 1


def _count_comments(source: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return sum(not _DIRECTIVE.match(comment) for comment in comments)


def _imports_within(functions: Iterable[_Function]) -> Iterator[ast.stmt]:
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node


def measure(package: Path) -> tuple[Target, ...]:
    """Measure every module below a directory, and set each figure beside its target."""
    modules = {
        str(path.relative_to(package)): count_module(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
    return _figures(modules)


def _figures(modules: Mapping[str, ModuleCounts]) -> tuple[Target, ...]:
    counts = modules.values()
    lines = sum(one.lines for one in counts)
    largest = max(modules, key=lambda name: modules[name].lines)
    late = {
        name: one.imports_in_functions
        for name, one in modules.items()
        if one.imports_in_functions and name not in _MAY_IMPORT_LATE
    }
    return (
        Target(
            "lines without docstrings",
            lines - sum(one.docstring_lines for one in counts),
            most=25_000,
        ),
        Target(
            "comments per thousand lines", 1000 * sum(o.comments for o in counts) / lines, least=15
        ),
        Target(
            "lines of a public function's docstring, on average",
            _mean(length for one in counts for length in one.public_docstrings),
            least=2.5,
        ),
        Target(
            "letters of a function's name, on average",
            _mean(length for one in counts for length in one.name_letters),
            least=10,
        ),
        Target("lines of the largest module", modules[largest].lines, most=450, where=largest),
        Target(
            "imports inside functions, except in cli/main.py",
            sum(late.values()),
            most=0,
            where=f"in {len(late)} modules" if late else "",
        ),
    )


def _mean(values: Iterable[int]) -> float:
    every = tuple(values)
    return sum(every) / len(every) if every else 0.0


def main(arguments: list[str]) -> int:
    """Print the figures; 1 if a target is missed."""
    figures = measure(Path(arguments[0]) if arguments else PACKAGE)
    for figure in figures:
        print(figure)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
