"""Every action has a model of what it does, or is known to have none yet."""

from iscsictl.engine.handlers.registry import handlers
from tests.machine_model import _EFFECTS, tables

# They change what no inventory of the attach family holds: interfaces, discovery records, the
# defaults of iscsid, unit files. To be modelled.
WITHOUT_MODEL = {
    "ClearLock", "CreateDiscovery", "DeleteDiscovery", "FirmwareLogin", "GrowFs", "InstallFile",
    "Protect", "Reload", "RemoveFile", "RemoveIface", "RemoveLink", "Reread", "SetInitiatorName",
    "SetTimer", "StartService", "WriteDefaults", "WriteDiscovery", "WriteIface",
}  # fmt: skip


def test_every_action_has_a_model_but_those_that_are_known_to_have_none() -> None:
    modelled = _EFFECTS.keys() | tables.EFFECTS.keys()
    assert {kind.__name__ for kind in handlers() if kind not in modelled} == WITHOUT_MODEL


def test_no_model_is_left_of_an_action_that_is_gone() -> None:
    assert _EFFECTS.keys() | tables.EFFECTS.keys() <= handlers().keys()
