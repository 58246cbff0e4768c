"""Every file of data/captures is read as the JSON beside it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from iscsictl.model.listing import Session
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from tests.unit.test_capture import contains

SESSIONS = Path(__file__).parent / "data" / "sessions"
DATA = Path(__file__).parent / "data" / "captures"
CASES = sorted(path.with_suffix(".txt") for path in DATA.glob("*.json"))


def document_of(data: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(listing_json(parse_capture(data)))
    return document


@pytest.mark.fault("F109")
@pytest.mark.parametrize("change", ["as it is", "crlf", "no tabs"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_posted_capture_is_read_as_its_json_says(case: Path, change: str) -> None:
    data = case.read_bytes()
    if change == "crlf":
        data = data.replace(b"\n", b"\r\n")
    elif change == "no tabs":
        data = data.replace(b"\t", b"")
    contains(json.loads(case.with_suffix(".json").read_text()), document_of(data))


@pytest.mark.fault("F109")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_no_session_of_a_posted_capture_has_a_name_that_no_array_has(case: Path) -> None:
    listing = parse_capture(case.read_bytes())
    for session in listing.sessions:
        assert re.fullmatch(r"(?:[^\s\"'<>]{4,})?", session.target)
        assert session.transport is None or re.fullmatch(r"\w+", session.transport)


@pytest.mark.fault("F109")
@pytest.mark.parametrize("name", ["mixed-P3", "real/bookworm", "real/trixie"])
def test_wherever_the_head_of_a_capture_is_cut_off_nothing_false_is_told(name: str) -> None:
    lines = (SESSIONS / f"{name}.txt").read_text().split("\n")
    whole = {session.sid: session for session in parse_capture("\n".join(lines)).sessions}
    for place in range(len(lines)):
        for session in parse_capture("\n".join(lines[place:])).sessions:
            before = vars_of(whole[session.sid])
            for key, value in vars_of(session).items():
                assert value in (None, "", "unknown", before[key]), (place, key)


def vars_of(session: Session) -> dict[str, Any]:
    return session._asdict()
