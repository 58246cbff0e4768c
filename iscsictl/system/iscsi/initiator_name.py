"""/etc/iscsi/initiatorname.iscsi: the name of this host, in exact bytes, written atomically."""

import os
import re
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.limits import HELPER_WAIT, SERVICE_RESTART_WAIT
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.system.io.files import read_file, replace_file
from iscsictl.system.io.process import find, run

_NAME = re.compile(r"\s*InitiatorName\s*=\s*(.*?)\s*", re.ASCII)
_MACHINE_ID = "etc/machine-id"


def path_of(root: Path = Path("/")) -> Path:
    """Return where the file is, in every version of open-iscsi."""
    return root / "etc/iscsi/initiatorname.iscsi"


def name_in(text: str) -> str | None:
    """Return the name in the text of the file, as iscsid reads it: the first that is not empty.

    None if there is none, as in a file that still has `GenerateName=yes` instead.
    """
    found = map(_NAME.fullmatch, text.splitlines())
    return next((match[1] for match in found if match and match[1]), None)


def read_initiator(root: Path = Path("/")) -> InitiatorName:
    """Return the name and when it was written. Raises NeedsRootError if only root may read it.

    Times are in seconds since the epoch, None if a file does not exist.
    """
    path = path_of(root)
    data = read_file(path)
    if data is None:
        return InitiatorName()
    text = data.decode("utf-8", "surrogateescape")
    generate = any(line.strip().lower() == "generatename=yes" for line in text.splitlines())
    return InitiatorName(
        exists=True,
        name=name_in(text),
        generate=generate,
        changed=_modification_time(path),
        machine_changed=_modification_time(root / _MACHINE_ID),
    )


def _modification_time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def with_name(text: str, name: str) -> str:
    """Return the text of the file with this name; comments and other lines stay.

    Every other name is removed, and so is `GenerateName=yes`, which would make a boot script write
    a name of its own.
    """
    lines = [line for line in text.splitlines() if line.strip().lower() != "generatename=yes"]
    at = next((n for n, line in enumerate(lines) if _NAME.fullmatch(line)), len(lines))
    kept = [line for line in lines[at:] if not _NAME.fullmatch(line)]
    return "\n".join([*lines[:at], f"InitiatorName={name}", *kept]) + "\n"


def write_name(name: str, root: Path = Path("/")) -> bool:
    """Write the name into the file, mode 0600 if it is new. False if it had this name already.

    A running iscsid does not use it yet, see `restart_running_iscsid`. Raises FileChangedError,
    NeedsRootError, IscsictlError.
    """
    path = path_of(root)
    old = read_file(path)
    text = (old or b"").decode("utf-8", "surrogateescape")
    if name_in(text) == name:
        return False
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise IscsictlError(f"cannot create {path.parent}: {error.strerror}") from error
    new = with_name(text, name).encode("utf-8", "surrogateescape")
    return replace_file(path, new, expect=old or b"")


def make_name(root: Path = Path("/")) -> str:
    """Return a new name, from iscsi-iname(8) if it is installed, or of the same form.

    The year in an IQN is one in which its domain was owned, not the present one. Like Debian's and
    Red Hat's packages, we use their domains.
    """
    redhat = (root / "etc/redhat-release").exists()
    prefix = "iqn.1994-05.com.redhat" if redhat else "iqn.1993-08.org.debian:01"
    if root == Path("/") and find("iscsi-iname") is not None:
        made = run(["iscsi-iname", "-p", prefix], timeout=HELPER_WAIT).out.strip()
        if made.startswith(f"{prefix}:"):
            return made
    return f"{prefix}:{os.urandom(6).hex()}"


def restart_running_iscsid(root: Path = Path("/")) -> None:
    """Have a running iscsid use the new name; only for a host without sessions.

    iscsid reads the file when it starts. Nothing happens if systemd is not the init. Raises
    ToolError, UnreachableError.
    """
    if root == Path("/") and os.path.isdir("/run/systemd/system"):
        run(["systemctl", "try-restart", "iscsid.service"], timeout=SERVICE_RESTART_WAIT)
