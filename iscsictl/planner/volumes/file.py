"""A file of volumes (TOML): each [[volume]] a spec, each fault with line, column and key.

The keys are the options of `attach`. Nothing destructive has a key: a file is applied
automatically, again and again, and no file wipes a disk.
"""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from iscsictl.errors import UsageError
from iscsictl.model import values
from iscsictl.model.names import DEFAULT_IFACE, Portal, parse_portal
from iscsictl.model.record_settings import find_problem
from iscsictl.model.record_text import SECRET_KEYS
from iscsictl.model.spec import AttachSpec, Consent, Credential, Places, Volume
from iscsictl.planner.attach.attach import record_values

_EXAMPLE: Final = (
    'begin each volume with the line [[volume]], then one key a line, such as: name = "mail"; '
    "the keys are in: man 5 iscsictl-volumes"
)
_REQUIRED: Final[Mapping[str, str]] = {
    "name": 'add a line such as: name = "mail"',
    "portals": 'add the address of the array: portals = ["192.0.2.5"]',
    "target": 'add a line: target = "IQN"; to see what a portal offers: iscsictl discover ADDR',
}
_HINTS: Final[Mapping[str, str]] = {
    "wipe": "a file never wipes a disk; by hand: iscsictl attach ... --wipe --confirm WWID",
    "confirm": "a file never wipes a disk; by hand: iscsictl attach ... --wipe --confirm WWID",
    "secret": 'a secret belongs in a separate file: secret-file = "/etc/iscsictl/NAME.secret"',
    "password": 'a secret belongs in a separate file: secret-file = "/etc/iscsictl/NAME.secret"',
    "uuid": (
        "a filesystem is identified by target, LUN and WWID; its UUID is generated when it is "
        "created"
    ),
    "device": "name a disk by target and lun, never by its letter",
}
# Python refuses to print an integer of thousands of digits (sys.set_int_max_str_digits).
_LONG: Final = 10**40
#: How many characters of a value or a key an error shows: it is one line.
_SHOWN: Final = 80
_NEED_MOUNT: Final = ("options", "owner", "mode", "required-by", "over-nonempty", "exclusive")


def read_volumes(
    document: Mapping[str, Any], places: Places, name: str, real: Callable[[str], str] = str
) -> tuple[Volume, ...]:
    """Return the volumes of a document that was read from TOML; errors call it `name`.

    `real` returns a mount point's path as the kernel will have it. Raises UsageError, which says
    where.
    """
    return _Reader(places, name, real).volumes(document)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class _ElementError(ValueError):
    """What is wrong with one element of a list, or one key of a table."""

    def __init__(self, place: int | str, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.place = place
        self.hint = hint


def _check_each(value: object, check: Callable[[object], Any]) -> tuple[Any, ...]:
    """Check the elements of a list one by one."""
    if not isinstance(value, list):
        raise _wrong_value_error("a list of strings in brackets", value)
    found = []
    for number, one in enumerate(value):
        try:
            found.append(check(one))
        except ValueError as error:
            raise _ElementError(number, str(error)) from None
    return tuple(found)


def _wrong_value_error(what: str, value: object) -> ValueError:
    match value:
        case dict():
            shown = "a table"
        case list():
            shown = "a list"
        case bool():
            shown = str(value).lower()
        case int() if abs(value) >= _LONG:
            shown = "a number with that many digits"
        case str():
            shown = _shorten(repr(value))
        case _:
            shown = str(value)
    return ValueError(f"expected {what}, not {shown}")


def _check_text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_value_error("a string in quotes", value)
    if not value.strip() or any(c in value for c in "\n\r\0"):
        raise ValueError(f"expected a line of text, not {_shorten(repr(value))}")
    return value


def _check_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_value_error("true or false", value)
    return value


def _check_lun(value: object) -> int:
    # isinstance would let `true` through, which is an int in Python and not in TOML.
    if type(value) is not int or not 0 <= value <= values.MAX_LUN:
        raise _wrong_value_error(f"a number from 0 to {values.MAX_LUN}", value)
    return value


def _check_option(value: object) -> str:
    text = _check_text(value)
    if values.mount_options(text) != (text,):
        raise ValueError(f"expected one mount option in each string, not {text!r}")
    return text


def _check_options(value: object) -> tuple[str, ...]:
    return _check_each(value, _check_option)


def _check_units(value: object) -> tuple[str, ...]:
    return _check_each(value, lambda one: values.unit(_check_text(one)))


def _check_portals(value: object) -> tuple[Portal, ...]:
    found = _check_each(value, lambda one: parse_portal(_check_text(one)))
    if not found:
        raise ValueError("expected at least one portal")
    return found


def _check_one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in words:
            raise _wrong_value_error(f"one of {', '.join(words)}", value)
        return str(value)

    return check


def _check_mode(value: object) -> int:
    return values.mode_bits(_check_text(value))


def _check_directory(value: object) -> str:
    return values.directory(_check_text(value))


def _check_secret_file(value: object) -> str:
    text = _check_text(value)
    # `-` would be standard input, which can be the file of volumes itself.
    if text == "-" or ("/" in text and not text.startswith("/")):
        raise ValueError(
            f"{text}: expected an absolute path, or the bare name of a systemd credential"
        )
    return text


def _check_settings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong_value_error('a table such as { "node.session.scan" = "manual" }', value)
    return {key: _check_setting(key, text) for key, text in value.items()}


def _check_setting(key: str, value: object) -> str:
    if isinstance(value, dict):  # TOML takes the dots of a key without quotes for nested tables
        raise _ElementError(
            key,
            f"{key}: the name of a setting is not in quotes",
            'write it in quotes: set = { "node.session.scan" = "manual" }',
        )
    if key in SECRET_KEYS:
        text = f"{key}: a secret belongs in a separate file: chap, secret-file"
        raise _ElementError(key, text)
    try:
        text = _check_text(value)
    except ValueError as error:
        raise _ElementError(key, f"{key}: {error}") from None
    problem = find_problem("node", key, text)
    if problem is not None:
        raise _ElementError(key, problem.text, problem.hint)
    return text


def _check_ifaces(value: object) -> tuple[str, ...]:
    """Return the names of one or several interfaces."""
    names = value if isinstance(value, list) else [value]
    if not names:
        raise ValueError("expected the name of an interface, or a list of names")
    return tuple(dict.fromkeys(_check_text(name) for name in names))


def _check_user(value: object) -> str:
    text = _check_text(value)
    why = values.chap_name_problem(text)
    if why is not None:
        raise ValueError(why)
    return text


def _check_owner(value: object) -> str:
    text = _check_text(value)
    if text == ":":
        raise ValueError(f"{text}: expected USER:GROUP, USER or :GROUP")
    return text


Check = Callable[[object], Any]
_KEYS: Final[Mapping[str, Check | None]] = {
    "name": _check_text,
    "portals": _check_portals,
    "target": _check_text,
    "lun": _check_lun,
    "iface": _check_ifaces,
    "multipath": _check_one_of(("auto", "require", "off")),
    "chap": None,
    "mutual": None,
    "table": _check_one_of(values.TABLES),
    "fs": _check_one_of(values.FILESYSTEMS),
    "fs-label": _check_text,
    "mount": _check_directory,
    "options": _check_options,
    "owner": _check_owner,
    "mode": _check_mode,
    "required-by": _check_units,
    "wwid": _check_text,
    "set": _check_settings,
    "boot": _check_flag,
    "adopt": _check_flag,
    "adopt-unverified": _check_flag,
    "over-nonempty": _check_flag,
    "verify-blank": _check_one_of(("quick", "full")),
    "discard": _check_flag,
    "exclusive": _check_flag,
}
_CHAP_KEYS: Final[Mapping[str, Check | None]] = {
    "user": _check_user,
    "secret-file": _check_secret_file,
}


@dataclass(frozen=True)
class _Reader:
    places: Places
    name: str
    real: Callable[[str], str]

    def volumes(self, document: Mapping[str, Any]) -> tuple[Volume, ...]:
        for key in document:
            if key != "volume":
                raise self._unknown_key_error((key,), ("volume",))
        tables = document.get("volume", [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            text = "volume: expected [[volume]], in two brackets"
            raise self._error_at(("volume",), text, _EXAMPLE)
        if not tables:
            raise UsageError(f"{self.name} contains no volumes", hint=_EXAMPLE)
        volumes = tuple(self._read_volume(number, table) for number, table in enumerate(tables))
        self._compare_volumes(volumes)
        return volumes

    def _read_volume(self, number: int, table: Mapping[str, Any]) -> Volume:
        path = ("volume", number)
        found = self._check_table(path, table, _KEYS)
        for key, hint in _REQUIRED.items():
            if key not in found:
                raise self._error_at(path, f"the volume has no {key}", hint)
        chap, mutual = (
            self._credential((*path, key), table.get(key)) for key in ("chap", "mutual")
        )
        if mutual is not None and chap is None:
            raise self._error_at((*path, "mutual"), "mutual: needs chap, this host's own account")
        if mutual and chap and (mutual.secret_file is None) != (chap.secret_file is None):
            lacking = "mutual" if mutual.secret_file is None else "chap"
            raise self._error_at(
                (*path, lacking), f"{lacking}: give a secret-file for both, or for neither"
            )
        if "fs-label" in found:
            why = values.label_problem(found["fs-label"], found.get("fs"))
            if why is not None:
                raise self._error_at((*path, "fs-label"), f"fs-label: {why}")
        for key in _NEED_MOUNT:
            if found.get(key) and "mount" not in found:
                raise self._error_at((*path, key), f"{key}: needs mount")
        spec = AttachSpec(
            portals=found["portals"],
            uuid="",
            target=found["target"],
            lun=found.get("lun"),
            ifaces=found.get("iface", (DEFAULT_IFACE,)),
            multipath=found.get("multipath", "auto"),
            account=None,
            table=found.get("table"),
            fs=found.get("fs"),
            fs_label=found.get("fs-label"),
            mount=self.real(found["mount"]) if "mount" in found else None,
            options=found.get("options", ()),
            mode=found.get("mode"),
            required_by=found.get("required-by", ()),
            wwid=found.get("wwid"),
            values={**_account_values(chap, mutual), **found.get("set", {})},
            boot=found.get("boot", True),
            full_probe=found.get("verify-blank") == "full",
            discard=found.get("discard", False),
            exclusive=found.get("exclusive", False),
            consent=Consent(
                adopt=found.get("adopt", False),
                over_nonempty=found.get("over-nonempty", False),
                adopt_unverified=found.get("adopt-unverified", False),
            ),
        )
        return Volume(
            found["name"], spec, chap, mutual, found.get("owner"), self.places.get(path, (1, 1))
        )

    def _credential(self, path: tuple[str | int, ...], table: object) -> Credential | None:
        if table is None:
            return None
        key = path[-1]
        if not isinstance(table, dict):
            raise self._error_at(path, f'{key}: expected {{ user = "NAME", secret-file = "FILE" }}')
        found = self._check_table(path, table, _CHAP_KEYS)
        if "user" not in found:
            raise self._error_at(path, f"{key}: the user is missing")
        return Credential(found["user"], found.get("secret-file"))

    def _check_table(
        self,
        path: tuple[str | int, ...],
        table: Mapping[str, Any],
        keys: Mapping[str, Check | None],
    ) -> dict[str, Any]:
        """Return the values of a table, checked one by one."""
        found = {}
        for key, value in table.items():
            if key not in keys:
                raise self._unknown_key_error((*path, key), keys)
            check = keys[key]
            if check is not None:
                try:
                    found[key] = check(value)
                except _ElementError as error:
                    place = (*path, key, error.place)
                    raise self._error_at(place, f"{key}: {error}", error.hint) from None
                except ValueError as error:
                    raise self._error_at((*path, key), f"{key}: {error}") from None
        return found

    def _compare_volumes(self, volumes: tuple[Volume, ...]) -> None:
        """Raise if two volumes exclude each other: one name, mount point, LUN or disk twice."""
        seen: dict[tuple[str, object], Volume] = {}
        of_target: dict[str | None, list[Volume]] = defaultdict(list)
        for number, volume in enumerate(volumes):
            spec = volume.spec
            for key, value in (("name", volume.name), ("mount", spec.mount), ("wwid", spec.wwid)):
                other = seen.setdefault((key, value), volume)
                if value is not None and other is not volume:
                    raise self._duplicate_error(number, key, f"{value!r}", other)
            # Without a number it is whichever LUN the target has, so it may be the same one.
            for other in of_target[spec.target]:
                theirs = other.spec
                if spec.lun == theirs.lun or None in {spec.lun, theirs.lun}:
                    lun = "" if None in {spec.lun, theirs.lun} else f" LUN {spec.lun}"
                    raise self._duplicate_error(number, "target", f"{spec.target}{lun}", other)
                if set(spec.ifaces) & set(theirs.ifaces):
                    self._share_records(number, volume, other)
            of_target[spec.target].append(volume)

    def _share_records(self, number: int, volume: Volume, other: Volume) -> None:
        """Raise if two volumes want different values in node records that both use."""
        theirs = _values_for_records(other)
        for key, value in _values_for_records(volume).items():
            if theirs.get(key, value) != value:
                raise self._error_at(
                    ("volume", number, key if key in {"chap", "mutual"} else "set"),
                    f"{key} is not that of volume {other.name!r} (line {other.place[0]}), but "
                    f"both use the node records of {volume.spec.target}",
                    "give all volumes of a target the same chap, mutual and set",
                )

    def _duplicate_error(self, number: int, key: str, what: str, other: Volume) -> UsageError:
        line, column = other.place
        return self._error_at(
            ("volume", number, key),
            f"{key}: {what} is that of volume {other.name!r} too (line {line}, column {column})",
            "each volume needs its own name, LUN and mount point",
        )

    def _unknown_key_error(self, path: tuple[str | int, ...], known: Iterable[str]) -> UsageError:
        key = str(path[-1])
        shown = _shorten(key) or "''"
        if len(path) == 1:
            # At the top of the file there is but one: the line above it is missing, or misspelt.
            return self._error_at(path, f"{shown}: there is no such key", _EXAMPLE)
        near = difflib.get_close_matches(key.replace("_", "-").lower(), known, 1)
        hint = _HINTS.get(key) or (
            f"did you mean {near[0]}?" if near else f"the keys are: {', '.join(known)}"
        )
        return self._error_at(path, f"{shown}: there is no such key", hint)

    def _error_at(
        self, path: tuple[str | int, ...], text: str, hint: str | None = None
    ) -> UsageError:
        """Return an error that says where: at the key, or at the nearest thing around it."""
        around = path
        while around not in self.places and around:
            around = around[:-1]
        line, column = self.places.get(around, (1, 1))
        return UsageError(
            f"{self.name}, line {line}, column {column}: {text}",
            hint=hint or "for the keys of a volume: iscsictl apply --help",
        )


def _values_for_records(volume: Volume) -> dict[str, object]:
    """Return the values that a volume wants in its node records."""
    accounts = {"chap": volume.chap, "mutual": volume.mutual}
    named = {key: account for key, account in accounts.items() if account is not None}
    return {**named, **record_values(volume.spec, multipath=False)}


def _account_values(chap: Credential | None, mutual: Credential | None) -> dict[str, str]:
    """Return the record values of accounts whose secrets stay as they are."""
    if chap is None or chap.secret_file is not None:
        return {}
    found = {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": chap.user}
    if mutual is not None:
        found["node.session.auth.username_in"] = mutual.user
    return found
