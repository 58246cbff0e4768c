"""What the firmware says about the iSCSI disk that the machine boots from, without secrets.

It is in the files below /sys/firmware/ibft and /sys/firmware/iscsi_boot*
(Documentation/ABI/testing/sysfs-ibft). `iscsiadm -m fw` prints the same, including secrets.
"""

import re
from collections.abc import Mapping
from typing import Final

from iscsictl.model.boot import BootEntry, BootNic
from iscsictl.model.names import DEFAULT_PORT, Portal

# Flags of a target in the iBFT: 1 is valid, 2 is the one that the firmware booted from.
_SELECTED: Final = 2
# IpPrefixOriginDhcp of the iBFT: 1 is manual, 3 from a server.
_DHCP_ORIGIN: Final = "3"


Tree = Mapping[str, Mapping[str, str]]


def parse_ibft(tree: Tree) -> tuple[BootEntry, ...]:
    """Parse the table of one firmware: the files of each directory (`target0`, `ethernet0`, ...).

    Of a secret, only its existence is used. Entries whose flags are 0 are unused.
    """
    initiator = _read_text(tree.get("initiator", {}), "initiator-name")
    nics = {
        _number_in_name(name): files for name, files in tree.items() if name.startswith("ethernet")
    }
    entries: list[BootEntry] = []
    for name in sorted((n for n in tree if n.startswith("target")), key=_number_in_name):
        files = tree[name]
        flags = _read_number(files.get("flags"))
        if flags == 0:
            continue
        nic = nics.get(_read_number(files.get("nic-assoc")) or 0, {})
        entries.append(
            BootEntry(
                target=_read_text(files, "target-name"),
                portal=_read_portal(_read_text(files, "ip-addr"), _read_text(files, "port")),
                initiator=initiator,
                lun=_read_lun(_read_text(files, "lun")),
                username=_read_text(files, "chap-name"),
                has_secret=_read_text(files, "chap-secret") is not None,
                username_in=_read_text(files, "rev-chap-name"),
                has_secret_in=_read_text(files, "rev-chap-name-secret") is not None,
                nic=_read_nic(nic),
                selected=None if flags is None else bool(flags & _SELECTED),
            )
        )
    return tuple(entries)


def _read_nic(files: Mapping[str, str]) -> BootNic:
    server = _read_text(files, "dhcp") or ""
    return BootNic(
        mac=_read_text(files, "mac"),
        netdev=_read_text(files, "netdev"),
        address=_read_text(files, "ip-addr"),
        prefix=_read_number(files.get("prefix-len")),
        mask=_read_text(files, "subnet-mask"),
        gateway=_read_text(files, "gateway"),
        vlan=_read_vlan(_read_text(files, "vlan")),
        # Some firmware writes 0.0.0.0 if no server was asked.
        dhcp=_read_text(files, "origin") == _DHCP_ORIGIN or bool(server.strip("0.:")),
    )


def _read_text(files: Mapping[str, str], name: str) -> str | None:
    return files.get(name, "").strip(" \t\r\n\0") or None


def _read_number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _number_in_name(name: str) -> int:
    digits = re.search(r"[0-9]{1,9}$", name)
    return int(digits[0]) if digits else 0


def _read_vlan(text: str | None) -> str | None:
    return None if text in {None, "0"} else text


def _read_portal(address: str | None, port: str | None) -> Portal | None:
    if address is None:
        return None
    number = _read_number(port)
    return Portal(address, number if number and number < 65536 else DEFAULT_PORT)


def _read_lun(text: str | None) -> int | None:
    """Parse a LUN as the kernel prints it: one hexadecimal digit for each of its 8 bytes."""
    if text is None:
        return None
    if re.fullmatch("[0-9a-fA-F]{8}", text):
        return int(text[0], 16) << 8 | int(text[1], 16)
    return _read_number(text)
