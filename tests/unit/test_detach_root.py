"""The root filesystem is on a LUN: detach and umount say so, whoever works in it."""

from dataclasses import replace

import pytest

from iscsictl.errors import Exit, InUseError
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.disks.mounts import plan_umount
from tests.unit.detach_facts import attached, pending
from tests.unit.disk_facts import UUID, a_disk, disk_inventory
from tests.worlds import DIR, TARGET, W1, W

ROOT = DiskUsage(mounts=("/",), open_files=("process 1 (systemd) works in /",))
BOOTED = frozenset({TARGET})


@pytest.mark.fault("F102")
@pytest.mark.parametrize("name", [DIR, TARGET, W])
@pytest.mark.parametrize("second", [None, DiskUsage(), DiskUsage(mounts=("/srv/two",))])
@pytest.mark.parametrize("lost", [None, W])
def test_the_root_filesystem_is_named_and_not_all_who_work_in_it(
    name: str, second: DiskUsage | None, lost: str | None
) -> None:
    now = attached(usage=ROOT, second=second).inventory
    consent = Consent(lost=lost)
    plan = plan_detach(now, DetachRequest(name, consent=consent), boots_from=BOOTED)
    assert isinstance(plan.refusal, InUseError)
    assert plan.refusal.exit is Exit.IN_USE
    assert "root filesystem" in plan.refusal.text
    assert "systemd" not in plan.refusal.text
    assert plan.refusal.hint == "see: iscsictl boot check"


def test_another_lun_of_the_target_may_go() -> None:
    now = attached(usage=ROOT, second=DiskUsage()).inventory
    plan = plan_detach(now, DetachRequest(W1), boots_from=BOOTED)
    assert "logout" not in pending(plan)
    assert "remove" in pending(plan)


def test_what_the_firmware_booted_is_named_before_those_who_use_it() -> None:
    busy = DiskUsage(mounts=("/srv/data",), open_files=("process 7 (vi) works in /srv/data",))
    now = attached(usage=busy).inventory
    plan = plan_detach(now, DetachRequest(TARGET), boots_from=BOOTED)
    assert "booted from" in (plan.refusal.text if plan.refusal else "")


def test_the_root_filesystem_is_not_unmounted() -> None:
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=["/"])
    now = replace(disk_inventory(disk, name="/"), used=ROOT)
    plan = plan_umount(now, "/")
    assert isinstance(plan.refusal, InUseError)
    assert "root filesystem" in plan.refusal.text
    assert "systemd" not in plan.refusal.text
