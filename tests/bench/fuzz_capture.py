"""Mangle captures at random: python -m tests.bench.fuzz_capture [SECONDS [NAME [SEED]]].

Whatever is done to a capture, reading it gives an answer, and no secret comes out. SECONDS are of
the processor's time; with a NAME only captures whose file's name begins so are taken: P, sfnet.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import TextIO, cast

from iscsictl.model.listing import Listing
from iscsictl.output.terminal import Screen
from iscsictl.output.views.ls import Form, print_listing
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.mountinfo import parse_mountinfo

DATA = Path(__file__).parents[1] / "unit" / "data" / "sessions"
CASES = DATA / "formats"
POSTED = DATA.parent / "captures"
SECRETS = ("Sesam-oeffne-dich", "GEHEIM-pw-7781")
PIECES = (b"\n", b"\r", b"\t", b" ", b":", b"[", b"]", b",", b"-1", b"*" * 79, b"\xff", b"\0",
          b"Target: ", b"Interface:\n", b"SID: ", b"Host Number: ", b"TARGET NAME : x\n",
          b"Lun:1\n", b"\x1b[1m", b"<empty>", b"99999999999999999999999")  # fmt: skip


def mangled(data: bytes, dice: random.Random) -> bytes:
    """Return the data with some bytes, lines or pieces moved, lost, doubled or put in."""
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(len(data) + 1)
        action = dice.randrange(5)
        if action == 0:
            data = data[:place] + dice.choice(PIECES) + data[place:]
        elif action == 1:
            data = data[:place] + data[place + dice.randint(1, 40) :]
        elif action == 2:
            data = data[:place] + bytes((dice.randrange(256),)) + data[place + 1 :]
        else:
            lines = data.split(b"\n")
            one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
            if action == 3:
                lines[one], lines[other] = lines[other], lines[one]
            else:
                lines.insert(other, lines[one])
            data = b"\n".join(lines)
    return data


def keys(data: bytes) -> set[bytes]:
    """Return what stands before a colon, but for what a secret stands behind."""
    found = {line.partition(b":")[0].strip() for line in data.split(b"\n") if b":" in line}
    return {key for key in found if not key.startswith(b"password")}


def shown_as_something_else(data: bytes, known: set[bytes]) -> bool:
    """Tell whether mangling made a secret the value of a key that is no secret's."""
    lines = [line for line in data.split(b"\n") if any(s.encode() in line for s in SECRETS)]
    return any(line.partition(b":")[0].strip() in known for line in lines)


def require_clean_names(listing: Listing) -> None:
    """Raise ValueError for a target's name with a blank, a quote or a tag in it."""
    for session in listing.sessions:
        if set(session.target) & set(" \"'<>\t"):
            raise ValueError("a target has a name that no array has")


class Sink:
    """Takes text as a terminal would, and refuses what a terminal would obey."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        """Look at the text."""
        text.encode()
        if any(char < " " and char not in "\t\n" for char in text):
            raise ValueError("a control character came through")


def main() -> None:
    """Mangle until the time is over; a failure names the seed and the number of the round."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    name = sys.argv[2] if len(sys.argv) > 2 else ""
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns()
    dice = random.Random(seed)
    files = [file for folder in (DATA, CASES, POSTED) for file in folder.glob(f"{name}*.txt")]
    seeds = [file.read_bytes()[:6000] for file in files]
    known = set().union(*map(keys, seeds))
    end = time.process_time() + seconds
    rounds = 0
    while time.process_time() < end:
        rounds += 1
        data = b"".join(mangled(dice.choice(seeds), dice) for _ in range(dice.randint(1, 2)))
        try:
            listing = parse_capture(data)
            text = listing_json(listing)
            json.loads(text)
            require_clean_names(listing)
            silent = not shown_as_something_else(data, known)
            for form in (Form(), Form(long=True), Form(tree=True), Form(tsv=True)):
                for width in (None, 40):
                    screen = Screen(cast("TextIO", Sink()), width=width)
                    print_listing(listing, screen, form)
            parse_mountinfo(data)
        except BaseException:
            print(f"seed {seed} round {rounds}")
            (Path.cwd() / "fuzz-failure.txt").write_bytes(data)
            raise
        if silent and any(secret in text for secret in SECRETS):
            print(f"seed {seed} round {rounds}: a secret came out")
            (Path.cwd() / "fuzz-failure.txt").write_bytes(data)
            sys.exit(1)
    print(f"{name or 'all'}: seed {seed}: {rounds} rounds, no failure")


if __name__ == "__main__":
    main()
