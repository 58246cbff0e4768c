"""The package of actions, whose modules are imported when one of their actions is named."""

import importlib
import pkgutil

import pytest

from iscsictl.model import actions
from iscsictl.model.plan import Action


def test_every_action_of_every_module_is_found_by_its_name() -> None:
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(actions.__path__):
        loaded = importlib.import_module(f"{actions.__name__}.{module.name}")
        kinds = (kind for kind in vars(loaded).values() if isinstance(kind, type))
        found |= {kind.__name__: kind for kind in kinds if issubclass(kind, Action)}
    del found["Action"]
    assert {name: getattr(actions, name) for name in found} == found
    assert found.keys() <= set(actions.__all__)


def test_a_name_that_is_no_action_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchAction"):
        getattr(actions, "No" + "SuchAction")
