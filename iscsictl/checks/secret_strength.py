"""Judge CHAP secrets, and make good ones.

RFC 7143 section 9.2.1 wants 96 random bits where IPsec does not protect the way, and another
secret for each direction. What arrays take stands in ARRAYS, each with its source.
"""

import importlib
import re
import secrets
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from iscsictl.checks.keyboard_walks import is_walk
from iscsictl.model.secret import MAX_BYTES, Secret

Level = Literal["refuse", "warn", "note"]

MIN_BYTES: Final = 12
COMMON_MAX_BYTES: Final = 16
MADE_LENGTH: Final = 16
# zxcvbn takes 10 guesses a character where it finds no pattern: 10^16 for what we make.
_PATTERNLESS_BITS: Final = 53
# 66 characters: 16 of them are the 96 bits of the standard, also after those are left out that
# `generate` does not make. No quotes, backslash, blank, '#', ':' or ',': some array or file
# refuses or misreads each of those.
ALPHABET: Final = string.ascii_letters + string.digits + "_.-+"


@dataclass(frozen=True)
class Verdict:
    """One thing that is wrong with a secret, or that is worth knowing (note).

    `id` stays the same in all versions. `text` never holds the secret.
    """

    level: Level
    id: str
    text: str


@dataclass(frozen=True)
class Array:
    """What one kind of target takes, in bytes; `without` are characters that it refuses."""

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

_WORD_LIST: Final = """
password passwd passcode passwort passphrase pass secret geheim admin administrator root toor
login logon user username guest account myaccount default changeme changeit change letmein
welcome test testing temp demo hello master access trustno1 swordfish monkey dragon sesame
opensesame iloveyou love god sex money sunshine princess football baseball summer winter spring
autumn january february march april may june july august september october november december
monday tuesday wednesday thursday friday saturday sunday iscsi scsi iscsiadm initiator target
chap lun san nas raid storage array disk disks drive cluster server backup volume data mail
linux unix debian ubuntu redhat centos fedora windows oracle vmware microsoft cisco promise
vtrak netapp emc dell equallogic powervault synology qnap truenas freenas hitachi huawei fujitsu
nimble lefthand nexsan infortrend areca ibm hp hpe open iscsid my mein the for and not new
company office home network system support service manager supervisor sysadmin operator private
public keyboard abc computer internet iscsimy1spw spw 15200 sendmail promisevtrak please super top
mutual hunter sample example foo bar baz foobar localhost local localdomain your one two three four
five six seven eight nine ten quick brown fox lorem ipsum dolor dead beef cafe face
"""
_WORDS: Final = frozenset(_WORD_LIST.split())
_UNSHIFTED: Final = str.maketrans('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./")
_LEET: Final = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
     "$": "s", "!": "i", "+": "t", "|": "l", "(": "c"}
)  # fmt: skip
_LEET_L: Final = str.maketrans({"1": "l", "!": "l"})


def generate() -> Secret:
    """Make a secret of 96 random bits and more that every known array takes: 16 characters."""
    while True:
        text = "".join(secrets.choice(ALPHABET) for _ in range(MADE_LENGTH))
        # Some arrays want two kinds of characters and no punctuation at the front.
        kinds = (str.islower, str.isupper, str.isdigit)
        if text[0].isalnum() and all(any(map(kind, text)) for kind in kinds):
            return Secret(text)


def judge(
    secret: str,
    *,
    user: str | None = None,
    other: str | None = None,
    others: Mapping[str, str] | None = None,
    made: bool = False,
    words: Iterable[str] = (),
) -> tuple[Verdict, ...]:
    """Tell all that is wrong with a secret, what must be refused first.

    `other` is the secret of the other direction, `others` those of other targets by a name to
    show. `words` are names near at hand: target, host. With `made` the secret is one that we
    or the admin choose freely, so weakness is refused; without, the array may dictate it, and
    only what the standard or open-iscsi cannot take is.
    """
    found = list(_impossible(secret, other))
    if secret.strip():
        weak: Level = "refuse" if made else "warn"
        found += [Verdict(weak, id_, text) for id_, text in _weak(secret, user, words)]
        found += _limits(secret, weak)
        found += _shared(secret, others or {})
        found += _estimated(secret, weak, [*words, *([user] if user else [])])
    order: dict[Level, int] = {"refuse": 0, "warn": 1, "note": 2}
    return tuple(sorted(found, key=lambda verdict: order[verdict.level]))


def refused(verdicts: Iterable[Verdict]) -> bool:
    """Tell whether the secret must not be used."""
    return any(verdict.level == "refuse" for verdict in verdicts)


def _size(secret: str) -> int:
    return len(secret.encode("utf-8", "surrogateescape"))


def _impossible(secret: str, other: str | None) -> Iterator[Verdict]:
    """Tell what neither the standard nor open-iscsi can take."""
    if not secret.strip():
        yield Verdict("refuse", "blank", "the secret is blank")
        return
    if secret != secret.strip():
        text = "it begins or ends with a blank, which open-iscsi loses"
        yield Verdict("refuse", "ends", text)
    if _size(secret) > MAX_BYTES:
        text = f"it has {_size(secret)} bytes; open-iscsi takes {MAX_BYTES}"
        yield Verdict("refuse", "too-long", text)
    if any(c in secret for c in "\n\r\0"):
        yield Verdict("refuse", "line-break", "it has a line break or a NUL inside")
    if other is not None and secret == other:
        text = "it is the same in both directions, which the standard forbids"
        yield Verdict("refuse", "same-both-ways", text)


def _limits(secret: str, weak: Level) -> Iterator[Verdict]:
    size = _size(secret)
    if size < MIN_BYTES:
        text = f"it has {size} bytes; the standard's 96 bits need {MIN_BYTES} or more"
        yield Verdict(weak, "short", text)
    if COMMON_MAX_BYTES < size <= MAX_BYTES:
        names = ", ".join(array.name for array in ARRAYS if array.longest < size)
        yield Verdict(weak, "array-limit", f"it has {size} bytes, too long for: {names}")
    bad = [array for array in ARRAYS if any(c in secret for c in array.without)]
    if bad:
        names = ", ".join(array.name for array in bad)
        yield Verdict("warn", "characters", f"it has a character that is refused by: {names}")
    if not secret.isascii():
        text = "it is not plain ASCII, so array and host may send different bytes"
        yield Verdict("warn", "not-ascii", text)


def _shared(secret: str, others: Mapping[str, str]) -> Iterator[Verdict]:
    same = [label for label, known in others.items() if known == secret]
    if same:
        yield shared_with(same)


def shared_with(targets: Iterable[str]) -> Verdict:
    """Return the verdict on a secret that these targets have too."""
    same = sorted(targets)
    shown = ", ".join(same[:3]) + (f" and {len(same) - 3} more" if len(same) > 3 else "")
    return Verdict("warn", "shared", f"the same secret is in use for {shown}")


def _weak(secret: str, user: str | None, words: Iterable[str]) -> Iterator[tuple[str, str]]:
    lowered = secret.lower()
    if user and (lowered == user.lower() or _variant_of(lowered, user.lower())):
        yield "user-name", "it is the user name or a simple change of it"
    known = _WORDS | {w for word in words for w in re.split(r"[^a-z0-9]+", word.lower()) if w}
    if _made_of_words(lowered, known):
        yield "word", "it is made of well-known words, with the usual changes"
    if any(map(is_walk, _typed(lowered))):
        yield "keyboard-run", "it is a run of neighbouring keys, letters or digits"
    if len(set(lowered)) < 5 or _periodic(lowered):
        yield "repeats", "it repeats a few characters"
    if secret.isdigit() or re.fullmatch(r"[\d./:\- ]+", secret):
        yield "digits", "it is digits only, like a date or a telephone number"


def _plain(text: str) -> Iterator[tuple[str, int]]:
    """Yield the text with the usual disguises taken off, forwards and backwards.

    With each goes how many characters were taken off its ends.
    """
    stems = {text, text.strip(string.digits + string.punctuation)}
    for stem in stems:
        lost = len(text) - len(stem)
        for undone in (stem, stem.translate(_LEET), stem.translate(_LEET_L).translate(_LEET)):
            letters = re.sub(r"[^a-z0-9]", "", undone)
            yield letters, lost
            yield letters[::-1], lost


def _variant_of(lowered: str, name: str) -> bool:
    name = re.sub(r"[^a-z0-9]", "", name.translate(_LEET))
    if not name:
        return False
    for plain, _ in _plain(lowered):
        changed = plain.translate(_LEET)
        rest = changed.replace(name, "")
        if name in changed and len(rest) <= max(4, len(name) // 3):
            return True
    return False


def _made_of_words(lowered: str, known: frozenset[str] | set[str]) -> bool:
    """Tell whether words make it up, with little between them: at most four characters.

    Where there is anything between, what was taken off the ends counts too, up to eight in all.
    """
    for plain, lost in set(_plain(lowered)):
        left = _unknown_left(plain, known)
        if left == 0 or (left <= 4 and left + lost <= 8):
            return True
    return False


def _unknown_left(text: str, known: frozenset[str] | set[str]) -> int:
    """Count the fewest characters that no word covers, all that may be if there is no word.

    Words have two letters or more, and one of them three.
    """
    text = text[:MAX_BYTES]
    longest = max(map(len, known), default=0)
    least = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        least[end] = least[end - 1] + 1
        for size in range(2, min(longest, end) + 1):
            if text[end - size : end] in known:
                least[end] = min(least[end], least[end - size])
    return least[-1] if any(text[i : i + n] in known for n in range(3, longest + 1)
                            for i in range(len(text) - n + 1)) else MAX_BYTES  # fmt: skip


def _typed(lowered: str) -> set[str]:
    """Return the text as it is, without the shift key, and without keys that are hit again."""
    both = (lowered, lowered.translate(_UNSHIFTED))
    return {*both, *(re.sub(r"(.)\1+", r"\1", text) for text in both)}


def _periodic(text: str) -> bool:
    """Tell whether a part of up to half the text, repeated, is the text."""
    return any(
        (text[:size] * (len(text) // size + 1))[: len(text)] == text
        for size in range(1, len(text) // 2 + 1)
    )


def estimate_bits(secret: str, words: Iterable[str] = ()) -> float | None:
    """Estimate how many bits a guesser has to try, by zxcvbn; None where it is not installed."""
    try:
        zxcvbn: Any = importlib.import_module("zxcvbn")
    except ImportError:
        return None
    # It refuses more than 72 characters, and takes long for them.
    guesses = zxcvbn.zxcvbn(secret[:72], user_inputs=list(words))["guesses_log10"]
    return float(guesses) / 0.30103


def _estimated(secret: str, weak: Level, words: list[str]) -> Iterator[Verdict]:
    bits = estimate_bits(secret, words)
    if bits is None:
        text = "no strength estimate: python3-zxcvbn is not installed"
        yield Verdict("note", "no-estimate", text)
    elif bits < 33:
        # 10^10 guesses, the border of zxcvbn's best score.
        yield Verdict(weak, "guessable", f"about 2^{bits:.0f} guesses find it")
    elif bits < _PATTERNLESS_BITS:
        yield Verdict("note", "estimate", f"about 2^{bits:.0f} guesses find it")
    else:
        text = f"no pattern found: at least 2^{_PATTERNLESS_BITS} guesses"
        yield Verdict("note", "estimate", text)
