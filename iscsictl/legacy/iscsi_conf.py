"""A parser for /etc/iscsi.conf of the old driver, which reads the file as that driver did.

A header line starts an entry with a copy of the global settings so far; lines that are indented
deeper belong to the entry (a tab counts as 8 columns). The global settings at the end of the file
apply to all targets without an entry.

It never raises: whatever is wrong becomes a Problem.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from iscsictl.legacy.model import (
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
from iscsictl.legacy.values import (
    BLANKS,
    DEFAULT_PORT,
    parse_boolean,
    parse_number,
    parse_time,
    read_address,
    read_network,
    read_quoted,
    read_token,
)
from iscsictl.model.record_text import unstorable_reason
from iscsictl.model.secret import Secret

# Bytes, without the newline.
LONGEST_LINE: Final = 2047
_WORD: Final = re.compile(r"[\w,.-]{1,40}")

Section = Literal["discovery", "target", "subnet", "file", "slp"]
Group = Literal["connection", "session", "error", "tcp", "iscsi"]

# keyword -> (group, name in `Settings`, how its value is parsed)
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
_PINGS: Final = frozenset({"active_timeout", "idle_timeout", "ping_timeout"})
GROUP_OF: Final[dict[str, Group]] = {name: group for group, name, _ in _KEYWORDS.values()}
# The groups of settings that an entry may have; the old driver refused others in it.
_TAKES: Final[dict[Section, frozenset[Group]]] = {
    "discovery": frozenset({"connection"}),
    "target": frozenset({"connection", "session", "error", "tcp", "iscsi"}),
    "subnet": frozenset({"connection", "error", "tcp"}),
    "file": frozenset(),
    "slp": frozenset(),
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
# Keywords without a counterpart in open-iscsi, with the reason for the warning.
_NOTHING: Final = {
    "discoveryfile": "open-iscsi does not read targets from a file; discover their portal",
    "slpmulticast": "open-iscsi has no SLP; discover the portal by its address, or use iSNS",
    "slpunicast": "open-iscsi has no SLP; discover the portal by its address, or use iSNS",
    "pollinterval": "it set how often SLP was queried, which open-iscsi does not have",
    "sendasynctext": "open-iscsi never asks for asynchronous text",
    "defaultaddress": "it belongs to DiscoveryFile, which open-iscsi does not have",
    "readsize": "it belongs to DiscoveryFile, which open-iscsi does not have",
    "target,lun": "LUNs are found by themselves today",
}
# Usual spellings of a portal. For any other, the user is shown how the driver read it.
_PLACES: Final = ("{}", "{}:{}", "[{}]", "[{}]:{}")
KEYWORDS: Final = frozenset({*_KEYWORDS, *_ACCOUNTS, *_HEADERS, *_NOTHING, "enabled", "continuous"})


@dataclass
class _Credentials:
    """The user names and passwords in effect at one place of the file, with their lines."""

    fields: dict[str, tuple[str, int]] = field(default_factory=dict, repr=False)

    def copy(self) -> "_Credentials":
        return _Credentials(dict(self.fields))


@dataclass
class _Open:
    """The entry to which indented lines belong."""

    kind: Section
    line: int
    what: str
    port: int = DEFAULT_PORT
    settings: dict[str, Setting] = field(default_factory=dict)
    credentials: _Credentials = field(default_factory=_Credentials)


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

    def add_problem(self, line: int, text: str, level: Level = "warning") -> None:
        self.problems.append(Problem(line, text, level))

    def read_line(self, number: int, raw: str) -> None:
        if len(raw.encode("utf-8", "surrogateescape")) > LONGEST_LINE:
            self.add_problem(
                number, f"the line is longer than {LONGEST_LINE} bytes and is left out", "error"
            )
            return
        text = raw.strip(BLANKS)
        if not text or text.startswith("#"):
            return
        indent = sum(8 if c == "\t" else 1 for c in raw[: len(raw) - len(raw.lstrip(BLANKS))])
        # Entries do not nest: the first line that is not indented deeper than the header ends the
        # entry.
        if indent <= self.indent:
            self.current = None
        keyword, equals, value = text.partition("=")
        name = keyword.lower()
        if name in _HEADERS and equals:
            self.read_header(number, indent, name, keyword, value)
        elif name in _ACCOUNTS and equals:
            self.read_account(number, keyword, _ACCOUNTS[name], value)
        elif name in _KEYWORDS and equals:
            self.read_setting(number, keyword, value)
        elif name in {"enabled", "continuous"} and equals:
            self.read_switch(number, name, keyword, value)
        elif name in _NOTHING and equals:
            self.add_problem(number, f"{keyword} has no meaning today: {_NOTHING[name]}")
        else:
            self.report_unknown_line(number, keyword, bool(equals))

    def report_unknown_line(self, number: int, keyword: str, equals: bool) -> None:
        known = keyword.strip()
        if not equals:
            self.add_problem(number, "the line has no '=' and is left out")
        elif known.lower() in KEYWORDS:
            self.add_problem(number, f"{known} has a space before '=', so the line has no effect")
        else:
            # What follows the first word may be a mistyped password.
            word = _WORD.match(known)
            shown = repr(word[0]) if word else "the keyword"
            self.add_problem(number, f"{shown} is not recognised and is left out")

    def read_header(self, number: int, indent: int, name: str, keyword: str, value: str) -> None:
        entry = self.open_entry(number, name, keyword, value)
        if entry is None:
            return
        self.entries.append(entry)
        self.current, self.indent = entry, indent
        if entry.kind == "discovery":
            # The accounts above it were copied into the entry, so they do apply to something.
            self.loose.clear()

    def open_entry(self, number: int, name: str, keyword: str, value: str) -> _Open | None:
        """Return the entry of a header, with a copy of the global settings of its groups.

        None, and a Problem, if the header has no valid value.
        """
        if name in _NOTHING:
            if not (read_quoted(value) if name == "slpmulticast" else value):
                self.add_problem(
                    number, f"{keyword} has no value, so no entry starts here", "error"
                )
                return None
            self.add_problem(number, f"{keyword} has no meaning today: {_NOTHING[name]}")
            return _Open("file" if name == "discoveryfile" else "slp", number, "")
        if name == "targetname":
            target = read_quoted(value)
            if not target:
                why = " (a space follows '=')" if value[:1].isspace() else ""
                self.add_problem(
                    number, f"the target's name is empty{why}: {keyword}={value}", "note"
                )
            return _Open("target", number, target, settings=dict(self.settings))
        if name in {"subnet", "address"}:
            network = read_network(value)
            if network is None:
                text = f"{keyword}={read_token(value)} is not an IPv4 address[/bits]"
                self.add_problem(number, text, "error")
                return None
            copied = {k: v for k, v in self.settings.items() if _fits_section("subnet", k)}
            return _Open("subnet", number, network, settings=copied)
        if not value:
            self.add_problem(number, f"{keyword} needs an address", "error")
            return None
        token = read_token(value)
        address, port = read_address(token)
        if not address:
            self.add_problem(number, f"the address is empty: {keyword}={value}", "note")
        elif token not in {shape.format(address, port) for shape in _PLACES}:
            self.add_problem(number, f"{keyword}={token} is read as {address}, port {port}", "note")
        copied = {
            k: v
            for k, v in self.settings.items()
            if _fits_section("discovery", k) or k == "continuous"
        }
        return _Open("discovery", number, address, port, copied, self.credentials.copy())

    def read_account(self, number: int, keyword: str, name: str, value: str) -> None:
        if self.current is None:
            self.credentials.fields[name] = (read_quoted(value), number)
            self.loose.append((number, keyword))
        elif self.current.kind == "discovery":
            self.current.credentials.fields[name] = (read_quoted(value), number)
        elif self.current.kind in {"file", "slp"}:
            self.add_problem(number, f"{keyword} belongs to an entry that has no meaning today")
        else:
            self.add_problem(
                number,
                f"{keyword} is not allowed under a target or subnet; put it under DiscoveryAddress",
                "error",
            )

    def read_setting(self, number: int, keyword: str, text: str) -> None:
        group, name, form = _KEYWORDS[keyword.lower()]
        value: int | bool | str | None
        if form == "time":
            value = parse_time(text)
        elif form == "number":
            value = parse_number(text)
        elif form == "boolean":
            value = parse_boolean(text)
        else:
            # The word for a digest must be alone on its line, or the setting has no value.
            value = _DIGESTS.get(text.lower())
        if value is None:
            self.add_problem(number, f"{keyword}={text[:60]} is not {_WANTED[form]}", "error")
        elif self.current is None:
            self.settings[name] = Setting(value, number)
        elif group in _TAKES[self.current.kind]:
            self.current.settings[name] = Setting(value, number)
            if self.current.kind == "discovery" and name in _PINGS:
                self.add_problem(
                    number,
                    f"{keyword} is lost: open-iscsi does not ping a discovery portal; for the "
                    "targets, move it out of the entry",
                )
        else:
            self.add_problem(
                number,
                f"{keyword} does not apply to the entry of line {self.current.line}",
                "error",
            )

    def read_switch(self, number: int, name: str, keyword: str, text: str) -> None:
        value = parse_boolean(text)
        if value is None:
            self.add_problem(number, f"{keyword}={text[:60]} is not {_WANTED['boolean']}", "error")
            return
        owner: Section = "target" if name == "enabled" else "discovery"
        if self.current is not None and self.current.kind == owner:
            self.current.settings[name] = Setting(value, number)
        elif self.current is not None and self.current.kind == "file" and name == "continuous":
            self.add_problem(
                number, f"{keyword} belongs to an entry that has no meaning today", "note"
            )
        elif self.current is not None and name == "enabled":
            self.add_problem(number, "Enabled applies to targets only", "error")
        else:
            self.settings[name] = Setting(value, number)
            if name == "continuous":
                self.loose.append((number, keyword))

    def add_problem_once(self, line: int, text: str) -> None:
        """Add a problem that is found once for each entry to which the line applies."""
        problem = Problem(line, text)
        if problem not in self.problems:
            self.problems.append(problem)

    def user_name_of(self, credentials: _Credentials, name: str) -> str | None:
        text, line = credentials.fields.get(name, ("", 0))
        if why := unstorable_reason(text):
            self.add_problem_once(line, f"the user name is left out: it {why}")
            return None
        return text or None

    def secret_of(self, credentials: _Credentials, name: str) -> Secret | None:
        text, line = credentials.fields.get(name, ("", 0))
        if line == 0:
            return None
        try:
            return Secret(text)
        except ValueError as error:
            self.add_problem_once(line, f"the password is left out: {error}")
            return None

    def accounts_of(self, entry: _Open) -> tuple[Account, Account]:
        both: list[Account] = []
        for suffix in ("", "_in"):
            fields = entry.credentials.fields
            user = self.user_name_of(entry.credentials, f"username{suffix}")
            password = self.secret_of(entry.credentials, f"password{suffix}")
            given = fields.get(f"username{suffix}") or fields.get(f"password{suffix}", ("", 0))
            both.append(Account(user, password, given[1]))
        outgoing, incoming = both
        # The old driver refused them too: mutual CHAP needs the initiator's own account.
        if incoming and (outgoing.username is None or outgoing.password is None):
            self.add_problem(
                incoming.line,
                "incoming credentials need outgoing ones and are left out "
                f"of the entry of line {entry.line}",
                "error",
            )
            incoming = Account()
        elif incoming.password is not None and incoming.password == outgoing.password:
            self.add_problem_once(
                fields["password_in"][1],
                "the incoming credentials are left out: their password is the outgoing one, "
                "which open-iscsi refuses",
            )
            incoming = Account()
        return outgoing, incoming

    def build_config(self) -> OldConfig:
        if self.entries:
            for line, keyword in self.loose:
                self.add_problem(
                    line, f"{keyword} applies to nothing: no DiscoveryAddress follows it", "note"
                )
        discoveries = []
        for entry in self.entries:
            if entry.kind == "discovery":
                account, incoming = self.accounts_of(entry)
                discoveries.append(
                    Discovery(entry.line, entry.what, entry.port, account, incoming, entry.settings)
                )
        # Targets have no such setting; each discovery entry has its own copy.
        defaults: Settings = {k: v for k, v in self.settings.items() if k != "continuous"}
        return OldConfig(
            discovery=tuple(discoveries),
            targets=tuple(
                Target(e.line, e.what, _target_settings(e)) for e in self.entries_of("target")
            ),
            subnets=tuple(Subnet(e.line, e.what, e.settings) for e in self.entries_of("subnet")),
            defaults=defaults,
            problems=tuple(sorted(self.problems, key=lambda problem: problem.line)),
        )

    def entries_of(self, kind: Section) -> list[_Open]:
        return [entry for entry in self.entries if entry.kind == kind]


_WANTED: Final = {
    "time": "a time such as 30, 30s, 5m or 1h in lower case",
    "number": "a number",
    "boolean": "yes or no",
    "digest": "never, always, prefer-on or prefer-off, alone on its line",
}


def _fits_section(kind: Section, name: str) -> bool:
    return name in GROUP_OF and GROUP_OF[name] in _TAKES[kind]


def _target_settings(entry: _Open) -> Settings:
    return {k: v for k, v in entry.settings.items() if k != "continuous"}


def parse_iscsi_conf(text: str) -> OldConfig:
    """Parse the text of iscsi.conf.

    Never raises: lines that the old driver refused, or that have no counterpart in open-iscsi, are
    in `problems`, in the order of the lines.
    """
    reader = _Reader()
    for number, raw in enumerate(text.split("\n"), start=1):
        reader.read_line(number, raw)
    return reader.build_config()
