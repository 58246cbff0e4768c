"""The live view of `watch`: a table with rates, load, errors and a small graph, full screen."""

import os
import sys
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from iscsictl.model.listing import Lun, LunLoad, Session, SessionErrors
from iscsictl.model.session_diff import Rate, Snapshot
from iscsictl.output.table import Column, Value, print_table, status_style
from iscsictl.output.terminal import DEFAULT_WIDTH, MIN_WIDTH, Screen
from iscsictl.output.text import escape_controls, fit_width, human_size

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.:-=+*#"
# Points of a graph, lines of changes, and the assumed height of a terminal that does not report it.
POINTS = 16
LINES = 8
HEIGHT = 24
FRAME = 4  # the title, a blank line, the line with the clock, and the line of the cursor
# Private modes of xterm: 1049 is the alternate screen, 25 the cursor.
_ENTER, _LEAVE, _HOME = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H\x1b[2J"

COLUMNS = (
    Column("TARGET", shrink=True),
    Column("STATUS", style=status_style),
    Column("LUN", numeric=True, rank=1),
    Column("DEVICE"),
    Column("STATE", rank=3, style=status_style),
    Column("READ/S", numeric=True, rank=1),
    Column("WRITE/S", numeric=True, rank=1),
    Column("LATENCY", numeric=True, rank=5),
    Column("QUEUE", numeric=True, rank=6),
    Column("ERRORS", rank=4),
    Column("TRAFFIC", rank=2),
)
# Those that need root, or a request.
_OPTIONAL = frozenset({"LATENCY", "QUEUE", "ERRORS"})


class Picture:
    """Draws one snapshot after another. This is a context manager that restores the terminal.

    `end` is the key that the user must press to end it.
    """

    def __init__(self, screen: Screen, end: str = "Ctrl-C") -> None:
        self._screen = screen
        self._end = end
        # The first row to draw, and how many were drawn last time.
        self._top = 0
        self._room = 1
        self._history: dict[str, deque[float]] = {}
        self._said: deque[str] = deque(maxlen=LINES)

    def __enter__(self) -> Self:
        self._screen.write(_ENTER)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._screen.write(_LEAVE)
        self._screen.stream.flush()

    def draw(self, snapshot: Snapshot, clock: str) -> None:
        """Draw a snapshot in place of the last one, with the latest changes below the table.

        `clock` is the time of day as text. If the terminal is too small for all rows, those that
        are not up, and then those with the most traffic, come first; the rest can be scrolled to.
        """
        self._said.extend(f"{clock} {change}" for change in snapshot.changes)
        rows = self._make_rows(snapshot)
        height = self._measure_terminal()
        recent = list(self._said)[max(0, len(self._said) - max(0, height - FRAME - 2)) :]
        room = max(1, height - len(recent) - FRAME)
        lines = [f"{clock} {len(snapshot.listing.sessions)} sessions, {self._end} ends", *recent]
        self._room = room
        self._top = max(0, min(self._top, len(rows) - room))
        if len(rows) > room:
            shown = slice(self._top, self._top + room)
            lines[0] += f"; rows {shown.start + 1} to {shown.stop} of {len(rows)}"
            rows = sorted(rows, key=lambda row: row.order)[shown]
        self._screen.write(_HOME)
        _print_rows([row.cells for row in rows], self._screen)
        width = self._screen.width or DEFAULT_WIDTH
        below = "\n".join(fit_width(escape_controls(line), width) for line in lines)
        self._screen.write(f"\n{below}\n")
        self._screen.stream.flush()

    def scroll(self, key: str) -> None:
        """Scroll the next drawing by a key of `Keys`; other keys are ignored."""
        by = {"up": -1, "down": 1, "page up": -self._room, "page down": self._room,
              "home": -self._top, "end": sys.maxsize}.get(key, 0)  # fmt: skip
        self._top = max(0, self._top + by)

    def _measure_terminal(self) -> int:
        """Update the width to that of the terminal now, and return its height."""
        try:
            size = os.get_terminal_size(self._screen.stream.fileno())
        except (OSError, ValueError):
            return HEIGHT
        if size.columns:
            self._screen.width = max(MIN_WIDTH, size.columns)
        return size.lines or HEIGHT

    def _make_rows(self, snapshot: Snapshot) -> list["_Row"]:
        """Return a row for each LUN, preceded by one with the sum unless a session has one LUN."""
        rows: list[_Row] = []
        # Discard the history of a LUN that is gone: another may get its device name.
        old, self._history = self._history, {}
        for session in snapshot.listing.sessions:
            luns = session.luns or ()
            rates = [snapshot.rates.get(lun.device or "") for lun in luns]
            known = [rate for rate in rates if rate is not None]
            if len(luns) != 1:
                total = Rate(sum(r.read for r in known), sum(r.written for r in known))
                key = f"session {session.sid}"
                rows.append(self._make_row(session, None, total if known else None, key, old))
            rows += [
                self._make_row(session, lun, rate, lun.device or f"{session.sid} {lun.hctl}", old)
                for lun, rate in zip(luns, rates, strict=True)
            ]
        return rows

    def _make_row(
        self, session: Session, lun: Lun | None, rate: Rate | None, key: str,
        old: dict[str, deque[float]],
    ) -> "_Row":  # fmt: skip
        points = self._history[key] = old.get(key) or deque(maxlen=POINTS)
        traffic = rate.read + rate.written if rate else 0.0
        points.append(traffic)
        number: Value = lun.lun if lun else "all" if session.luns else None
        latency, queue = _describe_load(None if rate is None else rate.load)
        # They are those of the session, so of several rows only the sum has them.
        has_errors = lun is None or len(session.luns or ()) == 1
        cells = (
            session.target, session.status, number,
            lun.device if lun else None, lun.shown_state if lun else None,
            human_size(int(rate.read)) if rate else None,
            human_size(int(rate.written)) if rate else None,
            latency, queue, _describe_errors(session.errors) if has_errors else None,
            graph(points, unicode=self._screen.unicode),
        )  # fmt: skip
        return _Row(cells, (session.status == "up", -traffic))


class _Row(NamedTuple):
    """One line of the table; rows with the lowest `order` are shown first if space is short."""

    cells: tuple[Value, ...]
    order: tuple[bool, float]


def _print_rows(rows: Sequence[Sequence[Value]], screen: Screen) -> None:
    """Print a table without the columns of load and errors of which nothing is known."""
    known = [
        place for place, column in enumerate(COLUMNS)
        if column.title not in _OPTIONAL or any(row[place] is not None for row in rows)
    ]  # fmt: skip
    print_table([[row[n] for n in known] for row in rows], [COLUMNS[n] for n in known], screen)


def _describe_load(load: LunLoad | None) -> tuple[Value, Value]:
    """Return the latency and the queue: requests in flight of how many that may be."""
    if load is None:
        return None, None
    depth = "" if load.queue_depth is None else f"/{load.queue_depth}"
    latency = "-" if load.latency is None else f"{load.latency:.1f}ms"
    return latency, f"{load.in_flight}{depth}"


def _describe_errors(errors: SessionErrors | None) -> Value:
    if errors is None:
        return None
    counts = {"digest": errors.digest, "timeout": errors.timeout}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "0"


def graph(points: "deque[float]", *, unicode: bool = True) -> str:
    """Return a bar for each point, scaled to the greatest of them.

    The points are those of one LUN, so the graphs of two LUNs cannot be compared. With `unicode`
    False, ASCII is used.
    """
    bars = BARS if unicode else PLAIN_BARS
    top = max(points, default=0.0)
    if top <= 0:
        return bars[0] * len(points)
    return "".join(bars[min(len(bars) - 1, int(point / top * len(bars)))] for point in points)
