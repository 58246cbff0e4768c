"""The labels of the lines of a session in `iscsiadm -m session -P 3`, of every release."""

from collections.abc import Callable
from functools import lru_cache

from iscsictl.parse.printed_values import (
    read_address,
    read_name,
    read_number,
    read_state,
    read_text,
    read_word,
)
from iscsictl.parse.session_group import Part

# A listing of thousands of sessions repeats most values: each is parsed once.
_read_name = lru_cache(maxsize=1000)(read_name)
_read_text = lru_cache(maxsize=1000)(read_text)
read_param = _read_word = lru_cache(maxsize=1000)(read_word)
_read_state = lru_cache(maxsize=1000)(read_state)
_read_address = lru_cache(maxsize=1000)(read_address)


@lru_cache(maxsize=1000)
def read_seconds(text: str) -> int | None:
    """Parse a timeout in seconds, -1 for one that is switched off; None if it is no number."""
    return -1 if text.strip() == "off" else read_number(text)


# Label -> part of the session, the name of the value, and how it is read.
VALUES: dict[str, tuple[Part, str, Callable[[str], str | None]]] = {
    "Iface Name": (Part.IFACE, "iface", _read_text),
    "Iface Transport": (Part.IFACE, "transport", _read_word),
    "Iface Initiatorname": (Part.IFACE, "initiator", _read_name),
    "Iface IPaddress": (Part.IFACE, "initiator_address", _read_address),
    "Iface HWaddress": (Part.IFACE, "hwaddress", _read_word),
    "Iface Netdev": (Part.IFACE, "netdev", _read_word),
    # 2.0-754 and before.
    "Driver": (Part.IFACE, "transport", _read_word),
    "HWaddress": (Part.IFACE, "hwaddress", _read_word),
    "Local address": (Part.IFACE, "initiator_address", _read_address),
    "iSCSI Connection State": (Part.STATES, "connection_state", _read_state),
    "iSCSI Session State": (Part.STATES, "session_state", _read_state),
    "Internal iscsid Session State": (Part.STATES, "internal_state", _read_state),
}
TIMEOUTS = {
    "Recovery Timeout": "recovery",
    "Target Reset Timeout": "target_reset",
    "LUN Reset Timeout": "lun_reset",
    "LUN reset Timeout": "lun_reset",  # for a few weeks of 2011
    "Abort Timeout": "abort",
}
PARAMS = frozenset(
    {
        "HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength",
        "FirstBurstLength", "MaxBurstLength", "ImmediateData", "InitialR2T", "MaxOutstandingR2T",
    }
)  # fmt: skip
