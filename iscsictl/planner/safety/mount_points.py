"""Mount points: the directories above one, and the warning about one that others can replace."""

from collections.abc import Iterator, Sequence


def exposure(path: str, exposed: Sequence[str]) -> str | None:
    """Return a sentence about a mount point below directories that others can write to, or None.

    `exposed` are those directories. The owner of one can move the mount point away, and put a
    directory of the same name in its place.
    """
    if not exposed:
        return None
    return f"{path} is below {', '.join(exposed)}, where users other than root can replace it"


def directories_above(path: str | None) -> Iterator[str]:
    """Yield `/srv/a` and `/srv` for `/srv/a/b`; iscsictl never mounts on the root directory."""
    above = (path or "").rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]
