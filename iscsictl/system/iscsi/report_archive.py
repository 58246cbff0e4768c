"""The archive of `report`: created in memory, and read for `ls --from` and `doctor --from`.

`ls --from` reads the archives of other tools too.
"""

import contextlib
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from iscsictl.errors import IscsictlError, UsageError
from iscsictl.system.iscsi.report_files import Entry

#: The one directory in the archive; `ls --from` knows it by this.
PREFIX = "iscsictl-report"
#: Bytes that an archive may have when unpacked: a crafted one must not fill the disk.
MAX_UNPACKED = 1 << 29
UNPACK_HINT = "unpack any other archive, such as a sosreport, and give the directory"


def pack_entries(entries: Iterable[Entry], now: float) -> bytes:
    """Return a tar.gz with these files and links, each with mode 0600 and without an owner.

    `now` is the time of all members, in seconds since the epoch. If two entries have one name, the
    first one counts.
    """
    buffer = io.BytesIO()
    seen: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, link in entries:
            if name in seen:
                continue
            seen.add(name)
            member = tarfile.TarInfo(f"{PREFIX}/{name}")
            member.mode, member.mtime = 0o600, int(now)
            if link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, link
            else:
                member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    return buffer.getvalue()


def unpack_archive(path: Path, place: Path) -> Path:
    """Unpack a report below an empty directory, and return the report's own directory.

    Only files, and relative links within it, are created, whatever else is in the archive. Raises
    UsageError for an archive that is damaged or not one of ours, and IscsictlError if there is no
    room for it.
    """
    total = 0
    with _reading(path), tarfile.open(path) as archive:
        for member in archive:
            target = os.path.normpath(place / member.name)
            if not target.startswith(f"{place}/{PREFIX}/"):
                raise UsageError(
                    f"{path}: {member.name!r} is not under {PREFIX}/", hint=UNPACK_HINT
                )
            total += member.size
            if total > MAX_UNPACKED:
                raise UsageError(f"{path} is larger than {MAX_UNPACKED >> 20} MiB unpacked")
            # A link that was created before must not lead the next file out of the directory.
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if not os.path.realpath(os.path.dirname(target)).startswith(f"{place}/{PREFIX}"):
                raise UsageError(f"{path}: {member.name!r} points outside the archive")
            _extract_member(archive, member, target, place)
    return place / PREFIX


def is_report(path: Path) -> bool:
    """Return whether an archive is that of `report`: its first member is in the report's directory.

    Raises UsageError if it is damaged.
    """
    with _reading(path), tarfile.open(path) as archive:
        first = archive.next()
    return first is not None and first.name.startswith(f"{PREFIX}/")


def unpack_outputs(path: Path, place: Path, is_output: Callable[[str], bool], largest: int) -> bool:
    """Unpack the outputs of tools from the archive of a support bundle below an empty directory.

    `is_output` tells them by the names of their files; none is larger than `largest` bytes. They
    keep their directories. Nothing else is created, no links. Returns whether there were any.
    Raises UsageError for a damaged archive, IscsictlError if there is no room for them.
    """
    total = 0
    with _reading(path), tarfile.open(path) as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if not (parts and member.isreg() and 0 < member.size <= largest):
                continue
            if not is_output(parts[-1]) or ".." in parts or parts[0] == "/":
                continue
            if total + member.size > MAX_UNPACKED:
                continue
            total += member.size
            target = place.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            target.write_bytes(b"" if content is None else content.read())
    return total > 0


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive, and of the lack of room for it, into ours."""
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise UsageError(f"{path} cannot be unpacked: {error}") from None
    except OSError as error:  # such as no space: that is not the fault of the archive
        raise IscsictlError(f"{path} cannot be unpacked: {error}") from None


def read_report_entry(path: Path, name: str) -> bytes | None:
    """Return one file of a report: an archive, or the directory that it was unpacked to.

    None if it does not exist. Raises OSError, and UsageError for an archive that is damaged.
    """
    if path.is_dir():
        found = [path / name, path / PREFIX / name]
        return next((one.read_bytes()[:MAX_UNPACKED] for one in found if one.is_file()), None)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name == f"{PREFIX}/{name}" and member.isreg():
                    content = archive.extractfile(member)
                    return b"" if content is None else content.read(MAX_UNPACKED)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be unpacked: {error}") from None
    return None


def _extract_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, target: str, place: Path
) -> None:
    if member.issym():
        leads_to = os.path.normpath(os.path.join(os.path.dirname(target), member.linkname))
        if leads_to.startswith(f"{place}/{PREFIX}/"):
            os.symlink(member.linkname, target)
    elif member.isreg():
        content = archive.extractfile(member)
        with open(target, "xb") as file:
            file.write(content.read() if content is not None else b"")
