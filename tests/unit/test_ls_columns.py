"""`ls -o COLUMN,...` and `--no-header`: for scripts that want a few values and nothing else."""

import json
import re
from pathlib import Path

import pytest

from iscsictl.output.text import human_duration
from iscsictl.output.views.ls import LONG_COLUMNS
from tests.bench.make_tree import make
from tests.commands import Answer, call
from tests.unit.fake_root import put

KEYS = [column.key for column in LONG_COLUMNS]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine")
    make(root, 2)
    return root


def ls(machine: Path, *words: str) -> Answer:
    return call(["ls", *words], machine, uid=0)


@pytest.mark.parametrize("key", KEYS)
def test_each_column_can_be_chosen_and_has_the_values_of_the_long_table(
    machine: Path, key: str
) -> None:
    whole = [line.split("\t") for line in ls(machine, "-l", "-o", "tsv").out.splitlines()]
    chosen = ls(machine, "-o", f"tsv,{key}").out.splitlines()
    assert chosen == [row[KEYS.index(key)] for row in whole]


def test_columns_stand_in_the_order_in_which_they_were_named(machine: Path) -> None:
    rows = ls(machine, "-o", "LUN,target").out.splitlines()
    assert rows[0].split() == ["LUN", "TARGET"]
    assert re.fullmatch(r" *\d+  iqn\.\S+", rows[1])


def test_without_header_only_values_are_printed(machine: Path) -> None:
    sessions = json.loads(ls(machine, "-J").out)["sessions"]
    expected = [session["target"] for session in sessions]
    assert ls(machine, "-o", "target", "--no-header").out.splitlines() == expected
    assert ls(machine, "-o", "tsv,target", "--no-header").out.splitlines() == expected
    table = [line.split() for line in ls(machine, "--no-header").out.splitlines()]
    assert table == [line.split() for line in ls(machine).out.splitlines()[1:]]


@pytest.fixture
def empty_host(tmp_path: Path) -> Path:
    """A host with open-iscsi on which nothing was configured yet."""
    (tmp_path / "sys").mkdir()
    put(tmp_path, "usr/sbin/iscsiadm").chmod(0o755)
    return tmp_path


def test_nothing_is_printed_on_stdout_where_there_is_no_session(empty_host: Path) -> None:
    for words in ([], ["--no-header"], ["-o", "target"], ["-o", "tsv,target", "--no-header"]):
        assert ls(empty_host, *words).out == ""
    assert ls(empty_host).err.startswith("iscsictl: there are no sessions\nhint: ")


@pytest.mark.parametrize("wrong", ["targets", "target,nothing", "tsv,", "json,target", ""])
def test_an_unknown_column_is_named_with_those_that_there_are(machine: Path, wrong: str) -> None:
    answer = ls(machine, "-o", wrong)
    assert answer.code == 2
    assert answer.out == ""
    assert "column" in answer.err


@pytest.mark.parametrize("form", ["--tree", "--long"])
def test_columns_do_not_go_with_other_forms(machine: Path, form: str) -> None:
    answer = ls(machine, "-o", "target", form)
    assert answer.code == 2
    assert "columns cannot be selected" in answer.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("ls", "sessions"), ("nodes ls", "node records"), ("disk ls", "disks"), ("hold", "holds"),
    ],
)  # fmt: skip
def test_every_empty_answer_is_said_in_one_style(words: str, what: str, empty_host: Path) -> None:
    answer = call(words.split(), empty_host, uid=0)
    assert answer.code == 0
    first, *rest = answer.err.splitlines()
    assert first == f"iscsictl: there are no {what}"
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    assert call([*words.split(), "-q"], empty_host, uid=0).err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.4, "59s"), (60, "1min"), (3540, "59min"), (3599, "59min 59s"),
        (3600, "1h"), (7500, "2h 5min"), (86400, "1d"), (90061, "1d 1h"), (-3, "0s"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_the_units_of_people(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
