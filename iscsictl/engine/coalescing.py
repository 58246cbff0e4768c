"""Work for many callers at once: whoever comes during a round shares the next one."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Place(Generic[Item, Result]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self.result: Result | None = None
        self.error: Exception | None = None


class Batch(Generic[Item, Result]):
    """Rounds of `work`, one at a time, each on everything that was brought before it began.

    `work` returns a result or an error for each item, in order; an error that it raises is that of
    all of them. A round begins when nothing more was brought for `pause()` seconds.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        pause: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._work = work
        self._pause = pause
        self._turn = threading.Condition()
        self._waiting: list[_Place[Item, Result]] = []
        self._at_work = False

    def do(self, item: Item) -> Result:
        """Bring an item and wait until a round that began after that has ended.

        Returns the result for this item, or raises the error for it. The thread that finds no round
        in progress does the round for all.
        """
        mine: _Place[Item, Result] = _Place(item)
        with self._turn:
            self._waiting.append(mine)
            while self._at_work and not mine.done:
                self._turn.wait()
            if not mine.done:
                # From here on this thread must end the round, or all others wait for ever.
                self._at_work = True
        if not mine.done:
            self._process_round(self._gather_next_round())
        if mine.error is not None:
            raise mine.error
        return cast("Result", mine.result)

    def _gather_next_round(self) -> list[_Place[Item, Result]]:
        """Return the items of the next round once no more arrive."""
        seen = 0
        while True:
            pause = self._pause()
            with self._turn:
                if not pause or len(self._waiting) == seen:
                    round_, self._waiting = self._waiting, []
                    return round_
                seen = len(self._waiting)
            time.sleep(pause)

    def _process_round(self, places: list[_Place[Item, Result]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = self._work([place.item for place in places])
        except Exception as error:
            results = [error] * len(places)
        with self._turn:
            for place, result in zip(places, results, strict=True):
                if isinstance(result, Exception):
                    place.error = result
                else:
                    place.result = result
                place.done = True
            self._at_work = False
            self._turn.notify_all()


class Reading:
    """Something that is read repeatedly: one reading serves all who asked before it began.

    It begins when nobody else has asked for `pause()` seconds, or for as long as the last reading
    took.
    """

    def __init__(self, pause: Callable[[], float] = lambda: 0.0) -> None:
        self._took = 0.0
        self._batch: Batch[Callable[[], Any], Any] = Batch(
            self._read_once_for_all, lambda: min(pause(), self._took)
        )

    def _read_once_for_all(self, readers: Sequence[Callable[[], Any]]) -> list[Any]:
        began = time.monotonic()
        try:
            return [readers[0]()] * len(readers)
        finally:
            self._took = time.monotonic() - began

    def read(self, reader: Callable[[], Any]) -> Any:
        """Return what was read after this call began.

        Among those who share a reading, only one's `reader` is called, so all have to read the same
        thing. Raises what that reader raises.
        """
        return self._batch.do(reader)


class Table:
    """Objects by key, each created by whoever needs it first."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[Hashable, Any] = {}

    def get(self, key: Hashable) -> Any:
        """Return the object of a key, creating it if nobody asked for it before.

        It is created under the lock, so creating one has to be quick.
        """
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make()
            return self._made[key]


class Answer:
    """A question that is asked once, by whoever comes first; an error is an answer, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[Any] = []
        self._error: Exception | None = None

    def get(self, ask: Callable[[], Any]) -> Any:
        """Return the answer, asking if nobody has.

        Others wait while the question is asked. Raises, for every caller, the error that the first
        one met.
        """
        with self._lock:
            if not self._known and self._error is None:
                try:
                    self._known.append(ask())
                except Exception as error:
                    self._error = error
        if self._error is not None:
            raise self._error
        return self._known[0]
