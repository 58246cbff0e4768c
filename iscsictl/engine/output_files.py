"""Files that a command writes for the user: saved plans and new secrets."""

from pathlib import Path

from iscsictl.model.secret import Secret
from iscsictl.system.io.files import replace_file
from iscsictl.system.iscsi.secret_reuse import create_secret_file


def save_plan(path: Path, text: str) -> None:
    """Write a plan to a file, mode 0644; it never holds a secret. Raises IscsictlError."""
    replace_file(path, text.encode("utf-8", "surrogateescape"), mode=0o644)


def save_secret(path: Path, secret: Secret) -> None:
    """Write a secret to a new file, mode 0600. Raises IscsictlError where the file exists."""
    create_secret_file(path, secret)
