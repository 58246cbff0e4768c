"""One line at the bottom of a terminal: what is waited for, since when, and for how long at most.

It is drawn by a thread of its own, since the others wait; it shows nothing in the first second.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

from iscsictl.limits import STATUS_LINE_DELAY, STATUS_LINE_PERIOD
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import cell_width, escape_controls, fit_width

# Columns for what a tool says of its progress.
_PROGRESS_WIDTH = 40
# With fewer columns nobody can tell what is waited for: the progress is left out before.
_LEAST_NAME_WIDTH = 16
#: A terminal echoes Ctrl-C as these two columns, behind the line.
_ECHO = "  "


@dataclass(eq=False)
class Wait:
    """Something that is waited for: since when (monotonic seconds), for how many at most."""

    what: str
    limit: float | None
    began: float = field(default_factory=time.monotonic)
    thread: int = field(default_factory=threading.get_ident)


class StatusLine:
    """Draws the wait that has lasted longest, and erases it when it ends or others print."""

    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._lock = threading.RLock()
        self._waits: list[Wait] = []
        self._progress = ""
        self._columns = 0
        self._ticker: threading.Thread | None = None

    def show_on(self, stream: TextIO) -> None:
        """Draw on this stream from now on, which must be a terminal.

        Until this is called nothing is drawn, though waits are noted.
        """
        self._stream = stream

    def begin(self, what: str, limit: float | None = None) -> Wait:
        """Note that something is waited for, for `limit` seconds at most.

        `limit` None is for a wait that has no end of its own. The result is for `end`. It may be
        called from any thread.
        """
        wait = Wait(what, limit)
        with self._lock:
            self._waits.append(wait)
            if self._stream is not None and self._ticker is None:
                # A daemon, so that a process which ends does not wait for its next drawing.
                self._ticker = threading.Thread(target=self._draw_until_idle, daemon=True)
                self._ticker.start()
        return wait

    def end(self, wait: Wait) -> None:
        """Note that it is waited for no more.

        One that has ended before is fine. What a tool said of its progress is forgotten.
        """
        with self._lock:
            if wait in self._waits:
                self._waits.remove(wait)
            self._progress = ""
            if not self._waits:
                self._erase_line()

    def note_progress(self, text: str) -> None:
        """Take how far the work is, in the words of the tool that does it.

        The last 40 characters are shown, behind the wait; with no wait nothing is. Backspaces,
        by which a tool overwrites its own number, do not count.
        """
        self._progress = " ".join(text.replace("\b", " ").split())[-_PROGRESS_WIDTH:]

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Have the line erased meanwhile, so that something else can be printed.

        The lock is held for as long, so that it is not drawn in between: what is done in there must
        not wait.
        """
        with self._lock:
            self._erase_line()
            yield

    def text(self, width: int | None = None, dots: str = "…") -> str | None:
        """Return what the line says now; None within the first second.

        Of several waits, the innermost of each thread, it is one that has a limit, or else the one
        that has lasted longest. In fewer columns than it needs, the end of what is waited for is
        left out before the time is, and `dots` stand for it. Control characters are escaped.
        """
        now = time.monotonic()
        with self._lock:
            if not self._waits or now - self._waits[0].began < STATUS_LINE_DELAY:
                return None
            # Of each thread the innermost; of these one that ends by itself tells most.
            inner = list({wait.thread: wait for wait in self._waits}.values())
            shown = min(inner, key=lambda wait: (wait.limit is None, wait.began))
        seconds = int(now - shown.began)
        what = escape_controls(shown.what)
        limit = "" if shown.limit is None else f" of at most {shown.limit:g}"
        progress = f"  {escape_controls(self._progress)}" if self._progress else ""
        whole = f"{what}: {seconds}{limit} s{progress}"
        if width is None or cell_width(whole) <= width:
            return whole
        amount = f": {seconds}{limit.replace(' at most', '')} s"
        if width - cell_width(amount + progress) >= _LEAST_NAME_WIDTH:
            amount += progress
        room = width - cell_width(amount)
        if cell_width(what) > room:
            what = fit_width(what, room - len(dots)) + dots
        return fit_width(what + amount, width)

    def _draw_until_idle(self) -> None:
        while True:
            time.sleep(STATUS_LINE_PERIOD)
            with self._lock:
                if not self._waits:
                    self._ticker = None
                    return
                self._draw_line()

    def _draw_line(self) -> None:
        stream = self._stream
        if stream is None:
            return
        screen = screen_of(stream)
        dots = "…" if screen.unicode else ".."
        line = self.text((screen.width or 80) - len(_ECHO) - 1, dots)
        if line is None:
            return
        width = cell_width(line)
        padding = " " * max(0, self._columns - width)
        self._columns = width
        try:
            # The cursor goes to the end of the text, so that an echoed Ctrl-C overwrites nothing of
            # it.
            screen.write(f"\r{line}{padding}" + "\b" * len(padding))
            stream.flush()
        except (OSError, ValueError):  # the terminal is gone
            self._stream = None

    def _erase_line(self) -> None:
        if self._columns and self._stream is not None:
            blank = " " * (self._columns + len(_ECHO))
            self._columns = 0
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(f"\r{blank}\r")
                self._stream.flush()


#: A process has one terminal, and so one such line.
STATUS_LINE = StatusLine()


def use_terminal(stream: TextIO) -> bool:
    """Have waits shown on a stream if it is a terminal; tell whether they are.

    On a pipe the line would be control characters in somebody's log.
    """
    if not stream.isatty():
        return False
    STATUS_LINE.show_on(stream)
    return True
