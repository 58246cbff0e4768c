"""Which values of a node or discovery record differ from the requested ones."""

from collections.abc import Iterable, Mapping

from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.parse.record import edit_record
from iscsictl.system.io.files import read_file

Changes = Mapping[str, str | Secret | None]


def find_unsettled(records: Iterable[NodeRecord], changes: Changes) -> dict[str, tuple[str, ...]]:
    """Return, by the path of each record, the keys whose values differ from the requested ones.

    A secret in a record that others may read counts as different, too. Damaged records are left
    out.
    """
    found = {}
    for record in records:
        if record.problem is None:
            # The file itself, with its secrets: the parsed record only has whether there is one.
            data = read_file(record.path) or b""
            text = data.decode("utf-8", "surrogateescape")
            found[str(record.path)] = keys_that_differ(text, record.mode, changes)
    return found


def keys_that_differ(text: str, mode: int, changes: Changes) -> tuple[str, ...]:
    """Return the keys whose values differ in a record with this text and these permission bits.

    A secret counts as different while others may read the file; writing it again makes the file
    0600.
    """
    open_ = mode & 0o077
    return tuple(
        key
        for key, value in changes.items()
        if (open_ and isinstance(value, Secret)) or edit_record(text, {key: value}) != text
    )
