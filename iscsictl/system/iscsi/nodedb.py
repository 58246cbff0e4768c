"""open-iscsi's node database: where it is, and what it contains (read only).

The layout is `idbm.c`'s: `nodes/TARGET/ADDRESS,PORT,TPGT/IFACE`, or without a portal group tag
the file `nodes/TARGET/ADDRESS,PORT`; `send_targets/ADDRESS,PORT/st_config`,
`isns/ADDRESS,PORT/isns_config`; `ifaces/NAME`. IPv6 addresses have no brackets there.
"""

import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from iscsictl.errors import IscsictlError, NeedsRootError, NotFoundError, RefusedError
from iscsictl.limits import FRESH_RECORD, RECORD_WAIT
from iscsictl.model.names import BUILT_IN_IFACES, DEFAULT_IFACE, DEFAULT_PORT, Portal
from iscsictl.model.open_iscsi import Version, parse_version
from iscsictl.model.record import (
    DiscoveryKind,
    DiscoveryLink,
    DiscoveryRecord,
    IfaceRecord,
    NodeRecord,
)
from iscsictl.model.shell_form import shell_form
from iscsictl.parse.record import find_damage, is_truncated, oversized_keys, parse_values
from iscsictl.system.io.files import explained

CANDIDATES: Final = ("var/lib/iscsi", "etc/iscsi")
DISCOVERY_FILES: Final[Mapping[DiscoveryKind, tuple[str, str]]] = {
    "sendtargets": ("send_targets", "st_config"),
    "isns": ("isns", "isns_config"),
}
# Below these, or in a directory of a portal in them, discovery links to node records (idbm.c).
LINK_DIRECTORIES: Final = ("send_targets", "isns", "static", "fw")
#: In the order in which iscsictl searches for programs (system/io/process.py).
_PROGRAMS: Final = tuple(
    f"{directory}/iscsiadm"
    for directory in ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
)
_COMPILED_IN: Final = re.compile(rb"\0(/[\x21-\x7e]{1,200})/nodes\0")
# What it writes above each record (idbm.c, ISCSI_BEGIN_REC).
_WRITES: Final = re.compile(rb"# BEGIN RECORD ([\x21-\x7e]{1,40})\0")
_PORTAL: Final = re.compile(r"([^,]+),([0-9]{1,5})(?:,(-?[0-9]{1,10}))?")


def find_db(root: Path = Path("/")) -> Path:
    """Return the directory of the database on this host, whether or not it exists yet.

    The path is read from the iscsiadm program, into which it is compiled, because an upgrade may
    leave the old directory behind. In a capture without the program, it is the directory that has
    records, otherwise one with the usual subdirectories, otherwise /etc/iscsi.
    """
    match = _search_iscsiadm(root, _COMPILED_IN)
    if match:
        return root / os.fsdecode(match[1]).lstrip("/")
    places = [root / candidate for candidate in CANDIDATES]
    return max(reversed(places), key=_rank_of_database)


def find_version(root: Path = Path("/")) -> Version | None:
    """Return the version of the installed open-iscsi, read from iscsiadm without running it.

    None if it is not installed or the version is not found.
    """
    match = _search_iscsiadm(root, _WRITES)
    return parse_version(match[1].decode()) if match else None


def is_installed(root: Path = Path("/")) -> bool:
    """Return whether there is an iscsiadm, without running it."""
    return any((root / program).exists() for program in _PROGRAMS)


def _search_iscsiadm(root: Path, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    for program in _PROGRAMS:
        try:
            match = pattern.search((root / program).read_bytes())
        except OSError:
            continue
        if match:
            return match
    return None


def _rank_of_database(db: Path) -> int:
    try:
        if any((db / "nodes").iterdir()):
            return 3
    except FileNotFoundError:
        pass
    except OSError:
        return 2
    return int(any(_is_directory(db / name) for name in ("nodes", "ifaces", "send_targets")))


def read_records(db: Path, target: str | None = None) -> tuple[NodeRecord, ...]:
    """Return the node records of a target, or of all, sorted.

    A record that cannot be used has `problem` set and does not affect the others. Raises
    NeedsRootError if only root may read them, IscsictlError if they cannot be read.
    """
    found = []
    for name in _recorded_targets(db, target):
        for place in _directory_entries(db / "nodes" / name):
            portal = _portal_of(place.name)
            if portal is None:
                continue
            if _is_directory(place):
                found += [
                    _read_node_record(name, portal, e) for e in _directory_entries(place.path)
                ]
            else:
                found.append(_read_node_record(name, portal, place))
    if not found and (db / "nodes").is_file():
        raise IscsictlError(
            f"{db}/nodes is a file, not a directory",
            hint=f"it contains no records; move it away, then: mkdir -m 700 {shell_form(db)}/nodes",
        )
    deadline = time.monotonic() + RECORD_WAIT
    settled = (_reread_until_settled(record, deadline) for record in found if record is not None)
    return tuple(sorted((record for record in settled if record is not None), key=_record_sort_key))


def _recorded_targets(db: Path, only: str | None) -> list[str]:
    """Return the targets that have records, or only the given one if it has.

    With `only`, the directory is not listed: thousands of targets may be read one by one.
    """
    nodes = db / "nodes"
    if only is None or not os.access(nodes, os.X_OK):
        found = (entry.name for entry in _directory_entries(nodes) if _is_directory(entry))
        return [name for name in found if only in {None, name}]
    is_one_name = "/" not in only and "\0" not in only and only not in {"", ".", ".."}
    return [only] if is_one_name and _is_directory(nodes / only) else []


def read_record(path: Path) -> NodeRecord | None:
    """Read one node record again; None if it is gone.

    If it is just being rewritten, the end of that is awaited for up to RECORD_WAIT seconds. Raises
    NeedsRootError.
    """
    record = _read_record(path)
    return None if record is None else _reread_until_settled(record, time.monotonic() + RECORD_WAIT)


def _read_record(path: Path) -> NodeRecord | None:
    if (portal := _portal_of(path.parent.name)) is not None:
        return _read_node_record(path.parent.parent.name, portal, path)
    if (portal := _portal_of(path.name)) is not None:
        return _read_node_record(path.parent.name, portal, path)
    return None


def _reread_until_settled(record: NodeRecord, deadline: float) -> NodeRecord | None:
    """Read a fresh record again before calling it corrupt: iscsiadm empties it, then writes it."""
    again: NodeRecord | None = record
    while again is not None and again.problem is not None and time.monotonic() < deadline:
        try:
            age = time.time() - record.path.stat().st_mtime
        except OSError:
            age = 0
        if abs(age) > FRESH_RECORD:
            break
        time.sleep(0.01)
        again = _read_record(record.path)
    return again


def stray_files(db: Path) -> tuple[Path, ...]:
    """Return the files where iscsiadm expects directories of targets and portals, sorted.

    iscsiadm reads every entry, and an unexpected one ends its listing of all records
    (libopeniscsiusr/node.c, iscsi_nodes_get).
    """
    found = []
    for target in _directory_entries(db / "nodes"):
        if not _is_directory(target):
            found.append(Path(target.path))
            continue
        found += [
            Path(place.path)
            for place in _directory_entries(target.path)
            if _portal_of(place.name) is None and not _is_directory(place)
        ]
    return tuple(sorted(found))


def record_path(db: Path, target: str, portal: Portal, iface: str = DEFAULT_IFACE) -> Path:
    """Return the file in which open-iscsi keeps this record.

    Raises RefusedError for names that would lead elsewhere.
    """
    for name in (target, portal.address, iface):
        if "/" in name or "\0" in name or name in {"", ".", ".."}:
            raise RefusedError(f"{name!r} cannot be the name of a target, an address or an iface")
    place = db / "nodes" / target / f"{portal.address},{portal.port}"
    if portal.tpgt is None:
        return place
    return place.with_name(f"{place.name},{portal.tpgt}") / iface


def read_discovery_records(db: Path) -> tuple[DiscoveryRecord, ...]:
    """Return the discovery records (SendTargets and iSNS), sorted.

    One that cannot be used has `problem` set. Raises NeedsRootError, IscsictlError.
    """
    found = []
    for kind, (directory, name) in DISCOVERY_FILES.items():
        for place in _directory_entries(db / directory):
            portal = _portal_of(place.name)
            if portal is None or portal.tpgt is not None:
                continue
            path = Path(place.path)
            path = path / name if _is_directory(place) else path
            read = _read_text_and_mode(path)
            if read is not None:
                text, mode, problem = read
                found.append(
                    DiscoveryRecord(
                        path=path,
                        values=_parse_read_only(text),
                        mode=mode,
                        problem=problem or find_damage(text) or _why_portal_is_lost(text, portal),
                        truncated=is_truncated(text),
                        oversized=oversized_keys(text),
                        kind=kind,
                        portal=portal,
                    )
                )
    return tuple(sorted(found, key=lambda r: (r.kind, r.portal.address, r.portal.port)))


def read_discovery_links(db: Path) -> tuple[DiscoveryLink, ...]:
    """Return the links from discovery records to node records, sorted by their path.

    A link is named TARGET,ADDRESS,PORT,TPGT,IFACE (idbm.c, setup_disc_to_node_link); a target's
    name has no comma (RFC 7143, 4.2.7.1). Raises NeedsRootError if only root may read them.
    """
    found = []
    for name in LINK_DIRECTORIES:
        entries = list(_directory_entries(db / name))
        places = [e for e in entries if not e.is_symlink() and _is_directory(e)]
        entries += [entry for place in places for entry in _directory_entries(place.path)]
        found += [
            DiscoveryLink(Path(e.path), target, _portal_of(place), os.path.exists(e.path))
            for e in entries
            if e.is_symlink()
            for target, _, place in [e.name.rpartition(",")[0].partition(",")]
        ]
    return tuple(sorted(found, key=lambda link: link.path))


def require_iface(db: Path, name: str) -> None:
    """Raise NotFoundError unless there is a definition of an interface, or it is built in.

    Raises NeedsRootError if only root may read them.
    """
    if name not in BUILT_IN_IFACES and all(iface.name != name for iface in read_ifaces(db)):
        raise NotFoundError(f"there is no iface {name}", hint="see: iscsictl iface ls")


def read_ifaces(db: Path) -> tuple[IfaceRecord, ...]:
    """Return the interface definitions, sorted; `default` and `iser` are built in, not here.

    One that cannot be used has `problem` set. Raises NeedsRootError, IscsictlError.
    """
    found = []
    for entry in _directory_entries(db / "ifaces"):
        # iscsiadm treats every other file as a definition, even hidden ones.
        if entry.name == "iface.example" or _is_directory(entry):
            continue
        read = _read_text_and_mode(Path(entry.path))
        if read is not None:
            text, mode, problem = read
            found.append(
                IfaceRecord(
                    path=Path(entry.path),
                    values=_parse_read_only(text),
                    mode=mode,
                    problem=problem or find_damage(text),
                    oversized=oversized_keys(text),
                    name=entry.name,
                )
            )
    return tuple(sorted(found, key=lambda r: r.name))


def _record_sort_key(record: NodeRecord) -> tuple[str, str, int, int, str]:
    portal = record.portal
    tpgt = -1 if portal.tpgt is None else portal.tpgt
    return record.target, portal.address, portal.port, tpgt, record.iface


def _portal_of(name: str) -> Portal | None:
    match = _PORTAL.fullmatch(name)
    if match is None:
        return None
    tpgt = int(match[3]) if match[3] else None
    # iscsiadm prints an unknown tag as -1 or, unsigned, as 4294967295.
    return Portal(match[1], int(match[2]), tpgt if tpgt is not None and 0 <= tpgt < 65536 else None)


def _directory_entries(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise NeedsRootError(f"cannot read {directory}: permission denied") from error
    except OSError as error:
        raise explained(error, "read", Path(directory)) from error
    yield from found


def _is_directory(entry: os.DirEntry[str] | Path) -> bool:
    """Return whether it is, or links to, a directory; False if the link cannot be followed."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _read_node_record(
    target: str, portal: Portal, entry: os.DirEntry[str] | Path
) -> NodeRecord | None:
    path = Path(entry)
    read = _read_text_and_mode(path)
    if read is None:
        return None
    text, mode, problem = read
    values = _parse_read_only(text)
    iface = values.get("iface.iscsi_ifacename", DEFAULT_IFACE)
    if _portal_of(path.name) is None:
        iface = path.name
    truncated = is_truncated(text)
    problem = problem or find_damage(text) or _contradiction(values, target, portal, iface)
    if problem is not None and truncated:
        problem = f"is truncated and {problem}"
    return NodeRecord(
        path=path,
        values=values,
        mode=mode,
        problem=problem,
        truncated=truncated,
        oversized=oversized_keys(text),
        target=target,
        portal=portal,
        iface=iface,
    )


# What open-iscsi uses if a record has no value (default.c, _default_node).
_DEFAULTS: Final = {
    "node.conn[0].port": str(DEFAULT_PORT),
    "iface.iscsi_ifacename": DEFAULT_IFACE,
}


def _contradiction(
    values: Mapping[str, str], target: str, portal: Portal, iface: str
) -> str | None:
    """Return how a record contradicts its path, None if it does not: iscsiadm uses both."""
    expected = {
        "node.name": target,
        "node.conn[0].address": portal.address,
        "node.conn[0].port": str(portal.port),
        "iface.iscsi_ifacename": iface,
    }
    for key, value in expected.items():
        if values.get(key, _DEFAULTS.get(key)) != value:
            found = repr(values[key]) if key in values else "missing"
            return f"does not match its path: {key} is {found}"
    return None


def _why_portal_is_lost(text: str, portal: Portal) -> str | None:
    """Return why a truncated discovery record cannot be used; None if it can."""
    address = parse_values(text).get("discovery.sendtargets.address")
    if not is_truncated(text) or address == portal.address:
        return None
    return "is truncated and no longer names the portal"


@lru_cache(2048)
def _parse_read_only(text: str) -> Mapping[str, str]:
    """Parse a file that was just read; cached, as most are unchanged in each round of a run."""
    return MappingProxyType(parse_values(text))


def _read_text_and_mode(path: Path) -> tuple[str, int, str | None] | None:
    """Return text, permission bits and what went wrong; None if it has vanished or is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise NeedsRootError(f"cannot read {path}: permission denied") from error
    except OSError as error:
        return "", 0, str(explained(error, "read", path))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        data = os.read(descriptor, status.st_size + 1)
    except OSError as error:
        return "", 0, str(explained(error, "read", path))
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "surrogateescape"), stat.S_IMODE(status.st_mode), None
