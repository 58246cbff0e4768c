"""The systemd unit that reserves the LUN of an exclusive volume before it is mounted.

The entry in fstab requires an instance of it, named after the UUID of the filesystem, with
`x-systemd.requires=` (systemd.mount(5)), which also orders it before the mount.
"""

import re
from typing import Final

TEMPLATE: Final = "iscsictl-reserve@.service"
_REQUIRES: Final = "x-systemd.requires="


def reserve_unit(uuid: str) -> str:
    """Return the instance for a filesystem; its UUID is escaped as by systemd-escape(1)."""
    escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda match: f"\\x{ord(match[0]):02x}", uuid)
    return TEMPLATE.replace("@", f"@{escaped}")


def requires_option(uuid: str) -> str:
    """Return the option of an fstab entry that makes the mount wait for the reservation."""
    return f"{_REQUIRES}{reserve_unit(uuid)}"
