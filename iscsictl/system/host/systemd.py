"""systemd: the login service, reloads, drop-ins. Looking needs no process."""

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

# Where systemd looks for units, in its order (systemd.unit(5), "System Unit Search Path"). What
# generators make is among them (systemd.generator(7)): netplan's has the network waited for so.
# Debian 12's packages have units in /lib, which need not be a link to /usr/lib.
UNIT_DIRECTORIES = (
    "etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient",
    "run/systemd/generator.early", "etc/systemd/system", "etc/systemd/system.attached",
    "run/systemd/system", "run/systemd/system.attached", "run/systemd/generator",
    "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
    "run/systemd/generator.late",
)  # fmt: skip
# Here systemd-sysv-generator(8) makes a unit of each SysV script that has no unit of its name.
_MADE_OF_SCRIPTS = "run/systemd/generator.late"
# By the path alone, so a unit can name a mount that fstab does not have yet.
_WAITS = "RequiresMountsFor="
_LOGIN_SERVICES = ("open-iscsi.service", "iscsi.service")


def running(root: Path = Path("/")) -> bool:
    """Tell whether systemd is the init of this machine (sd_booted(3)).

    False in most containers, and in a root that is not the running system's.
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
    """Return the SysV script that stands for a service, None where there is none.

    A unit that has a file of its own does without its script.
    """
    file = unit_file(unit, root)
    if file is not None and file.parent != root / _MADE_OF_SCRIPTS:
        return None
    script = root / "etc/init.d" / unit.removesuffix(".service")
    return script if script.is_file() and os.access(script, os.X_OK) else None


def login_service(root: Path = Path("/")) -> str:
    """Return the unit that logs in at boot: Debian's and Ubuntu's name, or everybody's.

    One that only has a SysV script comes after those with a unit. Where neither is installed,
    Debian's.
    """
    for is_there in (unit_file, sysv_script):
        for unit in _LOGIN_SERVICES:
            if is_there(unit, root):
                return unit
    return _LOGIN_SERVICES[0]


def enabled(unit: str, root: Path = Path("/")) -> bool:
    """Tell whether some target or unit wants this one at boot.

    The links of `systemctl enable` in /etc are looked at. What a package links in /usr does not
    count. A SysV script is started by the links of its runlevels instead.
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
    """Tell whether an admin linked the unit to /dev/null, so that nothing can start it.

    A mask in /run, which ends with the boot, is not looked at.
    """
    try:
        return os.readlink(root / "etc/systemd/system" / unit) == os.devnull
    except OSError:
        return False


def unmet_condition(unit: str, root: Path = Path("/")) -> str | None:
    """Return a line of a unit for which systemd would not start it, None where it knows none.

    `systemctl start` then does nothing, and says nothing (systemd.unit(5), "Conditions and
    Asserts"). Conditions on files and on the kernel's command line are judged, in the unit's own
    file.
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
        # One that begins with | is one of several of which any will do.
        if not wanted.startswith("|") and holds == value.strip().startswith("!"):
            return line.strip()
    return None


def enable(unit: str, root: Path = Path("/")) -> None:
    """Have systemd start a unit at boot. Raises ToolError, UnreachableError.

    It is not started now. A unit that is enabled already is fine.
    """
    _set_enabled(unit, "enable", root)


def disable(unit: str, root: Path = Path("/")) -> None:
    """Undo what `enable` did. Raises ToolError, UnreachableError.

    A unit that runs is not stopped.
    """
    _set_enabled(unit, "disable", root)


# While systemd reloads, which takes long on a busy host, it answers nobody, and systemctl gives up
# after 25 s (sd-bus, BUS_DEFAULT_TIMEOUT). The link may be made, or removed, all the same.
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
    """Tell whether a unit runs, or has run and stays: systemd keeps a link for it then.

    The link names its invocation (systemd.exec(5), INVOCATION_ID); no process is started. The link
    stays of a unit that systemd forgot in a reload: see `is_forgotten`.
    """
    return (root / f"run/systemd/units/invocation:{unit}").is_symlink()


def is_forgotten(unit: str, root: Path = Path("/")) -> bool:
    """Tell whether systemd takes a unit that was started, and not stopped, for inactive.

    So it is after a reload that gave the unit a name under which systemd knew of no unit before:
    what it had noted of that name then replaces the unit's own state (seen with 252).
    """
    asked = ["systemctl", "--quiet", "is-active", unit]
    return active(unit, root) and run(asked, ok=None).code != 0


def start_soon(unit: str) -> None:
    """Have systemd start a unit, if it can, and do not wait for it.

    Errors of the start are in the journal alone. Raises MissingError, UnreachableError.
    """
    run(["systemctl", "start", "--no-block", unit], ok=None)


def has_read_fstab(root: Path = Path("/")) -> bool:
    """Tell whether systemd has made its units since fstab was changed (systemd-fstab-generator(8)).

    True where there is no systemd.
    """
    made = root / "run/systemd/generator"
    try:
        # The first of its files is the nearest to the moment when fstab was read.
        times = [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(made)]
        began = min(times, default=made.stat().st_mtime)
        return began >= (root / "etc/fstab").stat().st_mtime
    except OSError:
        return True


def daemon_reload() -> None:
    """Have systemd read fstab and the units again; nothing where systemd is not the init.

    It returns when that is done. Raises ToolError, UnreachableError after 60 s.
    """
    if running():
        run(["systemctl", "daemon-reload"])


def reload_soon(root: Path = Path("/")) -> None:
    """Have systemd read fstab and the units again, and return once it is at it.

    It begins by throwing away what its generators made, when nothing can fail any more
    (manager_reload() of its core/manager.c), and answers nobody until it is done: whoever asks it
    for a unit after that is told of the new one. A reload that somebody else asked for will do.
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
    """Return a path as part of a file name, no two alike (systemd.unit(5), systemd-escape)."""
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
    """Return which units wait for which mount points, by our own drop-ins.

    Paths are as they were given to `require_mount`, in the order of the files' names.
    """
    found: dict[str, list[str]] = {}
    for unit, path, _ in _read_own_drop_ins(root):
        found.setdefault(unit, []).append(path)
    return {unit: tuple(paths) for unit, paths in found.items()}


def require_mount(unit: str, path: str, root: Path = Path("/")) -> None:
    """Make a unit wait for a mount point, by a drop-in of ours.

    RequiresMountsFor= (systemd.unit(5)) also stops the unit when the mount goes. systemd knows it
    after a reload. Raises IscsictlError.
    """
    if not re.fullmatch(r"[A-Za-z0-9:_.@\\-]+\.[a-z]+", unit):
        raise IscsictlError(f"{unit!r} is not a unit name such as mail.service")
    file = make_drop_in_directory(unit, root) / f"50-iscsictl-{_escape_path(path)}.conf"
    text = f"# made by iscsictl\n[Unit]\n{_WAITS}{_quote_path(path)}\n"
    replace_file(file, text.encode("utf-8", "surrogateescape"), mode=0o644)


def make_drop_in_directory(unit: str, root: Path = Path("/")) -> Path:
    """Make the directory of the admin's drop-ins for a unit, if it is missing, and return it.

    Raises OSError. An empty one is no drop-in: `remove_empty_drop_in_directory` takes it away.
    """
    directory = root / "etc/systemd/system" / f"{unit}.d"
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    return directory


def remove_empty_drop_in_directory(unit: str, root: Path = Path("/")) -> None:
    """Remove that directory, unless there are drop-ins in it."""
    with suppress(OSError):
        (root / "etc/systemd/system" / f"{unit}.d").rmdir()


def drop_require(path: str, root: Path = Path("/"), unit: str | None = None) -> None:
    """Take our drop-ins for a mount point away, of all units or of one.

    systemd knows it after a reload. Where there is none, nothing happens. Raises OSError.
    """
    for name, waits_for, file in tuple(_read_own_drop_ins(root)):
        if waits_for == path and unit in {None, name}:
            file.unlink(missing_ok=True)
            remove_empty_drop_in_directory(name, root)
