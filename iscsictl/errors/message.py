"""One kind of line that says more than a code, and what `explain` answers to it."""

from dataclasses import dataclass
from typing import Final, Literal

from iscsictl.errors import Exit

MessageKind = Literal["iscsiadm", "kernel", "message"]


@dataclass(frozen=True)
class Message:
    """What one kind of line means. An `only_alone` one counts only where nothing else is found.

    That is for lines that follow from another error, which is then the one to explain.
    """

    pattern: str
    kind: MessageKind
    code: int | None
    meaning: str
    usual_cause: str
    fix: str
    exit: Exit
    only_alone: bool = False


# The answer to lines that only follow from another one.
READ_ABOVE: Final = "read the lines above it, or `journalctl -u iscsid -n 50 | iscsictl explain -`"
