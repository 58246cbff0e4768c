"""Interface definitions of open-iscsi: the files below `ifaces` of the node database."""

from collections.abc import Mapping
from pathlib import Path

from iscsictl.errors import NotFoundError
from iscsictl.parse.record import edit_record, find_damage
from iscsictl.system.io.files import read_file, remove_file
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from iscsictl.system.iscsi.nodedb_write import replace_in_db

_BEGIN, _END = "# BEGIN RECORD", "# END RECORD"


def path_of(db: Path, name: str) -> Path:
    """Return the file of a definition. `name` must have no slash in it."""
    return db / "ifaces" / name


def new_text(text: str, name: str, values: Mapping[str, str | None]) -> str:
    """Return the text of a definition with these values; None removes one.

    An empty or damaged text is replaced by a new definition. Raises UsageError for a value that
    open-iscsi cannot store.
    """
    if find_damage(text) is not None:
        text = f"{_BEGIN} iscsictl\n{_END}\n"
    lines = dict(values)
    if "iface.iscsi_ifacename" not in lines:
        lines = {"iface.iscsi_ifacename": name, **lines}
    return edit_record(text, lines)


def write_iface(db: Path, name: str, values: Mapping[str, str | None], lock: NodeDbLock) -> bool:
    """Write a definition under the lock of the node database. False if nothing changed.

    Raises InUseError if the lock is not released in time, UsageError, NeedsRootError,
    IscsictlError.
    """
    path = path_of(db, name)
    with lock:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = (read_file(path) or b"").decode("utf-8", "surrogateescape")
        new = new_text(old, name, values)
        if new == old:
            return False
        return replace_in_db(path, new.encode("utf-8", "surrogateescape"))


def remove_iface(db: Path, name: str, lock: NodeDbLock) -> None:
    """Remove a definition under the lock. Raises NotFoundError if there is none.

    The caller makes sure that no record uses it. Raises InUseError if the lock is not released in
    time.
    """
    with lock:
        if not remove_file(path_of(db, name)):
            raise NotFoundError(f"there is no iface {name}", hint="see: iscsictl iface ls")
