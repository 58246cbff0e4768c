"""What in fstab would hang a boot, mount the wrong disk, or mount nothing at all."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.listing import Disk, Session, blocks
from iscsictl.model.record import NodeRecord
from iscsictl.planner.safety.duplicates import copies

Severity = Literal["fail", "warn"]
_LETTER = re.compile(r"/dev/(?:sd[a-z]+[0-9]*|sr[0-9]+|vd[a-z]+[0-9]*)")
_BY_PATH = re.compile(r"/dev/disk/by-path/.*?-iscsi-(.+)-lun-[0-9a-fx]+(?:-part[0-9]+)?")
_TAG = re.compile(r"(?:UUID|LABEL|PARTUUID|PARTLABEL)(?==)", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a line. `fix` is a command, or what to change by hand."""

    id: str
    severity: Severity
    line: int
    subject: str
    text: str
    fix: str


@dataclass(frozen=True)
class Machine:
    """What the check needs to know of the machine.

    `known` are the UUIDs of all filesystems that can be seen, None where nobody could look;
    `iscsi` those on disks of sessions, each with the WWIDs of the disks that carry it, `copied`
    those of which there are copies, with the WWIDs of these; `devices` are the nodes of those
    disks and their partitions, and the first fields of fstab that name one of these now.
    `targets` are those that a node or a UUID is behind.
    """

    known: frozenset[str] | None = None
    iscsi: Mapping[str, frozenset[str]] | None = None
    devices: frozenset[str] = frozenset()
    records: tuple[NodeRecord, ...] | None = None
    login_service: str = "open-iscsi.service"
    copied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)


def machine_of(
    disks: Sequence[Disk],
    specs: frozenset[str],
    known: frozenset[str] | None,
    records: tuple[NodeRecord, ...] | None,
    login_service: str,
) -> Machine:
    """Return the machine with these disks of sessions; `specs` of fstab name one of them."""
    carriers: dict[str, dict[int, Disk]] = {}
    for disk in disks:
        for block in blocks(disk.block):
            if block.uuid is not None:
                carriers.setdefault(block.uuid, {})[id(disk)] = disk
    copied = {uuid: _names(copies(uuid, found.values())) for uuid, found in carriers.items()}
    return Machine(
        None if known is None else known | set(carriers),
        {uuid: _names(found.values()) for uuid, found in carriers.items()},
        nodes_of(disks) | specs,
        records,
        login_service,
        {uuid: names for uuid, names in copied.items() if len(names) > 1},
    )


def iscsi_devices_behind(
    machine: Machine, disks: Sequence[Disk], sessions: Iterable[Session]
) -> Machine:
    """Return the machine with the targets that the disks of these sessions are behind."""
    target_of = {session.sid: session.target for session in sessions}
    targets: dict[str, set[str]] = {}
    for disk in disks:
        own = {target_of[path.sid] for path in disk.paths if path.sid in target_of}
        uuids = {block.uuid for block in blocks(disk.block) if block.uuid is not None}
        for name in uuids | nodes_of([disk]):
            targets.setdefault(name, set()).update(own)
    return replace(machine, targets={name: frozenset(own) for name, own in targets.items()})


def _names(disks: Iterable[Disk]) -> frozenset[str]:
    return frozenset(disk.wwid or disk.block.device for disk in disks)


def nodes_of(disks: Iterable[Disk]) -> frozenset[str]:
    """Return the nodes of disks, of their paths and of all that stands on them."""
    return frozenset(
        device
        for disk in disks
        for device in (*(p.device for p in disk.paths), *(b.device for b in blocks(disk.block)))
    )


def check_fstab(fstab: Fstab, machine: Machine) -> tuple[Finding, ...]:
    """Return what is wrong, in the order of the lines."""
    found: list[Finding] = []
    for line in fstab.lines:
        if line.problem is not None:
            found.append(
                Finding("unreadable", "fail", line.number, f"line {line.number}",
                        f"the line {line.problem}",
                        f"correct line {line.number} of /etc/fstab by hand")
            )  # fmt: skip
        elif line.is_claim:
            found.append(_claim(line))
        elif line.is_entry:
            found += _Line(line, machine).findings()
    found += _same_directory(fstab)
    return tuple(sorted(found, key=lambda one: one.line))


def _subject(line: FstabLine) -> str:
    return line.mount_point or line.spec or f"line {line.number}"


def _claim(line: FstabLine) -> Finding:
    return Finding(
        "claim-left", "warn", line.number, _subject(line),
        f"a run that was making {line.fstype} {line.uuid} on {line.making} was stopped",
        f"run the same attach or mkfs again to finish it, or: iscsictl fstab rm {line.uuid}",
    )  # fmt: skip


def is_iscsi(line: FstabLine, machine: Machine) -> bool:
    """Tell whether a line is for a disk of a session, as far as can be known now."""
    spec = line.spec or ""
    uuids = {uuid.lower() for uuid in machine.iscsi or ()}
    if line.is_ours or spec in machine.devices or _BY_PATH.fullmatch(spec):
        return True
    if line.uuid is not None:
        return line.uuid.lower() in uuids
    return False


class _Line:
    """The checks of one line."""

    def __init__(self, line: FstabLine, machine: Machine) -> None:
        self.line = line
        self.machine = machine
        self.iscsi = is_iscsi(line, machine)
        self.at_boot = line.auto or line.automount
        # What systemd waits for is the mount, never what is mounted on first use.
        self.waits = line.auto and not line.nofail and not line.automount
        self.found: list[Finding] = []

    def findings(self) -> Iterable[Finding]:
        """Run all checks that apply."""
        checks: list[Callable[[], None]] = [self._device_name, self._tag, self._uuid]
        if self.iscsi and self.at_boot:
            checks += [self._options, self._node, self._order]
        for check in checks:
            check()
        return self.found

    def _say(self, name: str, severity: Severity, text: str, fix: str) -> None:
        line = self.line
        self.found.append(Finding(name, severity, line.number, _subject(line), text, fix))

    def _by_hand(self, what: str) -> str:
        return f"{what} in line {self.line.number} of /etc/fstab"

    def _options(self) -> None:
        options = self.line.options
        if "_netdev" not in options:
            self._say(
                "no-netdev", "fail",
                "without _netdev it is mounted before the network is up, and the boot waits",
                self._by_hand("add the option _netdev"),
            )  # fmt: skip
        if self.waits:
            self._say(
                "no-nofail", "fail",
                "without nofail the machine does not boot while the array is away",
                self._by_hand("add the option nofail"),
            )  # fmt: skip
        if self.line.passno not in {"0", ""} and self.line.fstype not in {"xfs", "btrfs"}:
            self._say(
                "fsck", "warn",
                "it is checked at boot (sixth field), which waits for the disk",
                self._by_hand("set the sixth field to 0"),
            )  # fmt: skip

    def _order(self) -> None:
        service, options = self.machine.login_service, self.line.options
        if f"x-systemd.requires={service}" in options:
            self._say(
                "requires-login", "warn",
                f"it requires {service}: one dead portal fails that unit, and this mount with it",
                self._by_hand(f"write x-systemd.after={service} for x-systemd.requires={service}"),
            )  # fmt: skip
        elif self.line.is_ours and f"x-systemd.after={service}" not in options:
            self._say(
                "no-order", "warn", f"at boot it does not wait for {service}",
                self._by_hand(f"add the option x-systemd.after={service}"),
            )  # fmt: skip

    def _device_name(self) -> None:
        spec = self.line.spec or ""
        if not _LETTER.fullmatch(spec) or not self.at_boot:
            return
        severity: Severity = "fail" if self.iscsi else "warn"
        self._say(
            "device-name", severity,
            f"{spec} may be another disk after the next boot",
            self._by_hand(f"write UUID=... (blkid -s UUID -o value {spec}) for {spec}"),
        )  # fmt: skip

    def _tag(self) -> None:
        tag = _TAG.match(self.line.spec or "")
        if tag is None or tag[0].isupper():
            return
        self._say(
            "name-case", "fail" if self.at_boot else "warn",
            f"{tag[0]}= is no tag for mount, so nothing has this name",
            self._by_hand(f"write {tag[0].upper()}= for {tag[0]}="),
        )  # fmt: skip

    def _targets(self) -> frozenset[str]:
        """Return the targets that the disk is behind, as far as note, link or sessions tell."""
        line, targets = self.line, self.machine.targets
        if line.target is not None:
            return frozenset({line.target})
        path = _BY_PATH.fullmatch(line.spec or "")
        if path is not None:
            return frozenset({path[1]})
        return targets.get(line.uuid or "") or targets.get(line.spec or "") or frozenset()

    def _node(self) -> None:
        records, targets = self.machine.records, self._targets()
        if records is None or not targets:
            return
        target = min(targets)
        mine = [record for record in records if record.target in targets]
        if not mine and self.line.target is not None:
            self._say(
                "no-record", "fail", f"there is no record of {target}: nothing logs in to it",
                f"iscsictl discover ADDRESS --save, then: iscsictl startup {target} automatic",
            )  # fmt: skip
        elif mine and not any(record.onboot for record in mine):
            self._say(
                "node-manual", "fail", f"{target} is not logged in at boot",
                f"iscsictl startup {target} automatic",
            )  # fmt: skip

    def _uuid(self) -> None:
        line, machine = self.line, self.machine
        if line.uuid is None:
            return
        disks = (machine.iscsi or {}).get(line.uuid, frozenset())
        copied = machine.copied.get(line.uuid)
        if copied:
            self._say(
                "uuid-twice", "fail",
                f"{line.uuid} is on {len(copied)} disks ({', '.join(sorted(copied))}): "
                "chance decides which is mounted",
                "detach the snapshot, or give it its own UUID (tune2fs -U, xfs_admin -U)",
            )  # fmt: skip
        elif disks and line.wwid is not None and line.wwid not in disks:
            self._say(
                "wrong-disk", "fail",
                f"{line.uuid} is on the disk {next(iter(disks))}, the line is for {line.wwid}",
                "see which is right: iscsictl ls; then: iscsictl fstab rm and fstab add",
            )  # fmt: skip
        elif machine.known is not None and not disks and line.uuid not in machine.known:
            alike = [one for one in machine.known if one.lower() == line.uuid.lower()]
            if alike:
                self._case(line.uuid, min(alike))
            else:
                self._nowhere()

    def _case(self, uuid: str, real: str) -> None:
        self._say(
            "name-case", "fail" if self.at_boot else "warn",
            f"{uuid} is written {real} on the disk, and case counts: nothing has this name",
            self._by_hand(f"write {real} for {uuid}"),
        )  # fmt: skip

    def _nowhere(self) -> None:
        line = self.line
        if not self.at_boot and not line.is_ours:
            return
        if self.waits:
            severity: Severity = "fail"
            text = f"no filesystem {line.uuid} is here, and the boot waits for it"
        else:
            severity, text = "warn", f"no filesystem {line.uuid} is here now"
        fix = self._by_hand("correct the UUID or take out what is")
        if line.is_ours:
            fix = f"iscsictl reconnect; if the disk is gone for good: iscsictl fstab rm {line.uuid}"
        self._say("uuid-nowhere", severity, text, fix)


def _same_directory(fstab: Fstab) -> Iterator[Finding]:
    """Yield each line whose mount point an earlier line has too."""
    seen: dict[str, FstabLine] = {}
    for line in fstab.entries:
        if line.mount_point is None or line.is_claim:
            continue
        path = line.mount_point
        first = seen.setdefault(path, line)
        if first is not line:
            both = all(one.auto or one.automount for one in (first, line))
            yield Finding(
                "same-directory", "fail" if both else "warn", line.number, path,
                f"line {first.number} mounts on {path} too",
                f"take one of them out: iscsictl fstab rm {line.uuid or path}"
                if line.is_ours
                else f"take line {first.number} or {line.number} out of /etc/fstab",
            )  # fmt: skip
