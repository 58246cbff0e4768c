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
    import operator
    import threading

    _waiting: dict[type, dict[str, Any]] = {}
    _making = threading.RLock()
    _NOT_GIVEN = object()
    _PLAIN = {"init", "frozen", "kw_only"}

    def dataclass(cls: type | None = None, **options: Any) -> type | Callable[[type], type]:
        """Mean what dataclasses.dataclass does, from the first instance on."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        _waiting[cls] = options
        cls.__init__ = _first(cls)
        return cls

    def _first(cls: type) -> Callable[..., None]:
        """Return what stands where __init__ will be, until the first instance is made.

        A class below that has an __init__ of its own calls it too: it is not of type(self).
        """

        def first(self: Any, *values: Any, **named: Any) -> None:
            _make(type(self))
            cls.__init__(self, *values, **named)

        return first

    def _make(cls: type) -> None:
        """Make a class and those above it; another thread that wants an instance waits here."""
        with _making:
            for one in reversed(cls.__mro__):
                if one in _waiting:
                    # __init__ comes last and in one step: no thread meets a class half made.
                    options = _waiting[one] | {"init": False}
                    if options.get("frozen") and not options.keys() - _PLAIN:
                        options |= {"frozen": False, "repr": False, "eq": False}
                        dataclasses.dataclass(one, **options)
                        _freeze(one)
                    else:
                        dataclasses.dataclass(one, **options)
                    one.__init__ = _init(one)
                    del _waiting[one]

    def _freeze(cls: Any) -> None:
        """Give a class what frozen=True would, without text to compile for each class."""
        fields = dataclasses.fields(cls)
        compared = _getter([field.name for field in fields if field.compare])
        hashed = _getter([f.name for f in fields if (f.compare if f.hash is None else f.hash)])
        shown = [field.name for field in fields if field.repr]

        def __eq__(self: Any, other: object) -> Any:  # noqa: N807
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compared(self) == compared(other)

        def __hash__(self: Any) -> int:  # noqa: N807
            return hash(hashed(self))

        def __repr__(self: Any) -> str:  # noqa: N807
            pairs = [f"{name}={getattr(self, name)!r}" for name in shown]
            return f"{self.__class__.__qualname__}({', '.join(pairs)})"

        for method in (__eq__, __hash__, __repr__):
            if method.__name__ not in cls.__dict__:
                setattr(cls, method.__name__, method)
        cls.__setattr__ = cls.__delattr__ = _refuse

    def _getter(names: list[str]) -> Callable[[Any], Any]:
        return operator.attrgetter(*names) if names else lambda _: ()

    def _refuse(_self: Any, name: str, *_: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _init(cls: type) -> Callable[..., None]:
        """Write an __init__ that fills the instance's dictionary.

        What dataclasses writes for a frozen class calls object.__setattr__ for each field, which
        takes three times as long.
        """
        names: dict[str, Any] = {}
        in_order, by_name = ["self"], ["*"]
        body = ["own = self.__dict__"]
        for field in [field for field in dataclasses.fields(cls) if field.init]:
            name, value, default = field.name, field.name, field.default
            if field.default_factory is not dataclasses.MISSING:
                default = _NOT_GIVEN
                names[f"_make_{name}"] = field.default_factory
                value = f"_make_{name}() if {name} is _default_{name} else {name}"
            body.append(f"own[{name!r}] = {value}")
            parameters = by_name if field.kw_only else in_order
            if default is dataclasses.MISSING:
                parameters.append(name)
            else:
                names[f"_default_{name}"] = default
                parameters.append(f"{name}=_default_{name}")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        parameters = in_order + (by_name if len(by_name) > 1 else [])
        lines = [f"def __init__({', '.join(parameters)}):", *(f" {line}" for line in body)]
        exec("\n".join(lines), names)  # noqa: S102 -- as dataclasses itself does
        made: Callable[..., None] = names["__init__"]
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        return made
