"""The array: disks, targets, and what can go wrong with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.lab import lio
from tests.lab.agent import CHUNK, AgentError, pack, unpack
from tests.lab.guest import BOOT_TIMEOUT, Guest
from tests.lab.lio import Access, Changes, Credentials, Disk, Step, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.lab.rundir import Net

#: The array's addresses: networks A and B, IPv4 and IPv6.
A4, B4, A6, B6 = "192.0.2.5", "198.51.100.5", "2001:db8:a::5", "2001:db8:b::5"
ADDRESSES = (A4, B4, A6, B6)
DEVICE: dict[Net, str] = {"A": "eth0", "B": "eth1"}


@dataclass(frozen=True)
class ArrayState:
    """All that the array is told to export; goes with snapshots."""

    disks: dict[str, Disk] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    discovery: tuple[Credentials | None, Credentials | None] = (None, None)


class Array(Guest):
    """The guest that exports LUNs with LIO."""

    state = ArrayState()

    # -- disks ---------------------------------------------------------------------------

    def disk(
        self,
        name: str = "disk0",
        size: int | str = "1G",
        *,
        block_size: int = 512,
        serial: str | None = None,
    ) -> Disk:
        """Make a blank disk (a sparse file); the size is bytes or text such as `1G`, `3T`.

        Two disks with one `serial` have one WWID.
        """
        disk = Disk(name, lio.size_of(size), block_size, serial or lio.serial_of(name))
        self.disks([disk])
        return disk

    def disks(self, disks: Iterable[Disk]) -> None:
        """Make many disks in one request."""
        made = list(disks)
        steps: list[Step] = [("mkdir", path) for path in (lio.STORE, *lio.RESERVATIONS)]
        for disk in made:
            steps += [("size", disk.path, str(disk.size)), *lio.disk_steps(disk)]
        self._apply(steps)
        known = self.state.disks | {disk.name: disk for disk in made}
        self.state = replace(self.state, disks=known)

    def grow(self, disk: Disk, size: int | str) -> Disk:
        """Make a disk larger; initiators see it when they rescan."""
        grown = replace(disk, size=lio.size_of(size))
        self._apply(lio.grow_steps(grown))
        self._replace_disk(grown)
        return grown

    def remove_disk(self, disk: Disk) -> None:
        """Remove a disk that no LUN maps, its content with it."""
        self._apply([*lio.disk_removal(disk), ("unlink", disk.path)])
        left = {name: one for name, one in self.state.disks.items() if name != disk.name}
        self.state = replace(self.state, disks=left)

    def read(self, disk: Disk, offset: int, size: int) -> bytes:
        """Bytes of a disk, as the array has them."""
        found = bytearray()
        while len(found) < size:
            answer = self.agent.request(
                "get", path=disk.path, offset=offset + len(found), size=size - len(found)
            )
            piece = unpack(answer["data"])
            if not piece:
                break
            found += piece
        return bytes(found)

    def write(self, disk: Disk, offset: int, data: bytes) -> None:
        """Put bytes on a disk behind the initiators' backs, durably."""
        for start in range(0, len(data), CHUNK):
            piece = pack(data[start : start + CHUNK])
            self.agent.request(
                "put", path=disk.path, offset=offset + start, data=piece, truncate=False, sync=True
            )

    def extents(self, disk: Disk) -> list[tuple[int, int]]:
        """Where the disk was ever written: offset and length in bytes, in order."""
        answer = self.agent.request("extents", path=disk.path, patience=60)
        return [(start, length) for start, length in answer["extents"]]

    def sha256(self, disk: Disk) -> str:
        """SHA-256 of the whole disk, as `sha256sum` of the device would give it.

        Only what was written leaves the guest; holes are hashed here, at 1 s a GiB or so:
        for disks above some GiB use `digest`.
        """
        total = hashlib.sha256()
        zeros = bytes(CHUNK)
        end = 0
        for start, data in [*self._data(disk), (disk.size, b"")]:
            while end < start:
                step = min(CHUNK, start - end)
                total.update(zeros[:step])
                end += step
            total.update(data)
            end += len(data)
        return total.hexdigest()

    def digest(self, disk: Disk) -> str:
        """A hash of the content that costs nothing for holes; zeros count as holes.

        Two digests are equal if and only if size and content are.
        """
        total = hashlib.sha256(str(disk.size).encode())
        for start, data in self._data(disk):
            for inner in range(0, len(data), 4096):
                block = data[inner : inner + 4096]
                if block.strip(b"\0"):
                    total.update(f"@{start + inner}".encode() + block)
        return total.hexdigest()

    def _data(self, disk: Disk) -> Iterator[tuple[int, bytes]]:
        for start, length in self.extents(disk):
            for offset in range(start, start + length, CHUNK):
                yield offset, self.read(disk, offset, min(CHUNK, start + length - offset))

    # -- targets -------------------------------------------------------------------------

    def target(
        self,
        iqn: str,
        luns: Sequence[Disk] | Mapping[int, Disk] = (),
        *,
        portals: Sequence[str] = (A4,),
        tpgt: int = 1,
        chap: Credentials | None = None,
        mutual: Credentials | None = None,
        initiators: Sequence[str] = (),
        read_only: Iterable[int] = (),
        access: Sequence[Access] = (),
        changes: Changes = Changes.IMPLICIT,
    ) -> Target:
        """Export disks as LUNs (a sequence counts from 0); see `lio.Target`.

        Portals are addresses, with `:port` if it is not 3260.  In demo mode `read_only`
        protects all LUNs or none.  `access` has what each portal begins with, in order.
        """
        mapped = dict(luns) if hasattr(luns, "keys") else dict(enumerate(luns))
        protected = frozenset(read_only)
        if protected and not initiators and protected != set(mapped):
            raise ValueError("some LUNs read-only and some not: name the initiators")
        target = Target(
            iqn, tuple(portals), mapped, tpgt, chap, mutual, tuple(initiators), protected,
            access=dict(zip(portals, access, strict=True)) if access else {}, changes=changes,
        )  # fmt: skip
        self.targets([target])
        return target

    def targets(self, targets: Iterable[Target]) -> None:
        """Make many targets in one request."""
        made = list(targets)
        self._apply(step for target in made for step in lio.target_steps(target))
        for target in made:
            self._replace_target(target)

    def stop_target(self, iqn: str) -> None:
        """Disable the portal group: sessions end, logins are refused, the port still answers."""
        target = replace(self.state.targets[iqn], enabled=False)
        self._apply(lio.enable_steps(target))
        self._replace_target(target)

    def start_target(self, iqn: str) -> None:
        """Enable the portal group again."""
        target = replace(self.state.targets[iqn], enabled=True)
        self._apply(lio.enable_steps(target))
        self._replace_target(target)

    def remove_target(self, iqn: str) -> None:
        """Remove a target; its disks stay.  A portal that no other target has is closed."""
        self._apply(lio.target_removal(self.state.targets[iqn]))
        left = {name: one for name, one in self.state.targets.items() if name != iqn}
        self.state = replace(self.state, targets=left)

    def map(self, iqn: str, number: int, disk: Disk) -> None:
        """Add a LUN to a target that is up."""
        old = self.state.targets[iqn]
        target = replace(old, luns=old.luns | {number: disk})
        self._apply(lio.map_steps(target, number, disk))
        self._replace_target(target)

    def unmap(self, iqn: str, number: int) -> None:
        """Take a LUN away from a target that is up."""
        old = self.state.targets[iqn]
        self._apply(lio.unmap_steps(old, number))
        luns = {one: disk for one, disk in old.luns.items() if one != number}
        self._replace_target(replace(old, luns=luns))

    def set_access(self, iqn: str, *access: Access) -> None:
        """Change what each portal lets be done with the LUNs, in the order of the portals."""
        old = self.state.targets[iqn]
        target = replace(old, access=dict(zip(old.portals, access, strict=True)))
        self._apply(lio.access_steps(target))
        self._replace_target(target)

    def swap(self, iqn: str, number: int, disk: Disk) -> None:
        """Put another disk behind a LUN number."""
        self.unmap(iqn, number)
        self.map(iqn, number, disk)

    def discovery_auth(self, chap: Credentials | None, mutual: Credentials | None = None) -> None:
        """Ask for CHAP in discovery, or no more."""
        self._apply(lio.discovery_steps(chap, mutual))
        self.state = replace(self.state, discovery=(chap, mutual))

    # -- power ---------------------------------------------------------------------------

    def boot(self, *, wait: bool = True, timeout: float = BOOT_TIMEOUT) -> float:
        """Switch it on; with `wait` it exports again what it did, else call `reapply`."""
        seconds = super().boot(wait=wait, timeout=timeout)
        if wait:
            self.reapply()
        return seconds

    def reboot(self, *, wait: bool = True, timeout: float = BOOT_TIMEOUT) -> float:
        """A clean reboot; see `boot`."""
        seconds = super().reboot(wait=wait, timeout=timeout)
        if wait:
            self.reapply()
        return seconds

    def reapply(self) -> None:
        """Export, on a fresh boot, all that the array is known to export."""
        steps = [step for disk in self.state.disks.values() for step in lio.disk_steps(disk)]
        for target in self.state.targets.values():
            steps += lio.target_steps(target)
        if self.state.discovery != (None, None):
            steps += lio.discovery_steps(*self.state.discovery)
        self._apply(steps)

    # -- the network in between ----------------------------------------------------------

    def block(self, address: str, *, port: int = 3260, reject: bool = False) -> None:
        """Make a portal silent (packets dropped), or refuse connections with `reject`."""
        family = "ip6" if ":" in address else "ip"
        verdict = "reject with tcp reset" if reject else "drop"
        rules = (
            "add table inet lab\n"
            "add chain inet lab input { type filter hook input priority 0 ; }\n"
            f"add rule inet lab input {family} daddr {address} tcp dport {port} {verdict}\n"
        )
        self.run(["nft", "-f", "-"], stdin=rules, check=True)

    def unblock(self) -> None:
        """Let all portals answer again."""
        self.run("nft delete table inet lab 2>/dev/null || true", check=True)

    def netem(self, net: Net, how: str | None) -> None:
        """Disturb what the array sends on a net, in tc-netem's words; None ends it."""
        if how is None:
            self.run(f"tc qdisc del dev {DEVICE[net]} root 2>/dev/null || true")
        else:
            self.run(f"tc qdisc replace dev {DEVICE[net]} root netem {how}", check=True)

    # -- within --------------------------------------------------------------------------

    def _apply(self, steps: Iterable[Step]) -> None:
        answer = self.agent.request("batch", patience=120, steps=list(steps))
        if answer["failed"] is not None:
            raise AgentError(f"the array: {answer['why']}")

    def _replace_target(self, target: Target) -> None:
        self.state = replace(self.state, targets=self.state.targets | {target.iqn: target})

    def _replace_disk(self, disk: Disk) -> None:
        targets = {
            iqn: replace(
                target,
                luns={
                    number: disk if one.name == disk.name else one
                    for number, one in target.luns.items()
                },
            )
            for iqn, target in self.state.targets.items()
        }
        disks = self.state.disks | {disk.name: disk}
        self.state = replace(self.state, disks=disks, targets=targets)
