"""Search many places of a disk for data, several at a time, bypassing the page cache.

A read that fails or comes back short is an error: a disk that cannot be read is not blank.
"""

import contextlib
import ctypes
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from iscsictl.errors import UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import PROOF_REPORT_PERIOD, PROOF_THREADS
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.blank_extents import MIB, Extent
from iscsictl.system.io import signals

if TYPE_CHECKING:
    from concurrent import futures
else:
    # It imports `logging`; commands that only show something need neither.
    futures = lazy_import("concurrent.futures")

# With so many, an array that needs 1 ms per read answers the 35 000 reads of 1 TiB in a second.
_MAX_LANES = 32
# Of one search: with fewer, it mostly waits for the array; with more, it is no faster in the lab.
_MIN_LANES = 8
# Of many searches at a time: their threads would only wait for each other.
_FEWEST_LANES = 2
_EXTENTS_PER_LANE = 32
_PIECE = MIB
_ZEROES = bytes(_PIECE)
# It compares without a copy, and other threads run meanwhile.
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
# Buffers of earlier searches: each page of a new one costs a page fault. At most 64 MiB.
_MAX_SPARE = 64
_spare_buffers: deque[memoryview] = deque()
_searches: set["_Search"] = set()


def ignore_progress(_share: float) -> None:
    """Ignore the share that was read: the default for callers that show no progress."""


def first_nonzero(
    fd: int, extents: Sequence[Extent], report: Callable[[float], None] = ignore_progress
) -> int | None:
    """Return the offset, to 1 MiB, of the first data in these extents; None if all are zeroes.

    About once a second, `report` is called with the share of the bytes that was read. Raises
    UnreachableError if an extent cannot be read, InterruptError if the user interrupts.
    """
    search = _Search(fd, extents, report)
    _searches.add(search)
    try:
        with running_beside(*[search.run] * (_lanes(len(extents)) - 1)) as others:
            search.run()
            for other in others:
                # If no thread was free to start it, nothing is left for it to do.
                if not other.cancel():
                    other.result()
    finally:
        _searches.discard(search)
    return min(search.found, default=None)


def _lanes(extents: int) -> int:
    """Return how many reads of one search may be under way: fewer if many disks are searched."""
    wanted = max(_MIN_LANES, extents // _EXTENTS_PER_LANE)
    return min(wanted, max(_FEWEST_LANES, _MAX_LANES // len(_searches)))


class _Search:
    """The state shared by the threads that read the extents; each of them takes the next piece."""

    def __init__(self, fd: int, extents: Sequence[Extent], report: Callable[[float], None]) -> None:
        self.found: list[int] = []
        self._fd = fd
        self._pieces = _split_into_pieces(extents)
        self._report = report
        self._total = sum(length for _, length in extents)
        self._taken = 0
        self._failed = False
        self._next_report = time.monotonic() + PROOF_REPORT_PERIOD
        self._lock = threading.Lock()

    def run(self) -> None:
        """Read until no piece is left, or a thread has found data or failed."""
        try:
            view = _spare_buffers.pop()
        except IndexError:
            view = memoryview(scsi_commands.page_aligned_buffer(_PIECE))
        try:
            while (extent := self._take_next_piece()) is not None:
                signals.check()
                at, length = extent
                piece = view[:length]
                read_fully(self._fd, piece, at)
                if not _is_all_zero(piece):
                    self.found.append(at)
        except BaseException:
            self._failed = True
            raise
        finally:
            if len(_spare_buffers) < _MAX_SPARE:
                _spare_buffers.append(view)

    def _take_next_piece(self) -> Extent | None:
        """Return the next piece; None if none is left or the search has ended.

        Pieces are taken in order: when data is found, all pieces before it have already been taken.
        """
        with self._lock:
            if self.found or self._failed:
                return None
            extent = next(self._pieces, None)
            if extent is not None:
                self._taken += extent[1]
                if time.monotonic() >= self._next_report:
                    self._report(self._taken / self._total)
                    self._next_report = time.monotonic() + PROOF_REPORT_PERIOD
            return extent


def _split_into_pieces(extents: Iterable[Extent]) -> Iterator[Extent]:
    for at, length in extents:
        end = at + length
        yield from ((begin, min(_PIECE, end - begin)) for begin in range(at, end, _PIECE))


def read_fully(fd: int, piece: memoryview, at: int) -> None:
    """Fill `piece` from offset `at` of a disk. Raises UnreachableError if less is read.

    With O_DIRECT, offset, length and memory must be aligned to the disk's sectors (open(2)).
    """
    done = 0
    try:
        while done < len(piece):
            got = os.preadv(fd, [piece[done:]], at + done)
            if got == 0:
                raise UnreachableError(
                    f"the disk ends at byte {at + done}, before the size that it reports",
                    hint="let the kernel read its size again: iscsictl rescan",
                )
            done += got
    except OSError as error:
        raise UnreachableError(
            f"the disk cannot be read at byte {at}: {error.strerror}",
            hint="a disk that cannot be read is not blank; check with: iscsictl doctor",
        ) from None


def _is_all_zero(piece: memoryview) -> bool:
    first = ctypes.c_char.from_buffer(piece)
    return not _memcmp(ctypes.addressof(first), _ZEROES, len(piece))


@cache
def _proof_threads() -> "futures.ThreadPoolExecutor":
    """Return the threads shared by all proofs: starting a thread takes longer than a read."""
    return futures.ThreadPoolExecutor(PROOF_THREADS)


@contextlib.contextmanager
def running_beside(*work: Callable[[], Any]) -> "Iterator[list[futures.Future[Any]]]":
    """Run functions in other threads beside the body; on leaving it, wait for them to end.

    A function that has not started by then is cancelled.
    """
    begun = [_proof_threads().submit(one) for one in work]
    try:
        yield begun
    finally:
        # `wait` never learns that a future was cancelled while it was in the queue.
        futures.wait([one for one in begun if not one.cancel()])
