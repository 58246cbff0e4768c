"""Words of a command line as one could paste them into a shell."""

import shlex


def shell_form(*words: object) -> str:
    """Return the words quoted for sh(1), with blanks between.

    Every name in a hint goes through it: those of targets, devices and files come from arrays and
    from other users, and whoever pastes the hint must run one command and no other.
    """
    return shlex.join(str(word) for word in words)
