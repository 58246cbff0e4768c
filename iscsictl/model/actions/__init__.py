"""The actions: everything that iscsictl can do to a machine, as data.

A module of actions is imported when one of its actions is first used (PEP 562): no command needs
all of them, and `reconnect` needs hardly any.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iscsictl.model.actions.discovery import (
        CreateDiscovery,
        DeleteDiscovery,
        WriteDefaults,
        WriteDiscovery,
    )
    from iscsictl.model.actions.disk_id import (
        DiskId,
        OverwriteGround,
    )
    from iscsictl.model.actions.disks import (
        GrowFs,
        Label,
        Mkfs,
        Wipe,
    )
    from iscsictl.model.actions.fstab import (
        Claim,
        DropFstab,
        RestoreFstab,
        WriteFstab,
    )
    from iscsictl.model.actions.host import (
        ClearLock,
        FirmwareLogin,
        Protect,
        RemoveIface,
        SetInitiatorName,
        WriteIface,
    )
    from iscsictl.model.actions.mounts import (
        MakeDirectory,
        Mount,
        Own,
        RemoveDirectory,
        Unmount,
    )
    from iscsictl.model.actions.multipath import (
        AllowMap,
        DisallowMap,
        DropMapSettings,
        MakeMap,
        ReadMapSettings,
        RemoveMap,
        StartMultipathd,
        WriteMapSettings,
    )
    from iscsictl.model.actions.partitions import (
        AddPart,
        GrowPart,
        RemovePart,
        Reread,
        Reshape,
        SetBootable,
        SetType,
    )
    from iscsictl.model.actions.records import (
        CreateRecord,
        DeleteRecord,
        RemoveCorruptRecord,
        RemoveLink,
        RestoreRecord,
        WriteRecord,
    )
    from iscsictl.model.actions.reservations import (
        Release,
        Reserve,
        TakeOver,
    )
    from iscsictl.model.actions.services import (
        DropRequire,
        EnableService,
        Reload,
        RequireMount,
        StartService,
        StopService,
    )
    from iscsictl.model.actions.sessions import (
        DropHold,
        Login,
        Logout,
        RemoveDevice,
        Rescan,
        Scan,
        SetHold,
    )

__all__ = [
    "AddPart",
    "AllowMap",
    "Claim",
    "ClearLock",
    "CreateDiscovery",
    "CreateRecord",
    "DeleteDiscovery",
    "DeleteRecord",
    "DisallowMap",
    "DiskId",
    "DropFstab",
    "DropHold",
    "DropMapSettings",
    "DropRequire",
    "EnableService",
    "FirmwareLogin",
    "GrowFs",
    "GrowPart",
    "Label",
    "Login",
    "Logout",
    "MakeDirectory",
    "MakeMap",
    "Mkfs",
    "Mount",
    "OverwriteGround",
    "Own",
    "Protect",
    "ReadMapSettings",
    "Release",
    "Reload",
    "RemoveCorruptRecord",
    "RemoveDevice",
    "RemoveDirectory",
    "RemoveIface",
    "RemoveLink",
    "RemoveMap",
    "RemovePart",
    "RequireMount",
    "Reread",
    "Rescan",
    "Reserve",
    "Reshape",
    "RestoreFstab",
    "RestoreRecord",
    "Scan",
    "SetBootable",
    "SetHold",
    "SetInitiatorName",
    "SetType",
    "StartMultipathd",
    "StartService",
    "StopService",
    "TakeOver",
    "Unmount",
    "Wipe",
    "WriteDefaults",
    "WriteDiscovery",
    "WriteFstab",
    "WriteIface",
    "WriteMapSettings",
    "WriteRecord",
]
#: The module of each action.
_MODULES = {
    name: module
    for module, names in {
        "discovery": "CreateDiscovery DeleteDiscovery WriteDefaults WriteDiscovery",
        "disk_id": "DiskId OverwriteGround",
        "disks": "GrowFs Label Mkfs Wipe",
        "fstab": "Claim DropFstab RestoreFstab WriteFstab",
        "host": "ClearLock FirmwareLogin Protect RemoveIface SetInitiatorName WriteIface",
        "mounts": "MakeDirectory Mount Own RemoveDirectory Unmount",
        "multipath": "AllowMap DisallowMap DropMapSettings MakeMap ReadMapSettings RemoveMap "
        "StartMultipathd WriteMapSettings",
        "partitions": "AddPart GrowPart RemovePart Reread Reshape SetBootable SetType",
        "records": "CreateRecord DeleteRecord RemoveCorruptRecord RemoveLink RestoreRecord "
        "WriteRecord",
        "reservations": "Release Reserve TakeOver",
        "services": "DropRequire EnableService Reload RequireMount StartService StopService",
        "sessions": "DropHold Login Logout RemoveDevice Rescan Scan SetHold",
    }.items()
    for name in names.split()
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Import the module of an action and return the action. Raises AttributeError."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    action: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    # From now on, the name is found without calling this function.
    globals()[name] = action
    return action
