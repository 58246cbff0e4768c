"""Debian's changelog, the rpm spec and the program agree about the version."""

import re
from pathlib import Path

from iscsictl import __version__

ROOT = Path(__file__).parents[2]


def test_the_newest_entry_of_debian_changelog_is_this_version() -> None:
    first = (ROOT / "debian/changelog").read_text().partition("\n")[0]
    found = re.match(r"iscsictl \((\S+)\)", first)
    assert found is not None
    assert found[1] == __version__


def test_the_rpm_spec_has_this_version() -> None:
    spec = (ROOT / "packaging/iscsictl.spec").read_text()
    assert re.search(rf"^Version: +{re.escape(__version__)}$", spec, re.MULTILINE)
    assert f"- {__version__}-1\n" in spec


def test_the_ansible_collection_has_this_version() -> None:
    galaxy = (ROOT / "ansible/galaxy.yml").read_text()
    assert re.search(rf"^version: {re.escape(__version__)}$", galaxy, re.MULTILINE)
