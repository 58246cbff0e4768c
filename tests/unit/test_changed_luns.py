"""`doctor` on disks that are gone, another one or smaller under a mount."""

from dataclasses import replace

import pytest

from iscsictl.checks.examine import examine
from iscsictl.model.finding import Level
from iscsictl.model.host_facts import KernelLogErrors, Machine, MountHealth
from iscsictl.model.inventory import DISK_GONE, NO_PATHS, DiskAnswers, DiskUsage, Known
from iscsictl.model.listing import Block, Lun
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.system.host.facts import parse_log
from tests.unit.healthy_host import IQN, SOUND, bad, disk, found, session

WWID = "naa.60014051234"
GIB = 1 << 30
SHOWN = {1: (0,)}


def answering(answers: DiskAnswers, log: KernelLogErrors | None = None) -> Machine:
    """A host with one mounted disk of 1 GiB that answers so."""
    one = disk()
    one = one._replace(block=one.block._replace(size=GIB))
    listing = SOUND.listing._replace(disks=(one,))
    return replace(
        SOUND,
        listing=listing,
        disk_answers=Known(answers),
        trouble=Known(log or KernelLogErrors()),
    )


SAME = DiskAnswers(SHOWN, {"2:0:0:0": frozenset({WWID, "t10.x"})}, {"2:0:0:0": GIB})


@pytest.mark.fault("F108")
def test_a_disk_that_is_what_it_was_is_no_fault() -> None:
    assert bad(answering(SAME)) == {}


@pytest.mark.fault("F108")
@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            replace(SAME, names={"2:0:0:0": frozenset({"naa.99"})}),
            "it is now another disk: naa.99",
        ),
        (
            replace(SAME, names={"2:0:0:0": frozenset()}),
            "the target no longer has it",
        ),
        (replace(SAME, luns={1: (1,)}), "the target no longer has it"),
        (
            replace(SAME, sizes={"2:0:0:0": GIB // 2}),
            f"it now has {GIB // 2} bytes, not {GIB}",
        ),
    ],
    ids=["another", "gone", "unmapped", "smaller"],
)
def test_a_disk_that_changed_under_a_mount_is_a_failure(answers: DiskAnswers, words: str) -> None:
    finding = found(answering(answers), "disk-changed")
    assert finding.level is Level.FAIL
    assert words in finding.message
    assert "/srv" in finding.message


def on_a_map(*, mounted: bool) -> Machine:
    """A host with a map of two paths, of which the second leads to another disk by now."""
    over = disk(2, "mpath")
    over = over._replace(block=over.block._replace(size=GIB))
    if not mounted:
        over = over._replace(block=Block(over.block.device, "mpath", GIB))
    sessions = tuple(
        session(sid=sid, luns=(Lun(0, f"{sid + 1}:0:0:0", f"/dev/sd{name}", "running", WWID),))
        for sid, name in ((1, "a"), (2, "b"))
    )
    names = {"2:0:0:0": frozenset({WWID}), "3:0:0:0": frozenset({"naa.99"})}
    machine = answering(DiskAnswers({}, names, {}))
    return replace(machine, listing=SOUND.listing._replace(sessions=sessions, disks=(over,)))


def without_first_path(machine: Machine) -> Machine:
    """The same host while the only path that leads to the disk is down."""
    first, second = machine.listing.sessions
    lost = (first._replace(status="recovering"), second)
    return replace(machine, listing=machine.listing._replace(sessions=lost))


@pytest.mark.fault("F66")
def test_of_a_map_the_path_that_changed_is_named_and_the_rest_stays_mounted() -> None:
    machine = on_a_map(mounted=True)
    finding = next(f for f in examine(machine) if f.id == "disk-changed" and f.level is Level.FAIL)
    assert "/dev/sdb: it is now another disk: naa.99" in finding.message
    assert finding.fix == f"multipathd del path sdb; then: iscsictl rescan {IQN}"
    # Without another path that works the filesystem has to go.
    assert "umount /srv" in (found(without_first_path(machine), "disk-changed").fix or "")


@pytest.mark.fault("F66")
def test_of_a_map_that_is_not_mounted_the_path_that_changed_is_named_too() -> None:
    machine = on_a_map(mounted=False)
    finding = found(machine, "disk-changed")
    assert finding.level is Level.FAIL
    (over,) = machine.listing.disks or ()
    assert finding.message == (
        f"one of the paths of {over.block.device} leads elsewhere: /dev/sdb: it is now another "
        f"disk: naa.99, not {WWID}"
    )
    remove = f"multipathd del path sdb; then: iscsictl rescan {IQN}"
    assert finding.fix == remove
    assert found(without_first_path(machine), "disk-changed").fix == remove


@pytest.mark.fault("F66")
def test_rescan_names_the_command_that_ends_the_use_of_a_path_alone() -> None:
    over = disk(2, "mpath")
    sessions = tuple(
        session(sid=sid, luns=(Lun(0, f"{sid + 1}:0:0:0", f"/dev/sd{name}", "running", WWID),))
        for sid, name in ((1, "a"), (2, "b"))
    )
    answers = DiskAnswers({}, {"3:0:0:0": frozenset({"naa.99"})}, {})
    used = {over.block.device: DiskUsage(("/srv",))}
    asked = Asked((), sessions, (over,), usage=used, answers=answers)
    (error,) = plan_rescan(asked, RecordSelector(), None).errors.values()
    assert error.hint == "multipathd del path sdb, then rescan again"


@pytest.mark.fault("F108")
def test_a_disk_that_changed_under_no_mount_is_for_rescan() -> None:
    idle = disk()._replace(block=Block("/dev/sda", "disk", GIB))
    changed = replace(SAME, names={"2:0:0:0": frozenset({"naa.99"})})
    machine = answering(changed)
    machine = replace(machine, listing=machine.listing._replace(disks=(idle,)), mounts=())
    assert "disk-changed" not in bad(machine)


KERNEL = (
    (
        "sd 2:0:0:0: Warning! Received an indication that the LUN assignments on this target have "
        "changed. The Linux SCSI layer does not automatically remap LUN assignments."
    ),
    "sd 2:0:0:0: [sda] Inquiry data has changed",
    "sd 2:0:0:0: Capacity data has changed",
)


@pytest.mark.fault("F108")
@pytest.mark.parametrize("text", KERNEL)
def test_what_the_kernel_was_told_of_a_lun_counts_until_the_disks_say_otherwise(text: str) -> None:
    record = f"4,915,7000000,-;{text}\n"
    log = parse_log([record], since=0.0)
    assert log.lun_changes == {"2:0:0:0"}
    assert parse_log([record], since=8.0).lun_changes == frozenset()
    for answers in (DiskAnswers(), replace(SAME, luns={1: (0, 3)})):
        finding = found(answering(answers, log), "disk-changed")
        assert finding.level is Level.FAIL
        assert finding.fix == f"iscsictl rescan {IQN}"
    assert bad(answering(SAME, log)) == {}


@pytest.mark.fault("F108")
@pytest.mark.parametrize("reported", [(0, 3), (0,)], ids=["reported", "not-reported"])
def test_an_array_controller_that_gets_no_disk_is_no_change_of_its_luns(
    reported: tuple[int, ...],
) -> None:
    log = parse_log([f"4,915,7000000,-;{KERNEL[0]}\n"], since=0.0)
    machine = answering(replace(SAME, luns={1: reported}), log)
    (one,) = machine.listing.sessions
    with_controller = one._replace(luns=(*(one.luns or ()), Lun(3, "2:0:0:3", type=0x0C)))
    listing = machine.listing._replace(sessions=(with_controller,))
    assert bad(replace(machine, listing=listing)) == {}


@pytest.mark.fault("F107")
@pytest.mark.parametrize("reason", [DISK_GONE, NO_PATHS])
def test_a_mounted_filesystem_without_a_disk_is_a_failure(reason: str) -> None:
    gone = MountHealth("/srv", "/dev/sdz1", "ext4", stranded=reason)
    machine = replace(
        SOUND, mounts=(gone,), listing=SOUND.listing._replace(sessions=(session(),), disks=())
    )
    finding = found(machine, "fs-disk-gone")
    assert finding.level is Level.FAIL
    assert reason in finding.message
    assert "umount /srv" in (finding.fix or "")
