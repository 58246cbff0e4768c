"""/proc/self/mountinfo -> mounts (proc_pid_mountinfo(5)); any bytes, octal escapes undone."""

import re
from functools import lru_cache


class MountLine:
    """One mount. `device` is MAJOR:MINOR; `root` is the directory in the filesystem.

    `read_only` is that of the mount itself, which is set only on purpose: a filesystem that fell
    back to read-only has `ro` only in `options`. `groups` are its peer groups, as the kernel writes
    them: `shared:N`, `master:N`.
    """

    __slots__ = ("device", "fstype", "groups", "options", "path", "read_only", "root", "source")

    def __init__(
        self,
        device: str,
        root: str,
        path: str,
        *,
        fstype: str,
        source: str,
        options: tuple[str, ...],
        groups: tuple[str, ...] = (),
        read_only: bool = False,
    ) -> None:
        self.device = device
        self.root = root
        self.path = path
        self.fstype = fstype
        self.source = source
        self.options = options
        self.groups = groups
        self.read_only = read_only


def parse_mountinfo(data: str | bytes) -> tuple[MountLine, ...]:
    """Parse a mountinfo file; lines of another form (truncated, foreign) are left out.

    `options` joins those of the mount and of the filesystem as findmnt does: each once, and `ro`
    overrides `rw`, so it shows that a filesystem fell back to read-only.
    """
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    return tuple(line for raw in text.split("\n") if (line := _parse_line(raw)) is not None)


def _parse_line(raw: str) -> MountLine | None:
    fields = raw.rstrip("\r").split(" ")
    try:
        # Any number of peer groups may come before it, and a kernel may add fields of new kinds
        # there.
        dash = fields.index("-", 6)
        fstype, source = fields[dash + 1 : dash + 3]
    except ValueError:
        return None
    return MountLine(
        fields[2],
        unescape_octal(fields[3]),
        unescape_octal(fields[4]),
        fstype=unescape_octal(fstype),
        source=unescape_octal(source),
        options=_join_options(fields[5], fields[dash + 3] if len(fields) > dash + 3 else ""),
        groups=tuple(fields[6:dash]),
        read_only="ro" in fields[5].split(","),
    )


@lru_cache(256)
def _join_options(own: str, shared: str) -> tuple[str, ...]:
    options = dict.fromkeys(unescape_octal(word) for word in f"{own},{shared}".split(",") if word)
    if "ro" in options and "rw" in options:
        options = dict.fromkeys("ro" if word == "rw" else word for word in options)
    return tuple(options)


def unescape_octal(text: str) -> str:
    r"""Undo \040 and the like, as the kernel writes names in /proc.

    Bytes beyond ASCII are decoded as UTF-8.
    """
    if "\\" not in text:
        return text
    raw = re.sub(
        r"\\([0-3][0-7]{2})",
        lambda found: chr(0xDC00 + v) if (v := int(found[1], 8)) > 127 else chr(v),
        text,
    )
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
