"""What the rules of udev have systemd start at boot, by their files (udev(7))."""

import re
from collections.abc import Iterator
from pathlib import Path

# A file hides those of the same name in the places after its own.
_PLACES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d",
           "usr/lib/udev/rules.d", "lib/udev/rules.d")  # fmt: skip
# KEY=="value" and the like, parted by commas; no value of the rules that are looked for has a
# quotation mark in it.
_TOKEN = re.compile(r'([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|-=|:=|=)\s*"([^"]*)"\s*,?\s*')
_WANTS = "ENV{SYSTEMD_WANTS}"
# What a rule may ask for and still be one for each disk of a session that appears.
_CONDITIONS = {
    "SUBSYSTEM": ("==", frozenset({"block"})),
    "ACTION": ("==", frozenset({"add", "add|change", "change|add"})),
    "ENV{ID_PATH}": ("==", frozenset({"*-iscsi-*"})),
}


def is_started_with_disk(unit: str, root: Path = Path("/")) -> bool:
    """Tell whether udev has systemd start a unit whenever a disk of an iSCSI session appears.

    Debian's open-iscsi has such a rule for iscsid.service (70-open-iscsi.rules). A rule with
    further conditions does not count, for nothing says that they hold.
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
    """Yield the rules in which all can be parsed: key, operator and value of each token."""
    files: dict[str, Path] = {}
    for place in _PLACES:
        for path in (root / place).glob("*.rules"):
            files.setdefault(path.name, path)
    for path in files.values():
        try:
            text = path.read_text(errors="replace")
        except OSError:  # It was removed just now, or is a link to nothing.
            continue
        for line in text.replace("\\\n", "").splitlines():
            tokens = _TOKEN.findall(line)
            if tokens and not line.lstrip().startswith("#") and not _TOKEN.sub("", line).strip():
                yield tokens
