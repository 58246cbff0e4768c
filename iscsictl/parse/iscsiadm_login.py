"""iscsiadm's output on many logins or logouts at once: which succeeded, which failed and why."""

import re
from collections.abc import Callable, Hashable
from typing import TypeVar

_WHERE = (
    r"\[iface: (?P<iface>.*?), target: (?P<target>\S+), "
    r"portal: (?P<place>\S+?),(?P<port>[0-9]{1,5})\]"
)
_DONE = re.compile(rf"Login to {_WHERE} successful")
_FAILED = re.compile(rf"Could not login to {_WHERE}")
_LOGGED_OUT = re.compile(r"Logout of \[sid: (?P<sid>[0-9]{1,9}), target: .*\] successful")
_NOT_LOGGED_OUT = re.compile(r"iscsiadm: Could not logout of \[sid: (?P<sid>[0-9]{1,9}), target: ")
_CODE = re.compile(r"initiator reported error \((?P<code>[0-9]{1,9}) - ")

Place = tuple[str, str, str, int]
K = TypeVar("K", bound=Hashable)


def parse_logins(out: str, err: str) -> tuple[frozenset[Place], dict[Place, int]]:
    """Return the places that were logged in to, and the others with iscsiadm's exit codes.

    A place is iface, target, address and port. A place that the output does not mention is in
    neither.
    """
    done = frozenset(_place_in_match(match) for match in _DONE.finditer(out))
    return done, _parse_failures(err, _FAILED.search, _place_in_match)


def parse_logouts(out: str, err: str) -> dict[int, int]:
    """Return iscsiadm's exit code for each session, by its number: 0 for one that ended.

    A session that the output does not mention is left out. A target may choose its name freely, so
    only what is at the beginning of a line counts.
    """
    ended = (_LOGGED_OUT.match(line) for line in out.split("\n"))
    failed = _parse_failures(err, _NOT_LOGGED_OUT.match, lambda match: int(match["sid"]))
    return failed | {int(match["sid"]): 0 for match in ended if match is not None}


def _parse_failures(
    err: str,
    find_failure: Callable[[str], re.Match[str] | None],
    name_of: Callable[[re.Match[str]], K],
) -> dict[K, int]:
    """Return the exit code of each reported failure; the reason is on a later line."""
    failed: dict[K, int] = {}
    last: K | None = None
    for line in err.splitlines():
        if match := find_failure(line):
            last = name_of(match)
            # ISCSI_ERR, until a line with the reason follows: some failures have none.
            failed[last] = 1
        elif last is not None and (match := _CODE.search(line)):
            failed[last], last = int(match["code"]), None
    return failed


def _place_in_match(match: re.Match[str]) -> Place:
    return match["iface"], match["target"], match["place"], int(match["port"])
