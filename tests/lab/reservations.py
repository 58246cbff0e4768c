"""What the array itself says of the persistent reservations of a disk."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.lio import CORE

if TYPE_CHECKING:
    from tests.lab.array import Array
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk

APPLICATION = "7c1d2f0e-52b4-4c0a-9a57-3e8d6f1b20c4"


def key_of(host: Guest) -> str:
    """The host's reservation key, as the documentation has an admin find it."""
    command = ["systemd-id128", "machine-id", f"--app-specific={APPLICATION}"]
    return f"0x{host.run(command, check=True).out.strip()[:16]}"


@dataclass(frozen=True)
class ReservationState:
    """The files of a disk in the target's configfs: who holds it, who registered, which type."""

    holder: str
    registered: str
    kind: str

    @property
    def is_free(self) -> bool:
        """Whether nobody has registered."""
        return "No SPC-3 Reservation holder" in self.holder and "None" in self.registered


def read_state(array: Array, disk: Disk) -> ReservationState:
    """Read what the kernel's target shows of a disk."""
    files = ("res_holder", "res_pr_registered_i_pts", "res_pr_type")
    return ReservationState(*(array.text(f"{CORE}/{disk.name}/pr/{name}") for name in files))


class WriteRecord:
    """Which initiators the array let write, as the kernel's target traces its commands.

    It notes each command when it ends, with its status (include/trace/events/target.h). One that a
    reservation forbids ends with RESERVATION CONFLICT.
    """

    _EVENT = "/sys/kernel/tracing/events/target/target_cmd_complete/enable"
    _LINE = re.compile(
        r"target_cmd_complete: (\S+) <- LUN \d+ .*?status ([A-Z ]+) \(sense len [^)]*\) +(\w+) "
    )

    def __init__(self, array: Array) -> None:
        self.array = array
        self._run(
            "mountpoint -q /sys/kernel/tracing || mount -t tracefs nodev /sys/kernel/tracing; "
            "echo 16384 > /sys/kernel/tracing/buffer_size_kb; echo > /sys/kernel/tracing/trace; "
            f"echo 1 > {self._EVENT}"
        )

    def stop(self) -> Counter[str]:
        """Return how many writes each initiator made since the start, by its name."""
        text = self._run(f"echo 0 > {self._EVENT}; cat /sys/kernel/tracing/trace")
        found = self._LINE.findall(text)
        assert found, f"the array has recorded no command:\n{text[-2000:]}"
        return Counter(
            name for name, status, command in found if status == "GOOD" and "WRITE" in command
        )

    def _run(self, script: str) -> str:
        return self.array.run(script, check=True, timeout=120).out
