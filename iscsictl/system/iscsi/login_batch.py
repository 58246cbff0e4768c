"""One iscsiadm(8) for the logins to some records and to no others.

iscsiadm takes one record by name, or all of a portal or a startup. A process for each record
reads every record and every session again; one for all of a portal would log in what is on hold
too. So it is shown, in a mount namespace of its own, a node database in which there is nothing
but the records that are meant: links to them, so no secret is written anywhere.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from iscsictl.parse.iscsiadm_login import parse_logins
from iscsictl.system.io import runtime_dir
from iscsictl.system.io.process import find, run
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.nodedb import record_path

#: What the shell ends with when the namespace cannot be had; iscsiadm has no such exit code.
_NO_VIEW: Final = 97
_SCRIPT: Final = """\
mount --bind "$1/nodes" "$2/real" && mount --bind "$2/view" "$1/nodes" || exit 97
exec iscsiadm -m node --login"""
_IPC: Final = "@ISCSIADM_ABSTRACT_NAMESPACE"


def possible(root: Path = Path("/")) -> bool:
    """Tell whether a batch can be had: the tools, and an iscsid that need not be started by it.

    One that iscsiadm started would live on in the namespace.
    """
    try:
        listens = _IPC in (root / "proc/net/unix").read_text(errors="replace")
    except OSError:
        return False
    return listens and all(find(tool) for tool in ("unshare", "mount", "sh"))


def log_in(keys: Iterable[Key], db: Path, *, timeout: float) -> Mapping[Key, int] | None:
    """Log in to these records at once; return iscsiadm's exit code for each.

    0 is success; for one that it did not tell of, it is that of the whole. None if no namespace
    can be had here; then nothing was done. Raises UnreachableError at the deadline, MissingError.
    """
    wanted = tuple(keys)
    work = Path(tempfile.mkdtemp(prefix="login.", dir=runtime_dir.made()))
    try:
        (work / "real").mkdir()
        (work / "view").mkdir()
        for key in wanted:
            path = record_path(db, key.target, key.portal, key.iface).relative_to(db / "nodes")
            link = work / "view" / path
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(work / "real" / path, link)
        command = ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", str(db), str(work)]
        doing = f"logging in through {len(wanted)} records"
        result = run(command, timeout=timeout, ok=None, doing=doing, interruptible=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if result.code == _NO_VIEW or (result.code and result.err.startswith("unshare:")):
        return None
    done, failed = parse_logins(result.out, result.err)
    codes = {**failed, **dict.fromkeys(done, 0)}
    places = {key: (key.iface, key.target, key.portal.address, key.portal.port) for key in wanted}
    return {key: codes.get(place, result.code) for key, place in places.items()}
