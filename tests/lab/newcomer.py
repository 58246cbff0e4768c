"""A newcomer at a terminal of the host: types a command, and answers what is asked."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.onhost import PATIENCE, run_on
from tools.pictures import received_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.guest import Guest

CTRL_C = "\x03"
#: What the shell says when a command has ended: its exit code.
_ENDED = rb"left ([0-9]+) # "
_SGR = re.compile(r"\x1b\[[0-9;]*m")
#: What a command of this kind can change on a host, for what it runs and what it does after a boot.
_STATE = (
    "find /etc /srv /mnt /var/lib/iscsi -xdev -printf '%p %m %U %s %l\\n' 2>/dev/null | sort; "
    "find /etc /var/lib/iscsi -xdev -type f -exec sha256sum {} + 2>/dev/null | sort; "
    "iscsiadm -m node 2>&1; iscsiadm -m session 2>&1; cat /proc/mounts; lsblk -o KNAME,FSTYPE,UUID"
)


def host_state(host: Guest) -> str:
    """Files, node records, sessions, mounts and disks of a host."""
    return host.run(_STATE, timeout=PATIENCE).out


@dataclass(frozen=True)
class Turn:
    """What the newcomer waits to read, a regular expression, and what is typed then."""

    question: str
    answer: str


@dataclass(frozen=True)
class Dialogue:
    """What the terminal showed from the command until the next prompt, and the exit code."""

    columns: int
    code: int
    received: str

    @property
    def lines(self) -> list[str]:
        """The lines that were left to be read, without colours; a wait that ended is not there."""
        return [_SGR.sub("", line).rstrip() for line in received_lines(self.received)]

    @property
    def text(self) -> str:
        """The same in one piece."""
        return "\n".join(self.lines)

    @property
    def screen(self) -> str:
        """The same as the terminal shows it: what is wider than it goes on in the next row."""
        width = self.columns
        return "\n".join(
            line[start : start + width]
            for line in self.lines
            for start in range(0, max(len(line), 1), width)
        )


class Terminal:
    """The serial console of the host, `columns` wide, at the prompt of a shell of root."""

    def __init__(self, host: Guest, columns: int) -> None:
        self.host = host
        self.columns = columns
        # The kernel's messages come to this terminal, but to no other.
        run_on(host, "dmesg -n 1")
        host.console.sendline(
            f"stty cols {columns} rows 24; export TERM=xterm-256color LANG=C.UTF-8; "
            "PROMPT_COMMAND='stty -a > /root/modes'; PS1='left $? # '"
        )
        host.console.expect(_ENDED, timeout=PATIENCE)

    def modes(self) -> str:
        """What `stty -a` said before the prompt was printed."""
        return self.host.text("/root/modes")

    def type(
        self, command: str, turns: Sequence[Turn], asked: Callable[[Turn], None] | None = None
    ) -> Dialogue:
        """Type a command and hold a dialogue, until the shell's next prompt.

        `asked` is called at each question, before it is answered. A question that does not come, or
        one that is left, fails the test.
        """
        console, log = self.host.console, io.BytesIO()
        console.logfile_read = log
        try:
            console.sendline(command)
            for turn in turns:
                came = console.expect([turn.question.encode(), _ENDED], timeout=PATIENCE)
                assert came == 0, f"{turn.question} was not asked:\n{log.getvalue().decode()}"
                if asked is not None:
                    asked(turn)
                if turn.answer == CTRL_C:
                    console.send(turn.answer)
                else:
                    console.sendline(turn.answer)
            console.expect(_ENDED, timeout=PATIENCE)
        finally:
            console.logfile_read = None
        assert isinstance(console.match, re.Match)
        received = log.getvalue().decode()
        return Dialogue(self.columns, int(console.match[1]), received[: received.rindex("left ")])
