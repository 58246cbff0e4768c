"""A prompt of any shell ends the output before it, and a comment does not."""

from pathlib import Path

import pytest

from iscsictl.parse.capture import parse_capture
from iscsictl.parse.shell_prompt import read_prompt

DATA = Path(__file__).parent / "data" / "captures"
TAILS = ("host", "lun", "params", "state")
COMMANDS = (
    "iscsiadm -m session -r 2 -P 3 | tail -3", "sudo iscsiadm -m session", "cat x | grep State",
    "./show.sh", "grep -i digest x.txt", "",
)  # fmt: skip
PROMPTS = (
    "root@h:~# ", "[root@h ~]# ", "$ ", "# ", "% ", "h:~ # ", "~ # ", "root@h ~> ", "PS C:\\> ",
    "PS /home/x> ", "C:\\Users\\x>", "bash-4.2$ ", "-bash-4.2# ", "sh-5.1# ", "h% ",
    "\u279c  ~ ", "\u276f ", "\u03bb ", "\u250c\u2500\u2500(root\u327fh)-[~]\n\u2514\u2500# ",
    "\u256d\u2500root@h ~\n\u2570\u2500# ", "\ue0b0 root \ue0b0 ~ \ue0b0 ", "user in ~ \u276f ",
    "user@h:~/x|main \u21d2  ", "[user@h:~]$ ", "user@h:~/dir (main) $ ", "h1:/root$ ",
    "admin@nas:/$ ", "[12:34:56] root@h:~# ", "12:34:56 root@h:~ # ", "h:~ root# ",
    "(env) [root@h ~]# ", "(base) user@h:~$ ", "/ # ", "[root@esx:~] ", "+ ", "$> ", "root@h # ",
    "#", "$", ">", "user@ctl:~/p (git)-[main] $ ", "switch#", "h>", "[root@h:/tmp]# ",
    "root@h[~]# ", "h [~]# ", "root@h: ~ # ", "[h]$ ", "<root@h ~>$ ", "root:~# ", "user@h /p$ ",
    "2024-05-05 10:00:00 root@h:~# ", "\u2714 root@h ~ # ", "node-1:/# ", "[~]$ ", "~/src> ",
    "[10:00] h:~ $ ", ">>> ",
)  # fmt: skip


@pytest.mark.fault("F109")
@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_ends_the_session_before_it(prompt: str) -> None:
    for tail in TAILS:
        lines = (DATA / f"prompt-does-not-end-session-{tail}.txt").read_text().split("\n")
        (place,) = [number for number, line in enumerate(lines) if line.startswith("root@h")]
        for command in COMMANDS:
            typed = [*lines[:place], prompt + command, *lines[place + 1 :]]
            (session,) = parse_capture("\n".join(typed)).sessions
            assert (session.sid, session.status) == (1, "up")
            assert session.host is not None
            assert session.host.number == 33
            assert [(lun.lun, lun.device) for lun in session.luns or ()] == [(0, "/dev/sdb")]
            assert session.params is not None
            assert session.params["HeaderDigest"] == "None"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_known_with_any_command(prompt: str) -> None:
    for command in COMMANDS:
        for line in (prompt + command).split("\n"):
            assert read_prompt(line.strip()) is not None, line


@pytest.mark.parametrize(
    "line",
    ["# note the portal group tag", "<-- this one", "> the first portal", "see below:", "--> here",
     "SCSI subsystem initialized", "- [x] done", "100 % of it", "sda 8:0 0 1G", "see #12"],
)  # fmt: skip
def test_a_remark_is_no_prompt(line: str) -> None:
    assert read_prompt(line) is None


@pytest.mark.parametrize(
    ("line", "host"),
    [("root@node1:~# ls", "node1"), ("[me@node2.example.com ~]$", "node2"),
     ("node3 | CHANGED | rc=0 >>", "node3"), ("ok: [node4] => {", "node4"), ("$ ls", None),
     ("Bob <bob@example.com> wrote", None)],
)  # fmt: skip
def test_a_prompt_tells_the_host_if_it_has_one(line: str, host: str | None) -> None:
    boundary = read_prompt(line)
    assert boundary is not None
    assert boundary.host == host
