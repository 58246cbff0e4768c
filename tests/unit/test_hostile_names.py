"""A target's name from the network: it never becomes a path, a line or a command."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.names import Portal, unsafe_name_problem
from iscsictl.parse.fstab import mount_line, parse_fstab
from iscsictl.system.io.process import Result
from iscsictl.system.iscsi.iscsiadm import NO_OBJECTS, Key, parse_offers, read_offers
from iscsictl.system.iscsi.nodedb import record_path

PORTAL = Portal("192.0.2.5", 3260, 1)
HOSTILE = [
    "../..", "iqn.2001-04.com.example:../../x", "/etc/cron.d/x", "..", "iqn.x:a b", "iqn.x:$(id)",
    "iqn.x:`id`", "iqn.x:a;id", "iqn.x:a'b", 'iqn.x:a"b', "iqn.x:a,suid", "iqn.x:a\x1b[2J",
    "-o", "iqn.x:a\u2028b", "iqn.x:\udcff", "iqn.x:a\\b", "iqn." + "a" * 300,
]  # fmt: skip
ARRAYS = [
    "iqn.1994-12.com.promise:vtrak.1", "iqn.2005-10.org.freenas.ctl:tgt_1",
    "iqn.2000-01.com.synology:NAS.Target-1.0123456789", "eui.02004567A425678D",
    "iqn.2001-04.com.example:ÄÖ", "naa.52004567BA64678D",
]  # fmt: skip


@pytest.mark.fault("F78")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_portal_that_announces_a_hostile_name_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_offers(f"192.0.2.5:3260,1 iqn.2001-04.com.example:a\n192.0.2.5:3260,1 {name}\n")
    assert repr(name) in caught.value.text
    assert caught.value.hint


# iscsiadm 2.1.8, where the second of three names is one that it does not accept.
CUT_SHORT = """\
iscsiadm: Could not scan /sys/class/iscsi_transport.
iscsiadm: Discovery TargetName invalid, ignoring
iscsiadm: failed to add target record
"""
EMPTY = "iscsiadm: Could not scan /sys/class/iscsi_transport.\niscsiadm: No portals found\n"


@pytest.mark.fault("F78")
@pytest.mark.parametrize(
    ("code", "said", "warned"), [(0, CUT_SHORT, True), (NO_OBJECTS, EMPTY, False), (0, "", False)]
)
def test_a_list_that_iscsiadm_cut_short_is_said_to_be_so(
    code: int, said: str, *, warned: bool
) -> None:
    printed = "" if code else "192.0.2.5:3260,1 iqn.2001-04.com.example:a\n"
    told: list[str] = []
    offers = read_offers(Result(("iscsiadm",), code, printed, said), PORTAL, told.append)
    assert [offer.target for offer in offers] == ([] if code else ["iqn.2001-04.com.example:a"])
    wanted = "Discovery TargetName invalid, ignoring"
    wanted = f"192.0.2.5:3260 may offer more targets than iscsiadm lists: {wanted}"
    assert told == ([wanted] if warned else [])


@pytest.mark.parametrize("name", ARRAYS)
def test_the_names_of_arrays_are_read_as_they_are(name: str) -> None:
    (offer,) = parse_offers(f"192.0.2.5:3260,1 {name}\n")
    assert (offer.target, offer.portal) == (name, PORTAL)


@pytest.mark.fault("F78")
@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_no_name_leads_out_of_the_node_database(target: str, address: str, iface: str) -> None:
    db = Path("/var/lib/iscsi")
    portal = Portal(address, 3260, 1)
    try:
        path = record_path(db, target, portal, iface)
    except RefusedError:
        with pytest.raises(RefusedError):
            Key(target, portal, iface).arguments()
        return
    assert path.relative_to(db).parts == ("nodes", target, f"{address},3260,1", iface)
    assert ".." not in path.parts


@pytest.mark.fault("F78")
@given(st.text())
def test_a_name_in_fstab_is_one_note_of_one_line(target: str) -> None:
    try:
        line = mount_line(
            "0a-1", "/srv", "ext4", (), login_service="a.service", wwid="naa.6", target=target,
            lun=0,
        )  # fmt: skip
    except UsageError:
        assert unsafe_name_problem(target) is not None
        return
    (read,) = parse_fstab(line.raw).lines
    assert read.target == target
    assert "suid" not in read.options
