"""Every action has a model of what it does."""

from iscsictl.engine.handlers.registry import handlers
from tests.machine_model import _EFFECTS, discovery, growth, host, leftovers, repairs, tables

MODELS = (_EFFECTS, *(m.EFFECTS for m in (tables, host, discovery, growth, leftovers, repairs)))
MODELLED = {kind for model in MODELS for kind in model}


def test_every_action_has_a_model() -> None:
    assert {kind.__name__ for kind in handlers() if kind not in MODELLED} == set()


def test_no_model_is_left_of_an_action_that_is_gone() -> None:
    assert handlers().keys() >= MODELLED
