"""Sessions are printed as iscsiadm of several versions does, and read back."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iscsictl.model.listing import ChapNames, Host, Lun, Session, Timeouts
from iscsictl.model.names import Portal
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.session_status import session_status

SECRET = "Geheimnis-4711"
#: A line with the word of a secret is passed over unread, whatever it is: no name has it here.
WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.-_:", min_size=1, max_size=20).filter(
    lambda word: "password" not in word
)
NAMES = WORD.map(lambda word: "iqn.2010-10.org.example:" + word)
ACCOUNTS = st.none() | st.text("abcXYZ0189 :[]=*-_", min_size=1, max_size=15).map(
    lambda text: f"u{text}u"
)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str),
    st.sampled_from(["localhost", "array.example", "::ffff:192.0.2.1"]),
)  # fmt: skip
PORTALS = st.builds(Portal, ADDRESSES, st.integers(1, 65535), st.none() | st.integers(0, 65535))
STATES = st.sampled_from(
    [("LOGGED IN", "LOGGED_IN", "NO CHANGE"), ("TRANSPORT WAIT", "FAILED", "REOPEN"),
     ("IN LOGIN", "FREE", "REOPEN"), ("Unknown", "LOGGED_IN", "Unknown")]
)  # fmt: skip
SECONDS = st.none() | st.builds(Timeouts, *[st.integers(-1, 9999)] * 4)
PARAMS = st.none() | st.dictionaries(
    st.sampled_from(["HeaderDigest", "MaxBurstLength", "InitialR2T"]),
    st.sampled_from(["None", "CRC32C", "262144", "Yes"]), min_size=1,
)  # fmt: skip


def is_surely_whole(name: str) -> bool:
    """Tell whether a name that no word follows is not taken for one that was cut off."""
    return not name.endswith((":", "..."))


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    connection, state, internal = draw(STATES)
    host = draw(st.none() | st.builds(Host, st.integers(0, 999), st.just("running")))
    luns = None
    if host is not None:
        numbers = draw(st.lists(st.integers(0, 2**40), max_size=3, unique=True))
        luns = tuple(
            Lun(number, f"{host.number}:0:0:{number}", *draw(st.sampled_from(
                [("/dev/sdb", "running"), ("/dev/sdaa", "transport-offline"), (None, None)]
            )))
            for number in numbers
        )  # fmt: skip
    return Session(
        "iscsiadm", draw(NAMES), sid=draw(st.integers(0, 99999)),
        transport=draw(st.sampled_from([None, "tcp", "iser"])),
        portal=draw(PORTALS), persistent_portal=draw(PORTALS),
        iface=draw(WORD), initiator=draw(st.none() | NAMES.filter(is_surely_whole)),
        initiator_address=draw(st.sampled_from([None, "192.0.2.9", "2001:db8::1"])),
        status=session_status(state, connection, internal),
        connection_state=connection, session_state=state, internal_state=internal,
        timeouts=draw(SECONDS), chap=draw(st.none() | st.builds(ChapNames, ACCOUNTS, ACCOUNTS)),
        params=draw(PARAMS), host=host, luns=luns,
    )  # fmt: skip


def printed_portal(portal: Portal) -> str:
    address = portal.address if "." in portal.address else f"[{portal.address}]"
    return f"{address}:{portal.port},{-1 if portal.tpgt is None else portal.tpgt}"


def printed(every: list[Session], *, suffix: str, last_label: str) -> list[str]:
    lines = ["iSCSI Transport Class version 2.0-870", "version 2.1.8"]
    before: Session | None = None
    for one in every:
        same = before is not None and before.target == one.target
        if (
            before is not None
            and same
            and before.portal == one.portal
            and (before.persistent_portal == one.persistent_portal)
        ):
            lines.append("")
        else:
            if not same:
                lines.append(f"Target: {one.target}{suffix}")
            assert one.portal is not None
            assert one.persistent_portal is not None
            lines.append(f"\tCurrent Portal: {printed_portal(one.portal)}")
            lines.append(f"\tPersistent Portal: {printed_portal(one.persistent_portal)}")
        lines += [f"\t\t{line}" for line in body(one, last_label)]
        before = one
    return lines


def body(one: Session, last_label: str) -> list[str]:
    def value(text: str | None) -> str:
        return text or "<empty>"

    address = one.initiator_address
    lines = [
        "*" * 10, "Interface:", "*" * 10, f"Iface Name: {value(one.iface)}",
        f"Iface Transport: {value(one.transport)}", f"Iface Initiatorname: {value(one.initiator)}",
        f"Iface IPaddress: {f'[{address}]' if address and ':' in address else value(address)}",
        "Iface HWaddress: default", "Iface Netdev: default", f"SID: {one.sid}",
        f"iSCSI Connection State: {one.connection_state}",
        f"iSCSI Session State: {one.session_state}",
        f"Internal iscsid Session State: {one.internal_state}",
    ]  # fmt: skip
    if times := one.timeouts:
        lines += [
            "*" * 9,
            "Timeouts:",
            "*" * 9,
            f"Recovery Timeout: {times.recovery}",
            f"Target Reset Timeout: {times.target_reset}",
            f"LUN Reset Timeout: {times.lun_reset}",
            f"Abort Timeout: {times.abort}",
        ]
    if one.chap:
        lines += [
            "*" * 5,
            "CHAP:",
            "*" * 5,
            f"username: {value(one.chap.username)}",
            f"password: {SECRET}",
            f"username_in: {value(one.chap.username_in)}",
            f"{last_label}: {SECRET}",
        ]
    if one.params:
        lines += [
            "*" * 24,
            "Negotiated iSCSI params:",
            "*" * 24,
            *(f"{key}: {text}" for key, text in one.params.items()),
        ]
    if one.host:
        lines += [
            "*" * 24,
            "Attached SCSI devices:",
            "*" * 24,
            f"Host Number: {one.host.number}\tState: {one.host.state}",
        ]
        for lun in one.luns or ():
            lines.append(f"scsi{one.host.number} Channel 00 Id 0 Lun: {lun.lun}")
            if lun.device:
                name = lun.device.removeprefix("/dev/")
                lines.append(f"\tAttached scsi disk {name}\t\tState: {lun.state}")
    return lines


@settings(max_examples=150)
@given(
    st.lists(sessions(), max_size=4, unique_by=lambda session: session.sid),
    st.sampled_from(["", " (non-flash)", " (flash)"]),
    st.sampled_from(["password", "password_in"]),
    st.sampled_from(["as it is", "no indentation", "blanks", "crlf"]),
)
def test_what_iscsiadm_printed_is_read_back(
    every: list[Session], suffix: str, last_label: str, change: str
) -> None:
    assume(suffix or all(is_surely_whole(one.target) for one in every))
    if len(every) > 2:
        every[1] = every[1]._replace(
            target=every[0].target,
            portal=every[0].portal,
            persistent_portal=every[0].persistent_portal,
        )
    text = "\n".join(printed(every, suffix=suffix, last_label=last_label))
    if change == "no indentation":
        text = "\n".join(" ".join(line.split()) for line in text.split("\n"))
        every = [
            one._replace(chap=one.chap and ChapNames(squeezed(one.chap.username),
                                                     squeezed(one.chap.username_in)))
            for one in every
        ]  # fmt: skip
    elif change != "as it is":
        text = text.expandtabs() if change == "blanks" else text.replace("\n", "\r\n")
    listing = parse_capture(text)
    assert listing.sessions == tuple(every)
    assert listing.warnings == ()
    assert SECRET not in repr(listing)


def squeezed(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())


@pytest.mark.fault("F45")
@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    json.loads(listing_json(parse_capture(data)))


LINES = st.sampled_from(
    ["Target: iqn.2010-10.org.example:a", "Target:iqn.x Portal:192.0.2.1:3260,1", "Lun:1 Type:X",
     "Current Portal: 192.0.2.1:3260,1", "Persistent Portal: x", "Interface:", "SID: 1", "SID: x",
     "", "*" * 79, "*" * 10, "Iface Name: default", "CHAP:", "username: a", f"password: {SECRET}",
     "Recovery Timeout: x", "Host Number: 1 State: running", "Host Number: x", "Unavailable",
     "scsi1 Channel 00 Id 0 Lun: 1", "Attached scsi disk sda State: running", "HeaderDigest: None",
     "TARGET NAME : x", "TARGET NAME :", "LUN ID : 1", "LUN ID : x", "DEVICE DETAILS:", "-----",
     "Device: /dev/sda", "page83 type3: 1", "SESSION ID : ISID 1", "TARGET ADDRESS : 1",
     "PORTAL ADDRESS 1 : 192.0.2.1:3260,1", "tcp: [1] 192.0.2.1:3260,1 iqn.x", "version 2.1"]
)  # fmt: skip


@pytest.mark.fault("F45")
@settings(max_examples=300)
@given(st.lists(LINES | st.text(max_size=30), max_size=25))
def test_lines_in_any_order_give_an_answer_without_secrets(lines: list[str]) -> None:
    listing = parse_capture("\n".join(lines))
    text = listing_json(listing)
    json.loads(text)
    assert SECRET not in text
    assert all(note.line is not None for note in listing.warnings)
