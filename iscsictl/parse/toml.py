"""TOML with the position of everything in it, so that an error can say where it is.

The standard library's tomllib validates and parses the text (TOML 1.0). What it does not provide,
the position of a key or an element, is found here by a second, simpler pass over the valid text.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final

from iscsictl.errors import UsageError
from iscsictl.model.spec import Places

Path = tuple[str | int, ...]

_AT: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_HINT: Final = (
    "strings are in quotes, lists in brackets, and each volume begins with [[volume]]: "
    "https://toml.io"
)
_ENCODING_HINT: Final = "save the file as UTF-8, or convert it: iconv -f latin1 -t utf-8 FILE"
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS: Final = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL),
    re.compile(r"'[^']*'"),
)
# Messages of tomllib that mean nothing to the author of a file, and what is said instead.
_SAID: Final = (
    ("Cannot declare", "this table is defined twice"),
    ("Cannot mutate immutable namespace", "this was completed by its brackets or braces"),
)
# Nested brackets. Python does not say where its own limit was exceeded; no real file is as deep.
_DEEP: Final = 100
_TOO_DEEP: Final = "it is nested too deeply"
# Python's own limit (sys.set_int_max_str_digits).
_DIGITS: Final = 4300
_TOKEN: Final = re.compile(
    "|".join(
        (
            *(f"(?:{string.pattern})" for string in _STRINGS),
            r"#[^\n]*",
            r"(?P<number>[0-9](?:_?[0-9])*)",
            r"(?P<bracket>[][{}])",
        )
    ),
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]*")


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], Places]:
    """Return the document, and line and column (from 1) of each key and array element.

    The key of a position is the path to it: `("volume", 0, "chap", "user")`. `name` is the name of
    the file in errors. Raises UsageError.
    """
    try:
        return tomllib.loads(text), _Finder(text).find()
    except _DeepKeyError as error:
        raise _error_at(name, text, error.offset, _TOO_DEEP) from None
    except tomllib.TOMLDecodeError as error:
        raise _explain_toml_error(str(error), text, name) from None
    except RecursionError:
        raise _error_at(name, text, _offset_of_deep_bracket(text), _TOO_DEEP) from None
    except ValueError:  # int() has a limit (sys.set_int_max_str_digits)
        what = f"a number has more than {_DIGITS} digits"
        raise _error_at(
            name, text, _offset_of_first(text, "number", _has_too_many_digits), what
        ) from None


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file, without a byte order mark. Raises UsageError if not UTF-8.

    The error names the position of the first such byte; TOML has no other encoding.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        error_there = _error_at(name, before, len(before), "a byte that is not UTF-8")
        error_there.hint = _ENCODING_HINT
        raise error_there from None


def where(name: str, place: tuple[int, int]) -> str:
    """Return the beginning of an error about a position: file, line and column, from 1."""
    return f"{name}, line {place[0]}, column {place[1]}"


def _explain_toml_error(message: str, text: str, name: str) -> UsageError:
    found = _AT.search(message)
    what = message[: found.start()] if found else message
    what = next((ours for theirs, ours in _SAID if what.startswith(theirs)), what)
    end = _line_and_column(text, len(text))
    place = (int(found[1]), int(found[2])) if found and found[1] else end
    return UsageError(f"{where(name, place)}: {what[:1].lower()}{what[1:]}", hint=_HINT)


def _error_at(name: str, text: str, at: int, what: str) -> UsageError:
    return UsageError(f"{where(name, _line_and_column(text, at))}: {what}", hint=_HINT)


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _offset_of_first(text: str, kind: str, fits: Callable[[str], bool]) -> int:
    """Return the offset of the first token of a kind that fits, outside strings and comments."""
    words = (found for found in _TOKEN.finditer(text) if found[kind] is not None)
    return next((found.start() for found in words if fits(found[kind])), 0)


def _has_too_many_digits(number: str) -> bool:
    return len(number) - number.count("_") > _DIGITS


def _offset_of_deep_bracket(text: str) -> int:
    depth = 0

    def exceeds_limit(bracket: str) -> bool:
        nonlocal depth
        depth += 1 if bracket in "[{" else -1
        return depth > _DEEP

    return _offset_of_first(text, "bracket", exceeds_limit)


class _DeepKeyError(Exception):
    """A key of more dotted parts than _DEEP; `offset` is where it begins."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset


class _Finder:
    """A pass over a text that tomllib has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]
        self.at = 0
        self.places: dict[Path, tuple[int, int]] = {}
        self.elements: dict[Path, int] = {}

    def find(self) -> Places:
        prefix: Path = ()
        while self._skip_blanks() < len(self.text):
            prefix = self._read_header() if self.text[self.at] == "[" else self._read_pair(prefix)
        return self.places

    def _skip_blanks(self) -> int:
        """Skip blanks, line ends and comments."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _note_place(self, path: Path, start: int) -> None:
        line = bisect_right(self.lines, start)
        self.places.setdefault(path, (line, start - self.lines[line - 1] + 1))

    def _read_header(self) -> Path:
        """Read [a.b] or [[a.b]]; in an array of tables, the last element is meant."""
        start = self.at
        several = self.text.startswith("[[", start)
        self.at += 2 if several else 1
        path = self._read_key(())
        self._skip_blanks()
        self.at += 2 if several else 1
        if several:
            number = self.elements.get(path, -1) + 1
            self.elements[path] = number
            path = (*path, number)
        self._note_place(path, start)
        return path

    def _read_key(self, prefix: Path) -> Path:
        """Read a dotted key and record its position."""
        path = prefix
        begin = self._skip_blanks()
        while True:
            start = self._skip_blanks()
            # Each part has a path as long as the key: the memory for them grows with the square.
            if len(path) > _DEEP:
                raise _DeepKeyError(begin)
            path = (*path, self._read_key_part())
            self._note_place(path, start)
            if self.text[self._skip_blanks()] != ".":
                return path
            self.at += 1
            if path in self.elements:
                path = (*path, self.elements[path])

    def _read_key_part(self) -> str:
        bare = _BARE.match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return bare[0]
        start = self.at
        self._skip_string()
        ((word, _),) = tomllib.loads(f"{self.text[start : self.at]} = 0").items()
        return word

    def _skip_string(self) -> bool:
        for kind in _STRINGS:
            found = kind.match(self.text, self.at)
            if found:
                self.at = found.end()
                return True
        return False

    def _read_pair(self, prefix: Path) -> Path:
        """Read KEY = VALUE; return the prefix of what follows."""
        path = self._read_key(prefix)
        self.at += 1
        self._read_value(path)
        return prefix

    def _read_value(self, path: Path) -> None:
        self._skip_blanks()
        opening = self.text[self.at]
        if opening in "[{":
            self.at += 1
            self._read_elements(path, "]" if opening == "[" else "}")
        elif not self._skip_string():
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else self.at

    def _read_elements(self, path: Path, closing: str) -> None:
        """Read the elements of an array or the pairs of an inline table."""
        number = 0
        while self.text[self._skip_blanks()] != closing:
            if closing == "]":
                self._note_place((*path, number), self.at)
                self._read_value((*path, number))
                number += 1
            else:
                self._read_pair(path)
            if self.text[self._skip_blanks()] == ",":
                self.at += 1
        self.at += 1
