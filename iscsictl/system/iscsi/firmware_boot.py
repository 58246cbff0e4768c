"""The firmware's boot tables in sysfs, read without the secrets that they contain."""

from pathlib import Path

from iscsictl.model.boot import BootEntry
from iscsictl.parse.firmware import parse_ibft

# Attributes of drivers/scsi/iscsi_boot_sysfs.c that hold secrets.
_SECRETS = frozenset({"chap-secret", "rev-chap-name-secret"})


def read_boot_entries(root: Path) -> tuple[BootEntry, ...]:
    """Read the targets of all firmware tables below `root`; empty if there is none.

    For users other than root, files may be unreadable; those are left out.
    """
    firmware = root / "sys/firmware"
    tables = [firmware / "ibft", *sorted(firmware.glob("iscsi_boot*"))]
    return tuple(entry for table in tables for entry in parse_ibft(_read_boot_table(table)))


def firmware_targets(root: Path) -> frozenset[str]:
    """Return the targets that the firmware booted the machine from; none if not readable."""
    return frozenset(entry.target for entry in read_boot_entries(root) if entry.target is not None)


def _read_boot_table(table: Path) -> dict[str, dict[str, str]]:
    tree: dict[str, dict[str, str]] = {}
    for pattern in ("initiator", "ethernet*", "target*"):
        for directory in table.glob(pattern):
            files = {
                path.name: _read_unless_secret(path)
                for path in directory.iterdir()
                if path.is_file()
            }
            nets = sorted(path.name for path in directory.glob("device/net/*"))
            if nets:
                files["netdev"] = nets[0]
            tree[directory.name] = {name: text for name, text in files.items() if text}
    return tree


def _read_unless_secret(path: Path) -> str:
    """Return a file's text; for a secret, only whether there is one."""
    try:
        with path.open("rb") as file:
            if path.name in _SECRETS:
                return "set" if file.read(1).strip(b"\n\0") else ""
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""
