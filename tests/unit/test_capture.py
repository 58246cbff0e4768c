import json
from pathlib import Path
from typing import Any

import pytest

from iscsictl.model.names import Portal
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.portal import read_portal
from iscsictl.parse.session_status import session_status

DATA = Path(__file__).parent / "data" / "sessions"
CASES = DATA / "formats"
SECRET = "Sesam-oeffne-dich"


def text_of(name: str) -> str:
    return (DATA / f"{name}.txt").read_text()


def as_json(text: str | bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(listing_json(parse_capture(text)))
    return document


def contains(expected: Any, found: Any, where: str = "") -> None:
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, where
            contains(value, found[key], f"{where}/{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            contains(one, other, f"{where}[{number}]")
    else:
        assert found == expected, where


@pytest.mark.parametrize("case", sorted(CASES.glob("*.txt")), ids=lambda case: case.stem)
def test_recorded_output_of_each_version_gives_its_json(case: Path) -> None:
    expected = json.loads(case.with_suffix(".json").read_text())
    for data in (case.read_bytes(), case.read_bytes().replace(b"\n", b"\r\n")):
        document = as_json(data)
        contains(expected, document)
        assert document["warnings"] == []
        assert document["disks"] is None


def test_a_blank_line_means_the_same_target_and_portals() -> None:
    first, second = parse_capture(text_of("mixed-P3")).sessions
    assert (first.sid, second.sid) == (4, 12)
    assert second.target == first.target == "iqn.2010-10.org.example:Mail.A_1"
    assert second.portal == first.portal == Portal("192.0.2.10", 3260, 1)
    assert second.persistent_portal == Portal("localhost", 3260, None)


def test_what_the_source_does_not_know_is_none_and_not_empty() -> None:
    first, second = parse_capture(text_of("mixed-P3")).sessions
    assert first.luns is not None
    assert [(lun.lun, lun.device) for lun in first.luns] == [(0, "/dev/sdb"), (10, None)]
    assert second.luns is None
    assert second.host is None
    assert second.transport is None
    assert second.initiator is None
    assert second.initiator_address is None
    assert first.initiator_address == "2001:db8::9"
    assert second.status == "unknown"
    assert second.chap is None
    assert first.params == {"HeaderDigest": "None", "MaxRecvDataSegmentLength": "262144"}


def test_account_names_are_kept_and_secrets_are_not() -> None:
    listing = parse_capture(text_of("mixed-P3"))
    chap = listing.sessions[0].chap
    assert chap is not None
    assert (chap.username, chap.username_in) == ("alice: the first", None)
    assert SECRET not in repr(listing)
    assert SECRET not in listing_json(listing)


@pytest.mark.parametrize("line", range(20, 45))
def test_a_secret_is_not_shown_wherever_the_capture_is_cut(line: int) -> None:
    lines = text_of("mixed-P3").split("\n")
    for part in (lines[:line], lines[line:]):
        assert SECRET not in repr(parse_capture("\n".join(part)))


@pytest.mark.parametrize(
    "damage",
    [("first\n\t\tpassword: ", "first password: "), ("first\n\t\tpassw", "fi"),
     ("<empty>\n\t\tpassword: ", ""), ("15\n\t\t*****\n\t\tCHAP:\n", "15\n")],
)  # fmt: skip
def test_a_name_that_may_be_a_secret_is_left_out(damage: tuple[str, str]) -> None:
    text = text_of("mixed-P3")
    assert damage[0] in text
    listing = parse_capture(text.replace(*damage))
    assert SECRET not in repr(listing)
    assert len(listing.sessions) == 2


def test_flat_lists_know_only_the_persistent_portal() -> None:
    sessions = parse_capture(text_of("flat")).sessions
    assert [session.sid for session in sessions] == [1, 2, 31]
    assert [session.persistent_portal for session in sessions] == [
        Portal("192.0.2.10", 3260, 1),
        Portal("::ffff:192.0.2.1", 3260, None),
        Portal("2001:db8::1", 860, 1001),
    ]
    assert [session.transport for session in sessions] == ["tcp", None, "iser"]
    assert sessions[2].target == "iqn.2010-10.org.Example:C_2"
    assert {session.status for session in sessions} == {"unknown"}


def test_the_old_driver_s_portal_takes_its_tag_from_the_list_of_portals() -> None:
    (session,) = parse_capture(text_of("sfnet-two-portals")).sessions
    assert session.portal == Portal("192.0.2.11", 3260, 2)
    assert (session.status, session.since) == ("down", "Mon Jan  7 10:00:00 CET 2008")
    assert (session.isid, session.tsih, session.alias) == ("00023d000001", "1f", None)
    assert session.luns is not None
    lun = session.luns[0]
    assert (lun.lun, lun.hctl, lun.device) == (3, "5:0:2:3", "/dev/sdq")
    assert (lun.vendor, lun.model, lun.page83, lun.page80) == (
        "EXAMPLE", "BOX 9", "600a0b80000001", "303132",
    )  # fmt: skip


def test_several_captures_with_prompts_between_are_one_listing() -> None:
    libiscsi = "Target:iqn.2010-10.org.example:u Portal:[2001:db8::7]:3260,1\nLun:0  Type:X\n"
    text = "\n".join(
        [
            "\ufeff[root@old ~]# iscsi-ls -l",
            text_of("sfnet-two-portals"),
            "root@new:~# iscsiadm -m session -P 3",
            text_of("mixed-P3"),
            "root@new:~# iscsiadm -m session",
            text_of("flat"),
            "$ iscsi-ls -s iscsi://192.0.2.7",
            libiscsi,
            "iscsiadm: No active sessions.",
        ]
    )
    listing = parse_capture(text)
    assert [session.source for session in listing.sessions] == [
        "sfnet", "iscsiadm", "iscsiadm", "iscsiadm", "iscsiadm", "iscsiadm", "libiscsi",
    ]  # fmt: skip
    assert listing.warnings == ()


@pytest.mark.parametrize("first", ["libiscsi", "sfnet"])
def test_sessions_stand_in_the_order_of_the_capture(first: str) -> None:
    texts = {
        "libiscsi": "Target:iqn.2010-10.org.example:u Portal:192.0.2.7:3260,1\n",
        "sfnet": text_of("sfnet-two-portals").rstrip("*\n") + "\n",
    }
    another = texts[first].replace("iqn.2010-10.org.example:", "iqn.2010-10.org.example:z")
    listing = parse_capture(texts[first] + text_of("flat") + another)
    assert [one.source for one in listing.sessions] == [first, *["iscsiadm"] * 3, first]


@pytest.mark.parametrize("before", [True, False])
def test_lists_of_records_and_hosts_are_no_sessions(before: bool) -> None:
    other = (
        "SENDTARGETS:\n\tDiscoveryAddress: 192.0.2.5,3260\n"
        "\t\tTarget: iqn.2010-10.org.example:n\n\t\t\tPortal: 192.0.2.5:3260,1\n"
        "\t\t\t\tIface Name: default\nTarget: iqn.2010-10.org.example:m\n"
        "\tPortal: 192.0.2.5:3260,1\n\t\tIface Name: default\n\tPortal: 192.0.2.6:3260,1\n"
        "\t\tIface Name: default\nHost Number: 77\n\tState: running\n\tTransport: tcp\n"
    )
    text = text_of("mixed-P3")
    listing = parse_capture(other + text if before else text + other)
    assert listing.sessions == parse_capture(text).sessions
    assert [note.text.partition(" or ")[0] for note in listing.warnings] == ["node records"]
    assert listing.capture is not None
    assert [record.target[-1] for record in listing.capture.records or ()] == ["n", "m", "m"]


def test_a_timeout_that_is_not_known_is_none_and_no_fault() -> None:
    text = text_of("mixed-P3")
    before = parse_capture(text).sessions[0].timeouts
    listing = parse_capture(text.replace("Abort Timeout: 15", "Abort Timeout: <empty>"))
    assert before is not None
    assert listing.sessions[0].timeouts == before._replace(abort=None)
    assert listing.warnings == ()


@pytest.mark.parametrize(
    "change",
    ["tabs", "blanks", "none", "lost", "crlf", "crcrlf", "cr", "bom", "utf16", "utf16-no-mark",
     "colours", "quoted", "quoted twice", "no-break", "blank lines between"],
)  # fmt: skip
def test_how_the_text_was_mangled_on_its_way_does_not_matter(change: str) -> None:
    text = text_of("mixed-P3")
    changed: dict[str, str | bytes] = {
        "tabs": text,
        "blanks": text.expandtabs(),
        "none": "\n".join(" ".join(line.split()) for line in text.split("\n")),
        "lost": text.replace("\t", ""),
        "crlf": text.replace("\n", "\r\n"),
        "crcrlf": text.replace("\n", "\r\r\n"),
        "cr": text.replace("\n", "\r"),
        "quoted": "".join(f"> {line}\n" for line in text.split("\n")),
        "quoted twice": "".join(f"> >{line}\n" for line in text.split("\n")),
        "no-break": text.replace("\t", "\xa0\xa0").replace(": ", ":\xa0"),
        "blank lines between": text.replace("\n", "\n\n"),
        "utf16-no-mark": text.encode("utf-16-le"),
        "bom": text.encode("utf-8-sig"),
        "utf16": text.encode("utf-16"),
        "colours": text.replace("Target:", "\x1b[1mTarget:\x1b[0m"),
    }
    assert parse_capture(changed[change]) == parse_capture(text)


@pytest.mark.parametrize(
    "prompt",
    ["[root@h ~]# ", "[root@h ~]#", "root@h:/tmp# ", "host:~ # ", "~ # ", "root@h ~> ", "me@h ~ $ ",
     "(venv) me@h:~$ ", "bash-4.2$ ", "h% ", "$ sudo ", "PS C:\\> "],
)  # fmt: skip
def test_a_prompt_of_any_shell_is_no_noise(prompt: str) -> None:
    text = text_of("mixed-P3")
    typed = f"{prompt}iscsiadm -m session -P 3\n{text}\n{prompt}"
    assert parse_capture(typed) == parse_capture(text)


@pytest.mark.parametrize(
    "damage",
    [("password:", "password :"), ("password: ", "password:\n"),
     ("\n\t\tpassword: ", " password: "), ("password: ", "password:"),
     ("password:", "Password:"), ("password: ", "password= "),
     ("password:", "pass\nword:"), ("password:", "passw\x1b[1mord:"), ("CHAP:\n", ""),
     ("\t\tusername: alice: the first\n", "")],
)  # fmt: skip
def test_a_secret_stays_hidden_however_its_label_was_damaged(damage: tuple[str, str]) -> None:
    text = text_of("mixed-P3")
    assert damage[0] in text
    listing = parse_capture(text.replace(*damage))
    assert SECRET not in repr(listing)
    assert len(listing.sessions) == 2


def test_lines_that_cannot_be_read_are_named_and_not_repeated() -> None:
    text = "my notes: s3cret\nmore\n" + text_of("flat") + "tcp: [x] nonsense\n"
    listing = parse_capture(text)
    assert [note.line for note in listing.warnings] == [1, 6]
    assert "s3cret" not in repr(listing.warnings)
    assert len(listing.sessions) == 3


def test_a_capture_that_breaks_off_keeps_what_it_had() -> None:
    text = text_of("mixed-P3").split("\t\tSID: 12")[0]
    first, second = parse_capture(text).sessions
    assert (first.sid, second.sid, second.iface) == (4, None, "second")
    assert [note.line for note in parse_capture(text).warnings] == [47]


@pytest.mark.fault("F45")
@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 50, b"\xff\xfe", b"\xff\xfeT", b"Target: ", b"Target:\n\tSID: 1", b":", b"*" * 79,
     b"TARGET NAME:", b"SID: 99999999999999999999", b"Lun:1", b"Target: x\nInterface:\nSID: \xb2",
     b"Target: x\nInterface:\nHost Number: \nscsi1 Channel 00 Id 0 Lun: 1"],
)  # fmt: skip
def test_nonsense_gives_an_answer(data: bytes) -> None:
    json.loads(listing_json(parse_capture(data)))


@pytest.mark.parametrize(
    ("session", "connection", "internal", "status"),
    [
        ("LOGGED_IN", "LOGGED IN", "NO CHANGE", "up"),
        ("LOGGED_IN", None, None, "up"),
        ("LOGGED_IN", "Unknown", "Unknown", "unknown"),
        ("FAILED", "TRANSPORT WAIT", "REOPEN", "recovering"),
        ("FREE", "IN LOGIN", "REOPEN", "recovering"),
        ("FAILED", None, None, "recovering"),
        ("FREE", "Unknown", "Unknown", "recovering"),
        ("FREE", "FREE", "NO CHANGE", "down"),
        ("FREE", "IN LOGOUT", "CLEANUP", "down"),
        ("Unknown", "LOGGED IN", "NO CHANGE", "unknown"),
        (None, None, None, "unknown"),
    ],
)
def test_the_status_follows_from_the_states(
    session: str | None, connection: str | None, internal: str | None, status: str
) -> None:
    assert session_status(session, connection, internal) == status


def test_the_misspelt_state_of_old_versions_is_the_same_state() -> None:
    text = text_of("mixed-P3").replace("State: NO CHANGE", "State: REPOEN")
    assert parse_capture(text).sessions[0].internal_state == "REOPEN"


@pytest.mark.parametrize(
    ("text", "portal"),
    [
        ("[::1]:3260,1", Portal("::1", 3260, 1)),
        ("host.example:860,4294967295", Portal("host.example", 860, None)),
        ("192.0.2.1:3260", Portal("192.0.2.1", 3260, None)),
        ("<empty>:3260,1", None),
        ("192.0.2.1:99999,1", None),
        ("192.0.2.1", None),
    ],
)
def test_printed_portals_are_read(text: str, portal: Portal | None) -> None:
    assert read_portal(text) == portal


def agree(one: Any, other: Any, where: str = "") -> None:
    """What both know is the same; None is not known."""
    if one is None or other is None:
        return
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one.keys() - {"source"}:
            agree(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for first, second in zip(one, other, strict=True):
            agree(first, second, where)
    else:
        assert one == other, where


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_real_output_agrees_with_what_the_kernel_said_at_that_moment(suite: str) -> None:
    """Eight sessions, recorded: two ifaces, IPv6, mutual CHAP, no LUN, cut off, given up."""
    found = as_json((DATA / "real" / f"{suite}.txt").read_bytes())
    live = json.loads((DATA / "real" / f"{suite}.json").read_text())
    assert found["warnings"] == []
    expected = {session["sid"]: session for session in live["sessions"]}
    assert len(found["sessions"]) == len(expected) == 8
    for session in found["sessions"]:
        session["luns"].sort(key=lambda lun: lun["lun"])
        agree(session, expected[session["sid"]], session["target"])
    states = [session["session_state"] for session in found["sessions"]]
    assert sorted(states) == ["FAILED"] * 2 + ["FREE"] + ["LOGGED_IN"] * 5
