"""Records: read as open-iscsi reads them, edited in place."""

from pathlib import Path

import pytest

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord, number_of
from iscsictl.model.secret import Secret
from iscsictl.parse.record import (
    edit_record,
    find_damage,
    is_truncated,
    oversized_keys,
    parse_values,
)

RECORD = """\
# BEGIN RECORD 2.1.8
node.name = iqn.2003-01.org.linux-iscsi:t1
node.tpgt = 1
node.startup = manual
node.leading_login = No
iface.iscsi_ifacename = default
iface.transport_name = tcp
node.discovery_address = 192.0.2.5
node.session.auth.authmethod = CHAP
node.session.auth.username = myaccount
node.session.auth.password = of-the-record-1
node.session.timeo.replacement_timeout = 120
node.conn[0].address = 192.0.2.5
node.conn[0].port = 3260
# END RECORD
"""


def _node(text: str) -> NodeRecord:
    return NodeRecord(
        path=Path("x"), values=parse_values(text), target="iqn.x", portal=Portal("192.0.2.5")
    )


def test_the_values_of_a_record_are_read() -> None:
    node = _node(RECORD)
    assert (node.startup, node.onboot, node.username, node.username_in) == (
        "manual",
        False,
        "myaccount",
        None,
    )
    assert (node.has_secret, node.has_secret_in) == (True, False)


def test_a_secret_is_nowhere_in_what_was_read() -> None:
    assert "of-the-record" not in repr(_node(RECORD))
    assert parse_values(RECORD)["node.session.auth.password"] == "********"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = v\n", "v"),
        ("k =v\n", "v"),
        ("  k \t =  v w \t\n", "v w"),
        ("k = v # no comment\n", "v # no comment"),
        ("k==v\n", "v"),
        ("k = a = b\n", "a = b"),
        ("k = 1\nk = 2\n", "2"),
        ("k = v\r\n", "v"),
        ("k=v\n", None),
        ("k v\n", None),
        ("k =\n", None),
        ("k\n", None),
        ("#k = v\n", None),
        ("  # k = v\n", None),
        ("k = v", None),
        ("k = <empty>\n", None),
        ("k = \0v\n", None),
        ("k = " + "v" * 2043 + "\n", None),
    ],
)
def test_a_line_is_read_as_open_iscsi_reads_it(line: str, value: str | None) -> None:
    assert parse_values(line).get("k") == value


@pytest.mark.fault("F03")
@pytest.mark.parametrize(("text", "said"), [("", "0 bytes"), ("\0" * 4096, "zero bytes")])
def test_what_holds_no_record_says_so(text: str, said: str) -> None:
    damage = find_damage(text)
    assert damage is not None
    assert said in damage
    with pytest.raises(RefusedError):
        edit_record(text, {"node.startup": "automatic"})


@pytest.mark.fault("F03")
def test_a_truncated_record_is_told_from_a_whole_one() -> None:
    assert is_truncated(RECORD[:300])
    assert not is_truncated(RECORD)
    assert not is_truncated(RECORD.removesuffix("\n"))
    # Releases up to 2.0-870 wrote no frame.
    assert not is_truncated("node.name = x\n")


@pytest.mark.fault("F03")
def test_a_truncated_record_gets_its_end_and_keeps_what_was_read_of_it() -> None:
    cut = RECORD[: RECORD.index("node.session.auth.username") + 10]
    completed = edit_record(cut, {})
    assert completed == RECORD[: RECORD.index("node.session.auth.username")] + "# END RECORD\n"
    assert parse_values(completed) == parse_values(cut)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("node.startup = " + "x" * 255, ()),
        ("node.startup = " + "x" * 256, ("node.startup",)),
        ("node.startup = " + "\u00e9" * 128, ("node.startup",)),
        ("k" * 127 + " = x", ()),
        ("k" * 128 + " = x", ("k" * 128,)),
    ],
)
def test_what_overruns_the_buffers_of_iscsiadm_is_named(line: str, keys: tuple[str, ...]) -> None:
    assert oversized_keys(RECORD.replace("# END", f"{line}\n# END")) == keys


def test_a_whole_record_has_no_damage() -> None:
    assert find_damage(RECORD) is None
    assert find_damage(RECORD.removesuffix("\n")) is None


FRAMELESS = "".join(RECORD.splitlines(keepends=True)[1:-1])


@pytest.mark.fault("F83")
def test_a_record_without_a_frame_is_read_and_edited_like_any_other() -> None:
    assert parse_values(FRAMELESS) == parse_values(RECORD)
    changed = edit_record(FRAMELESS, {"node.startup": "automatic", "node.session.scan": "manual"})
    assert changed == FRAMELESS.replace("startup = manual", "startup = automatic").replace(
        "timeout = 120\n", "timeout = 120\nnode.session.scan = manual\n"
    )
    assert edit_record(FRAMELESS, {"node.future": "1"}) == f"{FRAMELESS}node.future = 1\n"


def test_a_line_that_nobody_reads_does_not_come_to_life_by_an_edit() -> None:
    cut_off = f"{FRAMELESS}node.startup = onb"
    changed = edit_record(cut_off, {"node.future": "1"})
    assert changed == f"{FRAMELESS}node.future = 1\nnode.startup = onb"
    assert parse_values(changed)["node.startup"] == "manual"


def test_a_key_is_set_in_its_place() -> None:
    assert edit_record(RECORD, {"node.startup": "automatic"}) == RECORD.replace(
        "node.startup = manual", "node.startup = automatic"
    )


def test_a_new_key_goes_where_open_iscsi_has_it() -> None:
    new = edit_record(
        RECORD,
        {
            "node.session.auth.password_in": Secret("of-the-target-1"),
            "node.session.auth.username_in": "target",
            "node.session.scan": "manual",
        },
    )
    assert new == RECORD.replace(
        "password = of-the-record-1\n",
        "password = of-the-record-1\n"
        "node.session.auth.username_in = target\n"
        "node.session.auth.password_in = of-the-target-1\n",
    ).replace("timeout = 120\n", "timeout = 120\nnode.session.scan = manual\n")


def test_a_key_that_nobody_knows_goes_before_the_end() -> None:
    assert edit_record(RECORD, {"node.future": "1"}) == RECORD.replace(
        "# END", "node.future = 1\n# END"
    )


def test_a_key_is_removed_wherever_it_stands() -> None:
    twice = RECORD.replace("# END", "node.session.auth.password = again\n# END")
    assert "password" not in edit_record(twice, {"node.session.auth.password": None})
    assert edit_record(RECORD, {"node.session.auth.username_in": None}) == RECORD


def test_a_key_that_stands_twice_is_set_once() -> None:
    twice = RECORD.replace("# END", "node.startup = onboot\n# END")
    assert edit_record(twice, {"node.startup": "automatic"}) == RECORD.replace(
        "startup = manual", "startup = automatic"
    )


def test_other_lines_keep_their_bytes_whatever_they_are() -> None:
    odd = RECORD.replace(
        "# END", "odd\tline\r\n\n x = \udcff \x85\u2028 y\n" + "z" * 5000 + "\n# END"
    )
    assert edit_record(odd, {"node.tpgt": "2"}) == odd.replace("node.tpgt = 1", "node.tpgt = 2")


@pytest.mark.fault("F05")
@pytest.mark.parametrize("value", ["", " Zq", "Zq ", "Zq\t", "Zq\nb", "Zq\rb", "Zq\0b", "x" * 256])
def test_a_value_or_secret_that_open_iscsi_cannot_keep_is_refused(value: str) -> None:
    with pytest.raises(UsageError) as refused:
        edit_record(RECORD, {"node.session.auth.username": value})
    assert "\n" not in refused.value.text
    with pytest.raises(ValueError, match="secret") as error:
        Secret(value)
    assert not value.strip() or value not in str(error.value)


@pytest.mark.parametrize("key", ["", "a b", "a=b", "#a", "a\nb", "k" * 128])
def test_a_key_that_no_line_can_carry_is_refused(key: str) -> None:
    with pytest.raises(UsageError):
        edit_record(RECORD, {key: "v"})


def test_a_secret_in_the_open_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        edit_record(RECORD, {"node.session.auth.password": "hunter2hunter2"})
    assert "hunter2" not in refused.value.text


@pytest.mark.parametrize(
    ("text", "number"), [("120", 120), ("-1", -1), ("10s", 10), ("", None), ("x", None)]
)
def test_numbers_are_read_as_strtol_reads_them(text: str, number: int | None) -> None:
    assert number_of(text) == number
