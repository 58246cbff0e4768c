"""Whatever records, maps and disks are wrapped in, the same ones are read, and never false ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.model.capture import CapturedBlock, CaptureDetails
from iscsictl.parse.capture import parse_capture
from tests.unit.test_capture_wrapping import WRAPS

DATA = Path(__file__).parent / "data" / "captures"

# What is not read whole: columns and indentation are lost, or the marks of the tree are escaped.
_LOST = {"no line ends", "escaped Markdown"}
_TABLE_LOST = {"docker", "logfmt", "a log of JSON", "a list of Python", "bytes of Python",
               "grep -n -C1", "td", "one blank", "no line ends", "line ends as \\n"}  # fmt: skip
_STRING = {"a log of JSON", "ansible", "YAML, double quotes", "YAML, single quotes", "C strings",
           "inline code", "a table", "no line ends", "line ends as \\n"}  # fmt: skip
LOST = {
    "multipath-ll": _LOST,
    "multipath-ll-with-paths-out": _LOST,
    "multipath-ll-of-RHEL-5": _LOST | {"logfmt", "a log of JSON", "a list of Python"},
    "lsblk": _TABLE_LOST,
    "lsblk-f": _TABLE_LOST,
    "lsblk-json": _TABLE_LOST | _STRING,
    "lsblk-pairs": _STRING,
    "lsblk-s": _TABLE_LOST | {"a log of JSON", "escaped Markdown"},
    "multipathd-show-paths": _LOST | {"logfmt", "a list of Python", "grep -n -C1"},
    "multipathd-show-paths-format": _LOST | {"logfmt", "a list of Python", "grep -n -C1"},
    "multipathd-show-maps": _LOST | {"logfmt", "a list of Python"},
    "node-P0": _LOST,
    "node-P1": _LOST | {"line ends as \\n"},
    "discovery-P1": _LOST | {"line ends as \\n"},
}


def details_of(text: str) -> CaptureDetails:
    details = parse_capture(text).capture
    assert details is not None
    return details


def devices_in(block: CapturedBlock) -> Iterator[str]:
    yield block.device
    for child in block.children or ():
        yield from devices_in(child)


@pytest.mark.fault("F109")
@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("wrap", WRAPS)
def test_what_a_list_is_wrapped_in_changes_none_of_it(wrap: str, name: str) -> None:
    text = (DATA / f"{name}.txt").read_text()
    whole, wrapped = details_of(text), details_of(WRAPS[wrap](text))
    if wrap not in LOST[name]:
        assert wrapped.disks == whole.disks
        assert wrapped.records == whole.records
        return
    devices: dict[str, str | None] = {}
    for disk in whole.disks or ():
        devices |= dict.fromkeys(devices_in(disk.block)) | {disk.block.device: disk.wwid}
    for disk in wrapped.disks or ():
        assert disk.wwid in (None, devices[disk.block.device])
    records = {(record.target, record.portal) for record in whole.records or ()}
    assert {(record.target, record.portal) for record in wrapped.records or ()} <= records


@pytest.mark.fault("F109")
@pytest.mark.parametrize("before", ["2:", "2-", "out.txt:", "+", "`", "out/nodes.txt:17:"])
def test_what_stands_before_a_record_or_map_is_no_part_of_it(before: str) -> None:
    details = details_of(
        f"{before}192.0.2.5:3260,1 iqn.2001-04.com.example:a\n"
        f"{before}mpatha (36001405d1a2b3c4d5e6f7a8b9c0d1e2f) dm-2 LIO-ORG,disk0\n"
    )
    assert {record.portal and record.portal.address for record in details.records or ()} <= {
        "192.0.2.5"
    }
    assert {disk.block.device for disk in details.disks or ()} <= {"/dev/mapper/mpatha"}
    ipv6 = details_of("::ffff:192.0.2.1:3260,1 iqn.2001-04.com.example:a\n").records or ()
    assert [record.portal and record.portal.address for record in ipv6] == ["::ffff:192.0.2.1"]


@pytest.mark.fault("F109")
def test_listings_that_contradict_each_other_are_not_joined() -> None:
    form = "NAME   SIZE TYPE MOUNTPOINT\nsdb     10G disk \n`-sdb1  10G part {}\n"
    for mounts in (["/srv/a", "/srv/b"], ["/srv/a", ""]):
        (disk,) = details_of("\n".join(map(form.format, mounts))).disks or ()
        (part,) = disk.block.children or ()
        assert part.mounts == tuple(filter(None, mounts[1:]))


@pytest.mark.fault("F109")
def test_of_a_series_of_listings_the_last_one_holds() -> None:
    text = (
        "# multipath -ll\n"
        "mpatha (36001405d1a2b3c4d5e6f7a8b9c0d1e2f) dm-2 LIO-ORG,disk0\n"
        "size=1.0G features='0' hwhandler='1 alua' wp=rw\n"
        "`-+- policy='service-time 0' prio=50 status=active\n"
        "  |- 2:0:0:0 sda 8:0  {}\n  `- 3:0:0:0 sdb 8:16 active ready running\n"
    )
    failed, sound = text.format("failed faulty running"), text.format("active ready running")
    listing = parse_capture(failed + sound)
    assert [note.text for note in listing.warnings] == [
        "map mpatha is listed several times; the last one is used"
    ]
    (disk,) = details_of(failed + sound).disks or ()
    assert [path.checker for path in disk.paths or ()] == ["ready", "ready"]
    again = parse_capture(sound + failed)
    assert ["1 of 2 paths" in note.text for note in again.warnings] == [False, True]
    assert parse_capture(failed + failed).warnings[0].text.startswith("map mpatha: 1 of 2")
    other = sound.replace("36001405d1a2b3c4d5e6f7a8b9c0d1e2f", "36001405ffff0000eeee1111dddd2222c")
    assert len(details_of(sound + other).disks or ()) == 2
