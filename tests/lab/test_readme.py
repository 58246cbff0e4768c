"""The commands of README.md, typed on a clean guest: each answers what README.md prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.array import A4
from tests.lab.install import PROJECT
from tests.lab.onhost import PATIENCE, run_on

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

TARGET = "iqn.2001-04.com.example:mail"
SECRET = "/root/myaccount.secret"
EVERY_DAY = "## Every day\n"
IN_SCRIPTS = "## In scripts\n"


@dataclass(frozen=True)
class Shown:
    """A command of a console block, and what the block says that it prints."""

    command: str
    output: str


def shown_commands(text: str) -> list[Shown]:
    """The commands of all console blocks in the order of the page."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^# ", block, flags=re.MULTILINE)]
    return [Shown(*part.split("\n", 1)) for part in parts if part]


def without_what_differs(text: str) -> str:
    """Text with what is another in each run replaced: UUIDs, WWIDs, ids, durations, spacing."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"(naa\.|wwn-0x)[0-9a-f]{32}", r"\1WWID", text)
    text = re.sub(r"(iqn\.1993-08\.org\.debian:01:)[0-9a-f]+", r"\1NAME", text)
    text = re.sub(r"\bprocess \d+", "process PID", text)
    text = re.sub(r" +\d+(\.\d+)? ?(ms|s|min)$", "", text, flags=re.MULTILINE)
    return re.sub(r" {2,}", "  ", text)


def answer_of(host: Guest, command: str) -> str:
    """What a terminal shows of a command: both streams."""
    result = host.run(f"exec 2>&1; {command}", timeout=PATIENCE)
    assert "Traceback" not in result.out, result.out
    return result.out


def prepare_first_minutes(lab: Lab) -> None:
    """The first five minutes: a name for the array, a secret, what the array offers."""
    host = lab.host
    # The name came with the image, however soon after it the id of the machine was made.
    run_on(host, "touch -d 2000-01-01 /etc/iscsi/initiatorname.iscsi")
    name = run_on(host, "iscsictl initiator show").out
    assert "iqn." in name
    run_on(host, f"iscsictl chap generate --out {SECRET}")
    secret = host.text(SECRET).strip()
    lab.array.target(TARGET, [lab.array.disk("mail", "1G")], portals=[A4],
                     chap=("myaccount", secret))  # fmt: skip
    assert TARGET in run_on(host, f"iscsictl discover {A4}").out
    run_on(host, "mkdir /etc/iscsictl")
    host.put("/etc/iscsictl/mail.secret", secret, mode=0o600)


def test_the_commands_of_the_readme_answer_what_it_prints(lab: Lab) -> None:
    host = lab.host
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    prepare_first_minutes(lab)
    every_day = readme.partition(EVERY_DAY)[2].partition(IN_SCRIPTS)[0]
    volumes = re.search(r"^```toml\n(.*?)^```", every_day, re.MULTILINE | re.DOTALL)
    assert volumes
    host.put("/root/volumes.toml", volumes[1])
    different = []
    for shown in shown_commands(every_day):
        if shown.command.startswith("iscsictl apply"):
            # The file is for a host that has nothing yet: what was detached has its data.
            lab.array.swap(TARGET, 0, lab.array.disk("blank", "1G"))
        # The page shows what a process in the directory does to the first of the two.
        held = "is in use: process" in shown.output
        holder = host.start(["sleep", "1000"], cwd="/srv/mail") if held else None
        answer = answer_of(host, f"cd /root; {shown.command}")
        if holder is not None:
            holder.signal()
            holder.wait()
        expected, actual = map(without_what_differs, (shown.output, answer))
        if expected.strip() != actual.strip():
            different.append(f"# {shown.command}\n--- README.md\n{expected}\n--- guest\n{actual}")
    assert different == [], "\n".join(different)
