"""`dmsetup status --target multipath` -> which paths device-mapper does not use.

A line is NAME: START LENGTH multipath and numbers, with MAJOR:MINOR and A (active) or F (failed)
for each path (multipath_status() in drivers/md/dm-mpath.c).
"""

import re
from typing import Final

_PATH: Final = re.compile(r"(?<= )([0-9]+:[0-9]+) ([AF])(?![^ \n])")
_TARGET: Final = re.compile(r"(?:^|: )[0-9]+ [0-9]+ multipath (.*)")


def failed_paths(text: str) -> frozenset[str]:
    """Return the devices (MAJOR:MINOR) of all paths that are failed, of all maps.

    Lines of other targets, and lines that cannot be parsed, are left out.
    """
    found = (_TARGET.search(line) for line in text.splitlines())
    paths = (path for line in found if line is not None for path in _PATH.findall(f" {line[1]}"))
    return frozenset(device for device, state in paths if state == "F")
