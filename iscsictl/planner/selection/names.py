"""A name as a person gives it, and the one thing that is meant by it."""

import difflib
from collections.abc import Iterable

from iscsictl.errors import NotFoundError


def resolve(
    name: str, candidates: Iterable[str], interactive: bool, *, what: str = "target"
) -> str:
    """Return the candidate that `name` means: the exact one, or on a terminal the one it is in.

    Raises NotFoundError where none fits or, on a terminal, several do.
    """
    known = sorted(set(candidates))
    if name in known:
        return name
    fitting = [one for one in known if name and name.lower() in one.lower()]
    if interactive and len(fitting) == 1:
        return fitting[0]
    if interactive and fitting:
        raise NotFoundError(
            f"{name!r} fits {len(fitting)} {what}s: {_few(fitting)}",
            hint="give more of the name, or all of it",
        )

    near = fitting or difflib.get_close_matches(name, known, 3, 0.8)
    if near:
        hint = f"{'the exact name is needed off a terminal' if fitting else 'did you mean'}: "
        hint += _few(near)
    else:
        hint = "see: iscsictl nodes ls, iscsictl ls"
    raise NotFoundError(f"no {what} is called {name!r} here", hint=hint)


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
