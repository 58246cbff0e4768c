"""Hypothesis: `check` is quick and the same each time, `torture` goes far and by chance."""

import os

from hypothesis import HealthCheck, settings

from tests.fault_table import pytest_addoption, pytest_configure, pytest_itemcollected

__all__ = ["pytest_addoption", "pytest_configure", "pytest_itemcollected"]

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "check", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile(
    "torture", max_examples=20_000, deadline=None, suppress_health_check=_SLOW
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))
