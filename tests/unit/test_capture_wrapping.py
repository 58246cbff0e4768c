"""Whatever a capture is wrapped in, the same sessions are read from it."""

import html
import json
import re
import textwrap
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
    "tabs as \\t": lambda text: text.replace("\t", "\\t"),
    "hyphens of a word processor": lines_as(
        lambda _, line: re.sub(r"(?<=\w)-(?=\w)", "\u2011", line)
    ),
    "dashes of a blog": lines_as(lambda _, line: re.sub(r"(?<=\w)-(?=\w)", "\u2013", line)),
    "wide colons": lines_as(lambda _, line: re.sub(r": (?=\S)", "\uff1a", line)),
    "Latin-1": lambda text: text.replace(" ", "\xa0").encode().decode("latin-1"),
    "code page 437": lambda text: text.encode().decode("cp437"),
    "code page 850": lambda text: text.encode().decode("cp850"),
    "code page 1252": lambda text: text.encode().decode("cp1252"),
    "only the first bytes": lambda text: re.sub(
        "[\x80-\x9f]", "", text.encode().decode("latin-1")
    ),
    "question marks": lambda text: text.encode("ascii", "replace").decode(),
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


LONG = """\
tcp: [1] 192.0.2.10:3260,1 iqn.2001-04.com.example:volume-0a1b2c3d-1111-2222-3333-4444-a (non-flash)
tcp: [2] 192.0.2.10:3260,1 iqn.2001-04.com.example:0-8a0906-a1b2c3d4e-db-data-of-2024 (non-flash)
tcp: [3] [2001:db8::10]:3260,1027 iqn.2001-04.com.example:sn.0a1b2c3d4e5f0a1b:vs.3 (non-flash)
tcp: [4] 192.0.2.10:3260,1 iqn.2001-04.com.example:a (non-flash)
"""


def _broken_at_blanks(text: str, width: int) -> str:
    return "\n".join(
        textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n")
    )


def _cut(text: str, width: int) -> str:
    pieces = [
        line[place : place + width]
        for line in text.split("\n")
        for place in range(0, max(1, len(line)), width)
    ]
    return "\n".join(pieces)


@pytest.mark.fault("F109")
@pytest.mark.parametrize("mark", ["", "> "])
@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("width", range(66, 101))
def test_a_name_that_a_terminal_broke_in_two_is_whole_or_left_out(
    width: int, is_new: bool, mark: str
) -> None:
    text = LONG if is_new else LONG.replace(" (non-flash)", "")
    names = {session.target for session in parse_capture(text).sessions}
    for form in (_cut, _broken_at_blanks):
        broken = "".join(f"{mark}{line}\n" for line in form(text, width).split("\n"))
        found = parse_capture(broken).sessions
        if is_new:
            assert {session.target for session in found} == names, form.__name__
        elif form is _broken_at_blanks:
            assert {session.target for session in found} == names


@pytest.mark.fault("F109")
@pytest.mark.parametrize("end", ["exit", "logout", "# lsblk", "root@h:~#", "done.", "iqn.x:next"])
def test_what_comes_after_a_long_name_is_not_taken_for_its_rest(end: str) -> None:
    lines = [
        f"tcp: [{n}] 192.0.2.10:3260,1 iqn.2001-04.com.example:volume-of-the-mail-server-{n}{n}{n}"
        for n in (1, 2, 3)
    ]
    names = {session.target for session in parse_capture("\n".join(lines)).sessions}
    assert len(names) == 3
    found = parse_capture("\n".join([*lines, end])).sessions
    assert {session.target for session in found} == names


@pytest.mark.fault("F109")
def test_records_and_maps_that_were_broken_are_read_whole() -> None:
    records = _cut(re.sub(r"tcp: \[\d\] | \(non-flash\)", "", LONG), 70)
    details = parse_capture(records).capture
    assert details is not None
    assert details.records is not None
    assert [record.target[-4:] for record in details.records] == ["44-a", "2024", "vs.3", "le:a"]
    features = "size=1.0G features='3 queue_if_no_path pg_init_retries 50' hwhandler='1 alua' wp=ro"
    for cut in (80, 76):
        listing = parse_capture(
            "mpatha (36001405d1a2b3c4d5e6f7a8b9c0d1e2f) dm-2 LIO-ORG,disk0\n"
            f"{features[:cut]}\n{features[cut:]}\n"
            "`-+- policy='service-time 0' prio=50 status=active\n"
            "  `- 2:0:0:0 sda 8:0  active ready running\n"
        )
        assert listing.warnings == ()
        assert listing.capture is not None
        assert listing.capture.disks is not None
        assert listing.capture.disks[0].read_only is True


@pytest.mark.fault("F109")
def test_a_name_that_ends_in_a_colon_was_cut_off() -> None:
    listing = parse_capture(
        "tcp: [1] 192.0.2.10:3260,1 iqn.2001-04.com.example:\nnext words here\n"
    )
    assert listing.sessions == ()
    assert "incomplete" in listing.warnings[0].text


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


@pytest.mark.fault("F109")
@pytest.mark.parametrize("quote", ["", "> ", "> > "])
def test_a_state_that_a_mail_program_broke_in_two_is_read_whole(quote: str) -> None:
    text = (DATA / "real" / "trixie.txt").read_text()
    broken = re.sub(r"State: (NO|LOGGED|TRANSPORT|IN) (\w+)", r"State: \1\n\2", text)
    broken = re.sub(r"(scsi disk \w+)\s+State: ", r"\1\n  State: ", broken)
    assert broken.count("\n") > text.count("\n") + 10
    quoted = "".join(f"{quote}{line}\n" for line in broken.splitlines())
    assert parse_capture(quoted).sessions == parse_capture(text).sessions
