"""The pictures of the documents show what the tool prints today, and can be read by everybody."""

import ast
import io
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.checks.ids import IDS
from iscsictl.model.finding import Finding, Level
from iscsictl.model.listing import Block, Disk, Listing, Lun, Mount, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.model.session_diff import Change, Snapshot
from iscsictl.output.table import print_table
from iscsictl.output.terminal import Screen
from iscsictl.output.views import doctor, ls_tree, watch
from tests.unit.test_hint_commands import VALUE, error_in, texts
from tools.pictures import (
    DIRECTORY,
    Recording,
    draw_picture,
    read_recording,
    received_lines,
    visible_lines,
    write_recording,
)

ROOT = Path(__file__).parents[2]
RECORDINGS = {path.stem: read_recording(path) for path in DIRECTORY.glob("*.json")}
DRAWINGS = sorted(DIRECTORY.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
#: WCAG 2.1, 1.4.3: the contrast that text needs.
CONTRAST = 4.5


def recording_of(received: str, columns: int = 40) -> Recording:
    return Recording("a title", columns, received_lines(received))


def shown(recording: Recording) -> list[str]:
    return [line.plain for line in visible_lines(recording)]


def test_a_recording_begins_where_the_screen_was_last_cleared() -> None:
    received = "old\r\n\x1b[H\x1b[2Jfirst\r\n\x1b[H\x1b[2Jsecond\r\nline\r\n"
    assert shown(recording_of(received)) == ["second", "line"]


def test_what_a_carriage_return_overwrites_and_the_modes_of_xterm_are_not_drawn() -> None:
    received = "\x1b[?2004h# ls\r\n\x1b[?2004l\rlogin: 2 of 9 s\b\b\r         \rdone\r\n\x1b[?25h"
    assert shown(recording_of(received)) == ["# ls", "done"]


def test_a_long_line_is_folded_where_the_terminal_folds_it() -> None:
    lines = visible_lines(recording_of("\x1b[1m" + "0123456789" * 5 + "\x1b[0m\r\n", 20))
    assert [line.plain for line in lines] == ["01234567890123456789"] * 2 + ["0123456789"]
    assert all(line.spans for line in lines)


@pytest.mark.parametrize("received", ["a\x1b[2Kb", "up\x1b[A", "a\tb", "bell\x07", "wide 漢"])
def test_what_a_picture_would_show_wrongly_is_an_error(received: str) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        visible_lines(recording_of(received))


def test_a_picture_depends_on_nothing_but_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recording_of("\x1b[32mup\x1b[0m & <down> {1}\r\n" * 3)
    before = draw_picture(recording, "one")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "10")
    assert draw_picture(recording, "one") == before
    words = [(one.text or "").split() for one in ET.fromstring(before).iter(f"{SVG}text")]
    assert words == [["up"], ["&", "<down>", "{1}"]] * 3


def test_a_recording_is_kept_as_it_is(tmp_path: Path) -> None:
    recording = Recording("t", 80, ("\x1b[1mé\x1b[0m\r", " "), [{"a": None}])
    write_recording(tmp_path / "one.json", recording)
    assert read_recording(tmp_path / "one.json") == recording
    assert (tmp_path / "one.json").read_text().isascii()


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_picture_is_drawn_from_its_recording(name: str) -> None:
    drawn = draw_picture(RECORDINGS[name], name)
    assert (DIRECTORY / f"{name}.svg").read_text() == drawn, "run `make generated`"


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_picture_needs_nothing_from_the_network_and_says_what_it_shows(path: Path) -> None:
    root = ET.fromstring(path.read_text())
    assert root.get("role") == "img"
    assert len((root.findtext(f"{SVG}title") or "").split()) > 4
    assert root.find(f".//{SVG}image") is None
    assert not re.search(r"url\(|@import|href|https?://(?!www\.w3\.org/2000/svg)", path.read_text())


def luminance(color: str) -> float:
    """The relative luminance of #rrggbb, as WCAG 2.1 defines it."""
    shares = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_colour_of_a_terminal_can_be_read(name: str) -> None:
    text = (DIRECTORY / f"{name}.svg").read_text()
    background = re.search(r'<rect [^>]*fill="(#\w{6})"', text)
    assert background is not None
    colors = re.findall(r"fill: (#\w{6})", text)
    assert colors
    assert {color for color in colors if contrast(color, background[1]) < CONTRAST} == set()


def test_the_drawing_of_the_layers_can_be_read_on_light_and_dark() -> None:
    text = (DIRECTORY / "layers.svg").read_text()
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    for style in (light, dark.partition("</style>")[0]):
        fills = dict(re.findall(r"^ +(\.?\w+) \{ fill: (#\w{6})", style, re.MULTILINE))
        for ink, grounds in (("text", (".page", ".side", ".box")), (".head", (".page", ".side"))):
            for ground in grounds:
                assert contrast(fills[ink], fills[ground]) >= CONTRAST, (ink, ground)


def test_the_drawing_of_the_layers_names_commands_and_the_layers_of_the_tree() -> None:
    root = ET.parse(DIRECTORY / "layers.svg").getroot()
    drawn = [(one.get("x"), one.get("class"), one.text or "") for one in root.iter(f"{SVG}text")]
    commands = [text for x, kind, text in drawn if (x, kind) == ("540", "what")]
    assert [f"{t}: {error}" for t in commands for one in t.split(", ")
            if (error := error_in(one.split()))] == []  # fmt: skip
    layers = [text for _, kind, text in drawn if kind == "name"]
    docstring = ast.get_docstring(ast.parse(Path(ls_tree.__file__).read_text()))
    assert docstring is not None
    tree = docstring.partition(": ")[2].rstrip(".").split(" - ")
    assert [layer for layer in layers if layer != "multipath map"] == tree


def test_every_picture_is_in_a_document_with_words_for_who_cannot_see_it() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = [
        (path.parent / link, alt)
        for path in pages
        for alt, link in re.findall(r"!\[([^]]*)\]\(([^)]+\.svg)\)", path.read_text())
    ]
    assert {path.resolve() for path, _ in found} == {path.resolve() for path in DRAWINGS}
    assert [alt for _, alt in found if len(alt.split()) < 5] == []


# What is recorded, against what the code prints today.


def screen_of(recording: Recording, write: Any, *, skip: int = 1) -> tuple[list[str], list[str]]:
    """What is recorded below the typed command, and what the code writes on such a terminal."""
    out = io.StringIO()
    write(Screen(out, width=recording.columns, color=True))
    printed = replace(recording, lines=received_lines(out.getvalue()))
    return shown(recording)[skip:], shown(printed)


def block_of(row: dict[str, Any]) -> Block:
    return Block(
        row["device"], row["kind"], row["size"], row["fstype"], row["label"], row["uuid"],
        tuple(Mount(one["path"], tuple(one["options"])) for one in row["mounts"]),
        tuple(map(block_of, row["children"])),
    )  # fmt: skip


def listing_of(document: dict[str, Any]) -> Listing:
    """The listing that `ls -J` has printed, as far as the tree shows it."""
    sessions = tuple(
        Session(
            one["source"], one["target"], one["sid"], transport=one["transport"],
            portal=Portal(**one["portal"]), iface=one["iface"], status=one["status"],
            luns=tuple(Lun(**lun) for lun in one["luns"]),
        )
        for one in document["sessions"]
    )  # fmt: skip
    disks = tuple(
        Disk(one["wwid"], tuple(DiskPath(**path) for path in one["paths"]), block_of(one))
        for one in document["disks"]
    )
    return Listing(sessions, disks)


def test_the_tree_is_recorded_as_it_is_drawn_today() -> None:
    recording = RECORDINGS["ls-tree"]
    listing = listing_of(recording.facts)
    recorded, drawn = screen_of(recording, lambda screen: ls_tree.print_sessions(listing, screen))
    assert recorded == drawn


def test_the_findings_are_recorded_as_they_are_printed_today() -> None:
    recording = RECORDINGS["doctor"]
    findings = [
        Finding(one["id"], Level(one["level"]), one["message"], one["fix"], one["subject"])
        for one in recording.facts["findings"]
    ]
    recorded, printed = screen_of(
        recording, lambda screen: doctor.show(findings, screen, everything=False)
    )
    assert recorded == printed
    assert {finding.id for finding in findings} <= IDS
    wrong = [one for one in findings if one.level in {Level.WARN, Level.FAIL}]
    sentences = [text for one in wrong for text in (one.message, one.fix) if text]
    assert [text for text in sentences if not is_in_the_code(text)] == []


def test_the_live_table_is_recorded_as_it_is_drawn_today() -> None:
    recording = RECORDINGS["watch"]
    lines = shown(recording)
    table, below = lines[: lines.index("")], lines[lines.index("") + 1 :]
    titles, *rows = [re.split(r" {2,}", line.strip()) for line in table]
    columns = [column for column in watch.COLUMNS if column.title in titles]
    recorded, drawn = screen_of(
        recording, lambda screen: print_table(rows, columns, screen), skip=0
    )
    assert recorded[: len(table)] == drawn
    clock, footer = below[0].split(" ", 1)
    sessions = tuple(Session("sysfs", "t", sid) for sid in range(int(footer.split()[0])))
    out = io.StringIO()
    picture = watch.Picture(Screen(out, width=recording.columns), end="q")
    picture.draw(Snapshot(Listing(sessions), (), {}), clock)
    assert out.getvalue().splitlines()[-1] == below[0]
    changes = {
        str(Change(**{key: row[key] for key in Change.__annotations__})) for row in recording.facts
    }
    assert below[1:]
    assert [line for line in below[1:] if line.split(" ", 1)[1] not in changes] == []


def sentences_of_the_code() -> Iterator[re.Pattern[str]]:
    """Each text of the code as what it can become once its values are known."""
    for _, text in texts():
        if len(re.findall(r"[a-z]", text.replace(VALUE, ""))) >= 4:
            yield re.compile(re.escape(text.strip()).replace(VALUE, ".+"))


SENTENCES = list(sentences_of_the_code())


def is_in_the_code(sentence: str) -> bool:
    return any(pattern.fullmatch(sentence) for pattern in SENTENCES)


def verbs_of_the_code() -> set[str]:
    """The verbs of all actions, as their types define them."""
    files = (ROOT / "iscsictl/model/actions").glob("*.py")
    source = "".join(path.read_text() for path in files)
    return set(re.findall(r'verb: .+ = "([a-z-]+)"', source))


def is_said_today(line: str) -> bool:
    """Tell whether a line is a sentence of the code, or a question of it with its answer."""
    question = re.match(r"(.+?)(?: \[[^]]*\])?: ", line)
    return is_in_the_code(line) or (question is not None and is_in_the_code(question[1]))


def unfolded(lines: Iterable[str]) -> list[str]:
    """The lines of a dialogue without colours, each step and each command in a single one."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))
    text = re.sub(r" \\\n +", " ", text)
    # A step goes on below its verb; two blanks stand before what is said of it.
    return re.sub(r"\n {10}", " ", re.sub(r"\n {10}(?=\(|only if )", "  ", text)).splitlines()


def test_the_dialogue_of_attach_is_recorded_in_the_words_of_today() -> None:
    step = re.compile(
        rf"(?:{'|'.join(Status)}) +([a-z-]+) +\S[^(]*?"
        r"(?:  \(([^()]+)\)(?:  only if the disk is blank)?)?(?:  [\d.]+ s)?"
    )
    verbs: list[str] = []
    said: list[str] = []
    dialogue = unfolded(RECORDINGS["attach"].lines[1:])
    heading = dialogue.index("The command that does the same:")
    command = dialogue.pop(heading + 1)
    for text in dialogue:
        found = step.fullmatch(text)
        verbs += [found[1]] if found else []
        # Of mkfs it is the filesystem and its UUID: values alone.
        why = [found[2]] if found and found[2] and found[1] != "mkfs" else []
        said += why if found else [text]
    assert set(verbs) <= verbs_of_the_code()
    assert {"login", "mkfs", "mount"} <= set(verbs)
    assert len(said) > 12
    assert [sentence for sentence in said if not is_said_today(sentence)] == []
    assert error_in(shlex.split(command)[1:]) is None
