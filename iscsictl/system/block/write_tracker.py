"""Record with an error whether something may have been written to a disk before it."""

import contextlib
from collections.abc import Iterator, Sequence

from iscsictl.errors import IscsictlError, MissingError, RefusedError, from_os
from iscsictl.system.io.process import Result, run


class WriteTracker:
    """Whether a tool that writes to a disk has started (`started`); it never goes back to False."""

    def __init__(self, *, started: bool = False) -> None:
        self.started = started

    @contextlib.contextmanager
    def tool(self) -> Iterator[None]:
        """Count a tool that runs in the body as started, however it ends.

        One that is not installed, or that refused to write, does not count.
        """
        try:
            yield
        except (MissingError, RefusedError):
            raise
        except BaseException:
            self.started = True
            raise
        self.started = True

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float | None = 60
    ) -> Result:
        """Run a tool that writes, as `process.run` does; `timeout` is in seconds.

        Raises MissingError, UnreachableError, ToolError.
        """
        with self.tool():
            return run(argv, stdin=stdin, timeout=timeout)


@contextlib.contextmanager
def track_writes(*, started: bool = False) -> Iterator[WriteTracker]:
    """Set `wrote` of each error that leaves the body once a tool of the tracker has started.

    This applies to every error: a refusal after the first of two tools leaves a disk half written,
    too. `started` means that something was written before. OSError becomes IscsictlError, because
    only that has `wrote`.
    """
    tracker = WriteTracker(started=started)
    try:
        yield tracker
    except IscsictlError as error:
        error.wrote = error.wrote or tracker.started
        raise
    except OSError as error:
        converted = from_os(error)
        converted.wrote = tracker.started
        raise converted from error
