"""The labels of the lines of a session in `iscsiadm -m session -P 3`, of every release."""

from collections.abc import Callable

from iscsictl.parse.printed_values import read_address, read_name, read_state, read_text, read_word
from iscsictl.parse.session_group import Part

# Label -> part of the session, the name of the value, and how it is read.
VALUES: dict[str, tuple[Part, str, Callable[[str], str | None]]] = {
    "Iface Name": (Part.IFACE, "iface", read_text),
    "Iface Transport": (Part.IFACE, "transport", read_word),
    "Iface Initiatorname": (Part.IFACE, "initiator", read_name),
    "Iface IPaddress": (Part.IFACE, "initiator_address", read_address),
    "Iface HWaddress": (Part.IFACE, "hwaddress", read_word),
    "Iface Netdev": (Part.IFACE, "netdev", read_word),
    # 2.0-754 and before.
    "Driver": (Part.IFACE, "transport", read_word),
    "HWaddress": (Part.IFACE, "hwaddress", read_word),
    "Local address": (Part.IFACE, "initiator_address", read_address),
    "iSCSI Connection State": (Part.STATES, "connection_state", read_state),
    "iSCSI Session State": (Part.STATES, "session_state", read_state),
    "Internal iscsid Session State": (Part.STATES, "internal_state", read_state),
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
