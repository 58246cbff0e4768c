"""The Ansible module hands its volumes over as TOML: whatever they hold arrives unchanged."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

UTILS = Path(__file__).parents[2] / "ansible/plugins/module_utils/iscsictl.py"
# YAML has no surrogates, and neither has TOML.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans()
VALUES = PLAIN | st.lists(PLAIN) | st.dictionaries(TEXT, PLAIN)
KEYS = st.sampled_from(["name", "portals", "target", "lun", "chap", "fs-label", "set", "boot"])


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("collection_utils", UTILS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(st.lists(st.dictionaries(KEYS, VALUES | st.none(), min_size=1)))
def test_a_file_of_volumes_has_what_the_playbook_has(volumes: list[dict[str, Any]]) -> None:
    expected = [{k: v for k, v in volume.items() if v is not None} for volume in volumes]
    assert tomllib.loads(load().volumes_file(volumes)).get("volume", []) == expected


def shown(*steps: tuple[str, str]) -> str:
    """Return what --diff shows of a document with these steps, each an action and its status."""
    document = {"steps": [{"action": a, "status": s, "subject": "mail"} for a, s in steps]}
    return str(load().difference([document])["after"])


def test_a_scan_that_the_disk_did_not_wait_for_makes_no_difference() -> None:
    check = shown(("login", "planned"), ("scan", "forecast"), ("mkfs", "forecast"))
    assert check == "login mail\nmkfs mail\n"
    for status in ("done", "unchanged"):
        assert shown(("login", "done"), ("scan", status), ("mkfs", "done")) == check
