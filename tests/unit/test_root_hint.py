"""How to become root is said in one way, wherever only root may do something."""

import errno
import os
import re
from pathlib import Path

import pytest

import iscsictl
from iscsictl.errors import BECOME_ROOT, NeedsRootError
from iscsictl.system.io.files import explained

_WORDED = re.compile(r'"[^"]*\b(?:run it(?: again)?|try again) (?:as root|with sudo)[^"]*"')


def test_only_one_place_words_how_to_become_root() -> None:
    folder = Path(iscsictl.__file__).parent
    said = {
        str(path.relative_to(folder)): found
        for path in folder.rglob("*.py")
        if (found := _WORDED.findall(path.read_text()))
    }
    assert said == {"errors/__init__.py": [f'"{BECOME_ROOT}"']}


def test_an_error_that_only_root_is_spared_says_how_to_become_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert NeedsRootError("this needs root").hint == BECOME_ROOT
    assert NeedsRootError("this needs root", hint="sudo iscsictl doctor").hint != BECOME_ROOT
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    refused = explained(OSError(errno.EACCES, "Permission denied"), "read", Path("/etc/x"))
    assert refused.hint == BECOME_ROOT
