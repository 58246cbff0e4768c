"""Tables for people and for programs: fitted to a terminal, whole on a pipe, tab-separated.

rich is used only for coloured output. Without colour a few lines here are enough, and importing
rich takes longer than listing the sessions.
"""

from collections.abc import Callable, Sequence

from iscsictl.lazy_import import lazy_import
from iscsictl.output.terminal import Screen
from iscsictl.output.text import cell_width, escape_controls, truncate

rich_console = lazy_import("iscsictl.output.rich_console")

Value = str | int | tuple[str, ...] | None
Cells = tuple[tuple[str, ...], ...]

# Blanks between two columns.
GAP = 2
# Cells: a name that is cut to less than this cannot be recognised.
MIN_SHORT = 14


class Column:
    """A column. `key` is its heading in tsv; `shrink` allows its values to be cut in the middle.

    If the terminal is too narrow, columns are left out in the order of `rank`, highest first; those
    of rank 0 stay. `style` returns the rich style of a value, which must not add meaning.
    """

    __slots__ = ("key", "numeric", "rank", "shrink", "style", "title")

    def __init__(
        self,
        title: str,
        key: str = "",
        *,
        numeric: bool = False,
        shrink: bool = False,
        rank: int = 0,
        style: Callable[[str], str] | None = None,
    ) -> None:
        self.title = title
        self.key = key or title.lower().replace(" ", "_")
        self.numeric = numeric
        self.shrink = shrink
        self.rank = rank
        self.style = style


def status_style(value: str) -> str:
    """Return rich's name of the colour of a status word; empty for other words.

    The colour adds no meaning to the word.
    """
    return {
        "up": "green", "running": "green", "ok": "green",
        "recovering": "yellow", "blocked": "yellow", "warning": "yellow",
        "down": "red", "offline": "red", "transport-offline": "red", "failed": "red",
    }.get(value, "")  # fmt: skip


def print_table(
    rows: Sequence[Sequence[Value]],
    columns: Sequence[Column],
    screen: Screen,
    *,
    header: bool = True,
) -> None:
    """Print rows; `header` prints the titles above them.

    A tuple is several values, on a terminal each on its own line. The table is made to fit the
    terminal: names are cut in the middle, but stay distinct; then columns are left out; if it is
    still too wide, each row is printed as a few lines.
    """
    separate = screen.width is not None
    cells = [tuple(_cell_lines(value, separate) for value in row) for row in rows]
    # A program that reads from a pipe needs whole names.
    if screen.width is None:
        _print_plain(columns, cells, screen, header=header)
        return
    fitted = fit(columns, cells, screen.width, "…" if screen.unicode else "..")
    if fitted is None:
        _print_as_records(columns, cells, screen)
    elif screen.color and header:
        _print_styled(*fitted, screen)
    else:
        _print_plain(*fitted, screen, header=header)


def print_tsv(
    rows: Sequence[Sequence[Value]],
    columns: Sequence[Column],
    screen: Screen,
    *,
    header: bool = True,
) -> None:
    """Print tab-separated values; `header` prints a line of keys first. None is empty.

    Nothing is shortened. Tab, newline, carriage return and backslash are escaped as in C, so each
    row is one line; several values in a cell are joined by commas.
    """
    lines = ["\t".join(column.key for column in columns)] if header else []
    lines += ["\t".join(_tsv_field(value) for value in row) for row in rows]
    screen.write("".join(f"{line}\n" for line in lines))


def fit(
    columns: Sequence[Column], cells: Sequence[Cells], width: int, dots: str = "…"
) -> tuple[list[Column], list[Cells]] | None:
    """Choose columns and cut names so that a table is at most `width` wide; None if impossible.

    `width` is in terminal cells; `dots` replace the part of a name that is cut out. Columns are
    left out in the order of their `rank`, one at a time, and only if cutting names is not enough.
    """
    kept = list(range(len(columns)))
    while kept:
        fitted = _cut_names_to_fit(columns, cells, kept, width, dots)
        if fitted is not None:
            return [columns[index] for index in kept], fitted
        last = max(kept, key=lambda index: columns[index].rank)
        if columns[last].rank == 0:
            return None
        kept.remove(last)
    return None


def _cut_names_to_fit(
    columns: Sequence[Column], cells: Sequence[Cells], kept: list[int], width: int, dots: str
) -> list[Cells] | None:
    chosen = [tuple(row[index] for index in kept) for row in cells]
    widths = _column_widths([columns[index] for index in kept], chosen)
    excess = sum(widths) + GAP * (len(kept) - 1) - width
    places = [place for place, index in enumerate(kept) if columns[index].shrink]
    while excess > 0 and places:
        # The widest first: it stays recognisable for longest.
        place = max(places, key=lambda place: widths[place])
        places.remove(place)
        names = {line for row in chosen for line in row[place]}
        title = cell_width(columns[kept[place]].title)
        # From the required width upwards: names that are equal at one may differ at the next.
        for target in range(max(MIN_SHORT, title, widths[place] - excess), widths[place]):
            short = truncate(names, target, dots)
            if short is not None:
                chosen = [_with_short_names(row, place, short) for row in chosen]
                excess -= widths[place] - target
                break
    return chosen if excess <= 0 else None


def _with_short_names(row: Cells, place: int, short: dict[str, str]) -> Cells:
    return (*row[:place], tuple(short[line] for line in row[place]), *row[place + 1 :])


def _cell_lines(value: Value, separate: bool) -> tuple[str, ...]:
    if value is None or value in ("", ()):
        return ("-",)
    if isinstance(value, tuple):
        shown = tuple(escape_controls(item) for item in value)
        return shown if separate else (",".join(shown),)
    return (escape_controls(str(value)),)


def _tsv_field(value: Value) -> str:
    if value is None:
        return ""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(char, escape)
    return escape_controls(text)


def _column_widths(columns: Sequence[Column], cells: Sequence[Cells]) -> list[int]:
    widths = [cell_width(column.title) for column in columns]
    for row in cells:
        for place, lines in enumerate(row):
            widths[place] = max(widths[place], *map(cell_width, lines))
    return widths


def _print_plain(
    columns: Sequence[Column], cells: Sequence[Cells], screen: Screen, *, header: bool
) -> None:
    titles = [tuple((column.title,) for column in columns)] if header else []
    # Titles that are not printed need no space.
    widths = _column_widths(columns if header else [Column("") for _ in columns], cells)
    rows: list[Cells] = [*titles, *cells]
    out = []
    for row in rows:
        for number in range(max(map(len, row), default=0)):
            line = []
            for column, width, lines in zip(columns, widths, row, strict=True):
                text = lines[number] if number < len(lines) else ""
                blanks = " " * (width - cell_width(text))
                line.append(blanks + text if column.numeric else text + blanks)
            out.append((" " * GAP).join(line).rstrip())
    screen.write("".join(f"{line}\n" for line in out))


def _print_as_records(columns: Sequence[Column], cells: Sequence[Cells], screen: Screen) -> None:
    """Print each row as lines of title and value, which the terminal may wrap without loss."""
    blocks = [
        "\n".join(
            f"{column.title.lower()}: {', '.join(lines)}"
            for column, lines in zip(columns, row, strict=True)
            if lines != ("-",)
        )
        for row in cells
    ]
    screen.write("\n\n".join(blocks) + "\n")


def _print_styled(columns: Sequence[Column], cells: Sequence[Cells], screen: Screen) -> None:
    widths = _column_widths(columns, cells)
    header = [
        (column.title, column.numeric, width) for column, width in zip(columns, widths, strict=True)
    ]
    rows = [
        [
            [(line, column.style(line) if column.style else "") for line in lines]
            for column, lines in zip(columns, row, strict=True)
        ]
        for row in cells
    ]
    rich_console.print_styled_table(header, rows, screen.stream, screen.width or 0, GAP)
