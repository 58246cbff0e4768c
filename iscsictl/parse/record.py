"""The text of a record: read as open-iscsi reads it, edited without touching anything else.

`idbm_recinfo_config` and `idbm_print` of open-iscsi (usr/idbm.c) define the format. Text is
UTF-8 with surrogateescape, so any bytes survive.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.record import MASK, MAX_KEY, MAX_VALUE, SECRET_KEYS
from iscsictl.model.secret import Secret

MAX_LINE: Final = 2047
BLANKS: Final = " \t\n\v\f\r"

_BEGIN = "# BEGIN RECORD"
_END = "# END RECORD"
# After the name comes one character of any kind, then the sign: `key=value` has no value.
_LINE = re.compile(r"([^\s=]*)[\s=]\s*=\s*(.+)", re.ASCII | re.DOTALL)
_KEY = re.compile(r"[^\s=#\0]+")

_NODE_KEYS = """
node.name node.tpgt node.startup node.leading_login iface.* node.discovery_address
node.discovery_port node.discovery_type node.session.initial_cmdsn
node.session.initial_login_retry_max node.session.xmit_thread_priority node.session.cmds_max
node.session.queue_depth node.session.nr_sessions node.session.auth.authmethod
node.session.auth.username node.session.auth.password node.session.auth.username_in
node.session.auth.password_in node.session.auth.chap_algs
node.session.timeo.replacement_timeout node.session.err_timeo.abort_timeout
node.session.err_timeo.lu_reset_timeout node.session.err_timeo.tgt_reset_timeout
node.session.err_timeo.host_reset_timeout node.session.iscsi.FastAbort
node.session.iscsi.InitialR2T node.session.iscsi.ImmediateData
node.session.iscsi.FirstBurstLength node.session.iscsi.MaxBurstLength
node.session.iscsi.DefaultTime2Retain node.session.iscsi.DefaultTime2Wait
node.session.iscsi.MaxConnections node.session.iscsi.MaxOutstandingR2T node.session.iscsi.ERL
node.session.scan node.session.reopen_max node.session.conn_reopen_log_freq
node.conn[0].address node.conn[0].port node.conn[0].startup node.conn[0].tcp.window_size
node.conn[0].tcp.type_of_service node.conn[0].timeo.logout_timeout
node.conn[0].timeo.login_timeout node.conn[0].timeo.auth_timeout
node.conn[0].timeo.noop_out_interval node.conn[0].timeo.noop_out_timeout
node.conn[0].iscsi.MaxXmitDataSegmentLength node.conn[0].iscsi.MaxRecvDataSegmentLength
node.conn[0].iscsi.HeaderDigest node.conn[0].iscsi.DataDigest node.conn[0].iscsi.IFMarker
node.conn[0].iscsi.OFMarker
"""
_DISCOVERY_KEYS = """
discovery.startup discovery.type discovery.sendtargets.address discovery.sendtargets.port
discovery.sendtargets.auth.authmethod discovery.sendtargets.auth.username
discovery.sendtargets.auth.password discovery.sendtargets.auth.username_in
discovery.sendtargets.auth.password_in node.session.auth.chap_algs
discovery.sendtargets.timeo.login_timeout
discovery.sendtargets.use_discoveryd discovery.sendtargets.discoveryd_poll_inval
discovery.sendtargets.reopen_max discovery.sendtargets.timeo.auth_timeout
discovery.sendtargets.timeo.active_timeout discovery.sendtargets.iscsi.MaxRecvDataSegmentLength
"""
# The places in which open-iscsi 2.1.8 to 2.1.11 writes its keys.
_NODE_PLACES: Final = {key: place for place, key in enumerate(_NODE_KEYS.split())}
_DISCOVERY_PLACES: Final = {key: place for place, key in enumerate(_DISCOVERY_KEYS.split())}


def parse_values(text: str) -> dict[str, str]:
    """Return the values that open-iscsi would see; the last of a key wins, secrets are masked.

    Skipped as open-iscsi skips them: comments, lines without a value, with a NUL or longer than
    2047 bytes, and a last line without a newline. `<empty>` (printed by `-o show`) is unset.
    """
    values = _quick(text)
    if values is None:
        values = dict(filter(None, map(_pair, text.split("\n")[:-1])))
    for key in SECRET_KEYS & values.keys():
        if values[key] != "<empty>":
            values[key] = MASK
    if "<empty>" in values.values():
        return {key: value for key, value in values.items() if value != "<empty>"}
    return values


def problem_of(text: str) -> str | None:
    """Tell in one line why this is no whole record, or None if it is one."""
    if not text:
        return "is empty (0 bytes): its writer was killed"
    if not text.strip("\0"):
        return "holds nothing but zero bytes: the power was cut while it was written"
    lines = "\n" + text
    begin = lines.find("\n" + _BEGIN)
    if begin < 0:
        return f"has no '{_BEGIN}'"
    if "\n" + _END not in lines[begin:]:
        return f"is cut short: it has no '{_END}'"
    if not _plain(text) and _too_long(text):
        return f"has a value of more than {MAX_VALUE} bytes, which overruns iscsiadm's buffer"
    return None


def edit_record(text: str, changes: Mapping[str, str | Secret | None]) -> str:
    """Return the text with keys set, added (where open-iscsi has them) or removed (None).

    Everything else stays as it is. A key that is there twice is set once. Raises UsageError for
    a key or value that open-iscsi cannot keep, RefusedError for a record that is torn.
    """
    problem = problem_of(text)
    if problem is not None:
        raise RefusedError(f"the record {problem}", hint="iscsictl doctor --fix removes it")
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    for key, change in changes.items():
        rendered = None if change is None else f"{key} = {checked(key, change)}\n"
        _check_key(key)
        lines = list(_edited(lines, key, rendered))
    return "".join(lines)


def _plain(text: str) -> bool:
    return text.isascii() and "\0" not in text and max(map(len, text.split("\n"))) <= MAX_VALUE


def _quick(text: str) -> dict[str, str] | None:
    """Read what `idbm_print` writes, five times faster than `_pair`; None where it looks other."""
    if not _plain(text) or any(odd in text for odd in ("  ", " \n", "\n ", *"\t\v\f\r")):
        return None
    values: dict[str, str] = {}
    for line in text.split("\n")[:-1]:
        key, sign, value = line.partition(" = ")
        if line.startswith("#") or not line:
            continue
        if not sign or not key or " " in key or "=" in key:
            return None
        values[key] = value
    return values


def _pair(line: str) -> tuple[str, str] | None:
    if len(line.encode("utf-8", "surrogateescape")) >= MAX_LINE:
        return None
    line = line.strip(BLANKS)
    if not line or line[0] == "#" or "\0" in line:
        return None
    match = _LINE.fullmatch(line)
    return (match[1], match[2]) if match else None


def _too_long(text: str) -> bool:
    pairs = filter(None, map(_pair, text.split("\n")[:-1]))
    return any(len(value.encode("utf-8", "surrogateescape")) > MAX_VALUE for _, value in pairs)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key) or len(key.encode("utf-8", "surrogateescape")) > MAX_KEY:
        raise UsageError(f"{key!r} is no name of a setting", hint="see: iscsictl nodes show")


def checked(key: str, change: str | Secret) -> str:
    """Return the value as a record has it. Raises UsageError for what no record can keep."""
    if isinstance(change, Secret):
        return change.reveal()
    if key in SECRET_KEYS:
        raise UsageError(
            f"{key} is a secret and is not taken in the open", hint="use: iscsictl chap set"
        )
    if not change:
        raise UsageError(f"{key}: the value is empty", hint="unset it instead")
    if why := why_not_kept(change):
        raise UsageError(f"{key}: the value {why}")
    return change


def why_not_kept(value: str) -> str | None:
    """Tell why a record cannot keep this text, or None if it can."""
    if len(value.encode("utf-8", "surrogateescape")) > MAX_VALUE:
        return f"is longer than {MAX_VALUE} bytes"
    if any(c in value for c in "\n\r\0"):
        return "has a line break or a NUL inside"
    if value != value.strip(BLANKS):
        return "begins or ends with a blank, which open-iscsi loses"
    return None


def _edited(lines: list[str], key: str, rendered: str | None) -> Iterator[str]:
    pending = rendered
    here = [n for n, line in enumerate(lines) if (_pair(line) or ("",))[0] == key]
    before = _place_for(lines, key) if not here else -1
    for n, line in enumerate(lines):
        if n == before and pending is not None:
            yield pending
        if n not in here:
            yield line
        elif pending is not None:
            yield pending
            pending = None


def _place_for(lines: list[str], key: str) -> int:
    """Return the number of the line before which a new key goes."""
    begin = next(n for n, line in enumerate(lines) if line.startswith(_BEGIN))
    end = next(n for n in range(begin, len(lines)) if lines[n].startswith(_END))
    places = _DISCOVERY_PLACES if key.startswith("discovery.") else _NODE_PLACES
    place = places.get(_generic(key))
    if place is None:
        return end
    before = begin + 1
    for n, line in enumerate(lines[:end]):
        pair = _pair(line)
        other = places.get(_generic(pair[0])) if pair else None
        if other is not None and other <= place:
            before = n + 1
    return before


def _generic(key: str) -> str:
    return "iface.*" if key.startswith("iface.") else key
