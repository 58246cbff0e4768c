"""ifupdown's configuration (interfaces(5)), read with the files that it includes."""

import os
from collections.abc import Iterator
from pathlib import Path

from iscsictl.parse.network_interfaces import InterfacesFile, nics_taken_down, parse_interfaces

_FILE = "etc/network/interfaces"
_PROGRAMS = ("usr/sbin/ifdown", "sbin/ifdown")
#: At most so many files are read, in case they include each other in a circle.
_MOST_FILES = 200


def read_nics_taken_down(root: Path = Path("/")) -> frozenset[str]:
    """Return the NICs that ifupdown takes down at shutdown; none if it is not installed.

    networking.service runs `ifdown -a` when it is stopped, which is before the root filesystem is
    unmounted. What cannot be read counts as empty.
    """
    if not any((root / program).exists() for program in _PROGRAMS):
        return frozenset()
    return nics_taken_down(_read_files(root))


def _read_files(root: Path) -> Iterator[InterfacesFile]:
    waiting, read = [root / _FILE], set[Path]()
    while waiting and len(read) < _MOST_FILES:
        path = waiting.pop()
        if path in read:
            continue
        read.add(path)
        try:
            file = parse_interfaces(path.read_text(errors="replace"))
        except OSError:
            continue
        yield file
        for word, pattern in file.sources:
            # A relative name is below the directory of /etc/network/interfaces.
            place = os.path.normpath(os.path.join("/etc/network", pattern)).lstrip("/")
            waiting += sorted(root.glob(f"{place}/*" if word == "source-directory" else place))
