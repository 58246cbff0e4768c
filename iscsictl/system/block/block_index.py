"""All block devices with their numbers, and all SCSI devices, each read from one directory."""

from collections.abc import Iterable

from iscsictl.system.io.sysfs_attributes import Folder, list_names, read_attribute

# Devices that stand on no other one. A device with any other name may be a holder.
_BARE = ("sd", "sr", "nvme", "vd", "loop", "ram", "zram", "fd", "nbd", "mmcblk")


class BlockIndex:
    """What the links in /sys/dev/block and /sys/bus/scsi say, without opening a file.

    If a capture lacks these directories, each answer is looked up separately.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers: dict[str, str] = {}
        self._parts: dict[str, list[str]] = {}
        self._disks: dict[str, str] = {}
        self._holding = False
        self._luns: dict[str, list[str]] = {}
        for name in list_names(f"{prefix}/sys/bus/scsi/devices"):
            host, colon, _ = name.partition(":")
            if colon:
                self._luns.setdefault(host, []).append(name)
        folder = f"{prefix}/sys/dev/block"
        names = list_names(folder)
        with Folder(folder) as links:
            for number in names:
                link = links.link(number)
                if link is not None:
                    self._add_device(number, link.split("/"))

    def _add_device(self, number: str, path: list[str]) -> None:
        """Add `.../H:C:T:L/block/sda`, `.../block/sda/sda1` or `.../virtual/block/dm-0`."""
        kname = path[-1]
        self._numbers[kname] = number
        if len(path) < 3:
            return
        if path[-2] != "block":
            self._parts.setdefault(path[-2], []).append(kname)
        elif ":" in path[-3]:
            self._disks[path[-3]] = kname
        if not kname.startswith(_BARE):
            self._holding = True

    def number(self, kname: str, own: str) -> str | None:
        """Return MAJOR:MINOR of the device whose directory is `own`, None if it is gone."""
        return self._numbers.get(kname) or read_attribute(own + "/dev")

    def disk(self, hctl: str, unit: str) -> str | None:
        """Return the disk of the LUN H:C:T:L whose directory is `unit`, None if it has none.

        A LUN has none while it is being probed, and if it is no disk (a tape, an enclosure).
        """
        found = self._disks.get(hctl)
        if found is None:
            found = next(iter(list_names(unit + "/block")), None)
        return found

    def luns(self, host: int) -> list[str] | None:
        """Return the LUNs (H:C:T:L) of an adapter; None if the SCSI bus cannot be read.

        Those of all its sessions: an offload adapter has several.
        """
        return self._luns.get(str(host), []) if self._luns else None

    def partitions(self, kname: str, own: str) -> list[str]:
        """Return the partitions of a disk in order.

        `own` is its directory, which is read only if the index does not have the disk.
        """
        if kname in self._numbers:
            names = self._parts.get(kname, [])
        else:
            names = [name for name in list_names(own) if name.startswith(kname)]
        return sorted(names, key=natural)

    def holders(self, kname: str, own: str) -> list[str]:
        """Return the holders of a device; without any map or array on the host, it has none.

        The names are those in `own`/holders: dm-0, md0, bcache0. Loop devices are not among them.
        """
        if kname in self._numbers and not self._holding:
            return []
        return sorted(list_names(own + "/holders"), key=natural)

    def loops(self) -> dict[str, list[str]]:
        """Return backing file -> loop devices. A file may have several, over parts of it."""
        return loops(self._prefix, self._numbers or None)


def loops(prefix: str, names: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Return backing file -> loop devices; `names` are the block devices, if they are known.

    File names are the kernel's: links are resolved, and ` (deleted)` is appended to a file that is
    gone.
    """
    found: dict[str, list[str]] = {}
    names = list_names(f"{prefix}/sys/block") if names is None else names
    for name in sorted((name for name in names if name.startswith("loop")), key=natural):
        file = read_attribute(f"{prefix}/sys/block/{name}/loop/backing_file")
        if file is not None:
            found.setdefault(file, []).append(name)
    return found


def natural(name: str) -> tuple[int, str]:
    """Return a key that sorts sda2 before sda10; names on one disk differ only in the number."""
    return len(name), name
