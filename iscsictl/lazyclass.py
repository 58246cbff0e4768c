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

    _waiting: dict[type, dict[str, Any]] = {}

    def dataclass(cls: type | None = None, **options: Any) -> type | Callable[[type], type]:
        """Mean what dataclasses.dataclass does, from the first instance on."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        _waiting[cls] = options

        def first(self: Any, *values: Any, **named: Any) -> None:
            _make(cls)
            cls.__init__(self, *values, **named)

        cls.__init__ = first
        return cls

    def _make(cls: type) -> None:
        for one in reversed(cls.__mro__):
            options = _waiting.pop(one, None)
            if options is not None:
                del one.__init__
                dataclasses.dataclass(one, **options)
