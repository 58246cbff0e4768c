"""Mount points: what is above one, and what is said of one that other users can replace."""

from collections.abc import Iterator, Sequence


def exposure(path: str, exposed: Sequence[str]) -> str | None:
    """Return a sentence about a mount point below directories that others can write, or None.

    `exposed` are those directories. Whoever owns one can move the mount point away, and put a
    directory of the same name in its place.
    """
    if not exposed:
        return None
    return f"{path} is below {', '.join(exposed)}, where users other than root can replace it"


def directories_above(path: str | None) -> Iterator[str]:
    """Yield `/srv/a` and `/srv` for `/srv/a/b`; the root directory is no mount point of ours."""
    above = (path or "").rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]
