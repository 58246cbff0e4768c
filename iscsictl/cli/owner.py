"""The owner of a mount point on the command line: USER:GROUP, as numeric ids."""

import grp
import pwd
import re
from collections.abc import Callable
from typing import Final

from iscsictl.errors import UsageError

_LAST_ID: Final = 2**32 - 2


def _user_or_group_id(text: str, look_up: Callable[[str], int]) -> int | None:
    if not text:
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else look_up(text)


def owner_ids(text: str, what: str) -> tuple[int | None, int | None]:
    """Return the numeric ids of USER:GROUP; None for a missing half.

    The largest 32-bit number is refused: chown(2) treats it as -1, which changes nothing. `what` is
    the option, or the place in a file, that an error names. Raises UsageError for an unknown name,
    a number that is too large, and a text with neither half.
    """
    user, _, group = text.partition(":")
    if not user and not group:
        raise UsageError(f"{what} {text}: expected USER:GROUP, USER or :GROUP")
    try:
        uid = _user_or_group_id(user, lambda name: pwd.getpwnam(name).pw_uid)
        gid = _user_or_group_id(group, lambda name: grp.getgrnam(name).gr_gid)
    except (KeyError, ValueError):
        raise UsageError(
            f"{what} {text}: there is no such user or group",
            hint="create it first, or give numbers, such as 33:33",
        ) from None
    for number in (uid, gid):
        if number is not None and number > _LAST_ID:
            raise UsageError(f"{what} {text}: the largest user and group number is {_LAST_ID}")
    return uid, gid
