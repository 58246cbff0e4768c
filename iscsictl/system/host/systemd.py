"""systemd: the login service, reloads, drop-ins. The state of units is read from files."""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.limits import SYSTEMCTL_WAIT
from iscsictl.system.io.files import replace_file
from iscsictl.system.io.process import ToolError, run, start
from iscsictl.system.io.sysfs_attributes import path_below, read_attribute

# Where systemd looks for units, in its order (systemd.unit(5), "System Unit Search Path"). They
# include what generators create (systemd.generator(7)): netplan's makes the boot wait for the
# network in this way. Debian 12's packages have units in /lib, which need not be a link to
# /usr/lib.
UNIT_DIRECTORIES = (
    "etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient",
    "run/systemd/generator.early", "etc/systemd/system", "etc/systemd/system.attached",
    "run/systemd/system", "run/systemd/system.attached", "run/systemd/generator",
    "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
    "run/systemd/generator.late",
)  # fmt: skip
# Here systemd-sysv-generator(8) creates a unit for each SysV script without a unit of its name.
_MADE_OF_SCRIPTS = "run/systemd/generator.late"
# It names only the path, so it can be set before fstab has the mount.
_WAITS = "RequiresMountsFor="
_LOGIN_SERVICES = ("open-iscsi.service", "iscsi.service")


def running(root: Path = Path("/")) -> bool:
    """Return whether systemd is the init of this machine (sd_booted(3)).

    False in most containers, and below a root directory that is not that of the running system.
    """
    return (root / "run/systemd/system").is_dir()


def unit_file(unit: str, root: Path = Path("/")) -> Path | None:
    """Return where a unit is defined, or None.

    A link that leads nowhere counts as no unit.
    """
    for directory in UNIT_DIRECTORIES:
        path = root / directory / unit
        if path.exists():
            return path
    return None


def sysv_script(unit: str, root: Path = Path("/")) -> Path | None:
    """Return the SysV script that stands for a service, None if there is none.

    If a unit has a file of its own, its script is not used.
    """
    file = unit_file(unit, root)
    if file is not None and file.parent != root / _MADE_OF_SCRIPTS:
        return None
    script = root / "etc/init.d" / unit.removesuffix(".service")
    return script if script.is_file() and os.access(script, os.X_OK) else None


def login_service(root: Path = Path("/")) -> str:
    """Return the unit that logs in at boot: Debian's and Ubuntu's name, or that of all others.

    A service with a unit is preferred to one with only a SysV script. If neither is installed, it
    is Debian's.
    """
    for is_there in (unit_file, sysv_script):
        for unit in _LOGIN_SERVICES:
            if is_there(unit, root):
                return unit
    return _LOGIN_SERVICES[0]


def enabled(unit: str, root: Path = Path("/")) -> bool:
    """Return whether some target or unit pulls this unit in at boot.

    Only links that `systemctl enable` creates in /etc count, not those of a package in /usr. For a
    SysV script, the links of its runlevels count instead.
    """
    script = sysv_script(unit, root)
    if script is not None:
        return any((root / "etc").glob(f"rc[S2-5].d/S[0-9][0-9]{glob.escape(script.name)}"))
    base = root / "etc/systemd/system"
    return any(
        (directory / unit).is_symlink()
        for pattern in ("*.wants", "*.requires")
        for directory in base.glob(pattern)
    )


def masked(unit: str, root: Path = Path("/")) -> bool:
    """Return whether an admin linked the unit to /dev/null, so that nothing can start it.

    A mask in /run, which lasts until the next boot, is not read.
    """
    try:
        return os.readlink(root / "etc/systemd/system" / unit) == os.devnull
    except OSError:
        return False


def unmet_condition(unit: str, root: Path = Path("/")) -> str | None:
    """Return the line of a unit that would keep systemd from starting it, None if there is none.

    `systemctl start` then does nothing, without a message (systemd.unit(5), "Conditions and
    Asserts"). Only conditions on files and on the kernel's command line, in the unit's own file,
    are evaluated.
    """
    path = unit_file(unit, root)
    if path is None:
        return None
    words = (read_attribute(path_below(root, "proc/cmdline")) or "").split()
    for line in path.read_bytes().decode("utf-8", "surrogateescape").splitlines():
        name, _, value = line.partition("=")
        wanted = value.strip().removeprefix("!")
        if name == "ConditionPathExists":
            holds = (root / wanted.lstrip("/")).exists()
        elif name == "ConditionKernelCommandLine":
            holds = any(wanted in {word, word.partition("=")[0]} for word in words)
        else:
            continue
        # A condition that begins with | is one of several, any of which is sufficient.
        if not wanted.startswith("|") and holds == value.strip().startswith("!"):
            return line.strip()
    return None


def enable(unit: str, root: Path = Path("/")) -> None:
    """Have systemd start a unit at boot. Raises ToolError, UnreachableError.

    It is not started now. Nothing happens if it is enabled already.
    """
    _set_enabled(unit, "enable", root)


def disable(unit: str, root: Path = Path("/")) -> None:
    """Undo what `enable` did. Raises ToolError, UnreachableError.

    A running unit is not stopped.
    """
    _set_enabled(unit, "disable", root)


# While systemd reloads, which takes long on a busy host, it answers no requests, and systemctl
# gives up after 25 s (sd-bus, BUS_DEFAULT_TIMEOUT). The link may have been created or removed all
# the same.
_TRIES = 3


def _set_enabled(unit: str, verb: str, root: Path) -> None:
    for left in reversed(range(_TRIES)):
        try:
            run(["systemctl", "--quiet", verb, unit], timeout=SYSTEMCTL_WAIT)
        except (ToolError, UnreachableError) as error:
            if enabled(unit, root) == (verb == "enable"):
                return
            if not left or "timed out" not in error.text:
                raise
        else:
            return


def active(unit: str, root: Path = Path("/")) -> bool:
    """Return whether a unit is active, running or not: systemd keeps a link for it then.

    The link names its invocation (systemd.exec(5), INVOCATION_ID); no process is started. The link
    of a unit that systemd forgot in a reload stays: see `is_forgotten`.
    """
    return (root / f"run/systemd/units/invocation:{unit}").is_symlink()


def is_forgotten(unit: str, root: Path = Path("/")) -> bool:
    """Return whether systemd considers a unit inactive that was started and not stopped.

    That happens after a reload that gives the unit a name under which systemd knew no unit before:
    what systemd had recorded for that name then replaces the unit's own state (observed with
    version 252).
    """
    asked = ["systemctl", "--quiet", "is-active", unit]
    return active(unit, root) and run(asked, ok=None).code != 0


def start_soon(unit: str) -> None:
    """Have systemd start a unit, without waiting for it.

    Errors of the start are only in the journal. Raises MissingError, UnreachableError.
    """
    run(["systemctl", "start", "--no-block", unit], ok=None)


def has_read_fstab(root: Path = Path("/")) -> bool:
    """Return whether systemd's units are newer than fstab (systemd-fstab-generator(8)).

    True if there is no systemd.
    """
    made = root / "run/systemd/generator"
    try:
        # The oldest of its files is the closest to the moment when fstab was read.
        times = [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(made)]
        began = min(times, default=made.stat().st_mtime)
        return began >= (root / "etc/fstab").stat().st_mtime
    except OSError:
        return True


def daemon_reload() -> None:
    """Have systemd read fstab and the units again; nothing happens if systemd is not the init.

    It returns when that is done. Raises ToolError, UnreachableError after 60 s.
    """
    if running():
        run(["systemctl", "daemon-reload"])


def reload_soon(root: Path = Path("/")) -> None:
    """Have systemd read fstab and the units again; return as soon as it has begun.

    It begins by removing what its generators created, when nothing can fail any more
    (manager_reload() in its core/manager.c), and answers no requests until it has finished: any
    request after that concerns the new units. A reload that somebody else has requested will do.
    """
    if not running(root):
        return
    made = root / "run/systemd/generator"
    before = _read_inode_number(made)
    start(["systemctl", "daemon-reload"], lambda: _read_inode_number(made) != before)


def _read_inode_number(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _escape_path(path: str) -> str:
    """Return a path as a unique part of a file name (systemd.unit(5), systemd-escape)."""
    kept = "".join(
        char if re.fullmatch(r"[A-Za-z0-9:_.]", char) else "-" if char == "/" else _hex_escape(char)
        for char in path.strip("/")
    )
    return f"{_hex_escape('.')}{kept[1:]}" if kept.startswith(".") else kept or "-"


def _hex_escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def _read_own_drop_ins(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield the unit, the mount point and the file of each drop-in of ours."""
    for file in sorted((root / "etc/systemd/system").glob("*.d/50-iscsictl-*.conf")):
        for line in file.read_bytes().decode("utf-8", "surrogateescape").split("\n"):
            if line.startswith(_WAITS):
                yield file.parent.name.removesuffix(".d"), _unquote_path(line[len(_WAITS) :]), file


def _quote_path(path: str) -> str:
    return '"' + re.sub(r'([\\"])', r"\\\1", path.replace("%", "%%")) + '"'


def _unquote_path(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word.strip()[1:-1]).replace("%%", "%")


def required_mounts(root: Path = Path("/")) -> Mapping[str, tuple[str, ...]]:
    """Return the mount points that each unit waits for, according to our own drop-ins.

    Paths are as they were given to `require_mount`, in the order of the files' names.
    """
    found: dict[str, list[str]] = {}
    for unit, path, _ in _read_own_drop_ins(root):
        found.setdefault(unit, []).append(path)
    return {unit: tuple(paths) for unit, paths in found.items()}


def require_mount(unit: str, path: str, root: Path = Path("/")) -> None:
    """Make a unit wait for a mount point, with a drop-in of ours.

    RequiresMountsFor= (systemd.unit(5)) also stops the unit when the mount goes away. It takes
    effect after a reload. Raises IscsictlError.
    """
    if not re.fullmatch(r"[A-Za-z0-9:_.@\\-]+\.[a-z]+", unit):
        raise IscsictlError(f"{unit!r} is not a unit name such as mail.service")
    file = make_drop_in_directory(unit, root) / f"50-iscsictl-{_escape_path(path)}.conf"
    text = f"# made by iscsictl\n[Unit]\n{_WAITS}{_quote_path(path)}\n"
    replace_file(file, text.encode("utf-8", "surrogateescape"), mode=0o644)


def make_drop_in_directory(unit: str, root: Path = Path("/")) -> Path:
    """Create the directory of the admin's drop-ins for a unit if it is missing, and return it.

    Raises OSError. `remove_empty_drop_in_directory` removes it if it is still empty.
    """
    directory = root / "etc/systemd/system" / f"{unit}.d"
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    return directory


def remove_empty_drop_in_directory(unit: str, root: Path = Path("/")) -> None:
    """Remove that directory, unless there are drop-ins in it."""
    with suppress(OSError):
        (root / "etc/systemd/system" / f"{unit}.d").rmdir()


def drop_require(path: str, root: Path = Path("/"), unit: str | None = None) -> None:
    """Remove our drop-ins for a mount point, from all units or from one.

    It takes effect after a reload. Nothing happens if there is none. Raises OSError.
    """
    for name, waits_for, file in tuple(_read_own_drop_ins(root)):
        if waits_for == path and unit in {None, name}:
            file.unlink(missing_ok=True)
            remove_empty_drop_in_directory(name, root)
