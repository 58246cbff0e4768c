"""Kernel modules: whether they are loaded, built in or loadable, according to files alone.

The formats are those of depmod(8), modprobe.d(5) and /sys/module.
"""

import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from iscsictl.model.host_facts import Kernel, ModuleState

_RELEASE = re.compile(r"[\w.+~-]{1,64}", re.ASCII)
_SUFFIX = re.compile(r"\.ko(\.(xz|zst|gz))?$")
# In the order of modprobe.d(5): a file hides those of its name in later directories.
_MODPROBE_D = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d",
               "usr/lib/modprobe.d", "lib/modprobe.d")  # fmt: skip
# Programs that are run instead of loading a module, and that do nothing.
_REFUSERS = frozenset({"false", "true", ":"})


def kernel_release(root: Path = Path("/")) -> str | None:
    """Return the release of the running kernel (`uname -r`).

    None if it cannot be read, or cannot be the name of a directory of modules.
    """
    try:
        text = (root / "proc/sys/kernel/osrelease").read_text(errors="replace").strip()
    except OSError:
        return platform.release() if root == Path("/") else None
    return text if _RELEASE.fullmatch(text) else None


#: Files that exist in a container and not on a host: of systemd
#: (https://systemd.io/CONTAINER_INTERFACE), podman and docker.
_CONTAINER_FILES = ("run/systemd/container", "run/.containerenv", ".dockerenv")


def read_kernel(wanted: Iterable[str], root: Path = Path("/")) -> Kernel:
    """Return the kernel and the state of each wanted module.

    Names have underscores, as in /sys/module. `loadable` means that all files exist; only loading
    shows whether the kernel accepts them (signatures, lockdown).
    """
    release = kernel_release(root)
    directory = root / "lib/modules" / (release or "?")
    names = tuple(wanted)
    loadable = set(_loadable_modules(directory, names))
    builtin = _read_module_names(directory / "modules.builtin")
    forbidden = dict(_blocked_modules(root))
    states: dict[str, ModuleState] = {}
    for name in names:
        # A module that is built in can have a directory in /sys/module, too.
        if name in builtin:
            states[name] = "builtin"
        elif (root / "sys/module" / name).is_dir():
            states[name] = "loaded"
        elif name in forbidden:
            states[name] = "blocked"
        else:
            states[name] = "loadable" if name in loadable else "missing"
    has_modules = directory.is_dir()
    blockers = {name: forbidden[name] for name in names if name in forbidden}
    contained = any((root / file).exists() for file in _CONTAINER_FILES)
    return Kernel(release, has_modules, states, blockers, contained)


def builtin_modules(release: str, root: Path = Path("/")) -> set[str]:
    """Return the modules built into a kernel, with underscores; none if it is not installed."""
    return _read_module_names(root / "lib/modules" / release / "modules.builtin")


def module_name(path: str) -> str:
    """Return the name of a module's file as /sys/module has it: no suffix, with underscores."""
    return _SUFFIX.sub("", path.rpartition("/")[2]).replace("-", "_")


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _read_module_names(path: Path) -> set[str]:
    return {module_name(line.strip()) for line in _read_lines(path) if line.strip()}


def _loadable_modules(directory: Path, wanted: tuple[str, ...]) -> Iterator[str]:
    """Yield the wanted modules of modules.dep whose files, and those they need, exist."""
    for line in _read_lines(directory / "modules.dep"):
        path, colon, needs = line.partition(":")
        if not colon or module_name(path) not in wanted:
            continue
        files = [path, *needs.split()]
        if all((directory / file).exists() for file in files):
            yield module_name(path)


def _blocked_modules(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, file) for each `install MODULE /bin/false` (or true) of modprobe.d.

    A `blacklist` line does not count: it only keeps aliases from loading a module, and iscsid loads
    its modules by name. A file hides those of its name in later directories.
    """
    seen: set[str] = set()
    for place in _MODPROBE_D:
        try:
            files = sorted(os.listdir(root / place))
        except OSError:
            continue
        for file in files:
            if not file.endswith(".conf") or file in seen:
                continue
            seen.add(file)
            for line in _read_lines(root / place / file):
                words = line.split()
                if len(words) >= 3 and words[0] == "install":
                    program = words[2].rpartition("/")[2]
                    if program in _REFUSERS:
                        yield words[1].replace("-", "_"), f"/{place}/{file}"
