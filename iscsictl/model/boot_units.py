"""Units of systemd without which a host does not boot, so that none of them may need a mount."""

import re
from typing import Final

# Targets of systemd itself (systemd.special(7), bootup(7)). Where one of the first requires a mount
# that fails, the boot ends in an emergency shell or without logins, or a shutdown does not end.
# What the mount itself waits for, such as network-online.target, cannot wait for the mount: systemd
# would break the circle by leaving one of them out. That remote-fs.target fails is what `nofail` is
# to prevent. Other targets, an admin's own and those of programs, may need what they like.
_TARGETS: Final = (
    "basic", "blockdev@.*", "cryptsetup(?:-pre)?", "default", "emergency", "exit", "factory-reset",
    "final", "first-boot-complete", "getty(?:-pre)?", "graphical", "halt", "hibernate",
    "hybrid-sleep", "initrd.*", "integritysetup(?:-pre)?", "kexec", "local-fs(?:-pre)?",
    "multi-user", "network(?:-pre|-online)?", "nss-lookup", "nss-user-lookup", "paths", "poweroff",
    "reboot", "remote-cryptsetup", "remote-fs(?:-pre)?", "remote-veritysetup", "rescue",
    "rpcbind", "runlevel[0-6]", "shutdown", "sleep", "slices", "sockets", "soft-reboot", "suspend",
    "suspend-then-hibernate", "swap", "sysinit", "system-update(?:-pre)?", "time-set",
    "time-sync", "timers", "umount", "veritysetup(?:-pre)?",
)  # fmt: skip
# Parts of systemd that keep their data in a mount that an admin gives them, as others do.
_APPLICATIONS: Final = (
    "nspawn@|vmspawn@|machined|importd|portabled|journal-(?:remote|upload|gatewayd)"
)
# Services and others that start before a mount can, or that the mount itself waits for.
_OTHERS: Final = (
    r"-\.(?:mount|slice)", r"init\.scope", r"(?:system|user)\.slice", r"usr\.mount",
    r"dbus(?:-broker)?\.(?:service|socket)",
    rf"systemd-(?!{_APPLICATIONS}).*\.(?:service|socket)",
    r"(?:open-)?iscsi\.service", r"iscsid\.(?:service|socket)", r"multipathd\.(?:service|socket)",
)  # fmt: skip
_OF_BOOT: Final = re.compile(rf"(?:{'|'.join(_TARGETS)})\.target|{'|'.join(_OTHERS)}")


def is_needed_to_boot(unit: str) -> bool:
    """Tell whether a host may hang at boot or shutdown, or go without logins, without this unit.

    The name decides, as systemd gives it; whether the unit exists is not asked.
    """
    return _OF_BOOT.fullmatch(unit) is not None
