"""CHAP accounts: those of records, of discovery and of new records, and shared secrets."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.parse.iscsid_conf import conf_values
from iscsictl.system.context import Context
from iscsictl.system.io.files import read_file
from iscsictl.system.iscsi import discovery, nodedb, secret_reuse


@dataclass(frozen=True)
class StoredAccount:
    """An account outside the node records; `portal` is None for the one that new records get."""

    portal: Portal | None
    values: Mapping[str, str]
    prefix: str


def other_accounts(context: Context) -> Iterator[StoredAccount]:
    """Yield the accounts of the discovery records and that of iscsid.conf.

    iSNS has no accounts, so only SendTargets records count. Raises NeedsRootError if the records
    may not be read; an iscsid.conf that does not exist has no values.
    """
    for record in nodedb.read_discovery_records(context.db):
        if record.kind == "sendtargets":
            yield StoredAccount(record.portal, record.values, discovery.PREFIX)
    data = read_file(discovery.defaults_path(context.root)) or b""
    values = conf_values(data.decode("utf-8", "surrogateescape"))
    yield StoredAccount(None, values, "node.session")


def groups_sharing_a_secret(records: tuple[NodeRecord, ...]) -> tuple[tuple[str, ...], ...]:
    """Return each group of targets whose records have the same secret, in either direction.

    Secrets are compared by fingerprints under a key of this process, and none is kept.
    """
    return tuple(tuple(group) for group in secret_reuse.groups_sharing_a_secret(records))


def targets_with_secret(secret: Secret, root: Path) -> Collection[str]:
    """Return the targets whose records have this secret, in either direction, sorted.

    Raises NeedsRootError if only root may read the records, IscsictlError if they cannot be read.
    """
    return secret_reuse.others_with(secret, nodedb.read_records(nodedb.find_db(root)))


def targets_with_text(text: str, root: Path) -> Collection[str]:
    """Return the targets that have this text as a secret; none if that cannot be known.

    It is for a warning only, so a text that cannot be a secret, or records that cannot be read, are
    no error.
    """
    try:
        return targets_with_secret(Secret(text), root)
    except (ValueError, IscsictlError):
        return ()
