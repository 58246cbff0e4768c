"""From an entry of fstab or crypttab down to the targets that its data comes from.

Two sources are joined. The devices of sessions, with everything on them now (partitions, maps, LVM,
dm-crypt, md, loop devices), come from the listing. What will be on them at boot comes from the
files themselves: bind mounts, images, overlays, swap files, volumes of crypttab.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import Fstab, FstabLine, plain, tag_of_spec, uuid_of_spec
from iscsictl.model.inactive_volumes import InactiveNames
from iscsictl.model.listing import Disk, Session, blocks
from iscsictl.model.record import NodeRecord
from iscsictl.planner.safety.duplicates import copies

# udev's 60-persistent-storage.rules: ip-ADDRESS:PORT-iscsi-TARGET-lun-N, with -partN.
_BY_PATH: Final = re.compile(r"/dev/disk/by-path/.*?-iscsi-(.+)-lun-[0-9a-fx]+(?:-part[0-9]+)?")
# Options whose value is one more device of the filesystem: btrfs(5), xfs(5), ext4(5).
_DEVICE_OPTIONS: Final = ("device", "logdev", "rtdev", "journal_path")
# Options of overlayfs whose value is a list of directories, parted by colons; a colon in a name is
# escaped (Documentation/filesystems/overlayfs.rst).
_LAYER_OPTIONS: Final = ("lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir")
_LAYER: Final = re.compile(r"(?:[^:\\]|\\.)+")
# A colon in the name of a device is not followed by a slash.
_SEVERAL: Final = re.compile(r":(?=/)")
_OVERLAYS: Final = frozenset({"overlay", "fuse-overlayfs"})
# Members of something larger, of which udev links no label.
_MEMBER: Final = re.compile(r".*_member|crypto_LUKS")


@dataclass(frozen=True)
class Carrier:
    """A disk that data comes from, by WWID or name, and the targets that offer it.

    Without a session, perhaps only a name is known, and only the target that this name contains.
    """

    disk: str
    targets: frozenset[str] = frozenset()


Carriers = frozenset[Carrier]


@dataclass(frozen=True)
class StorageFacts:
    """What the rules need to know about the host's storage.

    `known` are the UUIDs of all filesystems that udev knows, None if there is no udev. `carriers`
    has the disks behind each device node and UUID of the listing, `mounts` those behind each mount
    point. `links` maps first fields of fstab and crypttab to such a node, `absent` are those that
    name nothing now. `copied` are UUIDs of which there are copies, and labels (`LABEL=...`) of more
    than one filesystem, with the disks that have one. `uuids` has the UUID of what is on a device.
    `boot_targets` are the targets that the host boots from, `login_startups` the values of
    node.startup that its login service logs in to.
    """

    known: frozenset[str] | None = None
    carriers: Mapping[str, Carriers] = field(default_factory=dict)
    mounts: Mapping[str, Carriers] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    copied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    records: tuple[NodeRecord, ...] | None = None
    login_service: str = "open-iscsi.service"
    login_startups: frozenset[str] = frozenset({"automatic"})
    crypttab: tuple[CrypttabEntry, ...] = ()
    boot_targets: frozenset[str] = frozenset()
    uuids: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def records_by_target(self) -> Mapping[str, tuple[NodeRecord, ...]]:
        """The records of each target; empty if they could not be read.

        Whether they could be read is told by `records`: it is None if not.
        """
        found: dict[str, list[NodeRecord]] = {}
        for record in self.records or ():
            found.setdefault(record.target, []).append(record)
        return {target: tuple(records) for target, records in found.items()}

    @cached_property
    def boot_disks(self) -> frozenset[str]:
        """The names of the disks of the root filesystem; empty if it is not on iSCSI.

        They are WWIDs, or device names of disks without one.
        """
        return disk_names(self.mounts.get("/", frozenset()))


def storage_facts(
    disks: Sequence[Disk],
    sessions: Iterable[Session],
    *,
    known: frozenset[str] | None = None,
    links: Mapping[str, str] | None = None,
    absent: frozenset[str] = frozenset(),
    records: tuple[NodeRecord, ...] | None = None,
    login_service: str = "open-iscsi.service",
    login_startups: frozenset[str] = frozenset({"automatic"}),
    crypttab: tuple[CrypttabEntry, ...] = (),
    boot_targets: frozenset[str] = frozenset(),
    inactive: Mapping[str, InactiveNames] | None = None,
) -> StorageFacts:
    """Return the facts of a host with these disks and sessions; `known` lacks no UUID of them.

    A UUID counts as copied if several disks have it that are not parts of one thing
    (`duplicates.copies`). The targets of the root filesystem's disks are added to `boot_targets`.
    `inactive` are the names of what is on a device and not active, by the device.
    """
    target_of = {session.sid: session.target for session in sessions}
    carriers: dict[str, set[Carrier]] = {}
    mounts: dict[str, set[Carrier]] = {}
    holding: dict[str, dict[int, Disk]] = {}
    labelled: dict[str, dict[str, set[str]]] = {}
    uuids: dict[str, str] = {}
    for disk in disks:
        targets = {target_of[path.sid] for path in disk.paths if path.sid in target_of}
        carrier = Carrier(_disk_name(disk), frozenset(targets))
        for device in nodes_of([disk]):
            carriers.setdefault(device, set()).add(carrier)
            for name in _names_of_inactive((inactive or {}).get(device)):
                carriers.setdefault(name, set()).add(carrier)
        for block in blocks(disk.block):
            for mount in block.mounts:
                mounts.setdefault(mount.path, set()).add(carrier)
            if block.uuid is not None:
                carriers.setdefault(block.uuid, set()).add(carrier)
                holding.setdefault(block.uuid, {})[id(disk)] = disk
                uuids[block.device] = block.uuid
            if block.label is None:
                continue
            if block.fstype == "zfs_member":
                carriers.setdefault(f"LABEL={block.label}", set()).add(carrier)
            if not _MEMBER.fullmatch(block.fstype or ""):
                named = labelled.setdefault(f"LABEL={block.label}", {})
                named.setdefault(block.uuid or block.device, set()).add(carrier.disk)
    copied = {
        uuid: frozenset(map(_disk_name, copies(uuid, found.values())))
        for uuid, found in holding.items()
    }
    return StorageFacts(
        None if known is None else known | set(holding),
        {name: frozenset(found) for name, found in carriers.items()},
        {path: frozenset(found) for path, found in mounts.items()},
        links or {},
        absent,
        {uuid: names for uuid, names in copied.items() if len(names) > 1}
        | {
            label: frozenset().union(*found.values())
            for label, found in labelled.items()
            if len(found) > 1
        },
        records,
        login_service,
        login_startups,
        crypttab,
        boot_targets | root_filesystem_targets(disks, target_of),
        uuids,
    )


def _names_of_inactive(names: InactiveNames | None) -> Iterator[str]:
    """Yield nodes, UUIDs and labels, as they are written in fstab."""
    if names is None:
        return
    yield from names.nodes
    for tag, value in names.tags:
        yield value if tag == "UUID" else f"{tag}={value}"


def root_filesystem_targets(
    disks: Iterable[Disk], target_of: Mapping[int | None, str]
) -> frozenset[str]:
    """Return the targets of the disks that contain `/`; `target_of` maps session ids to targets.

    No firmware table (iBFT) is needed for that: an initrd can also log in with settings of its own.
    """
    return frozenset(
        target_of[path.sid]
        for disk in disks
        if any(mount.path == "/" for block in blocks(disk.block) for mount in block.mounts)
        for path in disk.paths
        if path.sid in target_of
    )


def _disk_name(disk: Disk) -> str:
    return disk.wwid or disk.block.device


def disk_names(carriers: Iterable[Carrier]) -> frozenset[str]:
    """Return the names of the disks: WWIDs, or device names if a disk reports none."""
    return frozenset(carrier.disk for carrier in carriers)


def nodes_of(disks: Iterable[Disk]) -> frozenset[str]:
    """Return the nodes of disks, of their paths and of everything on them.

    They are names such as /dev/sda1 and /dev/mapper/x; links such as those in by-id are not
    included.
    """
    return frozenset(
        device
        for disk in disks
        for device in (*(p.device for p in disk.paths), *(b.device for b in blocks(disk.block)))
    )


def target_of_link(spec: str) -> str | None:
    """Return the target that a link in /dev/disk/by-path names, whether the link exists or not."""
    found = _BY_PATH.fullmatch(spec)
    return None if found is None else found[1]


def named_devices(fstab: Fstab, crypttab: Iterable[CrypttabEntry]) -> tuple[str, ...]:
    """Return what the entries of both files name as their devices, for udev's links.

    Journals and further members that are named in the options (`logdev=`, `device=`) are devices,
    too. Each name is returned once, in the order of the files.
    """
    found = dict.fromkeys(fstab.specs)
    for line in fstab.entries:
        found.update(dict.fromkeys(_pool_of(line)))
        found.update(dict.fromkeys(_further_devices(line)))
    found.update(dict.fromkeys(entry.device for entry in crypttab))
    return tuple(found)


class StorageGraph:
    """Answers, for one fstab, where the data of an entry comes from.

    `by_notes`: the notes of an entry written by iscsictl decide, whatever the entry names.
    """

    def __init__(self, fstab: Fstab, facts: StorageFacts, *, by_notes: bool = True) -> None:
        self._facts = facts
        self._by_notes = by_notes
        self._volumes = {
            name: entry for entry in facts.crypttab for name in _names_of_mapping(entry)
        }
        self._by_uuid: dict[str, Carriers] = {}
        for name, carriers in facts.carriers.items():
            self._by_uuid.setdefault(name.lower(), carriers)
        self._lines = [
            line for line in fstab.entries if line.mount_point is not None and not line.is_claim
        ]

    def behind_line(self, line: FstabLine) -> Carriers | None:
        """Return the disks behind an entry of fstab, None for one that is not known to be iSCSI.

        Bind mounts, images, overlays and swap files are followed to the filesystem that they are
        on. A circle ends the search. The notes of an entry written by iscsictl are believed even if
        its disk is absent.
        """
        return self._carriers_behind_line(line, frozenset())

    def behind_volume(self, entry: CrypttabEntry) -> Carriers | None:
        """Return the disks behind an entry of crypttab, None for one that is not known to be iSCSI.

        A volume on another volume is followed down to its disk.
        """
        return self._carriers_behind_device(entry.device, frozenset({entry.name}))

    def _carriers_behind_line(self, line: FstabLine, visited: frozenset[str]) -> Carriers | None:
        key = f"line {line.number}"
        # Entries may lead to each other in a circle, as two images on each other's filesystem.
        if key in visited:
            return None
        visited |= {key}
        if line.is_ours and self._by_notes:
            # The notes say which disk was meant, whatever carries the UUID now.
            targets = frozenset() if line.target is None else frozenset({line.target})
            return frozenset({Carrier(line.wwid or line.spec or "", targets)})
        found = [self._carriers_behind_device(line.spec or "", visited)]
        found += [self._carriers_behind_device(one, visited) for one in _further_devices(line)]
        found += [
            # udev's link of the label leads to one member of the pool.
            self._facts.carriers.get(pool) or self._carriers_behind_device(pool, visited)
            for pool in _pool_of(line)
        ]
        found += [self._carriers_behind_path(one, visited) for one in _directories_of(line)]
        sound = [carriers for carriers in found if carriers is not None]
        return frozenset().union(*sound) if sound else None

    def _carriers_behind_device(self, spec: str, visited: frozenset[str]) -> Carriers | None:
        facts, uuid = self._facts, uuid_of_spec(spec)
        # The case of a UUID is another rule's matter.
        known = self._by_uuid.get(uuid.lower()) if uuid is not None else None
        known = known or facts.carriers.get(facts.links.get(spec, spec))
        # Of a link that is not there, such as the label of what is not active, the name tells.
        tag, value = tag_of_spec(spec)
        known = known or facts.carriers.get(f"{tag}={value}")
        if known:
            return known
        spec = spec if tag else value
        target = target_of_link(spec)
        if target is not None:
            return frozenset({Carrier(spec, frozenset({target}))})
        volume = self._volumes.get(spec)
        if volume is not None and volume.name not in visited:
            return self._carriers_behind_device(volume.device, visited | {volume.name})
        if spec.startswith("/") and not spec.startswith(("/dev/", "//")):
            return self._carriers_behind_path(spec, visited)
        return None

    def _carriers_behind_path(self, path: str, visited: frozenset[str]) -> Carriers | None:
        """Return what a directory or file is on: the nearest of the mount points above it."""
        above = set(_path_and_parents(plain(path)))
        lines = {
            line.mount_point: line for line in self._lines if f"line {line.number}" not in visited
        }
        nearest = max(above & (lines.keys() | self._facts.mounts.keys()), key=len, default=None)
        if nearest is None:
            return None
        line = lines.get(nearest)
        return (
            self._facts.mounts.get(nearest)
            if line is None
            else self._carriers_behind_line(line, visited)
        )


def _path_and_parents(path: str) -> Iterator[str]:
    """Yield a path and the directories above it."""
    while path != "/":
        yield path
        path = path.rpartition("/")[0] or "/"
    yield "/"


def _further_devices(line: FstabLine) -> Iterator[str]:
    """Yield the devices and directories of a filesystem that consists of several.

    The first field lists those of bcachefs (`/dev/sda:/dev/sdb`), mergerfs and unionfs-fuse
    (`/a:/b`, `/a=RW:/b=RO`).
    """
    yield from _values_of_options(line, _DEVICE_OPTIONS)
    spec = line.spec or ""
    parts = _SEVERAL.split(spec)
    # A network share begins with the name of its server, or with two slashes.
    if len(parts) > 1 and spec.startswith("/") and not spec.startswith("//"):
        yield from (part.partition("=")[0] for part in parts)


def _pool_of(line: FstabLine) -> Iterator[str]:
    """Yield the label that the members of a ZFS pool have, for an entry that mounts a dataset."""
    if line.fstype == "zfs" and line.spec:
        yield f"LABEL={line.spec.partition('/')[0]}"


def _directories_of(line: FstabLine) -> Iterator[str]:
    """Yield the directories that an overlay consists of."""
    if (line.fstype or "").rpartition(".")[2] in _OVERLAYS:
        for value in _values_of_options(line, _LAYER_OPTIONS):
            for layer in _LAYER.findall(value):
                if layer.startswith("/"):
                    yield re.sub(r"\\(.)", r"\1", layer)


def _names_of_mapping(entry: CrypttabEntry) -> tuple[str, str]:
    return entry.mapper, f"/dev/disk/by-id/dm-name-{entry.name}"


def _values_of_options(line: FstabLine, names: Sequence[str]) -> Iterator[str]:
    for option in line.options:
        name, equals, value = option.partition("=")
        if equals and name in names:
            yield value


def carriers_in_fstab(fstab: Fstab, facts: StorageFacts) -> Carriers:
    """Return the disks that entries of fstab and crypttab lead to, claims included.

    If the disk of an entry is absent, only the target in its notes or its by-path name is known.
    """
    graph = StorageGraph(fstab, facts)
    found = [graph.behind_line(line) for line in fstab.entries]
    found += [graph.behind_volume(entry) for entry in facts.crypttab]
    return frozenset(one for carriers in found for one in carriers or ())


def targets_of(carriers: Carriers) -> frozenset[str]:
    """Return the targets that offer the disks."""
    return frozenset(target for one in carriers for target in one.targets)
