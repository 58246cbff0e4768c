"""A LUN with persistent reservations, as SPC-4 5.12 describes them, that answers SG_IO."""

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iscsictl.errors import InUseError, UnreachableError
from iscsictl.model.actions import DiskId
from iscsictl.system.block import disk_guards, multipath, probe, scsi_commands
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.block.scsi_commands import ScsiError

WWID = "naa.6001405000000001"
TARGET = "iqn.2024-01.com.example:mail"
REGISTRANTS_ONLY = {5, 6, 7, 8}
NOT_READY, COMMUNICATION_FAILURE = 2, 0x08
CONFLICT, CHECK_CONDITION, ILLEGAL_REQUEST = 0x18, 0x02, 5
INVALID_OPCODE, INVALID_FIELD = 0x20, 0x24


@dataclass(frozen=True)
class Nexus:
    """An initiator with the ISID of one session, at a target port."""

    initiator: str
    isid: str = "00023d000001"
    target_port: int = 1

    @property
    def transport_id(self) -> bytes:
        """TransportID of format 01b (SPC-4 7.6.4.6)."""
        text = f"{self.initiator},i,0x{self.isid}".encode()
        text += bytes(4 - len(text) % 4)
        return struct.pack(">BxH", 0x45, len(text)) + text


@dataclass
class ReservingLun:
    """The registrations of a LUN and its reservation; `paths` are the nexuses by device.

    `before` is called with each service action of PERSISTENT RESERVE OUT before it takes effect,
    so that another host can be faster. With `forgets_itself` a nexus that preempts its own key,
    which holds nothing, is removed too, as the kernel's target (LIO) does. It knows PERSISTENT
    RESERVE IN if `supported`, OUT if `changeable` too, and READ FULL STATUS if `full_status`.
    Without `stores` each registration takes effect and is answered with an error, as by LIO without
    the directory of its registrations. While it `refuses`, each change is a conflict. `in_use`: a
    filesystem is mounted from it. `dead` nexuses do not answer, nor does what they send arrive.
    Without `ignores` it does not know REGISTER AND IGNORE EXISTING KEY.
    """

    paths: dict[str, Nexus]
    keys: dict[Nexus, int] = field(default_factory=dict)
    holder: tuple[Nexus, int] | None = None
    supported: bool = True
    full_status: bool = True
    changeable: bool = True
    stores: bool = True
    refuses: bool = False
    in_use: bool = False
    ignores: bool = True
    dead: set[Nexus] = field(default_factory=set)
    forgets_itself: bool = True
    before: Callable[[int, Nexus], None] = lambda _action, _nexus: None
    types: int = 0xEA01

    def submit(self, fd: int, command: bytes, buffer: mmap.mmap, _direction: int, what: str) -> int:
        """Answer a command like `scsi_commands._submit_command`; `fd` is the number of a path."""
        nexus = list(self.paths.values())[fd]
        self._require_alive(nexus)
        if command[0] == 0x12:
            name = bytes.fromhex(WWID.removeprefix("naa."))
            page = struct.pack(">BBHBBxB", 0, 0x83, 4 + len(name), 1, 3, len(name)) + name
            return self._reply(buffer, page)
        if not self.supported:
            raise ScsiError(what, CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_OPCODE)
        if command[0] == 0x5E:
            return self._reply(buffer, self._in(command[1], what))
        assert command[0] == 0x5F
        if not self.changeable:
            raise ScsiError(what, CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_OPCODE)
        assert int.from_bytes(command[5:9], "big") == len(buffer) == 24
        key, action_key = struct.unpack(">QQ", buffer[:16])
        self.before(command[1], nexus)
        self._require_alive(nexus)
        if command[1] == 6 and not self.ignores:
            raise ScsiError(what, CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_FIELD)
        if self.refuses or not self.change(command[1], nexus, command[2] & 15, key, action_key):
            raise ScsiError(what, CONFLICT)
        if not self.stores and command[1] in {0, 6}:
            raise ScsiError(what, CHECK_CONDITION, NOT_READY, COMMUNICATION_FAILURE)
        return 0

    def _require_alive(self, nexus: Nexus) -> None:
        if nexus in self.dead:
            raise UnreachableError("the path to the disk is down")

    @staticmethod
    def _reply(buffer: mmap.mmap, answer: bytes) -> int:
        sent = answer[: len(buffer)]
        buffer[: len(sent)] = sent
        return len(buffer) - len(sent)

    def _in(self, service_action: int, what: str) -> bytes:
        if service_action == 0:
            body = struct.pack(f">{len(self.keys)}Q", *self.keys.values())
        elif service_action == 1:
            body = b""
            if self.holder is not None:
                nexus, kind = self.holder
                key = 0 if kind in {7, 8} else self.keys[nexus]
                body = struct.pack(">Q4xxBxx", key, kind)
        elif service_action == 2:
            return struct.pack(">HBBHxx", 8, 1, 0x80, self.types)
        elif not self.full_status:
            raise ScsiError(what, CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_FIELD)
        else:
            body = b""
            for nexus, key in self.keys.items():
                holds = self.holder is not None and self.holder[0] == nexus
                port = nexus.transport_id
                at = nexus.target_port
                body += struct.pack(">Q4xBB4xHI", key, holds, 0, at, len(port)) + port
        return struct.pack(">II", 1, len(body)) + body

    def change(self, action: int, nexus: Nexus, kind: int, key: int, action_key: int) -> bool:
        """Change what is registered or reserved; False is RESERVATION CONFLICT."""
        if action == 6 or (action == 0 and self.keys.get(nexus, 0) == key):
            self._register(nexus, action_key)
            return True
        if self.keys.get(nexus) != key or key == 0:
            return False
        if action == 1:
            if self.holder not in {None, (nexus, kind)}:
                return False
            self.holder = (nexus, kind)
            return True
        if action == 2:
            if self.holder == (nexus, kind):
                self.holder = None
            return True
        assert action == 4, "no other action is used"
        return self._preempt(nexus, kind, action_key)

    def _register(self, nexus: Nexus, key: int) -> None:
        if key:
            self.keys[nexus] = key
            return
        self.keys.pop(nexus, None)
        if self.holder is not None and self.holder[0] == nexus:
            self.holder = self._next_holder(self.holder[1])

    def _next_holder(self, kind: int) -> tuple[Nexus, int] | None:
        """Who holds it after a holder: all registrants do together (SPC-4 5.12.11.2.4)."""
        return (next(iter(self.keys)), kind) if kind in {7, 8} and self.keys else None

    def _preempt(self, nexus: Nexus, kind: int, action_key: int) -> bool:
        shared = self.holder is not None and self.holder[1] in {7, 8}
        holding = self.holder is not None and self.keys[self.holder[0]] == action_key and not shared
        victims = [one for one, key in self.keys.items() if key == action_key]
        if not victims:
            return False
        for one in victims:
            if one != nexus or (self.forgets_itself and not holding):
                del self.keys[one]
        if holding:
            self.holder = (nexus, kind)
        if shared and self.holder is not None and self.holder[0] not in self.keys:
            self.holder = self._next_holder(self.holder[1])
        return True

    def may_write(self, nexus: Nexus) -> bool:
        """Tell whether the reservation lets a nexus write (SPC-4 table 63)."""
        if self.holder is None or self.holder[0] == nexus:
            return True
        return self.holder[1] in REGISTRANTS_ONLY and nexus in self.keys

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> DiskId:
        """Have this process see the LUN; several paths are a multipath map."""
        devices = list(self.paths)

        @contextmanager
        def opened(device: str, *, exclusive: bool) -> Iterator[int]:
            if exclusive and self.in_use:
                raise InUseError(f"{device} is in use")
            yield list(self.paths).index(device)

        several = len(devices) > 1
        monkeypatch.setattr(scsi_commands, "_submit_command", self.submit)
        monkeypatch.setattr(probe, "opened", opened)
        monkeypatch.setattr(multipath, "paths_of", lambda *_: tuple(self.paths) if several else ())
        monkeypatch.setattr(multipath, "ends", lambda *_: (devices[0],))
        monkeypatch.setattr(disk_guards, "require_same_paths", lambda *_, **_more: None)
        return DiskId(TARGET, 0, WWID, "/dev/mapper/mpatha" if several else devices[0])


def make_host(root: Path, name: str, machine_id: str) -> Path:
    """Make the files of a host that are asked for its reservation key and its initiator names."""
    (root / "etc/iscsi").mkdir(parents=True)
    (root / "etc/machine-id").write_text(f"{machine_id}\n", encoding="ascii")
    (root / "etc/iscsi/initiatorname.iscsi").write_text(f"InitiatorName={name}\n", encoding="ascii")
    return root


#: The machine-ids and initiator names of this host and of another one, and sessions of both.
ID, OTHER_ID = "6c6162000000000000000000000000aa", "6c6162000000000000000000000000bb"
MINE, THEIRS = "iqn.2024-01.com.example:mine", "iqn.2024-01.com.example:theirs"
A, B = Nexus(MINE, "00023d000001"), Nexus(MINE, "00023d000002")
EARLIER, FOREIGN = Nexus(MINE, "00023d000009"), Nexus(THEIRS)


def own_key(root: Path) -> int:
    """Return the key of the host with these files."""
    key = read_own_key(root)
    assert key is not None
    return key
