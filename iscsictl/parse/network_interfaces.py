"""/etc/network/interfaces of ifupdown: which NICs it takes down at shutdown (interfaces(5))."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

_SOURCES: Final = ("source", "source-directory")


@dataclass(frozen=True)
class InterfacesFile:
    """One file: the method of each `iface`, names of `no-auto-down`, and what it includes.

    `sources` are pairs of the keyword and the pattern or directory after it.
    """

    methods: tuple[tuple[str, str], ...] = ()
    kept_up: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


def parse_interfaces(text: str) -> InterfacesFile:
    """Parse the stanzas that matter; a backslash at the end of a line continues it on the next."""
    methods: list[tuple[str, str]] = []
    kept_up: list[str] = []
    sources: list[tuple[str, str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        match line.split():
            case ["iface", name, _, method, *_]:
                methods.append((name, method))
            case ["no-auto-down", *names]:
                kept_up += names
            case [word, *patterns] if word in _SOURCES:
                sources += [(word, pattern) for pattern in patterns]
    return InterfacesFile(tuple(methods), tuple(kept_up), tuple(sources))


def nics_taken_down(files: Iterable[InterfacesFile]) -> frozenset[str]:
    """Return the NICs that `ifdown -a` deconfigures: all except `manual` and `no-auto-down`.

    Names are as in the files; a pattern in `no-auto-down` begins with a slash.
    """
    read = tuple(files)
    kept = [name for file in read for name in file.kept_up]
    return frozenset(
        name
        for file in read
        for name, method in file.methods
        if method != "manual" and not any(_fits(name, pattern) for pattern in kept)
    )


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern[1:]) if pattern.startswith("/") else name == pattern
