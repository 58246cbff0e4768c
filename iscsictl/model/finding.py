"""What `doctor` finds: one finding per fact, with the command that fixes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from iscsictl.model.plan import Action


class Level(StrEnum):
    """How bad a finding is; `skip` means that the check could not be made."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """The position in the order from best (`ok`, 0) to worst, the order of the definitions."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """What one check found about one subject.

    `id` stays the same in all versions (docs/checks.md). `fix` says how to correct it, as a command
    if possible; `repair` is the action with which `doctor --fix` does so, if that is safe.
    """

    id: str
    level: Level
    message: str
    fix: str | None = None
    subject: str | None = None
    repair: Action | None = None


def ok(id_: str, message: str, subject: str | None = None) -> Finding:
    """Return a finding that all is well; `subject` is what was checked, None for the whole host."""
    return Finding(id_, Level.OK, message, subject=subject)


def skip(id_: str, message: str, fix: str | None = None, subject: str | None = None) -> Finding:
    """Return a finding that says why the check could not be made.

    A check that needs root, or a daemon that is not running, is skipped and never `ok`.
    """
    return Finding(id_, Level.SKIP, message, fix, subject)


def warn(
    id_: str, message: str, fix: str, subject: str | None = None, repair: Action | None = None
) -> Finding:
    """Return a finding about something that works today but may not tomorrow.

    `fix` is the command that corrects it; `repair` is what `doctor --fix` may execute unasked.
    """
    return Finding(id_, Level.WARN, message, fix, subject, repair)


def fail(
    id_: str, message: str, fix: str, subject: str | None = None, repair: Action | None = None
) -> Finding:
    """Return a finding about something that does not work, or loses data.

    `fix` and `repair` are as for `warn`; without `repair` an admin must decide.
    """
    return Finding(id_, Level.FAIL, message, fix, subject, repair)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level; `ok` if there are no findings.

    A skipped check is worse than one that passed, and better than a warning.
    """
    return max((finding.level for finding in findings), key=lambda x: x.rank, default=Level.OK)
