"""A file of volumes: valid volumes become specs, what is invalid is reported with its place."""

import os
import re
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.cli.main import cli
from iscsictl.errors import Exit, UsageError
from iscsictl.model.names import Portal
from iscsictl.model.spec import AttachSpec, Consent, Credential, Volume
from iscsictl.parse.toml import parse_toml
from iscsictl.planner.volumes.apply import mounted_under
from iscsictl.planner.volumes.file import read_volumes
from tests.commands import call
from tests.unit.growth import require_linear_time

DESIGN = """\
[[volume]]
name    = "mail"
portals = ["192.0.2.5", "198.51.100.5"]
target  = "iqn.1994-12.com.promise:vtrak.1"
lun     = 0
chap    = { user = "myaccount", secret-file = "/etc/iscsictl/mail.secret" }
table   = "gpt"
fs      = "ext4"
mount   = "/cluster/raid"
options = ["noatime"]
required-by = ["sendmail.service"]
"""
LEAST = '[[volume]]\nname = "a"\nportals = ["192.0.2.5"]\ntarget = "iqn.2001-04.com.example:a"\n'
OTHER = '[[volume]]\nname = "b"\nportals = ["192.0.2.5"]\ntarget = "iqn.2001-04.com.example:b"\n'


def volumes(text: str) -> tuple[Volume, ...]:
    document, places = parse_toml(text, "v.toml")
    return read_volumes(document, places, "v.toml")


def fault(text: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        volumes(text)
    assert "\n" not in caught.value.text
    assert caught.value.hint
    return caught.value.text, caught.value.hint


def test_the_example_of_the_design_is_one_spec() -> None:
    (volume,) = volumes(DESIGN)
    assert volume == Volume(
        "mail",
        AttachSpec(
            portals=(Portal("192.0.2.5"), Portal("198.51.100.5")),
            uuid="",
            target="iqn.1994-12.com.promise:vtrak.1",
            lun=0,
            table="gpt",
            fs="ext4",
            mount="/cluster/raid",
            options=("noatime",),
            required_by=("sendmail.service",),
        ),
        Credential("myaccount", "/etc/iscsictl/mail.secret"),
    )


def test_every_key_reaches_the_spec() -> None:
    (volume,) = volumes(
        LEAST + 'iface = "nic1"\nfs = "xfs"\nfs-label = "L"\nmount = "/srv//a/"\nmode = "0750"\n'
        'owner = "mail:mail"\nwwid = "naa.1"\nset = { "node.session.scan" = "manual" }\n'
        'boot = false\nadopt = true\nover-nonempty = true\nverify-blank = "full"\n'
        'chap = { user = "u" }\nmutual = { user = "m" }\n'
    )
    spec = volume.spec
    assert (spec.ifaces, spec.fs_label, spec.mount, spec.mode) == (("nic1",), "L", "/srv/a", 0o750)
    assert (spec.wwid, spec.boot, spec.full_probe) == ("naa.1", False, True)
    assert spec.consent == Consent(adopt=True, over_nonempty=True)
    assert volume.owner == "mail:mail"
    assert spec.values == {
        "node.session.scan": "manual",
        "node.session.auth.authmethod": "CHAP",
        "node.session.auth.username": "u",
        "node.session.auth.username_in": "m",
    }


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("[[volume]\n", (1, 9), "expected ']]'"),
        (LEAST + 'mount = "/srv/a\n', (5, 16), "illegal character"),
        (LEAST + "lun = \n", (5, 7), "invalid value"),
        (LEAST + "lun = 1\nlun = 2\n", (6, 8), "cannot overwrite"),
        (LEAST + "x = [1,", (5, 8), "invalid value"),
        ("volumes = 1\n", (1, 1), "volumes: there is no such key"),
        ("[volume]\nname = 1\n", (1, 2), "two brackets"),
        ('# x\n\n[[volume]]\nname = "a"\n', (3, 1), "no portals"),
        (OTHER.replace("target", "targets"), (4, 1), "targets: there is no such key"),
        (LEAST + 'fs = "ext5"\n', (5, 1), "fs: expected one of ext4, ext3"),
        (LEAST + 'lun = "0"\n', (5, 1), "lun: expected a number from 0 to 65535, not '0'"),
        (LEAST + "lun = true\n", (5, 1), "not true"),
        (LEAST + "lun = 65536\n", (5, 1), "not 65536"),
        (LEAST + 'boot = "no"\n', (5, 1), "boot: expected true or false, not 'no'"),
        (LEAST + 'mount = "srv/a"\n', (5, 1), "mount: srv/a: the mount point must be an absolute"),
        (LEAST + 'mount = "/"\n', (5, 1), "the root directory cannot be used"),
        (LEAST + 'mount = "/srv/../etc"\n', (5, 1), "'..'"),
        (LEAST + 'mount = "/a"\nmode = 0o750\n', (6, 1), "mode: expected a string in quotes"),
        (LEAST + 'mount = "/a"\nmode = "u+x"\n', (6, 1), "an octal mode"),
        (LEAST + 'mount = "/a"\noptions = "noatime"\n', (6, 1), "a list of strings in brackets"),
        (LEAST + 'mount = "/a"\noptions = ["a,b"]\n', (6, 12), "one mount option in each string"),
        (LEAST + 'mount = "/a"\noptions = ["a b"]\n', (6, 12), "without spaces"),
        (LEAST + 'options = ["noatime"]\n', (5, 1), "options: needs mount"),
        (LEAST + 'fs-label = "x"\n', (5, 1), "fs-label: needs fs"),
        (LEAST + 'fs = "xfs"\nfs-label = "0123456789abc"\n', (6, 1), "at most 12 bytes"),
        (LEAST.replace('"192.0.2.5"', '"fe80::1%eth0"'), (3, 12), "link-local"),
        (LEAST.replace('"]', '",\n "host:0"]'), (4, 2), "portals: portal 'host:0': port '0'"),
        (LEAST.replace('"192.0.2.5"', ""), (3, 1), "at least one portal"),
        (LEAST.replace('"192.0.2.5"', "5"), (3, 12), "not 5"),
        (LEAST + 'mount = "/a"\nrequired-by = ["mail"]\n', (6, 16), "a unit such as mail.service"),
        (LEAST + 'chap = "u"\n', (5, 1), "chap: expected {"),
        (LEAST + 'chap = { secret-file = "/x" }\n', (5, 1), "chap: the user is missing"),
        (LEAST + 'chap = { user = "u", secret = "x" }\n', (5, 22), "secret: there is no such key"),
        (LEAST + 'chap = { user = "u", secret-file = "a/b" }\n', (5, 22), "an absolute path"),
        (LEAST + "[volume.chap]\nuser = 1\n", (6, 1), "user: expected a string"),
        (LEAST + 'mutual = { user = "u" }\n', (5, 1), "mutual: needs chap"),
        (LEAST + 'chap = { user = "u", secret-file = "/x" }\nmutual = { user = "m" }\n', (6, 1),
         "mutual: give a secret-file for both"),
        (LEAST + 'set = { scan = "manual" }\n', (5, 9),
         "set: scan: open-iscsi has no such setting"),
        (LEAST + 'set = { "node.session.auth.password" = "hunter2" }\n', (5, 9), (
            "a secret belongs"
        )),
        (LEAST + f'set = {{ "node.session.auth.username" = "{256 * "y"}" }}\n', (5, 9),
         "longer than 255 bytes"),
        (LEAST + '[volume.set]\n"node.session.scan" = "manual"\n"node.x" = 5\n', (7, 1),
         "set: node.x: expected a string in quotes, not 5"),
        (LEAST + 'set = { "node.name" = "x" }\n', (5, 9),
         "set: node.name cannot be changed: it names the record"),
        (LEAST + 'set = { "node.conn[0].address" = "x" }\n', (5, 9), "it names the record"),
        (LEAST + 'set = { "node.startup" = "automatc" }\n', (5, 9),
         "set: node.startup: automatc is not one of manual, automatic, onboot"),
        (LEAST + 'set = { "discovery.startup" = "x" }\n', (5, 9),
         "set: discovery.startup: open-iscsi has no such setting"),
        (LEAST + f'set = {{ "node.{"x" * 123}" = "x" }}\n', (5, 9),
         "cannot be the name of a setting"),
        (LEAST + f"lun = {'9' * 5000}\n", (5, 7), "a number has more than 4300 digits"),
        (f'# {"1" * 5000}\nx = "{"1" * 5000}"\ny = {"1_" * 4301}1\n', (3, 5), "4300 digits"),
        (LEAST + f"lun = 0x{'f' * 5000}\n", (5, 1), "not a number with that many digits"),
        (LEAST + f"lun = {'[' * 9999}{']' * 9999}\n", (5, 107), "nested too deeply"),
        ("[volume]\n[volume]\n", (2, 8), "this table is defined twice"),
        (LEAST + 'chap = { user = "u" }\nchap.x = "y"\n', (6, 13), "was completed by its brackets"),
        (LEAST + "name = 1979-05-27\n", (5, 18), "cannot overwrite"),
        (LEAST.replace('"a"', "1979-05-27"), (2, 1), "a string in quotes, not 1979-05-27"),
        (LEAST.replace('"a"', "07:32:00"), (2, 1), "a string in quotes, not 07:32:00"),
        (LEAST + 'chap = { user = " u" }\n', (5, 10), "spaces at the ends"),
        (LEAST + f'chap = {{ user = "{"u" * 256}" }}\n', (5, 10), "longer than 255 bytes"),
        (LEAST + "mount = \"/a\"\noptions = ['q\"r']\n", (6, 12), "a double quote is not closed"),
        (LEAST + 'mount = "/a\\u001bb"\n', (5, 1), "a control character"),
        (LEAST + 'mount = "/a"\nowner = ":"\n', (6, 1), "owner: :: expected USER:GROUP"),
        (LEAST + OTHER.replace('"b"', '"a"'), (6, 1), "name: 'a' is that of volume 'a' too"),
        (LEAST + 'mount = "/a"\n' + OTHER + 'mount = "/a/"\n', (10, 1), "mount: '/a' is that of"),
        (LEAST + OTHER.replace(":b", ":a"), (8, 1), "is that of volume 'a' too (line 1, column 1)"),
        (
            LEAST + "lun = 1\nset = { \"node.session.timeo.replacement_timeout\" = \"120\" }\n"
            + OTHER.replace(":b", ":a") + "lun = 2\n",
            (7, 1), "is not that of volume 'a' (line 1), but both use the node records of iqn",
        ),
        (
            LEAST + "lun = 1\nchap = { user = \"u\" }\n"
            + OTHER.replace(":b", ":a") + "lun = 2\nchap = { user = \"v\" }\n",
            (12, 1), "chap is not that of volume 'a' (line 1)",
        ),
        (LEAST + "lun = 1\n" + OTHER.replace(":b", ":a") + "lun = 1\n", (9, 1), "a LUN 1 is that"),
        (LEAST + 'wwid = "x"\n' + OTHER + 'wwid = "x"\n', (10, 1), "wwid: 'x' is that of volume"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_column_and_key(
    text: str, place: tuple[int, int], says: str
) -> None:
    said, _ = fault(text)
    assert said.startswith(f"v.toml, line {place[0]}, column {place[1]}: ")
    assert says in said
    assert "hunter2" not in said


def test_a_byte_order_mark_is_no_part_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "v.toml").write_text("\ufeffvolumes = 1\n")
    result = CliRunner().invoke(cli, ["plan", str(tmp_path / "v.toml")])
    assert "line 1, column 1: volumes: there is no such key" in result.output


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"# \xc3\xa9\xff\n", "v.toml, line 1, column 4: a byte that is not UTF-8"),
        (b"\xef\xbb\xbf#\r\n# \xff\n", "v.toml, line 2, column 3: a byte that is not UTF-8"),
        (LEAST.encode() + b'mount = "/a"\nowner = "no-such-user"\n',
         "v.toml, line 6, column 1: owner no-such-user: there is no such user"),
        (b"#" * (16 << 20) + b"\n", "v.toml is larger than 16 MiB"),
    ],
)  # fmt: skip
def test_what_only_the_host_can_judge_of_a_file_is_told_with_its_place_too(
    data: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "v.toml").write_bytes(data)
    answer = call(["plan", "v.toml"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.err.startswith(f"iscsictl: {says}")
    assert "hint: " in answer.err


def test_a_file_that_is_not_utf_8_is_answered_with_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "v.toml").write_bytes(b"# \xe9\n")
    assert "hint: save the file as UTF-8" in call(["plan", "v.toml"], tmp_path, uid=0).err


def test_two_equal_secrets_are_told_with_the_volume(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("twelve-and-more")
    (tmp_path / "s").chmod(0o600)
    account = f'{{ user = "u", secret-file = "{tmp_path}/s" }}'
    (tmp_path / "v.toml").write_text(f"{LEAST}chap = {account}\nmutual = {account}\n")
    answer = call(["plan", "v.toml"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.err.startswith("iscsictl: volume a: the two secrets of mutual CHAP must differ")


def test_a_name_without_a_path_is_a_credential_and_no_file_that_lies_here(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("twelve-and-more")
    account = 'chap = { user = "u", secret-file = "mail" }'
    (tmp_path / "v.toml").write_text(f"{LEAST}{account}\n")
    answer = call(["plan", "v.toml"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    first, hint = answer.err.splitlines()
    assert first == "iscsictl: volume a: chap: there is no systemd credential mail"
    assert "give the absolute path" in hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "standard input is neither a volumes file nor a saved plan"),
        ('{"schema": "iscsictl.export/1", "volume": []}',
         "standard input is JSON of iscsictl export, but a volumes file is TOML"),
    ],
)  # fmt: skip
def test_json_on_standard_input_that_is_no_plan_is_named(
    tmp_path: Path, text: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call(["plan", "-"], tmp_path, uid=0, stdin=text.encode())
    assert answer.code == Exit.USAGE
    assert answer.err.startswith(f"iscsictl: {says}\nhint: ")


def test_the_time_to_read_a_file_grows_with_it_and_not_with_its_square() -> None:
    def reading(lines: int) -> Callable[[], object]:
        return partial(parse_toml, "x = [\n" + '"y",\n' * lines + "]\n", "v.toml")

    require_linear_time(reading, 120_000)
    _, places = parse_toml("x = [\n" + '"y",\n' * 120_000 + "]\n", "v.toml")
    assert places["x", 119_999] == (120_001, 1)


@pytest.mark.parametrize(
    ("line", "says", "hint"),
    [
        ("set = { node.startup = 'manual' }", "set: node: the name of a setting is not in quotes",
         '"node.session.scan" = "manual"'),
        ("set.node.startup = 'manual'", "set: node: the name of a setting is not in quotes",
         '"node.session.scan" = "manual"'),
        ("chap = { user = 'u', secret-file = '-' }", "-: expected an absolute path", ""),
        ("'' = 1", "column 1: '': there is no such key", ""),
        (f"{'x' * 9999} = 1", f": {'x' * 80}...: there is no such key", "the keys are: name"),
        (f"owner = '{'x' * 9999}\0'".replace("'", '"').replace("\0", "\\n"), "not 'xxx", ""),
        ("mount = '/dev/mail'", "/dev/mail: /dev is made anew at each boot", ""),
        ("mount = '/proc'", "/proc: /proc is made anew at each boot", ""),
        ("mount = '/./sys//x'", "/sys/x: /sys is made anew at each boot", ""),
        (f"mount = '/{'x' * 256}'", "the mount point is too long", ""),
        (f"mount = '{'/xx' * 1366}'", "the mount point is too long", ""),
        ("a." * 200 + "b = 1", "line 5, column 1: it is nested too deeply", ""),
    ],
)  # fmt: skip
def test_what_is_easily_mistaken_is_one_short_line(line: str, says: str, hint: str) -> None:
    text, told = fault(f"{LEAST}{line}\n")
    assert says in text
    assert hint in told
    assert len(text) < 400


def test_the_longest_mount_point_of_linux_is_accepted() -> None:
    (volume,) = volumes(f"{LEAST}mount = '/{'x' * 255}{'/xx' * 1279}/y'\n")
    assert len(volume.spec.mount or "") == 4095


@pytest.mark.parametrize("text", ["volume = 1\n", "[volume]\nname = 'a'\n"])
def test_where_the_double_brackets_are_missing_the_hint_shows_them(text: str) -> None:
    assert "begin each volume with the line [[volume]]" in fault(text)[1]


def test_the_help_of_apply_names_each_key() -> None:
    page = re.sub(r"-\n +", "-", CliRunner().invoke(cli, ["apply", "--help"]).output)
    words = set(re.findall(r"[a-z-]+", page))
    keys = fault(f"{LEAST}zzz = 1\n")[1].removeprefix("the keys are: ").split(", ")
    assert len(keys) > 20
    assert set(keys) <= words


def test_an_empty_file_has_no_volume_and_the_hint_quotes_lines_that_are_toml() -> None:
    text, hint = fault("# nothing\n")
    assert "contains no volumes" in text
    quoted = re.findall(r'\[\[\w+\]\]|\w+ = "\w+"', hint)
    assert tomllib.loads("\n".join(quoted)) == {"volume": [{"name": "mail"}]}
    assert "man 5 iscsictl-volumes" in hint


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("mnt", "did you mean mount?"), ("required_by", "did you mean required-by?"),
        ("portal", "did you mean portals?"), ("fslabel", "did you mean fs-label?"),
        ("wipe", "a file never wipes"), ("confirm", "a file never wipes"),
        ("password", "secret-file"), ("zzz", "the keys are: name, portals"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_met_with_what_was_meant(key: str, hint: str) -> None:
    assert hint in fault(f'{LEAST}{key} = "x"\n')[1]


@pytest.mark.parametrize("key", ["name", "portals", "target"])
def test_a_volume_without_a_key_that_it_needs_is_met_with_that_key(key: str) -> None:
    lines = [line for line in LEAST.splitlines() if not line.startswith(f"{key} =")]
    text, hint = fault("\n".join(lines))
    assert f"the volume has no {key}" in text
    assert f"{key} = " in hint


@pytest.mark.parametrize("text", ['name = "mail"\n', '[[volumes]]\nname = "mail"\n', "wipe = 1\n"])
def test_a_key_outside_of_a_volume_is_met_with_how_a_volume_begins(text: str) -> None:
    assert "begin each volume with the line [[volume]]" in fault(text)[1]


def test_two_luns_of_one_target_are_two_volumes() -> None:
    both = volumes(LEAST + "lun = 0\n" + OTHER.replace(":b", ":a") + "lun = 1\n")
    assert [volume.spec.lun for volume in both] == [0, 1]


def test_a_volume_waits_for_those_that_it_is_mounted_on() -> None:
    both = volumes(LEAST + 'mount = "/srv"\n' + OTHER + 'mount = "/srv/b"\n')
    assert mounted_under(both) == {"a": frozenset(), "b": {"a"}}
    apart = volumes(LEAST + 'mount = "/srv"\n' + OTHER + 'mount = "/srvb"\n')
    assert mounted_under(apart) == {"a": frozenset(), "b": frozenset()}


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
SCALARS = WORDS | st.integers(-9, 99) | st.booleans()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[ # ]\n" + ",\n".join(map(written, value)) + "\n]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path}
    inside = value if isinstance(value, dict) else {}
    if isinstance(value, list):
        inside = dict(enumerate(value))
    for key, one in inside.items():
        found |= paths(one, (*path, key))
    return found


@given(st.lists(st.dictionaries(WORDS, VALUES, max_size=4), min_size=1, max_size=3))
def test_everything_in_a_document_has_its_place(tables: list[dict[str, Any]]) -> None:
    lines = []
    for table in tables:
        lines.append("[[ volume ]] # [x]")
        lines += [f" {quoted(key)} = {written(value)}" for key, value in table.items()]
    text = "\n".join(lines)
    document, places = parse_toml(text, "x")
    assert document == tomllib.loads(text) == {"volume": tables}
    assert {(), *places} == paths(document)
    rows = text.split("\n")
    for path, (line, column) in places.items():
        rest = rows[line - 1][column - 1 :]
        last = path[-1]
        if isinstance(last, str) and path != ("volume",):
            assert rest.startswith(quoted(last))
        elif len(path) == 2:
            assert rest.startswith("[[")
