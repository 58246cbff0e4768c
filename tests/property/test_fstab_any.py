"""fstab made of anything: the same bytes again, and edits that change one line."""

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.model.claim import FilesystemClaim
from iscsictl.parse.fstab import (
    append_line,
    claim_line,
    make_line,
    parse_fstab,
    parse_line,
    render_fstab,
    replace_line,
    without_line,
)

PIECES = st.sampled_from(
    [
        b"a",
        b"/",
        b" ",
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b"#",
        b"\\040",
        b"\\",
        b'"',
        b",",
        b"\0",
        b"\xff",
    ]
)
FILES = st.one_of(st.binary(), st.lists(PIECES, max_size=60).map(b"".join))
WORDS = st.binary(min_size=1, max_size=20).filter(
    lambda b: not b.startswith(b"#") and not set(b) & {*range(9), *range(10, 32), 127}
)
NEW = claim_line(FilesystemClaim("0-1", "ext4"), None, wwid="naa.1", target="iqn.x", lun=0)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@given(FILES)
def test_any_bytes_come_back_as_they_were(data: bytes) -> None:
    fstab = parse_fstab(data)
    assert render_fstab(fstab) == data
    assert [line.number for line in fstab.lines] == list(range(1, len(fstab.lines) + 1))


@given(FILES, st.data())
def test_an_edit_changes_one_line_only(data: bytes, draw: st.DataObject) -> None:
    fstab = parse_fstab(data)
    raw = [line.raw for line in fstab.lines]
    added = append_line(fstab, NEW)
    assert render_fstab(added)[: len(data)] == data
    assert render_fstab(added).endswith(NEW.raw.removesuffix(b"\n") + fstab.newline)
    if not raw:
        return
    number = draw.draw(st.integers(1, len(raw)))
    without = without_line(fstab, number)
    assert [line.raw for line in without.lines] == raw[: number - 1] + raw[number:]
    replaced = replace_line(fstab, number, NEW)
    assert [line.raw for line in replaced.lines][: number - 1] == raw[: number - 1]
    assert [line.raw for line in replaced.lines][number:] == raw[number:]
    assert parse_fstab(render_fstab(replaced)).lines[number - 1].making == "naa.1"


@given(WORDS, WORDS, WORDS)
def test_what_is_written_is_read_back(spec: bytes, directory: bytes, fstype: bytes) -> None:
    line = make_line(_text(spec), _text(b"/" + directory), _text(fstype), ("rw",))
    again = parse_line(line.raw)
    assert (again.spec, again.file, again.fstype) == (
        _text(spec),
        _text(b"/" + directory),
        _text(fstype),
    )
    assert line.raw.count(b"\n") == 1


@given(WORDS, WORDS, st.integers(0, 65535))
def test_notes_of_any_bytes_survive(wwid: bytes, target: bytes, lun: int) -> None:
    line = claim_line(
        FilesystemClaim("0-1", "ext4"), None, wwid=_text(wwid), target=_text(target), lun=lun
    )
    again = parse_line(line.raw)
    assert (again.wwid, again.target, again.lun) == (_text(wwid), _text(target), lun)
