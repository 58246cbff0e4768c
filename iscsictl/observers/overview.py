"""What `iscsictl` alone shows: the state of this host in a few facts."""

from dataclasses import dataclass
from pathlib import Path

from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.listing import Session
from iscsictl.model.packages import PackageManager
from iscsictl.model.record import NodeRecord
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.iscsi import holds, initiator_name, nodedb
from iscsictl.system.iscsi.sessions import read_sessions
from iscsictl.system.mount import fstab_file, mounts


@dataclass(frozen=True)
class Overview:
    """The initiator name, sessions, records, fstab and mount points of a host.

    `records` is None if they may not be read: only root can read open-iscsi's records. So is
    `initiator` if the file with the name has mode 0600, as some distributions install it.
    `installed` says whether open-iscsi is installed; `package_manager` is what can install it.
    `read_only` are the mount points of filesystems that cannot be written.
    """

    initiator: InitiatorName | None
    sessions: tuple[Session, ...]
    records: tuple[NodeRecord, ...] | None
    fstab: Fstab
    mounted: frozenset[str]
    holds: tuple[Hold, ...]
    installed: bool = True
    package_manager: PackageManager | None = None
    read_only: frozenset[str] = frozenset()


def observe_overview(root: Path) -> Overview:
    """Read the state of the host. Starts no process and reads no disk.

    Records and an initiator name that may not be read are None, which is no error. Raises
    IscsictlError for another file that cannot be read.
    """
    try:
        records = nodedb.read_records(nodedb.find_db(root))
    except IscsictlError:
        records = None
    try:
        initiator = initiator_name.read_initiator(root)
    except NeedsRootError:
        initiator = None
    # The later of two mounts on one directory is on top.
    mounted = {mount.path: mount for mount in mounts.mounted(root)}
    return Overview(
        initiator,
        read_sessions(root, details=False),
        records,
        fstab_file.read_fstab(root),
        frozenset(mounted),
        holds.read_holds(root),
        nodedb.is_installed(root),
        find_package_manager(root),
        frozenset(path for path, mount in mounted.items() if "ro" in mount.options),
    )
