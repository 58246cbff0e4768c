"""What udev's rules have systemd start at boot, according to their files (udev(7))."""

import re
from collections.abc import Iterator
from pathlib import Path

# A file hides those of the same name in later directories.
_PLACES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d",
           "usr/lib/udev/rules.d", "lib/udev/rules.d")  # fmt: skip
# KEY=="value" and the like, separated by commas; no value of the rules in question contains a
# quotation mark.
_TOKEN = re.compile(r'([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|-=|:=|=)\s*"([^"]*)"\s*,?\s*')
_WANTS = "ENV{SYSTEMD_WANTS}"
# The conditions that a rule may have and still apply to every new disk of a session.
_CONDITIONS = {
    "SUBSYSTEM": ("==", frozenset({"block"})),
    "ACTION": ("==", frozenset({"add", "add|change", "change|add"})),
    "ENV{ID_PATH}": ("==", frozenset({"*-iscsi-*"})),
}


def is_started_with_disk(unit: str, root: Path = Path("/")) -> bool:
    """Return whether udev has systemd start a unit whenever a disk of an iSCSI session appears.

    Debian's open-iscsi has such a rule for iscsid.service (70-open-iscsi.rules). A rule with
    further conditions does not count, because they may not be met.
    """
    return any(
        any(key == _WANTS and unit in value.split() for key, _, value in tokens)
        and "ENV{ID_PATH}" in {key for key, _, _ in tokens}
        and all(key == _WANTS or _is_met(key, operator, value) for key, operator, value in tokens)
        for tokens in _read_rules(root)
    )


def _is_met(key: str, operator: str, value: str) -> bool:
    wanted, values = _CONDITIONS.get(key, ("", frozenset()))
    return operator == wanted and value in values


def _read_rules(root: Path) -> Iterator[list[tuple[str, str, str]]]:
    """Yield the rules that can be parsed completely: key, operator and value of each token."""
    files: dict[str, Path] = {}
    for place in _PLACES:
        for path in (root / place).glob("*.rules"):
            files.setdefault(path.name, path)
    for path in files.values():
        try:
            text = path.read_text(errors="replace")
        except OSError:  # It has just been removed, or is a dangling link.
            continue
        for line in text.replace("\\\n", "").splitlines():
            tokens = _TOKEN.findall(line)
            if tokens and not line.lstrip().startswith("#") and not _TOKEN.sub("", line).strip():
                yield tokens
