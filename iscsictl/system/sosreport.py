"""A directory that a sosreport left: saved kernel files, or the output of iscsiadm."""

from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError, NotFoundError
from iscsictl.model.listing import Listing
from iscsictl.parse.capture import parse_capture
from iscsictl.system.sysfs import has_sessions_class, read_listing


def read_capture(path: Path) -> Listing:
    """Read a captured listing from a file or from a sosreport's directory.

    Raises NotFoundError if it is not there, IscsictlError if it cannot be read or has nothing
    of a session in it.
    """
    if path.is_dir():
        return read_directory(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{path}: no such file", hint="give a capture, '-' or a directory"
        ) from None
    except OSError as error:
        raise IscsictlError(f"{path}: {error.strerror or error}") from None
    return checked(parse_capture(data), str(path))


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
    """Read a sosreport, or the directory in which one was unpacked."""
    place = _inner(path)
    if has_sessions_class(place):
        return read_listing(place)
    folder = place / "sos_commands" / "iscsi"
    best: Listing | None = None
    found = sorted(folder.glob("*session*")) if folder.is_dir() else []
    for file in found:
        if not file.is_file():
            continue
        listing = replace(parse_capture(_bytes(file)), warnings=())
        if best is None or _richness(listing) > _richness(best):
            best = listing
    if best is None:
        raise NotFoundError(
            f"{path}: neither sys/class/iscsi_session nor sos_commands/iscsi/*session* is in it",
            hint="give the directory that a sosreport was unpacked into",
        )
    return best


def _inner(path: Path) -> Path:
    for place in (path, *sorted(path.glob("sosreport-*")), *sorted(path.glob("sos-*"))):
        if has_sessions_class(place) or (place / "sos_commands").is_dir():
            return place
    return path


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise IscsictlError(f"{file}: {error.strerror or error}") from None


def _richness(listing: Listing) -> tuple[int, int]:
    """Prefer what tells of LUNs, then of parameters, over a bare list."""
    told = sum((one.luns is not None) + (one.params is not None) for one in listing.sessions)
    return told, len(listing.sessions)
