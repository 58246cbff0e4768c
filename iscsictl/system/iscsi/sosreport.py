"""A capture in a file, or in the directory of a support bundle: sosreport, supportconfig, others.

A bundle contains saved kernel files, the output of iscsiadm, multipath and lsblk, or both.
"""

import os
import re
import stat
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from iscsictl.errors import NotFoundError, UsageError, unreadable_file
from iscsictl.limits import MAX_CAPTURE, PIPE_WAIT
from iscsictl.model.listing import Listing
from iscsictl.parse.capture import parse_bundle, parse_capture
from iscsictl.system.io.input_files import open_input, read_to_end
from iscsictl.system.iscsi.report_archive import (
    PREFIX,
    UNPACK_HINT,
    is_report,
    unpack_archive,
    unpack_outputs,
)
from iscsictl.system.iscsi.sessions import has_sessions_class, read_listing

#: Limits of a bundle: bytes of a file, number of files, levels; outputs of tools are far below.
MAX_OUTPUT, MAX_OUTPUTS, MAX_DEPTH = 1 << 24, 200, 5
#: Bytes of files with other names that are searched for outputs; reading them takes a few seconds.
MAX_UNNAMED = 1 << 22
HINT = "give a capture, '-' for stdin, or the directory of a support bundle"
_EXPECTED = (
    "give output of 'iscsiadm -m session -P 3' (or -m node, -m discovery), 'iscsi-ls', 'multipath "
    "-ll' or 'lsblk'; for messages and logs: iscsictl explain -"
)
# Names that sosreport gives to the outputs of commands, and the files of SUSE's supportconfig.
_SESSION_OUTPUT = re.compile(r".*iscsi.*session.*|.*session.*iscsi.*|.*iscsi-ls.*|fs-iscsi\.txt")
_OTHER_OUTPUT = re.compile(
    r".*iscsiadm.*(?:node|discovery|iface|host).*|multipath_-(?:ll|l|v\d_-ll).*|multipath-ll.*"
    r"|.*lsblk.*|mpio\.txt|fs-diskio\.txt"
)
_NOT_OUTPUTS = frozenset({"proc", "sys", "dev", "var", "run", "boot", "usr", "lib"})


def read_capture(path: Path, wait: float = PIPE_WAIT) -> Listing:
    """Read a captured listing from a file, a pipe or the directory of a support bundle.

    `wait` is how many seconds a named pipe may stay silent. Raises UsageError if it cannot be read
    or contains nothing that `ls` shows, UnreachableError for a pipe that nobody writes to.
    """
    try:
        fd = open_input(path)
        try:
            if path.is_file() and tarfile.is_tarfile(path):
                return _read_archive(path)
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                data = read_to_end(fd, str(path), largest=MAX_CAPTURE, wait=wait, hint=HINT)
                return require_readable(parse_capture(data), str(path))
        finally:
            os.close(fd)
        return read_directory(path)
    except OSError as error:
        raise unreadable_file(str(path), error) from None


def _read_archive(path: Path) -> Listing:
    """Read the archive of `iscsictl report`, or the outputs in that of a support bundle.

    It is unpacked for as long as that takes.
    """
    with tempfile.TemporaryDirectory(prefix="iscsictl-") as name:
        place = Path(os.path.realpath(name))
        if is_report(path):
            return read_directory(unpack_archive(path, place))
        if not unpack_outputs(path, place, _is_output, MAX_OUTPUT):
            raise UsageError(f"{path} contains no output that `ls` can show", hint=UNPACK_HINT)
        return read_directory(place)


def require_readable(listing: Listing, name: str) -> Listing:
    """Return the listing; raise UsageError if nothing in it could be read.

    An input that says that there is no session is accepted, and so is a list of records. `name` is
    the name of the input in the error.
    """
    details = listing.capture
    has_lists = details is not None and not details.tells_sessions
    if listing.sessions or not listing.warnings or has_lists:
        return listing
    line = listing.warnings[0].line
    where = name if line is None else f"{name}:{line}"
    raise UsageError(f"{where} contains no output that `ls` can show", hint=_EXPECTED)


def read_directory(path: Path) -> Listing:
    """Read a support bundle, or the directory in which one was unpacked.

    Saved kernel files contain the most and are sufficient. If they have no sessions, outputs are
    read: of several lists of sessions the most detailed one, and all lists of records and disks. In
    a directory that no such tool created, files of any name are read if they contain an output. A
    warning says which file it is about. Raises NotFoundError if nothing of iSCSI was saved,
    UsageError if there was only output that could not be read.
    """
    place = _inner_directory(path)
    kernel = read_listing(place) if has_sessions_class(place) else None
    if kernel is not None and kernel.sessions:
        return kernel
    outputs = list(_outputs_of_bundle(place))
    if kernel is None and not _is_of_a_tool(place):
        outputs += _outputs_by_content(place, {name for name, _ in outputs})
    lists = [
        (parse_capture(data), name, data) for name, data in outputs if _is_session_output(name)
    ]
    others = [(name, data) for name, data in outputs if not _is_session_output(name)]
    if lists:
        best, name, data = max(lists, key=lambda output: _richness_of_listing(output[0]))
        if not best.sessions and kernel is None:
            require_readable(best, f"{place}/{name}")
        if best.sessions or kernel is None:
            return parse_bundle([(name, data), *others])
    if kernel is not None:
        return kernel
    if others:
        return require_readable(parse_bundle(others), str(place))
    raise NotFoundError(
        f"{path} contains neither sys/class/iscsi_session nor sos_commands/iscsi/*session*",
        hint="give the directory of an unpacked sosreport, or one with files that contain output "
        "of 'iscsiadm -m session -P 3', 'multipath -ll' or 'lsblk'",
    )


def _is_of_a_tool(place: Path) -> bool:
    """Return whether sosreport or supportconfig created the directory; they use known names."""
    return (place / "sos_commands").is_dir() or (place / "fs-iscsi.txt").exists()


def _outputs_by_content(place: Path, known: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that contain an output, whatever their names are.

    Only small files are read, in the directory and one level below. Lists of sessions are left out
    if one is known by its file's name.
    """
    has_sessions = any(map(_is_session_output, known))
    left = MAX_UNNAMED
    for file in sorted((*place.glob("*"), *place.glob("*/*"))):
        name = str(file.relative_to(place))
        if name in known or file.parent.name in _NOT_OUTPUTS or file.parent.is_symlink():
            continue
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > left:
            continue
        data = file.read_bytes()
        left -= len(data)
        listing = parse_capture(data)
        details = listing.capture
        if (listing.sessions and not has_sessions) or (
            details is not None and (details.disks or details.records)
        ):
            yield name, data


def _is_output(name: str) -> bool:
    return bool(_SESSION_OUTPUT.fullmatch(name) or _OTHER_OUTPUT.fullmatch(name))


def _is_session_output(name: str) -> bool:
    return _SESSION_OUTPUT.fullmatch(name.rpartition("/")[2]) is not None


def _outputs_of_bundle(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the outputs of a bundle by their path within it; links are not followed."""
    found = 0
    for directory, below, files in os.walk(place):
        here = Path(directory)
        depth = len(here.relative_to(place).parts)
        below[:] = sorted(set(below) - _NOT_OUTPUTS) if depth < MAX_DEPTH else []
        for name in sorted(files):
            file = here / name
            if not _is_output(name):
                continue
            status = file.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_OUTPUT:
                yield str(file.relative_to(place)), file.read_bytes()
                found += 1
            if found >= MAX_OUTPUTS:
                return


def _inner_directory(path: Path) -> Path:
    """Return the directory of the bundle itself, which may be inside the given one."""
    for place in (
        path,
        path / PREFIX,
        *sorted(path.glob("sosreport-*")),
        *sorted(path.glob("sos-*")),
    ):
        if has_sessions_class(place) or (place / "sos_commands").is_dir():
            return place
    return path


def _richness_of_listing(listing: Listing) -> tuple[int, int, bool]:
    """Return a key that ranks listings: by LUNs and parameters, by sessions, and if undamaged."""
    richness = sum((one.luns is not None) + (one.params is not None) for one in listing.sessions)
    return richness, len(listing.sessions), not listing.warnings
