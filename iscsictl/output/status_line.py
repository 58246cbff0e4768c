"""One line at the bottom of a terminal: what is waited for, how long so far and at most.

It is drawn by its own thread, since the others wait; it shows nothing during the first second.
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

# Columns for the progress that a tool reports.
_PROGRESS_WIDTH = 40
# With fewer columns nobody could recognise what is waited for: rather, the progress is left out.
_LEAST_NAME_WIDTH = 16
#: A terminal echoes Ctrl-C as these two columns, behind the line.
_ECHO = "  "


@dataclass(eq=False)
class Wait:
    """Something that is waited for. `began` is in monotonic seconds, `limit` in seconds."""

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
        """Draw on this stream, which must be a terminal, from now on.

        Until this is called, waits are recorded but nothing is drawn.
        """
        self._stream = stream

    def begin(self, what: str, limit: float | None = None) -> Wait:
        """Record the start of a wait of at most `limit` seconds; pass the result to `end`.

        `limit` is None for a wait without a limit. This may be called from any thread.
        """
        wait = Wait(what, limit)
        with self._lock:
            self._waits.append(wait)
            if self._stream is not None and self._ticker is None:
                # A daemon thread: the process can exit without waiting for it.
                self._ticker = threading.Thread(target=self._draw_until_idle, daemon=True)
                self._ticker.start()
        return wait

    def end(self, wait: Wait) -> None:
        """Record the end of a wait, which may have ended before.

        The progress that a tool reported is discarded.
        """
        with self._lock:
            if wait in self._waits:
                self._waits.remove(wait)
            self._progress = ""
            if not self._waits:
                self._erase_line()

    def note_progress(self, text: str) -> None:
        """Record the progress of the work, in the words of the tool that does it.

        Its last 40 characters are shown after the wait, if there is one. Backspaces, with which a
        tool overwrites its own output, are treated as blanks.
        """
        self._progress = " ".join(text.replace("\b", " ").split())[-_PROGRESS_WIDTH:]

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Erase the line while the context lasts, so that something else can be printed.

        The lock is held meanwhile, so that the line is not drawn; the body must not wait.
        """
        with self._lock:
            self._erase_line()
            yield

    def text(self, width: int | None = None, dots: str = "…") -> str | None:
        """Return the current text of the line; None within the first second.

        It is about the innermost wait of a thread, preferably one with a limit, else the one that
        has lasted longest. If `width` columns are not enough, the name of what is waited for is
        truncated (`dots` mark that), rather than the time. Control characters are escaped.
        """
        now = time.monotonic()
        with self._lock:
            if not self._waits or now - self._waits[0].began < STATUS_LINE_DELAY:
                return None
            # The innermost of each thread; of these, a wait with a limit is the most informative.
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
            # Move the cursor to the end of the text, so that an echoed Ctrl-C does not overwrite
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


#: A process has one terminal, and therefore one such line.
STATUS_LINE = StatusLine()


def use_terminal(stream: TextIO) -> bool:
    """Show waits on a stream if it is a terminal; return whether it is.

    On a pipe, the line would put control characters into a log.
    """
    if not stream.isatty():
        return False
    STATUS_LINE.show_on(stream)
    return True
