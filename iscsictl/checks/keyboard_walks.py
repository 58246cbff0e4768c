"""Tell what was typed by walking over a keyboard, whichever its layout, or along the alphabet."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

_Place = tuple[int, int]

# The keys without Shift, row under row. What stands below a key is its neighbour, and so is
# what stands one to the left of that.
_LAYOUTS: Final = (
    ("`1234567890-=", " qwertyuiop[]\\", " asdfghjkl;'", " zxcvbnm,./"),
    ("^1234567890ß", " qwertzuiopü+", " asdfghjklöä#", "<yxcvbnm,.-"),
    ("²&é\"'(-è_çà)=", " azertyuiop^$", " qsdfghjklmù*", "<wxcvbn,;:!"),
    ("²1234567890°+", " azertyuiop^$", " qsdfghjklmù*", "<wxcvbn,;:!"),
    ("`1234567890[]", " ',.pyfgcrl/=\\", " aoeuidhtns-", " ;qjkxbmwvz"),
    ("`1234567890-=", " qwfpgjluy;[]\\", " arstdhneio'", " zxcvbkm,./"),
    ("ё1234567890-=", " йцукенгшщзхъ\\", " фывапролджэ", " ячсмитьбю."),
    ("0123456789abcdefghijklmnopqrstuvwxyz",),
)
_PLACES: Final = tuple(
    {key: (x, y) for y, row in enumerate(rows) for x, key in enumerate(row) if key != " "}
    for rows in _LAYOUTS
)
_NEIGHBOURS: Final = frozenset({(1, 0), (-1, 0), (0, 1), (0, -1), (-1, 1), (1, -1)})
_FARTHEST: Final = 4
_SHORTEST: Final = 3


def is_walk(text: str) -> bool:
    """Tell whether lower-case text is a walk over neighbouring keys, letters or digits.

    A key is foretold if it lies to the one before (asdf), or to the one two to four before
    (1q2w3e, 1qaz2wsx), as the keys around it do to theirs, three at least in a row. A walk is
    foretold for two thirds of its keys, for half of them in one row, or goes to some neighbour
    at nine of ten steps (zaq12wsxcde3).

    Reckoned from the share of neighbours, of 12 random hexadecimal digits or letters about one
    text in 100 000 is that, of 16 less than one in 10 million.
    """
    return any(_wanders(text, places) for places in _PLACES) or _foretold(text)


def _foretold(text: str) -> bool:
    keys: set[int] = set()
    for places in _PLACES:
        for apart in range(1, _FARTHEST + 1):
            at = apart
            for step, same in groupby(_steps(text, places, apart)):
                size = len(list(same))
                if step is not None and size >= _SHORTEST:
                    if size * 2 >= len(text):
                        return True
                    keys.update(range(at, at + size))
                at += size
    return bool(text) and len(keys) * 3 >= len(text) * 2


def _wanders(text: str, places: Mapping[str, _Place]) -> bool:
    steps = list(_steps(text, places, 1))
    near = sum(step is not None for step in steps)
    return near >= _SHORTEST and near * 10 >= len(steps) * 9


def _steps(text: str, places: Mapping[str, _Place], apart: int) -> Iterator[_Place | None]:
    """Yield the way from each key to the one so far behind it, None if they are no neighbours."""
    for one, other in zip(text, text[apart:], strict=False):
        here, there = places.get(one), places.get(other)
        step = here and there and (there[0] - here[0], there[1] - here[1])
        yield step if step in _NEIGHBOURS else None
