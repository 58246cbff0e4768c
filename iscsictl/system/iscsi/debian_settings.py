"""How Debian's open-iscsi is set up: its script at shutdown, and its part of the initramfs."""

from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.parse.boot_settings import parse_shell_settings
from iscsictl.system.io.files import read_file

_SCRIPTS = ("usr/lib/open-iscsi/logout-all.sh", "lib/open-iscsi/logout-all.sh")
_DEFAULTS = "etc/default/open-iscsi"
_KEEP = "ISCSI_ROOT_KEEP_ALL_SESSIONS_AT_SHUTDOWN"
_INITRAMFS = "etc/initramfs-tools/conf.d/open-iscsi"
_OPT_OUT = "NO_ISCSI_IN_INITRAMFS"


def logs_out_at_shutdown(root: Path = Path("/")) -> bool:
    """Return whether logout-all.sh exists; other distributions log out only by node.startup."""
    return any((root / script).exists() for script in _SCRIPTS)


def keeps_all_sessions(root: Path = Path("/")) -> bool:
    """Return whether logout-all.sh is configured to log out of nothing.

    The setting counts only if /etc/iscsi/iscsi.initramfs exists.
    """
    marked = (root / "etc/iscsi/iscsi.initramfs").exists()
    return marked and _read_settings(root / _DEFAULTS).get(_KEEP) == "1"


def find_opt_out(root: Path = Path("/")) -> str | None:
    """Return the file that keeps open-iscsi out of every initramfs, None if there is none."""
    return f"/{_INITRAMFS}" if _read_settings(root / _INITRAMFS).get(_OPT_OUT) == "yes" else None


def _read_settings(path: Path) -> dict[str, str]:
    """Read a file of shell settings; as for the scripts, an unreadable file has none."""
    try:
        return parse_shell_settings((read_file(path) or b"").decode(errors="replace"))
    except IscsictlError:
        return {}
