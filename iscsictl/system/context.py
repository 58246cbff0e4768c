"""What all steps of a run share while it observes and executes."""

import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from iscsictl.errors import IscsictlError
from iscsictl.lazy_import import lazy_import
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.io.host_lock import FilesLock, Scope, take_turn
from iscsictl.system.iscsi import nodedb
from iscsictl.system.mount import fstab_file

if TYPE_CHECKING:
    from iscsictl.model.fstab import Fstab
    from iscsictl.model.open_iscsi import Version
    from iscsictl.model.plan import Action
    from iscsictl.system.host import systemd
    from iscsictl.system.iscsi import iscsiadm, login_errors, nodedb_lock
    from iscsictl.system.iscsi.iscsiadm import Key
else:
    # Only runs that change something need these.
    systemd = lazy_import("iscsictl.system.host.systemd")
    iscsiadm = lazy_import("iscsictl.system.iscsi.iscsiadm")
    login_errors = lazy_import("iscsictl.system.iscsi.login_errors")
    nodedb_lock = lazy_import("iscsictl.system.iscsi.nodedb_lock")

T = TypeVar("T")


def _discard_message(_: str) -> None:
    return


@dataclass
class Context:
    """The settings and the shared state of a run.

    `wait` is how many seconds each wait on others may last. `say` is called with a line for the
    user, `watch` with the progress that a tool prints. `scope` is everything that the run changes,
    while other runs may change the rest of the host; None if it is alone. `reserved` are the WWIDs
    of the LUNs that the run has reserved so that no other host writes to them.
    """

    wait: float = 60.0
    root: Path = Path("/")
    say: Callable[[str], None] = _discard_message
    watch: Callable[[str], None] = _discard_message
    waiter: Waiter = field(default_factory=Waiter)
    scope: Scope | None = None
    reserved: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Create the only lock of this process on files that other runs may change meanwhile."""
        self.files_lock = FilesLock(self.wait, self.root)

    @cached_property
    def db(self) -> Path:
        """The directory of the node database that the installed iscsiadm uses.

        It is determined once in a run. The directory may not exist yet.
        """
        return nodedb.find_db(self.root)

    @property
    def db_lock(self) -> "nodedb_lock.NodeDbLock":
        """The lock of the node database; waiting for it is a wait like any other."""
        return nodedb_lock.NodeDbLock(self.root, self.wait, self.say)

    @cached_property
    def open_iscsi(self) -> "Version | None":
        """The version of open-iscsi that is installed; None if it cannot be found."""
        return nodedb.find_version(self.root)

    def deadline(self) -> float:
        """Return when a wait that begins now must end (monotonic seconds).

        Each wait gets all of `wait`, so a run of many steps may take longer than that.
        """
        return time.monotonic() + self.wait

    # Steps of many volumes that are executed at the same time share the following
    # (engine/volumes_context.py).

    def coalesce(self, _what: Hashable, read: Callable[[], T], /) -> T:
        """Read what is the same for all callers at this moment, named by the first argument.

        Here each call reads. If many volumes are executed at once, one read serves all who call
        while it lasts (VolumesContext).
        """
        return read()

    def memoize(self, _what: Hashable, ask: Callable[[], T], /) -> T:
        """Return the answer of `ask`, which stays valid for the run; the first argument names it.

        No step of the run changes it, such as which targets a portal has. Here each call asks; if
        many volumes are executed at once, the first answer serves all (VolumesContext).
        """
        return ask()

    def lock_for(self, action: "Action", /) -> AbstractContextManager[object]:
        """Return the lock under which an action is executed.

        For actions that share files, it is a lock on the host; for others, none. A thread may take
        it again.
        """
        return self.files_lock if action.shares_files else nullcontext()

    def log_in(self, key: "Key") -> bool:
        """Log in to a record; return whether that created a session.

        False if there was one already: a roll-back must not end it. Raises AuthError,
        NotFoundError, UnreachableError, MissingError, IscsictlError.
        """
        try:
            return iscsiadm.login(key, timeout=self.wait)
        except IscsictlError as error:
            raise login_errors.explained_login(error, key, self.db, self.wait) from None

    def edit_fstab(self, edit: Callable[["Fstab"], "Fstab"]) -> tuple[bool, "Fstab"]:
        """Change /etc/fstab; return whether it changed, and what it was.

        `edit` gets the file as read under the lock, so changes of other runs are kept. Raises
        RefusedError for a line that findmnt calls an error, FileChangedError, IscsictlError.
        """
        with self.files_lock:
            old = fstab_file.read_fstab(self.root)
            return fstab_file.save_fstab(self.root, edit(old), old), old

    def defer(self, _what: Hashable, do: Callable[[], None], /) -> None:
        """Call `do`, which may wait for the end of the run; the first argument names it.

        Here it is called at once. For many volumes it is called once for all of them.
        """
        do()

    def reload(self) -> None:
        """Have systemd read fstab and the units again; later requests to it get the new state.

        Nothing happens if systemd is not the init. Raises InUseError if another run's reload takes
        too long, UnreachableError, ToolError.
        """
        self.defer("reload", self._reload_systemd)

    def _reload_systemd(self) -> None:
        """Reload systemd, unless another run began a reload after our last change."""
        changed = time.monotonic()
        if not systemd.running(self.root):
            return
        with take_turn("reloading systemd", self.wait, self.root) as turn:
            if turn.serves(changed):
                return
            began = time.monotonic()
            systemd.reload_soon(self.root)
            turn.leave(began)
