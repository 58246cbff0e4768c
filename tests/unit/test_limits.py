"""Waits are named in one module, each with its reason."""

import ast
from pathlib import Path

import iscsictl
from iscsictl import limits

PACKAGE = Path(iscsictl.__file__).parent


def test_no_wait_has_two_names_in_the_package() -> None:
    names = {name for name in vars(limits) if name.isupper()}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else ()
            made = {target.id for target in targets if isinstance(target, ast.Name)}
            assert not made & names, path


def test_each_limit_says_what_it_is_for() -> None:
    lines = Path(limits.__file__).read_text().splitlines()
    for number, line in enumerate(lines):
        if ": Final = " in line:
            assert lines[number - 1].startswith("#: "), line


def test_no_wait_is_a_bare_number_where_a_program_is_run() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "timeout":
                # Zero and the second between two looks at a terminal are no waits for an answer.
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                bare = isinstance(value, int | float) and value > 1
                found += [f"{path.name}:{node.value.lineno}"] if bare else []
    assert found == []
