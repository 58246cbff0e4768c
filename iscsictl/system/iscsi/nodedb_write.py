"""Changes to the node database, under open-iscsi's own lock, one file at a time.

Only what iscsiadm cannot do is done here: writing secrets (its argument list would show them),
changing one of two records that differ in the portal group tag, and removing records that it cannot
read.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from iscsictl.errors import IscsictlError, NotFoundError, RefusedError
from iscsictl.model.record import NodeRecord
from iscsictl.parse.record import Changes, edit_record, revert_edit
from iscsictl.system.io.files import (
    PRIVATE,
    explained,
    flush,
    read_file,
    remove_file,
    replace_file,
)
from iscsictl.system.iscsi.nodedb import LINK_DIRECTORIES, read_discovery_records, read_record
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock

#: Where copies of removed records are: a directory of the database that open-iscsi never reads.
REMOVED: Final = "removed-records"
#: open-iscsi reads every file in these.
DIRECTORIES: Final = frozenset({"nodes", "ifaces", "send_targets", "isns"})


@dataclass(frozen=True)
class RecordEdit:
    """The content of a file of the database before and after a change; it may contain secrets."""

    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


def write_record(path: Path, changes: Changes, lock: NodeDbLock) -> RecordEdit | None:
    """Set, add or remove (None) keys of one record; it is 0600 afterwards. None if unchanged.

    Raises NotFoundError if the record is gone, UsageError for a value that it cannot store,
    InUseError if the lock is not released in time, RefusedError if the file is not a record.
    """
    with lock:
        old = read_file(path)
        if old is None:
            raise NotFoundError(f"there is no record {path}", hint="see: iscsictl nodes ls")
        try:
            text = edit_record(_decode_text(old), changes)
        except RefusedError as error:
            raise RefusedError(f"{path}: {error.text}", hint=error.hint) from error
        new = text.encode("utf-8", "surrogateescape")
        return RecordEdit(old, new) if replace_in_db(path, new) else None


def revert_record(
    path: Path,
    edit: RecordEdit,
    lock: NodeDbLock,
    *,
    mode: int = PRIVATE,
) -> bool:
    """Restore the values of the keys that an edit changed; False if there was nothing to do.

    Keys that were changed again since then stay, and a record that is gone is not created again.
    """
    with lock:
        current = read_file(path)
        if current is None:
            return False
        text = revert_edit(
            _decode_text(current), _decode_text(edit.before), _decode_text(edit.after)
        )
        return replace_in_db(path, text.encode("utf-8", "surrogateescape"), mode)


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def replace_in_db(path: Path, data: bytes, mode: int = PRIVATE) -> bool:
    """Replace the content of a file of the database with `data`; False if it was the same already.

    The temporary file is created in the directory above `nodes` and its like: iscsiadm treats every
    file in those as a record, even hidden ones (idbm.c, idbm_for_each_iface).
    """
    scratch = next((p.parent for p in path.parents if p.name in DIRECTORIES), None)
    return replace_file(path, data, mode=mode, scratch=scratch)


def remove_corrupt_record(
    path: Path,
    db: Path,
    lock: NodeDbLock,
    *,
    keep_copy: bool,
) -> bool:
    """Remove a node or discovery record if open-iscsi cannot use it; False if it can, or is gone.

    With `keep_copy`, its content is first copied to a file of mode 0600: it may be the only place
    with a CHAP secret.
    """
    with lock:
        if db / "nodes" in path.parents:
            node = read_record(path)
            corrupt = node is not None and node.problem is not None
        else:
            node = None
            discovery = read_discovery_records(db)
            corrupt = any(r.path == path and r.problem is not None for r in discovery)
        if not corrupt:
            return False
        copy = _preserve_record(path, db) if keep_copy else None
        if copy is not None:
            lock.say(f"a copy of {path} is in {copy}")
        if node is None:
            return remove_file(path)
        (removed,) = _remove_with_links([node], db)
    if isinstance(removed, IscsictlError):
        raise removed
    return removed


def _preserve_record(path: Path, db: Path) -> Path | None:
    """Copy a record to where open-iscsi does not read it; None if it is empty."""
    data = read_file(path) or b""
    if not data.strip(b"\0"):
        return None
    directory = db / REMOVED
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise explained(error, "create", directory) from error
    name = ",".join(path.relative_to(db).parts[1:])
    for number in itertools.count(1):
        copy = directory / (name if number == 1 else f"{name}.{number}")
        if read_file(copy) in {None, data}:
            break
    replace_file(copy, data, mode=PRIVATE)
    return copy


def remove_record(record: NodeRecord, db: Path, lock: NodeDbLock) -> bool:
    """Remove a record, its links in the discovery directories, and directories left empty.

    For records that iscsiadm cannot delete without others. Raises RefusedError for a path outside
    of `db`; returns False if it was gone.
    """
    (removed,) = remove_records([record], db, lock)
    if isinstance(removed, IscsictlError):
        raise removed
    return removed


def remove_records(
    records: Sequence[NodeRecord], db: Path, lock: NodeDbLock
) -> list[bool | IscsictlError]:
    """Do what `remove_record` does for several records, under one lock; return each result.

    A result is True, False if the record was gone, or the error because of which it stays. Every
    directory is flushed once at the end, not once per record, because flushing takes longer than
    all the rest. Raises InUseError if the lock is not released in time, IscsictlError if the flush
    fails.
    """
    with lock:
        return _remove_with_links(records, db)


def _remove_with_links(records: Sequence[NodeRecord], db: Path) -> list[bool | IscsictlError]:
    directories = _link_directories(db)
    results: list[bool | IscsictlError] = []
    changed: dict[Path, None] = {}
    for record in records:
        try:
            results.append(_remove_unflushed(record, db, directories, changed))
        except IscsictlError as error:
            results.append(error)
        except OSError as error:
            results.append(explained(error, "remove", record.path))
    for directory in changed:
        flush(directory, directory)
    return results


def _remove_unflushed(
    record: NodeRecord, db: Path, directories: Sequence[Path], changed: dict[Path, None]
) -> bool:
    """Remove a record; add the directories to flush for it to `changed`."""
    nodes = db / "nodes"
    if nodes not in record.path.parents:
        raise RefusedError(f"{record.path} is not in the node database {nodes}")
    for link in _links_to_record(record, directories):
        changed[link.parent] = None
        remove_file(link, durable=False)
    removed = remove_file(record.path, durable=False)
    for directory in record.path.parents:
        changed[directory] = None
        if directory == nodes:
            break
        with suppress(OSError):
            directory.rmdir()
    return removed


def remove_dangling_link(path: Path, db: Path, lock: NodeDbLock) -> bool:
    """Remove a link of a discovery record that leads to no node record.

    False if it does lead to one, or is gone. Raises RefusedError for a path outside of the
    directories that have such links.
    """
    if not any(db / name in path.parents for name in LINK_DIRECTORIES):
        raise RefusedError(f"{path} is not a link of a discovery record in {db}")
    with lock:
        # A discovery that ran meanwhile may have created the record again.
        if not path.is_symlink() or path.exists():
            return False
        return remove_file(path)


def _link_directories(db: Path) -> list[Path]:
    """Return the directories that have links of discovery records."""
    found: list[Path] = []
    for directory in LINK_DIRECTORIES:
        try:
            below = [Path(e.path) for e in os.scandir(db / directory) if e.is_dir()]
        except FileNotFoundError:
            continue
        except OSError as error:
            raise explained(error, "read", db / directory) from error
        found += [db / directory, *below]
    return found


def _links_to_record(record: NodeRecord, directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the links that discovery created to a record; their names say which record it is."""
    portal = record.portal
    tpgt = -1 if portal.tpgt is None else portal.tpgt
    name = f"{record.target},{portal.address},{portal.port},{tpgt},{record.iface}"
    for directory in directories:
        if (link := directory / name).is_symlink():
            yield link
