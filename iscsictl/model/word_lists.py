"""Names in a message: the first ones, and how many more there are."""

from collections.abc import Sequence


def first_names(names: Sequence[object], shown: int) -> str:
    """Return at most `shown` names with commas between: `sda, sdb and 3 more`."""
    more = len(names) - shown
    return ", ".join(map(str, names[:shown])) + (f" and {more} more" if more > 0 else "")
