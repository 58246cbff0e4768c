"""What can go wrong, as types: each carries the exit code of the contract and a hint."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command (README, "Exit codes")."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    PARTIAL = 4
    AUTH = 5
    UNREACHABLE = 6
    IN_USE = 7
    MISSING = 8
    REFUSED = 9
    PENDING = 10
    NEEDS_ROOT = 13
    # A shell reports 128 + N for a program that signal N ended: SIGHUP is 1, SIGINT 2, SIGTERM 15.
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class IscsictlError(Exception):
    """One line that says what is wrong and where; `hint` says what to do.

    `tool_exit` is the exit code of the tool that failed (iscsiadm, mkfs, ...), if one did;
    `wrote` tells that it may have changed something before that, a disk or a record.
    """

    exit = Exit.ERROR
    wrote = False

    def __init__(self, text: str, *, hint: str | None = None, tool_exit: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.tool_exit = tool_exit


class UsageError(IscsictlError):
    """The command line, or a file the user wrote, is wrong."""

    exit = Exit.USAGE


class NotFoundError(IscsictlError):
    """Nothing has that name, it is not logged in, or the name fits several things."""

    exit = Exit.NOT_FOUND


class PartialError(IscsictlError):
    """Some of several things failed."""

    exit = Exit.PARTIAL


class AuthError(IscsictlError):
    """The array refused the account, the secret or this initiator."""

    exit = Exit.AUTH


class UnreachableError(IscsictlError):
    """The other side did not answer before the deadline."""

    exit = Exit.UNREACHABLE


class InUseError(IscsictlError):
    """Something holds what was to be taken away or changed."""

    exit = Exit.IN_USE


class MissingError(IscsictlError):
    """A tool, a kernel module or iscsid is not there."""

    exit = Exit.MISSING


class RefusedError(IscsictlError):
    """Content, identity or consent forbid it."""

    exit = Exit.REFUSED


class UnexpectedContentError(RefusedError):
    """Something that is not ours turned up where we were about to write."""


#: What to do about everything that only root may do.
BECOME_ROOT = "run it again with sudo"


class NeedsRootError(IscsictlError):
    """The kernel lets only root do this. The hint says how to become root, unless one is given."""

    exit = Exit.NEEDS_ROOT

    def __init__(
        self, text: str, *, hint: str | None = BECOME_ROOT, tool_exit: int | None = None
    ) -> None:
        super().__init__(text, hint=hint, tool_exit=tool_exit)


class InterruptError(IscsictlError):
    """SIGINT, SIGTERM or SIGHUP arrived and the run stopped at a safe place."""

    def __init__(self, text: str, *, signal: int, hint: str | None = None) -> None:
        super().__init__(text, hint=hint)
        self.signal = signal
        self.exit = Exit(128 + signal)


class NotBegunError(InterruptError):
    """A signal ended the run before anything was done of one of its parts."""


class UnansweredError(InterruptError):
    """A question got a signal, or the end of the input, in place of an answer.

    Like a no it rolls back what the run did, where any other signal leaves it for the next run.
    """


def unreadable_file(name: str, error: OSError) -> UsageError:
    """Return the error of a file that the command line names and that cannot be read."""
    hint = "give a file that can be read"
    if isinstance(error, FileNotFoundError):
        hint = "give the path of a file that exists"
    return UsageError(f"{name}: {(error.strerror or str(error)).lower()}", hint=hint)


def from_os(error: OSError) -> IscsictlError:
    """Return what the kernel refused without a word of ours as an error like any other.

    Exit 1, without a hint: what to do depends on who asked for what. `filename` is kept if there is
    one.
    """
    where = f"{error.filename}: " if error.filename else ""
    return IscsictlError(f"{where}{error.strerror or error}")
