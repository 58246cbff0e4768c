"""Reading single keys, without Enter, while a live view is drawn."""

import os
import select
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self, TextIO

#: What xterm and the Linux console send for a key (terminfo(5): kcuu1, kcud1, kpp, knp, khome,
#: kend).
_SEQUENCES: Final = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"k": "up",
    b"\x1b[B": "down", b"\x1bOB": "down", b"j": "down",
    b"\x1b[5~": "page up", b"\x1b[6~": "page down", b" ": "page down",
    b"\x1b[H": "home", b"\x1bOH": "home", b"\x1b[1~": "home",
    b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end",
    b"q": "quit", b"Q": "quit",
}  # fmt: skip
_LONGEST_FIRST: Final = sorted(_SEQUENCES, key=len, reverse=True)
_AT_ONCE: Final = 1024


class Keys:
    """The keys of a terminal. This is a context manager that restores the terminal's modes.

    `fd` is None if nobody can press a key: off a terminal, and in the background, where changing
    the modes would stop the process (SIGTTOU, termios(3)).
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.fd = None if stream is None or not stream.isatty() else stream.fileno()
        if self.fd is not None and not _in_foreground(self.fd):
            self.fd = None
        self._modes: list[Any] = []

    def __enter__(self) -> Self:
        if self.fd is not None:
            self._modes = termios.tcgetattr(self.fd)
            # Ctrl-C still sends a signal (ISIG).
            tty.setcbreak(self.fd, termios.TCSANOW)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.fd is not None:
            # Discard what was typed ahead, so that the shell does not get it.
            termios.tcsetattr(self.fd, termios.TCSAFLUSH, self._modes)

    def pressed(self) -> list[str]:
        """Return the keys that were pressed since the last call, without waiting.

        They are up, down, page up, page down, home, end and quit; other keys are ignored. If the
        terminal was closed, this returns quit.
        """
        if self.fd is None or not select.select([self.fd], [], [], 0)[0]:
            return []
        typed = os.read(self.fd, _AT_ONCE)
        return _read_key_names(typed) if typed else ["quit"]


def _in_foreground(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        # It is not the terminal of this session.
        return False


def _read_key_names(typed: bytes) -> list[str]:
    names = []
    while typed:
        known = next((keys for keys in _LONGEST_FIRST if typed.startswith(keys)), None)
        if known is not None:
            names.append(_SEQUENCES[known])
        typed = typed[len(known or b"x") :]
    return names
