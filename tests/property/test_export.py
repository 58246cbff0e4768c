"""What `export` prints, a file of volumes says again: nothing is lost between the two."""

import tomllib
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.core.build import plan_attach
from iscsictl.core.export import export, render
from iscsictl.core.spec import read_volumes
from iscsictl.core.volumes import plan_volume
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import HostFacts, Inventory, Known, Place, Users
from iscsictl.model.listing import Block, Disk, Host, Lun, Mount, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.model.record import MASK, NodeRecord
from iscsictl.parse.fstab import append_line, mount_line
from iscsictl.parse.toml import parse_toml

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]),
                min_size=1, max_size=8)  # fmt: skip
NAMES = WORDS.filter(lambda w: "/" not in w and w not in {".", ".."})
OPTIONS = st.lists(
    st.sampled_from(["noatime", "ro", "discard", "commit=30", "x-systemd.automount"]), unique=True
)
PORTALS = st.sampled_from(
    [Portal("192.0.2.5", 3260, 1), Portal("192.0.2.5", 3261, 1), Portal("2001:db8::5", 3260, 2),
     Portal("2001:db8::5", 860, 2), Portal("array.example.com", 3260, 1)]
)  # fmt: skip
# Name, LUN, portal, options, filesystem, user, the array's user, timeout, waited for, mode.
Row = tuple[str, int, Portal, list[str], str, str | None, str | None, str, bool, int]
VOLUMES = st.lists(
    st.tuples(
        NAMES, st.integers(0, 255), PORTALS, OPTIONS, st.sampled_from(["ext4", "xfs", "vfat"]),
        st.none() | WORDS, st.none() | WORDS, st.sampled_from(["600", "120"]), st.booleans(),
        st.integers(0, 0o7777),
    ),
    min_size=1, max_size=4, unique_by=lambda v: v[0],
)  # fmt: skip


def host_of(rows: list[Row]) -> tuple[Inventory, dict[str, Place]]:
    """A host on which `attach` has made these volumes."""
    records, sessions, disks, places = [], [], [], {}
    fstab, waits = Fstab(), {}
    for number, row in enumerate(rows):
        name, lun, portal, options, fs, user, theirs, timeout, waited, mode = row
        target, wwid, uuid = f"iqn.2001-04.com.example:{number}", f"naa.{number}", f"u-{number}"
        path = f"/srv/{name}"
        values = {"node.startup": "automatic", "node.session.timeo.replacement_timeout": timeout}
        if user is not None:
            values |= {"node.session.auth.username": user, "node.session.auth.password": MASK}
            if theirs is not None:
                values |= {"node.session.auth.username_in": theirs,
                           "node.session.auth.password_in": MASK}  # fmt: skip
        records.append(
            NodeRecord(path=Path(f"/r/{number}"), values=values, target=target, portal=portal)
        )
        hctl, device = f"{number}:0:0:{lun}", f"/dev/sd{number}"
        sessions.append(
            Session("sysfs", target, sid=number + 1, portal=portal, persistent_portal=portal,
                    iface="default", status="up", host=Host(number),
                    luns=(Lun(lun, hctl, device, "running", wwid),))
        )  # fmt: skip
        block = Block(device, "disk", fstype=fs, uuid=uuid, mounts=(Mount(path, ("rw",)),))
        disks.append(Disk(wwid=wwid, paths=(DiskPath(number + 1, hctl, device, "running"),),
                          block=block))  # fmt: skip
        fstab = append_line(
            fstab, mount_line(uuid, path, fs, options, login_service="open-iscsi.service",
                              wwid=wwid, target=target, lun=lun),
        )  # fmt: skip
        places[path] = Place(exists=True, mounted="8:0", uid=number, gid=0, mode=mode)
        if waited:
            waits[f"u{number}.service"] = (path,)
    users = {disk.wwid or "": Users(mounts=tuple(m.path for m in disk.block.mounts))
             for disk in disks}  # fmt: skip
    inventory = Inventory(
        tuple(records), tuple(sessions), tuple(disks), fstab, users=users,
        host=HostFacts(required=waits),
    )  # fmt: skip
    return inventory, places


@given(VOLUMES)
def test_the_plan_of_what_is_exported_has_nothing_to_change(rows: list[Row]) -> None:
    inventory, places = host_of(rows)
    found = export(inventory, places)
    assert found.notes == ()
    text = render(found)
    assert MASK not in text
    assert tomllib.loads(text) == {"volume": list(found.volumes)}
    volumes = read_volumes(*parse_toml(text, "x"), "x")
    assert len(volumes) == len(rows)
    for volume in volumes:
        owner = (volume.owner or "0:0").split(":")
        wish = replace(volume.wish, uuid="new", uid=int(owner[0]), gid=int(owner[1]))
        record = next(r for r in inventory.records if r.target == wish.target)
        wished = {"node.session.timeo.replacement_timeout": "600", **wish.values}
        wrong = tuple(k for k, v in wished.items() if k in record.values and record.values[k] != v)
        now = replace(
            inventory, place=Known(places[wish.mount or ""]), unsettled={str(record.path): wrong}
        )
        plan = plan_volume(now, volume, wish)
        assert plan.refusal is None
        assert {step.status for step in plan.steps} == {Status.UNCHANGED}
        assert plan == plan_attach(now, wish)


@given(VOLUMES)
def test_a_secret_that_no_record_has_must_be_named(rows: list[Row]) -> None:
    inventory, places = host_of(rows)
    volumes = read_volumes(*parse_toml(render(export(inventory, places)), "x"), "x")
    bare = replace(inventory, records=())
    for volume in volumes:
        plan = plan_volume(bare, volume, replace(volume.wish, uuid="new"))
        assert plan.refusal is not None
        if any(c is not None and c.secret_file is None for c in (volume.chap, volume.mutual)):
            assert "secret-file" in (plan.refusal.hint or "")
