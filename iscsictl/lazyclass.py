"""Standard dataclasses that are made when the first instance is: most commands use few of them.

`dataclasses.dataclass` writes and compiles the methods of a class, 0.7 ms for a frozen one;
a command that imports 130 of them and makes instances of 30 would pay for all at its start.
Type checkers see the standard decorator.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    import threading

    _waiting: dict[type, dict[str, Any]] = {}
    _made: set[type] = set()
    _making = threading.RLock()

    def dataclass(cls: type | None = None, **options: Any) -> type | Callable[[type], type]:
        """Mean what dataclasses.dataclass does, from the first instance on."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        _waiting[cls] = options
        cls.__new__ = _new
        return cls

    def _new(cls: type, *_values: Any, **_named: Any) -> Any:
        if cls not in _made:
            _make(cls)
        return object.__new__(cls)

    def _make(cls: type) -> None:
        """Make a class and those above it; another thread that wants an instance waits here."""
        with _making:
            for one in reversed(cls.__mro__):
                if one in _waiting:
                    dataclasses.dataclass(one, **_waiting.pop(one))
            _made.add(cls)
