"""The live picture of `watch`: a table with rates and a small graph, on the other screen."""

from collections import deque
from types import TracebackType
from typing import Self

from iscsictl.core.changes import Look
from iscsictl.ui.screen import Screen
from iscsictl.ui.table import Column, Value, print_table, status_style
from iscsictl.ui.text import human_size, visible

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.:-=+*#"
POINTS = 16
LINES = 8
_ENTER, _LEAVE, _HOME = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H\x1b[2J"

COLUMNS = (
    Column("TARGET", shrink=True),
    Column("STATUS", style=status_style),
    Column("LUN", right=True, rank=1),
    Column("DEVICE"),
    Column("STATE", rank=3, style=status_style),
    Column("READ/S", right=True, rank=1),
    Column("WRITE/S", right=True, rank=1),
    Column("TRAFFIC", rank=2),
)


class Picture:
    """Draws look after look; as a context manager it leaves the terminal as it was."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
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

    def draw(self, look: Look, clock: str) -> None:
        """Replace the picture; the last few changes stand below the table."""
        self._said.extend(f"{clock} {change}" for change in look.changes)
        self._screen.write(_HOME)
        print_table(self._rows(look), COLUMNS, self._screen)
        lines = [f"{clock} {len(look.listing.sessions)} sessions, Ctrl-C ends", *self._said]
        self._screen.write("\n" + "\n".join(visible(line) for line in lines) + "\n")
        self._screen.stream.flush()

    def _rows(self, look: Look) -> list[tuple[Value, ...]]:
        rows: list[tuple[Value, ...]] = []
        for session in look.listing.sessions:
            for lun in session.luns or (None,):
                device = lun.device if lun else None
                rate = look.rates.get(device) if device else None
                points = self._history.setdefault(device or "", deque(maxlen=POINTS))
                points.append(rate.read + rate.written if rate else 0.0)
                rows.append((
                    session.target, session.status, lun.lun if lun else None, device,
                    lun.state if lun else None,
                    human_size(int(rate.read)) if rate else None,
                    human_size(int(rate.written)) if rate else None,
                    graph(points, unicode=self._screen.unicode),
                ))  # fmt: skip
        return rows


def graph(points: "deque[float]", *, unicode: bool = True) -> str:
    """Return a bar for each point, the tallest for the greatest of them."""
    bars = BARS if unicode else PLAIN_BARS
    top = max(points, default=0.0)
    if top <= 0:
        return bars[0] * len(points)
    return "".join(bars[min(len(bars) - 1, int(point / top * len(bars)))] for point in points)
