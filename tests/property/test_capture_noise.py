"""Random text around a line of iscsiadm: what is read from it is true, or nothing."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture

NAME = "iqn.2001-04.com.example:disk1"
FLAT = f"tcp: [7] 192.0.2.5:3260,1 {NAME}"
TREE = f"""\
Target: {NAME} (non-flash)
\tCurrent Portal: 192.0.2.5:3260,1
\tPersistent Portal: 192.0.2.5:3260,1
\t\t**********
\t\tInterface:
\t\t**********
\t\tIface Name: default
\t\tSID: 7
\t\tiSCSI Connection State: LOGGED IN
\t\tiSCSI Session State: LOGGED_IN
\t\tInternal iscsid Session State: NO CHANGE
"""
PIECES = st.sampled_from(
    ["<div>", "</p>", '"', "',", "\\n", "\\t", "&lt;", "&quot;", "- ", "> ", "| ", "# ", "12:", "`",
     "\x1b[1m", "\t", " ", "[1] ", "tcp: ", "iqn.", "Target: ", "SID: 1", ",", ";", "{", "]", "(",
     "INFO ", "Jul 26 10:00:00 h a[1]: ", "\r", "\u2019", "\xa0", "\u2026", "...", "username: x"]
)  # fmt: skip
# Without the backspace: a terminal's log has it to erase what stands before it.
TEXT = st.text(st.characters(exclude_characters="\b", exclude_categories=["Cs"]), max_size=8)
NOISE = st.lists(PIECES | TEXT, max_size=5).map("".join)
# What may stand directly at a name without being a part of it.
APART = st.sampled_from(
    ["", " ", '"', "'", "<", ",", ";", ")", "\t", "`", "\\n", "&lt;", " (flash)"]
)


@pytest.mark.fault("F109")
@settings(max_examples=400)
@given(NOISE, APART, NOISE)
def test_noise_around_a_flat_line_makes_no_name_that_no_array_has(
    before: str, apart: str, after: str
) -> None:
    listing = parse_capture(f"{before} {FLAT}{apart}{after if apart else ''}\n")
    json.loads(listing_json(listing))
    for session in listing.sessions:
        assert not re.search(r"[\s\"'<>]", session.target)
    named = [session for session in listing.sessions if session.sid == 7]
    assert {session.target for session in named} <= {NAME}


@pytest.mark.fault("F109")
@settings(max_examples=300)
@given(st.lists(NOISE, min_size=12, max_size=12), st.integers(0, 2))
def test_noise_among_the_lines_of_a_session_gives_it_no_false_value(
    noise: list[str], every: int
) -> None:
    lines = TREE.split("\n")
    mixed = [part for pair in zip(noise, lines, strict=True) for part in pair[every > 1 :]]
    listing = parse_capture("\n".join(mixed))
    json.loads(listing_json(listing))
    for session in listing.sessions:
        assert not re.search(r"[\s\"'<>]", session.target)
        assert session.session_state in (None, "LOGGED_IN")
        assert session.connection_state in (None, "LOGGED IN")
        assert session.luns is None
