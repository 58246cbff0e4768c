"""The records, sessions and disks of a host, found by what names them.

A plan of many volumes asks for each of them; to search all of the host each time would take the
square of their number.
"""

from functools import cached_property

from iscsictl.model.grouping import group_by_keys
from iscsictl.model.listing import Disk, Session, blocks
from iscsictl.model.record import NodeRecord


class HostIndex:
    """What is found by name. Each table is made at its first question, in one pass over all."""

    def __init__(
        self,
        records: tuple[NodeRecord, ...],
        sessions: tuple[Session, ...],
        disks: tuple[Disk, ...] = (),
    ) -> None:
        self._all = (records, sessions, disks)

    def is_of(
        self,
        records: tuple[NodeRecord, ...],
        sessions: tuple[Session, ...],
        disks: tuple[Disk, ...],
    ) -> bool:
        """Tell whether it was made from these very tuples; equal ones do not count.

        They cannot change, so an index of them stays right.
        """
        mine = zip(self._all, (records, sessions, disks), strict=True)
        return all(one is other for one, other in mine)

    @cached_property
    def _records_by_target(self) -> dict[str, tuple[NodeRecord, ...]]:
        return group_by_keys(self._all[0], lambda record: (record.target,))

    @cached_property
    def _sessions_by_target(self) -> dict[str, tuple[Session, ...]]:
        return group_by_keys(self._all[1], lambda session: (session.target,))

    @cached_property
    def _sessions_by_sid(self) -> dict[int | None, tuple[Session, ...]]:
        return group_by_keys(self._all[1], lambda session: (session.sid,))

    @cached_property
    def _disks_by_sid(self) -> dict[int, tuple[Disk, ...]]:
        return group_by_keys(self._all[2], lambda disk: (path.sid for path in disk.paths))

    @cached_property
    def _disks_by_target(self) -> dict[str, tuple[Disk, ...]]:
        return group_by_keys(
            self._all[2],
            lambda disk: (
                s.target for path in disk.paths for s in self.sessions_with_sid(path.sid)
            ),
        )

    @cached_property
    def _disks_by_wwid(self) -> dict[str | None, tuple[Disk, ...]]:
        return group_by_keys(self._all[2], lambda disk: (disk.wwid,))

    @cached_property
    def _disks_by_device(self) -> dict[str, tuple[Disk, ...]]:
        return group_by_keys(self._all[2], lambda disk: (disk.block.device,))

    @cached_property
    def _disks_by_uuid(self) -> dict[str, tuple[Disk, ...]]:
        return group_by_keys(
            self._all[2], lambda disk: (b.uuid for b in blocks(disk.block) if b.uuid is not None)
        )

    @cached_property
    def _disks_by_path(self) -> dict[tuple[int, str], tuple[Disk, ...]]:
        return group_by_keys(
            self._all[2], lambda disk: ((path.sid, path.hctl) for path in disk.paths)
        )

    def records(self, target: str | None) -> tuple[NodeRecord, ...]:
        """Return the records of a target, those with a problem too.

        None where the target is not known yet, and then there are none.
        """
        return () if target is None else self._records_by_target.get(target, ())

    def sessions(self, target: str | None) -> tuple[Session, ...]:
        """Return the sessions to a target, through whichever portal and in whichever state.

        A session that is down or recovering is among them.
        """
        return () if target is None else self._sessions_by_target.get(target, ())

    def sessions_with_sid(self, sid: int) -> tuple[Session, ...]:
        """Return the session with this number; only captures of several hosts have more than one.

        The kernel counts them from 1 and gives no number twice between two boots.
        """
        return self._sessions_by_sid.get(sid, ())

    def is_up(self, sid: int) -> bool:
        """Tell whether the session with this number is up; of several one is enough."""
        return any(session.status == "up" for session in self.sessions_with_sid(sid))

    def has_session_up(self, disk: Disk) -> bool:
        """Tell whether a session to a disk is up: a map may have one through another target."""
        return any(self.is_up(path.sid) for path in disk.paths)

    def disks_of_session(self, sid: int | None) -> tuple[Disk, ...]:
        """Return the disks that have a path through a session.

        None, a session without a number, has none.
        """
        return () if sid is None else self._disks_by_sid.get(sid, ())

    def disk_of_path(self, sid: int | None, hctl: str | None) -> Disk | None:
        """Return the disk that a LUN of a session is a path of; None while it has none.

        The LUN goes by its H:C:T:L: two sessions can show two disks by one number.
        """
        found = () if sid is None or hctl is None else self._disks_by_path.get((sid, hctl), ())
        return found[0] if found else None

    def disks_of_target(self, target: str) -> tuple[Disk, ...]:
        """Return the disks that the sessions of a target lead to.

        A disk is among them if any of its paths goes through the target, also where other paths of
        it go through another one.
        """
        return self._disks_by_target.get(target, ())

    def disks_with_wwid(self, wwid: str | None) -> tuple[Disk, ...]:
        """Return the disks with a WWID. Several are paths without a map, or cannot be told apart.

        None, a disk that tells no WWID, finds nothing.
        """
        return () if wwid is None else self._disks_by_wwid.get(wwid, ())

    def disks_named_alike(self, disk: Disk) -> tuple[Disk, ...]:
        """Return the disks that have the WWID or the device of this one, itself among them.

        No other disk can be mistaken for it.
        """
        alike = (*self.disks_with_wwid(disk.wwid), *self._disks_by_device[disk.block.device])
        # By identity: equal disks may be two.
        return tuple({id(one): one for one in alike}.values())

    def disks_with_uuid(self, uuid: str) -> tuple[Disk, ...]:
        """Return the disks that have something with this filesystem UUID on them.

        What udev has not read yet is not found.
        """
        return self._disks_by_uuid.get(uuid, ())
