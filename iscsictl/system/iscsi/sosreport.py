"""A directory that a sosreport left: saved kernel files, or the output of iscsiadm."""

import os
import select
import stat
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError, NotFoundError, UnreachableError
from iscsictl.model.listing import Listing
from iscsictl.parse.capture import parse_capture
from iscsictl.system.iscsi.sessions import has_sessions_class, read_listing

WAIT = 60.0
MOST = 1 << 29
HINT = "give a capture, '-' for stdin, or the directory of a sosreport"


def read_capture(path: Path, wait: float = WAIT) -> Listing:
    """Read a captured listing from a file, a pipe or a sosreport's directory.

    `wait` is how many seconds a named pipe may stay silent. Raises NotFoundError if it is not
    there, UnreachableError for a pipe that nobody writes to, IscsictlError if it cannot be read or
    has nothing of a session in it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                return checked(parse_capture(_whole(fd, str(path), wait)), str(path))
        finally:
            os.close(fd)
        return read_directory(path)
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file", hint=HINT) from None
    except OSError as error:
        raise IscsictlError(f"{path}: {error.strerror or error}", hint=HINT) from None


def _whole(fd: int, name: str, wait: float) -> bytes:
    """Read all of it, up to a size that no capture has."""
    found = bytearray()
    while len(found) <= MOST:
        if not select.select([fd], [], [], wait)[0]:
            raise UnreachableError(
                f"{name}: nobody wrote to the pipe for {wait:g} s",
                hint="start what writes to it, or give --timeout",
            )
        if not (piece := os.read(fd, 1 << 20)):
            return bytes(found)
        found += piece
    raise IscsictlError(f"{name}: it has more than {MOST >> 20} MiB", hint=HINT)


def checked(listing: Listing, name: str) -> Listing:
    """Return the listing; raise IscsictlError if all there was could not be read."""
    if listing.sessions or not listing.warnings:
        return listing
    line = listing.warnings[0].line
    where = name if line is None else f"{name}:{line}"
    raise IscsictlError(
        f"{where}: nothing in it is a listing of sessions",
        hint="expected is the output of 'iscsiadm -m session -P 3' or of 'iscsi-ls'",
    )


def read_directory(path: Path) -> Listing:
    """Read a sosreport, or the directory in which one was unpacked.

    A warning says which file it is about. Raises NotFoundError if nothing of iSCSI was saved,
    IscsictlError if there was only output that could not be read.
    """
    place = _inner(path)
    kernel = read_listing(place) if has_sessions_class(place) else None
    if kernel is not None and kernel.sessions:
        return kernel
    files = sorted((place / "sos_commands" / "iscsi").glob("*session*"))
    outputs = [(parse_capture(file.read_bytes()), file) for file in files if file.is_file()]
    best, file = max(outputs, key=lambda output: _richness(output[0]), default=(None, path))
    if best is not None and (best.sessions or kernel is None):
        return _naming(file.name, checked(best, str(file)))
    if kernel is None:
        raise NotFoundError(
            f"{path}: neither sys/class/iscsi_session nor sos_commands/iscsi/*session* is in it",
            hint="give the directory that a sosreport was unpacked into",
        )
    return kernel


def _naming(name: str, listing: Listing) -> Listing:
    notes = tuple(replace(note, text=f"{note.text} (in {name})") for note in listing.warnings)
    return replace(listing, warnings=notes)


def _inner(path: Path) -> Path:
    for place in (path, *sorted(path.glob("sosreport-*")), *sorted(path.glob("sos-*"))):
        if has_sessions_class(place) or (place / "sos_commands").is_dir():
            return place
    return path


def _richness(listing: Listing) -> tuple[int, int, bool]:
    """Prefer what tells of LUNs, then of parameters, over a bare list, and what is undamaged."""
    told = sum((one.luns is not None) + (one.params is not None) for one in listing.sessions)
    return told, len(listing.sessions), not listing.warnings
