"""Newcomers attach a LUN by the dialogue alone, at 80 and 40 columns, and err in every way.

Each is a row of NEWCOMERS: what the array exports, and what is typed at which question. They are
mounted after at most eight answers, nothing is changed before the yes, nothing is printed wider
than the terminal, and the command that is said to do the same does so on a fresh pair.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.newcomer import Dialogue, Terminal, Turn, host_state
from tests.lab.onhost import IQN, run_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

MAIL = f"{IQN}mail"
MOST_ANSWERS = 8

# Each question as a newcomer knows it, in lines of any width.
PORTAL = r"Portal of the\s+array.*\): "
FILESYSTEM = r"Filesystem to make.*\]: "
DIRECTORY = r"Directory to mount it\s+on \S+: "
YES = r"Do this now\? .*\[no\]: "
LUN = r"LUN: "
#: Enter takes the filesystem and the directory that are proposed.
DEFAULTS = (Turn(FILESYSTEM, ""), Turn(DIRECTORY, ""))
PLAIN = (Turn(PORTAL, A4), *DEFAULTS, Turn(YES, "yes"))


def blank(lab: Lab) -> list[Disk]:
    """One target with one LUN."""
    disk = lab.array.disk("mail", "400M")
    lab.array.target(MAIL, [disk])
    return [disk]


def three_luns(lab: Lab) -> list[Disk]:
    """One target with LUNs 0, 1 and 2."""
    disks = [lab.array.disk(name, "400M") for name in ("one", "two", "three")]
    lab.array.target(MAIL, disks)
    return disks


def made_by(command: str) -> Callable[[Lab], list[Disk]]:
    """One LUN, on which the array has run a command: {} is its file."""

    def setup(lab: Lab) -> list[Disk]:
        disks = blank(lab)
        lab.array.run(command.format(disks[0].path), check=True)
        return disks

    return setup


def full_directory(lab: Lab) -> list[Disk]:
    """One LUN, and a file in the directory that the dialogue proposes."""
    run_on(lab.host, "mkdir -p /srv/mail && echo theirs > /srv/mail/file")
    return blank(lab)


gpt = made_by("printf 'label: gpt\\n,200M\\n,,\\n' | sfdisk -q {}")


@dataclass(frozen=True)
class Newcomer:
    """What one finds and types; `code` is what `attach` ends with, `fs` what is mounted then."""

    columns: int
    setup: Callable[[Lab], list[Disk]]
    turns: Sequence[Turn]
    mount: str | None = "/srv/mail"
    fs: str = "ext4"
    #: Which of the disks is meant.
    disk: int = 0
    code: int = 0
    says: tuple[str, ...] = ()
    #: Whether the command that does the same is typed on a fresh pair, and what it asks.
    pasted: tuple[Turn, ...] | None = ()
    #: What the hint says before the options that make the same command succeed.
    way_on: str | None = None


NEWCOMERS = {
    "blank-80-columns": Newcomer(80, blank, PLAIN, pasted=None),
    "blank-40-columns": Newcomer(40, blank, PLAIN, pasted=None),
    "several-luns": Newcomer(80, three_luns, (*PLAIN, Turn(LUN, "1")), disk=1),
    "foreign-partitions": Newcomer(
        80, gpt, PLAIN, mount=None, code=9, way_on="to destroy it: ",
        says=("a gpt table with 2 partition(s)", "hint: to destroy it: --wipe --confirm naa."),
    ),
    "directory-not-empty": Newcomer(
        80, full_directory,
        (Turn(PORTAL, A4), *DEFAULTS, Turn(DIRECTORY, "/srv/other"), Turn(YES, "yes")),
        mount="/srv/other", says=("/srv/mail is not empty",),
    ),
}  # fmt: skip
#: Those that `make test` has time for.
EVERY_DAY = ("blank-80-columns", "blank-40-columns")


def printed_command(dialogue: Dialogue) -> str:
    """The last command that was said to do the same, in its lines as they would be pasted."""
    lines = dialogue.text.rpartition("The command that does the same:\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: end + 1])


def too_wide(dialogue: Dialogue) -> list[str]:
    """The lines that the terminal breaks within a word, though they have blanks to end at.

    Messages are single lines, so that a command in them can be copied whole.
    """
    room = dialogue.columns - len("forecast  ")
    return [
        line
        for line in dialogue.lines
        if len(line) > dialogue.columns
        and max(map(len, line.split())) <= room
        and not line.startswith(("iscsictl: ", "hint: "))
    ]


def result_of(lab: Lab, path: str) -> tuple[str, list[str]]:
    """What is mounted on a directory, and its line of fstab without the ids that are chosen."""
    fs = run_on(lab.host, f"findmnt -no FSTYPE {path}").out.strip()
    lines = run_on(lab.host, f"grep ' {path} ' /etc/fstab").out.splitlines()
    return fs, [re.sub(r"UUID=\S+", "UUID", line) for line in lines]


def lasting(state: str) -> list[str]:
    """The state without what other programs leave after a login that was rolled back.

    iscsiadm makes its directories, and multipath the list of the disks that it may take.
    """
    made = r"/etc/iscsi/(nodes|static) |/var/lib/iscsi/(nodes|static) |/etc/multipath( |/wwids)"
    return [line for line in state.splitlines() if not re.search(made, line)]


def hold(lab: Lab, newcomer: Newcomer) -> Dialogue:
    """Hold the dialogue, and prove what every one has to keep to; the disk meant is mounted."""
    host, array = lab.host, lab.array
    disks = newcomer.setup(lab)
    terminal = Terminal(host, newcomer.columns)
    modes, before = terminal.modes(), host_state(host)
    content = [array.digest(disk) for disk in disks]
    answered: list[str] = []

    def asked(turn: Turn) -> None:
        answered.append(turn.question)
        if turn.question == YES:
            assert host_state(host) == before
            assert [array.digest(disk) for disk in disks] == content

    dialogue = terminal.type("iscsictl attach", newcomer.turns, asked)
    assert dialogue.code == newcomer.code, dialogue.screen
    assert len(answered) <= MOST_ANSWERS
    assert "Traceback" not in dialogue.received
    assert too_wide(dialogue) == []
    assert [text for text in newcomer.says if text not in dialogue.text] == []
    assert terminal.modes() == modes
    if newcomer.mount is None:
        assert lasting(host_state(host)) == lasting(before)
        assert [array.digest(disk) for disk in disks] == content
    else:
        entry = run_on(host, f"grep ' {newcomer.mount} ' /etc/fstab").out
        assert disks[newcomer.disk].wwid in entry
    return dialogue


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in EVERY_DAY else pytest.mark.torture) for n in NEWCOMERS],
)
def test_a_newcomer_is_mounted_in_few_answers_or_told_why_not(lab: Lab, name: str) -> None:
    newcomer = NEWCOMERS[name]
    dialogue = hold(lab, newcomer)
    if newcomer.way_on is not None:
        options = dialogue.text.partition(newcomer.way_on)[2].partition(";")[0].splitlines()[0]
        command = f"{printed_command(dialogue)} {options}"
        done = Terminal(lab.host, newcomer.columns).type(command, ())
        assert done.code == 0, done.screen
        assert result_of(lab, "/srv/mail")[0] == newcomer.fs
    if newcomer.mount is None:
        return
    mounted = result_of(lab, newcomer.mount)
    assert mounted[0] == newcomer.fs
    if newcomer.pasted is None:
        return
    lab.restore("installed")
    newcomer.setup(lab)
    pasted = Terminal(lab.host, newcomer.columns).type(printed_command(dialogue), newcomer.pasted)
    assert pasted.code == 0, pasted.screen
    assert result_of(lab, newcomer.mount) == mounted
