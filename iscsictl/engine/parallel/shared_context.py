"""The surroundings of wishes that are worked on side by side: what is dear is done once for all.

Looks at the host, logins, changes of fstab and reloads of systemd come in rounds (`Batch`): what is
asked for while one is under way waits for the next, which serves all. What a portal offers is asked
once. What two wishes must not do at the same moment is done one after the other.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast

from iscsictl.engine.handlers.logins import log_in_to
from iscsictl.engine.parallel.batching import Answer, Batch, Reading, Table
from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab
from iscsictl.model.plan import Action
from iscsictl.system.block.udev_wait import RECHECK, Waiter
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.mount import fstab_file

T = TypeVar("T")
Edit = Callable[[Fstab], Fstab]

# Events of one disk come in bursts, and each look has to read sysfs anew.
_BURST = 0.08

# How long a round waits for others that are on their way to it.
_COMPANY = 0.15

# What changes the host, or directories that several records or drop-ins are in.
_ONE_AT_A_TIME = (
    actions.WriteRecord, actions.RestoreRecord, actions.DeleteRecord,
    actions.EnableService, actions.StartService, actions.RequireMount, actions.DropRequire,
    actions.WriteMapSettings, actions.DropMapSettings, actions.AllowMap, actions.DisallowMap,
)  # fmt: skip

# Each is an iscsiadm, which takes the lock of the node database for a moment only.
_RECORDS_AT_ONCE = 4


class SharedWaiter(Waiter):
    """A waiter for many: one of them listens to udev, and an event wakes all."""

    def __init__(self) -> None:
        self._woken = threading.Condition()
        self._listening = False
        self._events = 0

    def wait(self, read: Callable[[], T | None], deadline: float) -> T | None:
        """Call `look` until it returns something; None at the deadline (monotonic seconds)."""
        while True:
            seen = self._events
            found = read()
            if found is not None:
                return found
            signals.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._pause(min(left, RECHECK), seen)

    def _pause(self, seconds: float, seen: int) -> None:
        with self._woken:
            if self._events != seen:
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


class Shared(Context):
    """A context for many threads. What may wait for the end, `settle` does, each once."""

    def __init__(
        self,
        wait: float,
        root: Path = Path("/"),
        say: Callable[[str], None] = lambda _: None,
        watch: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(wait, root, say, watch, SharedWaiter())
        self.at_work = 0
        self._counting = threading.Lock()
        self._readings = Table(lambda: Reading(self._pause))
        self._answers = Table(Answer)
        self._guard = threading.RLock()
        self._making = threading.Semaphore(_RECORDS_AT_ONCE)
        self._logins: Batch[Key, bool] = Batch(lambda keys: log_in_to(keys, self), self._pause)
        self._edits: Batch[Edit, tuple[bool, Fstab]] = Batch(self._edit_all, self._pause)
        self._afterwards: dict[Hashable, Callable[[], None]] = {}

    @contextmanager
    def spec(self) -> Iterator[None]:
        """Count a wish while it is worked on."""
        with self._counting:
            self.at_work += 1
        try:
            yield
        finally:
            with self._counting:
                self.at_work -= 1

    def _pause(self) -> float:
        return _COMPANY if self.at_work > 1 else 0.0

    def coalesce(self, what: Hashable, read: Callable[[], T]) -> T:
        """Read what is the same for all who look now."""
        return cast("T", self._readings.get(what).read(read))

    def once(self, what: Hashable, ask: Callable[[], T]) -> T:
        """Ask what need not be asked again in this run."""
        return cast("T", self._answers.get(what).get(ask))

    def guard(self, action: Action) -> AbstractContextManager[object]:
        """Let one such action be carried out at a time, of new records a few."""
        if isinstance(action, actions.CreateRecord):
            return self._making
        return self._guard if isinstance(action, _ONE_AT_A_TIME) else nullcontext()

    def log_in(self, key: Key) -> bool:
        """Log in together with others who want to now."""
        return self._logins.do(key)

    def edit_fstab(self, edit: Edit) -> tuple[bool, Fstab]:
        """Change /etc/fstab together with what others change now."""
        return self._edits.do(edit)

    def defer(self, what: Hashable, do: Callable[[], None], /) -> None:
        """Note what is to be done at the end."""
        self._afterwards.setdefault(what, do)

    def run_deferred(self) -> list[IscsictlError]:
        """Do it, in the order in which it was asked for first; return what failed."""
        failed = []
        while self._afterwards:
            try:
                self._afterwards.pop(next(iter(self._afterwards)))()
            except IscsictlError as error:
                failed.append(error)
        return failed

    def _edit_all(self, edits: Sequence[Edit]) -> list[Any]:
        """Make all edits in one go; if that is refused, one by one, so that each has its own."""
        old = now = fstab_file.read_fstab(self.root)
        changed = []
        for edit in edits:
            after = edit(now)
            changed.append(after != now)
            now = after
        try:
            fstab_file.save_fstab(self.root, now, old)
        except InterruptError:
            raise
        except IscsictlError as error:
            if len(edits) == 1:
                return [error]
            return [self._edit_all([edit])[0] for edit in edits]
        return [(one, old) for one in changed]
