"""The unit file with which systemd reserves the LUN of an exclusive volume before its mount.

It is a template that exists as long as fstab has an exclusive entry, whose mount requires an
instance of it. Hosts without such an entry have no unit, and their boot does not wait.
"""

import os
from pathlib import Path
from typing import Final

from iscsictl.model.fstab import Fstab
from iscsictl.model.reserve_unit import TEMPLATE
from iscsictl.system.io.files import read_file, remove_file, replace_file
from iscsictl.system.io.own_program import require_own_program
from iscsictl.system.io.package_data import read_template

_COMMAND: Final = b"ExecStart="


def path_of(root: Path = Path("/")) -> Path:
    """Return the path of the unit: in the admin's directory, where it may be added and removed."""
    return root / "etc/systemd/system" / TEMPLATE


def require_program(root: Path = Path("/")) -> str:
    """Return the iscsictl that the unit runs, or will run.

    Raises what `require_own_program` raises, unless there is a unit already whose program exists.
    """
    return find_program(root) or require_own_program("systemd", "attach the volume")


def find_program(root: Path = Path("/")) -> str | None:
    """Return the program that the unit runs; None without a unit, or if the program is gone."""
    for line in (read_file(path_of(root)) or b"").splitlines():
        if line.startswith(_COMMAND):
            program = os.fsdecode(line.removeprefix(_COMMAND).split()[0]).replace("%%", "%")
            return program if os.access(program, os.X_OK) else None
    return None


def install_if_needed(root: Path, fstab: Fstab) -> None:
    """Install the unit if an entry of this fstab requires it.

    systemd reads it in the reload that follows each change of fstab. Raises what `require_program`
    and `replace_file` raise.
    """
    # Without the directory, there is no systemd to read it.
    if _is_unit_needed(fstab) and path_of(root).parent.is_dir():
        program = require_program(root).replace("%", "%%")
        unit = read_template(TEMPLATE).replace("@EXECUTABLE@", program)
        replace_file(path_of(root), unit.encode("utf-8", "surrogateescape"), mode=0o644)


def remove_if_unneeded(root: Path, fstab: Fstab) -> None:
    """Remove the unit if no entry of this fstab requires it.

    It must be called after fstab was written. Raises what `remove_file` raises.
    """
    if not _is_unit_needed(fstab):
        remove_file(path_of(root))


def _is_unit_needed(fstab: Fstab) -> bool:
    return any(line.exclusive for line in fstab.ours)
