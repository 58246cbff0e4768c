"""Record the terminal pictures of the documents: `python -m tests.lab.pictures`, `make pictures`.

Each command is typed on the console of the lab's host, and what the terminal received from it is
written to docs/pictures/NAME.json, with what the host said of itself in JSON. Then the pictures
are drawn from that.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import TYPE_CHECKING

from pexpect import TIMEOUT

from tests.lab.agent import AgentError, CommandError
from tests.lab.array import A4, B4
from tests.lab.image import SUITES, LabUnavailableError
from tests.lab.onhost import IQN, PATIENCE, run_on
from tests.lab.onmap import path_states, unmask_multipathd, wait_for, wait_until_ready
from tests.lab.pair import Lab
from tools import pictures
from tools.pictures import Recording, received_lines, write_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pexpect.fdpexpect import fdspawn

    from tests.lab.guest import Guest

MAIL, WEB = f"{IQN}mail", f"{IQN}web"
#: What 100 columns need for a row of `watch`; a page of GitHub shows them in legible size.
COLUMNS, ROWS = 100, 40
PROMPT = "root@host:~# "
#: Graphs of `watch` have 16 points, one a second.
GRAPH = 18
# What the graphs of `watch` show: mail is read without an end, web written with pauses.
LOADS = """
while :; do dd if=$(echo /dev/disk/by-path/*:mail-lun-0) of=/dev/null bs=64k iflag=direct; done &
while :; do dd if=/dev/zero of=/srv/web/load bs=64k count=99 oflag=direct; sleep 2; done
"""


def prepare_console(host: Guest) -> None:
    """Give the console the size and the colours of a terminal window, and keep the kernel off."""
    run_on(host, "dmesg -n 1")
    host.console.sendline(
        f"stty cols {COLUMNS} rows {ROWS}; export TERM=xterm-256color LANG=C.UTF-8; echo re''ady"
    )
    host.console.expect_exact(b"ready\r\n", timeout=PATIENCE)
    host.console.expect_exact(PROMPT.encode(), timeout=PATIENCE)


def type_command(
    host: Guest, command: str, talk: Callable[[fdspawn[bytes]], None] | None = None
) -> tuple[str, ...]:
    """Type a command, hold the dialogue, and return what the terminal received until the end."""
    console, log = host.console, io.BytesIO()
    console.logfile_read = log
    try:
        console.sendline(command)
        if talk is not None:
            talk(console)
        console.expect_exact(PROMPT.encode(), timeout=PATIENCE)
    finally:
        console.logfile_read = None
    _, echo, rest = log.getvalue().decode().partition(command)
    received = rest.rpartition(PROMPT)[0]
    return received_lines(PROMPT + echo + received)


def documents_of(host: Guest, command: str) -> Any:
    """What a command with -J prints, whatever its exit code."""
    return json.loads(host.run(f"{command} -J", timeout=PATIENCE, check=False).out)


def record_attach(lab: Lab) -> Recording:
    """The dialogue of `attach`, answered as the defaults suggest."""
    lab.array.target(MAIL, [lab.array.disk("mail", "1G")], portals=[A4])

    def answer(console: fdspawn[bytes]) -> None:
        for question, reply in (
            ("Portal of the array", A4), ("Filesystem to make", ""), ("Directory to mount", ""),
            ("Do this now?", "yes"),
        ):  # fmt: skip
            console.expect_exact(question.encode(), timeout=PATIENCE)
            console.expect_exact(b": ", timeout=PATIENCE)
            console.sendline(reply)

    lines = type_command(lab.host, "iscsictl attach", answer)
    run_on(lab.host, "findmnt /srv/mail")
    title = "iscsictl attach asks for the portal, shows the plan and mounts a blank LUN after a yes"
    return Recording(title, COLUMNS, lines)


def record_tree(lab: Lab) -> Recording:
    """`ls --tree` of a LUN on one path, and of one under a multipath map."""
    lab.array.target(WEB, [lab.array.disk("web", "1G")], portals=[A4, B4])
    unmask_multipathd(lab.host)
    run_on(lab.host, f"iscsictl attach -p {A4} -T {WEB} --fs xfs --mount /srv/web")
    wait_until_ready(lab.host)
    lines = type_command(lab.host, "iscsictl ls --tree")
    title = "iscsictl ls --tree draws every layer from the portal to the mount"
    return Recording(title, COLUMNS, lines, documents_of(lab.host, "iscsictl ls"))


def record_watch(lab: Lab) -> Recording:
    """`watch` while one disk is read and one written, and then a cable is cut."""
    host = lab.host
    loads = host.start(LOADS)
    changes = host.start("exec iscsictl watch -J")

    def cut_and_quit(console: fdspawn[bytes]) -> None:
        for _ in range(GRAPH):
            console.expect_exact(b"sessions, q ends", timeout=PATIENCE)
        lab.cut("B")
        # The last change of the picture that says so; q comes before the next one is drawn.
        console.expect_exact(b"state running -> blocked", timeout=PATIENCE)
        console.send(b"q")

    lines = type_command(host, "iscsictl watch", cut_and_quit)
    # The other process may not have seen yet what this one shows.
    wait_for(lambda: '"after": "blocked"' in changes.output()[0])
    changes.signal()
    facts = [json.loads(line) for line in changes.wait(PATIENCE).out.splitlines()]
    loads.signal()
    title = "iscsictl watch shows sessions, throughput and a path that has just been lost"
    return Recording(title, COLUMNS, lines, facts)


def record_doctor(lab: Lab) -> Recording:
    """`doctor` while one of two paths is out, without what is so on purpose in the lab."""
    wait_for(lambda: "faulty" in path_states(lab.host))
    command = "iscsictl doctor --ignore chap-none --ignore ipsec-policy"
    title = "iscsictl doctor names what is not in order, and the command that corrects it"
    before = faults_of(documents_of(lab.host, command))
    for _ in range(5):
        lines = type_command(lab.host, command)
        facts = documents_of(lab.host, command)
        # At first a portal behind a cut cable is silent, later ARP says that there is no route.
        if before == faults_of(facts):
            return Recording(title, COLUMNS, lines, facts)
        before = faults_of(facts)
    raise AgentError("doctor says something else each time")


def faults_of(document: Any) -> list[Any]:
    """What the table of `doctor` shows of its document."""
    return [one for one in document["findings"] if one["level"] in {"warn", "fail"}]


#: In this order: each begins with what the one before has left.
SCENES = {
    "attach": record_attach, "ls-tree": record_tree, "watch": record_watch,
    "doctor": record_doctor,
}  # fmt: skip


def record_pictures(suite: str, until: str) -> None:
    """Record the scenes up to `until` on a clean pair. Raises what the lab raises."""
    with Lab.start(suite) as lab:
        lab.install_project()
        prepare_console(lab.host)
        for name, record in SCENES.items():
            recording = record(lab)
            pictures.visible_lines(recording)
            write_recording(pictures.DIRECTORY / f"{name}.json", recording)
            print(f"recorded {name}: {len(recording.lines)} lines", flush=True)
            if name == until:
                break


def main() -> int:
    """Record and draw the pictures, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.pictures", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0])
    parser.add_argument(
        "--until", choices=SCENES, default=list(SCENES)[-1], metavar="NAME",
        help="the last picture to record: the others stay as they are",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        record_pictures(arguments.suite, arguments.until)
    except (LabUnavailableError, AgentError, CommandError, AssertionError, TIMEOUT) as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 1
    sys.argv[1:] = []
    pictures.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
