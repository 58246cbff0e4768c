"""Command lines that can be pasted into a shell."""

import shlex


def shell_form(*words: object) -> str:
    """Return the words quoted for sh(1) and separated by blanks.

    Every name in a hint must pass through it: names of targets, devices and files come from arrays
    and other users, and pasting the hint must run that one command and nothing else.
    """
    return shlex.join(str(word) for word in words)
