"""Volumes as errands: how each is looked at and planned, and that no two mean one disk."""

import threading
from collections.abc import Mapping, Sequence

from iscsictl.engine.parallel.scheduler import Errand
from iscsictl.engine.reconcile import Task
from iscsictl.errors import RefusedError
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.model.spec import AttachWish
from iscsictl.model.volume import Volume
from iscsictl.observers import attach
from iscsictl.planner.volumes.apply import SavedPlan, SavedVolume, below, plan_volume, wwid_of


class Errands:
    """The errands of a file, and the disk that each was seen to mean."""

    def __init__(
        self,
        volumes: Sequence[Volume],
        wishes: Mapping[str, AttachWish],
        saved: SavedPlan | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, str] = {}
        self.wwids: dict[str, str] = {}
        self.all = tuple(
            Errand(
                volume.name,
                volume.wish.target or "",
                self._task(volume, wishes[volume.name], _saved_of(volume, saved)),
                below(volume, volumes),
            )
            for volume in volumes
        )

    def _task(self, volume: Volume, wish: AttachWish, saved: SavedVolume | None) -> Task:
        return Task(
            lambda context, before: attach.for_attach(context, wish, before),
            lambda inventory: self._plan(inventory, volume, wish, saved),
        )

    def _plan(
        self, inventory: Inventory, volume: Volume, wish: AttachWish, saved: SavedVolume | None
    ) -> Plan:
        plan = plan_volume(inventory, volume, wish, saved)
        wwid = wwid_of(plan)
        if wwid is None:
            return plan
        with self._lock:
            self.wwids[volume.name] = wwid
            owner = self._owners.setdefault(wwid, volume.name)
        if owner == volume.name:
            return plan
        error = RefusedError(
            f"its disk {wwid} is that of volume {owner} too",
            hint="take one of them out of the file, or have multipathd stand over both paths",
        )
        return Plan(plan.steps, error, notes=plan.notes)


def _saved_of(volume: Volume, saved: SavedPlan | None) -> SavedVolume | None:
    return None if saved is None else saved.volumes.get(volume.name, SavedVolume({}))
