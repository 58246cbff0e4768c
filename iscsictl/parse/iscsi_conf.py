"""Read /etc/iscsi.conf of the old driver as that driver read it.

A header line takes a copy of the global settings seen so far; lines that are indented deeper
belong to it (a tab counts 8). What stands at the end holds for all targets without an entry.
Pure and total: any text gives a result, what is wrong in it becomes a Problem.
"""

import ipaddress
import re
from dataclasses import field
from typing import Final, Literal

from iscsictl.lazyclass import dataclass
from iscsictl.model.oldconf import (
    Account,
    Discovery,
    Level,
    OldConfig,
    Problem,
    Setting,
    Settings,
    Subnet,
    Target,
)
from iscsictl.model.secret import Secret

DEFAULT_PORT: Final = 3260
LONGEST_LINE: Final = 2047
_BLANKS: Final = " \t\n\v\f\r"
_WORD: Final = re.compile(r"[\w,.-]{1,40}")

Section = Literal["discovery", "target", "subnet", "other"]
Group = Literal["connection", "session", "error", "tcp", "iscsi"]

# keyword -> (group, name here, how its value is read)
_KEYWORDS: Final[dict[str, tuple[Group, str, str]]] = {
    "logintimeout": ("connection", "login_timeout", "time"),
    "authtimeout": ("connection", "auth_timeout", "time"),
    "activetimeout": ("connection", "active_timeout", "time"),
    "idletimeout": ("connection", "idle_timeout", "time"),
    "pingtimeout": ("connection", "ping_timeout", "time"),
    "connfailtimeout": ("session", "replacement_timeout", "time"),
    "aborttimeout": ("error", "abort_timeout", "time"),
    "resettimeout": ("error", "reset_timeout", "time"),
    "tcpwindowsize": ("tcp", "tcp_window_size", "number"),
    "initialr2t": ("iscsi", "initial_r2t", "boolean"),
    "immediatedata": ("iscsi", "immediate_data", "boolean"),
    "maxrecvdatasegmentlength": ("iscsi", "max_recv_data_segment_length", "number"),
    "firstburstlength": ("iscsi", "first_burst_length", "number"),
    "maxburstlength": ("iscsi", "max_burst_length", "number"),
    "headerdigest": ("iscsi", "header_digest", "digest"),
    "datadigest": ("iscsi", "data_digest", "digest"),
}
GROUP_OF: Final[dict[str, Group]] = {name: group for group, name, _ in _KEYWORDS.values()}
_TAKES: Final[dict[Section, frozenset[Group]]] = {
    "discovery": frozenset({"connection"}),
    "target": frozenset({"connection", "session", "error", "tcp", "iscsi"}),
    "subnet": frozenset({"connection", "error", "tcp"}),
    "other": frozenset(),
}
_ACCOUNTS: Final = {
    "username": "username", "usernameout": "username", "outgoingusername": "username",
    "password": "password", "passwordout": "password", "outgoingpassword": "password",
    "usernamein": "username_in", "incomingusername": "username_in",
    "passwordin": "password_in", "incomingpassword": "password_in",
}  # fmt: skip
_DIGESTS: Final = {
    **dict.fromkeys(("never", "no", "none"), "None"),
    **dict.fromkeys(("always", "yes", "crc32c"), "CRC32C"),
    "prefer-on": "CRC32C,None",
    "prefer-off": "None,CRC32C",
}
_HEADERS: Final = frozenset(
    {"discoveryaddress", "targetipaddr", "discoveryfile", "slpmulticast", "slpunicast",
     "targetname", "subnet", "address"}
)  # fmt: skip
_NOTHING: Final = {
    "discoveryfile": "open-iscsi does not read targets from a file; discover their portal",
    "slpmulticast": "open-iscsi has no SLP; discover the portal by its address, or use iSNS",
    "slpunicast": "open-iscsi has no SLP; discover the portal by its address, or use iSNS",
    "pollinterval": "it set how often SLP was asked, which open-iscsi does not have",
    "sendasynctext": "open-iscsi never asks for asynchronous text",
    "defaultaddress": "it belongs to DiscoveryFile, which open-iscsi does not have",
    "readsize": "it belongs to DiscoveryFile, which open-iscsi does not have",
    "target,lun": "LUNs are found by themselves today",
}
_PLACES: Final = ("{}", "{}:{}", "[{}]", "[{}]:{}")
KEYWORDS: Final = frozenset({*_KEYWORDS, *_ACCOUNTS, *_HEADERS, *_NOTHING, "enabled", "continuous"})


@dataclass
class _Credentials:
    """User names and passwords as they stand at one place of the file."""

    fields: dict[str, tuple[str, int]] = field(default_factory=dict, repr=False)

    def copy(self) -> "_Credentials":
        return _Credentials(dict(self.fields))


@dataclass
class _Open:
    """The entry that indented lines belong to."""

    kind: Section
    line: int
    what: str
    port: int = DEFAULT_PORT
    settings: dict[str, Setting] = field(default_factory=dict)
    credentials: _Credentials = field(default_factory=_Credentials)


def parse_number(text: str) -> int | None:
    """Read a number as C's strtol does with base 0, up to the first blank; None if it is none."""
    token = _token(text)
    if not re.fullmatch(r"\+?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})", token):
        return None
    digits = token.lstrip("+")
    try:
        if digits[:2] in {"0x", "0X"}:
            number = int(digits, 16)
        else:
            number = int(digits, 8 if digits.startswith("0") else 10)
    except ValueError:
        return None
    return number if number < 2**31 else None


def parse_time(text: str) -> int | None:
    """Read seconds, with s, m or h behind in lower case; None if it is no time."""
    token = _token(text)
    unit = {"s": 1, "m": 60, "h": 3600}.get(token[-1:])
    number = parse_number(token[:-1] if unit else token)
    seconds = None if number is None else number * (unit or 1)
    return seconds if seconds is not None and seconds < 2**31 else None


def parse_boolean(text: str) -> bool | None:
    """Read yes, no or a number; nothing at all is no."""
    token = _token(text).lower()
    if token.startswith("yes"):
        return True
    if token.startswith("no") or not token:
        return False
    number = parse_number(token)
    return None if number is None else number != 0


def _token(text: str) -> str:
    return re.split(f"[{_BLANKS}]", text, maxsplit=1)[0]


def _quoted(text: str) -> str:
    """Return what stands in quotes (an open quote ends with the line), or the first word."""
    return text[1:].partition('"')[0] if text.startswith('"') else _token(text)


class _Reader:
    """One pass over the lines."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.settings: dict[str, Setting] = {}
        self.credentials = _Credentials()
        self.entries: list[_Open] = []
        self.current: _Open | None = None
        self.indent = 0
        self.loose: list[tuple[int, str]] = []

    def say(self, line: int, text: str, level: Level = "warning") -> None:
        self.problems.append(Problem(line, text, level))

    def read(self, number: int, raw: str) -> None:
        if len(raw.encode("utf-8", "surrogateescape")) > LONGEST_LINE:
            self.say(number, f"the line is longer than {LONGEST_LINE} bytes and is left out",
                     "error")  # fmt: skip
            return
        text = raw.strip(_BLANKS)
        if not text or text.startswith("#"):
            return
        indent = sum(8 if c == "\t" else 1 for c in raw[: len(raw) - len(raw.lstrip(_BLANKS))])
        if indent <= self.indent:
            self.current = None
        keyword, equals, value = text.partition("=")
        name = keyword.lower()
        if name in _HEADERS and equals:
            self.header(number, indent, name, keyword, value)
        elif name in _ACCOUNTS and equals:
            self.account(number, keyword, _ACCOUNTS[name], value)
        elif name in _KEYWORDS and equals:
            self.setting(number, keyword, value)
        elif name in {"enabled", "continuous"} and equals:
            self.switch(number, name, keyword, value)
        elif name in _NOTHING and equals:
            self.say(number, f"{keyword} means nothing today: {_NOTHING[name]}")
        else:
            self.unknown(number, keyword, bool(equals))

    def unknown(self, number: int, keyword: str, equals: bool) -> None:
        known = keyword.strip()
        if not equals:
            self.say(number, "the line has no '=' and is left out")
        elif known.lower() in KEYWORDS:
            self.say(number, f"{known} has a blank before '=', so the line says nothing")
        else:
            # What follows the first word may be a mistyped password.
            word = _WORD.match(known)
            shown = repr(word[0]) if word else "the keyword"
            self.say(number, f"{shown} is not known and is left out")

    def header(self, number: int, indent: int, name: str, keyword: str, value: str) -> None:
        entry = self.opened(number, name, keyword, value)
        if entry is None:
            return
        self.entries.append(entry)
        self.current, self.indent = entry, indent
        self.loose.clear()

    def opened(self, number: int, name: str, keyword: str, value: str) -> _Open | None:
        """Make the entry of a header, with a copy of the globals of its groups."""
        if name in _NOTHING:
            self.say(number, f"{keyword} means nothing today: {_NOTHING[name]}")
            return _Open("other", number, "")
        if name == "targetname":
            target = _quoted(value)
            if not target:
                why = " (a blank follows '=')" if value[:1].isspace() else ""
                self.say(number, f"the target's name is empty{why}: {keyword}={value}", "note")
            return _Open("target", number, target, settings=dict(self.settings))
        if name in {"subnet", "address"}:
            network = _network(value)
            if network is None:
                self.say(number, f"{keyword}={_token(value)} is no IPv4 address[/bits]", "error")
                return None
            copied = {k: v for k, v in self.settings.items() if _fits("subnet", k)}
            return _Open("subnet", number, network, settings=copied)
        if not value:
            self.say(number, f"{keyword} needs an address", "error")
            return None
        token = _token(value)
        address, port = _address(token)
        if not address:
            self.say(number, f"the address is empty: {keyword}={value}", "note")
        elif token not in {shape.format(address, port) for shape in _PLACES}:
            self.say(number, f"{keyword}={token} is read as {address}, port {port}", "note")
        copied = {
            k: v for k, v in self.settings.items() if _fits("discovery", k) or k == "continuous"
        }
        return _Open("discovery", number, address, port, copied, self.credentials.copy())

    def account(self, number: int, keyword: str, name: str, value: str) -> None:
        if self.current is None:
            self.credentials.fields[name] = (_quoted(value), number)
            self.loose.append((number, keyword))
        elif self.current.kind == "discovery":
            self.current.credentials.fields[name] = (_quoted(value), number)
        elif self.current.kind == "other":
            self.say(number, f"{keyword} belongs to an entry that means nothing today")
        else:
            self.say(number, f"{keyword} may not stand under a target or subnet; put it under "
                     "DiscoveryAddress", "error")  # fmt: skip

    def setting(self, number: int, keyword: str, text: str) -> None:
        group, name, form = _KEYWORDS[keyword.lower()]
        value: int | bool | str | None
        if form == "time":
            value = parse_time(text)
        elif form == "number":
            value = parse_number(text)
        elif form == "boolean":
            value = parse_boolean(text)
        else:
            value = _DIGESTS.get(text.lower())
        if value is None:
            self.say(number, f"{keyword}={text[:60]} is not {_WANTED[form]}", "error")
        elif self.current is None:
            self.settings[name] = Setting(value, number)
        elif group in _TAKES[self.current.kind]:
            self.current.settings[name] = Setting(value, number)
        else:
            self.say(number, f"{keyword} does not apply to the entry of line {self.current.line}",
                     "error")  # fmt: skip

    def switch(self, number: int, name: str, keyword: str, text: str) -> None:
        value = parse_boolean(text)
        if value is None:
            self.say(number, f"{keyword}={text[:60]} is not {_WANTED['boolean']}", "error")
            return
        owner: Section = "target" if name == "enabled" else "discovery"
        if self.current is not None and self.current.kind == owner:
            self.current.settings[name] = Setting(value, number)
        elif self.current is not None and name == "enabled":
            self.say(number, "Enabled applies to targets only", "error")
        else:
            self.settings[name] = Setting(value, number)
            if name == "continuous":
                self.loose.append((number, keyword))

    def secret(self, credentials: _Credentials, name: str) -> Secret | None:
        text, line = credentials.fields.get(name, ("", 0))
        if line == 0:
            return None
        try:
            return Secret(text)
        except ValueError as error:
            problem = Problem(line, f"the password is left out: {error}")
            if problem not in self.problems:
                self.problems.append(problem)
            return None

    def accounts(self, entry: _Open) -> tuple[Account, Account]:
        both: list[Account] = []
        for suffix in ("", "_in"):
            fields = entry.credentials.fields
            user, line = fields.get(f"username{suffix}", ("", 0))
            password = self.secret(entry.credentials, f"password{suffix}")
            line = line or fields.get(f"password{suffix}", ("", 0))[1]
            both.append(Account(user or None, password, line))
        outgoing, incoming = both
        if incoming and (outgoing.username is None or outgoing.password is None):
            self.say(incoming.line, "incoming credentials need outgoing ones and are left out "
                     f"of the entry of line {entry.line}", "error")  # fmt: skip
            incoming = Account()
        return outgoing, incoming

    def result(self) -> OldConfig:
        if self.entries:
            for line, keyword in self.loose:
                self.say(line, f"{keyword} applies to nothing: no DiscoveryAddress follows it",
                         "note")  # fmt: skip
        found = []
        for entry in self.entries:
            if entry.kind == "discovery":
                account, incoming = self.accounts(entry)
                found.append(
                    Discovery(entry.line, entry.what, entry.port, account, incoming, entry.settings)
                )
        everywhere: Settings = {k: v for k, v in self.settings.items() if k != "continuous"}
        return OldConfig(
            discovery=tuple(found),
            targets=tuple(Target(e.line, e.what, _targets(e)) for e in self.of("target")),
            subnets=tuple(Subnet(e.line, e.what, e.settings) for e in self.of("subnet")),
            everywhere=everywhere,
            problems=tuple(sorted(self.problems, key=lambda problem: problem.line)),
        )

    def of(self, kind: Section) -> list[_Open]:
        return [entry for entry in self.entries if entry.kind == kind]


_WANTED: Final = {
    "time": "a time such as 30, 30s, 5m or 1h in lower case",
    "number": "a number",
    "boolean": "yes or no",
    "digest": "never, always, prefer-on or prefer-off alone on its line",
}


def _fits(kind: Section, name: str) -> bool:
    return name in GROUP_OF and GROUP_OF[name] in _TAKES[kind]


def _targets(entry: _Open) -> Settings:
    return {k: v for k, v in entry.settings.items() if k != "continuous"}


def _address(token: str) -> tuple[str, int]:
    """Split address and port. Brackets (IPv6) are taken, which the old driver did not know."""
    if match := re.fullmatch(r"\[([^\]]*)\](?::([0-9]*).*)?", token):
        address, digits = match[1], match[2] or ""
    else:
        address, _, rest = token.partition(":")
        found = re.match(r"[0-9]*", rest)
        digits = found[0] if found else ""
    port = int(digits) if 0 < len(digits) <= 5 else 0
    return address, port if 0 < port < 65536 else DEFAULT_PORT


def _network(value: str) -> str | None:
    """Read address, address/bits or address&hexmask as a network in CIDR form."""
    address, slash, bits = _token(value).partition("/")
    prefix = 32
    if slash:
        prefix = int(bits) if re.fullmatch("[0-9]{1,2}", bits) and int(bits) <= 32 else 32
    elif "&" in address:
        address, _, mask = address.partition("&")
        if re.fullmatch(r"(?:0[xX])?[0-9a-fA-F]{1,8}", mask):
            prefix = f"{int(mask, 16):032b}".find("0") % 33
    try:
        return str(ipaddress.IPv4Network((address, prefix), strict=False))
    except ValueError:
        return None


def parse_iscsi_conf(text: str) -> OldConfig:
    """Read the text of iscsi.conf."""
    reader = _Reader()
    for number, raw in enumerate(text.split("\n"), start=1):
        reader.read(number, raw)
    return reader.result()
