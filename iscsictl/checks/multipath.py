"""Disks with several paths: one map over them, or none may be written."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine


def check(machine: Machine) -> Iterator[Finding]:
    """Tell whether each disk with several paths has a map, and each map all of its paths."""
    for disk in machine.listing.disks or ():
        name = disk.wwid or disk.block.device
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
                fix = f"find out why there is no map: multipath -v3 {disk.paths[0].device}"
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
