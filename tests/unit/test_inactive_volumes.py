"""Volumes and arrays that are not active: fstab names them, and so needs the disks below.

`data/lvm` is what lvs and pvs of LVM 2.03.16 printed of a group of two disks, one of them missing:
a linear volume in two pieces, a mirror, and a thin pool on the disk that is missing.
"""

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model.inactive_volumes import InactiveNames, VolumeStart
from iscsictl.model.listing import Block, Disk
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.observers import entries
from iscsictl.observers.entries import observe_entries, observe_inactive
from iscsictl.parse.crypttab import parse_crypttab
from iscsictl.parse.fstab import parse_fstab
from iscsictl.parse.lvm_report import parse_starts, parse_volumes, volumes_on
from iscsictl.parse.mdadm_conf import parse_arrays
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.planner.safety.fstab_rules import check_fstab
from iscsictl.planner.safety.storage_graph import storage_facts
from iscsictl.system.block import inactive_volumes
from iscsictl.system.block.inactive_volumes import read_inactive
from iscsictl.system.io import process
from tests.unit.disk_facts import (
    IQN,
    NEW,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    part,
    session,
)  # fmt: skip
from tests.unit.fake_root import put
from tests.unit.loops import looped, sparse

DATA = Path(__file__).parent / "data/lvm"
MIB = 1 << 20
PV = "/dev/loop0"
FS = "11111111-2222-3333-4444-555555555555"
LABEL = "Data Label"
MAPPED = "vg--a-data--1"
VOLUME = InactiveNames(
    frozenset({"/dev/vg-a/data-1", f"/dev/mapper/{MAPPED}"}),
    frozenset({("UUID", FS.upper()), ("LABEL", LABEL)}),
)
SPECS = (
    "/dev/vg-a/data-1",
    f"/dev/mapper/{MAPPED}",
    f"UUID={FS}",
    f'LABEL="{LABEL}"'.replace(" ", r"\040"),
    f"/dev/disk/by-uuid/{FS}",
)
ARRAY = "/dev/disk/by-id/md-uuid-0a0b0c0d:11111111:22222222:33333333"


def lvs() -> str:
    return (DATA / "lvs.json").read_text()


def pvs() -> str:
    return (DATA / "pvs.json").read_text()


def names_on(device: str) -> set[str]:
    return {one.name for one in volumes_on(parse_volumes(lvs()), device)}


def test_a_volume_is_on_each_device_that_it_has_a_part_on_itself_or_through_others() -> None:
    assert names_on(PV) == {"data-1", "mir", "mir_rimage_0", "mir_rmeta_0"}
    assert names_on("[unknown]") == {
        "other", "mir", "mir_rimage_1", "mir_rmeta_1", "pool", "pool_tdata", "pool_tmeta", "thin",
    }  # fmt: skip
    assert names_on("/dev/other") == set()


def test_volumes_that_are_on_each_other_end_the_search() -> None:
    one, *_ = parse_volumes(lvs())
    circle = [replace(one, name=a, parts=frozenset({b})) for a, b in (("x", "y"), ("y", "x"))]
    assert volumes_on(circle, PV) == ()


def test_a_volume_has_the_names_of_lvm_of_the_mapper_and_of_udev() -> None:
    (volume,) = (one for one in parse_volumes(lvs()) if one.name == "data-1")
    key = "CPgw8xUasSdlXRYFMVakV3Pbclc2XhXEbbbbbb00010001000100010001bbbbbb"
    assert volume.nodes == {
        "/dev/vg-a/data-1", f"/dev/mapper/{MAPPED}", f"/dev/disk/by-id/dm-name-{MAPPED}",
        f"/dev/disk/by-id/dm-uuid-LVM-{key}",
    }  # fmt: skip


def test_a_volume_begins_where_its_first_extent_is() -> None:
    here = [one for one in parse_starts(pvs()) if one.device == PV]
    # 1 MiB comes before the first extent, and an extent has 4 MiB.
    assert here == [
        VolumeStart(PV, (1 + 5 * 4) * MIB, 20 * MIB),
        VolumeStart(PV, (1 + 20 * 4) * MIB, 4 * MIB),
        VolumeStart(PV, (1 + 21 * 4) * MIB, 20 * MIB),
    ]


@pytest.mark.parametrize("text", ["", "{}", '{"report": [{"lv": [{}], "pvseg": [{}]}]}', "[1]"])
def test_a_report_that_is_none_is_an_error(text: str) -> None:
    for parse in (parse_volumes, parse_starts):
        with pytest.raises(IscsictlError, match="cannot be understood"):
            parse(text)


def test_an_array_has_the_devices_that_mdadm_conf_gives_it() -> None:
    text = (
        "DEVICE partitions\nARRAY /dev/md/mail metadata=1.2\n   UUID=0a0b0c0d:1:2:3 name=h:mail\n"
        "array home uuid=aa-bb # a comment\n# ARRAY /dev/md9 UUID=cc\nARRAY <ignore> name=x\n"
    )
    assert list(parse_arrays(text)) == [("0a0b0c0d123", "/dev/md/mail"), ("aabb", "/dev/md/home")]


def disk_on(device: str, kind: str, **more: str) -> Disk:
    block = Block(device, "disk", 200 * MIB, kind, more.get("label"), more.get("uuid"))
    return Disk(WWID, (DiskPath(1, "2:0:0:0", device),), block)


@pytest.fixture
def volume_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A disk of that group with a filesystem in its linear volume, and the tools' answers."""
    image = sparse(tmp_path / "disk", 200 * MIB)
    put_filesystem(tmp_path, image, (1 + 5 * 4) * MIB)
    with looped(image) as device:
        for name, text in (("lvs", lvs()), ("pvs", pvs())):
            answer = put(tmp_path, f"{name}.json", text.replace(PV, device))
            noted = f'echo "{name} $*" >>{tmp_path}/calls; echo warning >&2; cat {answer}; exit 5'
            put(tmp_path, f"bin/{name}", f"#!/bin/sh\n{noted}\n").chmod(0o755)
        monkeypatch.setattr(process, "PATH", f"{tmp_path}/bin:{process.PATH}")
        yield device


def put_filesystem(directory: Path, image: Path, offset: int) -> None:
    inner = sparse(directory / "inner", 16 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-U", FS, "-L", LABEL, inner], check=True)
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(inner.read_bytes())


def test_a_volume_that_is_not_active_is_known_by_its_names_and_its_filesystem(
    volume_disk: str, tmp_path: Path
) -> None:
    (found,) = read_inactive([disk_on(volume_disk, "LVM2_member")]).items()
    device, names = found
    assert device == volume_disk
    assert names.nodes >= {"/dev/vg-a/data-1", f"/dev/mapper/{MAPPED}", "/dev/mapper/vg--a-mir"}
    assert not any("other" in node or "thin" in node for node in names.nodes)
    assert names.tags == {("UUID", FS), ("LABEL", LABEL)}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["lvs", "pvs"]
    # Nothing is locked or changed, and no other disk of the host is read.
    assert all("--readonly" in call and f"--devices {volume_disk} " in call for call in calls)


def test_a_disk_that_takes_no_commands_is_not_asked(
    volume_disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inactive_volumes, "takes_commands", lambda *_: False)
    assert read_inactive([disk_on(volume_disk, "LVM2_member")]) == {}
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize("script", ["exit 1", "echo no JSON", None])
def test_without_an_answer_of_lvm_nothing_is_known(
    volume_disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is None:
        monkeypatch.setattr(process, "PATH", f"{tmp_path}/none")
    else:
        (tmp_path / "bin/pvs").write_text(f"#!/bin/sh\n{script}\n")
    assert read_inactive([disk_on(volume_disk, "LVM2_member")]) == {}


def test_only_a_name_that_nothing_has_is_a_reason_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"/dev/sda": VOLUME}
    monkeypatch.setattr(entries, "read_inactive", lambda *_: found)
    (tmp_path / "dev/disk").mkdir(parents=True)
    put(tmp_path, "dev/vg-a/data-1")
    assert observe_inactive((), ["/dev/vg-a/data-1", "tmpfs"], tmp_path) == {}
    (tmp_path / "dev/vg-a/data-1").unlink()
    assert observe_inactive((), ["/dev/vg-a/data-1", "tmpfs"], tmp_path) == found
    seen = disk_inventory(lines=[b"/dev/vg-a/data-1 /data ext4 nofail 0 0\n"])
    assert observe_entries(seen, "", tmp_path).inactive == found


@pytest.mark.parametrize(("place", "offset"), [(4096, 4 * MIB), (0, 4 * MIB), (None, 0)])
def test_an_array_is_known_by_its_names_and_its_filesystem(
    tmp_path: Path, place: int | None, offset: int
) -> None:
    image = sparse(tmp_path / "disk", 200 * MIB)
    put_filesystem(tmp_path, image, offset)
    if place is not None:
        # struct mdp_superblock_1 (include/uapi/linux/raid/md_p.h): magic, and the data's offset.
        block = bytearray(256)
        struct.pack_into("<I", block, 0, 0xA92B4EFC)
        struct.pack_into("<Q", block, 128, offset // 512)
        with image.open("r+b") as file:
            file.seek(place)
            file.write(block)
    uuid = "0a0b0c0d-1111-1111-2222-222233333333"
    with looped(image) as device:
        disk = disk_on(device, "linux_raid_member", label="host:7", uuid=uuid)
        assert read_inactive([disk]) == {
            device: InactiveNames(
                frozenset({"/dev/md/7", "/dev/md7", "/dev/disk/by-id/md-name-host:7", ARRAY}),
                frozenset({("UUID", FS), ("LABEL", LABEL)}),
            )
        }
        put(
            tmp_path,
            "etc/mdadm/mdadm.conf",
            "ARRAY /dev/md/x UUID=0a0b0c0d:11111111:22222222:33333333\n",
        )
        names = read_inactive([disk], tmp_path)[device]
        assert (names.tags, "/dev/md/x" in names.nodes) == (frozenset(), True)


# planners


def entry(spec: str, options: str = "_netdev,nofail") -> bytes:
    return f"{spec} /data ext4 {options} 0 0\n".encode()


@pytest.mark.fault("F106")
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("whole", [True, False])
def test_what_fstab_wants_of_an_inactive_volume_is_not_destroyed(spec: str, whole: bool) -> None:
    disk = a_disk(fstype="LVM2_member") if whole else a_disk(part(1, "LVM2_member"))
    member = "/dev/sda" if whole else "/dev/sda1"
    inventory = disk_inventory(
        disk, content=carries("LVM2_member"), lines=[entry(spec)], inactive={member: VOLUME}
    )
    wipe = Consent(wipe=WWID)
    for plan in (
        plan_label(inventory, "gpt", wipe),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=wipe)),
    ):
        assert isinstance(plan.refusal, RefusedError)
        assert plan.refusal.text == "/etc/fstab line 1 mounts what is on /dev/sda on /data"
    other = replace(inventory, inactive={"/dev/sdb": VOLUME})
    assert plan_label(other, "gpt", wipe).refusal is None


def test_a_volume_of_crypttab_on_an_inactive_volume_is_not_destroyed() -> None:
    inventory = disk_inventory(
        a_disk(fstype="LVM2_member"), content=carries("LVM2_member"),
        inactive={"/dev/sda": VOLUME}, crypttab=parse_crypttab(b"safe /dev/vg-a/data-1 none\n"),
    )  # fmt: skip
    plan = plan_label(inventory, "gpt", Consent(wipe=WWID))
    assert plan.refusal is not None
    assert plan.refusal.text == "/etc/crypttab line 1 opens what is on /dev/sda as safe"


@pytest.mark.fault("F106")
@pytest.mark.parametrize("spec", SPECS)
def test_a_detach_tells_that_an_entry_for_an_inactive_volume_stays(spec: str) -> None:
    inventory = disk_inventory(
        a_disk(fstype="LVM2_member"), lines=[entry(spec, "defaults")], inactive={"/dev/sda": VOLUME}
    )
    plan = plan_detach(inventory, DetachRequest("/dev/sda"))
    assert plan.refusal is None
    assert any("line 1 still mounts /data at boot, and the boot waits" in n for n in plan.notes)


@pytest.mark.parametrize("spec", [*SPECS[:2], f"UUID={FS.upper()}", SPECS[3]])
def test_the_check_of_fstab_follows_an_inactive_volume_to_its_target(spec: str) -> None:
    facts = storage_facts(
        [a_disk(fstype="LVM2_member")], [session()], known=frozenset(),
        absent=frozenset({spec}), inactive={"/dev/sda": VOLUME}, records=(),
    )  # fmt: skip
    found = check_fstab(parse_fstab(entry(spec, "defaults")), facts)
    assert {one.id for one in found} == {"no-netdev", "no-nofail"}
    assert IQN in next(iter(facts.carriers["/dev/vg-a/data-1"])).targets
