"""Tables of what is looked up by a name."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def group_by_keys(items: Iterable[T], keys: Callable[[T], Iterable[K]]) -> dict[K, tuple[T, ...]]:
    """Return the items by each of their keys, in their order.

    One that has a key twice is under it once.
    """
    found: dict[K, list[T]] = defaultdict(list)
    for item in items:
        for key in dict.fromkeys(keys(item)):
            found[key].append(item)
    return {key: tuple(group) for key, group in found.items()}
