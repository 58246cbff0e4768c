"""Draw the terminal pictures of the documents: `python -m tools.pictures [DIRECTORY]`.

`NAME.json` is what a terminal received from a command on the host of the lab; `make pictures`
records it. `NAME.svg` is drawn from it by rich, the same in each of its versions since 13.3.1.
"""

import io
import json
import re
import sys
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DIRECTORY = Path(__file__).parents[1] / "docs/pictures"
# Units of the drawing: how high and wide a character is in rich's SVG, the distance of two lines,
# and the margin. The width is that of the usual monospaced fonts, 0.61 of their height.
CHAR_HEIGHT, ASPECT, LINE_HEIGHT, MARGIN = 20, 0.61, 24.4, 14
# SGR (ECMA-48, 8.3.117) gives colours; the other sequences of xterm move a cursor or set a mode.
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_MODE = re.compile(r"\x1b\[\?[0-9;]*[hl]")
_CLEAR = "\x1b[H\x1b[2J"
BACKGROUND = (20, 24, 30)
#: Every colour that the tool uses can be read on the background (WCAG 2.1, 1.4.3); of the dim
#: ones these are that of text and cyan.
THEME = TerminalTheme(
    BACKGROUND,
    (222, 226, 232),
    [(150, 156, 166), (255, 135, 130), (120, 214, 120), (230, 200, 95),
     (130, 180, 255), (220, 160, 240), (120, 225, 230), (222, 226, 232)],
)  # fmt: skip
# No font from the network: a document that is read must not tell others of it.
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 @width @height" role="img">
<title>@title</title>
<style>
.{unique_id}-screen {{ font: @char_heightpx ui-monospace, "DejaVu Sans Mono", "Liberation Mono",
  Menlo, Consolas, monospace; white-space: pre; }}
{styles}
</style>
<rect width="@width" height="@height" rx="8" fill="@background"/>
<g class="{unique_id}-screen" transform="translate(@margin @margin)">
{backgrounds}{matrix}
</g>
</svg>
"""


@dataclass(frozen=True)
class Recording:
    """What a terminal of so many columns received, in lines, from the typed command to its end.

    `title` says in one sentence what is shown. `facts` is what the machine said of itself at the
    same time, in JSON, by which a test tells whether the tool still prints what is recorded.
    """

    title: str
    columns: int
    lines: tuple[str, ...]
    facts: Any = None


def read_recording(path: Path) -> Recording:
    """Read what `write_recording` wrote. Raises ValueError or TypeError for anything else."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Recording(**document | {"lines": tuple(document["lines"])})


def write_recording(path: Path, recording: Recording) -> None:
    """Write a recording as JSON, in ASCII: no editor and no diff changes its control characters."""
    path.write_text(json.dumps(asdict(recording), indent=1) + "\n", encoding="utf-8")


def received_lines(received: str) -> tuple[str, ...]:
    """Return the lines that a terminal shows in the end, from where it was last cleared.

    What a carriage return has overwritten is gone: the line that says what is waited for.
    """
    screen = _MODE.sub("", received.rpartition(_CLEAR)[2]).replace("\r\n", "\n")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in screen.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(lines)


def visible_lines(recording: Recording) -> list[Text]:
    """Return the lines with their colours, folded at the width of the terminal.

    Raises ValueError for a control sequence or a wide character that a picture would show wrongly.
    """
    shown: list[Text] = []
    for line in recording.lines:
        rest = _SGR.sub("", line)
        if not rest.isprintable() or cell_len(rest) != len(rest):
            raise ValueError(f"{rest!r} cannot be drawn: it has more than text and colours")
        text = Text.from_ansi(line)
        text.rstrip()
        shown += text.divide(range(recording.columns, len(text), recording.columns))
    return shown


def draw_picture(recording: Recording, name: str) -> str:
    """Return the SVG of a recording; `name` begins the names of its classes.

    The same recording always gives the same text, whatever the terminal and the environment.
    """
    lines = visible_lines(recording)
    # With both width and height given rich asks neither the terminal nor the environment.
    console = Console(
        record=True, width=recording.columns, height=len(lines), file=io.StringIO(),
        color_system="truecolor", force_terminal=True, no_color=False, highlight=False,
        legacy_windows=False,
    )  # fmt: skip
    for line in lines:
        console.print(line, soft_wrap=True)
    values = {
        "title": escape(recording.title).replace("{", "{{").replace("}", "}}"),
        "width": f"{recording.columns * CHAR_HEIGHT * ASPECT + 2 * MARGIN:g}",
        "height": f"{len(lines) * LINE_HEIGHT + 2 * MARGIN:g}",
        "char_height": str(CHAR_HEIGHT),
        "background": THEME.background_color.hex,
        "margin": str(MARGIN),
    }
    template = re.sub(r"@(char_height|[a-z]+)", lambda found: values[found[1]], TEMPLATE)
    drawn = console.export_svg(
        theme=THEME, code_format=template, font_aspect_ratio=ASPECT, unique_id=name
    )
    # The lines are folded at the width of the terminal already, so nothing has to be clipped; and
    # rich draws each end of a line as a text of its own.
    drawn = re.sub(r' clip-path="[^"]*"', "", drawn)
    drawn = re.sub(r"<text [^>]*>\n</text>", "", drawn)
    return drawn.replace("</text><text", "</text>\n<text")


def main() -> None:
    """Draw the picture of every recording in a directory, by default docs/pictures/."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    for path in sorted(directory.glob("*.json")):
        picture = draw_picture(read_recording(path), path.stem)
        path.with_suffix(".svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
