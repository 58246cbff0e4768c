"""The Ansible module knows the keys of a volumes file, and passes on what YAML made of values."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from iscsictl.errors import UsageError
from iscsictl.planner.volumes.file import read_volumes
from tests.property.test_collection_volumes import load

MODULE = Path(__file__).parents[2] / "ansible/plugins/modules/volumes.py"


def assigned(name: str) -> ast.expr:
    """Return what the module assigns to a name."""
    for node in ast.parse(MODULE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    raise LookupError(name)


def keys_of_a_file() -> set[str]:
    """Return the keys of a volume, as an error about another one lists them."""
    with pytest.raises(UsageError) as caught:
        read_volumes({"volume": [{"zzz": 1}]}, {}, "v.toml")
    return set(str(caught.value.hint).removeprefix("the keys are: ").split(", "))


def test_the_module_has_each_key_of_a_volumes_file_and_documents_it() -> None:
    keys = {key.replace("-", "_") for key in keys_of_a_file()}
    assert len(keys) > 20
    spec = assigned("VOLUME")
    assert isinstance(spec, ast.Dict)
    assert {key.value for key in spec.keys if isinstance(key, ast.Constant)} == keys
    documentation = ast.literal_eval(assigned("DOCUMENTATION"))
    volume = documentation.partition("    suboptions:\n")[2].partition("\n  state:")[0]
    assert set(re.findall(r"^      (\w+):$", volume, re.MULTILINE)) == keys


@pytest.mark.parametrize(
    ("read", "text"), [(True, "Yes"), (False, "No"), (120, "120"), ("None", "None")]
)
def test_a_setting_is_passed_on_as_open_iscsi_writes_it(read: Any, text: str) -> None:
    assert load().setting_text(read) == text
