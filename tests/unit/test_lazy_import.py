"""Modules that are imported when they are first used."""

import sys
import threading
from pathlib import Path

import pytest

from iscsictl.lazy_import import lazy_import

SLOW = """\
import time
begun = True
time.sleep(0.2)
value = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"lazily_{request.node.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_module_is_imported_when_it_is_first_used(module: str) -> None:
    lazy = lazy_import(module)
    assert module not in sys.modules
    assert lazy.value == 7
    assert module in sys.modules


def test_a_library_that_is_not_installed_is_missed_at_once() -> None:
    with pytest.raises(ModuleNotFoundError):
        lazy_import("no_such_library_anywhere")


def test_two_threads_may_be_the_first_to_use_a_module(module: str) -> None:
    lazy = lazy_import(module)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(lazy.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 4


def test_an_import_that_was_interrupted_is_begun_again(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / f"{module}.py"
    source.write_text("raise KeyboardInterrupt\n")
    lazy = lazy_import(module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(KeyboardInterrupt):
        _ = lazy.value
    source.write_text("value = 8\n")
    assert lazy.value == 8
