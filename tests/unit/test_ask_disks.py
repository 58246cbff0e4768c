"""What targets and disks say of LUNs, and what an answer that is none does not prove."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from iscsictl.model.listing import Lun, Session
from iscsictl.observers.sessions import ask_disks
from iscsictl.planner.safety.changed_luns import find_replaced_luns
from iscsictl.system.block import probe, scsi_commands
from iscsictl.system.block.scsi_commands import Capacity, ScsiError

WWID = "naa.60014051234"
SESSION = Session(
    "sysfs", "iqn.2001-04.com.example:a", sid=1, status="up",
    luns=(Lun(0, "2:0:0:0", "/dev/sda", wwid=WWID),),
)  # fmt: skip


def rejected(asc: int | None) -> ScsiError:
    return ScsiError("asking", 0x02, 0x05, asc)


@dataclass
class Disk:
    """A disk that answers each question so, or fails with an error."""

    luns: tuple[int, ...] | ScsiError = (0,)
    names: frozenset[str] | ScsiError = frozenset({WWID})


@pytest.fixture
def put_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Disk], None]:
    @contextmanager
    def opened(_device: str, *, exclusive: bool) -> Iterator[int]:
        assert not exclusive
        yield 0

    def put(disk: Disk) -> None:
        def tell(answer: object) -> object:
            if isinstance(answer, ScsiError):
                raise answer
            return answer

        monkeypatch.setattr(probe, "opened", opened)
        monkeypatch.setattr(scsi_commands, "luns", lambda _: tell(disk.luns))
        monkeypatch.setattr(scsi_commands, "wwids", lambda _: tell(disk.names))
        monkeypatch.setattr(scsi_commands, "capacity", lambda _: Capacity(8, 512))

    return put


@pytest.mark.fault("F108")
@pytest.mark.parametrize(
    "disk",
    [
        # INVALID COMMAND OPERATION CODE and INVALID FIELD IN CDB: a question that is not known.
        Disk(luns=rejected(0x20)),
        Disk(luns=rejected(0x24)),
        Disk(names=rejected(0x20)),
        Disk(names=rejected(0x24)),
        # Sense data that ends before the additional code, and one of the vendor.
        Disk(luns=rejected(None), names=rejected(None)),
        Disk(names=rejected(0x80)),
        # Page 0x83 has designators of the vendor alone.
        Disk(names=frozenset()),
    ],
    ids=["luns-20", "luns-24", "page-20", "page-24", "no-code", "vendor-code", "no-names"],
)
def test_a_disk_that_does_not_know_the_question_is_not_gone(
    put_disk: Callable[[Disk], None], disk: Disk
) -> None:
    put_disk(disk)
    assert list(find_replaced_luns(SESSION, ask_disks([SESSION]))) == []


@pytest.mark.fault("F108")
@pytest.mark.parametrize("disk", [Disk(luns=rejected(0x25)), Disk(names=rejected(0x25))])
def test_a_lun_that_the_target_does_not_support_is_gone(
    put_disk: Callable[[Disk], None], disk: Disk
) -> None:
    put_disk(disk)
    ((unit, why),) = find_replaced_luns(SESSION, ask_disks([SESSION]))
    assert (unit.lun, why) == (0, "the target no longer has it")


@pytest.mark.fault("F108")
def test_a_target_without_report_luns_still_tells_of_another_disk(
    put_disk: Callable[[Disk], None],
) -> None:
    put_disk(Disk(rejected(0x20), frozenset({"naa.99"})))
    answers = ask_disks([SESSION])
    assert answers.luns == {}
    assert answers.sizes == {"2:0:0:0": 4096}
    ((_, why),) = find_replaced_luns(SESSION, answers)
    assert why == f"it is now another disk: naa.99, not {WWID}"
