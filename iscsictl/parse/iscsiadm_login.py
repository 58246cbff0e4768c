"""What iscsiadm says of many logins at once: which ended well, which did not and why."""

import re

_WHERE = (
    r"\[iface: (?P<iface>.*?), target: (?P<target>\S+), "
    r"portal: (?P<place>\S+?),(?P<port>[0-9]{1,5})\]"
)
_DONE = re.compile(rf"Login to {_WHERE} successful")
_FAILED = re.compile(rf"Could not login to {_WHERE}")
_CODE = re.compile(r"initiator reported error \((?P<code>[0-9]{1,9}) - ")

Place = tuple[str, str, str, int]


def parse_logins(out: str, err: str) -> tuple[frozenset[Place], dict[Place, int]]:
    """Return the places that were logged in to, and the others with iscsiadm's exit codes.

    A place is iface, target, address and port. What is neither is not told.
    """
    done = frozenset(_place_in_match(match) for match in _DONE.finditer(out))
    failed: dict[Place, int] = {}
    last: Place | None = None
    for line in err.splitlines():
        if match := _FAILED.search(line):
            last = _place_in_match(match)
            # ISCSI_ERR, until a line with the reason comes: some failures have none.
            failed[last] = 1
        elif last is not None and (match := _CODE.search(line)):
            failed[last], last = int(match["code"]), None
    return done, failed


def _place_in_match(match: re.Match[str]) -> Place:
    return match["iface"], match["target"], match["place"], int(match["port"])
