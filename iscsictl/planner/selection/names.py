"""Names as a user gives them, and the one thing that each means."""

import difflib
from collections.abc import Iterable

from iscsictl.errors import NotFoundError
from iscsictl.model.word_lists import first_names

#: difflib's similarity from 0 to 1: one letter wrong in a short name is still near.
_SIMILAR = 0.8
#: How many of several names an error lists.
SHOWN = 5
_LEAST_PART = 3
#: What leads to the first name of all.
_FIRST_TARGET = "iscsictl attach, or iscsictl discover ADDRESS --save"


def resolve_name(name: str, candidates: Iterable[str], interactive: bool) -> str:
    """Return the target that `name` means; on a terminal a part of its name is enough.

    Raises NotFoundError if none matches or, on a terminal, several do.
    """
    known = sorted(set(candidates))
    if name in known:
        return name
    containing = [one for one in known if name and name.lower() in one.lower()]
    if interactive and len(containing) == 1:
        return containing[0]
    if interactive and containing:
        raise NotFoundError(
            f"{name!r} matches {len(containing)} targets: {first_names(containing, SHOWN)}",
            hint="give a longer part of the name, or the full name",
        )

    near = containing or similar_names(name, known)
    if near:
        question = (
            "without a terminal, the exact name is required" if containing else "did you mean"
        )
        hint = f"{question}: {first_names(near, SHOWN)}"
    elif known:
        hint = "see: iscsictl nodes ls, iscsictl ls"
    else:
        hint = f"none is known yet: {_FIRST_TARGET}"
    raise NotFoundError(f"no target is called {name!r} here", hint=hint)


def similar_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that contain this one, or up to three that it may be a misspelling of.

    Of the latter the nearest is first; empty if none is near enough (_SIMILAR).
    """
    all_names = sorted(known)
    # Fewer letters are in nearly every name.
    part = name.lower() if len(name) >= _LEAST_PART else None
    containing = [one for one in all_names if part and part in one.lower()]
    return containing or difflib.get_close_matches(name, all_names, 3, _SIMILAR)
