"""The arithmetic of partition tables, and what sfdisk prints."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError, RefusedError, UsageError
from iscsictl.model.partition_table import Entry, Table, Topology
from iscsictl.parse.sfdisk import parse_table, parse_types
from iscsictl.planner.disks.layout import (
    DOS_LIMIT,
    SUN_CYLINDER,
    SUN_CYLINDERS,
    alignment_grain,
    find_other_change,
    find_problems,
    find_rest_partition,
    free_gaps,
    grown_size,
    last_usable,
    next_number,
    place_partition,
    resolve_type,
)

LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
GIB = 2 * 1024 * 1024  # sectors
PLAIN = Topology()
LIO = Topology(optimal=8 << 20)

GPT_TEXT = json.dumps(
    {
        "partitiontable": {
            "label": "gpt",
            "id": "5D5C7A7E-8F1C-4B23-9B1F-6F0C1F9B2A11",
            "device": "/dev/sda",
            "unit": "sectors",
            "firstlba": 2048,
            "lastlba": 2097118,
            "sectorsize": 512,
            "partitions": [
                {"node": "/dev/sda10", "start": 616448, "size": 409600, "type": LINUX},
                {
                    "node": "/dev/sda2",
                    "start": 2048,
                    "size": 614400,
                    "type": LINUX.lower(),
                    "uuid": "7E2B",
                    "name": "data [x]",
                    "attrs": "RequiredPartition LegacyBIOSBootable GUID:60,63",
                },
            ],
        }
    }
)


def gpt(*entries: Entry, total: int = GIB) -> Table:
    return Table("gpt", 512, "X", 2048, total - 34, entries)


def test_a_gpt_table_is_read_in_the_order_of_its_numbers() -> None:
    table = parse_table(GPT_TEXT)
    assert (table.label, table.first, table.last) == ("gpt", 2048, 2097118)
    assert [entry.number for entry in table.entries] == [2, 10]
    second = table.entries[0]
    assert (second.start, second.size, second.end, second.type) == (2048, 614400, 616448, LINUX)
    assert second.attrs == ("RequiredPartition", "LegacyBIOSBootable", "GUID:60", "GUID:63")


def test_partitions_of_a_map_have_numbers_too() -> None:
    text = json.dumps(
        {
            "partitiontable": {
                "label": "dos",
                "device": "/dev/mapper/mpatha",
                "partitions": [
                    {"node": "/dev/mapper/mpatha-part3", "start": 1, "size": 2, "type": "8e",
                     "bootable": True}
                ],
            }
        }
    )  # fmt: skip
    (entry,) = parse_table(text).entries
    assert (entry.number, entry.type, entry.bootable) == (3, "8e", True)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"partitiontable": 5}', "null", "[" * 5000,
                                  GPT_TEXT.replace("/dev/sda10", "/dev/sdb1"),
                                  re.sub('"size": ?', '"size": 1e999', GPT_TEXT)])  # fmt: skip
def test_what_is_no_table_of_sfdisk_is_an_error_of_one_line(text: str) -> None:
    with pytest.raises(IscsictlError):
        parse_table(text)


def test_names_of_types_are_read_with_codes_and_guids() -> None:
    text = f"Id  Name\n\n 83  Linux\n0b  W95 FAT32\n{LINUX}  Linux filesystem\nrubbish\n"
    assert parse_types(text) == {"83": "Linux", "b": "W95 FAT32", LINUX: "Linux filesystem"}


@pytest.mark.parametrize(
    ("label", "text", "wanted"),
    [
        ("gpt", "linux", LINUX),
        ("gpt", "LVM", "E6D6D379-F507-44C2-A23C-238F2A3DF928"),
        ("gpt", LINUX.lower(), LINUX),
        ("gpt", "linux filesystem", LINUX),
        ("dos", "linux", "83"),
        ("dos", "0x8E", "8e"),
        ("dos", "0c", "c"),
        ("dos", "efi", "ef"),
        ("sun", "swap", "82"),
    ],
)
def test_a_type_is_a_word_a_code_a_guid_or_a_name(label: str, text: str, wanted: str) -> None:
    names = {LINUX: "Linux filesystem"} if label == "gpt" else {"83": "Linux"}
    assert resolve_type(label, text, names) == wanted


@pytest.mark.parametrize(
    ("label", "text"),
    [("gpt", "8e"), ("gpt", "nonsense"), ("dos", LINUX), ("dos", "5"), ("dos", "0f"), ("dos", "0"),
     ("dos", "1234"), ("sun", "efi")],
)  # fmt: skip
def test_what_is_no_type_of_the_table_is_refused(label: str, text: str) -> None:
    with pytest.raises(UsageError):
        resolve_type(label, text, {})


@pytest.mark.parametrize("label", ["gpt", "dos", "sun"])
def test_the_hint_lists_the_types_of_the_table_that_is_there(label: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_type(label, "nonsense", {})
    assert str(caught.value.hint).endswith(f"iscsictl disk part type --list {label}")


def test_a_disk_without_a_request_is_aligned_to_a_mebibyte() -> None:
    assert alignment_grain(PLAIN, GIB) == 2048
    assert alignment_grain(Topology(4096, 4096, 4096), GIB) == 256


def test_the_optimal_size_of_a_large_disk_counts() -> None:
    assert alignment_grain(LIO, GIB) == 16384


def test_three_stripes_of_64_kib_make_a_multiple_of_at_least_a_mebibyte() -> None:
    step = alignment_grain(Topology(optimal=192 << 10), GIB)
    assert step * 512 >= 1 << 20
    assert step * 512 % (192 << 10) == 0


def test_an_optimal_size_that_makes_no_sense_is_left_out() -> None:
    assert alignment_grain(Topology(optimal=65535 * 512), GIB) == 2048


@pytest.mark.fault("F28")
def test_a_disk_of_ten_mebibytes_is_not_eaten_by_alignment() -> None:
    total = 20480
    start, size = place_partition(gpt(total=total), total, LIO, size=None, start=None)
    assert start == 2048
    assert size * 512 >= 8 << 20


@pytest.mark.fault("F28")
def test_sectors_of_4096_bytes_are_counted_as_such() -> None:
    total = (1 << 30) // 4096
    table = Table("gpt", 4096, "X", 256, last_usable(Table("gpt", 4096), total))
    assert table.last == total - 2 - 4
    start, size = place_partition(table, total, Topology(4096, 4096, 4096), size=None, start=None)
    assert start == 256
    assert (start + size) % 256 == 0
    assert start + size <= total - 5


def test_gaps_are_what_no_partition_takes() -> None:
    table = gpt(Entry(1, 4096, 4096, LINUX), Entry(2, 16384, 2048, LINUX))
    assert free_gaps(table, GIB) == ((2048, 4096), (8192, 16384), (18432, GIB - 33))


def test_the_first_gap_that_is_large_enough_is_taken() -> None:
    table = gpt(Entry(1, 4096, 4096, LINUX), Entry(2, 16384, 2048, LINUX))
    assert place_partition(table, GIB, PLAIN, size=2048, start=None) == (2048, 2048)
    assert place_partition(table, GIB, PLAIN, size=8192, start=None) == (8192, 8192)
    assert place_partition(table, GIB, PLAIN, size=8193, start=None)[0] == 18432


def test_the_rest_is_the_largest_gap_and_ends_at_a_mebibyte() -> None:
    table = gpt(Entry(1, 2048, 4096, LINUX))
    start, size = place_partition(table, GIB, PLAIN, size=None, start=None)
    assert start == 6144
    assert start + size == GIB - 2048


def test_no_room_says_how_much_there_is() -> None:
    table = gpt(Entry(1, 2048, GIB - 2048 - 4096, LINUX))
    with pytest.raises(RefusedError, match="largest gap has 4063"):
        place_partition(table, GIB, PLAIN, size=8192, start=None)
    with pytest.raises(RefusedError, match="at sector 2048"):
        place_partition(table, GIB, PLAIN, size=1, start=2048)


def test_a_start_that_is_given_is_taken_as_it_is() -> None:
    assert place_partition(gpt(), GIB, PLAIN, size=10, start=5000) == (5000, 10)


@pytest.mark.fault("F28")
def test_a_dos_table_ends_at_its_last_number() -> None:
    total = 3 * 1024 * GIB
    table = Table("dos")
    start, size = place_partition(table, total, PLAIN, size=None, start=None)
    assert start + size <= DOS_LIMIT
    assert {p.id for p in find_problems(table, total, PLAIN, {})} == {"dos-limit"}


def test_what_a_dos_partition_contains_takes_no_room_of_its_own() -> None:
    table = Table("dos", entries=(Entry(1, 2048, 100000, "5"), Entry(5, 4096, 1000, "83")))
    assert free_gaps(table, 204800) == ((1, 2048), (102048, 204800))
    assert next_number(table) == 2


def test_a_sun_table_counts_cylinders_and_keeps_the_first_for_itself() -> None:
    table = Table("sun", entries=(Entry(3, 0, GIB, "5"),))
    start, size = place_partition(table, GIB, PLAIN, size=100, start=None)
    assert (start, size) == (SUN_CYLINDER, SUN_CYLINDER)
    assert next_number(Table("sun", entries=(Entry(1, 0, 1, "83"), Entry(2, 1, 1, "83")))) == 4


def test_five_primary_partitions_are_too_many() -> None:
    entries = tuple(Entry(n, n * 2048, 2048, "83") for n in (1, 2, 3, 4))
    with pytest.raises(RefusedError, match="already has 4"):
        next_number(Table("dos", entries=entries))


@pytest.mark.fault("F27")
def test_the_last_partition_grows_to_the_new_end() -> None:
    entry = Entry(1, 2048, GIB - 4096, LINUX)
    table = gpt(entry)
    assert grown_size(table, GIB, entry) == entry.size
    assert grown_size(table, 2 * GIB, entry) == 2 * GIB - 2048 - 2048


def test_a_partition_grows_up_to_the_next_one_only() -> None:
    first, second = Entry(1, 2048, 2048, LINUX), Entry(2, 8192, 2048, LINUX)
    assert grown_size(gpt(first, second), GIB, first) == 6144
    assert grown_size(gpt(first, Entry(2, 4096, 2048, LINUX)), GIB, first) == 2048


def test_all_but_the_named_partition_must_be_the_same() -> None:
    before = gpt(Entry(1, 2048, 2048, LINUX), Entry(2, 4096, 2048, LINUX))
    assert find_other_change(before, gpt(Entry(1, 2048, 2048, LINUX)), 2) is None
    assert (
        find_other_change(before, gpt(Entry(2, 4096, 2048, LINUX)), 2) == "partition 1 has changed"
    )
    moved = gpt(Entry(1, 2049, 2048, LINUX), Entry(2, 4096, 2048, LINUX))
    assert find_other_change(before, moved, 2) == "partition 1 has changed"
    more = gpt(*before.entries, Entry(7, 9000, 10, LINUX))
    assert find_other_change(before, more, 2) == "there is a new partition 7"
    assert find_other_change(before, Table("dos", 512, "X"), 2) is not None


def test_a_sound_table_has_no_problems() -> None:
    table = gpt(Entry(1, 2048, 4096, LINUX), Entry(2, 6144, 2048, LINUX))
    assert find_problems(table, GIB, PLAIN, {1: (2048, 4096), 2: (6144, 2048)}) == ()


def test_each_thing_that_is_wrong_with_a_table_is_said() -> None:
    fine = Topology(512, 4096, 4096)
    overlap = gpt(Entry(1, 2048, 4096, LINUX), Entry(2, 4096, 2048, LINUX))
    assert {p.id for p in find_problems(overlap, GIB, PLAIN, {})} == {"overlap"}
    beyond = gpt(Entry(1, 2048, GIB, LINUX))
    assert "beyond" in {p.id for p in find_problems(beyond, GIB, PLAIN, {})}
    askew = gpt(Entry(1, 2049, 4096, LINUX))
    assert {p.id for p in find_problems(askew, GIB, fine, {})} == {"unaligned"}
    assert {p.id for p in find_problems(gpt(), 2 * GIB, PLAIN, {})} == {"backup"}
    kernel = find_problems(gpt(Entry(1, 2048, 4096, LINUX)), GIB, PLAIN, {1: (2048, 2048)})
    assert {p.id for p in kernel} == {"kernel"}
    two = Table("dos", entries=tuple(Entry(n, n * 2048, 8, "83", bootable=True) for n in (1, 2)))
    assert {p.id for p in find_problems(two, GIB, PLAIN, {})} == {"two-bootable"}


def test_the_rest_of_a_disk_of_one_mebibyte_is_all_that_sfdisk_would_give() -> None:
    # sfdisk (util-linux 2.38) on such a disk: firstlba 34, and `,` makes 34 to 2013 of 34 to 2014.
    table = Table("gpt", 512, "X", 34, 2014)
    start, size = place_partition(table, 2048, PLAIN, size=None, start=None)
    assert start == 34
    assert size >= 1980
    assert start + size - 1 <= 2014


def test_the_rest_was_taken_by_who_came_last_or_filled_the_disk() -> None:
    one, two = Entry(1, 2048, 1048576, LINUX), Entry(2, 1050624, 524288, LINUX)
    assert find_rest_partition(gpt(one, two), GIB, PLAIN) is None
    start, size = place_partition(gpt(one, two), GIB, PLAIN, size=None, start=None)
    three = Entry(3, start, size, LINUX)
    assert find_rest_partition(gpt(one, two, three), GIB, PLAIN) is three
    assert find_rest_partition(gpt(), GIB, PLAIN) is None


def test_a_logical_partition_keeps_its_size() -> None:
    # sfdisk refuses both: "Failed to resize partition".
    entries = (
        Entry(1, 2048, 204800, "83"), Entry(2, 206848, 409600, "5"),
        Entry(5, 208896, 100000, "83"), Entry(6, 310944, 100000, "83"),
    )  # fmt: skip
    table = Table("dos", entries=entries)
    assert [grown_size(table, GIB, entry) for entry in entries[2:]] == [100000, 100000]


def test_a_sun_label_ends_at_its_last_cylinder() -> None:
    # Cylinders are 16-bit numbers: sfdisk refuses partitions where there are 65536.
    assert last_usable(Table("sun"), SUN_CYLINDERS * SUN_CYLINDER) + 1 == 65535 * 255 * 63
    assert last_usable(Table("sun"), 1 << 40) + 1 == 65535 * 255 * 63


@pytest.mark.parametrize("label", ["gpt", "dos", "sun"])
def test_sfdisk_takes_the_places_that_are_computed(label: str, tmp_path: Path) -> None:
    from iscsictl.system.block.partition_table import type_names, verify
    from iscsictl.system.block.table_reader import read_table

    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    sfdisk = shutil.which("sfdisk", path="/usr/sbin:/sbin:/usr/bin") or ""

    def feed(script: str, *options: str) -> None:
        subprocess.run([sfdisk, "-q", *options, image], input=script, text=True, check=True,
                       capture_output=True)  # fmt: skip

    feed(f"label: {label}\n")
    total = (256 << 20) // 512
    names = type_names(label)
    for wanted in (65536, 65536, None):
        table = read_table(str(image))
        assert table is not None
        start, size = place_partition(table, total, LIO, size=wanted, start=None)
        number = next_number(table)
        kind = resolve_type(label, "linux", names)
        feed(f"{number} : start={start}, size={size}, type={kind}\n", "--append", "--wipe", "never")
        after = read_table(str(image))
        assert after is not None
        assert find_other_change(table, after, number) is None
        entry = after.entry(number)
        assert entry is not None
        assert (entry.start, entry.size, entry.type) == (start, size, kind)
    assert verify(str(image)) == ()


def test_the_names_of_types_are_those_of_the_table() -> None:
    from iscsictl.system.block.partition_table import type_names

    assert type_names("gpt")[LINUX] == "Linux filesystem"
    assert type_names("dos")["83"] == "Linux"
    assert type_names("nonsense") == {}
