"""The figures of the style are counted as their descriptions say."""

from pathlib import Path

import pytest

from tools.measure_style import Target, count_module, main, measure

SAMPLE = '''"""A module.

With a docstring of three lines.
"""

# Why it is so.
LIMIT = 5  # seconds
ROW = [1, 2]  # fmt: skip


def read(path):
    """Read one."""
    import json

    def _inner():
        from os import path
    return json


class Reader:
    def __init__(self):
        """Make one, which is no public function."""

    def read_record(self):
        """Read a record.

        Raises OSError.
        """

    def undocumented(self):
        pass
'''


def test_lines_comments_docstrings_names_and_late_imports_are_counted() -> None:
    counts = count_module(SAMPLE)
    assert counts.lines == 31
    assert counts.docstring_lines == 4 + 1 + 1 + 4
    assert counts.comments == 2
    assert counts.public_docstrings == (1, 3)
    assert sorted(counts.name_letters) == sorted(
        map(len, ["read", "inner", "read_record", "undocumented"])
    )
    assert counts.imports_in_functions == 2


@pytest.mark.parametrize(
    "comment",
    ["#!/usr/bin/python3", "# SPDX-License-Identifier: MIT", "#  type: ignore", "# noqa: E501"],
)
def test_a_comment_to_a_tool_explains_nothing(comment: str) -> None:
    assert count_module(f"{comment}\nx = '# not one'\n").comments == 0
    assert count_module(f"{comment}\n# one\n").comments == 1


def figures_of(directory: Path) -> dict[str, Target]:
    return {figure.what: figure for figure in measure(directory)}


def test_a_package_is_measured_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "main.py").write_text("def load_command():\n    import json\n")
    (tmp_path / "large.py").write_text("# one\n" + "x = 1\n" * 450)
    figures = figures_of(tmp_path)
    assert figures["lines of the largest module"].value == 451
    assert figures["lines of the largest module"].where == "large.py"
    assert not figures["lines of the largest module"].met
    assert figures["imports inside functions, except in cli/main.py"].value == 0
    assert figures["letters of a function's name, on average"].value == len("load_command")
    assert figures["comments per thousand lines"].value == pytest.approx(1000 / 453)


def test_the_exit_code_says_whether_every_target_is_met(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        'def read_records():\n    """One.\n\n    Three.\n    """\n    # Why.\n    # And why.\n'
    )
    assert main([str(tmp_path)]) == 0
    module.write_text("def go():\n    import json\n")
    assert main([str(tmp_path)]) == 1
    assert "imports inside functions, except in cli/main.py" in capsys.readouterr().out


def test_a_target_is_met_at_its_bound() -> None:
    assert Target("a", 15, least=15).met
    assert not Target("a", 14.9, least=15).met
    assert Target("a", 450, most=450).met
    assert str(Target("a", 451, most=450, where="b.py")).split() == [
        "a", "451", "at", "most", "450", "MISSED", "b.py",
    ]  # fmt: skip
