"""The unit of systemd that reserves the LUN of an exclusive volume before its mount.

The entry in fstab requires an instance of it by the UUID of the filesystem (systemd.mount(5),
`x-systemd.requires=`), which orders it before the mount too.
"""

import re
from typing import Final

TEMPLATE: Final = "iscsictl-reserve@.service"
_REQUIRES: Final = "x-systemd.requires="


def reserve_unit(uuid: str) -> str:
    """Return the instance for a filesystem; its UUID is escaped as in systemd-escape(1)."""
    escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda match: f"\\x{ord(match[0]):02x}", uuid)
    return TEMPLATE.replace("@", f"@{escaped}")


def requires_option(uuid: str) -> str:
    """Return the option of an fstab entry by which the mount waits for the reservation."""
    return f"{_REQUIRES}{reserve_unit(uuid)}"
