"""Which package manager this host has."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from iscsictl.model.packages import PackageManager

# By the words of ID and ID_LIKE (os-release(5)), because a host may also have the programs of
# others.
_MANAGERS: Mapping[str, PackageManager] = {
    "debian": "apt", "ubuntu": "apt",
    "fedora": "dnf", "rhel": "dnf", "centos": "dnf",
    "suse": "zypper", "opensuse": "zypper", "sles": "zypper",
}  # fmt: skip


def find_package_manager(root: Path = Path("/")) -> PackageManager | None:
    """Return the package manager of the distribution, None for one that is not known here."""
    for word in _distribution_names(root):
        # openSUSE has one name for each of its products, such as opensuse-leap.
        found = _MANAGERS.get(word.partition("-")[0])
        if found is not None:
            return found
    return None


def _distribution_names(root: Path) -> Iterator[str]:
    """Yield what os-release calls the distribution, and then those that it is like."""
    values: dict[str, str] = {}
    for place in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / place).read_text(errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            key, _, value = line.partition("=")
            values.setdefault(key.strip(), value)
        break
    for key in ("ID", "ID_LIKE"):
        try:
            yield from (word for one in shlex.split(values.get(key, "")) for word in one.split())
        except ValueError:  # A quote that is not closed.
            continue
