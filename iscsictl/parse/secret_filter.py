"""Remove secrets from text that leaves the host: by the key before them, and by their value.

A CHAP secret is in records and iscsid.conf, and from there it can get into a journal or the output
of a tool, quoted in some way. So what follows the key of a secret in any file is removed there, and
wherever else it occurs.
"""

import json
import re
import shlex
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

STRUCK: Final = b"<struck>"
# open-iscsi's keys, commented out or not (`node.session.auth.password_in = ...`), what `iscsiadm -m
# session -P 3` prints (`password: ...`), and those of other files. The value is the rest of the
# line: a secret may contain blanks, quotes and hashes.
_LINE: Final = re.compile(
    rb"^([ \t#]*[\w.\[\]-]*(?:pass(?:word|wd|phrase)?|secret)(?:_in)?[ \t]*[=:][ \t]*)([^\r\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
# Mount options of other filesystems (mount.cifs(8)), and options of dracut.cmdline(7).
_OPTION: Final = re.compile(
    rb"((?:^|[,\s])[\w.]*(?:pass(?:word|wd)?2?|secret)(?:\.in)?=)([^,\s]+)", re.IGNORECASE
)
# A shorter value would match almost anywhere; after its key it is removed all the same.
_SHORTEST: Final = 4
#: What may be there instead of a secret.
_NO_SECRETS: Final = frozenset({b"", b"********", b"<empty>", STRUCK})


def find_secrets(data: bytes) -> frozenset[bytes]:
    """Return the values after the keys of secrets in a text.

    Masks and empty values are left out. Any text will do: a record, a table of mounts, a journal.
    """
    found = {match[2] for pattern in (_LINE, _OPTION) for match in pattern.finditer(data)}
    return frozenset(value.strip() for value in found) - _NO_SECRETS


class SecretFilter:
    """Removes secrets from texts: those after a key, and `secrets` in every usual spelling."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        spellings = {one for secret in secrets for one in _spellings_of_secret(secret)}
        ordered = sorted((s for s in spellings if len(s) >= _SHORTEST), key=len, reverse=True)
        self._values = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None

    def strike(self, data: bytes) -> bytes:
        """Return the text without secrets; the keys stay, which shows that there is one.

        What follows a key is removed even if it was unknown; a known secret is removed wherever it
        is.
        """
        for pattern in (_LINE, _OPTION):
            data = pattern.sub(_without_value, data)
        return data if self._values is None else self._values.sub(STRUCK, data)


def _without_value(match: re.Match[bytes]) -> bytes:
    return match[1] + (match[2] if match[2].strip() in _NO_SECRETS else STRUCK)


def _spellings_of_secret(secret: bytes) -> Iterable[bytes]:
    """Yield a secret as it is written in files, JSON, shells, journals and URLs."""
    text = secret.decode("utf-8", "surrogateescape")
    spellings = {
        text,
        text.strip(),
        text.strip("\"'"),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        shlex.quote(text),
        quote(text, errors="surrogateescape"),
        quote(text, safe="", errors="surrogateescape"),
        text.replace(" ", "\\040"),
        text.replace(" ", "\\x20"),
        repr(text)[1:-1],
        repr(secret)[2:-1],
    }
    for one in spellings:
        yield one.encode("utf-8", "surrogateescape")
