"""A dataclass that is made late is a dataclass, whoever asks for the first instance."""

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from iscsictl.lazyclass import dataclass


@dataclass(frozen=True)
class Base:
    one: int
    many: tuple[int, ...] = ()


@dataclass(frozen=True)
class Child(Base):
    named: dict[str, int] = dataclasses.field(default_factory=dict)


def test_the_first_instance_is_like_any_other() -> None:
    child = Child(1, named={"a": 2})
    assert child == Child(1, (), {"a": 2})
    assert dataclasses.replace(child, one=3).one == 3
    assert repr(Base(1)) == "Base(one=1, many=())"
    frozen: Any = child
    with pytest.raises(dataclasses.FrozenInstanceError):
        frozen.one = 2
    kind: Any = Base
    with pytest.raises(TypeError):
        kind(1, 2, 3)


@dataclass(frozen=True)
class Odd:
    one: int
    many: dict[str, int] = dataclasses.field(default_factory=dict, hash=False)
    quiet: str = dataclasses.field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Empty:
    pass


def test_equal_hash_repr_and_frozen_are_those_of_the_standard() -> None:
    class Strange(Base):
        pass

    made: Any
    for made in (Base(1, (2,)), Child(1), Odd(1, {"a": 1}, "x"), Empty()):
        kind = type(made)
        standard = dataclasses.make_dataclass(
            kind.__name__,
            [(f.name, object, dataclasses.field(hash=f.hash, repr=f.repr, compare=f.compare))
             for f in dataclasses.fields(made)],
            frozen=True,
        )  # fmt: skip
        values = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
        same = standard(**values)
        assert repr(made) == repr(same)
        assert made == kind(**values)
        assert made != same
        if kind is not Child:
            assert hash(made) == hash(kind(**values))
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.one = 2
        with pytest.raises(dataclasses.FrozenInstanceError):
            del made.one
    assert Odd(1, quiet="a") == Odd(1, quiet="b")
    assert Odd(1) != Odd(2)
    assert Base(1) != Strange(1)
    assert len({Base(1), Base(1), Base(2), Empty(), Empty()}) == 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Child(1))


@dataclass(frozen=True, kw_only=True)
class Named:
    one: int
    many: list[int] = dataclasses.field(default_factory=list)
    seen: list[int] = dataclasses.field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        self.seen.append(self.one)


def test_defaults_are_made_anew_and_what_comes_after_is_called() -> None:
    first, second = Named(one=1), Named(one=1, many=[2])
    assert (first.many, second.many, first.seen) == ([], [2], [1])
    assert first.many is not Named(one=1).many
    assert first == Named(one=1)
    kind: Any = Named
    with pytest.raises(TypeError):
        kind(1)
    with pytest.raises(TypeError):
        kind()


def test_threads_that_want_the_first_instance_at_once_all_get_one() -> None:
    everyone = Barrier(8)

    def want(made: Any) -> Any:
        everyone.wait()
        return made(1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(20):

                @dataclass(frozen=True)
                class Fresh:
                    one: int
                    two: int = 2

                found = list(pool.map(want, [Fresh] * 8))
                assert found == [Fresh(1)] * 8
    finally:
        sys.setswitchinterval(before)


def test_a_class_below_may_have_an_init_of_its_own() -> None:
    @dataclass
    class Above:
        one: int
        two: int = 2

    class Below(Above):
        def __init__(self, three: int) -> None:
            super().__init__(three + 1)

    assert [(Below(5).one, Below(5).two) for _ in range(2)] == [(6, 2)] * 2
    assert Above(1).one == 1
