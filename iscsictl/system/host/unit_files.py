"""What systemd would do at boot, according to its unit files, without starting a process."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.lazy_import import lazy_import
from iscsictl.system.host import systemd
from iscsictl.system.host.systemd import UNIT_DIRECTORIES
from iscsictl.system.io.process import run

if TYPE_CHECKING:
    from iscsictl.model import services
    from iscsictl.system.host import udev_rules
else:
    # An attach only asks how the host logs in.
    services = lazy_import("iscsictl.model.services")
    udev_rules = lazy_import("iscsictl.system.host.udev_rules")

# A link to /dev/null in one of these masks a unit (systemd.unit(5)).
_MASKING = ("etc/systemd/system", "run/systemd/system")
ONLINE = "network-online.target"
_EXEC_START = re.compile(r"\s*ExecStart\s*=(.*)")
_LOGIN_ALL = re.compile(r"(?:--loginall[=\s]|-L)\s*(automatic|onboot|manual|all)\b")
_ENVIRONMENT = re.compile(r"\s*Environment\s*=(.*)")
_ORDER = re.compile(r"\s*(After|Before)\s*=\s*(.*)")


def read_systemd(root: Path = Path("/")) -> "services.Systemd":
    """Return the units of open-iscsi and of multipath, and what waits for the network.

    Everything is read from files; for whether a unit runs now, see `ask_active`.
    """
    login = systemd.login_service(root)
    names = (login, "iscsid.service", "iscsid.socket", "multipathd.service")
    return services.Systemd(
        running=systemd.running(root),
        login_service=login,
        login_startups=read_login_startups(login, root),
        units={name: read_unit(name, root) for name in names},
        online_providers=tuple(sorted(_units_pulled_in_by(ONLINE, root))),
        stale=not systemd.has_read_fstab(root),
        iscsid_by_udev=udev_rules.is_started_with_disk("iscsid.service", root),
    )


def read_unit(name: str, root: Path = Path("/")) -> "services.Unit":
    """Read one unit with its drop-ins.

    Only its ordering, whether it is enabled, and the names of its variables are read. A unit that
    does not exist is not `defined`.
    """
    masked = any(_is_masking_link(root / place / name) for place in _MASKING)
    file = systemd.unit_file(name, root)
    after: set[str] = set()
    before: set[str] = set()
    files = (*((file,) if file else ()), *_drop_in_files(name, root))
    for path in files:
        for key, value in _read_ordering(path):
            # A drop-in can only add: an empty assignment resets nothing (systemd.unit(5)).
            (after if key == "After" else before).update(value.split())
    return services.Unit(
        name,
        defined=file is not None or masked,
        enabled=not masked and systemd.enabled(name, root),
        masked=masked,
        after=frozenset(after),
        before=frozenset(before),
        environment=_read_variable_names(files),
    )


def read_login_startups(login: str, root: Path = Path("/")) -> frozenset[str]:
    """Return the values of node.startup that the login service logs in to at boot.

    They are read from its commands (iscsiadm(8), --loginall) and those of its drop-ins, where an
    empty ExecStart= removes all before it (systemd.service(5)). If none of them names a value, for
    example because a script logs in, it is `automatic`, which every distribution's service logs in
    to.
    """
    file = systemd.unit_file(login, root)
    words: set[str] = set()
    for path in (*((file,) if file else ()), *_drop_in_files(login, root)):
        for line in _unit_lines(path):
            match = _EXEC_START.fullmatch(line)
            if match is None:
                continue
            if not match[1].strip():
                words.clear()
            words.update(_LOGIN_ALL.findall(match[1]))
    if "all" in words:
        words |= {"automatic", "onboot", "manual"}
    return frozenset(words - {"all"}) or frozenset({"automatic"})


def ask_active(names: tuple[str, ...], timeout: float) -> Mapping[str, str]:
    """Ask systemd for the state of units: `active`, `inactive`, `failed`.

    A unit that systemd does not report is left out. Raises UnreachableError after `timeout`
    seconds, MissingError.
    """
    result = run(["systemctl", "is-active", *names], timeout=timeout, ok=None)
    return dict(zip(names, result.out.split(), strict=False))


def _is_masking_link(path: Path) -> bool:
    try:
        return os.readlink(path) == "/dev/null"
    except OSError:
        return False


def _drop_in_files(name: str, root: Path) -> Iterator[Path]:
    for place in reversed(UNIT_DIRECTORIES):
        yield from sorted((root / place / f"{name}.d").glob("*.conf"))


def _unit_lines(path: Path) -> list[str]:
    """Return the lines of a unit file, continued ones joined; none if it cannot be read."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return text.replace("\\\n", " ").splitlines()


def _read_ordering(path: Path) -> Iterator[tuple[str, str]]:
    for line in _unit_lines(path):
        match = _ORDER.fullmatch(line)
        if match:
            yield match[1], match[2].strip()


def _read_variable_names(files: Iterable[Path]) -> frozenset[str]:
    """Return the names that Environment= sets; an empty one resets the list.

    The words are quoted as in systemd.syntax(7). A file named by EnvironmentFile= is not read.
    """
    names: set[str] = set()
    for path in files:
        for line in _unit_lines(path):
            match = _ENVIRONMENT.fullmatch(line)
            if match is None:
                continue
            try:
                words = shlex.split(match[1])
            except ValueError:
                continue
            if not words:
                names.clear()
            names.update(word.partition("=")[0] for word in words)
    return frozenset(names)


def _units_pulled_in_by(target: str, root: Path) -> Iterator[str]:
    """Yield the units that a target pulls in and that exist, except masked ones."""
    seen = set()
    for place in UNIT_DIRECTORIES:
        for kind in ("wants", "requires"):
            try:
                names = os.listdir(root / place / f"{target}.{kind}")
            except OSError:
                continue
            for name in names:
                masked = any(_is_masking_link(root / p / name) for p in _MASKING)
                if name in seen or masked:
                    continue
                seen.add(name)
                if systemd.unit_file(name.replace(_instance_part(name), "@"), root):
                    yield name


def _instance_part(name: str) -> str:
    """Return the part of a unit's name for which its template has a bare `@`."""
    match = re.search(r"@[^.]*", name)
    return match[0] if match else "@"
