"""What is said of a mount point that users other than root can replace."""

from collections.abc import Sequence


def exposure(path: str, exposed: Sequence[str]) -> str | None:
    """Return a sentence about a mount point below directories that others can write, or None.

    `exposed` are those directories. Whoever owns one can move the mount point away, and put a
    directory of the same name in its place.
    """
    if not exposed:
        return None
    return f"{path} is below {', '.join(exposed)}, where users other than root can replace it"
