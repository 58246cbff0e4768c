"""In CI a test that is skipped fails: what it needs has to be installed, not to be missing.

It counts as CI where CI or LAB_REQUIRED is set in the environment (and not empty or `0`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


def in_ci() -> bool:
    """Whether a missing requirement is an error here."""
    return any(os.environ.get(name, "0") not in {"", "0"} for name in ("CI", "LAB_REQUIRED"))


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skipped report into a failed one that shows the reason for the skip.

    Expected failures (xfail) have the same outcome and fail as well: they prove nothing.
    """
    if in_ci() and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        # Without this pytest reports the failure and exits with 0 all the same.
        vars(report).pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_if_skipped(report)
    return report
