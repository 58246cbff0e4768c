"""The whole story on two virtual machines: `python -m tests.lab.demo` (or `make demo`).

Each command line is what an admin would type on the host, each output is what came back. A
step whose result is not what it should be ends the demo with one line and exit code 1.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.agent import AgentError, CommandError, Result
from tests.lab.array import A4
from tests.lab.image import SUITES, LabUnavailableError, image
from tests.lab.install import install
from tests.lab.pair import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.agent import Background

IQN = "iqn.1994-12.com.example:array.raid"
ACCOUNT = "myaccount"
SECRET_FILE = "/root/myaccount.secret"
SIZE = "1G"
RAID = "/cluster/raid"
SECOND = "/cluster/second"
PROOF = "written before the power cut"
#: Seconds after which a command of the demo hangs, on a slow machine.
PATIENCE = 180.0
POLL = 0.1
ATTACH = f"iscsictl attach -p {A4} -T {IQN} --chap-user {ACCOUNT} --chap-secret-file {SECRET_FILE}"
ATTACH_RAID = f"{ATTACH} --fs ext3 --mount {RAID}"
ATTACH_SECOND = f"{ATTACH} --lun 1 --fs ext4 --mount {SECOND}"


class DemoError(Exception):
    """A step's result was not what it should be; the text is one line."""


@dataclass
class Story:
    """What was shown so far, and how long each command took, in seconds."""

    secret: str
    began: float = field(default_factory=time.monotonic)
    shown: list[str] = field(default_factory=list)
    times: list[tuple[str, float]] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """Say in one line what comes next."""
        print(f"\n\x1b[1m# {text}\x1b[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)

    def took(self, what: str, seconds: float) -> None:
        """Keep the time that something took."""
        self.times.append((what, seconds))

    def timed(self, what: str, work: Callable[[], object]) -> None:
        """Do something that is no command of the host, and keep its time."""
        began = time.monotonic()
        work()
        self.took(what, time.monotonic() - began)

    def prove(self, text: str) -> None:
        """Note what has been shown."""
        self.shown.append(text)

    def run(self, lab: Lab, command: str, *wanted: str, code: int = 0) -> str:
        """Run a command on the host as an admin would, showing it and its output as it comes.

        Raises DemoError unless it exits with `code` and prints every one of `wanted`.
        """
        print(f"root@host:~# {command}", flush=True)
        result = follow(lab.host.start(f"exec 2>&1; {command}"))
        self.took(command.replace(f"{ATTACH} ", "iscsictl attach ... "), result.seconds)
        if result.code:
            print(f"[exit {result.code}]", flush=True)
        if self.secret in result.out:
            raise DemoError(f"`{command}` printed the secret")
        if result.code != code:
            raise DemoError(f"`{command}` exited with {result.code}, not {code}")
        for text in wanted:
            if text not in result.out:
                raise DemoError(f"`{command}` did not print {text!r}")
        return result.out


def follow(process: Background) -> Result:
    """Print a command's lines as they come, until it has ended."""
    printed = 0
    while True:
        result = process.poll()
        out = process.output()[0] if result is None else result.out
        end = out.rfind("\n") + 1 if result is None else len(out)
        sys.stdout.write(out[printed:end])
        sys.stdout.flush()
        printed = max(printed, end)
        if result is not None:
            return result
        if time.monotonic() > process.started + PATIENCE:
            process.signal(9)
            raise DemoError(f"`{process.argv[-1]}` did not end within {PATIENCE:g} s")
        time.sleep(POLL)


def prepare(lab: Lab, story: Story) -> None:
    """Put the project on the host, and a LUN behind CHAP on the array."""
    story.tell("The host: stock Debian and open-iscsi. The project is installed with pip.")
    story.timed("(install)", lambda: install(lab.host))
    story.run(lab, "iscsictl --version", "iscsictl ")
    story.tell(f"The array: one blank LUN of {SIZE}; it lets in nobody but CHAP's {ACCOUNT}.")
    disk = lab.array.disk("raid", SIZE)
    lab.array.target(IQN, [disk], portals=[A4], chap=(ACCOUNT, story.secret))
    lab.host.put(SECRET_FILE, story.secret + "\n", mode=0o600)
    story.run(lab, f"ls -l {SECRET_FILE}", "-rw-------")


def first(lab: Lab, story: Story) -> None:
    """From discovery to a file on the mounted LUN."""
    story.tell("Which targets has the array?")
    story.run(lab, f"iscsictl discover {A4}", IQN)
    story.prove("discovery of the array, nothing changed by it")
    story.tell("One command from nothing to a mounted filesystem.")
    story.run(lab, ATTACH_RAID, f"mount     {RAID}")
    story.prove(f"a blank LUN behind CHAP made an ext3 at {RAID}, the secret shown nowhere")
    story.tell("Target, LUN, device, size, filesystem and mount in one table.")
    story.run(lab, "iscsictl ls", IQN, "ext3", RAID)
    story.tell("A file is written.")
    story.run(lab, f"echo '{PROOF}' > {RAID}/proof && sync")
    story.prove("a file written")


def power(lab: Lab, story: Story) -> None:
    """Cut the host's power, boot it, and read the file."""
    story.tell("The host's power is cut, then it boots. No hand touches it.")
    lab.host.power_cut()
    story.timed("(boot after the power cut)", lab.host.boot)
    story.run(lab, "iscsictl ls", IQN, "ext3", RAID)
    story.run(lab, f"cat {RAID}/proof", PROOF)
    story.prove("after a power cut and a boot the file was there, with no hand on it")


def second(lab: Lab, story: Story) -> None:
    """Attach another LUN of the target, and the same once more."""
    story.tell("The array maps a second LUN; it becomes an ext4.")
    lab.array.map(IQN, 1, lab.array.disk("second", SIZE))
    story.run(lab, ATTACH_SECOND, f"mount     {SECOND}")
    story.run(lab, "iscsictl ls", "ext3", RAID, "ext4", SECOND)
    story.prove(f"a second LUN of the same session made an ext4 at {SECOND}")
    story.tell("The same attach again: twice is once.")
    out = story.run(lab, ATTACH_SECOND, "unchanged")
    changed = [line for line in out.splitlines() if line.startswith(("done", "failed"))]
    if changed:
        raise DemoError(f"the second attach was not unchanged: {changed[0]}")
    story.prove("the same attach again changed nothing and exited 0")


def leave(lab: Lab, story: Story) -> None:
    """Detach: refused while in use, done afterwards."""
    story.tell("A process sits in the directory: detach names it and takes nothing away.")
    sitter = lab.host.start(["sleep", "1000"], cwd=SECOND)
    story.run(lab, f"iscsictl detach {SECOND}", "sleep", code=7)
    story.run(lab, f"findmnt {SECOND}", SECOND)
    sitter.signal()
    sitter.wait()
    story.tell("It has left.")
    story.run(lab, f"iscsictl detach {SECOND}")
    after = story.run(lab, "iscsictl ls", RAID)
    if SECOND in after:
        raise DemoError(f"{SECOND} is still there after detach")
    story.run(lab, f"cat {RAID}/proof", PROOF)
    story.prove("detach refused while a process sat in the directory, done after it left")


CHAPTERS = (prepare, first, power, second, leave)


def conclude(story: Story) -> None:
    """Print what was shown and how long each command took."""
    story.tell("What was shown")
    for text in story.shown:
        print(f"  - {text}")
    story.tell("How long it took")
    for what, seconds in story.times:
        print(f"  {seconds:6.1f} s  {what}")
    load = os.getloadavg()[0]
    print(f"  {time.monotonic() - story.began:6.1f} s  in all, "
          f"on {os.cpu_count()} processors with a load of {load:.1f} at the end")  # fmt: skip


def play(suite: str) -> None:
    """Tell the whole story. Raises DemoError, LabUnavailableError."""
    story = Story(secret=secrets.token_urlsafe(12))
    story.tell(f"Two virtual machines, Debian {suite}: the image is built if there is none.")
    story.timed("(image)", lambda: image(suite))
    began = time.monotonic()
    with Lab.start(suite) as lab:
        story.took("(start of both machines)", time.monotonic() - began)
        for chapter in CHAPTERS:
            chapter(lab, story)
    conclude(story)


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0])
    try:
        play(parser.parse_args().suite)
    except LabUnavailableError as error:
        print(f"demo: no virtual machines here: {error}", file=sys.stderr)
        return 1
    except (DemoError, AgentError, CommandError, RuntimeError) as error:
        print(f"demo: FAILED: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"demo: FAILED: {error}: {error.stderr}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
