"""The formats of multipath-tools: multipath.conf(5), /etc/multipath/wwids, what the daemon prints.

The configuration is lines of `keyword value` in sections in braces. A value may be quoted; `#` and
`!` begin a comment (libmultipath/parser.c).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iscsictl.model.multipath import MapSettings
from iscsictl.model.reservation import format_key

_WORD = re.compile(r'"((?:[^"]|"")*)"|([{}])|([^\s{}"]+)')
# multipath and sysfs spell a WWID differently, so a note says whose each section is.
_NOTE = "# iscsictl: the map of "
# Below that line, if an admin has the settings of the map elsewhere: attach put it on the list.
_LISTED = "# on the list of WWIDs: "
# For a map whose section is gone from the file, but not yet from multipathd's memory.
_UNREAD = "# iscsictl: multipathd has yet to forget the map "
_HEADER = """\
# Made by iscsictl: how long each map waits while none of its paths works, and with which key the
# paths of an exclusive volume are registered. Each section goes when its volume is detached.
# Settings of your own belong in another file of this directory.
"""


@dataclass
class Section:
    """A section in braces: its name, its keywords with their last value, the sections inside."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    sections: list["Section"] = field(default_factory=list)

    def find(self, name: str) -> Iterator["Section"]:
        """Yield the direct subsections of this name, in the order of the file."""
        return (section for section in self.sections if section.name == name)


def parse_conf(text: str) -> Section:
    """Parse a configuration; never raises: what cannot be parsed is left out.

    Returns a section without a name that contains the whole file.
    """
    top = Section("")
    open_sections = [top]
    for line in text.splitlines():
        words = _split_words(line)
        if not words:
            continue
        if words == ["}"]:
            if len(open_sections) > 1:
                open_sections.pop()
        elif words[-1] == "{" and len(words) == 2:
            section = Section(words[0])
            open_sections[-1].sections.append(section)
            open_sections.append(section)
        elif len(words) >= 2:
            open_sections[-1].values[words[0]] = " ".join(words[1:])
    return top


def _split_words(line: str) -> list[str]:
    stripped = line.strip()
    if stripped.startswith(("#", "!")):
        return []
    return [quoted or brace or plain for quoted, brace, plain in _WORD.findall(stripped)]


def parse_settings(text: str) -> tuple[MapSettings, ...]:
    """Parse our own file: the sections with our note on their disk.

    Anything else in it is left out, and dropped when the file is next changed.
    """
    found = []
    disk = None
    values: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith(_NOTE):
            disk, values = stripped[len(_NOTE) :], {}
        elif stripped.startswith(_LISTED) and disk is not None:
            found.append(MapSettings(stripped[len(_LISTED) :], disk, None))
            disk = None
        elif stripped == "}" and disk is not None:
            retries = values.get("no_path_retry", "")
            if "wwid" in values and retries.isdecimal():
                key = _reservation_key(values.get("reservation_key", ""))
                found.append(MapSettings(values["wwid"], disk, int(retries), key))
            disk = None
        elif len(words := _split_words(line)) == 2:
            values[words[0]] = words[1]
    return tuple(found)


def _reservation_key(text: str) -> int | None:
    """Parse a key: hexadecimal, with or without 0x (multipath.conf(5), reservation_key)."""
    return int(text, 16) if re.fullmatch(r"(?:0x)?[0-9a-f]{1,16}", text.lower()) else None


def parse_unread(text: str) -> tuple[str, ...]:
    """Return the WWIDs of maps whose section was removed and that multipathd has yet to forget."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line[len(_UNREAD) :] for line in lines if line.startswith(_UNREAD))


def format_settings(settings: Iterable[MapSettings], unread: Iterable[str] = ()) -> str:
    """Return our file; all sections are in one `multipaths`, as only the last of several counts.

    `unread` are WWIDs, as `parse_unread` returns them.
    """
    blocks = "".join(
        f"\t{_NOTE}{one.disk}\n\t{_LISTED}{one.wwid}\n"
        if one.no_path_retry is None
        else f"\t{_NOTE}{one.disk}\n\tmultipath {{\n\t\twwid \"{one.wwid}\"\n"
        f"\t\tno_path_retry {one.no_path_retry}\n{_reservation_key_line(one)}\t}}\n"
        for one in settings
    )  # fmt: skip
    notes = "".join(f"{_UNREAD}{wwid}\n" for wwid in unread)
    return f"{_HEADER}{notes}multipaths {{\n{blocks}}}\n"


def _reservation_key_line(settings: MapSettings) -> str:
    key = settings.reservation_key
    return "" if key is None else f"\t\treservation_key {format_key(key)}\n"


def parse_wwids(text: str) -> frozenset[str]:
    """Parse /etc/multipath/wwids: each WWID is between slashes; a removed one begins with #.

    They are spelled as multipath spells them (libmultipath/wwids.c).
    """
    return frozenset(
        line[1:-1]
        for line in text.splitlines()
        if len(line) > 2 and line.startswith("/") and line.endswith("/")
    )


def settings_in_force(conf: Section) -> Mapping[str, int | str]:
    """Return the `no_path_retry` of each map that has one of its own, by WWID.

    That is a number of checks, or "queue" (without end) or "fail" (at once).
    """
    found: dict[str, int | str] = {}
    for maps in conf.find("multipaths"):
        for section in maps.find("multipath"):
            retries = section.values.get("no_path_retry", "")
            if "wwid" in section.values and retries:
                found[section.values["wwid"]] = int(retries) if retries.isdecimal() else retries
    return found


def endless_failover(conf: Section) -> tuple[str, ...]:
    """Return the sections with `fast_io_fail_tmo off`: I/O on a failed path then waits for ever.

    Sections of arrays that this host does not use are not in `conf`: `show config local` prints
    only those of the hundreds in the built-in table that match a device.
    """
    named = [*conf.sections]
    for devices in conf.find("devices"):
        named += devices.sections
    return tuple(
        " ".join(filter(None, (one.name, one.values.get("vendor"), one.values.get("product"))))
        for one in named
        if one.values.get("fast_io_fail_tmo") == "off"
    )


def default_value(conf: Section, keyword: str) -> str | None:
    """Return a value of the section `defaults`, None if it is not set there.

    If there are several sections of that name, the first with the keyword counts.
    """
    values = (section.values.get(keyword) for section in conf.find("defaults"))
    return next((value for value in values if value is not None), None)
