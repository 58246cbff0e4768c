"""Modules that are imported when they are first used: large libraries that most runs do without.

rich, pexpect and pyudev together take longer to import than `ls` takes to run.
"""

import importlib.util
import sys
from types import ModuleType


def lazy_import(name: str) -> ModuleType:
    """Return a module that is loaded when one of its attributes is first read.

    The recipe is that of the standard library (importlib documentation, "Implementing lazy
    imports"). Raises ModuleNotFoundError at once if the module is not installed.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
