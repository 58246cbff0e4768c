"""Changes to the node database, under open-iscsi's own lock and a file at a time.

Only what iscsiadm cannot do is done here: secrets (it would show them in its argument list),
many records in one go, and records so torn that it cannot delete them.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryKind, NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.parse.record import edit_record
from iscsictl.system.io.files import PRIVATE, explained, read_file, remove_file, replace_file
from iscsictl.system.iscsi.nodedb import DISCOVERY_FILES
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock

Changes = Mapping[str, str | Secret | None]
Say = Callable[[str], None]

MAX_HOLD: Final = 0.5
DIRECTORIES: Final = frozenset({"nodes", "ifaces", "send_targets", "isns"})


def _quiet(_: str) -> None:
    return


def write_record(
    path: Path, changes: Changes, *, root: Path = Path("/"), timeout: float = 35, say: Say = _quiet
) -> bool:
    """Set, add or remove (None) keys of one record; it is 0600 afterwards. False if unchanged.

    Raises NotFoundError when the record is gone, UsageError for what it cannot hold, InUseError
    when the lock is not to be had, RefusedError for a torn record.
    """
    return bool(write_records([(path, changes)], root=root, timeout=timeout, say=say))


def write_records(
    batch: Iterable[tuple[Path, Changes]],
    *,
    root: Path = Path("/"),
    timeout: float = 35,
    say: Say = _quiet,
) -> tuple[Path, ...]:
    """Change many records, the lock let go every half second; return those that changed.

    Each record is written whole or not at all; an error leaves the ones before it changed.
    """
    changed: list[Path] = []
    todo = iter(batch)
    following = next(todo, None)
    while following is not None:
        with NodeDbLock(root, timeout, say) as lock:
            while following is not None and lock.held_for < MAX_HOLD:
                if _write(*following):
                    changed.append(following[0])
                following = next(todo, None)
    return tuple(changed)


def _write(path: Path, changes: Changes) -> bool:
    old = read_file(path)
    if old is None:
        raise NotFoundError(f"there is no record {path}", hint="see: iscsictl nodes ls")
    try:
        new = edit_record(old.decode("utf-8", "surrogateescape"), changes)
    except RefusedError as error:
        raise RefusedError(f"{path}: {error.text}", hint=error.hint) from error
    return replace_in_db(path, new.encode("utf-8", "surrogateescape"))


def replace_in_db(path: Path, data: bytes, mode: int = PRIVATE) -> bool:
    """Put `data` in place of a file of the database; False if that was so already.

    The new file grows in the directory above `nodes` and its like: iscsiadm takes every file in
    those for a record, hidden ones too (idbm.c, idbm_for_each_iface).
    """
    scratch = next((p.parent for p in path.parents if p.name in DIRECTORIES), None)
    return replace_file(path, data, mode=mode, scratch=scratch)


def set_discovery_auth(
    db: Path,
    portal: Portal,
    changes: Changes,
    *,
    kind: DiscoveryKind = "sendtargets",
    root: Path = Path("/"),
    timeout: float = 35,
    say: Say = _quiet,
) -> bool:
    """Change the discovery record of a server, `chap_values(prefix="discovery.sendtargets")`.

    The record must exist (`iscsiadm -m discoverydb -t sendtargets -p PORTAL -o new`).
    """
    directory, name = DISCOVERY_FILES[kind]
    place = db / directory / f"{portal.address},{portal.port}"
    path = place if place.is_file() else place / name
    return write_record(path, changes, root=root, timeout=timeout, say=say)


def remove_record(
    record: NodeRecord,
    db: Path,
    *,
    root: Path = Path("/"),
    timeout: float = 35,
    say: Say = _quiet,
) -> bool:
    """Remove a record, its links in the discovery directories and directories left empty.

    For records that iscsiadm cannot delete. Refuses a path outside of `db`; False if it was gone.
    """
    nodes = db / "nodes"
    if nodes not in record.path.parents:
        raise RefusedError(f"{record.path} is not in the node database {nodes}")
    with NodeDbLock(root, timeout, say):
        for link in _links_to(record, db):
            remove_file(link)
        removed = remove_file(record.path)
        for directory in record.path.parents:
            if directory == nodes:
                break
            with suppress(OSError):
                directory.rmdir()
    return removed


def _links_to(record: NodeRecord, db: Path) -> Iterator[Path]:
    """Yield the links that discovery made; their names say to which record they belong."""
    portal = record.portal
    tpgt = -1 if portal.tpgt is None else portal.tpgt
    name = f"{record.target},{portal.address},{portal.port},{tpgt},{record.iface}"
    for directory in ("send_targets", "isns", "static", "fw"):
        places = [db / directory]
        try:
            places += [Path(e.path) for e in os.scandir(db / directory) if e.is_dir()]
        except FileNotFoundError:
            continue
        except OSError as error:
            raise explained(error, "read", db / directory) from error
        for place in places:
            if (link := place / name).is_symlink():
                yield link
