"""/etc/fstab on the machine: read, and replaced only when findmnt finds no new error in it."""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from iscsictl.errors import MissingError, RefusedError
from iscsictl.model.fstab import Fstab
from iscsictl.parse.fstab import parse_fstab, render_fstab
from iscsictl.system.files import read_file, replace_file
from iscsictl.system.run import run

Verify = Callable[[bytes], Counter[str]]

_PARSE_ERROR: Final = re.compile(r"parse error at line [0-9]+")
_ERROR: Final = re.compile(r"\s+\[E\] (.*)")


def path_of(root: Path = Path("/")) -> Path:
    """Return where the file is."""
    return root / "etc/fstab"


def read_fstab(root: Path = Path("/")) -> Fstab:
    """Read the file; a host without one has an empty one."""
    return parse_fstab(read_file(path_of(root)) or b"")


def findmnt_errors(data: bytes) -> Counter[str]:
    """Return what `findmnt --verify` calls errors in this text: `DIRECTORY: what`, how often.

    The text is handed over without a file, so a full disk does not matter. Warnings are left
    out: a disk that is not there is one for a line that is not mounted at boot.
    """
    descriptor = os.memfd_create("fstab", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            # An empty file is not accepted by every version.
            file.write(data or b"#\n")
        result = run(
            ["findmnt", "--verify", "--tab-file", f"/proc/{os.getpid()}/fd/{descriptor}"],
            ok=None,
        )
    finally:
        os.close(descriptor)
    errors: Counter[str] = Counter(
        "a line cannot be read" for _ in _PARSE_ERROR.finditer(result.out + result.err)
    )
    heading = ""
    for line in result.out.splitlines():
        if match := _ERROR.fullmatch(line):
            errors[f"{heading}: {match[1]}"] += 1
        elif line and not line[0].isspace():
            heading = line
    return errors


def save_fstab(
    root: Path, fstab: Fstab, old: Fstab, *, verify: Verify | None = findmnt_errors
) -> bool:
    """Replace the file that was read as `old`; return False if nothing changes.

    Raises RefusedError when findmnt finds an error in it that was not in the old one,
    FileChangedError when somebody else edited it meanwhile. Nothing is written then.
    """
    before, after = render_fstab(old), render_fstab(fstab)
    path = path_of(root)
    if before != after and verify is not None:
        try:
            new_errors = verify(after) - verify(before)
        except MissingError:
            new_errors = Counter()
        if new_errors:
            raise RefusedError(
                f"{path} was left alone: findmnt --verify found in the new one: "
                + "; ".join(sorted(new_errors)),
                hint="see: findmnt --verify",
            )
    mode = None if path.exists() else 0o644
    return replace_file(path, after, mode=mode, expect=before)
