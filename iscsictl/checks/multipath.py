"""Disks with several paths: one map over them, or none may be written."""

from collections.abc import Iterable, Iterator, Mapping

from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.listing import Disk
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.duplicates import confusable_disks


def check(machine: Machine) -> Iterator[Finding]:
    """Tell whether each disk has a WWID and a map of its own, and each map all of its paths."""
    disks = machine.listing.disks or ()
    confusable = confusable_disks(disks)
    yield from _confusable(disks, confusable)
    for disk in disks:
        name = disk.wwid or disk.block.device
        if id(disk) in confusable:
            continue
        devices = ", ".join(path.device for path in disk.paths)
        if len(disk.paths) > 1 and disk.block.kind != "mpath":
            program = machine.programs.get("multipath")
            if machine.multipathd is None and program is not None and program.path is not None:
                fix = "systemctl unmask multipathd; systemctl enable --now multipathd"
            elif machine.multipathd is None:
                fix = (
                    "apt install multipath-tools (dnf install device-mapper-multipath); "
                    "systemctl enable --now multipathd"
                )
            else:
                fix = (
                    "find out why there is no map: "
                    f"multipath -v3 {shell_form(disk.paths[0].device)}"
                )
            yield fail(
                "multipath-map",
                f"{devices} are one disk and no map is over them: writing through two of them "
                "destroys data",
                fix,
                name,
            )
        elif disk.block.kind == "mpath":
            dead = [path.device for path in disk.paths if path.state not in {"running", None}]
            if len(disk.paths) == 1:
                yield warn(
                    "multipath-paths",
                    f"{disk.block.device} has one path ({devices}) left",
                    "iscsictl reconnect; multipath -ll shows the others",
                    name,
                )
            elif dead:
                yield warn(
                    "multipath-paths",
                    f"{disk.block.device} lost {', '.join(dead)}",
                    "iscsictl reconnect; multipath -ll",
                    name,
                )
            else:
                yield ok("multipath-paths", f"{disk.block.device} over {devices}", name)


def _confusable(
    disks: Iterable[Disk], confusable_with: Mapping[int, tuple[Disk, ...]]
) -> Iterator[Finding]:
    """Fail for each group of disks that share a WWID or a map: a write may reach any of them."""
    told: set[int] = set()
    for disk in disks:
        confusable = [o for o in confusable_with.get(id(disk), ()) if id(o) not in told]
        if id(disk) in told or not confusable:
            continue
        told.update(map(id, (disk, *confusable)))
        words = "; ".join(
            f"{', '.join(path.device for path in one.paths)} ({one.wwid}, serial "
            f"{one.serial or 'none'}, {one.block.size} bytes)"
            for one in (disk, *confusable)
        )
        joined = disk.block.kind == "mpath"
        how = f"{disk.block.device} joins" if joined else f"the WWID {disk.wwid} is that of"
        fix = "give each LUN a WWID of its own on the array, then log in again"
        if joined:
            fix += f"; until then: iscsictl umount, multipath -f {shell_form(disk.block.device)}"
        yield fail("disk-identity", f"{how} different disks: {words}", fix, disk.wwid)
