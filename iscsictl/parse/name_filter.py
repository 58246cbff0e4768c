"""Replace the names and addresses in a report with stand-ins: the same one for the same name.

So what belongs together can still be matched: a record and its session, a portal in two files.
Stand-ins are valid, so that `ls --from` can read them, and come from the ranges for documentation
(RFC 5737, RFC 3849).
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

_ISCSI_NAME: Final = re.compile(rb"iqn\.\d{4}-\d{2}\.[\w.:-]+", re.IGNORECASE)
# What udev's links to disks have after the name of a target.
_AFTER_NAME: Final = re.compile(rb"-lun-[0-9a-fx]+(?:-part\d+)?$")
_IPV4: Final = re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_IPV6: Final = re.compile(rb"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_USER: Final = re.compile(
    rb"^[ \t#]*[\w.\[\]-]*username(?:_in)?[ \t]*[=:][ \t]*(\S[^\r\n]*)", re.MULTILINE
)
_BLOCKS: Final = ("192.0.2", "198.51.100", "203.0.113")
# A shorter name would match almost anywhere.
_SHORTEST: Final = 3


class NameFilter:
    """Finds the names in some texts, and replaces them in these and others."""

    def __init__(self, texts: Iterable[bytes], hosts: Iterable[str] = ()) -> None:
        self._stand_ins: dict[bytes, bytes] = {}
        self._counts: dict[str, int] = {}
        for host in hosts:
            self._add_stand_in("host", host.encode("utf-8", "surrogateescape"), "host{}")
        for text in texts:
            for name in _find_iscsi_names(text):
                self._add_stand_in("name", name, "iqn.2001-04.com.example:name{}")
            for match in _USER.finditer(text):
                self._add_stand_in("user", match[1].strip(), "user{}")
            for address in _find_addresses(text):
                self._add_address(address)
        ordered = sorted(self._stand_ins, key=len, reverse=True)
        # An address must not be found within a longer one.
        patterns = (rb"(?<![0-9A-Za-z])" + re.escape(one) + rb"(?![0-9A-Za-z])" for one in ordered)
        self._pattern = re.compile(b"|".join(patterns)) if ordered else None

    def replace(self, data: bytes) -> bytes:
        """Return the text, or a path, with stand-ins.

        Names shorter than three bytes are not replaced.
        """
        if self._pattern is None:
            return data
        return self._pattern.sub(lambda match: self._stand_ins[match[0]], data)

    def _add_stand_in(self, kind: str, name: bytes, form: str) -> None:
        if name not in self._stand_ins and len(name) >= _SHORTEST:
            self._stand_ins[name] = form.format(self._next_number(kind)).encode()

    def _add_address(self, text: bytes) -> None:
        if text in self._stand_ins:
            return
        if b":" in text:
            self._stand_ins[text] = f"2001:db8::{self._next_number('IPv6'):x}".encode()
            return
        block, host = divmod(self._next_number("IPv4") - 1, 254)
        prefix = _BLOCKS[block] if block < len(_BLOCKS) else f"198.18.{block}"
        self._stand_ins[text] = f"{prefix}.{host + 1}".encode()

    def _next_number(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


def _find_iscsi_names(text: bytes) -> Iterator[bytes]:
    for match in _ISCSI_NAME.finditer(text):
        yield _AFTER_NAME.sub(b"", match[0]).rstrip(b".:-")


def _find_addresses(text: bytes) -> Iterator[bytes]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address: IPv4Address | IPv6Address = ip_address(match[0].decode("ascii"))
            except ValueError:
                continue
            if not (address.is_loopback or address.is_unspecified):
                yield match[0]
