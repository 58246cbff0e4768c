"""What in fstab and crypttab would hang a boot, mount the wrong disk, or mount nothing at all."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import Fstab, FstabLine, tag_of_spec, uuid_of_spec
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.storage_graph import (
    Carriers,
    StorageFacts,
    StorageGraph,
    disk_names,
)

Severity = Literal["fail", "warn"]
File = Literal["fstab", "crypttab"]
#: Names of disks that go by the order in which the kernel finds them.
DEVICE_LETTER: Final = re.compile(r"/dev/(?:sd[a-z]+[0-9]*|sr[0-9]+|vd[a-z]+[0-9]*|dm-[0-9]+)")
_TAG: Final = re.compile(r"(?:UUID|LABEL|PARTUUID|PARTLABEL|ID)(?==)", re.IGNORECASE)
# To systemd, the cluster filesystems that can be on a disk are network filesystems, and are mounted
# as if they had _netdev (basic/mountpoint-util.c, fstype_is_network).
_NETWORK_TYPES: Final = frozenset({"gfs", "gfs2", "ocfs2"})
_NOT_CHECKED: Final = frozenset({"xfs", "btrfs", "swap"})
# Debian's open-iscsi.service has this name as well (Alias=); elsewhere it is the only one.
_ALIAS: Final = "iscsi.service"
# What an initrd mounts itself, before systemd of the host reads fstab (dracut, initramfs-tools).
_BY_INITRD: Final = frozenset({"/", "/usr"})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a line. `fix` is a command, or what to change by hand."""

    id: str
    severity: Severity
    line: int
    subject: str
    text: str
    fix: str
    file: File = "fstab"


def check_fstab(fstab: Fstab, facts: StorageFacts) -> tuple[Finding, ...]:
    """Return what is wrong with fstab and crypttab, each in the order of its lines.

    A line that cannot be parsed, and a claim that was left, are reported for any filesystem; the
    rules about booting (systemd.mount(5), crypttab(5)) apply only if the data is known to come from
    a target. What the initrd mounts, and what the host boots from, needs neither _netdev nor
    nofail.
    """
    graph = StorageGraph(fstab, facts)
    found: list[Finding] = []
    for line in fstab.lines:
        if line.problem is not None:
            found.append(
                Finding("unreadable", "fail", line.number, f"line {line.number}",
                        f"the line {line.problem}",
                        f"correct line {line.number} of /etc/fstab by hand")
            )  # fmt: skip
        elif line.is_claim:
            found.append(_claim_left_finding(line))
        elif line.is_entry:
            found += _Line(line, facts, graph.behind_line(line)).findings()
    found += _same_directory(fstab)
    found.sort(key=lambda one: one.line)
    for entry in facts.crypttab:
        found += _check_volume(entry, facts, graph.behind_volume(entry))
    return tuple(found)


def _subject_of_line(line: FstabLine) -> str:
    return line.mount_point or line.spec or f"line {line.number}"


def _claim_left_finding(line: FstabLine) -> Finding:
    return Finding(
        "claim-left", "warn", line.number, _subject_of_line(line),
        f"a run that was making {line.fstype} {line.uuid} on {line.making} was interrupted",
        "run the same attach or mkfs again to finish it, or: "
        f"iscsictl fstab rm {shell_form(line.uuid)}",
    )  # fmt: skip


def iscsi_entries(fstab: Fstab, facts: StorageFacts) -> Iterator[FstabLine]:
    """Yield the entries whose data comes from a target, as far as can be known now.

    Entries written by iscsictl are always included; others if their target is logged in to, or if
    they name it (by-path).
    """
    graph = StorageGraph(fstab, facts)
    return (line for line in fstab.entries if graph.behind_line(line) is not None)


def _is_boot_storage(carriers: Carriers | None, facts: StorageFacts) -> bool:
    """Tell whether the root filesystem is on these disks: the initrd has already logged in."""
    return bool(carriers) and disk_names(carriers or ()) <= facts.boot_disks


def _manual_targets(carriers: Carriers, facts: StorageFacts) -> Iterator[tuple[str, bool]]:
    """Yield a target of each disk that nothing logs in to at boot, and whether it has a record.

    A disk with several targets needs one of them. Targets that the host boots from are logged in to
    by the firmware or the initrd, whatever their records say.
    """
    for carrier in sorted(carriers, key=lambda one: one.disk):
        # None: the records could not be read, which does not mean that there are none.
        if facts.records is None or not carrier.targets or carrier.targets & facts.boot_targets:
            continue
        own = [r for target in carrier.targets for r in facts.records_by_target.get(target, ())]
        if not any(record.logged_in_by(facts.login_startups) for record in own):
            yield min(carrier.targets), bool(own)


class _Line:
    """The checks of one line."""

    def __init__(self, line: FstabLine, facts: StorageFacts, carriers: Carriers | None) -> None:
        self.line = line
        self.facts = facts
        self.carriers = carriers
        self.by_initrd = (
            line.mount_point in _BY_INITRD
            or "x-initrd.mount" in line.options
            or _is_boot_storage(carriers, facts)
        )
        # The boot does not wait for what is mounted on first use, or when a unit needs it.
        self.waits = line.auto and not (line.nofail or line.automount or line.is_pulled_in)
        self.found: list[Finding] = []

    def findings(self) -> Iterable[Finding]:
        """Run all checks that apply.

        Device names are checked for every line, options and order only for lines that are mounted
        at boot from a target.
        """
        checks: list[Callable[[], None]] = [
            self._device_name,
            self._check_tag_case,
            self._check_uuid,
        ]
        if self.carriers is not None and self.line.at_boot and not self.by_initrd:
            checks += [self._check_options, self._check_login_at_boot, self._check_boot_order]
        for check in checks:
            check()
        return self.found

    def _add_finding(self, name: str, severity: Severity, text: str, fix: str) -> None:
        line = self.line
        self.found.append(Finding(name, severity, line.number, _subject_of_line(line), text, fix))

    def _fix_by_hand(self, what: str) -> str:
        return f"{what} in line {self.line.number} of /etc/fstab"

    def _check_options(self) -> None:
        line, options = self.line, self.line.options
        if "_netdev" not in options and line.fstype not in _NETWORK_TYPES:
            self._add_finding(
                "no-netdev", "fail",
                "without _netdev it is mounted before the network is up, and the boot waits",
                self._fix_by_hand("add the option _netdev"),
            )  # fmt: skip
        if self.waits:
            self._add_finding(
                "no-nofail", "fail",
                "without nofail the machine does not boot while the array is unreachable",
                self._fix_by_hand("add the option nofail"),
            )  # fmt: skip
        # systemd checks only devices, and fsck.xfs and fsck.btrfs do nothing.
        if line.passno != "0" and line.names_device and line.fstype not in _NOT_CHECKED:
            self._add_finding(
                "fsck", "warn",
                "it is checked at boot (sixth field), which waits for the disk",
                self._fix_by_hand("set the sixth field to 0"),
            )  # fmt: skip

    def _check_boot_order(self) -> None:
        service, options = self.facts.login_service, self.line.options
        names = (service, _ALIAS)
        required = [
            name for name in dict.fromkeys(names) if f"x-systemd.requires={name}" in options
        ]
        if required:
            change = f"replace x-systemd.requires={required[0]} with x-systemd.after={service}"
            rest = "".join(f", and delete x-systemd.requires={name}" for name in required[1:])
            self._add_finding(
                "requires-login", "warn",
                f"it requires {required[0]}: one dead portal makes that unit fail, and this mount "
                "with it",
                self._fix_by_hand(f"{change}{rest}"),
            )  # fmt: skip
        elif self.line.is_ours and not any(f"x-systemd.after={name}" in options for name in names):
            self._add_finding(
                "no-order", "warn", f"at boot it does not wait for {service}",
                self._fix_by_hand(f"add the option x-systemd.after={service}"),
            )  # fmt: skip

    def _device_name(self) -> None:
        spec = self.line.spec or ""
        if not DEVICE_LETTER.fullmatch(spec) or not self.line.at_boot:
            return
        severity: Severity = "warn" if self.carriers is None else "fail"
        self._add_finding(
            "device-name", severity,
            f"{spec} may name another disk after the next boot",
            self._fix_by_hand(f"replace {spec} with UUID=... (blkid -s UUID -o value {spec})"),
        )  # fmt: skip

    def _check_tag_case(self) -> None:
        tag = _TAG.match(self.line.spec or "")
        if tag is None or tag[0].isupper():
            return
        self._add_finding(
            "name-case", "fail" if self.line.at_boot else "warn",
            f"{tag[0]}= is not a tag that mount knows, so nothing has this name",
            self._fix_by_hand(f"replace {tag[0]}= with {tag[0].upper()}="),
        )  # fmt: skip

    def _check_login_at_boot(self) -> None:
        for target, has_record in _manual_targets(self.carriers or frozenset(), self.facts):
            if has_record:
                self._add_finding(
                    "node-manual", "fail", f"{target} is not logged in at boot",
                    f"iscsictl startup {shell_form(target)} automatic",
                )  # fmt: skip
            elif self.line.target is not None:
                self._add_finding(
                    "no-record", "fail", f"there is no record of {target}: nothing logs in to it",
                    "iscsictl discover ADDRESS --save, then: iscsictl "
                    f"startup {shell_form(target)} automatic",
                )  # fmt: skip

    def _check_uuid(self) -> None:
        line, facts = self.line, self.facts
        if line.uuid is None:
            self._check_copied_tag()
            if line.spec in facts.absent and self.carriers is None:
                self._add_missing_finding(f"device {line.spec}")
            return
        disks = disk_names(facts.carriers.get(line.uuid, ()))
        copied = facts.copied.get(line.uuid)
        if copied:
            self._add_finding(
                "uuid-twice", "fail",
                f"{line.uuid} is on {len(copied)} disks ({', '.join(sorted(copied))}): which one "
                "is mounted is left to chance",
                "detach the snapshot, or give it its own UUID (tune2fs -U, xfs_admin -U)",
            )  # fmt: skip
        elif disks and line.wwid is not None and line.wwid not in disks:
            self._add_finding(
                "wrong-disk", "fail",
                f"{line.uuid} is on the disk {next(iter(disks))}, but the line is for {line.wwid}",
                "see which is right: iscsictl ls; then: iscsictl fstab rm and fstab add",
            )  # fmt: skip
        elif facts.known is not None and not disks and line.uuid not in facts.known:
            alike = [one for one in facts.known if one.lower() == line.uuid.lower()]
            if alike:
                self._add_case_finding(line.uuid, min(alike))
            else:
                self._add_missing_finding(f"filesystem {line.uuid}")

    def _check_copied_tag(self) -> None:
        """Report a tag that several filesystems have.

        A snapshot also has the label, and the ids in the partition table, of its origin.
        """
        spec, facts = self.line.spec or "", self.facts
        tag, value = tag_of_spec(spec)
        if tag not in {"LABEL", "PARTUUID", "PARTLABEL"}:
            return
        own_uuid = f"replace {spec} with UUID=... (lsblk -f)"
        copied = facts.copied.get(facts.uuids.get(facts.links.get(spec, ""), ""))
        if copied:
            fix = (
                "detach the snapshot; or give it its own UUID (tune2fs -U, xfs_admin -U), and "
                f"{self._fix_by_hand(own_uuid)}"
            )
        else:
            copied = facts.copied.get(f"{tag}={value}")
            fix = self._fix_by_hand(own_uuid)
        if copied:
            self._add_finding(
                "uuid-twice", "fail",
                f"more than one filesystem is {spec} (on {', '.join(sorted(copied))}): which one "
                "is mounted is left to chance",
                fix,
            )  # fmt: skip

    def _add_case_finding(self, uuid: str, real: str) -> None:
        self._add_finding(
            "name-case", "fail" if self.line.at_boot else "warn",
            f"{uuid} is {real} on the disk, and case matters: nothing has this name",
            self._fix_by_hand(f"replace {uuid} with {real}"),
        )  # fmt: skip

    def _add_missing_finding(self, what: str) -> None:
        line = self.line
        if not self.line.at_boot and not line.is_ours:
            return
        if self.waits:
            severity: Severity = "fail"
            text = f"this host has no {what}, and the boot waits for it"
        else:
            severity, text = "warn", f"this host currently has no {what}"
        fix = self._fix_by_hand(f"correct {line.spec}, or delete the entry,")
        if line.is_ours:
            fix = (
                "iscsictl reconnect; if the disk is gone for good: "
                f"iscsictl fstab rm {shell_form(line.uuid)}"
            )
        self._add_finding("uuid-nowhere", severity, text, fix)


def _same_directory(fstab: Fstab) -> Iterator[Finding]:
    """Yield each line whose mount point an earlier line also has."""
    seen: dict[str, FstabLine] = {}
    for line in fstab.entries:
        if line.mount_point is None or line.is_claim:
            continue
        path = line.mount_point
        first = seen.setdefault(path, line)
        if first is not line:
            both = all(one.at_boot for one in (first, line))
            yield Finding(
                "same-directory", "fail" if both else "warn", line.number, path,
                f"line {first.number} also mounts on {path}",
                f"remove one of them: iscsictl fstab rm {shell_form(line.uuid or path)}"
                if line.is_ours
                else f"delete line {first.number} or {line.number} from /etc/fstab",
            )  # fmt: skip


def _check_volume(
    entry: CrypttabEntry, facts: StorageFacts, carriers: Carriers | None
) -> Iterator[Finding]:
    """Yield what is wrong with a volume of crypttab (crypttab(5)).

    On an iSCSI disk it needs two options: without _netdev it is ordered before cryptsetup.target,
    and so before the network; without nofail, that target requires it. That its device does not
    exist is reported wherever it should be.
    """
    if not entry.at_boot:
        return
    place = f"in line {entry.number} of /etc/crypttab"

    def finding(name: str, text: str, fix: str, severity: Severity = "fail") -> Finding:
        return Finding(name, severity, entry.number, entry.name, text, fix, "crypttab")

    right = _rightly_spelled(entry.device, facts.known)
    if right is not None:
        yield finding(
            "name-case",
            f"nothing has the name {entry.device}, because case matters",
            f"replace {entry.device} with {right} {place}",
        )
    elif carriers is None and entry.device in facts.absent - {one.mapper for one in facts.crypttab}:
        yield finding(
            "uuid-nowhere",
            f"this host has no device {entry.device}, and the boot waits for it"
            if not entry.nofail
            else f"this host currently has no device {entry.device}",
            f"correct {entry.device}, or delete the entry, {place}",
            "warn" if entry.nofail else "fail",
        )
    if carriers is None or _is_boot_storage(carriers, facts):
        return
    if "x-initrd.attach" not in entry.options:
        if "_netdev" not in entry.options:
            yield finding(
                "no-netdev",
                "without _netdev it is opened before the network is up, and the boot waits",
                f"add the option _netdev {place}",
            )
        if not entry.nofail:
            yield finding(
                "no-nofail",
                "without nofail the machine does not boot while the array is unreachable",
                f"add the option nofail {place}",
            )
    if DEVICE_LETTER.fullmatch(entry.device):
        yield finding(
            "device-name",
            f"{entry.device} may name another disk after the next boot",
            f"replace {entry.device} with UUID=... (blkid -s UUID -o value {entry.device}) {place}",
        )
    for target, has_record in _manual_targets(carriers, facts):
        if has_record:
            yield finding(
                "node-manual",
                f"{target} is not logged in at boot",
                f"iscsictl startup {shell_form(target)} automatic",
            )


def _rightly_spelled(spec: str, known: frozenset[str] | None) -> str | None:
    """Return how a tag has to be written, None if it is right or only its value is unknown."""
    tag = _TAG.match(spec)
    if tag is None:
        return None
    right = f"{tag[0].upper()}{spec.removeprefix(tag[0])}"
    uuid = uuid_of_spec(right)
    if uuid is not None and known is not None and uuid not in known:
        real = min((one for one in known if one.lower() == uuid.lower()), default=uuid)
        right = right.replace(uuid, real)
    return right if right != spec else None
