"""Which targets belong to one array, as far as this host knows.

Two LUNs with one WWID may be one disk behind two targets, or two disks of arrays that were cloned.
Only an array that itself offers both targets proves that it is one.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import NeedsRootError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.listing import Session
from iscsictl.model.names import canonical_address
from iscsictl.system.io.sysfs_attributes import list_names

if TYPE_CHECKING:
    from iscsictl.system.iscsi import nodedb
else:
    # The arrays matter only if two LUNs have one WWID and no map over them.
    nodedb = lazy_import("iscsictl.system.iscsi.nodedb")


class ArrayIndex:
    """Groups the targets that one discovery offers together; everything is read on first use.

    A portal answers a SendTargets request with all targets that it serves (RFC 7143, appendix C).
    So two targets belong to one array if both have sessions through one portal, if a discovery
    record of open-iscsi names both, or if the records of both contain the same portal as the one
    that named them. An iSNS server knows many arrays and proves nothing.
    """

    def __init__(self, root: Path, sessions: Sequence[Session]) -> None:
        self._root = root
        self._sessions = sessions

    def array_of(self, sid: int) -> str:
        """Return a name for the array of a session, the same for all its targets.

        The name is one of the targets and serves only for comparison. `sid` must be one of the
        given sessions.
        """
        target = self._target_by_sid[sid]
        return self._array_by_target.get(target, target)

    @cached_property
    def _target_by_sid(self) -> dict[int, str]:
        return {s.sid: s.target for s in self._sessions if s.sid is not None}

    @cached_property
    def _array_by_target(self) -> dict[str, str]:
        by_portal: dict[tuple[str, int], set[str]] = {}
        for session in self._sessions:
            for portal in {session.portal, session.persistent_portal} - {None}:
                if portal is not None:
                    place = (canonical_address(portal.address), portal.port)
                    by_portal.setdefault(place, set()).add(session.target)
        groups = (*_discovered_groups(self._root), *_noted_groups(self._root))
        return _merge_groups((*by_portal.values(), *groups))


def _discovered_groups(root: Path) -> Iterable[set[str]]:
    """Yield the targets that each discovery record names; none if only root may read them.

    `send_targets/ADDRESS,PORT/` has a link TARGET,ADDRESS,PORT,TPGT,IFACE for each (idbm.c).
    """
    folder = nodedb.find_db(root) / "send_targets"
    for name in list_names(str(folder)):
        links = list_names(f"{folder}/{name}")
        yield {link.partition(",")[0] for link in links if "," in link}


def _noted_groups(root: Path) -> Iterable[set[str]]:
    """Return the targets that each portal named, according to their records; none without root."""
    found: dict[tuple[str, int], set[str]] = {}
    with suppress(NeedsRootError):
        for record in nodedb.read_records(nodedb.find_db(root)):
            if record.problem is None and record.named_by is not None:
                found.setdefault(record.named_by.place, set()).add(record.target)
    return found.values()


def _merge_groups(groups: Iterable[set[str]]) -> dict[str, str]:
    """Return a common name for the members of all groups that share a member."""
    merged: list[set[str]] = []
    for group in groups:
        apart = [other for other in merged if not other & group]
        merged = [*apart, group.union(*(other for other in merged if other & group))]
    return {member: min(group) for group in merged for member in group}
