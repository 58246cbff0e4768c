"""What lost and strange lines do to a capture: at worst a value is not known, and that is said."""

from functools import partial

import pytest

from iscsictl.model.listing import ChapNames, Listing, Session
from iscsictl.model.names import Portal
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from tests.unit.growth import require_linear_time

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
OLD = """\
TARGET NAME             : iqn.2003-01.org.example:a
TARGET ALIAS            :
HOST NO                 : 3
BUS NO                  : 0
TARGET ID               : 0
TARGET ADDRESS          : 192.0.2.5:3260
SESSION STATUS          : ESTABLISHED AT Fri Oct 28 16:30:40 EDT 2005
NO. OF PORTALS          : 2
PORTAL ADDRESS 1        : 192.0.2.5:3260,1
PORTAL ADDRESS 2        : 198.51.100.9:860,2
"""
LUNS = """\
DEVICE DETAILS:
---------------
LUN ID : 0
  Vendor: PROMISE  Model: VTRAK 15200      Rev: 2.31
  Type:   Direct-Access                    ANSI SCSI revision: 04
  page83 type3: 60a980
  page80: 56716c
LUN ID : 1
  Vendor: NETAPP   Model: LUN              Rev: 0.2
  Type:   Direct-Access                    ANSI SCSI revision: 04
  page83 type3: 60a981
  page80: 56716d
  Device: /dev/sdd
"""


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
    assert (14, "the CHAP section is damaged here; the name is left out") in [
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


def test_of_two_names_for_one_account_neither_is_taken() -> None:
    listing = parse_capture(
        HEAD + CHAP.replace("\t\tpassword:", "\t\tusername: bob\n\t\tpassword:")
    )
    assert one_of(listing).chap == ChapNames(None, "array user")
    assert [note.line for note in listing.warnings] == [14]


@pytest.mark.parametrize("text", [f"{HEAD}username: bob\n{CHAP}", f"{HEAD}{CHAP}username: bob\n"])
def test_a_name_outside_its_section_is_not_taken(text: str) -> None:
    assert one_of(parse_capture(text)).chap == NAMES


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
        (5, None, None),
    ]
    assert {session.portal for session in listing.sessions} == {FIRST}
    assert [note.line for note in listing.warnings] == [12, 16, 20]


def test_of_several_portals_none_is_taken_for_the_one_in_use() -> None:
    assert one_of(parse_capture(OLD)).portal == FIRST
    lost = without(OLD, "TARGET ADDRESS")
    assert one_of(parse_capture(lost)).portal is None
    assert one_of(parse_capture(without(lost, "PORTAL ADDRESS 2"))).portal == FIRST


@pytest.mark.parametrize("instead", ["", "LUN ID : x\n"])
def test_a_lun_whose_number_is_lost_leaves_the_one_before_alone(instead: str) -> None:
    first, second = one_of(parse_capture(OLD + LUNS)).luns or ()
    assert (first.vendor, first.page83, first.page80, first.device) == (
        "PROMISE", "60a980", "56716c", None,
    )  # fmt: skip
    assert (second.vendor, second.model, second.device) == ("NETAPP", "LUN", "/dev/sdd")
    listing = parse_capture(OLD + LUNS.replace("LUN ID : 1\n", instead))
    assert one_of(listing).luns == (first,)
    assert listing.warnings[-1].line == 18 + bool(instead)


LONG_NAME = f"tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:{'a' * 60}"
TREE = HEAD + "Host Number: 3\tState: running\n"


@pytest.mark.parametrize(
    ("begin", "again", "times", "end"),
    [(f"{OLD}LUN ID : 0\nVendor:", " ", 2000, "x"),
     (f"{OLD}LUN ID : 0\nVendor:", " Model:", 40000, "x"),
     ("A", " ", 40000, "x"), (f"{OLD}A", " ", 40000, "x"), (OLD, "LUN ID : 1\n", 30000, ""),
     ("Target:iqn.x Portal:192.0.2.5:3260,1\n", "Lun:1\n", 30000, ""),
     ("", "\x1b]aaa", 20000, ""), ("Target: a", " ", 40000, "b"),
     (TREE, "scsi3 Channel 00 Id 0 Lun: 1\n", 30000, ""),
     ("", 'NAME="x" ', 20000, ""), ("", 'NAME="x" TYPE="part"\n', 5000, ""),
     ("", 'NAME="x" TYPE="lvm"\n', 5000, ""),
     ('"blockdevices": [\n', '{"name": "a"},\n', 10000, ""),
     ("[1:0:0:0] disk x", " ", 20000, "y"),
     (f"{TREE}|- 6:0:0:0", " ", 5000, "!"), ("12:", '"', 5000, "!"), ("12:", "\\t", 5000, "!"),
     ("12:", "\\", 10000, "!"),
     ("", "NAME SIZE TYPE\nx 1G part\n", 5000, ""), ("", f"{LONG_NAME}\nrest-of-it\n", 5000, "")],
    ids=["inquiry", "inquiry's labels", "label", "label of a target", "old LUNs", "libiscsi's LUNs",
         "escapes", "target", "LUNs", "pairs", "partitions in pairs", "volumes in pairs", "JSON",
         "lsscsi", "ending of a marked line", "quotes", "spelled tabs", "backslashes", "tables",
         "broken names"],
)  # fmt: skip
def test_no_text_takes_more_time_than_its_length_asks_for(
    begin: str, again: str, times: int, end: str
) -> None:
    require_linear_time(lambda size: partial(parse_capture, begin + again * size + end), times)


def test_an_escape_that_has_no_end_does_not_swallow_the_next() -> None:
    text = HEAD.replace("Target:", "\x1b]0;title\x07\x1b]0;t\x1b\\\x1b[1mTarget:\x1b[0m")
    assert parse_capture(text) == parse_capture(HEAD)
    broken = parse_capture("\x1b]0;title\n" + HEAD.replace("Target:", "\x1b[1mTarget:"))
    assert broken.sessions == parse_capture(HEAD).sessions


@pytest.mark.fault("F109")
def test_a_disk_that_an_old_kernel_logged_is_no_lun_of_a_session() -> None:
    lun = "\t\tscsi3 Channel 00 Id 0 Lun: 9\n"
    head = (
        "Target: iqn.2001-04.com.example:a (non-flash)\n\tCurrent Portal: 192.0.2.5:3260,1\n"
        "\t\tSID: 1\n\t\tHost Number: 3\tState: running\n"
    )
    (session,) = parse_capture(
        f"{head}{lun}Attached scsi disk sda at scsi0, channel 0, id 0, lun 0\n"
    ).sessions
    assert [lun.device for lun in session.luns or ()] in ([None], [])


@pytest.mark.parametrize(
    "text",
    ['"blockdevices": [\n' + '{"name": "a", "children": [\n' * 5000,
     "".join(f'NAME="x{n}" TYPE="{"lvm" if n % 2 else "crypt"}"\n' for n in range(5000)),
     "NAME SIZE TYPE\nsda 1G disk\n" + "".join(f"{' ' * n}`-x{n} 1G lvm\n" for n in range(3000))],
    ids=["JSON", "pairs", "tree"],
)  # fmt: skip
def test_devices_stand_on_each_other_in_any_number(text: str) -> None:
    assert listing_json(parse_capture(text))


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    "line",
    ["--block-size=SIZE", "read-ahead-buffer-size=4096", "scratch-disk size=64k", "journal.99 -",
     "block-device-of-the-array - iqn.2001-04.com.example:a", "Copyright: n/a",
     'NAME="GNU/Linux"', "[    0.038305] pcpu-alloc: [0] 0 1",
     "FFDC (F) - First failure data capture, easy to use",
     "name uuid state\nvm1 0a1b2c3d4e5f60718 up",
     "mpath-list (multipath-tools) - maps, and their paths"],
)  # fmt: skip
def test_words_that_only_look_like_a_session_a_map_or_a_device_are_none(line: str) -> None:
    listing = parse_capture(f"{line}\n")
    assert not listing.sessions
    assert listing.capture is not None
    assert listing.capture.disks is None
