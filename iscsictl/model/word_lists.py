"""Lists of names in messages."""

from collections.abc import Sequence


def first_names(names: Sequence[object], shown: int) -> str:
    """Return at most `shown` names, and how many more there are: `sda, sdb and 3 more`."""
    more = len(names) - shown
    return ", ".join(map(str, names[:shown])) + (f" and {more} more" if more > 0 else "")
