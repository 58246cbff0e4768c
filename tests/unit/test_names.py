"""Portals and iSCSI names as an admin types them."""

import pytest

from iscsictl.model.names import Portal, parse_portal, why_not_made


@pytest.mark.parametrize(
    ("text", "portal"),
    [
        ("192.0.2.5", Portal("192.0.2.5", 3260)),
        ("array.example:860,2", Portal("array.example", 860, 2)),
        ("2001:db8::5", Portal("2001:db8::5", 3260)),
        ("[2001:db8::5]:3261", Portal("2001:db8::5", 3261)),
        ("::ffff:192.0.2.5", Portal("::ffff:192.0.2.5", 3260)),
        ("[array]:3260,0", Portal("array", 3260, 0)),
        ("array.example.", Portal("array.example.", 3260)),
        ("münchen.example", Portal("münchen.example", 3260)),
        ("a" * 63 + ".example", Portal("a" * 63 + ".example", 3260)),
    ],
)
def test_a_portal_has_an_address_and_may_have_a_port_and_a_tag(text: str, portal: Portal) -> None:
    assert parse_portal(text) == portal


@pytest.mark.parametrize(
    "text",
    ["", ":3260", "a b", "host:", "host:0", "host:65536", "host:+1", "host:3260,", "host,65536",
     "[2001:db8::5", "[2001:db8::5]3260", "[2001:db8::g]", "2001:db8:::5", "192.0.2.5:3260:1",
     "::1]:3260", "[]:3260", "fe80::1%eth0", "array1..example", ".example", "...", "[a..b]:3260",
     "a" * 64 + ".example", "a." * 126 + "aa", "ü" * 60, "array\udcff"],
)  # fmt: skip
def test_what_is_no_portal_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^portal .*$"):
        parse_portal(text)


@pytest.mark.parametrize(
    "name",
    ["iqn.2001-04.com.example", "iqn.2001-12.com.ex-ample.sub:a:b-c.d", "eui.02004567A425678D",
     "naa.52004567ba64678d", "naa.62004567ba64678d0123456789abcdef",
     "iqn.2001-04.com.example:" + "a" * 199],
)  # fmt: skip
def test_a_name_of_the_standard_may_be_made(name: str) -> None:
    assert why_not_made(name) is None


@pytest.mark.parametrize(
    "name",
    ["iqn.2001-00.com.example", "iqn.2001-4.com.example", "iqn.2001-04", "iqn.2001-04.:a",
     "iqn.2001-04.com..example:a", "iqn.2001-04.com.-example", "iqn.2001-04.com.example-:a",
     "iqn.2001-04.com.example.:a", "IQN.2001-04.com.example", "iqn.2001-04.com.example:a b",
     "iqn.2001-04.com.example:a\n", "iqn.2001-04.com.example:" + "a" * 200,
     "eui.02004567A425678D0", "naa.62004567ba64678d", "naa.52004567ba64678d0123456789abcdef"],
)  # fmt: skip
def test_no_other_name_is_made(name: str) -> None:
    assert why_not_made(name)
