"""The swap areas that the kernel uses now, and the names that an fstab entry can have for them."""

import os
from collections.abc import Iterator
from pathlib import Path

from iscsictl.parse.mountinfo import unescape_octal
from iscsictl.system.block.block_tree import device_number
from iscsictl.system.block.udev_db import decoded, device_properties

# Properties in udev's database, by the tag that mount(8) uses for them.
_TAGS = {"UUID": "ID_FS_UUID_ENC", "LABEL": "ID_FS_LABEL_ENC", "PARTUUID": "ID_PART_ENTRY_UUID"}


def swap_areas(root: Path) -> Iterator[str]:
    """Yield the devices and files that the kernel swaps to (proc_swaps(5)).

    A deleted file has ` (deleted)` appended to its name, as in the kernel's file.
    """
    try:
        lines = (root / "proc/swaps").read_text(errors="surrogateescape").splitlines()[1:]
    except FileNotFoundError:
        return
    for line in lines:
        yield unescape_octal(line.split()[0])


def names_of_swap(root: Path) -> frozenset[tuple[str, str]]:
    """Return the names of swap areas in use, in the form in which `tag_of_spec` returns them.

    They are the paths, and what udev knows of the devices: UUID, LABEL and PARTUUID.
    """
    found: set[tuple[str, str]] = set()
    for area in swap_areas(root):
        found.add(("", area))
        if not area.startswith("/dev/"):
            continue  # a file has no tags, and may be on a filesystem that does not answer
        number = device_number(root, os.path.basename(os.path.realpath(area)))
        known = {} if number is None else device_properties(root, number)
        for tag, key in _TAGS.items():
            value = decoded(known.get(key))
            if value is not None:
                found.add((tag, value if tag == "LABEL" else value.lower()))
    return frozenset(found)
