"""One kind of line that says more than a code, and the answer of `explain`."""

from dataclasses import dataclass
from typing import Literal

from iscsictl.errors import Exit

MessageKind = Literal["iscsiadm", "kernel", "message"]


@dataclass(frozen=True)
class Message:
    """What one kind of line means. `only_alone`: it counts only if nothing else is found.

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
