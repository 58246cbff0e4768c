"""One idea, one word: what the search for replaced words finds, and what it leaves alone."""

from pathlib import Path

import pytest

from tools.vocabulary import Offender, Vocabulary, search, search_file, words_of

VOCABULARY = Vocabulary.load()

# What has no such word any more. The rest of the project joins as it is rewritten.


def offenders(tmp_path: Path, text: str, name: str = "iscsictl/sample.py") -> list[tuple[int, str]]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return [(one.line, one.found) for one in search_file(path, VOCABULARY, tmp_path)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"""A wish."""\n', (1, "wish")),
        ("x = 1\n# It mends records.\n", (2, "mends")),
        ('error = f"{x}: a torn record"\n', (1, "torn")),
        ('text = (\n    "what failed is taken "\n    "back"\n)\n', (2, "taken back")),
        ("# It is put\n# back.\n", (1, "put back")),
        ("value = AttachWish()\n", (1, "AttachWish")),
        ("import iscsictl.engine.hands_disk\n", (1, "hands_disk")),
        ("class Seen:\n    pass\n", (1, "Seen")),
        ("class NotLooked:\n    pass\n", (1, "NotLooked")),
        ("def look(root):\n    pass\n", (1, "look")),
        ("def show(seen):\n    pass\n", (1, "seen")),
        ("class Plan:\n    sight: int\n", (2, "sight")),
        ("def held():\n    pass\n", (1, "held")),
        ("def test_a_failed_step_is_taken_back():\n    pass\n",
         (1, "test_a_failed_step_is_taken_back")),
    ],
)  # fmt: skip
def test_a_replaced_word_is_found_wherever_it_stands(
    text: str, found: tuple[int, str], tmp_path: Path
) -> None:
    assert found in offenders(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "seen = set()\nleft, right = 1, 2\n",
        "# A disk that was seen before, the right one, looks the same.\n",
        "def look_up(key):\n    pass\n",
        "def test_a_second_session_is_seen():\n    pass\n",
        '"""The configuration did not converge after 20 rounds."""\n',
        "# Recommended; a tornado; actually; by hand; on the other hand; backup.\n",
        "run(['wipefs', '--no-act'])\n",
    ],
)
def test_ordinary_english_is_left_alone(text: str, tmp_path: Path) -> None:
    assert offenders(tmp_path, text) == []


def test_a_name_is_judged_in_documents_and_file_names_too(tmp_path: Path) -> None:
    assert offenders(tmp_path, "It runs\nthe errands.\n", "docs/page.md") == [(2, "errands")]
    assert offenders(tmp_path, "", "tests/unit/made_tree.py") == [(0, "made_tree")]


def test_old_names_of_the_package_may_be_used_elsewhere(tmp_path: Path) -> None:
    source = "def held():\n    pass\n"
    assert offenders(tmp_path, source, "tests/lab/sample.py") == []


def test_an_identifier_is_taken_apart_at_underscores_and_capitals() -> None:
    assert words_of("NotLookedYet") == {"not", "looked", "yet"}
    assert words_of("_read_WWIDMap2") == {"read", "wwid", "map", "2"}


def test_an_offender_says_where_it_is_and_what_to_use() -> None:
    assert str(Offender("docs/a.md", 3, "wish", "spec")) == "docs/a.md:3: wish: use spec"


def test_the_project_uses_no_replaced_word() -> None:
    assert search() == []
