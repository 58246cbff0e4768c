"""What decides whether a host with its root filesystem on iSCSI boots again.

The initramfs logs in before there is a root filesystem, with its own settings: those of the kernel
command line, of /etc/iscsi/iscsi.initramfs as it was when the initramfs was created, or of the
firmware's boot table (README.Debian of open-iscsi, "Root on iSCSI").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iscsictl.model.boot import BootEntry
from iscsictl.model.inventory import NotObserved, Observation


@dataclass(frozen=True)
class InitramfsLogin:
    """What an initramfs is configured to log in to; of a secret, only whether there is one.

    With `firmware` (`iscsi_auto`) everything is taken from the firmware's boot table. `addresses`
    are tried in turn.
    """

    firmware: bool = False
    initiator: str | None = None
    target: str | None = None
    addresses: tuple[str, ...] = ()
    has_secret: bool = False

    def overridden_by(self, other: "InitramfsLogin") -> "InitramfsLogin":
        """Return these settings, with those that `other` has in place of the own ones."""
        return InitramfsLogin(
            self.firmware or other.firmware,
            other.initiator or self.initiator,
            other.target or self.target,
            other.addresses or self.addresses,
            self.has_secret or other.has_secret,
        )


@dataclass(frozen=True)
class KernelParameters:
    """The kernel command line of the next boot, as far as it is known, and its `source`.

    `root` and `ip` are the values of these parameters, None if they are not given.
    """

    source: str
    login: InitramfsLogin = InitramfsLogin()
    root: str | None = None
    ip: str | None = None


@dataclass(frozen=True)
class Initramfs:
    """What an initramfs contains of open-iscsi. `login` is from its own copy of iscsi.initramfs.

    `programs` are the names of its programs; `modules` those of its kernel modules and of those
    built into its kernel, with underscores. `has_login_script`: it has open-iscsi's script that
    logs in. `is_outdated`: its copy of iscsi.initramfs differs from the current file. `is_public`:
    every user can read the image.
    """

    kernel: str
    programs: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    has_login_script: bool = False
    initiator: str | None = None
    login: InitramfsLogin = InitramfsLogin()
    is_outdated: bool = False
    is_public: bool = False
    made_by_dracut: bool = False


@dataclass(frozen=True)
class RootBoot:
    """The facts about the next boot of a host whose root filesystem is on one of `targets`.

    `is_planned`: the root filesystem is still elsewhere, and is to be moved there. `images` has the
    initramfs of each kernel that may be booted, by path, None if there is no such file.
    `excluded_by` is a file that keeps open-iscsi out of them. `nic_modules` has the kernel module
    of each NIC that has one; `nics_taken_down` are those that ifupdown takes down at shutdown.
    `logs_out_at_shutdown`: Debian's logout-all.sh runs at shutdown; `keeps_sessions`: it is
    configured to keep all sessions.
    """

    targets: frozenset[str]
    is_planned: bool = False
    images: Mapping[str, Observation[Initramfs | None]] = field(default_factory=dict)
    parameters: Observation[KernelParameters] = field(default_factory=NotObserved)
    firmware: tuple[BootEntry, ...] = ()
    excluded_by: str | None = None
    nic_modules: Mapping[str, str] = field(default_factory=dict)
    nics_taken_down: frozenset[str] = frozenset()
    logs_out_at_shutdown: bool = False
    keeps_sessions: bool = False
