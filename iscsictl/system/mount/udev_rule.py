"""The udev rule that keeps a filesystem of ours on the disk that its fstab line names.

A snapshot of a LUN has the UUID of its origin, and at boot chance decides whose link is in
/dev/disk/by-uuid. The rule asks fstab itself: a disk with the UUID of a pinned line and another
WWID loses the link (udev(7), link_priority), and systemd does not take it for that device
(systemd.device(5), SYSTEMD_READY). It says nothing of any other filesystem.
"""

from pathlib import Path
from typing import Final

from iscsictl.model.fstab import Fstab
from iscsictl.system.io.files import remove_file, replace_file

_PINNED: Final = "^UUID=$env{ID_FS_UUID_ENC}[[:blank:]].*x-iscsictl.wwid=naa."
_HERE: Final = _PINNED + "$env{ID_SERIAL_SHORT}[,[:blank:]]"
RULE: Final = f"""\
# Made by iscsictl for as long as /etc/fstab has lines of its own: a filesystem that such a
# line names is taken from the disk that it names, and from no copy of it.
SUBSYSTEM!="block", GOTO="iscsictl_end"
ACTION=="remove", GOTO="iscsictl_end"
ENV{{ID_FS_UUID_ENC}}!="?*", GOTO="iscsictl_end"
ENV{{ID_SERIAL}}!="3?*", GOTO="iscsictl_end"
ENV{{ID_SERIAL_SHORT}}!="?*", GOTO="iscsictl_end"
PROGRAM=="/bin/grep -qs '{_HERE}' /etc/fstab", GOTO="iscsictl_end"
PROGRAM=="/bin/grep -qs '{_PINNED}' /etc/fstab", \\
  OPTIONS+="link_priority=-1000", ENV{{SYSTEMD_READY}}="0"
LABEL="iscsictl_end"
"""


def path_of(root: Path = Path("/")) -> Path:
    """Return where the rule is: after those that find out filesystems and names."""
    return root / "etc/udev/rules.d/62-iscsictl.rules"


def put(root: Path, fstab: Fstab) -> None:
    """Have the rule there if a line of this fstab needs it; udev sees by itself that it changed.

    Raises what `replace_file` raises.
    """
    # Without the directory there is no udev that could read it.
    if _needed(fstab) and path_of(root).parent.is_dir():
        replace_file(path_of(root), RULE.encode(), mode=0o644)


def sweep(root: Path, fstab: Fstab) -> None:
    """Remove the rule if no line of this fstab needs it.

    To be called after fstab was written: until then the old lines need it. Raises what
    `remove_file` raises.
    """
    if not _needed(fstab):
        remove_file(path_of(root))


def _needed(fstab: Fstab) -> bool:
    return any(line.note("wwid") for line in fstab.ours)
