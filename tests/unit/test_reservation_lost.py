"""Nothing is written once the array has lost the reservation that this run made."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.engine.handlers import disks as handlers
from iscsictl.engine.handlers import fstab
from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.system.block import reservations
from iscsictl.system.context import Context
from tests.unit.disk_facts import LINUX
from tests.unit.loops import WWID, add_partition, fingerprint, give_name, looped, sparse
from tests.unit.test_writer_guards import MIB, UUID, Scratch
from tests.worlds import FREE, OURS

pytestmark = [
    pytest.mark.fault("F100"),
    pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root"),
]
NOWHERE = DiskId("", 0, WWID, "")
CLAIM = FilesystemClaim(UUID, "ext4", None, owns_disk=False)
TABLE_CLAIM = replace(CLAIM, part=1, table="gpt", table_id=UUID, partition_type=LINUX)
Writing = actions.Wipe | actions.Label | actions.Mkfs
WRITES: dict[str, Writing] = {
    "wipe": actions.Wipe(NOWHERE),
    "wipe-partition": actions.Wipe(NOWHERE, 1),
    "empty-table": actions.Label(NOWHERE, "gpt", OverwriteGround.BLANK),
    "table": actions.Label(NOWHERE, "gpt", OverwriteGround.BLANK, TABLE_CLAIM),
    "mkfs": actions.Mkfs(NOWHERE, CLAIM, OverwriteGround.BLANK),
}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A blank disk of 200 MiB that answers to `WWID`."""
    give_name(monkeypatch)
    monkeypatch.setattr(fstab, "mark_begun", lambda *_, **_more: None)
    with looped(sparse(tmp_path / "image", 200 * MIB)) as device:
        yield Scratch(tmp_path / "image", device)


@pytest.mark.parametrize("name", WRITES)
def test_a_reservation_that_the_array_has_lost_stops_the_write(
    scratch: Scratch, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the array; another host may be formatting the LUN by now."""
    action = replace(WRITES[name], disk=scratch.disk)
    if name == "wipe-partition":
        add_partition(scratch.device, 1, MIB, 100 * MIB)
    before = fingerprint(scratch.image)
    write = handlers.HANDLERS[type(action)]
    context = Context(wait=scratch.wait, reserved={WWID})
    # Nobody has registered; or this host has, and holds nothing.
    for found in (FREE, replace(OURS, holder=None)):
        monkeypatch.setattr(reservations, "read_reservations", lambda *_, found=found, **__: found)
        with pytest.raises(RefusedError, match="no longer has the reservation"):
            write(action, context)
        os.sync()
        assert fingerprint(scratch.image) == before
    monkeypatch.setattr(reservations, "read_reservations", lambda *_, **__: OURS)
    write(action, context)


@pytest.mark.parametrize("name", WRITES)
def test_where_this_run_has_reserved_nothing_no_reservation_is_needed(
    scratch: Scratch, name: str
) -> None:
    """An array without reservations, or one that takes none, is told of in the plan."""
    if name == "wipe-partition":
        add_partition(scratch.device, 1, MIB, 100 * MIB)
    action = replace(WRITES[name], disk=scratch.disk)
    handlers.HANDLERS[type(action)](action, Context(wait=scratch.wait, reserved={"naa.2"}))
