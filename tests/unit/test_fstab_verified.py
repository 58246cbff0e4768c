"""What findmnt is asked before fstab is saved: the new lines alone, and without opening disks."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from iscsictl.errors import MissingError, RefusedError
from iscsictl.parse.fstab import append_line, parse_line, replace_line
from iscsictl.system.io import process
from iscsictl.system.mount.fstab_file import findmnt_errors, read_fstab, save_fstab
from tests.unit.fake_root import put

OTHERS = b"UUID=1111 / ext4 defaults 0 1\nUUID=2222 /home ext4 defaults 0 2\n"
NEW = b"UUID=3333 /srv ext4 noauto 0 0\n"


class Findmnt:
    """Says of each line what it is told to say, and keeps what it was asked."""

    def __init__(self, *answers: Counter[str]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def __call__(self, data: bytes) -> Counter[str]:
        self.asked.append(data)
        return self.answers.pop(0) if self.answers else Counter()


def host(root: Path, data: bytes | None) -> Path:
    (root / "etc").mkdir()
    if data is not None:
        (root / "etc/fstab").write_bytes(data)
    return root


@pytest.mark.parametrize(
    "others", [OTHERS, OTHERS.removesuffix(b"\n"), OTHERS.replace(b"\n", b"\r\n"), b"", None]
)
def test_only_the_new_lines_are_verified_whatever_ends_the_others(
    tmp_path: Path, others: bytes | None
) -> None:
    root = host(tmp_path, others)
    old, findmnt = read_fstab(root), Findmnt()
    second = NEW.replace(b"/srv", b"/opt")
    new = append_line(append_line(old, parse_line(NEW)), parse_line(second))
    assert save_fstab(root, new, old, verify=findmnt)
    assert findmnt.asked == [NEW + second]


def test_an_error_that_the_replaced_line_had_too_does_not_keep_the_new_one_out(
    tmp_path: Path,
) -> None:
    root = host(tmp_path, OTHERS)
    old, error = read_fstab(root), Counter({"/home: no such type": 1})
    line = parse_line(b"UUID=2222 /home ext4 noatime 0 2\n")
    findmnt = Findmnt(error, error)
    assert save_fstab(root, replace_line(old, 2, line), old, verify=findmnt)
    # The lines that stay are in neither question: a dead disk of theirs would hang findmnt.
    assert findmnt.asked == [line.raw, OTHERS.splitlines(keepends=True)[1]]


@pytest.mark.parametrize("before", [Counter({"/home: another": 1}), Counter[str]()])
def test_an_error_that_the_replaced_line_did_not_have_is_refused(
    tmp_path: Path, before: Counter[str]
) -> None:
    root = host(tmp_path, OTHERS)
    old = read_fstab(root)
    line = parse_line(b"UUID=2222 /home ext4 noatime 0 2\n")
    findmnt = Findmnt(Counter({"/home: no such type": 1}), before)
    with pytest.raises(RefusedError, match=r"in the new line: /home: no such type$"):
        save_fstab(root, replace_line(old, 2, line), old, verify=findmnt)
    assert (root / "etc/fstab").read_bytes() == OTHERS


def test_a_change_of_any_option_is_verified_that_mount_sees(tmp_path: Path) -> None:
    before = b"UUID=3333 /srv ext4 rw,noexec,x-iscsictl.wwid=naa.1,x-systemd.after=a.service 0 0\n"
    root = host(tmp_path, before)
    old, findmnt = read_fstab(root), Findmnt()
    for word in (b"noexec", b"a.service", b"rw", b"ext4"):
        line = parse_line(before.replace(word, b"x"))
        assert save_fstab(root, replace_line(old, 1, line), old, verify=findmnt)
        assert findmnt.asked.pop(0) == line.raw.replace(b",x-iscsictl.wwid=naa.1", b"")
        (root / "etc/fstab").write_bytes(before)
    note = parse_line(before.replace(b"naa.1", b"naa.2"))
    assert save_fstab(root, replace_line(old, 1, note), old, verify=findmnt)
    assert findmnt.asked == []


def test_an_error_of_an_added_line_is_refused_after_one_question(tmp_path: Path) -> None:
    root = host(tmp_path, OTHERS)
    old, findmnt = read_fstab(root), Findmnt(Counter({"/srv: bad": 1}))
    with pytest.raises(RefusedError, match="/srv: bad"):
        save_fstab(root, append_line(old, parse_line(NEW)), old, verify=findmnt)
    assert findmnt.asked == [NEW]


def test_without_findmnt_a_line_is_saved_unverified(tmp_path: Path) -> None:
    root = host(tmp_path, OTHERS)
    old = read_fstab(root)

    def findmnt(_: bytes) -> Counter[str]:
        raise MissingError("findmnt is not installed")

    assert save_fstab(root, append_line(old, parse_line(NEW)), old, verify=findmnt)
    assert (root / "etc/fstab").read_bytes() == OTHERS + NEW


@pytest.mark.parametrize(("before", "after"), [(None, 0o644), (0o640, 0o640)])
def test_a_new_fstab_can_be_read_by_all_and_an_old_one_keeps_its_mode(
    tmp_path: Path, before: int | None, after: int
) -> None:
    """Programs of users read it: mount(8), file managers, df(1)."""
    root = host(tmp_path, None if before is None else OTHERS)
    path = root / "etc/fstab"
    if before is not None:
        path.chmod(before)
    old = read_fstab(root)
    assert save_fstab(root, append_line(old, parse_line(NEW)), old, verify=None)
    assert path.stat().st_mode & 0o7777 == after


@pytest.fixture
def findmnt_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a findmnt in PATH that is this shell script."""

    def make(script: str) -> None:
        put(tmp_path, "bin/findmnt", f"#!/bin/sh\n{script}\n").chmod(0o755)
        monkeypatch.setattr(process, "PATH", f"{tmp_path}/bin:{process.PATH}")

    return make


def test_each_error_is_told_with_the_entry_that_it_is_about(
    findmnt_is: Callable[[str], None],
) -> None:
    # As `findmnt --verify` of util-linux 2.38 prints; its summary follows an empty line.
    findmnt_is(
        "printf '%s\\n' '/srv' '   [W] no nofail' '   [E] unsupported type' '/opt' "
        "'   [E] unsupported type' '   [E] unreachable on boot required source: UUID=3333' '' "
        "'0 parse errors, 2 errors, 1 warning'; exit 1"
    )
    assert findmnt_errors(NEW) == Counter(
        {"/srv: unsupported type": 1, "/opt: unsupported type": 1}
    )


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_a_line_that_cannot_be_read_is_an_error_on_either_stream(
    findmnt_is: Callable[[str], None], stream: str
) -> None:
    findmnt_is(f"echo 'findmnt: /proc/self/fd/9: parse error at line 1 -- ignored' {stream}")
    assert findmnt_errors(NEW) == Counter({"a line cannot be read": 1})


def test_findmnt_reads_the_text_and_asks_udev_instead_of_opening_each_disk(
    findmnt_is: Callable[[str], None],
) -> None:
    """EVALUATE in blkid.conf (libblkid(3)): `scan` would open every disk for a UUID."""
    findmnt_is('for last; do :; done; cat "$last"; sed "s/^/   [E] /" "$BLKID_CONF"')
    assert findmnt_errors(b"/srv\n") == Counter({"/srv: EVALUATE=udev": 1})


def test_no_file_stays_open_after_the_question(findmnt_is: Callable[[str], None]) -> None:
    findmnt_is("exit 0")
    before = sorted(Path("/proc/self/fd").iterdir())
    assert findmnt_errors(NEW) == Counter()
    assert sorted(Path("/proc/self/fd").iterdir()) == before
