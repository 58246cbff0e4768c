"""The output of libiscsi's `iscsi-ls`, also with -s."""

import re
from typing import TYPE_CHECKING

from iscsictl.model.listing import Lun, Note, Session
from iscsictl.parse.found_sessions import FoundSessions
from iscsictl.parse.printed_values import read_name, read_printed_portal

if TYPE_CHECKING:
    from iscsictl.model.names import Portal

_TARGET = re.compile(r"Target:(\S+)\s+Portal:(\S+).*")
# Type and size follow (-s), or a remark that no medium is loaded.
_LUN = re.compile(r"Lun:(\d{1,20})(?:\s.*)?")


class LibiscsiReader:
    """Reads `Target:<iqn> Portal:<portal>` and the `Lun:<n> Type:...` lines after it (-s)."""

    def __init__(self, sessions: FoundSessions, warnings: list[Note]) -> None:
        self._sessions = sessions
        self._warnings = warnings
        self._target: str | None = None
        self._line = 0
        self._portal: Portal | None = None
        self._luns: list[Lun] | None = None

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format.

        Type and size of a LUN are skipped: libiscsi talks to the target itself, without a disk on
        this host.
        """
        if (found := _TARGET.fullmatch(line)) and (name := read_name(found[1])) == found[1]:
            self.close()
            self._target, self._line = name, number
            self._portal = read_printed_portal(found[2])
            if self._portal is None:
                self._warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))
            return True
        if self._target is not None and (found := _LUN.fullmatch(line)):
            self._luns = self._luns or []
            self._luns.append(Lun(int(found[1])))
            return True
        return False

    def close(self) -> None:
        """End the target that is open. Its LUNs are None without -s: they were not read."""
        if self._target is None:
            return
        luns = None if self._luns is None else tuple(self._luns)
        session = Session("libiscsi", self._target, transport=None, portal=self._portal, luns=luns)
        self._sessions.add(session, self._line)
        self._target = self._portal = self._luns = None
