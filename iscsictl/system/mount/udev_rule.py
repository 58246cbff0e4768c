"""The udev rule that ties a filesystem of ours to the disk that its fstab entry names.

A snapshot of a LUN has the UUID of its origin, and at boot it is a matter of chance which of them
the link in /dev/disk/by-uuid leads to. The rule reads fstab itself: a disk with the UUID of a
pinned entry but another WWID loses the link (udev(7), link_priority), and systemd does not use it
as that device (systemd.device(5), SYSTEMD_READY). The rule does not affect any other filesystem.
"""

from pathlib import Path
from typing import Final

from iscsictl.model.fstab import Fstab
from iscsictl.system.io.files import remove_file, replace_file

_PINNED: Final = "^UUID=$env{ID_FS_UUID_ENC}[[:blank:]].*x-iscsictl.wwid="
# The kernel's own WWID is compared, because fstab has it in the same spelling; udev's ID_SERIAL is
# spelled differently for each kind of name, and maps have none. In sysfs it is below a disk, beside
# a partition, and below the paths of a map and of its partitions. `$$` and `%%` are udev's `$` and
# `%`. A percent-encoded character in fstab (a blank is %20) matches any two characters after the
# percent sign.
_WWID: Final = (
    "d=/sys$devpath; w=$$(cat $$d/device/wwid $$d/../device/wwid $$d/slaves/*/device/wwid "
    "$$d/slaves/*/slaves/*/device/wwid 2>/dev/null | head -n 1 | "
    r"sed -e \"s/[[:blank:]]*$$//\" -e \"s/[^A-Za-z0-9._:@+-]/%%../g\")"
)
_HERE: Final = rf"test -z \"$$w\" || grep -qs \"{_PINNED}$$w[,[:blank:]]\" /etc/fstab"
RULE: Final = f"""\
# Made by iscsictl for as long as /etc/fstab has lines of its own: a filesystem that such a
# line names is taken from the disk that it names, and from no copy of it.
SUBSYSTEM!="block", GOTO="iscsictl_end"
ACTION=="remove", GOTO="iscsictl_end"
ENV{{ID_FS_UUID_ENC}}!="?*", GOTO="iscsictl_end"
# Of device-mapper only multipath maps and their partitions are disks themselves.
KERNEL=="dm-*", ENV{{DM_UUID}}!="mpath-*", ENV{{DM_UUID}}!="part*-mpath-*", GOTO="iscsictl_end"
PROGRAM=="/bin/grep -qs '{_PINNED}' /etc/fstab", GOTO="iscsictl_pinned"
GOTO="iscsictl_end"
LABEL="iscsictl_pinned"
PROGRAM=="/bin/sh -c '{_WWID}; {_HERE}'", GOTO="iscsictl_end"
OPTIONS+="link_priority=-1000", ENV{{SYSTEMD_READY}}="0"
LABEL="iscsictl_end"
"""


def path_of(root: Path = Path("/")) -> Path:
    """Return the path of the rule: it sorts after those that detect filesystems and names."""
    return root / "etc/udev/rules.d/62-iscsictl.rules"


def install_if_needed(root: Path, fstab: Fstab) -> None:
    """Install the rule if an entry of this fstab needs it; udev notices changes by itself.

    Raises what `replace_file` raises.
    """
    # Without the directory, there is no udev to read it.
    if _is_rule_needed(fstab) and path_of(root).parent.is_dir():
        replace_file(path_of(root), RULE.encode(), mode=0o644)


def remove_if_unneeded(root: Path, fstab: Fstab) -> None:
    """Remove the rule if no entry of this fstab needs it.

    It must be called after fstab was written: until then, the old entries need it. Raises what
    `remove_file` raises.
    """
    if not _is_rule_needed(fstab):
        remove_file(path_of(root))


def _is_rule_needed(fstab: Fstab) -> bool:
    return any(line.note("wwid") for line in fstab.ours)
