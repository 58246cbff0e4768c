"""Strike secrets out of text that leaves the host: by the key that they stand behind, and by value.

A CHAP secret stands in records and iscsid.conf, and from there it can come into a journal or the
output of a tool, quoted in some way. So what stands behind a key in any file is struck there, and
wherever else it turns up.
"""

import json
import re
import shlex
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

STRUCK: Final = b"<struck>"
# open-iscsi's keys, commented out or not (`node.session.auth.password_in = ...`), what `iscsiadm
# -m session -P 3` prints (`password: ...`), and those of other files. The value is the whole rest
# of the line: a secret may have blanks, quotes and hashes.
_LINE: Final = re.compile(
    rb"^([ \t#]*[\w.\[\]-]*(?:pass(?:word|wd|phrase)?|secret)(?:_in)?[ \t]*[=:][ \t]*)([^\r\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
# Mount options of other filesystems (mount.cifs(8)), and options of dracut.cmdline(7).
_OPTION: Final = re.compile(
    rb"((?:^|[,\s])[\w.]*(?:pass(?:word|wd)?2?|secret)(?:\.in)?=)([^,\s]+)", re.IGNORECASE
)
# A shorter value would be found in everything; behind its key it is struck all the same.
_SHORTEST: Final = 4
#: What stands there where there is no secret.
_NO_SECRETS: Final = frozenset({b"", b"********", b"<empty>", STRUCK})


def find_secrets(data: bytes) -> frozenset[bytes]:
    """Return the values that stand behind the keys of secrets in a text.

    Masks and empty values are left out. Any text will do: a record, a table of mounts, a journal.
    """
    found = {match[2] for pattern in (_LINE, _OPTION) for match in pattern.finditer(data)}
    return frozenset(value.strip() for value in found) - _NO_SECRETS


class SecretFilter:
    """Strikes secrets out of texts; knows those that `secrets` has, in every usual spelling."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        spellings = {one for secret in secrets for one in _spellings_of_secret(secret)}
        ordered = sorted((s for s in spellings if len(s) >= _SHORTEST), key=len, reverse=True)
        self._values = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None

    def strike(self, data: bytes) -> bytes:
        """Return the text without secrets; the keys stay, so that one sees that there is one.

        What stands behind a key goes even if nobody knew it; what is known goes wherever it stands.
        """
        for pattern in (_LINE, _OPTION):
            data = pattern.sub(_without_value, data)
        return data if self._values is None else self._values.sub(STRUCK, data)


def _without_value(match: re.Match[bytes]) -> bytes:
    return match[1] + (match[2] if match[2].strip() in _NO_SECRETS else STRUCK)


def _spellings_of_secret(secret: bytes) -> Iterable[bytes]:
    """Yield a secret as files, JSON, shells, journals and URLs write it."""
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
