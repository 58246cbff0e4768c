"""Prompts and commands between the outputs of a capture: after one, another output begins."""

import re
from typing import NamedTuple

_TOOLS = (
    r"(?:iscsiadm|iscsi-ls|iscsictl|iscsi-iname|multipathd?|lsblk|lsscsi|sudo|doas|su|ssh|cat|less|"
    r"more|e?grep|zgrep|awk|sed|head|tail|sort|uniq|wc|ls|cd|df|du|mount|umount|blkid|fdisk|parted|"
    r"sfdisk|pvs|vgs|lvs|dmesg|journalctl|systemctl|service|watch|for|while|if|echo|printf|sleep|"
    r"date|uname|hostname|uptime|udevadm|modprobe|lsmod|ip|ping|nc|ss|netstat|exit|logout|clear|"
    r"reboot|which|docker|podman|kubectl|rescan-scsi-bus(?:\.sh)?|sg_inq|dd|mkfs(?:\.\w+)?|script|"
    r"find|time|sh|bash|history|vim?|nano|apt(?:-get)?|yum|dnf|zypper)"
)
_COMMAND = rf"(?:(?:/\S*/)?{_TOOLS}(?=[\s;|&]|$)|\./\S|/s?bin/|/usr/|/opt/)"
# `iscsiadm: ...` is a message of the program, `iscsiadm -m ...` is a call of it.
_RUN = re.compile(r"\biscsiadm\s+-{1,2}\w|\biscsi-ls\s+(?:-|iscsi://)")
# user@host and anything up to the sign; `<user@host>` is the address of a mail.
_NAMED = re.compile(
    r"(?:^|(?P<before>[\s\[(<:]))[\w.+-]{1,40}@(?P<host>[\w.-]{1,64})(?![\w.-])"
    r"[^\"'#$%>]{0,120}[#$%>](?:\s|$)"
)
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        r"\[[^\]]{0,80}\] ?[#$%>].*",  # [root@host ~]# and bash's [host]$
        r"\[[\w.-]+@(?P<host>[\w.-]+):[^\]]*\](?:\s.*)?",  # ESXi: [root@host:~] command
        (
            r"(?:\(\S{1,40}\)\s*|\[[\d:/ -]{4,20}\]\s*)?\S{1,80}(?: \[?[~/]\S{0,80})?"
            r"(?: ?[#$]|%| ?(?<![-=])>)(?: .*)?"
        ),
        r"\S{1,80}[:/~]\S{0,80} [\w.-]{1,40}[#$%](?: .*)?",  # macOS: host:~ user$ command
        rf"[\w.-]{{1,64}}[#>] ?{_COMMAND}.*",  # switches: host#command
        r"(?:PS )?[A-Z]:[\\/][^>]{0,120}>.*",
        r"[\u276f\u279c\u03bb\u203a\u00bb\u25b6\u2192\u279e](?:\s.*)?|[\u2500-\u257f]{2,}.*",
        r".{0,80}[\ue0a0-\uf8ff\u276f\u279c\u21d2](?:\s.*)?",  # powerline and other themes
    )
)  # fmt: skip
_BARE = re.compile(r"[#$%>]|>>>(?: .*)?|\+|\$>.*")
_BARE_COMMAND = re.compile(rf"[#$%>+]+\s*{_COMMAND}.*|[#$%].*\s(?:-{{1,2}}\w|\|\s).*")
# Ansible names the host above its output; clush and pdsh name it before each line.
_ANSIBLE = re.compile(
    r"(?P<host>[\w.-]{1,64}) \| (?:SUCCESS|CHANGED|FAILED|UNREACHABLE!?|rc=)\b.*"
    r"|(?:ok|changed|fatal|failed): \[(?P<node>[\w.-]{1,64})(?: -> [^\]]*)?\].*"
    r"|(?:PLAY|TASK) \[.*"
)

# SUSE's supportconfig: the heading of a section, which the command or file in it follows.
_SECTION = re.compile(r"#==\[ [\w -]{1,40} \]=+#")


class Boundary(NamedTuple):
    """The end of one output; `host` is where the next one was printed, None if unknown."""

    host: str | None = None


def read_prompt(line: str) -> Boundary | None:
    """Return whether a stripped line is a shell prompt, with or without a command, or a command.

    Returns the boundary, None if it is neither. A comment by whoever pasted it ("# note the
    portal") is no prompt: one without a name counts only if nothing or a command follows its sign.
    """
    if len(line) > 500:
        return Boundary() if _RUN.search(line) else None
    if found := _ANSIBLE.fullmatch(line):
        return Boundary(found["host"] or found["node"])
    if found := _NAMED.search(line, 0, 300):
        return Boundary(None if found["before"] == "<" else found["host"].partition(".")[0])
    if _BARE.fullmatch(line) or _BARE_COMMAND.fullmatch(line) or _RUN.search(line):
        return Boundary()
    if _SECTION.fullmatch(line):
        return Boundary()
    if line[:1] in "#>":
        return None
    for shape in _SHAPES:
        if found := shape.fullmatch(line):
            return Boundary(found.groupdict().get("host"))
    return None
