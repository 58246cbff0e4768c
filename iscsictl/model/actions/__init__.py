"""The actions: everything that iscsictl can do to a machine, as data.

A module of actions is imported when one of its actions is first named (PEP 562): no command needs
all of them, and `reconnect` needs hardly any.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iscsictl.model.actions.disk import (
        AddPart,
        GrowFs,
        GrowPart,
        Label,
        Mkfs,
        RemoveDevice,
        RemovePart,
        Reread,
        Reshape,
        SetBootable,
        SetType,
        Wipe,
    )
    from iscsictl.model.actions.disk_id import DiskId, OverwriteGround
    from iscsictl.model.actions.host import (
        ClearLock,
        EnableService,
        FirmwareLogin,
        Protect,
        Reload,
        RemoveIface,
        SetInitiatorName,
        StartService,
        StopService,
        WriteIface,
    )
    from iscsictl.model.actions.iscsi import (
        CreateDiscovery,
        CreateRecord,
        DeleteDiscovery,
        DeleteRecord,
        DropHold,
        Login,
        Logout,
        RemoveCorruptRecord,
        RemoveLink,
        Rescan,
        RestoreRecord,
        Scan,
        SetHold,
        WriteDefaults,
        WriteDiscovery,
        WriteRecord,
    )
    from iscsictl.model.actions.mount import (
        Claim,
        DropFstab,
        DropRequire,
        MakeDirectory,
        Mount,
        Own,
        RemoveDirectory,
        RequireMount,
        RestoreFstab,
        Unmount,
        WriteFstab,
    )
    from iscsictl.model.actions.multipath import (
        AllowMap,
        DisallowMap,
        DropMapSettings,
        MakeMap,
        RemoveMap,
        StartMultipathd,
        WriteMapSettings,
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
        "disk": "AddPart GrowFs GrowPart Label Mkfs RemoveDevice RemovePart Reread Reshape "
        "SetBootable SetType Wipe",
        "disk_id": "DiskId OverwriteGround",
        "host": "ClearLock EnableService FirmwareLogin Protect Reload RemoveIface "
        "SetInitiatorName StartService StopService WriteIface",
        "iscsi": "CreateDiscovery CreateRecord DeleteDiscovery DeleteRecord DropHold Login Logout "
        "RemoveCorruptRecord RemoveLink Rescan RestoreRecord Scan SetHold WriteDefaults "
        "WriteDiscovery WriteRecord",
        "mount": "Claim DropFstab DropRequire MakeDirectory Mount Own RemoveDirectory RequireMount "
        "RestoreFstab Unmount WriteFstab",
        "multipath": "AllowMap DisallowMap DropMapSettings MakeMap RemoveMap StartMultipathd "
        "WriteMapSettings",
    }.items()
    for name in names.split()
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Import the module of an action, and return the action."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    # From now on the name is found without a call of this function.
    globals()[name] = found
    return found
