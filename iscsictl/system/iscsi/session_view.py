"""Run iscsiadm(8) in a view of sysfs that shows only the sessions that it needs.

iscsiadm reads every session of /sys/class/iscsi_session again for each record that it logs in to,
and for each session that it ends: 300 records beside 1000 sessions cost it minutes of CPU before
the first login request. So it gets a mount namespace of its own, in which that directory has only
some of the links. It finds a session through its link, so everything else stays as it is.

A login must see the sessions of its own target: iscsiadm counts them for
`node.session.nr_sessions`. iscsid prevents two simultaneous logins: it reads the real sysfs and
refuses a session that exists (ISCSI_ERR_SESS_EXISTS, 15).
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from iscsictl.system.io import runtime_dir
from iscsictl.system.io.process import Result, find, run

SESSIONS: Final = "sys/class/iscsi_session"
#: The shell's exit code if the namespace cannot be created; iscsiadm has no such exit code.
_NO_VIEW: Final = 97
# Slave mounts (mount_namespaces(7)): nothing mounted here is visible outside, but what is unmounted
# outside meanwhile is unmounted here, too. With unshare's default, a filesystem would stay mounted
# here: umount(8) outside would not flush it, and its disk would stay in use. The records are links,
# so no secret is written anywhere.
_SCRIPT: Final = """\
work=$1 nodes=$2
shift 2
if [ -n "$nodes" ]; then
  mount --bind "$nodes" "$work/real" && mount --bind "$work/nodes" "$nodes" || exit 97
fi
if [ -d /sys/class/iscsi_session ]; then
  mount --bind "$work/sessions" /sys/class/iscsi_session || exit 97
fi
exec iscsiadm "$@"
"""
_IPC: Final = "@ISCSIADM_ABSTRACT_NAMESPACE"


def is_possible(root: Path = Path("/")) -> bool:
    """Return whether a view is possible: the tools exist, and iscsiadm need not start iscsid.

    An iscsid that iscsiadm started would live on in the namespace.
    """
    try:
        listens = _IPC in (root / "proc/net/unix").read_text(errors="replace")
    except OSError:
        return False
    return listens and all(find(tool) for tool in ("unshare", "mount", "sh", "iscsiadm"))


def run_iscsiadm(
    arguments: Sequence[str],
    sids: Iterable[int],
    *,
    timeout: float,
    doing: str,
    db: Path | None = None,
    records: Iterable[Path] = (),
) -> Result | None:
    """Run iscsiadm with a view of the sessions `sids`, and of nothing but `records` of `db`.

    `records` are paths below the node database's `nodes`; without `db` all records are in view.
    `timeout` is in seconds. Returns None if no namespace can be had here; then nothing was done.
    Raises UnreachableError at the deadline, MissingError, InterruptError.
    """
    if not is_possible():
        return None
    work = Path(tempfile.mkdtemp(prefix="view.", dir=runtime_dir.made()))
    try:
        for name in ("real", "nodes", "sessions"):
            (work / name).mkdir()
        _link_sessions(work / "sessions", sids)
        for path in records:
            link = work / "nodes" / path
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(work / "real" / path, link)
        nodes = "" if db is None else str(db / "nodes")
        command = [
            "unshare", "--mount", "--propagation", "slave",
            "sh", "-c", _SCRIPT, "sh", str(work), nodes, *arguments,
        ]  # fmt: skip
        result = run(
            command, timeout=timeout, ok=None, doing=doing, interruptible=True,
            shown=("iscsiadm", *arguments),
        )  # fmt: skip
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if result.code == _NO_VIEW or (result.code and result.err.startswith("unshare:")):
        return None
    return result


def _link_sessions(folder: Path, sids: Iterable[int]) -> None:
    """Create the kernel's own links, which are relative and so lead to the same place in a view."""
    for name, text in _read_session_links(sids).items():
        os.symlink(text, folder / name)


def _read_session_links(sids: Iterable[int]) -> Mapping[str, str]:
    links = {}
    for sid in sids:
        name = f"session{sid}"
        try:
            links[name] = os.readlink(f"/{SESSIONS}/{name}")
        except OSError:
            continue  # it has just ended
    return links
