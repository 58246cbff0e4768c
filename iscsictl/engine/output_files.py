"""Files that a command writes for the user: saved plans, metrics and new secrets."""

from pathlib import Path

from iscsictl.model.secret import Secret
from iscsictl.system.io.files import create_file, read_output, require_output, save_output


def save_plan(path: Path, text: str) -> None:
    """Write a plan to a file, mode 0644; it never contains a secret.

    A link is not followed, and a file of another user is not replaced. Raises IscsictlError.
    """
    save_output(path, text.encode("utf-8", "surrogateescape"), 0o644)


def save_metrics(path: Path, text: str) -> None:
    """Write metrics for node_exporter, mode 0644, whole or not at all.

    A link is not followed, and a file of another user is not replaced. Raises IscsictlError.
    """
    save_output(path, text.encode(), 0o644)


def require_metrics(path: Path) -> None:
    """Raise what `save_metrics` would raise for what exists now, such as a link with that name."""
    require_output(path)


def read_metrics(path: Path) -> str:
    """Return the metrics that an earlier run wrote, "" if there are none."""
    return (read_output(path) or b"").decode("utf-8", "replace")


def save_secret(path: Path, secret: Secret) -> None:
    """Write a secret to a new file, mode 0600. Raises IscsictlError if the file exists.

    Neither a link nor a file of another user is ever followed or overwritten: whoever put it there
    could read the secret.
    """
    create_file(path, secret.reveal().encode("utf-8", "surrogateescape") + b"\n")
