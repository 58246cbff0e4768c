"""What systemd would do at boot, by its unit files: no process, any root."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from iscsictl.model.host_facts import Systemd, Unit
from iscsictl.system.host import systemd
from iscsictl.system.io.process import run

_PLACES = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system",
           "lib/systemd/system")  # fmt: skip
# Where generators leave links (systemd.generator(7)): netplan's has the network waited for so.
_GENERATED = ("run/systemd/generator.early", "run/systemd/generator", "run/systemd/generator.late")
ONLINE = "network-online.target"
_ORDER = re.compile(r"\s*(After|Before)\s*=\s*(.*)")


def read_systemd(root: Path = Path("/")) -> Systemd:
    """Return the units of open-iscsi and of multipath, and who waits for the network.

    Everything is read from files: whether a unit runs now is not among it, see `ask_active`.
    """
    login = systemd.login_service(root)
    names = (login, "iscsid.service", "iscsid.socket", "multipathd.service")
    return Systemd(
        running=systemd.running(root),
        login_service=login,
        units={name: read_unit(name, root) for name in names},
        online_providers=tuple(sorted(_wanted_by(ONLINE, root))),
        stale=not systemd.has_read_fstab(root),
    )


def read_unit(name: str, root: Path = Path("/")) -> Unit:
    """Read one unit with its drop-ins.

    Only ordering and enabling are read. A unit that is not there is not `defined`.
    """
    masked = any(_is_mask(root / place / name) for place in _PLACES[:2])
    file = systemd.unit_file(name, root)
    after: set[str] = set()
    before: set[str] = set()
    for path in (*((file,) if file else ()), *_drop_ins(name, root)):
        for key, value in _ordering(path):
            # A drop-in can only add: an empty assignment resets nothing (systemd.unit(5)).
            (after if key == "After" else before).update(value.split())
    return Unit(
        name,
        defined=file is not None or masked,
        enabled=not masked and systemd.enabled(name, root),
        masked=masked,
        after=frozenset(after),
        before=frozenset(before),
    )


def ask_active(names: tuple[str, ...], timeout: float) -> Mapping[str, str]:
    """Ask systemd for the state of units: `active`, `inactive`, `failed`.

    A unit of which systemd says nothing is left out. Raises UnreachableError after `timeout`
    seconds, MissingError.
    """
    result = run(["systemctl", "is-active", *names], timeout=timeout, ok=None)
    return dict(zip(names, result.out.split(), strict=False))


def _is_mask(path: Path) -> bool:
    try:
        return os.readlink(path) == "/dev/null"
    except OSError:
        return False


def _drop_ins(name: str, root: Path) -> Iterator[Path]:
    for place in reversed(_PLACES):
        yield from sorted((root / place / f"{name}.d").glob("*.conf"))


def _ordering(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.replace("\\\n", " ").splitlines():
        match = _ORDER.fullmatch(line)
        if match:
            yield match[1], match[2].strip()


def _wanted_by(target: str, root: Path) -> Iterator[str]:
    """Yield the units that a target pulls in and that are there, masked ones left out."""
    seen = set()
    for place in (*_PLACES, *_GENERATED):
        for kind in ("wants", "requires"):
            try:
                names = os.listdir(root / place / f"{target}.{kind}")
            except OSError:
                continue
            for name in names:
                masked = any(_is_mask(root / p / name) for p in _PLACES[:2])
                if name in seen or masked:
                    continue
                seen.add(name)
                if systemd.unit_file(name.replace(_instance(name), "@"), root):
                    yield name


def _instance(name: str) -> str:
    """Return the part of a unit's name that its template has as a bare `@`."""
    match = re.search(r"@[^.]*", name)
    return match[0] if match else "@"
