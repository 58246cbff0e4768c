"""Secrets are judged by what arrays, the standard and guessers make of them."""

import importlib
import string
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from iscsictl.checks import secret_strength
from iscsictl.checks.secret_strength import (
    ALPHABET,
    ARRAYS,
    generate_secret,
    is_refused,
    judge_secret,
    shared_with,
)
from iscsictl.errors import Exit
from tests.commands import call

GOOD = "kV8rTq2ZxW7nBf4M"


@pytest.fixture(autouse=True, params=["zxcvbn", "zxcvbn_rs_py"])
def estimator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge with the original and with the port that Debian 13 has."""
    module = importlib.import_module(request.param)
    monkeypatch.setattr(secret_strength, "zxcvbn", module)


def ids(
    secret: str,
    level: str | None = None,
    *,
    user: str | None = None,
    other: str | None = None,
    made: bool = False,
    words: Iterable[str] = (),
) -> set[str]:
    verdicts = judge_secret(secret, user=user, other=other, made=made, words=words)
    return {verdict.id for verdict in verdicts if level in {None, verdict.level}}


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize(
    ("secret", "id_"),
    [("", "blank"), ("   ", "blank"), (" kV8rTq2ZxW7nB", "ends"), ("kV8rTq2ZxW7nB\t", "ends"),
     ("kV8r\nTq2ZxW7nB", "line-break"), ("kV8rTq2Z" * 32, "too-long")],
)  # fmt: skip
@pytest.mark.fault("F05")
def test_what_open_iscsi_cannot_keep_is_always_refused(secret: str, id_: str, made: bool) -> None:
    assert id_ in ids(secret, "refuse", made=made)


@pytest.mark.parametrize("made", [True, False])
def test_the_same_secret_both_ways_is_always_refused(made: bool) -> None:
    assert "same-both-ways" in ids(GOOD, "refuse", other=GOOD, made=made)
    assert not is_refused(judge_secret(GOOD, other=GOOD + "x", made=made))


@pytest.mark.parametrize(
    ("secret", "id_"),
    [
        ("kV8rTq2ZxW7", "short"),
        ("kV8rTq2ZxW7nBf4Ma", "array-limit"),
        ("password1234", "guessable"),
        ("P@ssw0rd2024", "guessable"),
        ("drowssap1234", "guessable"),
        ("adminadmin12", "guessable"),
        ("Passcode!!!!", "guessable"),
        ("iscsimy1spw", "guessable"),
        ("changeme-now", "guessable"),
        ("qwertyuiop12", "guessable"),
        ("1q2w3e4r5t6y", "guessable"),
        ("zxcvbnm,asdfgh", "guessable"),
        ("abcdefghijkl", "guessable"),
        ("fedcba987654", "guessable"),
        ("!QAZ2wsx#EDC", "guessable"),
        ("qazwsxedcrfv", "guessable"),
        ("q1w2e3r4t5y6", "guessable"),
        ("',.pyfgcrl/=", "guessable"),
        ("0okm9ijn8uhb", "guessable"),
        ("1qaz!QAZ2wsx", "guessable"),
        ("qazwsx123456", "guessable"),
        ("zaq12wsxcde3", "guessable"),
        ("vtrak15200vtrak", "guessable"),
        ("aaaaaaaaaaaa", "guessable"),
        ("xK9xK9xK9xK9", "guessable"),
        ("194507081930", "guessable"),
    ],
)
def test_a_weak_secret_is_refused_when_made_and_warned_about_when_dictated(
    secret: str, id_: str
) -> None:
    assert id_ in ids(secret, "refuse", made=True)
    assert id_ in ids(secret, "warn", made=False)
    assert not is_refused(judge_secret(secret, made=False))


@pytest.mark.parametrize(
    "secret",
    ["backup-operator", "Backup-Operator", "backup-operator1", "rotarepo-pukcab", "b4ckup_0per4t0r",
     "backup-operator99"],
)  # fmt: skip
def test_the_user_name_and_its_simple_changes_are_guessable(secret: str) -> None:
    assert "guessable" in ids(secret, "refuse", user="backup-operator", made=True)


def test_a_user_name_of_any_letters_is_no_secret() -> None:
    assert "guessable" in ids("Größenwahnßß", "refuse", user="größenwahnßß", made=True)
    assert "guessable" in ids("оператор-чтв", "refuse", user="оператор-чтв", made=True)


@pytest.mark.parametrize("secret", ["128ee03520374643", "9611569228f74e59", "17wndwnul56-"])
def test_digits_around_a_letter_are_not_guessable(secret: str) -> None:
    assert "guessable" not in ids(secret, made=True)


@pytest.mark.parametrize(
    "characters",
    [string.ascii_letters, string.ascii_letters + string.digits,
     string.ascii_letters + string.digits + string.punctuation, ALPHABET],
    ids=["letters", "alphanumeric", "printable", "generated"],
)  # fmt: skip
def test_no_random_secret_is_refused(characters: str) -> None:
    random = Random(7143)
    made = ("".join(random.choices(characters, k=random.randint(12, 16))) for _ in range(200))
    assert [secret for secret in made if "guessable" in ids(secret, made=True)] == []


def test_names_that_a_guesser_knows_count_as_words() -> None:
    words = ["iqn.1994-12.com.promise:vtrak.munich"]
    secret = "vtrakmunich07"
    assert secret_strength.estimate_bits(secret, words) < secret_strength.estimate_bits(secret)


def test_a_good_secret_passes() -> None:
    assert ids(GOOD, "refuse", user="myaccount", made=True) == set()
    assert ids(GOOD, "warn", user="myaccount", made=True) == set()


def test_characters_that_arrays_refuse_are_warned_about() -> None:
    assert "characters" in ids("kV8rTq2Zx W7n", "warn", made=True)
    assert "characters" in ids("kV8rTq2Zx'W7n", "warn")
    assert "characters" in ids("kV8rTq2Zx:W7n", "warn")
    assert "not-ascii" in ids("kV8rTq2ZxßW7n", "warn")


def test_lengths_are_counted_in_bytes() -> None:
    assert "short" not in ids("üüüüüü")
    assert "array-limit" in ids("üüüüüüüüü")


def test_a_secret_of_other_targets_is_warned_about_by_their_names() -> None:
    verdict = shared_with(f"iqn.2001-04.com.example:{n}" for n in range(5))
    assert verdict.level == "warn"
    assert "iqn.2001-04.com.example:0" in verdict.text
    assert "2 more" in verdict.text


def test_what_is_refused_comes_first() -> None:
    levels = [verdict.level for verdict in judge_secret(" a", made=True)]
    assert levels == sorted(levels, key=["refuse", "warn", "note"].index)
    assert levels[0] == "refuse"


def test_the_estimate_tells_strong_from_weak() -> None:
    assert "guessable" in ids("correctbatter", "refuse", made=True)
    assert "estimate" in ids(GOOD, "note", made=True)
    assert "estimate" in ids(GOOD * 15, "note", made=True)


def test_where_no_pattern_is_found_the_estimate_is_a_lower_bound() -> None:
    for secret in (GOOD, GOOD + "x9"):
        assert "no pattern found: at least 2^53 guesses" in [v.text for v in judge_secret(secret)]
    (short,) = (v for v in judge_secret(GOOD[:14]) if v.id == "estimate")
    assert short.text == "it can be guessed in about 2^47 attempts"


def test_the_alphabet_is_taken_by_every_array() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert not any(c in ALPHABET for array in ARRAYS for c in array.without)


def test_a_generated_secret_is_one_of_2_to_the_96_or_more() -> None:
    """Count what may come out: a letter or digit first, and each of three kinds somewhere."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    count = 0
    for size in range(len(kinds) + 1):
        for missing in combinations(kinds, size):
            left = set(ALPHABET) - set("".join(missing))
            first = sum(c.isalnum() for c in left)
            count += (-1) ** size * first * len(left) ** (secret_strength.MADE_LENGTH - 1)
    assert count >= 2**96
    for _ in range(50):
        made = generate_secret().reveal()
        assert made[0].isalnum()
        assert all(set(kind) & set(made) for kind in kinds)
        assert set(made) <= set(ALPHABET)


def test_a_generated_secret_fits_every_array() -> None:
    size = len(generate_secret().reveal())
    assert all(array.shortest <= size <= array.longest for array in ARRAYS)


def checked(root: Path, secret: str, *words: str) -> tuple[int, str]:
    file = root / "secret"
    file.write_text(secret + "\n")
    answer = call(["chap", "check", "--secret-file", str(file), *words], root)
    return answer.code, answer.out


def test_the_command_refuses_a_weak_secret_and_shows_none(tmp_path: Path) -> None:
    code, said = checked(tmp_path, "password1234")
    assert code == Exit.REFUSED
    assert "can be guessed in about" in said
    assert "password1234" not in said
    assert checked(tmp_path, "")[0] == Exit.REFUSED
    assert checked(tmp_path, GOOD)[0] == Exit.DONE


def test_the_command_compares_both_directions_and_all_records(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(GOOD + "\n")
    code, said = checked(tmp_path, GOOD, "--mutual-secret-file", str(other))
    assert code == Exit.REFUSED
    assert "both directions" in said
    record = tmp_path / "etc/iscsi/nodes/iqn.2001-04.com.example:a/192.0.2.5,3260,1/default"
    record.parent.mkdir(parents=True)
    record.write_text(
        "# BEGIN RECORD 2.1.8\nnode.name = iqn.2001-04.com.example:a\n"
        f"node.session.auth.password = {GOOD}\n# END RECORD\n"
    )
    code, said = checked(tmp_path, GOOD)
    assert code == Exit.DONE
    assert "used for iqn.2001-04.com.example:a" in said
