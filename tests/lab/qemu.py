"""QEMU processes: which accelerator works here, a guest's command line, its life."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.image import Image, LabUnavailableError, cache_directory
from tests.lab.rundir import HOSTS, NETS, ROLES, Role, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

BINARY = "qemu-system-x86_64"
MEMORY = "1024"
#: A plain processor: `max` emulates what a boot then uses, and takes a third longer.  One of
#: them: with two a pair is no quicker, and two pairs side by side on two cores are slow.
TCG = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem,+rdrand", "-smp", "1")
KVM = ("-accel", "kvm", "-cpu", "host", "-smp", "2")
#: Services of the other role stay off, by the kernel's command line: no file says so.
MASKED: dict[Role, tuple[str, ...]] = {
    "array": ("open-iscsi.service", "iscsid.service", "iscsid.socket"),
    **dict.fromkeys(HOSTS, ("rtslib-fb-targetctl.service", "target.service")),
}
#: The last byte of a guest's hardware and IP addresses.
NUMBERS: dict[Role, int] = {"array": 5, "host": 9, "second": 10, "third": 11, "fourth": 12}


@dataclass(frozen=True)
class Accelerator:
    """How guests run on this machine: `kvm` or `tcg`, and QEMU's version."""

    name: str
    version: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The part of the command line that chooses it."""
        return KVM if self.name == "kvm" else TCG


@cache
def accelerator() -> Accelerator:
    """What works here; found out by a boot, and remembered in the cache."""
    if shutil.which(BINARY) is None:
        raise LabUnavailableError(f"there is no {BINARY} on this machine")
    shown = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
    return Accelerator("tcg", shown.stdout.split("\n", 1)[0])


def with_kvm_if_it_works(image: Image) -> Accelerator:
    """KVM where the image's kernel really comes up under it, else TCG."""
    plain = accelerator()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return plain
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = f"{plain.version} {platform.release()} {boot}"
    memory = cache_directory() / "accelerator.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("key") != key:
        known = {"key": key, "name": "kvm" if boots_under_kvm(image) else "tcg"}
        aside = memory.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(known))
        aside.replace(memory)
    return Accelerator(known["name"], plain.version)


def boots_under_kvm(image: Image, seconds: float = 8) -> bool:
    """Whether a kernel starts its first process under KVM within some seconds."""
    command = [
        BINARY, *KVM, "-m", "512", "-nodefaults", "-no-user-config", "-display", "none",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd), "-no-reboot",
        "-append", "console=ttyS0 panic=-1 root=none", "-serial", "stdio",
    ]  # fmt: skip
    with subprocess.Popen(
        tied(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        stdout = process.stdout
        if stdout is None:
            return False
        os.set_blocking(stdout.fileno(), False)
        deadline = time.monotonic() + seconds
        seen = b""
        while time.monotonic() < deadline and process.poll() is None:
            seen += stdout.read() or b""
            if b"Run /init as init process" in seen:
                break
            time.sleep(0.05)
        process.kill()
    return b"Run /init as init process" in seen


def tied(command: Sequence[str]) -> list[str]:
    """A command that the kernel kills when the thread that started it ends."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


@dataclass(frozen=True)
class NetBoot:
    """What a guest without a disk of its own boots; `parameters` are `root=`, `ip=` and the like.

    The files are on this machine.
    """

    kernel: Path
    initrd: Path
    parameters: str


def kernel_line(role: Role, root: str = "root=/dev/vda") -> str:
    """The kernel's command line of a role; `root` is what leads to its root filesystem."""
    machine_id = hashlib.sha256(f"iscsictl lab {role}".encode()).hexdigest()[:32]
    words = [
        f"console=ttyS0 {root} rw quiet net.ifnames=0 mitigations=off nowatchdog",
        "random.trust_cpu=on systemd.show_status=auto audit=0 cryptomgr.notests init_on_alloc=0",
        f"lab.role={role} systemd.hostname={role} systemd.machine_id={machine_id}",
        *(f"systemd.mask={unit}" for unit in MASKED[role]),
    ]
    if role == "array":
        words.append("modules_load=target_core_file,iscsi_target_mod")
    return " ".join(words)


def command_line(
    role: Role, image: Image, how: Accelerator, run: RunDirectory, extra: Sequence[str] = (),
    *, hosts: Sequence[Role] = HOSTS[:1], netboot: NetBoot | None = None,
) -> list[str]:  # fmt: skip
    """QEMU's command line for one guest; it starts stopped.

    `hosts` are those that the array has cables to: with more than one it has hubs. With `netboot`
    the guest has no disk, and boots that.
    """
    number = NUMBERS[role]
    boot = netboot or NetBoot(image.kernel, image.initrd, "root=/dev/vda")
    disk = [
        "-drive", f"file={run.disk(role)},if=none,id=root,format=qcow2,cache=unsafe",
        "-device", "virtio-blk-pci,drive=root",
    ]  # fmt: skip
    console = f"server=on,wait=off,logfile={run.console_log(role)},logappend=on"
    command = [
        BINARY, "-name", role, "-machine", "pc", *how.arguments, "-m", MEMORY,
        "-nodefaults", "-no-user-config", "-display", "none", "-no-shutdown", "-S",
        "-rtc", "base=utc", "-action", "panic=none",
        "-kernel", str(boot.kernel), "-initrd", str(boot.initrd),
        "-append", kernel_line(role, boot.parameters),
        *(disk if netboot is None else ()),
        "-device", "virtio-rng-pci",
        "-chardev", f"socket,id=qmp,path={run.socket(role, 'qmp')},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=console,path={run.socket(role, 'console')},{console}",
        "-serial", "chardev:console",
        "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=agent,path={run.socket(role, 'agent')},server=on,wait=off",
        "-device", "virtserialport,chardev=agent,name=org.iscsictl.agent",
    ]  # fmt: skip
    for index, net in enumerate(NETS):
        mac = f"52:54:00:00:{index:02x}:{number:02x}"
        if role != "array":
            command += ["-netdev", _stream(f"net{net}", "off", run.net(net, role))]
        elif len(hosts) == 1:
            command += ["-netdev", _stream(f"net{net}", "on", run.net(net, hosts[0]))]
        else:
            # A stream has two ends: each host gets one, and a hub joins them with the card.
            for host in hosts:
                command += ["-netdev", _stream(f"{host}{net}", "on", run.net(net, host))]
                port = f"hubport,id={host}{net}port,hubid={index},netdev={host}{net}"
                command += ["-netdev", port]
            command += ["-netdev", f"hubport,id=net{net},hubid={index}"]
        command += ["-device", f"virtio-net-pci,netdev=net{net},id=nic{net},mac={mac},romfile="]
    return [*command, *extra]


def _stream(name: str, server: str, path: Path) -> str:
    return f"stream,id={name},server={server},addr.type=unix,addr.path={path}"


def snapshot_key(image: Image, how: Accelerator, extra: dict[Role, Sequence[str]]) -> str:
    """What a saved state depends on, beyond the image: QEMU, processor, devices."""
    run = RunDirectory(Path("/run"))
    lines = [command_line(role, image, how, run, extra.get(role, ())) for role in ROLES]
    processor = ""
    if how.name == "kvm":
        text = Path("/proc/cpuinfo").read_text()
        processor = text.split("model name", 1)[-1].split("\n", 1)[0]
    return hashlib.sha256(repr((lines, how, processor)).encode()).hexdigest()[:12]


class Process:
    """A QEMU process that ends with the thread that started it, whatever way that ends.

    `sockets` are those it will make: leftovers of an earlier process go first.
    """

    def __init__(self, command: Sequence[str], log: Path, sockets: Sequence[Path]) -> None:
        for path in sockets:
            path.unlink(missing_ok=True)
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                tied(command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_for(self, path: Path, timeout: float = 20) -> None:
        """Wait until a socket of it exists; an early end is told with what it said."""
        deadline = time.monotonic() + timeout
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"QEMU did not start: {self.log.read_text().strip()}")
            time.sleep(0.01)

    def wait(self, seconds: float) -> None:
        """Wait for its end, but not for ever."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def kill(self) -> None:
        """End it at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
