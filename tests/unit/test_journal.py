"""What the journal is asked for: whether a name was ever that of a change."""

import sys
import syslog
from collections.abc import Iterable
from pathlib import Path

import pytest

from iscsictl.model.actions import EnableService
from iscsictl.model.plan import Status, Step
from iscsictl.system.io import journal

LINES = """\
user=root command=detach action=umount subject='/srv/data' arguments='/srv/data' result=done
user=root command=detach action=logout subject='iqn.2001-04.com.example:mail' result=done
user=root command=attach action=mount subject='/srv/old' wwid=naa.6001405 result=done
user=root command=detach action=logout subject='x' arguments='/dev/sdb --forget' result=done
"""


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("/srv/data", True),
        ("iqn.2001-04.com.example:mail", True),
        ("naa.6001405", True),
        ("/dev/sdb", True),
        ("/srv", False),
        ("/srv/dat", False),
        ("/data", False),
        ("iqn.2001-04.com.example:mai", False),
        ("iqn.2001-04.com.example", False),
        ("naa.600", False),
        ("", False),
        (".*", False),
    ],
)
def test_a_name_is_known_only_as_a_whole_word(name: str, known: bool) -> None:
    assert journal.names_in(LINES, name) is known


def test_a_host_without_a_journal_does_not_say(tmp_path: Path) -> None:
    assert journal.mentions("iqn.2001-04.com.example:mail", tmp_path) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detach", "/srv/a b", "--forget"], "arguments=\"'/srv/a b' --forget\" "),
        (["-J", "detach", "/srv/a"], "arguments='/srv/a' "),
        (["reconnect"], ""),
    ],
)
def test_a_change_is_noted_with_the_words_of_its_command(
    words: Iterable[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(sys, "argv", ["iscsictl", *words])
    monkeypatch.setattr(syslog, "syslog", lambda _, text: noted.append(text))
    journal.note(Step(EnableService("a.service"), "a.service", "why"), Status.DONE)
    assert noted[0].endswith(f"subject='a.service' {said}result=done")
