"""A target's name from the network: it never becomes a path, a line or a command."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.names import Portal, unsafe_name_problem
from iscsictl.parse.fstab import mount_line, parse_fstab
from iscsictl.system.iscsi.iscsiadm import Key, parse_offers
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
