"""The systemd units without which a host does not boot; none of them may depend on a mount."""

import re
from typing import Final

# Targets of systemd itself (systemd.special(7), bootup(7)). If one of them requires a mount that
# fails, the boot ends in an emergency shell or without logins, or a shutdown never ends. Units that
# the mount waits for, such as network-online.target, cannot wait for the mount: systemd would break
# the cycle by dropping one of them. `nofail` exists to keep remote-fs.target from failing. Other
# targets, those of admins and of programs, may require any mount.
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
# Services of systemd whose data may be on a mount, like those of any other program.
_APPLICATIONS: Final = (
    "nspawn@|vmspawn@|machined|importd|portabled|journal-(?:remote|upload|gatewayd)"
)
# Other units that start before any remote mount, or that the mount itself waits for.
_OTHERS: Final = (
    r"-\.(?:mount|slice)", r"init\.scope", r"(?:system|user)\.slice", r"usr\.mount",
    r"dbus(?:-broker)?\.(?:service|socket)",
    rf"systemd-(?!{_APPLICATIONS}).*\.(?:service|socket)",
    r"(?:open-)?iscsi\.service", r"iscsid\.(?:service|socket)", r"multipathd\.(?:service|socket)",
)  # fmt: skip
_OF_BOOT: Final = re.compile(rf"(?:{'|'.join(_TARGETS)})\.target|{'|'.join(_OTHERS)}")


def is_needed_to_boot(unit: str) -> bool:
    """Return whether a host without this unit may hang at boot or shutdown, or allow no logins.

    `unit` is a full unit name, such as `local-fs.target`. Only the name is checked, not whether the
    unit exists.
    """
    return _OF_BOOT.fullmatch(unit) is not None
