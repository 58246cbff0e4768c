"""Names in generated worlds: what is found is what has the name."""

from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.errors import NotFoundError
from iscsictl.model.listing import blocks
from iscsictl.model.spec import DetachRequest
from iscsictl.planner.selection.luns import find
from tests.strategies import detachments
from tests.worlds import World

NAMES = st.text(max_size=12).filter(lambda text: "\0" not in text)


@given(detachments())
def test_what_is_found_has_the_name_and_nothing_is_found_twice(
    case: tuple[DetachRequest, World],
) -> None:
    spec, world = case
    now = world.inventory
    try:
        found = find(now, spec.name, spec.lun)
    except NotFoundError:
        return
    keys = [(m.target, m.lun) for m in found]
    assert len(keys) == len(set(keys))
    for meant in found:
        lines = [x for x in now.fstab.ours if x.wwid == meant.wwid]
        told = {meant.target, meant.wwid, *(x.mount_point for x in lines), *(x.uuid for x in lines)}
        if meant.disk is not None:
            told |= {path.device for path in meant.disk.paths}
            for block in blocks(meant.disk.block):
                told |= {block.device, block.uuid, *(m.path for m in block.mounts)}
            assert meant.disk in now.disks
            assert meant.disk.wwid == meant.wwid
        assert spec.name in told
        if spec.name == meant.target:
            assert spec.lun in {None, meant.lun}


@given(detachments())
def test_each_disk_is_found_by_its_own_names(case: tuple[DetachRequest, World]) -> None:
    now = case[1].inventory
    for disk in now.disks:
        for path in disk.paths:
            found = find(now, path.device, None)
            assert [m.disk for m in found] == [disk]


@settings(max_examples=50)
@given(detachments(), NAMES)
def test_no_name_ends_in_a_traceback(case: tuple[DetachRequest, World], name: str) -> None:
    for any_name in (name, f"/dev/{name}", f"iqn.{name}"):
        assert isinstance(find(case[1].inventory, any_name, None), tuple)
