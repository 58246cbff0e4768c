"""The records, sessions and disks of a host, indexed by their names.

A plan for many volumes looks up each of them; searching the whole host each time would take
quadratic time.
"""

from functools import cached_property

from iscsictl.model.grouping import group_by_keys
from iscsictl.model.listing import Disk, Session, blocks
from iscsictl.model.record import NodeRecord


class HostIndex:
    """Lookup tables, each built in one pass when it is first used."""

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
        """Return whether the index was built from these very tuples, compared by identity.

        Tuples cannot change, so such an index is still valid.
        """
        mine = zip(self._all, (records, sessions, disks), strict=True)
        return all(own is other for own, other in mine)

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
        """Return the records of a target, including those with a problem.

        A `target` of None, one that is not known yet, has none.
        """
        return () if target is None else self._records_by_target.get(target, ())

    def sessions(self, target: str | None) -> tuple[Session, ...]:
        """Return the sessions to a target, through any portal and in any state.

        Those that are down or recovering are included.
        """
        return () if target is None else self._sessions_by_target.get(target, ())

    def sessions_with_sid(self, sid: int) -> tuple[Session, ...]:
        """Return the session with this id; only a capture of several hosts has more than one.

        The kernel counts sessions from 1 and does not reuse an id until the next boot.
        """
        return self._sessions_by_sid.get(sid, ())

    def is_up(self, sid: int) -> bool:
        """Return whether a session with this id is up."""
        return any(session.status == "up" for session in self.sessions_with_sid(sid))

    def has_session_up(self, disk: Disk) -> bool:
        """Return whether a session to a disk is up, through whichever target."""
        return any(self.is_up(path.sid) for path in disk.paths)

    def disks_of_session(self, sid: int | None) -> tuple[Disk, ...]:
        """Return the disks that have a path through a session.

        A `sid` of None, a session without an id, has none.
        """
        return () if sid is None else self._disks_by_sid.get(sid, ())

    def disk_of_path(self, sid: int | None, hctl: str | None) -> Disk | None:
        """Return the disk to which a LUN of a session is a path; None while there is none.

        The LUN is named by its H:C:T:L, as two sessions can have different disks at one LUN.
        """
        disks = () if sid is None or hctl is None else self._disks_by_path.get((sid, hctl), ())
        return disks[0] if disks else None

    def disks_of_target(self, target: str) -> tuple[Disk, ...]:
        """Return the disks with at least one path through a target.

        Their other paths may go through other targets.
        """
        return self._disks_by_target.get(target, ())

    def disks_with_wwid(self, wwid: str | None) -> tuple[Disk, ...]:
        """Return the disks with a WWID.

        Several are either the paths of one disk without a map, or disks that cannot be told apart.
        A `wwid` of None, that of a disk that reports none, matches nothing.
        """
        return () if wwid is None else self._disks_by_wwid.get(wwid, ())

    def disks_named_alike(self, disk: Disk) -> tuple[Disk, ...]:
        """Return the disks with the WWID or the device of this one, including itself.

        No other disk can be mistaken for it.
        """
        alike = (*self.disks_with_wwid(disk.wwid), *self._disks_by_device[disk.block.device])
        # By identity: two different disks may compare equal.
        return tuple({id(each): each for each in alike}.values())

    def disks_with_uuid(self, uuid: str) -> tuple[Disk, ...]:
        """Return the disks with a block device that has this filesystem UUID.

        Devices that udev has not probed yet are not found.
        """
        return self._disks_by_uuid.get(uuid, ())
