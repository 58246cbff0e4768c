"""The document that `doctor -J` prints and a report contains, read for `doctor --from`."""

import json
from collections.abc import Mapping
from typing import Final

from iscsictl.errors import UsageError
from iscsictl.model.finding import Finding, Level

SCHEMA: Final = "iscsictl.doctor/"
HINT: Final = (
    "give an archive that iscsictl report wrote, or the output of iscsictl doctor -J; output of "
    "other programs is for: iscsictl ls --from"
)


def parse_findings(data: bytes, source: str) -> tuple[Finding, ...]:
    """Return the findings of a document `iscsictl.doctor/1`; unknown keys are ignored.

    None of them has a repair, which would only be for the host on which it was found. Raises
    UsageError for anything else; `source` is the name of the document in the message.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, Mapping) or not str(document.get("schema")).startswith(SCHEMA):
        raise _unreadable_error(source)
    try:
        return tuple(_read_finding(one) for one in document["findings"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _unreadable_error(source) from None


def _read_finding(found: Mapping[str, str | None]) -> Finding:
    return Finding(
        str(found["id"]),
        Level(str(found["level"])),
        str(found["message"]),
        _text_or_none(found.get("fix")),
        _text_or_none(found.get("subject")),
    )


def _text_or_none(value: str | None) -> str | None:
    return None if value is None else str(value)


def _unreadable_error(source: str) -> UsageError:
    return UsageError(f"{source} contains no findings of iscsictl doctor", hint=HINT)
