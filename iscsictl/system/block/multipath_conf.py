"""Our configuration of multipath-tools, its list of WWIDs, and what the daemon says about both.

Only one file is ours: /etc/multipath/conf.d/iscsictl.conf. The list of WWIDs is multipath-tools'
own, and is changed only by its command.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import MissingError, NeedsRootError, RefusedError, UnreachableError
from iscsictl.limits import MULTIPATHD_WAIT
from iscsictl.model.multipath import MapSettings, MultipathFacts
from iscsictl.parse import multipath_conf as conf
from iscsictl.system.block import multipath, multipathd
from iscsictl.system.io import signals
from iscsictl.system.io.files import read_file, remove_file, replace_file
from iscsictl.system.io.process import ToolError, run
from iscsictl.system.io.sysfs_attributes import list_names
from iscsictl.system.io.waits import waiting

# Seconds between two requests to a daemon that is busy.
_ASK_AGAIN = 0.1
_PROGRAMS = ("usr/sbin/multipathd", "sbin/multipathd", "usr/bin/multipathd")
#: The hint for a daemon that does not do what it was asked.
SEE_MULTIPATHD = "check what it is doing: journalctl -u multipathd"
# "pid 123 configure", and since 0.9.5 also "pid 123 running (pending reconfigure)".
_BUSY = re.compile(r"configure\b")


def _settings_path(root: Path) -> Path:
    return root / "etc/multipath/conf.d/iscsictl.conf"


def read_facts(root: Path = Path("/")) -> MultipathFacts:
    """Return what the files of multipath-tools say; no process is started.

    Users who may not read /etc/multipath get `files_were_read` False. Raises IscsictlError for
    files that exist but cannot be read.
    """
    facts = MultipathFacts(
        installed=any((root / name).exists() for name in _PROGRAMS),
        running=multipath.runs(root),
        files_were_read=False,
    )
    try:
        listed = conf.parse_wwids(_read_text(root / "etc/multipath/wwids"))
        text = _read_text(_settings_path(root))
        elsewhere = frozenset(_settings_elsewhere(root))
    except NeedsRootError:  # Debian's /etc/multipath has mode 0700
        return facts
    return replace(
        facts, listed=listed, settings=conf.parse_settings(text), unread=conf.parse_unread(text),
        set_elsewhere=elsewhere, files_were_read=True,
    )  # fmt: skip


def _settings_elsewhere(root: Path) -> Iterator[str]:
    """Yield the WWIDs of the maps whose `no_path_retry` is set in a file that is not ours.

    multipath reads multipath.conf first, then conf.d by name, and the last of several values counts
    (multipath.conf(5), config_dir).
    """
    folder = root / "etc/multipath/conf.d"
    names = sorted(name for name in list_names(str(folder)) if name.endswith(".conf"))
    paths = [root / "etc/multipath.conf", *(folder / name for name in names)]
    for path in paths:
        if path != _settings_path(root):
            yield from conf.settings_in_force(conf.parse_conf(_read_text(path)))


def ask_daemon(
    facts: MultipathFacts, wait: float = 0.0, pause: Callable[[float], None] = time.sleep
) -> MultipathFacts:
    """Return the facts with what only the daemon knows; `answers` says whether it replied.

    Each of three requests has MULTIPATHD_WAIT seconds. While the daemon is too busy to answer, they
    are repeated, for `wait` seconds.
    """
    if not facts.running:
        return facts
    deadline = time.monotonic() + wait
    with waiting("waiting for multipathd to answer", wait):
        while True:
            try:
                return _read_answers(facts)
            except UnreachableError:
                if time.monotonic() >= deadline:
                    return replace(facts, answers=False)
            except MissingError:
                return replace(facts, answers=False)
            signals.check()
            pause(_ASK_AGAIN)


def _read_answers(facts: MultipathFacts) -> MultipathFacts:
    section = conf.parse_conf(_ask_multipathd("show", "config", "local"))
    # %d is the path (sda), %T what its checker found, %w its WWID as multipathd spells it, with
    # whatever characters it has. Without paths there is one line, "ok".
    shown = _ask_multipathd("show", "paths", "raw", "format", "%d|%T|%w")
    paths = [line.split("|", 2) for line in shown.splitlines() if line.count("|") > 1]
    # %n is the name of a map, %Q how it queues ("on", "off", "12 chk", "55 sec", "-").
    shown = _ask_multipathd("show", "maps", "raw", "format", "%n|%Q")
    maps = [line.split("|") for line in shown.split("\n")]
    interval = conf.default_value(section, "polling_interval") or ""
    return replace(
        facts,
        in_force=conf.settings_in_force(section),
        spelled={f"/dev/{path}": wwid for path, _, wwid in paths if wwid},
        checked={f"/dev/{path}": state.strip() for path, state, _ in paths},
        find_multipaths=conf.default_value(section, "find_multipaths") or facts.find_multipaths,
        polling_interval=int(interval) if interval.isdecimal() and int(interval) else 5,
        queueing={pair[0].strip(): pair[1].strip() for pair in maps if len(pair) == 2},
        endless_failover=conf.endless_failover(section),
    )


def _ask_multipathd(*words: str) -> str:
    """Return the daemon's answer. Raises UnreachableError if it gives none.

    If it does not get to a request within 4 s, it answers "timeout", up to version 0.9 with exit
    code 0: that is not an empty list.
    """
    result = multipathd.ask(*words)
    if result.code or result.out.strip() == "timeout":
        raise UnreachableError(
            f"multipathd does not answer: {result.last_line}", hint=SEE_MULTIPATHD
        )
    return result.out


def read_settings(root: Path = Path("/")) -> tuple[MapSettings, ...]:
    """Return the maps that our configuration file has a section for.

    Raises NeedsRootError if /etc/multipath is closed to other users, IscsictlError.
    """
    return conf.parse_settings(_read_text(_settings_path(root)))


def read_unread(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the WWIDs of maps that are gone from our file but not yet forgotten by multipathd.

    Raises what `read_settings` raises.
    """
    return conf.parse_unread(_read_text(_settings_path(root)))


def save_settings(
    settings: Iterable[MapSettings], root: Path = Path("/"), *, unread: Iterable[str] = ()
) -> bool:
    """Write our configuration file, or remove it if no section and no note is left.

    `unread` are the WWIDs to note, see `read_unread`. Returns whether it changed. Raises what
    `replace_file` raises.
    """
    path, kept, noted = _settings_path(root), tuple(settings), tuple(unread)
    if not (kept or noted):
        return remove_file(path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return replace_file(path, conf.format_settings(kept, noted).encode(), mode=0o644)


def _read_text(path: Path) -> str:
    return (read_file(path) or b"").decode("utf-8", "surrogateescape")


def reconfigure(
    deadline: float,
    wanted: MapSettings | None = None,
    root: Path = Path("/"),
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Have the daemon read its configuration, and wait until the `wanted` settings are in force.

    Does nothing if it does not run: it reads everything when it starts. If another file has
    settings for the same map, those may take precedence and are not waited for. Raises
    UnreachableError at the deadline (monotonic seconds).
    """
    if not multipath.runs():
        return
    multipathd.ask("reconfigure")
    with waiting("waiting for multipathd to read its configuration"):
        while not _has_read(wanted, root):
            if time.monotonic() > deadline:
                raise UnreachableError(
                    "multipathd does not finish reading its configuration", hint=SEE_MULTIPATHD
                )
            pause(_ASK_AGAIN)


def _has_read(wanted: MapSettings | None, root: Path) -> bool:
    """Return whether the daemon has finished reading its configuration, with these settings.

    It answers `reconfigure` at once, but begins only when it has tested all paths, or when udev has
    handled a map that was just created (multipathd/main.c, need_to_delay_reconfig()). Up to version
    0.9.4, only the settings show that it has finished.
    """
    try:
        if _BUSY.search(_ask_multipathd("show", "daemon")):
            return False
        if wanted is None or wanted.wwid in _settings_elsewhere(root):
            return True
        read = conf.settings_in_force(conf.parse_conf(_ask_multipathd("show", "config")))
    except UnreachableError:
        return False
    return read.get(wanted.wwid) == wanted.no_path_retry


def allow(device: str) -> bool:
    """Add the WWID of a path to the list; return whether that changed it.

    Raises RefusedError if multipath's configuration excludes the device.
    """
    before = conf.parse_wwids(_read_text(Path("/etc/multipath/wwids")))
    result = run(["multipath", "-a", device], timeout=MULTIPATHD_WAIT, ok=None)
    if result.code:
        raise RefusedError(
            f"multipath does not accept {device}: {result.last_line}",
            hint=(
                "check whether it is excluded: multipathd show blacklist; or attach with "
                "--multipath off"
            ),
            tool_exit=result.code,
        )
    return conf.parse_wwids(_read_text(Path("/etc/multipath/wwids"))) != before


def disallow(wwid: str) -> bool:
    """Remove a WWID from the list; return whether it was on it.

    `wwid` is spelled as multipath spells it. An existing map stays. Raises ToolError,
    UnreachableError.
    """
    if wwid not in conf.parse_wwids(_read_text(Path("/etc/multipath/wwids"))):
        return False
    run(["multipath", "-w", wwid], timeout=MULTIPATHD_WAIT)
    return True


def add_path(device: str) -> None:
    """Have the daemon check a path again. It may refuse or not answer: look at the map then.

    `device` is /dev/KNAME. Raises UnreachableError after MULTIPATHD_WAIT seconds, MissingError.
    """
    multipathd.ask("add", "path", device.removeprefix("/dev/"))


def resize_map(name: str) -> None:
    """Have the daemon give a map the size of its paths, once each path has the new one.

    It may answer "timeout" while it reads its configuration: look at the size of the map then.
    """
    multipathd.ask("resize", "map", name)


def fail_waiting(name: str) -> None:
    """Have a map fail all I/O that waits for a path, at once and from now on.

    Otherwise a lazily unmounted filesystem keeps the map in use until no_path_retry ends.
    """
    multipathd.ask("disablequeueing", "map", name)


def note_registration(name: str) -> None:
    """Tell the daemon that a map's paths are registered, to have it register those that return.

    By itself it finds out only when it reads its configuration or creates the map, and both
    happened earlier.
    """
    multipathd.ask("setprstatus", "map", name)


def flush(name: str, deadline: float, pause: Callable[[float], None] = time.sleep) -> None:
    """Remove a map that nothing uses, with its partitions.

    udev may have it open for a moment after any change. multipath(8) leaves the work to multipathd,
    and takes its answer "timeout" for success (0.9.4, delegate_to_multipathd()). Raises at the
    deadline UnreachableError if multipathd does not get to it, else ToolError. The map is not
    removed behind its back, and must not stay: with its sessions ended it would hold up whoever
    opens it, and a multipathd that hangs would never end that (no_path_retry).
    """
    with waiting(f"waiting for the map {name} to be removed"):
        while True:
            result = run(["multipath", "-f", name], timeout=MULTIPATHD_WAIT, ok=None)
            if not Path("/dev/mapper", name).exists():
                return
            if time.monotonic() > deadline:
                # multipath(8) prints "timeout" or nothing for a request that was not served.
                if result.code and (result.out or result.err) and "timeout" not in result.last_line:
                    raise ToolError(result)
                raise UnreachableError(
                    f"the map {name} was not removed by multipathd: {result.last_line}",
                    hint=f"{SEE_MULTIPATHD}; when it answers, run the same command again",
                )
            pause(_ASK_AGAIN)
