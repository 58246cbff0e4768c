"""Which settings of a record a command may change."""

from collections.abc import Iterable, Mapping

from iscsictl.model.open_iscsi import Version
from iscsictl.model.record import Record
from iscsictl.model.record_keys import KEYS, Scope
from iscsictl.model.record_settings import find_problem
from iscsictl.model.record_text import SECRET_KEYS
from iscsictl.model.secret import Secret

Changes = Mapping[str, str | Secret | None]


def describe_changes(keys: Iterable[str], changes: Changes) -> str:
    """Return these keys with the values that they get; of a secret, and a value that goes, the key.

    What a plan shows can be compared with `iscsictl nodes show`, and typed for `--set`.
    """
    values = ((key, None if key in SECRET_KEYS else changes.get(key)) for key in keys)
    shown = (f"{key}={value}" if isinstance(value, str) else key for key, value in values)
    return f"sets {', '.join(shown)}"


def require_settings(
    scope: Scope, changes: Changes, *, version: Version | None = None, iface: str | None = None
) -> None:
    """Raise UsageError for a value that the installed open-iscsi cannot read back.

    `iface` is the interface of the record. Secrets have a type of their own, which checks them.
    """
    for key, value in changes.items():
        if not isinstance(value, str):
            continue
        problem = find_problem(scope, key, value, version=version, iface=iface)
        if problem is not None:
            raise problem.error()


def unknown_keys(scope: Scope, changes: Changes) -> tuple[str, ...]:
    """Return the settings to be removed that open-iscsi does not have.

    A value of None stands for removal. `require_settings` refuses other unknown settings.
    """
    return tuple(k for k, value in changes.items() if value is None and k not in KEYS[scope])


def require_removable(scope: Scope, changes: Changes, records: Iterable[Record]) -> None:
    """Raise UsageError for an unknown setting that is to be removed and is in no record.

    One that is in a record may be removed: it is what makes iscsiadm list nothing.
    """
    there = {key for record in records for key in record.values}
    for key in unknown_keys(scope, changes):
        problem = None if key in there else find_problem(scope, key, None)
        if problem is not None:
            raise problem.error()
