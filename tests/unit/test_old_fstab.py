"""bindings, fstab.iscsi and initiatorname.iscsi of the old driver."""

import pytest

from iscsictl.legacy.fstab_iscsi import (
    old_device,
    parse_bindings,
    parse_initiatorname,
    parse_old_fstab,
)
from iscsictl.legacy.model import Binding, OldDevice


def test_bindings_name_the_target_of_a_bus_and_an_id() -> None:
    text = "# made by the driver\n0 0 iqn.1992-08.com.example:sn.1\n0\t1\teui.0123456789abcdef\n"
    bindings, problems = parse_bindings(text)
    assert bindings == (
        Binding(0, 0, "iqn.1992-08.com.example:sn.1"),
        Binding(0, 1, "eui.0123456789abcdef"),
    )
    assert problems == ()


def test_a_binding_that_is_none_is_named() -> None:
    bindings, problems = parse_bindings("0 x iqn.2001-04.com.example:a\n0 1\n\n")
    assert bindings == ()
    assert [problem.line for problem in problems] == [1, 2]


def test_octal_escapes_are_bytes_of_utf_8() -> None:
    text = "LABEL=B\\303\\244r /srv/caf\\303\\251\\040one ext3\nUUID=1 /srv/\\344 ext3\n"
    (first, second), problems = parse_old_fstab(text)
    assert (first.spec, first.directory) == ("LABEL=Bär", "/srv/café one")
    assert second.directory == "/srv/\udce4", "a byte of another encoding stays that byte"
    assert problems == ()


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ("/dev/iscsi/bus0/target1/lun2/part3", OldDevice(0, 1, 2, 3)),
        ("/dev/iscsi/bus0/target1/lun2/disk", OldDevice(0, 1, 2, None)),
        ("/dev/iscsi/bus0/target1/lun2/generic", None),
        ("/dev/sda1", None),
        ("UUID=1234", None),
    ],
)
def test_the_old_device_names_are_understood(spec: str, device: OldDevice | None) -> None:
    assert old_device(spec) == device


def test_lines_of_fstab_are_read_with_their_escapes() -> None:
    text = (
        "# device mount type options\n"
        "LABEL=mail /var/spool/my\\040mail ext3 _netdev,noatime 0 0\r\n"
        "/dev/iscsi/bus0/target0/lun0/part1\t/data\text3\n"
    )
    mounts, problems = parse_old_fstab(text)
    assert problems == ()
    assert [(m.line, m.spec, m.directory, m.fstype) for m in mounts] == [
        (2, "LABEL=mail", "/var/spool/my mail", "ext3"),
        (3, "/dev/iscsi/bus0/target0/lun0/part1", "/data", "ext3"),
    ]
    assert mounts[0].options == ("_netdev", "noatime")
    assert mounts[1].options == ()


def test_a_line_that_is_no_fstab_line_is_named() -> None:
    mounts, problems = parse_old_fstab("/dev/sda1 /x\n/dev/sdb1 data ext3\n")
    assert mounts == ()
    assert [problem.line for problem in problems] == [1, 2]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("InitiatorName=iqn.1987-05.com.cisco:01.abc\n", "iqn.1987-05.com.cisco:01.abc"),
        ("InitiatorName=iqn.2001-04.com.example:a # mine\n", "iqn.2001-04.com.example:a"),
        ("InitiatorName=iqn.2001-04.com.example:a\nInitiatorName=eui.0\n", "eui.0"),
        ("InitiatorName=iqn.2001-04.com.example:a\nInitiatorName=\n", "iqn.2001-04.com.example:a"),
        ("initiatorname=iqn.2001-04.com.example:a\n", None),
        ("InitiatorName = iqn.2001-04.com.example:a\n", None),
        ("InitiatorName= iqn.2001-04.com.example:a\n", None),
        ("#InitiatorName=iqn.2001-04.com.example:a\n", None),
        ("", None),
    ],
)
def test_the_last_initiator_name_up_to_a_blank_counts(text: str, name: str | None) -> None:
    assert parse_initiatorname(text)[0] == name


def test_a_keyword_in_the_wrong_case_is_told_as_that() -> None:
    (problem,) = parse_initiatorname("initiatorname=iqn.2001-04.com.example:a\n")[2]
    assert "wrong case" in problem.text
    (problem,) = parse_initiatorname("InitiatorName =iqn.2001-04.com.example:a\n")[2]
    assert "space" in problem.text


def test_an_empty_name_is_the_line_that_is_passed_over() -> None:
    name, line, problems = parse_initiatorname("InitiatorName=a\nInitiatorName=\n")
    assert (name, line, [problem.line for problem in problems]) == ("a", 1, [2])


def test_what_is_passed_over_is_named_with_its_line() -> None:
    text = "InitiatorName=a\nInitiatorName=b\ninitiatorname=c\nx\n"
    assert sorted(problem.line for problem in parse_initiatorname(text)[2]) == [1, 3, 4]
