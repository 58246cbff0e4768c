"""The lines of a capture, without what terminals, web pages and log daemons add to them."""

import codecs
import html
import re
from collections.abc import Callable, Iterator
from functools import partial

# CSI and OSC sequences, character sets (ESC ( B), and the two-byte ones. An OSC without an end
# stops at the end of its line, so that it cannot hide the rest of the capture.
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^_=>])"
)
# The same colours after `cat -v`, rsyslog, or a program that prints strings in quotes.
_ANSI_SPELLED = re.compile(r"(?:\^\[|#033|\\(?:0?33|x1[bB]|u001[bB]|e))\[[0-9;?]*[A-Za-z]")
_OVERSTRIKE = re.compile(r"[^\n]\x08")
_SPACES = dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
# Invisible characters; they are also removed from iSCSI names (RFC 3722, 3).
_INVISIBLE = dict.fromkeys(
    (0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065))
)
# What blogs and word processors make of a colon, a comma or brackets in East Asian text.
_WIDE = {0xFF1A: ": ", 0xFF0C: ",", 0xFF08: "(", 0xFF09: ")"}
# They also put another hyphen or a dash into a name, where only "-" is allowed (RFC 3722, 3). The
# name of an account may have one.
_HYPHEN = re.compile(r"(?<=\w)[\u2010-\u2013\u2212](?=\w)")
_ACCOUNT = "username"
# UTF-8 that was read as another character set: of the lines of a tree and of no-break spaces.
_WRONG_DECODINGS = (
    ("latin-1", re.compile(r"\xe2[\x94-\x96\x80][\x80-\xbf]|\xc2[\x80-\xbf]")),
    (
        "cp1252",
        re.compile(r"\xe2\u201d[\u20ac\u0152\u0153\u201a\u201d\xac\xb4\xbc\x81\x90]|\xe2\u20ac."),
    ),
    ("cp437", re.compile(r"\u0393\xf6.")),
    ("cp850", re.compile(r"\xd4\xf6.")),
)
_LINE_ENDS = dict.fromkeys((0x0B, 0x0C, 0x85, 0x2028, 0x2029), "\r")
_CHARACTERS = {**_SPACES, **_INVISIBLE, **_LINE_ENDS, **_WIDE}
_TAG = re.compile(r"<(?!empty>)(/?)([A-Za-z][\w:-]*)(?:\s[^<>]*)?/?>|<!--.*?-->")
# One of these tags shows that it is a page; `<empty>` and `<iqn...>` are no tags.
_PAGE = re.compile(
    r"</?(?:a|b|blockquote|body|br|code|div|em|font|h[1-6]|html|i|kbd|li|o:p|ol|p|pre|samp|span|"
    r"strong|t[dhrt]|table|tbody|ul)\b[^<>]*>",
    re.IGNORECASE,
)
_BREAKING = re.compile(r"blockquote|body|br|div|h[1-6]|html|li|ol|p|pre|table|tbody|t[dhr]|ul")
# Text that was made safe for Markdown; a single backslash may belong to an account DOMAIN\\name.
_MARKDOWN = re.compile(r"\\\*\\\*|LOGGED\\_IN|\\_member|\\\[\d|\\<empty")
_MARKDOWN_ESCAPE = re.compile(r"\\([_*<>\[\]#-])")
_SPELLED_TABS = re.compile(r"^(?:\\t)+|(?<!\\t)(?:\\t)+(?=State:)", re.MULTILINE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}\d{0,2});")


def decode_capture(data: bytes) -> str:
    """Decode the bytes of a capture: UTF-16 with or without a byte order mark, otherwise UTF-8.

    Bytes that are not UTF-8 are kept as surrogates, so nothing is refused and nothing is lost.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if len(data) > 3 and not (data[1] or data[3]) and data[0]:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "surrogateescape")


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a capture with their numbers from 1, without escapes and markup.

    A line of the file yields several if a web page, a log daemon (#012) or a bare carriage return
    joined them. The indentation is kept, because it has a meaning in `lsblk` and `multipath`.
    """
    text = _without_escapes(text)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    changes = _changes_for(text)
    for number, line in enumerate(text.split("\n"), 1):
        plain = line
        for change in changes:
            plain = change(plain)
        if "\r" in plain:
            for part in plain.split("\r"):
                yield number, part
        else:
            yield number, plain


def _changes_for(text: str) -> list[Callable[[str], str]]:
    """Return the changes to make to each line of this text; for most captures there are none."""
    changes: list[Callable[[str], str]] = []
    if "<" in text and _PAGE.search(text):
        changes.append(lambda line: _TAG.sub(_without_tag, line))
    if "&" in text:
        # Pages that quote pages escape twice: &amp;lt;empty&amp;gt;
        changes.append(lambda line: _ENTITY.sub(_decode_entity, _ENTITY.sub(_decode_entity, line)))
    if "#01" in text:  # rsyslog writes control characters in octal: tab and newline
        changes.append(lambda line: line.replace("#011", "\t").replace("#012", "\r"))
    if "^I" in text or _ends_in_dollar(text):  # cat -A
        changes.append(lambda line: line.replace("^I", "\t").removesuffix("$").removesuffix("^M"))
    if _SPELLED_TABS.search(text):
        changes.append(lambda line: _SPELLED_TABS.sub("\t", line))
    if "\\" in text and _MARKDOWN.search(text):
        changes.append(lambda line: _MARKDOWN_ESCAPE.sub(r"\1", line))
    return changes


def _ends_in_dollar(text: str) -> bool:
    """Return whether every line ends as `cat -E` shows it, which prompts and values do not."""
    lines = [line for line in text[:5000].split("\n")[:-1] if line]
    return len(lines) > 1 and all(line.endswith("$") for line in lines)


def _without_escapes(text: str) -> str:
    """Remove colours, overstrikes and invisible characters; every line keeps its number."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\x08" in text:
        text = _OVERSTRIKE.sub("", text)
    if "\\" in text or "^[" in text or "#033" in text:
        text = _ANSI_SPELLED.sub("", text)
    if text.isascii():
        return text.translate(_CHARACTERS) if "\x0b" in text or "\x0c" in text else text
    for charset, pattern in _WRONG_DECODINGS:
        text = pattern.sub(partial(_decode_again, charset), text)
    if _HYPHEN.search(text):
        lines = text.split("\n")
        text = "\n".join(line if _ACCOUNT in line else _HYPHEN.sub("-", line) for line in lines)
    return text.translate(_CHARACTERS)


def _decode_again(wrong: str, found: re.Match[str]) -> str:
    """Return the character of UTF-8 that was read as another character set, if it is one."""
    try:
        return found[0].encode(wrong).decode()
    except UnicodeError:
        return found[0]


def _without_tag(found: re.Match[str]) -> str:
    return "\r" if _BREAKING.fullmatch((found[2] or "").lower()) else ""


def _decode_entity(found: re.Match[str]) -> str:
    """Decode one entity; a no-break space becomes a blank, and a bad number stays as it is."""
    character = html.unescape(found[0])
    return " " if character == "\xa0" else character
