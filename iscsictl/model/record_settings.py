"""Whether open-iscsi accepts a setting: the same check for every command that changes a record.

`iscsiadm -m node` and `-m iface` list nothing at all if a single record has a setting that
libopeniscsiusr does not know, or a word that the setting does not allow.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.open_iscsi import Version, version_text
from iscsictl.model.record_keys import KEYS, Family, RecordKey, Scope
from iscsictl.model.record_text import MAX_KEY, unstorable_reason
from iscsictl.model.record_values import Words

if TYPE_CHECKING:
    import difflib
else:
    # Needed only for a misspelt name.
    difflib = lazy_import("difflib")

# Listings leave out an interface without it (iface.c, _iface_is_valid).
_REQUIRED: Final = {("iface", "iface.transport_name"): "tcp"}
# Before this version, the listing of nodes did not yet know the name of the interface, and treated
# all as IPv4.
_KNOWS_NAME: Final = (2, 1, 5)
_ADDRESS: Final = "iface.ipaddress"
# difflib's similarity, from 0 to 1, above which a name is suggested: `node.startup` for
# `node.startupp`.
_NEAR: Final = 0.6


@dataclass(frozen=True)
class SettingProblem:
    """Why a setting is not accepted: a line that names it, and what to do."""

    text: str
    hint: str

    def error(self) -> UsageError:
        """Return the problem as an error (exit 2), for a setting that the user typed."""
        return UsageError(self.text, hint=self.hint)


def family_of(iface: str) -> Family:
    """Return the address family that open-iscsi assumes: IPv6 if the name contains `ipv6`.

    The address of the interface is not considered (usr/iface.c, libopeniscsiusr/idbm.c: strstr).
    """
    return "ipv6" if "ipv6" in iface else "ipv4"


def find_problem(
    scope: Scope,
    key: str,
    value: str | None,
    *,
    version: Version | None = None,
    iface: str | None = None,
) -> SettingProblem | None:
    """Return why a record of this kind must not get this value; None if it may.

    A `value` of None removes the setting. `version` is that of the installed open-iscsi, None if it
    is not known; `iface` is the name of the record's interface, None if several records are meant.
    """
    setting = KEYS[scope].get(key)
    if setting is None:
        return _unknown_setting(scope, key)
    if setting.fixed is not None:
        return SettingProblem(
            f"{key} cannot be changed: {setting.fixed}",
            "create another record: iscsictl discover ADDRESS --save; then: iscsictl forget"
            if scope == "node"
            else _hint_to_show(scope),
        )
    if setting.is_secret:
        return SettingProblem(
            f"{key}: a secret on the command line is visible to every user",
            "use: iscsictl chap set",
        )
    if value is None:
        if (scope, key) not in _REQUIRED:
            return None
        return SettingProblem(
            f"{key} cannot be removed: open-iscsi ignores an interface without it",
            f"set it: {key}={_REQUIRED[scope, key]}",
        )
    return (
        _unsupported(setting, scope, version, iface)
        or _bad_value(setting, value)
        or _other_family(key, value, iface)
    )


def find_listing_problems(
    scope: Scope, values: Mapping[str, str], version: Version | None, iface: str
) -> Iterator[tuple[str, SettingProblem]]:
    """Yield each setting of a record that makes iscsiadm list no records at all.

    The hint is the change that corrects it: KEY=VALUE, or KEY= for a setting to be removed.
    """
    for key, value in values.items():
        setting = KEYS[scope].get(key)
        if setting is None:
            yield key, SettingProblem(f"open-iscsi has no setting {key}", f"{key}=")
        elif problem := _unsupported(setting, scope, version, iface):
            yield key, SettingProblem(problem.text, f"{key}=")
        elif isinstance(setting.kind, Words) and setting.kind.strict:
            if setting.kind.accepts(value):
                continue
            near = _nearest_word(value, setting.kind.words) or setting.kind.words[0]
            text = f"{key} is {value!r}; expected {setting.kind.description}"
            yield key, SettingProblem(text, f"{key}={near}")


def _unknown_setting(scope: Scope, key: str) -> SettingProblem:
    near = _nearest_word(key, tuple(k for k, s in KEYS[scope].items() if s.fixed is None))
    hint = f"did you mean {near}?" if near else _hint_to_show(scope)
    if len(key) > MAX_KEY or not re.fullmatch(r"[\x21-\x7e]+", key):
        return SettingProblem(f"{key!r} cannot be the name of a setting", hint)
    return SettingProblem(f"{key}: open-iscsi has no such setting", hint)


def _hint_to_show(scope: Scope) -> str:
    return "see: iscsictl iface show NAME" if scope == "iface" else "see: iscsictl nodes show"


def _nearest_word(word: str, words: tuple[str, ...]) -> str | None:
    """Return the most similar of `words`, ignoring case; None if none is similar enough."""
    lower = {w.lower(): w for w in reversed(words)}
    near = difflib.get_close_matches(word.lower(), lower, 1, _NEAR)
    return lower[near[0]] if near else None


def _unsupported(
    setting: RecordKey, scope: Scope, version: Version | None, iface: str | None
) -> SettingProblem | None:
    """Return why this version does not support the setting in such a record; None if it does."""
    if version is not None and not setting.known_to(version):
        installed = version_text(version)
        if setting.since is not None and version < setting.since:
            text = f"{setting.name} is new in open-iscsi {version_text(setting.since)}"
            return SettingProblem(f"{text}; this is {installed}", "leave it out")
        return SettingProblem(
            f"open-iscsi {installed} does not know {setting.name}", "leave it out"
        )
    if setting.family is None or iface is None:
        return None
    family = family_of(iface)
    if scope == "node" and version is not None and version < _KNOWS_NAME:
        family = "ipv4"
    if setting.family == family:
        return None
    return SettingProblem(
        f"{setting.name} is for {_family_name(setting.family)}, and {iface} is an interface of "
        f"{_family_name(family)}",
        "open-iscsi treats an interface with 'ipv6' in its name as IPv6, any other as IPv4",
    )


def _family_name(family: Family) -> str:
    return "IPv6" if family == "ipv6" else "IPv4"


def _bad_value(setting: RecordKey, value: str) -> SettingProblem | None:
    if reason := unstorable_reason(value):
        return SettingProblem(f"{setting.name}: the value {reason}", _describe_expected(setting))
    if not value:
        return SettingProblem(f"{setting.name}: the value is empty", _describe_expected(setting))
    if setting.kind.accepts(value):
        return None
    near = _nearest_word(value, setting.kind.words)
    return SettingProblem(
        f"{setting.name}: {value} is not {setting.kind.description}",
        f"did you mean {near}?" if near else _describe_expected(setting),
    )


def _describe_expected(setting: RecordKey) -> str:
    return f"expected {setting.kind.description}"


def _other_family(key: str, value: str, iface: str | None) -> SettingProblem | None:
    """Refuse an address that would make iscsiadm write settings that it cannot read back.

    It writes the settings for the family of the address (iface.c, iface_get_iptype) but reads those
    for the family of the name: with an IPv6 address on `eth1`, the next record that uses it breaks
    all listings.
    """
    if key != _ADDRESS or iface is None or value == "default":
        return None
    family: Family = "ipv6" if ":" in value else "ipv4"
    if family == family_of(iface):
        return None
    other = "an interface with 'ipv6' in its name" if family == "ipv6" else "another interface"
    return SettingProblem(
        f"{key}: {value} is {_family_name(family)}, and open-iscsi treats {iface} as an interface "
        f"of {_family_name(family_of(iface))} because of its name",
        f"give the address to {other}",
    )
