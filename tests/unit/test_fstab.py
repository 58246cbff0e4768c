"""fstab: read, edited line by line, saved only when findmnt finds no new error."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab, FstabLine, note_option, split_options
from iscsictl.parse.fstab import (
    append_line,
    claim_line,
    make_line,
    mount_line,
    parse_fstab,
    parse_line,
    render_fstab,
    replace_line,
    without_line,
)
from iscsictl.system.io.files import FileChangedError
from iscsictl.system.mount.fstab_file import findmnt_errors, read_fstab, save_fstab

UUID = "5b2a7ac0-7a9b-4f4c-9df0-0123456789ab"
WWID = "naa.6001405c5a1f3b2d9e84c0aa11223344"
IQN = "iqn.2003-01.org.example:t1"
PLAIN = (
    b"# /etc/fstab: static file system information.\n"
    b"UUID=11111111-2222-3333-4444-555555555555 / ext4 errors=remount-ro 0 1\n"
    b"\n"
    b"proc\t/proc\tproc\tdefaults\t0\t0\n"
)

needs_findmnt = pytest.mark.skipif(shutil.which("findmnt") is None, reason="no findmnt here")


def _claim(directory: str | None = "/cluster/raid") -> FstabLine:
    return claim_line(FilesystemClaim(UUID, "ext4"), directory, wwid=WWID, target=IQN, lun=0)


def _mount(directory: str = "/cluster/raid", *options: str, boot: bool = True) -> FstabLine:
    return mount_line(
        UUID,
        directory,
        "ext4",
        options,
        login_service="open-iscsi.service",
        wwid=WWID,
        target=IQN,
        lun=0,
        boot=boot,
    )


def test_the_fields_of_a_line_are_read() -> None:
    line = parse_line(b"LABEL=a\\040b \t/mnt/c\\011d\text4  rw,noatime 1\t2 more # fields\n")
    assert (line.spec, line.file, line.fstype) == ("LABEL=a b", "/mnt/c\td", "ext4")
    assert (line.options, line.passno) == (("rw", "noatime"), "2")


def test_missing_fields_are_those_of_mount() -> None:
    line = parse_line(b"/dev/sda1 /mnt ext4")
    assert (line.options, line.passno) == (("defaults",), "0")


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"/a\040b", "/a b"),
        (rb"/a\011b", "/a\tb"),
        (rb"/a\012b", "/a\nb"),
        (rb"/a\134b", "/a\\b"),
        (rb"/a\043b", "/a#b"),
        (rb"/a\134040b", "/a\\040b"),
        (rb"/a\04", "/a\\04"),
        (b"/\xff\xfe", "/\udcff\udcfe"),
    ],
)
def test_escapes_are_undone_once(escaped: bytes, text: str) -> None:
    assert parse_line(b"x " + escaped + b" ext4\n").file == text


@pytest.mark.parametrize("raw", [b"one two\n", b"one\n", b"a b\0c d e\n", rb"a /b\000 d e"])
def test_what_is_no_entry_is_kept_with_a_problem(raw: bytes) -> None:
    line = parse_line(raw)
    assert not line.is_entry
    assert line.problem
    assert line.raw == raw


@pytest.mark.parametrize("numbers", [b"", b"0", b"0 0", b"+1 01", b"-1 -1", b"0 0 # note"])
def test_numbers_that_libmount_reads_are_numbers(numbers: bytes) -> None:
    assert parse_line(b"/dev/sda1 /srv ext4 nofail " + numbers + b"\n").is_entry


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (b"nofail # my disk", "a comment as its fifth field"),
        (b"nofail, _netdev 0 0", "'_netdev' instead of a number as its fifth field"),
        (b"nofail 0 #my disk", "a comment as its sixth field"),
        (b"nofail 1x 0", "'1x'"),
        (b"nofail 0x1 0", "'0x1'"),
        (rb"nofail \060 0", "fifth"),
        (b"nofail 0 +", "sixth"),
    ],
)
def test_a_field_that_should_be_a_number_and_is_none_spoils_the_line(
    rest: bytes, said: str
) -> None:
    # libmount: `parse error at line 1 -- ignored`.
    line = parse_line(b"UUID=x /srv ext4 " + rest + b"\n")
    assert not line.is_entry
    assert said in (line.problem or "")


@pytest.mark.parametrize("raw", [b"\n", b"# x y z\n", b"  \t# x y z\n", b"\r\n", b""])
def test_comments_and_empty_lines_are_no_problem(raw: bytes) -> None:
    line = parse_line(raw)
    assert not line.is_entry
    assert line.problem is None


def test_a_comma_in_quotes_parts_no_option() -> None:
    text = 'rw,context="system_u:object_r:tmp_t:s0:c127,c456",noexec'
    assert split_options(text) == (
        "rw",
        'context="system_u:object_r:tmp_t:s0:c127,c456"',
        "noexec",
    )


def test_a_claim_is_exactly_the_line_of_the_contract() -> None:
    assert _claim().raw.decode() == (
        f"UUID={UUID} /cluster/raid ext4 noauto,nofail,_netdev,x-iscsictl.making={WWID},"
        f"x-iscsictl.target={IQN},x-iscsictl.lun=0 0 0\n"
    )
    assert _claim(None).file == "none"
    assert _claim(None).mount_point is None


def test_a_claim_is_ours_and_mounts_nothing_at_boot() -> None:
    line = _claim()
    assert (line.is_ours, line.is_claim, line.auto) == (True, True, False)
    assert (line.making, line.wwid, line.target, line.lun, line.uuid) == (WWID, WWID, IQN, 0, UUID)


def test_a_mount_comes_after_the_login_service_and_never_requires_it() -> None:
    line = _mount("/cluster/raid", "noatime")
    assert line.raw.decode() == (
        f"UUID={UUID} /cluster/raid ext4 _netdev,nofail,x-systemd.after=open-iscsi.service,"
        f"noatime,x-iscsictl.wwid={WWID},x-iscsictl.target={IQN},x-iscsictl.lun=0 0 0\n"
    )
    assert b"requires" not in line.raw
    assert (line.is_ours, line.is_claim, line.auto, line.wwid) == (True, False, True, WWID)


@pytest.mark.fault("F50")
def test_a_mount_that_is_not_for_boot_is_noauto() -> None:
    assert not _mount(boot=False).auto
    assert not _mount("/x", "noauto").auto
    assert _mount("/x", "defaults", "nofail").options.count("nofail") == 1


@pytest.mark.parametrize("name", ["a,b", "a b", "a%2cb", "ä\udcff", 'a"b', "a\\b", "iqn.x:y_Z"])
def test_any_name_survives_in_a_note(name: str) -> None:
    line = claim_line(FilesystemClaim(UUID, "ext4"), None, wwid=WWID, target=name, lun=3)
    again = parse_line(line.raw)
    assert (again.target, again.lun) == (name, 3)


def test_an_iqn_stays_readable_in_a_note() -> None:
    assert note_option("target", IQN) == f"x-iscsictl.target={IQN}"


@pytest.mark.parametrize(
    ("directory", "options"),
    [
        ("relative", ()), ("", ()), ("/a\0b", ()), ("/a", ("a,b",)), ("/a\x1bb", ()),
        ("/a\rb", ()), ("/a\nb", ()), ("/a\x7f", ()), ("/a", ("a\x1bb",)), ("/a", ("a\0",)),
    ],
)  # fmt: skip
def test_what_no_line_can_carry_is_refused(directory: str, options: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        make_line("UUID=x", directory, "ext4", options)


@pytest.mark.fault("F43")
@pytest.mark.parametrize(
    "old",
    [
        PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.removesuffix(b"\n"),
        b"",
        b"UUID=x /with\\040blank ext4 defaults 0 0 # and more fields\n\xff\xfe junk\n",
        b"".join(b"/dev/disk%d /srv/%d\text4\tdefaults 0 0\n" % (n, n) for n in range(2000)),
    ],
)
def test_the_lines_of_others_keep_their_bytes(old: bytes) -> None:
    fstab = parse_fstab(old)
    assert render_fstab(fstab) == old
    added = append_line(fstab, _claim())
    newline = b"\r\n" if b"\r\n" in old else b"\n"
    whole = old if not old or old.endswith(b"\n") else old + newline
    claim = _claim().raw.removesuffix(b"\n") + newline
    assert render_fstab(added) == whole + claim
    number = added.ours[0].number
    mounted = replace_line(added, number, _mount("/a b"))
    assert render_fstab(mounted).startswith(whole)
    assert mounted.ours[0].file == "/a b"
    assert render_fstab(without_line(mounted, number)) == whole


def test_lines_are_numbered_again_after_an_edit() -> None:
    fstab = without_line(parse_fstab(PLAIN), 1)
    assert [line.number for line in fstab.lines] == [1, 2, 3]
    with pytest.raises(UsageError):
        without_line(fstab, 4)


@pytest.mark.parametrize(
    ("directory", "written"),
    [
        ("/srv/a#b", b"/srv/a#b"),
        ("/srv/a b", rb"/srv/a\040b"),
        ("/srv/a\tb", rb"/srv/a\011b"),
        ("/srv/a\\b", rb"/srv/a\134b"),
        ("/srv/\udcff\u00e9", b"/srv/\xff\xc3\xa9"),
    ],
)
def test_a_mount_point_is_written_so_that_libmount_and_systemd_agree_on_it(
    directory: str, written: bytes
) -> None:
    # getmntent(3), which systemd-fstab-generator reads with, undoes \040, \011, \012 and \134.
    line = _mount(directory)
    assert line.raw.split(b" ")[1] == written
    assert line.file == directory


@pytest.mark.parametrize(
    ("spec", "uuid"),
    [
        (f"UUID={UUID}", UUID),
        (f'UUID="{UUID}"', UUID),
        (f"UUID='{UUID}'", UUID),
        (f"UUID='{UUID}'x", UUID),
        (f"UUID={UUID.upper()}", UUID.upper()),
        (f"/dev/disk/by-uuid/{UUID}", UUID),
        (f"UUID={UUID}'", f"{UUID}'"),
        (f"uuid={UUID}", None),
        ("LABEL=x", None),
    ],
)
def test_the_uuid_of_a_line_is_the_one_that_libmount_sees(spec: str, uuid: str | None) -> None:
    assert parse_line(f"{spec} /srv ext4\n".encode()).uuid == uuid


def test_of_auto_and_noauto_fail_and_nofail_the_last_counts() -> None:
    def read(options: str) -> FstabLine:
        return parse_line(f"x /srv ext4 {options}\n".encode())

    assert [read(o).auto for o in ("rw", "noauto", "noauto,auto", "auto,noauto")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert [read(o).nofail for o in ("rw", "nofail", "nofail,fail", "fail,nofail")] == [
        False, True, False, True,
    ]  # fmt: skip
    assert read("noauto,x-systemd.automount").automount
    assert not read("noauto").automount


def test_lines_are_found_by_what_they_are_for() -> None:
    fstab = append_line(parse_fstab(PLAIN), _mount("/cluster/raid"))
    line = fstab.lines[-1]
    assert fstab.by_uuid(UUID.upper()) == (line,)
    assert fstab.by_dir("/cluster/raid/") == fstab.by_dir("//cluster/./raid") == (line,)
    odd = parse_fstab(b"x /u07//i/ ext4\n")
    assert odd.by_dir("/u07/i") == odd.entries
    assert fstab.by_wwid(WWID) == (line,)
    assert [entry.file for entry in fstab.by_dir("/")] == ["/"]


def _root(tmp_path: Path, data: bytes | None) -> Path:
    (tmp_path / "etc").mkdir()
    if data is not None:
        (tmp_path / "etc/fstab").write_bytes(data)
    return tmp_path


@needs_findmnt
def test_a_claim_adds_no_error_though_its_disk_is_not_there_yet(tmp_path: Path) -> None:
    root = _root(tmp_path, PLAIN)
    old = read_fstab(root)
    for claim in (_claim(None), _claim("/not/there/yet")):
        assert save_fstab(root, append_line(old, claim), old)
        assert save_fstab(root, old, append_line(old, claim))
    assert (root / "etc/fstab").read_bytes() == PLAIN


@needs_findmnt
def test_an_error_that_was_there_before_does_not_stop_us(tmp_path: Path) -> None:
    broken = PLAIN + b"two fields\nUUID=0-0 /gone ext4 defaults 0 0\n"
    root = _root(tmp_path, broken)
    assert sum(findmnt_errors(broken).values()) >= 2
    old = read_fstab(root)
    assert save_fstab(root, append_line(old, _claim()), old)
    assert (root / "etc/fstab").read_bytes() == broken + _claim().raw


@needs_findmnt
@pytest.mark.parametrize("line", [b"UUID=0-0 /not/there/yet ext4 defaults 0 0\n", b"two fields\n"])
def test_a_line_that_adds_an_error_is_refused_and_nothing_is_written(
    tmp_path: Path, line: bytes
) -> None:
    root = _root(tmp_path, PLAIN)
    old = read_fstab(root)
    with pytest.raises(RefusedError, match="findmnt --verify"):
        save_fstab(root, append_line(old, parse_line(line)), old)
    assert (root / "etc/fstab").read_bytes() == PLAIN


@needs_findmnt
def test_an_error_of_the_line_that_is_replaced_does_not_stop_us(tmp_path: Path) -> None:
    gone = b"UUID=0-0 /proc ext4 defaults 0 0\n"
    root = _root(tmp_path, PLAIN + gone)
    old = read_fstab(root)
    new = replace_line(old, 5, parse_line(gone.replace(b"defaults", b"_netdev,nofail")))
    assert save_fstab(root, new, old)


def test_taking_a_line_away_asks_nobody(tmp_path: Path) -> None:
    root = _root(tmp_path, PLAIN + _claim().raw)
    old = read_fstab(root)

    def verify(_: bytes) -> Counter[str]:
        pytest.fail("a dead disk would have hung it")

    assert save_fstab(root, without_line(old, 5), old, verify=verify)
    assert (root / "etc/fstab").read_bytes() == PLAIN


def test_a_claim_is_verified_once_and_not_again_where_only_its_note_changes(tmp_path: Path) -> None:
    root = _root(tmp_path, PLAIN)
    empty = read_fstab(root)
    asked: list[bytes] = []

    def verify(data: bytes) -> Counter[str]:
        asked.append(data)
        return Counter()

    claimed = append_line(empty, _claim())
    begun = replace_line(
        claimed, 5, parse_line(_claim().raw.replace(b" 0 0", b",x-iscsictl.mkfs=begun 0 0"))
    )
    assert save_fstab(root, claimed, empty, verify=verify)
    assert len(asked) == 1
    assert save_fstab(root, begun, claimed, verify=verify)
    assert len(asked) == 1
    assert b"x-iscsictl.mkfs=begun" in (root / "etc/fstab").read_bytes()
    other = replace_line(begun, 5, parse_line(begun.lines[4].raw.replace(b"noauto", b"auto")))
    assert save_fstab(root, other, begun, verify=verify)
    assert len(asked) == 2


@needs_findmnt
@pytest.mark.fault("F43")
@pytest.mark.parametrize("data", [PLAIN, PLAIN.replace(b"\n", b"\r\n"), b"", None])
def test_what_is_written_mount_can_read(tmp_path: Path, data: bytes | None) -> None:
    root = _root(tmp_path, data)
    old = read_fstab(root)
    # /proc is there on every host, and a line that is not mounted at boot needs no disk.
    line = _mount("/proc", "noatime", boot=False)
    assert save_fstab(root, append_line(old, line), old)
    assert not findmnt_errors((root / "etc/fstab").read_bytes()) - findmnt_errors(data or b"")
    assert read_fstab(root).by_wwid(WWID)[0].file == "/proc"


def test_an_edit_by_somebody_else_meanwhile_is_not_lost(tmp_path: Path) -> None:
    root = _root(tmp_path, PLAIN)
    old = read_fstab(root)
    (root / "etc/fstab").write_bytes(PLAIN + b"# theirs\n")
    with pytest.raises(FileChangedError):
        save_fstab(root, append_line(old, _claim()), old, verify=None)
    assert (root / "etc/fstab").read_bytes() == PLAIN + b"# theirs\n"


@pytest.mark.fault("F43")
def test_a_link_and_a_private_mode_are_kept(tmp_path: Path) -> None:
    root = _root(tmp_path, None)
    real = root / "real-fstab"
    real.write_bytes(PLAIN)
    real.chmod(0o600)
    (root / "etc/fstab").symlink_to("../real-fstab")
    old = read_fstab(root)
    assert save_fstab(root, append_line(old, _claim()), old, verify=None)
    assert (root / "etc/fstab").is_symlink()
    assert real.stat().st_mode & 0o7777 == 0o600
    assert not save_fstab(root, read_fstab(root), read_fstab(root))


def test_an_empty_fstab_is_a_value() -> None:
    assert parse_fstab(b"") == Fstab()


@needs_findmnt
def test_a_disk_that_is_not_there_at_the_moment_is_no_fault_of_its_line() -> None:
    line = b"UUID=11111111-2222-3333-4444-555555555555 /tmp ext4 _netdev,nofail 0 0\n"
    assert not findmnt_errors(line)
    assert findmnt_errors(line.replace(b"/tmp", b"no/such/directory"))
