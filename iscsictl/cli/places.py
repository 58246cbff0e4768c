"""Mount points as they are named on a command line, and as the kernel names them."""

from iscsictl.errors import UsageError
from iscsictl.model import values
from iscsictl.model.fstab import plain
from iscsictl.system.mount.mounts import real


def directory(text: str) -> str:
    """Return a mount point in its plain form, without links. Raises UsageError."""
    try:
        return real(values.directory(text))
    except ValueError as error:
        raise UsageError(str(error)) from None


def named(text: str) -> str:
    """Return what is to be taken down: a directory without links, another name as it is."""
    name = plain(text)
    return real(name) if values.is_directory(name) else name
