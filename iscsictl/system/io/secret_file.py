"""Secrets read from files, pipes and standard input."""

import os
import stat
from dataclasses import dataclass

from iscsictl.errors import UnreachableError, UsageError, unreadable_file
from iscsictl.system.io.bounded_call import call_within
from iscsictl.system.io.safe_paths import own_ids
from iscsictl.system.io.waits import waiting

#: Bytes: far more than the 255 that open-iscsi accepts, so that a secret that is too long is
#: noticed.
MAX_SECRET_FILE = 4096
_STDIN = 0


@dataclass(frozen=True)
class SecretFile:
    """What was read; `mode` is that of a file that other users can read, else None."""

    data: bytes
    mode: int | None = None

    @property
    def text(self) -> str:
        """The secret, without one newline at the end, which editors and echo(1) add.

        Bytes that are not UTF-8 are surrogates, so that the same bytes are written into the record.
        """
        return self.data.decode("utf-8", "surrogateescape").removesuffix("\n")


def read_secret_file(file: str, whose: str, timeout: float, *, relative: bool = True) -> SecretFile:
    """Read a file, or standard input (`-`), within `timeout` seconds; `whose` names the secret.

    A name without a slash that systemd handed over (LoadCredential=, systemd.exec(5)) is read from
    there, and unless `relative`, from nowhere else. A pipe is read to its end, a device as far as a
    secret can be long. Raises UsageError for what cannot be read, UnreachableError at the deadline.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    path = file
    if credentials and "/" not in file and os.path.exists(f"{credentials}/{file}"):
        path = f"{credentials}/{file}"
    elif not relative and "/" not in file:
        raise UsageError(
            f"{whose}: there is no systemd credential {file}",
            hint="give the absolute path of a file; or, in a unit, "
            f"LoadCredential={file}:/etc/iscsictl/{file}",
        )
    name = "standard input" if file == "-" else file
    try:
        with waiting(f"reading {name}", timeout):
            return call_within(timeout, lambda: _read_within_limit(None if file == "-" else path))
    except TimeoutError:
        raise UnreachableError(
            f"{whose}: nothing was read from {name} within {timeout:g} s",
            hint="check the program that should write to it, or allow more time with --timeout",
        ) from None
    except OSError as error:
        raise unreadable_file(f"{whose}: {name}", error) from None


def _read_within_limit(path: str | None) -> SecretFile:
    # Not through sys.stdin: on exit, the interpreter would wait for a thread that reads from it.
    descriptor = _STDIN if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        data = b""
        while len(data) < MAX_SECRET_FILE and (
            piece := os.read(descriptor, MAX_SECRET_FILE - len(data))
        ):
            data += piece
    finally:
        if path is not None:
            os.close(descriptor)
    return SecretFile(data, _open_mode(status))


def _open_mode(status: os.stat_result) -> int | None:
    """Return the mode of a regular file that users other than root and the current one can read.

    A pipe has no content once it was read. With an ACL, the group bits are those of its mask
    (acl(5)).
    """
    if not stat.S_ISREG(status.st_mode):
        return None
    mode = stat.S_IMODE(status.st_mode)
    foreign = status.st_uid not in own_ids()
    return mode if foreign or mode & (stat.S_IRGRP | stat.S_IROTH) else None
