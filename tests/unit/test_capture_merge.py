"""The outputs of one capture that show the same session with different values."""

from pathlib import Path

import pytest

from iscsictl.parse.capture import parse_bundle, parse_capture

FLAT = "tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a"
LONG = """\
Target: iqn.2001-04.com.example:a
\tCurrent Portal: 192.0.2.5:3260,1
\tPersistent Portal: 192.0.2.5:3260,1
\t\tInterface:
\t\tIface Name: default
\t\tSID: 1
\t\tiSCSI Connection State: LOGGED IN
\t\tiSCSI Session State: {state}"""
LOGGED_IN, FAILED = LONG.format(state="LOGGED_IN"), LONG.format(state="FAILED")
TEXT = (
    "session 1 of iqn.2001-04.com.example:a is listed twice with different values; the later ones "
    "are used"
)
LIBISCSI = "Target:iqn.x Portal:192.0.2.5:3260,1\nLun:{lun} Type:DIRECT_ACCESS"


def test_a_later_output_with_another_state_counts_and_its_line_is_told() -> None:
    listing = parse_capture(f"{LOGGED_IN}\n# iscsiadm -m session -P 1\n{FAILED}")
    (session,), (note,) = listing.sessions, listing.warnings
    assert session.session_state == "FAILED"
    assert (note.text, note.line) == (TEXT, 13)  # its `Interface:`


def test_outputs_that_agree_give_no_warning() -> None:
    listing = parse_capture(f"{FLAT}\n{LOGGED_IN}\n$ iscsiadm -m session\n{FLAT}")
    assert len(listing.sessions) == 1
    assert listing.warnings == ()


def test_a_session_without_a_number_is_named_by_its_target() -> None:
    listing = parse_capture(f"{LIBISCSI.format(lun=1)}\n{LIBISCSI.format(lun=2)}")
    (note,) = listing.warnings
    assert note.text.startswith("a session of iqn.x is listed twice with different values")
    assert note.line == 3


@pytest.mark.fault("F109")
def test_the_file_of_a_bundle_is_told_with_its_line(tmp_path: Path) -> None:
    name = tmp_path / "later.txt"
    listing = parse_bundle([("first.txt", LOGGED_IN.encode()), (str(name), FAILED.encode())])
    (note,) = listing.warnings
    assert (note.text, note.line) == (f"{TEXT} (in later.txt)", 4)
