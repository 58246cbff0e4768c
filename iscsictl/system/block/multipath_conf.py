"""Our configuration of multipath-tools, its list of WWIDs, and what the daemon says of both.

Only one file is ours: /etc/multipath/conf.d/iscsictl.conf. The list of WWIDs is multipath-tools'
own, and is changed only by its command.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError, NeedsRootError, RefusedError, UnreachableError
from iscsictl.limits import MULTIPATHD_WAIT
from iscsictl.model.multipath import MapSettings, MultipathFacts
from iscsictl.parse import multipath_conf as conf
from iscsictl.system.block import multipath
from iscsictl.system.io.files import read_file, remove_file, replace_file
from iscsictl.system.io.process import ToolError, run

_PROGRAMS = ("usr/sbin/multipathd", "sbin/multipathd", "usr/bin/multipathd")
_BUSY = re.compile(r"\bconfigure\b|\btimeout\b")


def _settings_path(root: Path) -> Path:
    return root / "etc/multipath/conf.d/iscsictl.conf"


def read_facts(root: Path = Path("/")) -> MultipathFacts:
    """Return what its own files tell of multipath-tools; no process is started.

    Users who may not read /etc/multipath get `files_were_read` False. Raises IscsictlError for
    files that are there and cannot be read.
    """
    facts = MultipathFacts(
        installed=any((root / name).exists() for name in _PROGRAMS),
        running=multipath.runs(root),
        files_were_read=False,
    )
    try:
        listed = conf.parse_wwids(_read_text(root / "etc/multipath/wwids"))
        settings = read_settings(root)
    except NeedsRootError:  # Debian's /etc/multipath has mode 0700
        return facts
    return replace(facts, listed=listed, settings=settings, files_were_read=True)


def ask_daemon(facts: MultipathFacts) -> MultipathFacts:
    """Return the facts with what only the daemon knows; as they are where it does not answer.

    It is given MULTIPATHD_WAIT seconds for each of three questions.
    """
    if not facts.running:
        return facts
    try:
        section = conf.parse_conf(_ask_multipathd("show", "config", "local"))
        # %d is the path (sda), %w its WWID as multipathd spells it.
        pairs = [
            line.split()
            for line in _ask_multipathd("show", "paths", "raw", "format", "%d %w").split("\n")
        ]
        # %n is the name of a map, %Q how it queues ("on", "off", "12 chk", "55 sec", "-").
        maps = [
            line.split("|")
            for line in _ask_multipathd("show", "maps", "raw", "format", "%n|%Q").split("\n")
        ]
    except IscsictlError:
        return facts
    interval = conf.default_value(section, "polling_interval") or ""
    return replace(
        facts,
        in_force=conf.settings_in_force(section),
        spelled={f"/dev/{pair[0]}": pair[1] for pair in pairs if len(pair) == 2},
        find_multipaths=conf.default_value(section, "find_multipaths") or facts.find_multipaths,
        polling_interval=int(interval) if interval.isdecimal() and int(interval) else 5,
        queueing={pair[0].strip(): pair[1].strip() for pair in maps if len(pair) == 2},
        endless_failover=conf.endless_failover(section),
    )


def _ask_multipathd(*words: str) -> str:
    return run(["multipathd", *words], timeout=MULTIPATHD_WAIT, ok=None).out


def read_settings(root: Path = Path("/")) -> tuple[MapSettings, ...]:
    """Return the maps that our configuration file has a section for.

    Raises NeedsRootError where /etc/multipath is closed to other users, IscsictlError.
    """
    return conf.parse_settings(_read_text(_settings_path(root)))


def save_settings(settings: Iterable[MapSettings], root: Path = Path("/")) -> bool:
    """Write our configuration file, or remove it with its last section.

    Returns whether it changed. Raises what `replace_file` raises.
    """
    path, kept = _settings_path(root), tuple(settings)
    if not kept:
        return remove_file(path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return replace_file(path, conf.format_settings(kept).encode(), mode=0o644)


def _read_text(path: Path) -> str:
    return (read_file(path) or b"").decode("utf-8", "surrogateescape")


def reconfigure(deadline: float, pause: Callable[[float], None] = time.sleep) -> None:
    """Have the daemon read its configuration, and wait until it has.

    Nothing where it does not run: it reads everything when it starts. Raises UnreachableError at
    the deadline (monotonic seconds).
    """
    if not multipath.runs():
        return
    _ask_multipathd("reconfigure")
    # It answers at once and reads in the background ("pid 123 configure").
    while _BUSY.search(state := _ask_multipathd("show", "daemon")):
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"multipathd does not finish reading its configuration ({state.strip()})",
                hint="see what it is doing: journalctl -u multipathd",
            )
        pause(0.1)


def allow(device: str) -> bool:
    """Put the WWID of a path on the list; return whether that changed it.

    Raises RefusedError where multipath's configuration excludes the device.
    """
    before = conf.parse_wwids(_read_text(Path("/etc/multipath/wwids")))
    result = run(["multipath", "-a", device], timeout=MULTIPATHD_WAIT, ok=None)
    if result.code:
        raise RefusedError(
            f"multipath does not take {device}: {result.last_line}",
            hint="is it excluded? see: multipathd show blacklist; or attach with --multipath off",
            tool_exit=result.code,
        )
    return conf.parse_wwids(_read_text(Path("/etc/multipath/wwids"))) != before


def disallow(wwid: str) -> bool:
    """Take a WWID off the list; return whether it was on it.

    `wwid` is spelled as multipath spells it. A map that is there stays. Raises ToolError,
    UnreachableError.
    """
    if wwid not in conf.parse_wwids(_read_text(Path("/etc/multipath/wwids"))):
        return False
    run(["multipath", "-w", wwid], timeout=MULTIPATHD_WAIT)
    return True


def add_path(device: str) -> None:
    """Have the daemon look at a path again. It may say no, or not answer: the map tells.

    `device` is /dev/KNAME. Raises UnreachableError after MULTIPATHD_WAIT seconds, MissingError.
    """
    run(["multipathd", "add", "path", device.removeprefix("/dev/")],
        timeout=MULTIPATHD_WAIT, ok=None)  # fmt: skip


def resize_map(name: str) -> None:
    """Have the daemon give a map the size of its paths, once each path has the new one.

    It may answer "timeout" while it reads its configuration: the size of the map tells.
    """
    run(["multipathd", "resize", "map", name], timeout=MULTIPATHD_WAIT, ok=None)


def fail_waiting(name: str) -> None:
    """Have a map fail what waits for a path, at once and from now on.

    Otherwise the filesystem of a lazy unmount keeps the map until no_path_retry is over.
    """
    run(["multipathd", "disablequeueing", "map", name], timeout=MULTIPATHD_WAIT, ok=None)


def note_registration(name: str) -> None:
    """Tell the daemon that a map's paths are registered, so that those that come back are too.

    It finds that out by itself when it reads its configuration or makes the map, which was before.
    """
    run(["multipathd", "setprstatus", "map", name], timeout=MULTIPATHD_WAIT, ok=None)


def flush(name: str, deadline: float, pause: Callable[[float], None] = time.sleep) -> None:
    """Remove a map that nothing uses, with its partitions.

    udev may have it open for a moment after any change. Raises ToolError at the deadline.
    """
    while True:
        try:
            run(["multipath", "-f", name], timeout=MULTIPATHD_WAIT)
        except ToolError:
            if time.monotonic() > deadline:
                raise
        if not Path("/dev/mapper", name).exists():
            return
        pause(0.2)
