"""/etc/crypttab on the machine. It is only read: iscsictl opens no encrypted volume."""

from pathlib import Path

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.parse.crypttab import parse_crypttab
from iscsictl.system.io.files import read_file


def read_crypttab(root: Path = Path("/")) -> tuple[CrypttabEntry, ...]:
    """Read the file; a host without one has no entries. Raises IscsictlError.

    It is a NeedsRootError if only root may read the file.
    """
    return parse_crypttab(read_file(root / "etc/crypttab") or b"")
