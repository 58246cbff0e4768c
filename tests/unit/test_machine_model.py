"""Every action has a model of what it does, or is known to have none yet."""

from iscsictl.engine.handlers.registry import handlers
from tests.machine_model import _EFFECTS, discovery, host, tables

# They change what no facts of a planner hold: file modes, a lock, a link, and the size that the
# kernel and a filesystem have. To be modelled.
WITHOUT_MODEL = {"ClearLock", "FirmwareLogin", "GrowFs", "Protect", "RemoveLink", "Reread"}
MODELLED = _EFFECTS.keys() | tables.EFFECTS.keys() | host.EFFECTS.keys() | discovery.EFFECTS.keys()


def test_every_action_has_a_model_but_those_that_are_known_to_have_none() -> None:
    assert {kind.__name__ for kind in handlers() if kind not in MODELLED} == WITHOUT_MODEL


def test_no_model_is_left_of_an_action_that_is_gone() -> None:
    assert handlers().keys() >= MODELLED
