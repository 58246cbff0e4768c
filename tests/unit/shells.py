"""The TAB key in real shells. The scripts under test lie in `tmp`, where each shell runs."""

import os
import re
import subprocess
from pathlib import Path

import pexpect

from tests.patience import PATIENCE

TARGETS = ("iqn.2001-04.com.example:disk.one", "iqn.2001-04.com.example:disk.two")
OTHER = "iqn.2010-01.org.example:storage:mail"


def make_machine(root: Path) -> None:
    """Make the files that TAB looks at."""
    for target in TARGETS:
        (root / "etc/iscsi/nodes" / target / "192.0.2.5,3260,1").mkdir(parents=True)
    (root / "etc/iscsi/nodes" / TARGETS[0] / "2001:db8::5,860,1").mkdir()
    (root / "etc/iscsi/ifaces").mkdir()
    for name in ("san0", "iface.example"):
        (root / "etc/iscsi/ifaces" / name).touch()
    session = root / "sys/class/iscsi_session/session12"
    (session / "device/target2:0:0/2:0:0:0/block/sdq").mkdir(parents=True)
    (session / "targetname").write_text(OTHER + "\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mounts").write_text("/dev/sdq1 /srv/my\\040mail ext4 rw,_netdev 0 0\n")
    (root / "etc/fstab").write_text("# a\nUUID=1 /srv/other ext4 _netdev,nofail 0 0\n")


def environment(machine: Path) -> dict[str, str]:
    return {
        "ISCSICTL_ROOT": str(machine), "PATH": os.environ["PATH"], "HOME": str(machine),
        "TERM": "dumb", "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def started(argv: list[str], machine: Path, tmp: Path) -> "pexpect.spawn[str]":
    """A shell that runs beside the scripts."""
    child = pexpect.spawn(
        argv[0], argv[1:], env=environment(machine), encoding="utf-8",
        dimensions=(40, 240), timeout=PATIENCE, cwd=str(tmp),
    )  # fmt: skip
    child.delaybeforesend = None
    return child


def completed(child: "pexpect.spawn[str]", typed: str) -> str:
    """Type a line and TAB at the prompt, and return the line as it then stands."""
    child.expect_exact(">>")
    child.send(typed + "\t")
    # The line is thrown away and printed back by the editor, so that nothing is run.
    child.send("\x01printf '[%s]\\n' '\x05'\r")
    child.expect(r"\r?\n\[(.*)\]\r?\n")
    assert isinstance(child.match, re.Match)
    line = str(child.match[1])
    child.close(force=True)
    return line


def bash_line(machine: Path, tmp: Path, typed: str, *, package: bool) -> str:
    child = started(["bash", "--norc", "--noprofile", "-i"], machine, tmp)
    if package:
        child.sendline("source /usr/share/bash-completion/bash_completion")
    child.sendline("bind 'set enable-bracketed-paste off'; bind 'set bell-style none'")
    child.sendline("bind 'set show-all-if-ambiguous on'; PS1='>''>'; source iscsictl.bash")
    return completed(child, typed)


def zsh_line(machine: Path, tmp: Path, typed: str) -> str:
    child = started(["zsh", "-f", "-i"], machine, tmp)
    child.sendline("unsetopt zle_bracketed_paste beep; fpath=($PWD $fpath); PS1='>''>'")
    child.sendline(
        "autoload -U compinit; compinit -u -D; bindkey -e; setopt no_prompt_sp; echo re''ady"
    )
    child.expect_exact("ready")
    return completed(child, typed)


def fish_line(machine: Path, tmp: Path, typed: str) -> str:
    child = started(["fish", "--no-config", "--interactive"], machine, tmp)
    child.sendline("function fish_prompt; echo '>''>'; end; set -g fish_autosuggestion_enabled 0")
    child.sendline("source iscsictl.fish; bind \\cg 'commandline > line'; echo re''ady")
    child.expect_exact("ready")
    child.expect_exact(">>")
    child.send(typed + "\t")
    # The line is written to a file by the editor itself, so that nothing is run.
    child.send("\x07")
    child.send("\x15exit\r")
    child.expect(pexpect.EOF)
    child.close(force=True)
    return (tmp / "line").read_text().rstrip("\n")


def fish_candidates(machine: Path, tmp: Path, typed: str) -> list[str]:
    program = 'source iscsictl.fish; complete --do-complete "$argv"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", program, typed],
        env=environment(machine), capture_output=True, text=True, timeout=PATIENCE,
        check=True, cwd=tmp,
    )  # fmt: skip
    assert done.stderr == ""
    return sorted(line.split("\t")[0] for line in done.stdout.splitlines())


def bash_candidates(machine: Path, tmp: Path, typed: str, breaks: str = ":=") -> list[str]:
    """Call the function as readline does, with its idea of words, and list what it offers."""
    return bash_offers(machine, tmp, typed, re.split(f"[\\s{breaks}]", typed)[-1])


def bash_offers(machine: Path, tmp: Path, typed: str, word: str) -> list[str]:
    """Call the function with `word` as what readline will replace."""
    program = (
        'source ./iscsictl.bash; COMP_LINE=$1 COMP_POINT=${#1}; _iscsictl iscsictl "$2" x;'
        '(( ${#COMPREPLY[@]} )) && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", typed, word],
        env=environment(machine), capture_output=True, text=True, timeout=PATIENCE,
        check=False, cwd=tmp,
    )  # fmt: skip
    assert "line" not in done.stderr
    return sorted(done.stdout.splitlines())
