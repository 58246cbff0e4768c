"""Rules of each kind of table that decide where data may be, and what must not change."""

from dataclasses import replace

import pytest

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.partition_table import Entry, Table, Topology
from iscsictl.planner.disks.layout import (
    BOOT_ATTRIBUTE,
    DOS_LIMIT,
    SUN_CYLINDER,
    alignment_grain,
    find_other_change,
    find_problems,
    find_rest_partition,
    free_gaps,
    grown_size,
    is_bootable,
    next_number,
    place_partition,
    resolve_type,
    with_bootable,
)
from iscsictl.system.block.partition_table import type_names
from tests.unit.test_partitions import GIB, LINUX, PLAIN, gpt

ONE = Entry(1, 2048, 2048, LINUX)


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("gpt", {"linux": "Linux filesystem", "lvm": "Linux LVM", "raid": "Linux RAID",
                 "swap": "Linux swap", "efi": "EFI System"}),
        ("dos", {"linux": "Linux", "lvm": "Linux LVM", "raid": "Linux raid autodetect",
                 "swap": "Linux swap / Solaris", "efi": "EFI (FAT-12/16/32)"}),
        ("sun", {"linux": "Linux native", "lvm": "Linux LVM", "raid": "Linux raid autodetect",
                 "swap": "Linux swap"}),
    ],
)  # fmt: skip
def test_a_word_stands_for_the_type_that_sfdisk_calls_so(label: str, names: dict[str, str]) -> None:
    by_type = type_names(label)
    for word, name in names.items():
        assert by_type[resolve_type(label, word.upper(), {})] == name
        assert by_type[resolve_type(label, name.upper(), by_type)] == name
    with pytest.raises(UsageError, match="not a type"):
        resolve_type(label, "twice", {"1": "Twice", "2": "twice"})


def test_only_a_dos_table_has_extended_and_empty_partitions() -> None:
    assert resolve_type("sun", "5", {}) == "5"
    sun = Table("sun", 512, entries=(Entry(6, SUN_CYLINDER, 2 * SUN_CYLINDER, "83"),))
    assert free_gaps(sun, 10 * SUN_CYLINDER)[0] == (3 * SUN_CYLINDER, 10 * SUN_CYLINDER)
    assert grown_size(sun, 10 * SUN_CYLINDER + 5, sun.entries[0]) == 9 * SUN_CYLINDER


def test_another_table_with_the_same_partitions_is_another_table() -> None:
    before = gpt(ONE)
    for after in (replace(before, id="Y"), replace(before, label="dos")):
        assert "the table is now" in (find_other_change(before, after, 1) or "")


def test_a_partition_may_take_the_last_sector_and_begin_at_the_first_of_a_gap() -> None:
    table = Table("dos", 512, entries=(Entry(1, 2048, 2048, "83"),))
    assert grown_size(table, 8192, table.entries[0]) == 8192 - 2048
    assert free_gaps(table, 8192) == ((1, 2048), (4096, 8192))
    assert place_partition(table, 8192, PLAIN, size=4096, start=4096) == (4096, 4096)
    with pytest.raises(RefusedError, match="no room for 4097 sectors at sector 4096"):
        place_partition(table, 8192, PLAIN, size=4097, start=4096)
    # One sector less, and a mebibyte more would end after the last sector.
    assert grown_size(table, 8191, table.entries[0]) == 6144 - 2048
    # The sector after a gap is that of the next partition.
    between = gpt(ONE, Entry(2, 8192, 2048, LINUX))
    with pytest.raises(RefusedError):
        place_partition(between, GIB, PLAIN, size=1, start=8192)


def test_a_gpt_ends_where_its_header_says_so_though_the_disk_is_larger() -> None:
    table = gpt(ONE, total=GIB)
    assert free_gaps(table, 2 * GIB)[-1] == (4096, GIB - 33)
    shrunk = replace(table, last=2 * GIB)
    assert free_gaps(shrunk, GIB)[-1] == (4096, GIB - 33)


def test_the_largest_gap_is_taken_wherever_it_is() -> None:
    table = gpt(Entry(1, 524288, 4096, LINUX), Entry(2, GIB - 204800, 4096, LINUX))
    start, size = place_partition(table, GIB, PLAIN, size=None, start=None)
    assert (start, size) == (528384, GIB - 204800 - 528384)
    with pytest.raises(RefusedError, match="largest gap has 1363968 sectors"):
        place_partition(table, GIB, PLAIN, size=GIB, start=None)
    full = gpt(Entry(1, 2048, GIB - 2048 - 33, LINUX))
    with pytest.raises(RefusedError, match="any partition: the largest gap has 0 sectors"):
        place_partition(full, GIB, PLAIN, size=None, start=None)


def test_a_gap_in_which_no_mebibyte_begins_takes_no_partition_of_its_own_accord() -> None:
    table = gpt(Entry(1, 2048, 3000, LINUX), Entry(2, 6000, GIB - 6000 - 33, LINUX))
    assert free_gaps(table, GIB) == ((5048, 6000),)
    with pytest.raises(RefusedError, match="largest gap has 952 sectors"):
        place_partition(table, GIB, PLAIN, size=None, start=None)
    assert place_partition(table, GIB, PLAIN, size=None, start=5048) == (5048, 952)


def test_only_the_rest_is_rounded_to_a_mebibyte() -> None:
    table = gpt(ONE, Entry(2, 7096, GIB - 7096 - 33, LINUX))
    assert place_partition(table, GIB, PLAIN, size=3000, start=None) == (4096, 3000)
    assert place_partition(table, GIB, PLAIN, size=None, start=None) == (4096, 2048)
    wide = gpt(ONE, Entry(2, 12000, GIB - 12000 - 33, LINUX))
    assert place_partition(wide, GIB, PLAIN, size=None, start=5000) == (5000, 7000)


def test_partitions_are_aligned_to_the_offset_of_the_disk() -> None:
    skewed = Topology(512, 4096, 4096, 0, 3584)
    start, _ = place_partition(gpt(), GIB, skewed, size=2048, start=None)
    assert (start - 7) % 2048 == 0
    assert find_problems(gpt(Entry(1, start, 2048, LINUX)), GIB, skewed, {}) == ()
    behind = gpt(Entry(1, 2048 + 7, 2048, LINUX))
    assert place_partition(behind, GIB, skewed, size=2048, start=None) == (4096 + 7, 2048)
    start, size = place_partition(Table("dos"), GIB, skewed, size=None, start=None)
    assert (start, (start + size) % 2048) == (2048 + 7, 0)
    sun = Table("sun", entries=(Entry(1, SUN_CYLINDER, SUN_CYLINDER, "83"),))
    assert find_problems(sun, GIB, skewed, {}) == ()
    askew = find_problems(gpt(Entry(1, 2048, 2048, LINUX)), GIB, skewed, {})
    assert [(one.id, one.severity, one.number) for one in askew] == [("unaligned", "warn", 1)]
    assert alignment_grain(Topology(512, 4096), 4096) == 8


def test_a_partition_that_fills_the_disk_took_the_rest() -> None:
    full = Entry(1, 2048, grown_size(gpt(ONE), GIB, ONE), LINUX)
    assert find_rest_partition(gpt(full), GIB, PLAIN) is full
    whole = gpt(Entry(2, 2048, GIB - 2048 - 33, LINUX))
    assert find_rest_partition(whole, GIB, PLAIN) is whole.entries[0]
    in_front = gpt(Entry(1, 2048, 2048, LINUX), Entry(2, 4096, full.size - 2048, LINUX))
    assert find_rest_partition(in_front, GIB, PLAIN) is in_front.entries[1]
    # On a full disk it may be any of them, also beside one that is too small to be aligned.
    later, tiny = Entry(1, 4096, GIB - 4096 - 33, LINUX), Entry(1, 34, 100, LINUX)
    assert find_rest_partition(gpt(later, replace(ONE, number=2)), GIB, PLAIN) is later
    large = Entry(2, 2048, GIB - 2048 - 33, LINUX)
    beside_it = replace(gpt(tiny, large), first=34)
    assert find_rest_partition(beside_it, GIB, PLAIN) is large
    # One that leaves room in front of it was given a start.
    at_the_end = Entry(1, 524288, full.end - 524288, LINUX)
    assert find_rest_partition(gpt(at_the_end), GIB, PLAIN) is None


def test_a_dos_table_has_four_partitions_of_its_own_and_what_is_in_an_extended_one() -> None:
    primary = tuple(Entry(n, 4096 * n, 2048, "83") for n in (1, 2, 3))
    assert next_number(Table("dos", entries=primary)) == 4
    four = Table("dos", entries=(*primary, Entry(4, 16384, 2048, "83")))
    assert free_gaps(four, 32768)[-2:] == ((14336, 16384), (18432, 32768))
    assert grown_size(four, 32768, four.entries[3]) == 32768 - 16384
    nested = Table("dos", entries=(Entry(1, 2048, 40960, "5"), Entry(5, 4096, 1024, "83")))
    assert find_problems(nested, GIB, PLAIN, {}) == ()
    many = gpt(*(Entry(n, 4096 * n, 2048, LINUX) for n in (1, 5)))
    assert grown_size(many, GIB, many.entries[1]) > 2048


@pytest.mark.parametrize("on", [True, False])
def test_the_boot_flag_leaves_all_else_of_a_partition_as_it_is(on: bool) -> None:
    flagged = replace(ONE, attrs=("RequiredPartition", BOOT_ATTRIBUTE, "GUID:60"))
    after = with_bootable(flagged, "gpt", on=on)
    assert (is_bootable(after, "gpt"), after.bootable) == (on, False)
    assert sorted(after.attrs) == sorted(
        ("RequiredPartition", "GUID:60", *([BOOT_ATTRIBUTE] if on else []))
    )
    primary = Entry(1, 2048, 2048, "83", bootable=not on)
    assert with_bootable(primary, "dos", on=on) == replace(primary, bootable=on)
    assert is_bootable(with_bootable(primary, "dos", on=on), "dos") is on


def test_what_endangers_data_is_a_failure_and_what_is_only_unwise_a_warning() -> None:
    def found(table: Table, total: int = GIB, **kernel: tuple[int, int]) -> set[tuple[str, str]]:
        seen = {int(name[1:]): place for name, place in kernel.items()}
        return {(one.id, one.severity) for one in find_problems(table, total, PLAIN, seen)}

    large = Entry(1, 2048, 8192, LINUX)
    inside = gpt(large, Entry(2, 4096, 2048, LINUX), Entry(3, 8192, 1024, LINUX))
    overlaps = find_problems(inside, GIB, PLAIN, {})
    assert [(one.id, one.severity, one.number) for one in overlaps] == [
        ("overlap", "fail", 2), ("overlap", "fail", 3),
    ]  # fmt: skip
    apart = gpt(ONE, Entry(2, 6144, 4096, LINUX), Entry(3, 8192, 4096, LINUX))
    assert found(apart) == {("overlap", "fail")}
    assert found(gpt(Entry(1, 2048, 2048, LINUX)), 4095) == {("beyond", "fail")}
    assert found(Table("dos", entries=(Entry(1, 2048, 2048, "83"),)), 4096) == set()
    assert found(gpt(ONE), p1=(2048, 1024)) == {("kernel", "fail")}
    # A partition that the kernel does not have yet, and one that it shortens.
    assert found(gpt(ONE, Entry(2, 4096, 2048, LINUX)), p1=(2048, 2048)) == set()
    assert found(Table("dos", entries=(Entry(1, 2048, 2048, "f"),)), p1=(2048, 2)) == set()
    assert found(gpt(ONE), 2 * GIB) == {("backup", "warn")}
    assert found(Table("dos"), DOS_LIMIT) == set()
    assert found(Table("dos"), DOS_LIMIT + 1) == {("dos-limit", "warn")}
    both = tuple(Entry(n, n * 2048, 8, "83", bootable=True) for n in (1, 2))
    assert found(Table("dos", entries=both)) == {("two-bootable", "warn")}
    assert found(Table("dos", entries=both[:1])) == set()
    assert found(Table("dos", entries=tuple(replace(one, bootable=False) for one in both))) == set()
    assert found(gpt(total=2 * DOS_LIMIT), 2 * DOS_LIMIT) == set()
    assert found(Table("sun", entries=both)) == set()


def test_a_backup_left_behind_is_moved_by_what_can_be_done_with_the_table() -> None:
    assert [one.fix for one in find_problems(gpt(), 2 * GIB, PLAIN, {})] == [
        "iscsictl disk part add"
    ]
    assert [one.fix for one in find_problems(gpt(ONE), 2 * GIB, PLAIN, {})] == [
        "iscsictl disk grow"
    ]
