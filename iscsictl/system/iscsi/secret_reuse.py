"""Compare the secrets of records without keeping them."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping

from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.system.io.files import read_file

# As open-iscsi parses a record (`parse.record`): any blanks around the name and the equals sign,
# but at least one character between name and value. Bytes, since a Secret would reject what is too
# long.
_BLANK = rb"[ \t\v\f\r]"
_SECRET_LINE = re.compile(
    rb"^%b*node\.session\.auth\.(password(?:_in)?)(?:%b|=)%b*=%b*(.+)$"
    % (_BLANK, _BLANK, _BLANK, _BLANK),
    re.MULTILINE,
)


class SecretFingerprints:
    """Fingerprints under a key that only this process has: equal if and only if secrets are."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, secret: Secret) -> bytes:
        """Return the fingerprint of a secret; it differs between processes."""
        return self._keyed_hash_of(secret.reveal().encode("utf-8", "surrogateescape"))

    def of_record(self, record: NodeRecord) -> Mapping[str, bytes]:
        """Return the fingerprints of a record's secrets: `password`, `password_in`.

        Empty for a record that is gone. Raises NeedsRootError if only root may read it.
        """
        data = read_file(record.path) or b""
        return {
            name.decode(): self._keyed_hash_of(value.strip())
            for name, value in _SECRET_LINE.findall(data)
        }

    def _keyed_hash_of(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._key).digest()


def groups_sharing_a_secret(records: Iterable[NodeRecord]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of targets that have a secret in common.

    Secrets of both directions count: whoever learns one of them can pose as the other side, too.
    """
    prints = SecretFingerprints()
    targets: dict[bytes, set[str]] = {}
    for record in records:
        for mark in prints.of_record(record).values():
            targets.setdefault(mark, set()).add(record.target)
    groups = {tuple(sorted(names)) for names in targets.values() if len(names) > 1}
    return tuple(sorted(groups))


def others_with(secret: Secret, records: Iterable[NodeRecord]) -> tuple[str, ...]:
    """Return the targets whose records have this secret, in either direction, sorted."""
    prints = SecretFingerprints()
    mark = prints.of(secret)
    return tuple(sorted({r.target for r in records if mark in prints.of_record(r).values()}))
