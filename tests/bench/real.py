"""The real iscsiadm on a made tree, for the sake of its time: `Iscsiadm.find()`.

It runs in a mount and a network namespace of its own, where /sys is the made tree and where no
kernel module and no iscsid of this machine can be reached. In iscsid's place answers a socket that
says at once that all is well.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGES = ("open-iscsi", "libopeniscsiusr", "libisns0")
ANSWER = 2464  # bytes of iscsid's answer, as iscsiadm of 2.1 awaits it
SOCKET = "\0ISCSIADM_ABSTRACT_NAMESPACE"

# As root in the new namespaces: TREE ETC LIBRARIES COMMAND...
INSIDE = """
set -e
tree=$1 etc=$2 libraries=$3
shift 3
mount --make-rprivate /
mount --bind "$tree/sys" /sys
mount --bind "$tree/run" /run
mount -t tmpfs none /lib/modules 2>/dev/null || true
mount -t overlay -o "lowerdir=$etc:/etc" overlay /etc
[ -z "$libraries" ] || export LD_LIBRARY_PATH="$libraries"
exec "$@"
"""

# Times each command of a JSON list in turn, so many rounds, with the socket beside.
_TIMER = """
import json, os, resource, signal, socket, subprocess, sys

def used():
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime

name, times, commands = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
door = socket.socket(socket.AF_UNIX)
door.bind(name.replace("@", chr(0), 1))
door.listen(64)
child = os.fork()
if not child:
    while True:
        asked = door.accept()[0]
        command = asked.recv(1 << 20)[:4]
        asked.sendall(command + bytes(int(sys.argv[4]) - 4))
        asked.close()
spans = [[] for _ in commands]
for _ in range(times):
    for place, (environment, argv) in enumerate(commands):
        begin = used()
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=os.environ | environment)
        spans[place].append(used() - begin)
os.kill(child, signal.SIGKILL)
print(json.dumps(spans))
"""

Command = tuple[dict[str, str], Sequence[str]]


class Iscsiadm:
    """Where iscsiadm is, and where the libraries that came with it."""

    def __init__(self, program: str, libraries: str = "") -> None:
        self.program = program
        self.libraries = libraries

    @classmethod
    def find(cls) -> "Iscsiadm | None":
        """Take the installed one, else unpack Debian's package beside; None without both."""
        if os.geteuid() != 0 or not shutil.which("unshare"):
            return None
        if found := shutil.which("iscsiadm", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return cls(found)
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = cache / "iscsictl-bench"
        if not (folder / "root").is_dir() and not _unpacked(folder):
            return None
        programs = list((folder / "root").glob("**/iscsiadm"))
        libraries = {str(path.parent) for path in (folder / "root").glob("**/lib*.so*")}
        binaries = [path for path in programs if path.is_file() and os.access(path, os.X_OK)]
        return cls(str(binaries[0]), ":".join(sorted(libraries))) if binaries else None

    def times(self, tree: Path, commands: Sequence[Command], rounds: int) -> list[list[float]]:
        """Return the CPU seconds of each command's runs, in turn, in the namespaces."""
        with tempfile.TemporaryDirectory() as etc:
            prepare(tree, Path(etc))
            result = subprocess.run(
                ["unshare", "-mn", "sh", "-c", INSIDE, "sh", str(tree), etc, self.libraries,
                 sys.executable, "-c", _TIMER, SOCKET.replace("\0", "@"), str(rounds),
                 json.dumps(commands), str(ANSWER)],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        spans: list[list[float]] = json.loads(result.stdout)
        return spans


def prepare(tree: Path, etc: Path) -> None:
    """Add to a tree what iscsiadm wants besides its sessions, and make a /etc of its own."""
    for place in ("sys/module/iscsi_tcp", "sys/class/iscsi_transport/tcp"):
        (tree / place).mkdir(parents=True, exist_ok=True)
    (tree / "sys/module/iscsi_tcp/initstate").write_text("live\n")
    (tree / "sys/class/iscsi_transport/tcp/caps").write_text("0x39\n")
    (tree / "sys/class/iscsi_transport/tcp/handle").write_text("1\n")
    (tree / "run/lock").mkdir(parents=True, exist_ok=True)
    (etc / "iscsi").mkdir()
    (etc / "iscsi/iscsid.conf").write_text("iscsid.startup = /bin/false\n")
    (etc / "iscsi/initiatorname.iscsi").write_text(
        "InitiatorName=iqn.1993-08.org.debian:01:abcdef\n"
    )


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Answer in iscsid's place, in a process of its own, that all is well."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(SOCKET)
        door.listen(1024)
        child = os.fork()
        if child == 0:
            while True:
                asked = door.accept()[0]
                command = asked.recv(1 << 20)[:4]
                asked.sendall(command + bytes(ANSWER - 4))
                asked.close()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _unpacked(folder: Path) -> bool:
    """Fetch the packages and unpack them without installing, so that nothing is started."""
    if not shutil.which("apt-get"):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-q", "download", *PACKAGES], cwd=folder, check=False)
    packages = sorted(folder.glob("*.deb"))
    for package in packages:
        subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True)
    return bool(packages)
