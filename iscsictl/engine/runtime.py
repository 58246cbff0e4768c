"""What a command needs around a run: the context, the signals, the locks of the host."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.io.host_lock import Scope, count_kept_out, forget_kept_out, host_lock

__all__ = [
    "Context", "Scope", "check_interrupt", "count_kept_out", "forget_kept_out", "host_changes",
    "interrupt_at_once", "interrupt_threads", "open_context",
]  # fmt: skip


def open_context(
    wait: float,
    root: Path,
    say: Callable[[str], None] = lambda _: None,
    watch: Callable[[str], None] = lambda _: None,
    scope: Scope | None = None,
) -> Context:
    """Return the context of a run.

    `wait` is how many seconds each wait on others may last. `say` takes a line for the user,
    `watch` the progress that a tool prints. `scope` is all that the run changes, if that is known
    before it begins; None for a run that may change anything on this host.
    """
    return Context(wait, root, say, watch, scope=scope)


@contextmanager
def host_changes(context: Context, *, lock_wait: float | None = None) -> Iterator[None]:
    """Change what the context's scope names, or anything if it has none.

    Meanwhile no other iscsictl changes the same, and a signal waits for a safe point. `lock_wait`
    is how many seconds to wait for the lock, by default as long as for anything else. Raises
    InUseError if another iscsictl keeps it for longer.
    """
    signals.defer()
    wait = context.wait if lock_wait is None else lock_wait
    with host_lock(wait, context.say, context.root, context.scope), context.waiter:
        yield


def interrupt_threads() -> None:
    """From here on, SIGINT ends a dry run immediately, in all of its threads.

    A dry run changes nothing, so there is no need to wait for a safe point.
    """
    signals.in_threads()


def interrupt_at_once() -> AbstractContextManager[None]:
    """Return a context in which a signal immediately ends the wait for the user's answer.

    Nothing else happens while a question is asked. Raises InterruptError in there.
    """
    return signals.at_once()


def check_interrupt() -> None:
    """Raise InterruptError if a signal arrived; to be called between steps.

    Its exit code is 128 plus the number of the signal.
    """
    signals.check()
