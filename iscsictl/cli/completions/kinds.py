"""What the values of options and arguments name; Click itself knows the words of choices.

A kind is what the completion scripts look for on the machine: target, portal, iface (a defined
one), device, mount (a mount point), file, dir. `@word` is that word; one that ends in = gets no
blank behind it. The shells themselves complete
file and dir, which come last and apply if nothing before them matches.
"""

from collections.abc import Iterable
from typing import Final

from iscsictl.checks.ids import IDS
from iscsictl.model.record_keys import KEYS, Scope

_IFACE: Final = "@default @iser iface"

_CHECKS: Final = " ".join(f"@{check}" for check in sorted(IDS))


def _settings(scope: Scope) -> str:
    """Return KEY= for each setting of a record that the command line may change."""
    keys = KEYS[scope].values()
    return " ".join(f"@{key.name}=" for key in keys if key.fixed is None and not key.is_secret)


# An option has the same meaning in all commands; an argument is named by its command and its name.
_NAMED: Final = {
    "target": (
        "--target", "reconnect TARGET", "ls TARGET", "watch TARGET", "nodes ls TARGET",
        "nodes show TARGET", "rescan TARGET", "startup NAME", "startup TARGET",
        "forget TARGET", "prune NAMES",
        "login TARGET", "logout TARGET", "boot check TARGET",
        "chap set TARGET", "chap clear TARGET", "chap show TARGET",
    ),
    "portal": ("--portal", "--discovery", "discover ADDRESS"),
    _IFACE: ("--interface", "iface show NAME"),
    "iface": ("iface set NAME", "iface rm NAME"),
    "target mount dir": ("hold NAME", "unhold NAME"),
    "target device mount dir": (
        "detach NAME", "mount NAME", "umount NAME", "fstab add NAME", "disk show NAME",
        "disk grow NAME", "disk part add NAME", "disk part rm NAME", "disk part type NAME",
        "disk part bootable NAME", "disk part verify NAME",
    ),
    # These commands need an unused disk, so mount points are not offered.
    "target device": ("disk label NAME", "disk mkfs NAME", "take-over NAME"),
    "mount dir": ("fstab rm NAME",),
    "dir": ("--mount", "mount WHERE", "fstab add WHERE"),
    "file": (
        "--chap-secret-file", "--mutual-secret-file", "--from", "--out", "--plan", "--bindings",
        "--metrics", "plan FILE", "apply FILE", "report FILE", "import FILE",
    ),
    _CHECKS: ("--ignore", "--only"),
    _settings("node"): ("--set", "nodes set PAIRS"),
    _settings("iface"): ("iface set PAIRS",),
    # Numbers, new names and everything else that only the user knows.
    "": (
        "--algorithms", "--chap-user", "--confirm", "--every", "--for", "--fs-label",
        "--interval", "--ip", "--label", "--lun", "--mac", "--mode", "--mutual-user", "--netdev",
        "--number", "--option", "--options", "--owner", "--parallel", "--required-by",
        "--size", "--start", "--timeout", "--type", "--uuid", "--wwid",
        "initiator set NAME", "iface add NAME",
        "disk part rm NUMBER", "disk part type NUMBER", "disk part type KIND",
        "disk part bootable NUMBER", "explain WHAT",
    ),
}  # fmt: skip
_KINDS: Final = {name: tuple(kinds.split()) for kinds, names in _NAMED.items() for name in names}


def kinds_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds of a value, given all of its names. Raises LookupError if none is listed.

    A new option must therefore be added here before the completions can be generated.
    """
    wanted = list(names)
    for name in wanted:
        if name in _KINDS:
            return _KINDS[name]
    raise LookupError(f"completion/kinds.py does not say what {' '.join(wanted)} is")
