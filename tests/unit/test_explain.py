"""`explain` finds codes as they are typed and as logs print them."""

import json
import textwrap
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from iscsictl.cli.main import cli
from iscsictl.errors import NotFoundError
from iscsictl.errors.lookup import causes_in_text, causes_of_code, explain


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("24", "iscsiadm", 24),
        ("0", "iscsiadm", 0),
        ("255", "iscsiadm", 255),
        ("1020", "kernel", 1020),
        ("0x0201", "login", 0x0201),
        ("0x201", "login", 0x0201),
        ("0X0201", "login", 0x0201),
        ("0024", "iscsiadm", 24),
        ("0203", "login", 0x0203),
        ("020a", "login", 0x020A),
        ("02/03", "login", 0x0203),
        ("iscsi_err_busy", "iscsiadm", 28),
        ("ISCSI_ERR_TCP_CONN_CLOSE", "kernel", 1020),
    ],
)
def test_a_code_is_found_in_each_way_it_is_written(word: str, kind: str, code: int) -> None:
    cause = causes_of_code(word)[0]
    assert (cause.kind, cause.code) == (kind, code)


@pytest.mark.parametrize("word", ["99", "1023", "0x0999", "", "-1", "24x", "²"])
def test_what_is_no_code_is_not_found(word: str) -> None:
    assert causes_of_code(word) == ()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (("iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization "
         "failure)"), [24]),
        (" connection1:0: detected conn error (1020)", [1020]),
        (("Kernel reported iSCSI connection 1:0 error (1022 - ISCSI_ERR_NOP_TIMEDOUT: A NOP has "
         "timed out) state (3)"), [1022]),
        ("Kernel reported iSCSI connection 1:0 error (1022 - Invalid or unknown error code)",
         [1022]),
        ("conn 0 login rejected: initiator error - target not found (02/03)", [0x0203]),
        ("iscsiadm: No active sessions.", [21]),
        ("iscsiadm: can not connect to iSCSI daemon (111)!", [20]),
        ("connection2:0: ping timeout of 5 secs expired, recv timeout 5", [1022]),
        ("session1: session recovery timed out after 120 secs", [1013]),
        ("iscsi.service: Main process exited, code=exited, status=21/n/a", [21]),
        ("iscsiadm exited with code 8", [8]),
        ("iscsiadm -m node --login failed, exit status: 15", [15]),
        ("iscsiadm: connect to 192.0.2.5 timed out", [8]),
        ("iscsiadm: No session found.", [21]),
        ("iscsiadm: No portal found.", [21]),
        ("iscsiadm: Login I/O error, failed to receive a PDU", [4]),
        ("iscsid: cannot make a connection to 192.0.2.5:3260 (-1,11)", [4]),
        ("iscsiadm: cannot make connection to 192.0.2.5: Connection timed out", [4]),
        ("iscsiadm: Login authentication failed with target iqn.2001-04.com.example:a", [19]),
        ("iscsiadm: Cannot perform discovery. Initiatorname required.", [20]),
        ("iscsiadm: Cannot perform discovery. Invalid Initiatorname.", [7]),
        ("login to a: x (login status 0203, iscsiadm 19)", [0x0203, 19]),
    ],
)  # fmt: skip
def test_codes_are_found_in_pasted_text(text: str, codes: list[int]) -> None:
    assert [cause.code for cause in causes_in_text(text)] == codes


# usr/iscsi_err.c of open-iscsi
SAID = (
    "unknown error", "session not found", "no available memory", "encountered connection failure",
    "encountered iSCSI login failure", "encountered iSCSI database failure", "invalid parameter",
    "connection timed out", "internal error", "encountered iSCSI logout failure",
    "iSCSI PDU timed out",
    "iSCSI driver not found. Please make sure it is loaded, and retry the operation",
    "daemon access denied", "iSCSI driver does not support requested capability.",
    "session exists", "Unknown request", "iSNS service not supported",
    "could not communicate to iscsid", "encountered non-retryable iSCSI login failure",
    "could not connect to iscsid", "no objects found", "sysfs lookup failure", "host not found",
    "iSCSI login failed due to authorization failure", "iSNS query failed",
    "iSNS registration failed", "operation not supported", "device or resource in use",
    "operation failed but retry may succeed", "unknown discovery type", "child process terminated",
    "target likely not connected", "iscsid request timed out",
)  # fmt: skip


@pytest.mark.parametrize(("code", "said"), list(enumerate(SAID, start=1)))
@pytest.mark.parametrize(
    "line",
    ["iscsiadm: Could not perform SendTargets discovery: {}",
     "iscsiadm: Could not read node DB: {}.", "{}"],
)  # fmt: skip
def test_what_open_iscsi_says_of_a_code_is_known_without_its_number(
    code: int, said: str, line: str
) -> None:
    assert [(c.kind, c.code) for c in causes_in_text(line.format(said))] == [("iscsiadm", code)]


def test_several_codes_are_each_explained_in_their_order() -> None:
    assert [c.code for c in explain("1020 24 0x0203 24")] == [1020, 24, 0x0203]
    result = CliRunner().invoke(cli, ["explain", "24", "1020", "-o", "json"])
    assert [c["code"] for c in json.loads(result.stdout)["causes"]] == [24, 1020]


def test_words_that_are_not_all_codes_are_a_text() -> None:
    result = CliRunner().invoke(cli, ["explain", "detected", "conn", "error", "(1020)"])
    assert "1020" in result.output
    with pytest.raises(NotFoundError):
        explain("24 4711")


def test_several_lines_give_each_cause_once_the_login_status_first() -> None:
    text = (
        "iscsiadm: Could not login to [iface: default, target: t, portal: 192.0.2.5,3260].\n"
        "iscsiadm: initiator reported error (19 - encountered non-retryable iSCSI login failure)\n"
        "iscsid: conn 0 login rejected: initiator error - target not found (02/03)\n"
        "iscsiadm: initiator reported error (19 - encountered non-retryable iSCSI login failure)\n"
    )
    assert [c.code for c in explain(text)] == [0x0203, 19]


BROKEN = {
    "Nov 30 01:02:03 db1 iscsid[812]: conn 0 login rejected: initiator failed authorization with"
    " target": 0x0202,
    "iscsiadm: discovery login to 192.0.2.5 rejected: initiator error (02/03), non-retryable,"
    " giving up": 0x0203,
    "Nov 30 01:02:03 db1 kernel: sd 2:0:0:0: [sdb] tag#4 FAILED Result: hostbyte=DID_NO_CONNECT"
    " driverbyte=DRIVER_OK": 1,
}


@pytest.mark.parametrize(("line", "code"), BROKEN.items())
@pytest.mark.parametrize("width", [*range(60, 90)])
def test_a_line_that_was_broken_in_two_is_read_as_one(line: str, code: int, width: int) -> None:
    for broken in (
        "\n".join(line[place : place + width] for place in range(0, len(line), width)),
        textwrap.fill(line, width),
    ):
        assert [cause.code for cause in explain(broken)] == [code], broken


def test_two_lines_that_are_whole_are_not_read_as_one() -> None:
    text = (
        "Nov 30 01:02:03 db1 iscsid[812]: connection to an array that has nothing to do with this\n"
        "Nov 30 01:02:03 db1 ntpd[9]: the clock of a server timed out\n"
    )
    assert causes_in_text(text) == ()


def test_numbers_that_are_no_codes_are_left_alone() -> None:
    with pytest.raises(NotFoundError) as caught:
        explain("portal 192.0.2.5:3260, session 24, 1020 bytes")
    assert caught.value.hint


def test_the_command_lists_all_without_an_argument() -> None:
    result = CliRunner().invoke(cli, ["explain"])
    assert result.exit_code == 0
    for code in ("24", "1020", "0203"):
        assert any(line.split()[:1] == [code] for line in result.output.splitlines())


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(cli, ["explain", "-o", "json", "0203"])
    document = json.loads(result.stdout)
    assert document["schema"] == "iscsictl.explain/1"
    assert document["causes"][0]["code"] == 0x0203
    assert document["causes"][0]["exit"] == 3


def test_the_line_of_a_login_shell_is_no_option() -> None:
    line = "-bash: iscsiadm: command not found"
    for words in ([line], line.split(), [line, "-o", "tsv"]):
        result = CliRunner().invoke(cli, ["explain", *words])
        assert result.exit_code == 0, result.output
        assert "open-iscsi is not installed" in result.stdout


def test_the_command_reads_text_from_stdin() -> None:
    result = CliRunner().invoke(cli, ["explain", "-"], input=b"\xff detected conn error (1020)\n")
    assert result.exit_code == 0
    assert "1020" in result.output


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    "damage",
    [lambda text: text.replace("author", "\x1b[1;31mauth\x1b[0mor").encode(),
     lambda text: text.encode("utf-16"), lambda text: text.encode("utf-16-le"),
     lambda text: text.replace("\n", "\r\n").encode(),
     lambda text: text.replace("\n", "\r").encode(),
     lambda text: f"<p>{text.replace('author', '<b>auth</b>or')}</p>".encode(),
     lambda text: text.replace("\n", "$\n").replace(" ", "\xa0").encode(),
     lambda text: "".join(f"> {line}\n" for line in text.splitlines()).encode(),
     lambda text: b"\xff\xc3(" + text.encode()],
    ids=["colours", "UTF-16", "UTF-16 without its mark", "CRLF", "CR", "HTML", "cat -A", "quoted",
         "not UTF-8"],
)  # fmt: skip
def test_damage_on_the_way_hides_no_error(damage: Callable[[str], bytes]) -> None:
    text = "iscsid: starting\niscsid: conn 0 login rejected: initiator failed authorization\nend\n"
    result = CliRunner().invoke(cli, ["explain", "-"], input=damage(text))
    assert result.exit_code == 0, result.output
    assert "login 0202" in result.stdout


def test_a_log_without_an_error_is_not_quoted() -> None:
    result = CliRunner().invoke(cli, ["explain", "-"], input="Started.\npassword: x\n\nReady.\n")
    assert result.exit_code == 3
    assert "none of these 3 lines" in result.stderr
    assert "password" not in result.output


def test_an_unknown_code_exits_3() -> None:
    result = CliRunner().invoke(cli, ["explain", "4711"])
    assert result.exit_code == 3
