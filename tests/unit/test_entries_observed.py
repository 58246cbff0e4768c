"""What is observed of the entries of fstab and crypttab: what they name, and what is in use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.engine.runtime import open_context
from iscsictl.model.inventory import DiskUsage, Inventory, NotObserved
from iscsictl.model.listing import Listing
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.observers import attach, disks
from iscsictl.planner.attach.multipath import PathChoice
from iscsictl.system.context import Context
from iscsictl.system.mount import usage
from iscsictl.system.mount.swaps import names_of_swap
from tests.unit.disk_facts import UUID, WWID, disk_inventory
from tests.unit.fake_root import put
from tests.worlds import spec

BY_ID = "/dev/disk/by-id/scsi-SLIO-ORG_mail"
LINE = f"{BY_ID} /data xfs _netdev,nofail 0 0\n".encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with a volume that is open, swap on a partition, and a link to the disk."""
    link = tmp_path / BY_ID.lstrip("/")
    link.parent.mkdir(parents=True)
    link.symlink_to("../../sda")
    put(tmp_path, "dev/mapper/open")
    put(tmp_path, "etc/crypttab", f"open UUID={UUID}\nclosed {BY_ID}-part2 none noauto\n")
    put(tmp_path, "etc/fstab", LINE.decode())
    put(tmp_path, "proc/swaps", "Filename Type Size Used Priority\n/dev/sdx1 partition 9 0 -2\n"
        "/srv/swap\\040file file 9 0 -3\n")  # fmt: skip
    put(tmp_path, "proc/self/mountinfo")
    put(tmp_path, "sys/class/block/sdx1/dev", "8:17\n")
    put(tmp_path, "run/udev/data/b8:17",
        "E:ID_FS_UUID_ENC=AAAA-1\nE:ID_FS_LABEL_ENC=my\\x20Swap\nE:ID_PART_ENTRY_UUID=bbbb-01\n"
    )  # fmt: skip
    return tmp_path


def observe_disk(context: Context, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setattr(disks, "base", lambda _: disk_inventory(lines=[LINE]))
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage())
    return disks.observe(context, disks.DiskQuery("/dev/sda"), None)


def observe_detach(context: Context, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    here = disk_inventory()
    listing = Listing(here.sessions, here.disks)
    monkeypatch.setattr(attach, "read_listing", lambda *_, **__: listing)
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage())
    monkeypatch.setattr(attach, "observe_reservations", lambda *_: {})
    return attach.observe_for_detach(context, DetachRequest("/dev/sda"), None)


def observe_attach(context: Context, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setattr(attach, "_ask_array", lambda *_: (NotObserved(), {}))
    monkeypatch.setattr(attach, "choose_paths", lambda *_: PathChoice((), mapped=False))
    monkeypatch.setattr(attach, "_probe_unmounted_disks", lambda *_: {})
    host = replace(disk_inventory(lines=[LINE]), chosen=None)
    return attach.observe_lun(context, spec(consent=Consent(wipe=WWID), mount=None), host, None)


@pytest.mark.parametrize("observe", [observe_disk, observe_detach, observe_attach])
def test_each_command_that_asks_what_entries_are_for_observes_what_they_name(
    observe: Callable[[Context, pytest.MonkeyPatch], Inventory],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = observe(open_context(1.0, root), monkeypatch)
    assert seen.node_of(BY_ID) == "/dev/sda"
    assert [entry.name for entry in seen.crypttab] == ["open", "closed"]
    assert ("", "/dev/mapper/open") in seen.names_in_use
    assert ("", "/dev/mapper/closed") not in seen.names_in_use
    assert ("UUID", "aaaa-1") in seen.names_in_use


def test_swap_has_its_path_and_what_udev_knows_of_its_device(root: Path) -> None:
    assert names_of_swap(root) == {
        ("", "/dev/sdx1"), ("UUID", "aaaa-1"), ("LABEL", "my Swap"), ("PARTUUID", "bbbb-01"),
        ("", "/srv/swap file"),
    }  # fmt: skip
    assert names_of_swap(root / "srv") == frozenset()
