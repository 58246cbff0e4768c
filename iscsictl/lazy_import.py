"""Modules that are imported when they are first used: what most runs of a command do without.

rich, pexpect and pyudev together take longer to import than `ls` takes to run, and each frozen
dataclass takes half a millisecond to be made.
"""

import importlib
import importlib.util
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a module until one of its attributes is read, and then asks the module itself.

    The module is imported as an `import` statement would: under the import lock, so that two
    threads may be the first to use it, and again where an earlier attempt was interrupted. The
    LazyLoader of the standard library promises neither (before Python 3.12).
    """

    def __getattr__(self, attribute: str) -> Any:
        """Import the module, if that was not done yet, and return its attribute."""
        return getattr(importlib.import_module(self.__name__), attribute)


def lazy_import(name: str) -> LazyModule:
    """Return a module that is imported when one of its attributes is first read.

    Raises ModuleNotFoundError at once if a library is not installed. For type checkers, put an
    import of the same module under `if TYPE_CHECKING`.
    """
    # Only the top package: to find a module in it, the package would be imported.
    library = name.partition(".")[0]
    if library != "iscsictl" and importlib.util.find_spec(library) is None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)
    return LazyModule(name)
