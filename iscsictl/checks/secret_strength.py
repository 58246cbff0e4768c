"""Rating CHAP secrets, and generating good ones.

RFC 7143, section 9.2.1, requires 96 random bits unless IPsec protects the connection, and different
secrets for the two directions. ARRAYS lists what arrays accept, with sources. zxcvbn estimates how
hard a secret is to guess.
"""

import math
import re
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from iscsictl.lazy_import import lazy_import
from iscsictl.model.secret import MAX_BYTES, Secret
from iscsictl.model.word_lists import first_names

try:
    zxcvbn = lazy_import("zxcvbn")
except ModuleNotFoundError:
    # Debian 13 has only the Rust port of zxcvbn, python3-python-zxcvbn-rs-py.
    zxcvbn = lazy_import("zxcvbn_rs_py")

Level = Literal["refuse", "warn", "note"]

MIN_BYTES: Final = 12
COMMON_MAX_BYTES: Final = 16
MADE_LENGTH: Final = 16
# zxcvbn assumes 10 guesses per character if it finds no pattern: 10^16 for a generated secret.
_PATTERNLESS_BITS: Final = 53
# With 66 characters, 16 of them have the 96 bits of the standard, even without the combinations
# that `generate_secret` rejects. There are no quotes, backslash, blank, '#', ':' or ',': each of
# them is refused or misread by some array or file.
ALPHABET: Final = string.ascii_letters + string.digits + "_.-+"


@dataclass(frozen=True)
class Verdict:
    """Something that is wrong with a secret, or worth knowing (`note`).

    `id` stays the same in all versions. `text` never contains the secret.
    """

    level: Level
    id: str
    text: str


@dataclass(frozen=True)
class Array:
    """The lengths in bytes that a kind of target accepts; `without` are characters it refuses."""

    name: str
    shortest: int
    longest: int
    source: str
    without: str = ""


ARRAYS: Final[tuple[Array, ...]] = (
    Array("Microsoft iSCSI target and initiator", 12, 16, "MS-VDS 2.2.2.3.1.1"),
    Array("TrueNAS", 12, 16, "TrueNAS API, iscsi.auth.create"),
    Array("HPE Nimble", 12, 16, "HPE GUI Administration Guide 6.0", " '\"`"),
    Array("Huawei OceanStor", 12, 16, "OceanStor help, Creating CHAP Authentication"),
    Array("Synology and QNAP", 12, 16, "the dialogs of DSM and QTS"),
    Array("NEC Storage M", 12, 32, "NEC Storage M100 User Manual, appendix O"),
    Array("Dell PowerVault MD and NetApp E-Series", 12, 57, "Deployment Guide MD3660i"),
    Array("Open-E and Scale Logic ZX", 12, 255, "Open-E wiki, Edit CHAP user", " '\"`"),
    Array("Dell EqualLogic", 1, 255, "PS6610 Administrator Guide", " :"),
    Array("LIO", 1, 255, "Linux, target_core"),
    Array("NetApp ONTAP", 1, 512, "ONTAP 9 SAN administration"),
)

#: Technical words that are likely guesses for a CHAP secret and missing from zxcvbn's lists.
_STORAGE_WORDS: Final = (
    "iscsi", "scsi", "iscsiadm", "initiator", "target", "chap", "lun", "san", "nas", "raid",
    "storage", "array", "disk", "cluster", "server", "backup", "volume", "changeme", "promise",
    "vtrak", "netapp", "emc", "dell", "equallogic", "powervault", "synology", "qnap", "truenas",
    "freenas", "hitachi", "huawei", "fujitsu", "nimble", "lefthand", "nexsan", "infortrend",
    "areca", "hpe",
)  # fmt: skip
#: zxcvbn gives its best score, 4 ("very unguessable"), from 10^10 guesses on, which is 33 bits.
_GUESSABLE_BITS: Final = 33
#: zxcvbn refuses more than 72 characters, for which it would take long.
_ZXCVBN_CHARACTERS: Final = 72


def generate_secret() -> Secret:
    """Generate a secret of 16 characters, with at least 96 random bits, for every known array."""
    while True:
        text = "".join(secrets.choice(ALPHABET) for _ in range(MADE_LENGTH))
        # Some arrays require two kinds of characters and no punctuation at the beginning.
        kinds = (str.islower, str.isupper, str.isdigit)
        if text[0].isalnum() and all(any(map(kind, text)) for kind in kinds):
            return Secret(text)


def judge_secret(
    secret: str,
    *,
    user: str | None = None,
    other: str | None = None,
    made: bool = False,
    words: Iterable[str] = (),
) -> tuple[Verdict, ...]:
    """Return everything that is wrong with a secret, the reasons to refuse it first.

    `other` is the secret of the other direction, `words` are names that a guesser may try: target,
    host. With `made`, the secret was chosen freely by iscsictl or the admin, so a weak one is
    refused. Otherwise the array may dictate it, and only secrets that the standard or open-iscsi
    does not allow are refused.
    """
    verdicts = list(_check_acceptable(secret, other))
    if secret.strip():
        weak: Level = "refuse" if made else "warn"
        verdicts += _check_size_and_characters(secret, weak)
        verdicts += _check_strength(secret, weak, [*words, *([user] if user else [])])
    order: dict[Level, int] = {"refuse": 0, "warn": 1, "note": 2}
    return tuple(sorted(verdicts, key=lambda verdict: order[verdict.level]))


def is_refused(verdicts: Iterable[Verdict]) -> bool:
    """Return whether the secret must not be used.

    Warnings and notes do not forbid it.
    """
    return any(verdict.level == "refuse" for verdict in verdicts)


def _byte_length(secret: str) -> int:
    return len(secret.encode("utf-8", "surrogateescape"))


def _check_acceptable(secret: str, other: str | None) -> Iterator[Verdict]:
    """Yield why the standard or open-iscsi does not allow a secret."""
    if not secret.strip():
        yield Verdict("refuse", "blank", "the secret is blank")
        return
    if secret != secret.strip():
        text = "it begins or ends with a space, which open-iscsi drops"
        yield Verdict("refuse", "ends", text)
    if _byte_length(secret) > MAX_BYTES:
        text = f"it has {_byte_length(secret)} bytes; open-iscsi accepts at most {MAX_BYTES}"
        yield Verdict("refuse", "too-long", text)
    if any(c in secret for c in "\n\r\0"):
        yield Verdict("refuse", "line-break", "it contains a line break or a NUL")
    if other is not None and secret == other:
        text = "it is the same in both directions, which the standard forbids"
        yield Verdict("refuse", "same-both-ways", text)


def _check_size_and_characters(secret: str, weak: Level) -> Iterator[Verdict]:
    size = _byte_length(secret)
    if size < MIN_BYTES:
        text = f"it has {size} bytes; the standard's 96 bits need {MIN_BYTES} or more"
        yield Verdict(weak, "short", text)
    if COMMON_MAX_BYTES < size <= MAX_BYTES:
        names = ", ".join(array.name for array in ARRAYS if array.longest < size)
        yield Verdict(weak, "array-limit", f"with {size} bytes it is too long for: {names}")
    bad = [array for array in ARRAYS if any(c in secret for c in array.without)]
    if bad:
        names = ", ".join(array.name for array in bad)
        yield Verdict("warn", "characters", f"it contains a character that is rejected by: {names}")
    if not secret.isascii():
        text = "it is not pure ASCII, so array and host may encode it differently"
        yield Verdict("warn", "not-ascii", text)


def shared_with(targets: Iterable[str]) -> Verdict:
    """Return the verdict on a secret that these targets have too.

    It is a warning, as whoever learns the secret of one target can log in to all. At most three
    targets are named.
    """
    shown = first_names(sorted(targets), 3)
    return Verdict("warn", "shared", f"the same secret is used for {shown}")


def estimate_bits(secret: str, words: Iterable[str] = ()) -> float:
    """Estimate the strength of a secret in bits with zxcvbn (USENIX Security 2016).

    `words` are names that a guesser knows: the user, the target, the host.
    """
    known = {part for word in words for part in (word, *re.split(r"[^\w]+", word)) if part}
    inputs = [*_STORAGE_WORDS, *sorted(known)]
    result = zxcvbn.zxcvbn(secret[:_ZXCVBN_CHARACTERS], user_inputs=inputs)
    # The Rust port returns an object where the original returns a dictionary.
    guesses = result["guesses_log10"] if isinstance(result, dict) else result.guesses_log10
    return float(guesses) / math.log10(2)


def _check_strength(secret: str, weak: Level, words: list[str]) -> Iterator[Verdict]:
    bits = estimate_bits(secret, words)
    if bits < _GUESSABLE_BITS:
        text = f"it can be guessed in about 2^{bits:.0f} attempts"
        yield Verdict(weak, "guessable", text)
    elif bits < _PATTERNLESS_BITS:
        yield Verdict("note", "estimate", f"it can be guessed in about 2^{bits:.0f} attempts")
    else:
        text = f"no pattern found: at least 2^{_PATTERNLESS_BITS} guesses"
        yield Verdict("note", "estimate", text)
