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
     "a" * 64 + ".example", "a." * 126 + "aa", "ü" * 60, "array\udcff",
     "iqn.2001-04.com.example:mail"],
)  # fmt: skip
def test_what_is_no_portal_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^portal .*$"):
        parse_portal(text)


SPELLINGS = [
    ("2001:db8::5", "2001:DB8:0:0::5"),
    ("2001:db8::5", "2001:0db8:0000:0000:0000:0000:0000:0005"),
    ("2001:db8::5", "[2001:db8::5]"),
    ("192.0.2.5", "::ffff:192.0.2.5"),
    ("192.0.2.5", "::FFFF:C000:205"),
    ("array.example", "Array.Example."),
]


@pytest.mark.fault("F87")
@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_one_address_is_one_portal_however_it_is_written(one: str, other: str) -> None:
    first, second = Portal(one, 3260, 1), Portal(other, 3260, 1)
    assert first == second
    assert len({first, second}) == 1
    assert first.same_place(second)
    assert first != Portal(other, 3261, 1)
    assert first != Portal(other, 3260, 2)
    # open-iscsi compares byte for byte, so the spelling that was met stays.
    assert second.address == other


@pytest.mark.fault("F87")
def test_different_addresses_stay_different() -> None:
    addresses = ["2001:db8::5", "2001:db8::50", "192.0.2.5", "192.0.2.50", "array", "::5"]
    assert len({Portal(address) for address in addresses}) == len(addresses)


@pytest.mark.fault("F87")
@pytest.mark.parametrize(
    ("text", "address"),
    [("[2001:DB8:0:0::5]:3260", "2001:db8::5"), ("2001:DB8::5", "2001:db8::5"),
     ("::ffff:192.0.2.5", "192.0.2.5"), ("[::FFFF:C000:205]", "192.0.2.5")],
)  # fmt: skip
def test_a_typed_address_gets_its_usual_spelling(text: str, address: str) -> None:
    assert parse_portal(text).address == address


@pytest.mark.fault("F87")
@pytest.mark.parametrize(
    "text", ["192.0.2.05", "192.000.2.5", "010.0.0.1:3260", "10.1", "192.0.2.256", "3232235521",
             "192.0.2.0x5", "0x7f000001", "192.0.2.5.", "1.2.3.4.5", "::ffff:192.0.2.05"],
)  # fmt: skip
def test_an_address_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an IPv[46] address"):
        parse_portal(text)


@pytest.mark.parametrize("text", ["array1", "10.example", "5.2.0.192.in-addr.arpa", "0xarray"])
def test_a_host_name_may_have_numbers_in_it(text: str) -> None:
    assert parse_portal(text).address == text


def test_two_portals_match_unless_their_known_tags_differ() -> None:
    known, other, untagged = (
        Portal("192.0.2.5", 3260, 1),
        Portal("192.0.2.5", 3260, 2),
        Portal("192.0.2.5"),
    )
    assert known.matches(known)
    assert known.matches(untagged)
    assert untagged.matches(known)
    assert not known.matches(other)
    assert not known.matches(Portal("192.0.2.6", 3260, 1))


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
