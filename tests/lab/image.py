"""The guests' disk image: Debian packages in, a kernel, an initrd and a root disk out.

An image is made once per recipe and kept under the user's cache directory.  Both roles
(array and host) start from the same image; the kernel's command line tells them apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
SUITES = ("bookworm", "trixie")
ROOT_UUID = "5d2b1a3c-0c9e-4f57-9e0b-6c1f4a7d2e10"
ROOT_SIZE = "16G"
WANTED = """
    linux-image-amd64 initramfs-tools busybox systemd-sysv udev dbus kmod lz4 less
    open-iscsi targetcli-fb python3-rtslib-fb
    python3 python3-click python3-rich python3-pyudev python3-pexpect
    python3-pip python3-setuptools python3-wheel python3-venv
    e2fsprogs xfsprogs btrfs-progs dosfstools ntfs-3g fdisk parted gdisk
    mdadm lvm2 cryptsetup-bin multipath-tools sg3-utils
    iproute2 iputils-ping nftables strace procps psmisc lsof cron
    bash-completion zsh fish autopkgtest ansible-core python3-apt openssh-server
"""
PACKAGES = {suite: WANTED.split() for suite in SUITES}
PACKAGES["bookworm"] += ["python3-zxcvbn"]
# login and passwd are no longer essential there, and zxcvbn is only in its backports.
PACKAGES["trixie"] += ["login", "passwd", "python3-python-zxcvbn-rs-py"]
NOT_IN_INITRD = (
    "btrfs", "dmsetup", "fuse", "lvm2", "mdadm", "multipath", "ntfs_3g", "sg3-utils", "thermal",
    "udev", "xfs",
)  # fmt: skip
DPKG_OPTIONS = (
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    # What would make the initrd large and slow, and finds no root disk here.
    *(
        f"path-exclude=/usr/share/initramfs-tools/{place}/{name}"
        for place in ("hooks", "scripts/*")
        for name in NOT_IN_INITRD
    ),
)
#: What apt says when it cannot get at its mirror: only then is an image not to be had.
UNREACHABLE = re.compile(
    r"Failed to fetch|Could not (resolve|connect)|Temporary failure"
    r"|Unable to connect|Cannot initiate"
)
#: A build has mounts and processes of its own, all gone with it when we are killed: none of
#: them stands in the way when its leavings are removed.
ALONE = (
    "setpriv", "--pdeathsig", "KILL", "--",
    "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
    "--mount-proc", "--",
)  # fmt: skip


class LabUnavailableError(Exception):
    """Guests cannot be had on this machine; the text says why in one line."""


@dataclass(frozen=True)
class Image:
    """A finished image: files of its cache directory, and the key of its recipe."""

    suite: str
    key: str
    directory: Path

    @property
    def root(self) -> Path:
        """The root disk, raw; never written, always below an overlay."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """The suite's stock kernel."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initrd that Debian's tools made for that kernel."""
        return self.directory / "initrd.img"


def cache_directory() -> Path:
    """Where images and what was learned about this machine are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "iscsictl-lab"
    path.mkdir(parents=True, exist_ok=True)
    return path


def recipe_key(suite: str) -> str:
    """A short hash of all that decides what is in the image (not of the mirror used)."""
    digest = hashlib.sha256(
        repr((suite, PACKAGES[suite], DPKG_OPTIONS, ROOT_SIZE, ROOT_UUID)).encode()
    )
    files = [HERE / "agent_guest.py", HERE / "essential-hook", HERE / "customize-hook"]
    files += sorted(path for path in (HERE / "rootfs").rglob("*") if path.is_file())
    for path in files:
        digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file for as long as the block runs."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def image(suite: str) -> Image:
    """The image of a suite: from the cache, or built now (a minute or two)."""
    key = recipe_key(suite)
    cache = cache_directory()
    found = Image(suite, key, cache / f"{suite}-{key}")
    if found.directory.is_dir():
        os.utime(found.directory)
        return found
    with locked(cache / f"{suite}.lock"):
        if not found.directory.is_dir():
            sweep(cache, suite)
            build(found)
    return found


def sweep(cache: Path, suite: str, *, days: float = 3) -> None:
    """Remove images of the suite half-built or long not used; call it with the lock held."""
    for path in cache.glob(f"{suite}-*"):
        if path.suffix == ".tmp" or time.time() - path.stat().st_mtime > days * 86400:
            remove(path)


def remove(path: Path) -> None:
    """Remove a directory, unless something is mounted in it: then that is not ours to touch."""
    if f" {path}/" not in Path("/proc/self/mountinfo").read_text():
        shutil.rmtree(path, ignore_errors=True)


def build(target: Image) -> None:
    """Build an image aside and put it in place whole."""
    for tool in ("mmdebstrap", "mke2fs"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise LabUnavailableError(f"no image for {target.suite} and no {tool} to build one")
    work = Path(tempfile.mkdtemp(prefix=f"{target.suite}-", suffix=".tmp", dir=cache_directory()))
    try:
        tree = work / "tree"
        bootstrap(target.suite, tree, work)
        kernel = max((tree / "boot").glob("vmlinuz-*"))
        initrd = max((tree / "boot").glob("initrd.img-*"))
        shutil.copy2(kernel, work / "vmlinuz")
        shutil.copy2(initrd, work / "initrd.img")
        make_disk(tree, work / "root.img")
        shutil.rmtree(tree)
        (work / "sources").unlink()
        work.chmod(0o755)
        work.rename(target.directory)
    finally:
        remove(work)


def bootstrap(suite: str, tree: Path, work: Path) -> None:
    """Debian's packages into a directory, from the mirror that this machine uses."""
    sources = work / "sources"
    sources.write_text(sources_for(suite))
    command = [
        *(ALONE if os.geteuid() == 0 else ()),
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES[suite])}",
        f"--essential-hook={HERE / 'essential-hook'}",
        f"--customize-hook={HERE / 'customize-hook'}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        *(f"--aptopt={option}" for option in apt_options()),
        suite,
        str(tree),
    ]
    if sources.read_text():
        command.append(str(sources))
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False)  # fmt: skip
    (cache_directory() / f"{suite}.log").write_text(result.stderr)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        why = next((line for line in lines if UNREACHABLE.search(line)), None)
        if why is not None:
            raise LabUnavailableError(f"no packages for the image of {suite}: {why}")
        raise RuntimeError("\n".join([f"the image for {suite} cannot be built:", *lines[-20:]]))


def make_disk(tree: Path, disk: Path) -> None:
    """A directory into an ext4 image, without mounting; no lazy work is left to the guest."""
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-d", str(tree), "-U", ROOT_UUID, "-L", "root",
         "-N", "200000", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(disk), ROOT_SIZE],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip


def sources_for(suite: str) -> str:
    """The Debian entries of this machine's apt sources, for another suite."""
    release = Path("/etc/os-release").read_text()
    own = re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE)
    codename = own[1] if own else suite
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    entries = [
        entry
        for path in files
        if path.suffix in {".list", ".sources"} and path.is_file()
        for entry in read_sources(path.read_text(), one_line=path.suffix == ".list")
    ]
    wanted = [entry for entry in entries if re.search(rf"\b{codename}\b", entry)]
    return "\n".join(re.sub(rf"\b{codename}\b", suite, entry) for entry in wanted)


def read_sources(text: str, *, one_line: bool) -> list[str]:
    """Entries of a sources file in either format, comments dropped, each ending its own way."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    if one_line:
        return [line for line in lines if line.startswith("deb ")]
    stanzas = "\n".join(lines).split("\n\n")
    return [one for stanza in stanzas for one in stanza_lines(stanza)]


def stanza_lines(stanza: str) -> list[str]:
    """A deb822 stanza as one-line entries."""
    fields = dict(re.findall(r"^([\w-]+):\s*(.*)$", stanza, re.MULTILINE))
    if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
        return []
    signed = fields.get("Signed-By", "")
    option = f"[signed-by={signed}] " if signed.startswith("/") else ""
    return [
        f"deb {option}{uri} {suite} {fields.get('Components', '')}"
        for uri in fields.get("URIs", "").split()
        for suite in fields.get("Suites", "").split()
    ]


def apt_options() -> list[str]:
    """How this machine's apt reaches its mirror: proxies, certificates, date checks."""
    if shutil.which("apt-config") is None:
        return []
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    wanted = re.compile(
        r'^Acquire::(https?::(Proxy|CA|Verify|Ssl|Timeout)|Check-|Retries).* ".+";$', re.IGNORECASE
    )
    return [line for line in dump.stdout.splitlines() if wanted.match(line)]
