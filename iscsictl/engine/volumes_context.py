"""The context of a run of many volumes: what their steps need at the same time is done once.

Readings of sysfs and changes of fstab happen in rounds (`Batch`): requests that arrive during a
round wait for the next one, which serves them all. A portal is asked only once what it offers. Two
steps that must not happen at the same moment are executed one after the other.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar, cast

from iscsictl.engine.coalescing import Answer, Batch, Reading, Table
from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab
from iscsictl.model.plan import Action
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.context import Context
from iscsictl.system.io.host_lock import Scope
from iscsictl.system.mount import fstab_file

T = TypeVar("T")
Edit = Callable[[Fstab], Fstab]

# Events of one disk come in bursts, and each reading of sysfs costs time.
_BURST = 0.08

# Seconds that a round waits for others that are on their way to it.
_COMPANY = 0.15

# What changes directories that several records are in.
_ONE_AT_A_TIME = (actions.WriteRecord, actions.RestoreRecord, actions.DeleteRecord)

# Each is an iscsiadm, which takes the lock of the node database for a moment only.
_RECORDS_AT_ONCE = 4


class SharedWaiter(Waiter):
    """A waiter for many: one of them listens to udev, and an event wakes all."""

    def __init__(self) -> None:
        self._woken = threading.Condition()
        self._listening = False
        self._events = 0

    def count_events(self) -> int:
        """Return how many bursts of events have arrived so far."""
        return self._events

    def pause(self, seconds: float, counted: int) -> None:
        """Wait for an event; return immediately if one arrived after `counted` was read.

        Otherwise a reader might miss an event.
        """
        with self._woken:
            if self._events != counted:
                return
            if self._listening:
                self._woken.wait(seconds)
                return
            self._listening = True
        try:
            came, until = self.listen(seconds), time.monotonic() + _BURST
            while came and time.monotonic() < until:
                came = self.listen(_BURST / 4)
        finally:
            with self._woken:
                self._listening = False
                self._events += 1
                self._woken.notify_all()


class VolumesContext(Context):
    """A context for many threads. `at_work` is the number of steps or observations in progress."""

    def __init__(
        self,
        wait: float,
        root: Path = Path("/"),
        say: Callable[[str], None] = lambda _: None,
        watch: Callable[[str], None] = lambda _: None,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(wait, root, say, watch, SharedWaiter(), scope)
        self.at_work = 0
        self._readings = Table(lambda: Reading(self._pause_for_others))
        self._answers = Table(Answer)
        self._one_at_a_time = threading.RLock()
        self._making = threading.Semaphore(_RECORDS_AT_ONCE)
        self._edits: Batch[Edit, tuple[bool, Fstab]] = Batch(self._edit_all, self._pause_for_others)
        self._afterwards: dict[Hashable, Callable[[], None]] = {}

    def _pause_for_others(self) -> float:
        return _COMPANY if self.at_work > 1 else 0.0

    def coalesce(self, what: Hashable, read: Callable[[], T]) -> T:
        """Read what is the same for all who need it now.

        `what` names it. Whoever comes during a reading shares the next one, never one that began
        before.
        """
        return cast("T", self._readings.get(what).read(read))

    def memoize(self, what: Hashable, ask: Callable[[], T]) -> T:
        """Ask what need not be asked again in this run.

        `what` names the question. An error is kept, too, and raised for whoever asks later.
        """
        return cast("T", self._answers.get(what).get(ask))

    def lock_for(self, action: Action, /) -> AbstractContextManager[object]:
        """Permit one action of such a kind at a time; of new records a few.

        Records of one target share directories, and deleting one record may remove the directory
        under another.
        """
        if isinstance(action, actions.CreateRecord):
            return self._making
        if isinstance(action, _ONE_AT_A_TIME):
            return self._one_at_a_time
        return super().lock_for(action)

    def edit_fstab(self, edit: Edit) -> tuple[bool, Fstab]:
        """Change /etc/fstab together with the changes that others make now.

        `edit` gets the lines as the others have changed them by then. Returns whether it changed
        anything, and fstab before the round.
        """
        return self._edits.do(edit)

    def defer(self, what: Hashable, do: Callable[[], None], /) -> None:
        """Note what is to be done at the end.

        Of several with the same name, only the first is done.
        """
        self._afterwards.setdefault(what, do)

    def run_deferred(self) -> list[IscsictlError]:
        """Do what was deferred, in the order in which it was first asked for; return what failed.

        A failure does not keep the others from being done. What is deferred in the meantime is
        done, too.
        """
        failed = []
        while self._afterwards:
            try:
                self._afterwards.pop(next(iter(self._afterwards)))()
            except IscsictlError as error:
                failed.append(error)
        return failed

    def _edit_all(self, edits: Sequence[Edit]) -> list[Any]:
        """Make all edits at once; if refused, one by one, so that each gets its own error."""
        with self.files_lock:
            return self._edit_in_one_go(edits)

    def _edit_in_one_go(self, edits: Sequence[Edit]) -> list[Any]:
        old = now = fstab_file.read_fstab(self.root)
        results: list[Any] = []
        for edit in edits:
            # An edit may refuse, as one does whose claim somebody deleted: the others go on.
            try:
                after = edit(now)
            except InterruptError:
                raise
            except IscsictlError as error:
                results.append(error)
                continue
            results.append((after != now, old))
            now = after
        try:
            fstab_file.save_fstab(self.root, now, old)
        except InterruptError:
            raise
        except IscsictlError as error:
            if len(edits) == 1:
                return [error]
            return [self._edit_all([edit])[0] for edit in edits]
        return results
