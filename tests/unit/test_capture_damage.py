"""What lost and strange lines do to a capture: at worst a value is not known, and that is said."""

import pytest

from iscsictl.model.listing import ChapNames, Listing, Session
from iscsictl.model.names import Portal
from iscsictl.parse.capture import parse_capture

TARGET = "Target: iqn.2003-01.org.example:a (non-flash)\n"
FIRST = Portal("192.0.2.5", 3260, 1)
SECOND = Portal("198.51.100.9", 860, 2)
HEAD = f"""\
{TARGET}\tCurrent Portal: 192.0.2.5:3260,1
\tPersistent Portal: 192.0.2.5:3260,1
\t\t**********
\t\tInterface:
\t\t**********
\t\tIface Name: default
\t\tIface HWaddress: <empty>
\t\tIface Netdev: <empty>
\t\tSID: 1
"""
CHAP = """\
\t\t*****
\t\tCHAP:
\t\t*****
\t\tusername: myaccount
\t\tpassword: ********
\t\tusername_in: array user
\t\tpassword_in: ********
"""
NAMES = ChapNames("myaccount", "array user")


def one_of(listing: Listing) -> Session:
    (session,) = listing.sessions
    return session


def without(text: str, line: str) -> str:
    assert text.count(line) == 1
    return "".join(kept for kept in text.splitlines(keepends=True) if line not in kept)


@pytest.mark.parametrize(
    ("name", "line"), [("username: myaccount", 15), ("username_in: array user", 17)]
)
@pytest.mark.parametrize(
    "noise", ["iscsiadm: could not read session targetname: 5", "a line without a colon"]
)
def test_a_strange_line_after_a_chap_name_does_not_lose_it(
    name: str, line: int, noise: str
) -> None:
    text = HEAD + CHAP.replace(f"{name}\n", f"{name}\n{noise}\n{noise}\n")
    listing = parse_capture(text)
    assert one_of(listing).chap == NAMES
    assert [note.line for note in listing.warnings] == [line]


@pytest.mark.parametrize("after", ["", "oops: 5\n", "oops: 5\nSID: 2\n", "*" * 79 + "\n"])
def test_a_name_that_no_secret_follows_is_left_out_and_its_line_is_named(after: str) -> None:
    listing = parse_capture(HEAD + CHAP.partition("\t\tpassword:")[0] + after)
    assert listing.sessions[0].chap == ChapNames(None, None)
    assert (14, "the CHAP section is damaged here, the name is left out") in [
        (note.line, note.text) for note in listing.warnings
    ]


@pytest.mark.parametrize(
    ("lost", "put"),
    [("\t\tusername: myaccount\n", ""),
     ("username: myaccount\n", "username: myaccount\nadmin@array1 password: \n"),
     ("username: myaccount\n", "username: my password: x\n"),
     ("\t\tusername: myaccount\n\t\tpassword: ********\n", "")],
)  # fmt: skip
def test_the_account_of_the_array_is_never_taken_for_that_of_the_host(lost: str, put: str) -> None:
    assert lost in CHAP
    session = one_of(parse_capture(HEAD + CHAP.replace(lost, put)))
    assert session.chap == ChapNames(None, "array user")


@pytest.mark.parametrize("label", ["password", "password_in"])
def test_the_label_of_the_last_secret_does_not_matter(label: str) -> None:
    listing = parse_capture(HEAD + CHAP.replace("password_in", label))
    assert (one_of(listing).chap, listing.warnings) == (NAMES, ())


def other_session() -> str:
    text = HEAD.replace("SID: 1", "SID: 2").removeprefix(TARGET)
    return text.replace("192.0.2.5:3260,1", "198.51.100.9:860,2")


def portals(text: str) -> list[tuple[int | None, Portal | None, Portal | None]]:
    return [
        (session.sid, session.portal, session.persistent_portal)
        for session in parse_capture(text).sessions
    ]


@pytest.mark.parametrize("heading", ["\t\tInterface:\n", ""])
def test_a_session_whose_current_portal_is_lost_leaves_the_one_before_alone(heading: str) -> None:
    second = without(other_session(), "Current Portal").replace("\t\tInterface:\n", heading)
    assert portals(HEAD + second) == [(1, FIRST, FIRST), (2, None, SECOND)]
    third = "\n" + HEAD.partition("Persistent")[2].partition("\n")[2].replace("SID: 1", "SID: 3")
    assert portals(HEAD + second + third)[1:] == [(2, None, SECOND), (3, None, SECOND)]


def test_a_session_whose_persistent_portal_is_lost_has_none() -> None:
    text = HEAD + without(other_session(), "Persistent Portal")
    assert portals(text) == [(1, FIRST, FIRST), (2, SECOND, None)]


def test_a_label_that_comes_again_begins_another_session() -> None:
    text = (
        f"{HEAD}\nIface Name: iface0\niSCSI Connection State: FREE\niSCSI Session State: FAILED\n"
        "\nIface Name: iface1\niSCSI Connection State: LOGGED IN\niSCSI Session State: LOGGED_IN\n"
        "\niSCSI Session State: FAILED\nSID: 5\n"
    )
    listing = parse_capture(text)
    assert [(one.sid, one.iface, one.session_state) for one in listing.sessions] == [
        (1, "default", None),
        (None, "iface0", "FAILED"),
        (None, "iface1", "LOGGED_IN"),
        (5, None, "FAILED"),
    ]
    assert {session.portal for session in listing.sessions} == {FIRST}
    assert [note.line for note in listing.warnings] == [12, 16]
