"""Hooks and Hypothesis profiles of all tests.

`check` is quick and the same each time, `ci` tries other examples in each run, and `torture` very
many. The last two print their seed: `pytest --hypothesis-seed=N` repeats what failed.
"""

from __future__ import annotations

import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.fault_table import pytest_addoption, pytest_itemcollected
from tests.fault_table import pytest_configure as record_faults
from tests.no_skips import pytest_make_collect_report, pytest_runtest_makereport
from tests.real_iscsiadm import real_iscsiadm

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "pytest_addoption",
    "pytest_itemcollected",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "real_iscsiadm",
]

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "check")
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
# What fails in CI cannot be replayed from a database of examples: there is none.
_FRESH = settings(
    deadline=None, derandomize=False, print_blob=True, database=None, suppress_health_check=_SLOW
)
settings.register_profile(
    "check", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile("ci", _FRESH, max_examples=100)
settings.register_profile("torture", _FRESH, max_examples=20_000)
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose one seed for all properties of the run, before Hypothesis reads the option.

    Workers of pytest-xdist get the options of the process that started them, and so its seed.
    """
    record_faults(config)
    if PROFILE != "check" and config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(secrets.randbelow(1 << 32))


@pytest.fixture
def default_hangup() -> Iterator[None]:
    """SIGHUP as a terminal's process has it, though the tests may run below nohup(1)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seed = terminalreporter.config.getoption("hypothesis_seed")
    if seed is not None:
        terminalreporter.write_line(f"properties: profile {PROFILE}, --hypothesis-seed={seed}")
