"""Leave to TORTURE=1 what is too long otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the long tests of this directory, unless they are asked for."""
    if os.environ.get("TORTURE") == "1":
        return
    left = [i for i in items if HERE in i.path.parents and i.get_closest_marker("torture")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
