"""The error types of iscsictl, each with an exit code and a hint."""

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
    """An error with one line that says what is wrong and where; `hint` says what to do.

    `tool_exit` is the exit code of the tool that failed (iscsiadm, mkfs, ...), if one did.
    `wrote`: something, such as a disk or a record, may have been changed before the error.
    """

    exit = Exit.ERROR
    wrote = False

    def __init__(self, text: str, *, hint: str | None = None, tool_exit: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.tool_exit = tool_exit


class UsageError(IscsictlError):
    """The command line, or a file that the user wrote, is wrong."""

    exit = Exit.USAGE


class NotFoundError(IscsictlError):
    """Nothing has that name, it is not logged in, or the name is ambiguous."""

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
    """Something is in use that should be removed or changed."""

    exit = Exit.IN_USE


class MissingError(IscsictlError):
    """A tool, a kernel module or iscsid is missing."""

    exit = Exit.MISSING


class RefusedError(IscsictlError):
    """Content, identity or consent forbid it."""

    exit = Exit.REFUSED


class UnexpectedContentError(RefusedError):
    """There is something that iscsictl did not write where it was about to write."""


#: The hint for everything that only root may do.
BECOME_ROOT = "run it again with sudo"


class NeedsRootError(IscsictlError):
    """Only root may do this. The default hint says how to become root."""

    exit = Exit.NEEDS_ROOT

    def __init__(
        self, text: str, *, hint: str | None = BECOME_ROOT, tool_exit: int | None = None
    ) -> None:
        super().__init__(text, hint=hint, tool_exit=tool_exit)


class InterruptError(IscsictlError):
    """SIGINT, SIGTERM or SIGHUP arrived and the run stopped at a safe point."""

    def __init__(self, text: str, *, signal: int, hint: str | None = None) -> None:
        super().__init__(text, hint=hint)
        self.signal = signal
        self.exit = Exit(128 + signal)


class NotBegunError(InterruptError):
    """A signal ended the run before this part of it was started."""


class UnansweredError(InterruptError):
    """A question was answered by a signal or the end of input.

    Like the answer no, this rolls back what the run did; any other signal leaves that for the next
    run.
    """


def unreadable_file(name: str, error: OSError) -> UsageError:
    """Return the error for a file that is named on the command line and cannot be read."""
    hint = "give a file that can be read"
    if isinstance(error, FileNotFoundError):
        hint = "give the path of a file that exists"
    return UsageError(f"{name}: {(error.strerror or str(error)).lower()}", hint=hint)


def from_os(error: OSError) -> IscsictlError:
    """Return an IscsictlError for an OSError that no reader has given a message of its own.

    It has exit code 1 and no hint, as what to do depends on the operation. The name of the file is
    included if there is one.
    """
    where = f"{error.filename}: " if error.filename else ""
    return IscsictlError(f"{where}{error.strerror or error}")
