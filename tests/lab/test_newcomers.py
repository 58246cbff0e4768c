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
from tests.lab.newcomer import CTRL_C, Dialogue, Terminal, Turn, host_state
from tests.lab.onhost import IQN, run_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

MAIL, WEB = f"{IQN}mail", f"{IQN}web"
USER, SECRET = "myaccount", "kV8rTq2ZxW7nBf4M"
MOST_ANSWERS = 8

# Each question as a newcomer knows it, in lines of any width.
PORTAL = r"Portal of the\s+array.*\): "
TARGET = r"Target: "
FILESYSTEM = r"Filesystem to make.*\]: "
DIRECTORY = r"Directory to mount it\s+on \S+: "
YES = r"Do this now\? .*\[no\]: "
NAME = r"CHAP name.*: "
HIDDEN = r"CHAP secret \(not shown\): "
LUN = r"LUN: "
AS_IT_IS = r"as\s+it\s+is\?\s+\[y/N\]: "
WAIT = r"[0-9]+ of (?:at most )?[0-9]+ s"
#: Enter takes the filesystem and the directory that are proposed.
DEFAULTS = (Turn(FILESYSTEM, ""), Turn(DIRECTORY, ""))
PLAIN = (Turn(PORTAL, A4), *DEFAULTS, Turn(YES, "yes"))
#: As many as there can be for one who errs in nothing.
EVERY_QUESTION = (
    Turn(PORTAL, A4), Turn(TARGET, "web"), *DEFAULTS, Turn(YES, "yes"), Turn(NAME, USER),
    Turn(HIDDEN, SECRET), Turn(LUN, "0"),
)  # fmt: skip


def blank(lab: Lab) -> list[Disk]:
    """One target with one LUN."""
    disk = lab.array.disk("mail", "400M")
    lab.array.target(MAIL, [disk])
    return [disk]


def silent(lab: Lab) -> list[Disk]:
    """The same behind a portal that drops every packet."""
    disks = blank(lab)
    lab.array.block(A4)
    return disks


def with_chap(lab: Lab) -> list[Disk]:
    """The same for an account only."""
    disk = lab.array.disk("mail", "400M")
    lab.array.target(MAIL, [disk], chap=(USER, SECRET))
    return [disk]


def two_targets(lab: Lab) -> list[Disk]:
    """Two targets, each with a LUN."""
    disks = [lab.array.disk(name, "400M") for name in ("mail", "web")]
    for name, disk in zip((MAIL, WEB), disks, strict=True):
        lab.array.target(name, [disk])
    return disks


def three_luns(lab: Lab) -> list[Disk]:
    """One target with LUNs 0, 1 and 2."""
    disks = [lab.array.disk(name, "400M") for name in ("one", "two", "three")]
    lab.array.target(MAIL, disks)
    return disks


def everything(lab: Lab) -> list[Disk]:
    """Two targets for an account only, one with two LUNs: what is asked for at most."""
    disks = [lab.array.disk(name, "400M") for name in ("mail", "web", "more")]
    lab.array.target(MAIL, disks[:1], chap=(USER, SECRET))
    lab.array.target(WEB, disks[1:], chap=(USER, SECRET))
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


ext4 = made_by("mkfs.ext4 -q -F {}")
gpt = made_by("printf 'label: gpt\\n,200M\\n,,\\n' | sfdisk -q {}")
lvm = made_by("l=$(losetup -f --show {}) && pvcreate -qq -y $l >/dev/null && losetup -d $l")


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
    "blank-80-columns": Newcomer(80, blank, PLAIN),
    "blank-40-columns": Newcomer(40, blank, PLAIN),
    "wrong-portals": Newcomer(
        80, blank, (Turn(PORTAL, f"{A4}:3261"), Turn(PORTAL, "array.example.com"),
        Turn(PORTAL, "192.0.2.300"), *PLAIN),
        says=("connection refused", "cannot be resolved", "is not an IPv4 address"),
    ),
    "silent-portal": Newcomer(
        40, silent, (Turn(PORTAL, A4), Turn(WAIT, CTRL_C)), mount=None, code=130,
        says=("iscsictl: stopped; nothing was changed",),
    ),
    "wrong-secret": Newcomer(
        80, with_chap,
        (*PLAIN, Turn(NAME, USER), Turn(HIDDEN, "not-the-secret-1"), Turn(NAME, ""),
         Turn(HIDDEN, SECRET)), pasted=(Turn("CHAP secret: ", SECRET),),
        says=("The array refuses the login.", "The array refuses that account."),
    ),
    "several-targets": Newcomer(
        40, two_targets,
        (Turn(PORTAL, A4), Turn(TARGET, "web"), Turn(FILESYSTEM, "xfs"), Turn(DIRECTORY, ""),
         Turn(YES, "yes")), mount="/srv/web", fs="xfs", disk=1,
    ),
    "several-luns": Newcomer(80, three_luns, (*PLAIN, Turn(LUN, "1")), disk=1),
    "every-question": Newcomer(
        40, everything, EVERY_QUESTION, mount="/srv/web", disk=1,
        pasted=(Turn("CHAP secret: ", SECRET),),
    ),
    "foreign-filesystem": Newcomer(40, ext4, (*PLAIN, Turn(AS_IT_IS, "y"))),
    "foreign-filesystem-not-wanted": Newcomer(
        80, ext4, (*PLAIN, Turn(AS_IT_IS, "n")), mount=None, code=9, way_on="as it is: ",
        says=("to mount it as it is: --adopt; to destroy it: --wipe --confirm naa.",),
    ),
    "foreign-filesystem-ctrl-c": Newcomer(
        40, ext4, (*PLAIN, Turn(AS_IT_IS, CTRL_C)), mount=None, code=130,
    ),
    "foreign-partitions": Newcomer(
        80, gpt, PLAIN, mount=None, code=9, way_on="to destroy it: ",
        says=("a gpt table with 2 partition(s)", "hint: to destroy it: --wipe --confirm naa."),
    ),
    "foreign-physical-volume": Newcomer(
        40, lvm, PLAIN, mount=None, code=9,
        says=("LVM2_member", "hint: to destroy it: --wipe --confirm naa."),
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
    assert SECRET not in dialogue.received
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


@pytest.mark.torture
def test_ctrl_c_at_each_question_leaves_nothing_and_a_terminal_as_it_was(lab: Lab) -> None:
    everything(lab)
    terminal = Terminal(lab.host, 40)
    modes, before = terminal.modes(), lasting(host_state(lab.host))
    for number, turn in enumerate(EVERY_QUESTION):
        turns = (*EVERY_QUESTION[:number], Turn(turn.question, CTRL_C))
        dialogue = terminal.type("iscsictl attach", turns)
        assert (turn.question, dialogue.code) == (turn.question, 130)
        assert dialogue.lines[-1] == "iscsictl: stopped; nothing was changed"
        assert "Traceback" not in dialogue.received
        assert too_wide(dialogue) == []
        assert terminal.modes() == modes
        assert lasting(host_state(lab.host)) == before, turn.question
