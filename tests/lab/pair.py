"""The pair: an array and a host, or several hosts; their cables, their snapshots, their end."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.lab import image as images
from tests.lab.array import ADDRESSES, Array, ArrayState
from tests.lab.guest import Guest
from tests.lab.install import install, install_package
from tests.lab.qemu import (
    NUMBERS,
    Accelerator,
    NetBoot,
    Process,
    accelerator,
    command_line,
    snapshot_key,
    with_kvm_if_it_works,
)
from tests.lab.rundir import HOSTS, NETS, ROLES, Net, Role, RunDirectory, new_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

Extra = dict[Role, "Sequence[str]"]


class Lab:
    """Two running guests, or up to five.  Use it with `with`, or call `close`.

    Each restore is a new pair of QEMU processes: in one process the TSC never goes back,
    so a state loaded into an old process would see its time jump ahead, and every timer
    with it.  It also leaves no frame of the old world on the cables.
    """

    def __init__(
        self, image: images.Image, how: Accelerator, run: RunDirectory, extra: Extra
    ) -> None:
        self.image = image
        self.suite = image.suite
        self.how = how
        self.run_directory = run
        self.extra = extra
        self.snapshots: dict[str, ArrayState] = {}
        self.array = Array("array", run)
        self.host, *self.clones = (Guest(role, run) for role in HOSTS)
        self.second = self.clones[0]
        self.guests: dict[Role, Guest] = {}
        # QEMU ends with the thread that started it: this one lives as long as the pair.
        self._starter = ThreadPoolExecutor(1)
        atexit.register(self.close)
        try:
            self._launch()
        except BaseException:
            self.close()
            raise

    @property
    def hosts(self) -> list[Guest]:
        """The hosts that are there now: one, unless `restore_with_hosts` brought clones."""
        return [guest for guest in self.guests.values() if guest is not self.array]

    def _launch(self, clones: Sequence[Guest] = ()) -> None:
        """Start all processes, stopped; the array listens on the cables, so it comes first."""
        run = self.run_directory
        self.guests.clear()
        hosts = [self.host.role, *(guest.role for guest in clones)]
        for guest in (self.array, self.host, *clones):
            role = guest.role
            extra = self.extra.get("host" if guest in clones else role, ())
            command = command_line(role, self.image, self.how, run, extra, hosts=hosts)
            listens_to = hosts if role == "array" else ()
            cables = [run.net(net, host) for net in NETS for host in listens_to]
            self._start(guest, command, cables)

    def _start(self, guest: Guest, command: Sequence[str], cables: Sequence[Path] = ()) -> None:
        """Start a guest's process, stopped; `cables` are the sockets that it listens on."""
        run, role = self.run_directory, guest.role
        sockets = [*(run.socket(role, what) for what in ("qmp", "agent", "console")), *cables]
        log = run.path / f"{role}.err"
        process = self._starter.submit(Process, command, log, sockets).result()
        self.guests[role] = guest
        guest.process = process
        for path in sockets:
            process.wait_for(path)
        guest.attach(process)

    @classmethod
    def start(cls, suite: str = "bookworm", *, extra: Mapping[Role, Sequence[str]] | None = None,
              cached: bool = True) -> Lab:  # fmt: skip
        """A booted pair of a suite, its clocks right; `extra` goes on QEMU's command lines.

        The first time, an image is built and booted (minutes); later a saved state is
        loaded (seconds).  With `cached` False the pair boots anew.
        """
        end_on_sigterm()
        accelerator()  # no QEMU: then no image need be built either
        image = images.image(suite)
        how = with_kvm_if_it_works(image)
        lines: Extra = dict(extra or {})
        saved = image.directory / f"booted-{snapshot_key(image, how, lines)}"
        if cached and not saved.is_dir():
            # The lock is also held while an image of another recipe is built, for minutes.
            with images.locked(images.cache_directory() / f"{suite}.lock"):
                if not saved.is_dir():
                    save_booted(image, how, lines, saved)
        run = new_run()
        try:
            for role in ROLES:
                if cached:
                    copy(saved / f"{role}.qcow2", run.disk(role))
                else:
                    make_overlay(image, run.disk(role))
            lab = cls(image, how, run, lines)
        except BaseException:
            run.remove()
            raise
        try:
            if cached:
                lab.snapshots["booted"] = ArrayState()
                lab._load("booted")
            else:
                lab.boot()
                lab.snapshot("booted")
        except BaseException:
            lab.close()
            raise
        return lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all guests and remove all that the pair had on this machine."""
        atexit.unregister(self.close)
        for guest in self.guests.values():
            guest.close()
        self.guests.clear()
        self._starter.shutdown()
        self.run_directory.remove()

    # -- all guests ----------------------------------------------------------------------

    def boot(self) -> None:
        """Switch all on, side by side, and wait for them."""
        self._each(lambda guest: guest.boot())

    def snapshot(self, name: str, *, sync: bool = True) -> None:
        """Save the state of all guests under a name, over an older one of that name.

        Without `sync` what was not written to their disks stays in their memory alone, for a
        power cut to come.
        """
        if sync:
            self._each(lambda guest: guest.run(["sync"]))
        self._each(lambda guest: guest.qmp.command("stop"))
        self._each(lambda guest: guest.qmp.human(f"savevm {name}"))
        self._each(lambda guest: guest.qmp.command("cont"))
        self.snapshots[name] = self.array.state
        self._each(Guest.set_clock)

    def restore(self, name: str) -> None:
        """The pair as it was when `name` was saved: power, cables and LUNs as well."""
        state = self.snapshots[name]
        self._each(lambda guest: guest.close(gently=True))
        self._launch()
        self._load(name)
        self.array.state = state

    def restore_with_second_host(self, name: str) -> None:
        """Like `restore_with_hosts` with two: the second one is `self.second`."""
        self.restore_with_hosts(name, 2)

    def restore_with_hosts(self, name: str, number: int) -> None:
        """Like `restore`, and with more hosts on both networks, up to four: see `self.hosts`.

        They are clones of the first one in the state of the snapshot, each with addresses, an
        initiator name, a machine-id and random numbers of its own. They are gone with the next
        `restore`; they must not be rebooted, nor a snapshot be taken while they are there.
        """
        state = self.snapshots[name]
        clones = self.clones[: number - 1]
        self._each(lambda guest: guest.close(gently=True))
        for clone in clones:
            copy(self.run_directory.disk("host"), self.run_directory.disk(clone.role))
        self._launch(clones)
        self._each(lambda guest: guest.qmp.human(f"loadvm {name}"))
        # All hosts have one hardware address until each clone has its own.
        for guest in (*clones, self.array, self.host):
            guest.qmp.command("cont")
            guest.set_clock()
            if guest in clones:
                make_another_host(guest)
        self.array.state = state

    def take_disk_from_host(self, kernel: bytes, initrd: bytes, parameters: str) -> None:
        """Start the host's machine anew without its disk, switched off: `host.boot` boots it.

        It boots this kernel and initrd with these parameters (`root=`, `ip=` and the like) until
        the next `restore`; no snapshot must be taken of it.
        """
        run = self.run_directory
        boot = NetBoot(run.path / "vmlinuz", run.path / "initrd.img", parameters)
        boot.kernel.write_bytes(kernel)
        boot.initrd.write_bytes(initrd)
        self.host.close(gently=True)
        extra = self.extra.get("host", ())
        command = command_line("host", self.image, self.how, run, extra, netboot=boot)
        self._start(self.host, command)

    def _load(self, name: str) -> None:
        self._each(lambda guest: guest.qmp.human(f"loadvm {name}"))
        self._each(lambda guest: guest.qmp.command("cont"))
        self._each(Guest.set_clock)

    def forget(self, name: str) -> None:
        """Delete a snapshot."""
        del self.snapshots[name]
        self._each(lambda guest: guest.qmp.human(f"delvm {name}"))

    def cut(self, net: Net, *, at: Role = "array") -> None:
        """Pull a cable: out of the array's card (the host only hears silence), or the host's."""
        self.guests[at].set_link(net, up=False)
        if at != "array":
            self._set_hub_port(at, net, up=False)

    def restore_cables(self, net: Net | None = None) -> None:
        """Plug a network's cable in again at both ends; all of them without a name."""
        for guest in self.guests.values():
            for one in NETS if net is None else (net,):
                guest.set_link(one, up=True)
                if guest is not self.array:
                    self._set_hub_port(guest.role, one, up=True)

    def _set_hub_port(self, host: Role, net: Net, *, up: bool) -> None:
        """Join a host to the array's hub, or part it: nothing where there is only one host.

        A guest that is stopped takes no frames although its own link is down. The hub has all
        frames for every host, so those of others would soon fill the cable and stand still.
        """
        if len(self.hosts) > 1:
            self.array.qmp.command("set_link", name=f"{host}{net}", up=up)

    def install_project(self, package: Path | None = None) -> None:
        """The project onto the host, by pip or as a Debian package; then saved as `installed`."""
        if package is None:
            install(self.host)
        else:
            install_package(self.host, package)
            # Tests name the program where pip puts it.
            self.host.run("ln -s /usr/bin/iscsictl /usr/local/bin/", check=True)
        self.snapshot("installed")

    def consoles(self, lines: int = 60) -> str:
        """The tails of all consoles, for a failure's report."""
        parts = []
        for role, guest in self.guests.items():
            tail = guest.console_log().splitlines()[-lines:]
            parts.append("\n".join([f"--- console of {role} ---", *tail]))
        return "\n".join(parts)

    def _each(self, work: Callable[[Guest], object]) -> None:
        """Do a thing to all guests at once; the first error is raised after all ended."""
        with ThreadPoolExecutor(len(self.guests)) as pool:
            for future in [pool.submit(work, guest) for guest in self.guests.values()]:
                future.result()


def make_another_host(guest: Guest) -> None:
    """Give a clone all that tells two hosts apart."""
    number, name = NUMBERS[guest.role], guest.role
    machine_id = hashlib.sha256(f"iscsictl lab {name}".encode()).hexdigest()[:32]
    guest.run(
        "umount /etc/machine-id 2>/dev/null; "
        f"echo {machine_id} > /etc/machine-id && hostname {name} && "
        f"echo InitiatorName=iqn.2001-04.com.example:{name} > /etc/iscsi/initiatorname.iscsi && "
        "for n in 0 1; do ip link set eth$n down && "
        f"ip link set eth$n address 52:54:00:00:0$n:{number:02x} && ip address flush dev eth$n && "
        "ip link set eth$n up || exit; done && "
        f"ip address add 192.0.2.{number}/24 dev eth0 && "
        f"ip address add 198.51.100.{number}/24 dev eth1",
        check=True,
    )
    # RNDRESEEDCRNG (random(4)): until then it draws the same numbers as the one that it is from.
    script = (
        f"import fcntl; f = open('/dev/urandom', 'wb', 0); f.write(b'{name}'); "
        "fcntl.ioctl(f, 0x5207)"
    )
    guest.run(["python3", "-c", script], check=True)


def save_booted(image: images.Image, how: Accelerator, extra: Extra, saved: Path) -> None:
    """Boot a fresh pair once and keep its state in the cache."""
    run = new_run()
    aside = Path(tempfile.mkdtemp(prefix="booted-", suffix=".tmp", dir=image.directory))
    try:
        for role in ROLES:
            make_overlay(image, run.disk(role))
        with Lab(image, how, run, extra) as lab:
            lab.boot()
            for address in ADDRESSES:
                lab.host.run(["ping", "-c", "1", "-W", "60", address], check=True, timeout=90)
            lab.snapshot("booted")
            for guest in lab.guests.values():
                guest.close(gently=True)
                shutil.copy2(run.disk(guest.role), aside)
        aside.rename(saved)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        run.remove()


def make_overlay(image: images.Image, disk: Path) -> None:
    """An empty qcow2 file over the image's root disk."""
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.root), str(disk)],
        check=True,
        capture_output=True,
    )


def copy(source: Path, target: Path) -> None:
    """Copy a disk, holes and all."""
    subprocess.run(["cp", "--reflink=auto", "--sparse=auto", str(source), str(target)], check=True)


def end_on_sigterm() -> None:
    """Make SIGTERM an exit like any other, so that `with` and `finally` get their turn."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
