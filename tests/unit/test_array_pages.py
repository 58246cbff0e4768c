"""The pages of docs/arrays: what they say of secrets is what `chap check` judges by."""

import re
from pathlib import Path

import pytest

from iscsictl.checks.secret_strength import ARRAYS

PAGES = Path(__file__).parents[2] / "docs/arrays"
ROWS = {
    row[0].strip(): row[1].strip()
    for row in re.findall(
        r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \| \[", (PAGES / "README.md").read_text(), re.MULTILINE
    )
}


@pytest.mark.parametrize(
    ("row", "array"),
    [
        ("LIO (targetcli)", "LIO"), ("TrueNAS", "TrueNAS"), ("Synology", "Synology and QNAP"),
        ("NetApp ONTAP", "NetApp ONTAP"),
    ],
)  # fmt: skip
def test_the_limits_of_a_secret_are_those_of_the_check(row: str, array: str) -> None:
    (limits,) = (one for one in ARRAYS if one.name == array)
    assert ROWS[row] == f"{limits.shortest} to {limits.longest}"


def test_the_overview_links_every_page() -> None:
    text = (PAGES / "README.md").read_text()
    assert {path.name for path in PAGES.iterdir()} - {"README.md"} == set(
        re.findall(r"\]\(([a-z]+\.md)\)", text)
    )


@pytest.mark.parametrize("name", ["truenas", "netapp", "dell", "promise", "synology"])
def test_each_statement_with_a_number_has_its_source(name: str) -> None:
    text, _, sources = (PAGES / f"{name}.md").read_text().partition("\nSources:")
    cited = set(re.findall(r"\[(\d)\]", text))
    assert cited == set(re.findall(r"\[(\d)\] \[[^]]+\]\(https://", sources))
