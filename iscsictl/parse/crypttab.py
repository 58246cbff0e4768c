"""crypttab(5): one volume per line, fields separated by blanks; unlike in fstab(5), no escapes."""

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import split_options


def parse_crypttab(data: bytes) -> tuple[CrypttabEntry, ...]:
    """Return the entries. Lines with fewer than two fields are skipped, as systemd does.

    The third field, which names the key, is not kept. Bytes that are not UTF-8 are surrogates.
    """
    entries = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        fields = line.split()
        # A `#` later in a line is part of a field: in crypttab(5), only whole lines can be
        # comments.
        if len(fields) >= 2 and not fields[0].startswith("#"):
            options = split_options(fields[3]) if len(fields) > 3 else ()
            entries.append(CrypttabEntry(number, fields[0], fields[1], options))
    return tuple(entries)
