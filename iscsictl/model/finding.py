"""What `doctor` finds: one finding a fact, with the command that fixes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from iscsictl.model.plan import Action


class Level(StrEnum):
    """How a finding is to be taken; `skip` says that it could not be looked at."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """Order by how bad it is: `ok` is 0.

        The order in which the levels are defined is that order.
        """
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """What one check found about one subject.

    `id` stays the same in all versions (docs/checks.md). `fix` is the command or the action that
    corrects it; `repair` the action with which `doctor --fix` does so, where that is safe.
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
    """Return a finding that it could not be looked at, and why.

    A check that needs root, or a daemon that does not run, is skipped and never `ok`.
    """
    return Finding(id_, Level.SKIP, message, fix, subject)


def warn(
    id_: str, message: str, fix: str, subject: str | None = None, repair: Action | None = None
) -> Finding:
    """Return a finding of something that works today and may not tomorrow.

    `fix` is the command that corrects it; `repair` what `doctor --fix` may execute unasked.
    """
    return Finding(id_, Level.WARN, message, fix, subject, repair)


def fail(
    id_: str, message: str, fix: str, subject: str | None = None, repair: Action | None = None
) -> Finding:
    """Return a finding of something that does not work, or loses data.

    `fix` and `repair` are those of `warn`: without `repair` an admin has to decide.
    """
    return Finding(id_, Level.FAIL, message, fix, subject, repair)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level; ok where there is none.

    A check that was skipped is worse than one that passed and better than a warning.
    """
    return max((finding.level for finding in findings), key=lambda x: x.rank, default=Level.OK)
