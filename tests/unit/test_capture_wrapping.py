"""Whatever a capture is wrapped in, the same sessions are read from it."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from iscsictl.parse.capture import parse_capture

DATA = Path(__file__).parent / "data" / "sessions"
SECRET = "Sesam-oeffne-dich"
Wrap = Callable[[str], str]


def lines_as(form: Callable[[int, str], str]) -> Wrap:
    def wrap(text: str) -> str:
        lines = text.rstrip("\n").split("\n")
        return "".join(form(number, line) + "\n" for number, line in enumerate(lines, 1))

    return wrap


def _strings(line: str) -> str:
    return json.dumps(line)


WRAPS: dict[str, Wrap] = {
    "syslog": lines_as(lambda n, line: f"Jul 26 19:13:{n % 60:02} host check[{100 + n}]: {line}"),
    "rsyslog's escapes": lines_as(
        lambda n, line: f"Jul 26 19:13:{n % 60:02} host check[7]: {line}".replace("\t", "#011")
    ),
    "journal": lines_as(lambda n, line: f"2024-05-05T10:00:{n % 60:02}+0200 host sh[77]: {line}"),
    "klog": lines_as(lambda n, line: f"I0726 19:13:{n % 60:02}.725101       1 util.go:{n}] {line}"),
    "containerd": lines_as(lambda n, line: f"2024-01-01T00:00:00.{n:03}Z stdout F {line}"),
    "docker": lines_as(
        lambda _, line: json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "12:00:01"})
    ),
    "docker compose": lines_as(lambda _, line: f"node-1   | {line}"),
    "python's logging": lines_as(
        lambda n, line: f"2020-07-26 19:13:52,{n:03} INFO    (MainThread) [x.y] {line}"
    ),
    "kubectl": lines_as(lambda _, line: f"[pod/csi-node-x7/driver] {line}"),
    "pdsh": lines_as(lambda _, line: f"node1: {line}"),
    "logfmt": lines_as(lambda n, line: f'time="12:00:{n:02}" msg={_strings(line)} pid=1'),
    "a log of JSON": lines_as(lambda n, line: json.dumps({"level": "info", "ts": n, "msg": line})),
    "ansible": lambda text: (
        'ok: [node1] => {\n "out.stdout_lines": [\n'
        + ",\n".join(f"        {_strings(line)}" for line in text.rstrip("\n").split("\n"))
        + "\n    ]\n}\n"
    ),
    "YAML, double quotes": lines_as(lambda _, line: f"    - {_strings(line)}"),
    "YAML, single quotes": lines_as(lambda _, line: f"  - '{line}'"),
    "YAML, plain": lines_as(lambda _, line: f"  - {line}"),
    "YAML, a block": lambda text: "stdout: |-\n" + lines_as(lambda _, line: f"    {line}")(text),
    "one string of JSON": lambda text: json.dumps({"cmd": "x", "stdout": text, "rc": 0}) + "\n",
    "JSON in JSON": lambda text: json.dumps({"msg": json.dumps({"stdout": text})}) + "\n",
    "Go's JSON": lambda text: (
        json.dumps({"stdout": text}).replace("<", "\\u003c").replace(">", "\\u003e") + "\n"
    ),
    "a list of Python": lambda text: f"{text.split(chr(10))!r}\n",
    "bytes of Python": lambda text: f"out: {text.encode()!r}\n",
    "C strings": lines_as(lambda _, line: '    "' + line.replace("\t", "\\t") + '\\n"'),
    "a quote": lines_as(lambda _, line: f"> {line}"),
    "a quote of a quote": lines_as(lambda _, line: f"> > {line}"),
    "fenced code": lambda text: f"```console\n{text}```\n",
    "a list": lines_as(lambda _, line: f"- {line}"),
    "a list of stars": lines_as(lambda _, line: f"* {line}"),
    "a numbered list": lines_as(lambda n, line: f"{n}. {line}"),
    "inline code": lines_as(lambda _, line: f"`{line}`"),
    "a table": lines_as(lambda _, line: f"| {line} |"),
    "escaped Markdown": lines_as(lambda _, line: re.sub(r"([_*<\[\]])", r"\\\1", line)),
    "grep -n": lines_as(lambda n, line: f"{n}:{line}"),
    "grep -nH": lines_as(lambda n, line: f"out/iscsi.txt:{n}:{line}"),
    "grep -H": lines_as(lambda _, line: f"out/iscsi.txt:{line}"),
    "grep -n -C1": lines_as(lambda n, line: f"{n}{'-' if n % 3 else ':'}{line}"),
    "cat -n": lines_as(lambda n, line: f"{n:6}\t{line}"),
    "cat -A": lines_as(lambda _, line: line.replace("\t", "^I") + "$"),
    "less -N": lines_as(lambda n, line: f"{n:7} {line}"),
    "a patch": lines_as(lambda _, line: f"+{line}"),
    "a comment": lines_as(lambda _, line: f"# {line}"),
    "a comment of C": lines_as(lambda _, line: f"// {line}"),
    "pre": lambda text: f"<html><body><pre>{html.escape(text)}</pre></body></html>\n",
    "br": lambda text: (
        "<p>" + html.escape(text).replace("\t", "&nbsp; ").replace("\n", "<br />") + "</p>\n"
    ),
    "div": lines_as(lambda _, line: f'<div class="x"><span>{html.escape(line)}</span></div>'),
    "td": lines_as(lambda n, line: f"<tr><td>{n}</td><td>{html.escape(line)}</td></tr>"),
    "bold labels": lines_as(
        lambda _, line: re.sub(r"(\w+:)", r"<b>\1</b>", html.escape(line))
    ),
    "escaped twice": lambda text: f"<pre>{html.escape(html.escape(text))}</pre>\n",
    "colours": lines_as(
        lambda _, line: "\x1b[32m" + line.replace(":", "\x1b[0m:") + "\x1b(B\x1b[m"
    ),
    "colours after cat -v": lines_as(lambda _, line: f"^[[32m{line}^[[0m"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no tabs": lambda text: text.replace("\t", ""),
    "one blank": lines_as(lambda _, line: " ".join(line.split())),
    "no-break spaces": lambda text: text.replace("\t", "\xa0\xa0").replace(" ", "\xa0"),
    "no line ends": lambda text: " ".join(text.split()) + "\n",
    "line ends as \\n": lambda text: text.replace("\n", "\\n").replace("\t", "\\t") + "\n",
    "a trace of the shell": lambda text: f"+ iscsiadm -m session -P 3\n{text}+ echo done\n",
}  # fmt: skip


@pytest.mark.fault("F109")
@pytest.mark.parametrize("name", ["flat", "mixed-P3", "real/bookworm", "real/trixie"])
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_what_a_capture_is_wrapped_in_changes_no_session(wrap: Wrap, name: str) -> None:
    text = (DATA / f"{name}.txt").read_text()
    wrapped = parse_capture(wrap(text))
    assert wrapped.sessions == parse_capture(text).sessions
    assert all(note.is_general for note in wrapped.warnings)
    assert SECRET not in repr(wrapped)


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    "line",
    ["tcp:[1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a",
     "tcp: [1]192.0.2.5:3260,1 iqn.2001-04.com.example:a",
     "tcp:\t[1]\t192.0.2.5:3260,1\tiqn.2001-04.com.example:a (non-flash)",
     "tcp: [1] 192.0.2.5:3260,1 **iqn.2001-04.com.example:a** (non-flash)",
     "session: 'tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a (non-flash)'",
     '"host","tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a","x"',
     "out=[tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a (non-flash)] rc=0",
     "tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a // the first",
     "node1:tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a."],
)  # fmt: skip
def test_a_session_on_one_line_is_found_in_what_people_write_around_it(line: str) -> None:
    (session,) = parse_capture(line).sessions
    assert (session.sid, session.target) == (1, "iqn.2001-04.com.example:a")
    assert str(session.persistent_portal) == "192.0.2.5:3260"
