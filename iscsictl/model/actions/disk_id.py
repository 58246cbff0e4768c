"""The disk that an action is about, and the ground on which it may be overwritten."""

from dataclasses import dataclass
from enum import StrEnum


class OverwriteGround(StrEnum):
    """Why a disk may be overwritten."""

    BLANK = "blank"
    CLAIMED = "claimed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class DiskId:
    """The disk that is meant: asked again (INQUIRY page 0x83) before each write."""

    target: str
    lun: int
    wwid: str
    device: str
