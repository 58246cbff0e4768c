"""The disk of an action, and the ground on which it may be overwritten."""

from dataclasses import dataclass
from enum import StrEnum


class OverwriteGround(StrEnum):
    """Why a disk may be overwritten."""

    BLANK = "blank"
    CLAIMED = "claimed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class DiskId:
    """The disk of an action; its WWID is read again (INQUIRY page 0x83) before each write.

    `device` is its device when the action was planned, "" if it must be found by its WWID.
    """

    target: str
    lun: int
    wwid: str
    device: str
