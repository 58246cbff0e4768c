"""The ids of the checks: all are listed, and all are in the docs."""

import re
from pathlib import Path

from iscsictl.checks.ids import IDS, is_called
from iscsictl.planner.safety import fstab_rules

CHECKS = Path(__file__).parents[2] / "iscsictl/checks"


def _ids() -> set[str]:
    text = "".join(path.read_text() for path in CHECKS.glob("*.py"))
    ids = set(re.findall(r'\b(?:ok|warn|fail|skip|make)\(\s*"([a-z0-9-]+)"', text))
    helper = set(re.findall(r'_check_unit_enabled\(login, "([a-z0-9-]+)"', text))
    return ids | helper


def test_the_list_of_ids_is_whole() -> None:
    text = Path(fstab_rules.__file__).read_text()
    lines = {f"fstab-{one}" for one in re.findall(r'(?:_add_f|F)inding\(\s*"([a-z-]+)"', text)}
    volumes = {f"crypttab-{one}" for one in re.findall(r'\bfinding\(\s*"([a-z-]+)"', text)}
    assert _ids() | lines | volumes == IDS
    assert all(is_called("net-mtu", name) for name in ("net", "net-", "net-mtu"))
    others = ("ne", "net-mt", "net-mtu-mixed", "net-mtu-", "-", "")
    assert not any(is_called("net-mtu", name) for name in others)


def test_every_id_is_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs/checks.md").read_text()
    listed = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)*)`", docs))
    assert IDS - listed == set()
    table = re.findall(r"^\| `([a-z0-9-]+)` \|", docs, re.MULTILINE)
    assert set(table) - _ids() == set()
