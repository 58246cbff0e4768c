"""Collect what somebody else needs to diagnose this host, without its secrets."""

import socket
import tarfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iscsictl import __version__
from iscsictl.errors import IscsictlError, unreadable_file
from iscsictl.limits import REPORT_TOOL_WAIT
from iscsictl.model.finding import Finding
from iscsictl.parse.findings import HINT, parse_findings
from iscsictl.parse.name_filter import NameFilter
from iscsictl.parse.secret_filter import SecretFilter, find_secrets
from iscsictl.system.io.files import save_output
from iscsictl.system.io.input_files import is_regular, read_input
from iscsictl.system.io.process import run
from iscsictl.system.iscsi.report_archive import pack_entries, read_report_entry
from iscsictl.system.iscsi.report_files import Entry, read_report_files, read_secret_attributes

#: Bytes of a saved `doctor -J`; 1000 sessions need less than a hundredth of it.
MAX_FINDINGS = 1 << 26
_LIVE = Path("/")
_FINDINGS = "commands/doctor.json"
_COMMANDS: dict[str, Sequence[str]] = {
    "iscsiadm-version": ("iscsiadm", "-V"),
    "uname": ("uname", "-a"),
    "iscsiadm-session": ("iscsiadm", "-m", "session", "-P", "3"),
    "iscsiadm-statistics": ("iscsiadm", "-m", "session", "-s"),
    "multipath-ll": ("multipath", "-ll"),
    "lsblk": ("lsblk", "-f"),
    "findmnt": ("findmnt", "--verify"),
    "journal": (
        "journalctl", "-b", "--no-pager", "-n", "5000", "-o", "short-iso",
        "_COMM=iscsid", "+", "_COMM=multipathd", "+", "SYSLOG_IDENTIFIER=iscsictl", "+",
        "_TRANSPORT=kernel",
    ),
}  # fmt: skip


def write_report(
    path: Path, doctor: bytes, root: Path = _LIVE, *, without_names: bool = False
) -> int:
    """Write the archive, mode 0600; return its size in bytes. `doctor` is the JSON of the checks.

    `without_names` replaces names and addresses with stand-ins, but not WWIDs. Raises IscsictlError
    if the file cannot be written.
    """
    entries = list(read_report_files(root))
    entries.append((_FINDINGS, doctor, None))
    entries.append(("commands/iscsictl-version", f"{__version__}\n".encode(), None))
    if root == _LIVE:
        entries += _run_all_commands()
    secrets = set(read_secret_attributes(root))
    for _, content, _ in entries:
        secrets |= find_secrets(content or b"")
    entries = list(_entries_without_secrets(entries, SecretFilter(secrets)))
    if without_names:
        entries = list(_entries_with_new_names(entries))
    data = pack_entries(entries, time.time())
    save_output(path, data, 0o600)
    return len(data)


def reported_findings(path: Path, wait: float) -> tuple[Finding, ...]:
    """Return what `doctor` found on the host of a report, or of a saved `doctor -J`.

    `wait` is how many seconds a pipe may stay silent. Raises UsageError if it cannot be read,
    UnreachableError for a pipe that nobody writes to, IscsictlError if it is neither.
    """
    try:
        if path.is_dir() or (is_regular(path) and tarfile.is_tarfile(path)):
            data = read_report_entry(path, _FINDINGS) or b""
        else:
            data = read_input(path, largest=MAX_FINDINGS, wait=wait, hint=HINT)
    except OSError as error:
        raise unreadable_file(str(path), error) from None
    return parse_findings(data, str(path))


def findings_in(data: bytes, name: str) -> tuple[Finding, ...]:
    """Return the findings in the output of `doctor -J`; `name` is its name in messages.

    Raises IscsictlError if it is something else.
    """
    return parse_findings(data, name)


def _entries_without_secrets(entries: list[Entry], secret_filter: SecretFilter) -> Iterator[Entry]:
    for name, content, link in entries:
        yield name, None if content is None else secret_filter.strike(content), link


def _entries_with_new_names(entries: list[Entry]) -> Iterator[Entry]:
    paths = (name.encode("utf-8", "surrogateescape") for name, _, _ in entries)
    texts = (content for _, content, _ in entries if content is not None)
    # An attribute of a session contains only the account's name.
    users = (
        b"username = " + (content or b"")
        for name, content, _ in entries
        if name.rpartition("/")[2] in {"username", "username_in"}
    )
    names = NameFilter((*paths, *texts, *users), (socket.gethostname(),))

    def replaced(text: str) -> str:
        data = names.replace(text.encode("utf-8", "surrogateescape"))
        return data.decode("utf-8", "surrogateescape")

    for name, content, link in entries:
        yield (
            replaced(name),
            None if content is None else names.replace(content),
            None if link is None else replaced(link),
        )


def _run_all_commands() -> list[Entry]:
    with ThreadPoolExecutor(len(_COMMANDS)) as pool:
        texts = pool.map(_output_or_error, _COMMANDS.values())
        return [
            (f"commands/{name}", text, None) for name, text in zip(_COMMANDS, texts, strict=True)
        ]


def _output_or_error(command: Sequence[str]) -> bytes:
    """Return what a program prints, or why it printed nothing."""
    try:
        result = run(command, timeout=REPORT_TOOL_WAIT, ok=None)
    except IscsictlError as error:
        return f"{error.text}\n".encode("utf-8", "surrogateescape")
    return (result.out + result.err).encode("utf-8", "surrogateescape")
