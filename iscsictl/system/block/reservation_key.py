"""The key with which this host registers for persistent reservations, and its initiator names."""

import hashlib
import hmac
import re
import uuid
from pathlib import Path

from iscsictl.system.io.files import read_file
from iscsictl.system.io.sysfs_attributes import list_names, path_below, read_attribute

# Any number will do, as long as it never changes: `systemd-id128 new` generated this one.
APPLICATION_ID = uuid.UUID("7c1d2f0e-52b4-4c0a-9a57-3e8d6f1b20c4")
_MACHINE_ID = re.compile(rb"[0-9a-f]{32}")
_NAME = re.compile(r"^\s*InitiatorName\s*=\s*(\S+)", re.MULTILINE)


def read_own_key(root: Path = Path("/")) -> int | None:
    """Return the reservation key of this host, None if it has no machine-id(5).

    It is the first half of what `systemd-id128 machine-id --app-specific=ID` prints for our
    `APPLICATION_ID`: HMAC-SHA256 of that, with the machine-id as the key, and the bits of a UUID of
    version 4 (sd_id128_get_machine_app_specific(3)). Two hosts that share an initiator name still
    differ in it, and it reveals nothing of the machine-id itself.
    """
    text = (read_file(root / "etc/machine-id") or b"").strip()
    if _MACHINE_ID.fullmatch(text) is None:
        return None
    machine = bytes.fromhex(text.decode("ascii"))
    digest = hmac.digest(machine, APPLICATION_ID.bytes, hashlib.sha256)
    return uuid.UUID(bytes=digest[:16], version=4).int >> 64


def is_own_initiator(name: str, root: Path = Path("/")) -> bool:
    """Return whether an initiator name is one of this host: that in its file, or of a session."""
    text = (read_file(root / "etc/iscsi/initiatorname.iscsi") or b"").decode("utf-8", "replace")
    if name in _NAME.findall(text):
        return True
    base = path_below(root, "sys/class/iscsi_session")
    return any(read_attribute(f"{base}/{one}/initiatorname") == name for one in list_names(base))
