"""`explain` knows the lines that people post, and answers each with what helps."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors.codes import Cause, table
from iscsictl.errors.lookup import MESSAGES, causes_in_text, causes_of_code, explain
from iscsictl.errors.message_type import Message

DATA = Path(__file__).parent / "data" / "captures"

# Lines as people post them, and of the first answer: kind, code, exit code and a word of it.
with (Path(__file__).parent / "data" / "explain_lines.tsv").open() as _stream:
    ROWS = list(csv.DictReader(_stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def text_of(cause: Cause) -> str:
    return f"{cause.meaning}. {cause.usual_cause}. {cause.fix}"


@pytest.mark.fault("F109")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["line"][:50])
def test_a_posted_line_is_answered(row: dict[str, str]) -> None:
    first = causes_in_text(row["line"])[0]
    code = int(row["code"]) if row["code"] else None
    assert (first.kind, first.code, int(first.exit)) == (row["kind"], code, int(row["exit"]))
    assert row["word"].lower() in text_of(first).lower()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.pattern[:40])
def test_every_message_is_the_answer_to_one_of_the_posted_lines(message: Message) -> None:
    assert any(re.search(message.pattern, row["line"].lower()) for row in ROWS)


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    ("word", "found"),
    [("8", [("iscsiadm", 8), ("iscsictl", 8)]), ("24", [("iscsiadm", 24)]),
     ("130", [("iscsictl", 130)]), ("1020", [("kernel", 1020)]), ("513", [("login", 0x0201)]),
     ("0x0201", [("login", 0x0201)]), ("0x02", [("login", 0x0200), ("scsi", 2)]),
     ("0x0e", [("scsi", 0x0E)]), ("0x020f", [("login", 0x0200)]),
     ("DID_NO_CONNECT", [("scsi", 1)]), ("770", [("login", 0x0302)]), ("error", [])],
)  # fmt: skip
def test_a_code_gives_the_meaning_for_each_program_that_has_it(
    word: str, found: list[tuple[str, int]]
) -> None:
    assert [(cause.kind, cause.code) for cause in causes_of_code(word)] == found


@pytest.mark.fault("F109")
def test_refused_is_not_answered_with_advice_about_time_outs_and_firewalls() -> None:
    (cause,) = explain((DATA / "explain-refused.txt").read_text())
    assert (cause.kind, cause.code) == ("iscsiadm", 4)
    assert "nothing listens" in cause.usual_cause
    assert not re.search(r"time|firewall|ping", text_of(cause))


@pytest.mark.fault("F109")
def test_a_transport_that_could_not_be_loaded_comes_before_what_follows_from_it() -> None:
    causes = explain((DATA / "explain-could-not-load-transport.txt").read_text())
    assert [cause.code for cause in causes] == [12, 21]
    assert "iscsi_tcp" in text_of(causes[0])


def test_exit_status_8_is_of_the_program_that_is_named() -> None:
    assert [c.kind for c in explain("exit status 8")] == ["iscsiadm", "iscsictl"]
    assert [c.kind for c in explain("iscsiadm: exit status 8")] == ["iscsiadm"]
    assert [c.kind for c in explain("iscsictl ls: exit status 8")] == ["iscsictl"]


def test_the_number_of_another_program_is_no_code_of_open_iscsi() -> None:
    assert causes_in_text("mount of /srv failed with error 32") == ()
    assert causes_in_text("iscsi: log\nOct 13 10:24:01 | /lib/udev/scsi_id exited with 1\n") == ()
    path = "/dev/disk/by-path/ip-192.0.2.9:3260-iscsi-iqn.x-lun-0"
    (cause,) = causes_in_text(f"failed to mount {path} [ext4]: mount failed: exit status 255")
    assert cause.kind == "message"
    assert [c.code for c in causes_in_text("mount of x: iscsiadm failed: exit status 21")] == [21]
    assert causes_in_text("iscsi: log\nCommand multipath -f mpatha failed: exit status 1\n") == ()


@pytest.mark.fault("F109")
def test_words_of_another_program_are_no_words_of_iscsiadm() -> None:
    assert causes_in_text("virsh: error: internal error: cannot find iSCSI session") == ()
    (cause,) = explain("iscsiadm: login to the portal: internal error, see the log")
    assert (cause.kind, cause.code) == ("iscsiadm", 9)


@pytest.mark.fault("F109")
def test_iscsid_that_does_not_start_is_not_taken_for_a_login_that_waits() -> None:
    for words in ("Failed with result 'timeout'.", "start operation timed out. Terminating."):
        (cause,) = explain(f"systemd[1]: iscsid.service: {words}")
        assert "iscsid did not start" in cause.meaning
        (cause,) = explain(f"systemd[1]: open-iscsi.service: {words}")
        assert "waiting for a portal" in cause.meaning


def test_a_log_line_with_an_exit_status_is_not_of_iscsictl_that_it_does_not_name() -> None:
    assert [c.kind for c in explain("level=error msg=x err=exit status 8")] == ["iscsiadm"]
    assert [c.kind for c in explain("iscsictl apply | tee log; exit status 8")] == ["iscsictl"]


@pytest.mark.fault("F109")
def test_an_exit_status_in_a_text_that_is_not_about_iscsi_is_no_code_of_open_iscsi() -> None:
    script = "case $1 in\nstart) run ;;\n*) echo usage; exit 2 ;;\nesac\n"
    assert causes_in_text(script) == ()
    assert [c.kind for c in causes_in_text(f"{script}iscsiadm -m node -l\n")] == ["iscsiadm"]
    assert [c.code for c in causes_in_text("exit 2\n")] == [2, 2]


@pytest.mark.fault("F109")
def test_sense_data_tell_more_than_that_the_lun_answered() -> None:
    text = (
        "sd 2:0:0:1: [sdb] tag#9 FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_SENSE\n"
        "sd 2:0:0:1: [sdb] tag#9 Sense Key : Aborted Command [current]\n"
    )
    assert ["aborted" in cause.meaning for cause in explain(text)] == [True]
    assert [cause.code for cause in explain(text.splitlines()[0])] == [0]


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    "line",
    ["sdb: detected capacity change from 0 to 1073741824",
     "loop0: detected capacity change from 204800 to 307500", "EXT4-fs (sdb1): recovery complete",
     "iscsid.service: Main process exited, code=exited, status=0/SUCCESS",
     "sd 2:0:0:1: [sdb] Write Protect is off", "XFS (sdb1): Ending recovery (logdev: internal)"],
)  # fmt: skip
def test_what_every_sound_host_logs_is_no_error(line: str) -> None:
    assert all("capacity" not in c.meaning and c.kind != "iscsiadm" for c in causes_in_text(line))


@pytest.mark.fault("F109")
@pytest.mark.parametrize(
    "line",
    ["ssh: connect to host 192.0.2.9 port 22: Connection refused",
     "curl: (7) Failed to connect to 192.0.2.5 port 443: Connection refused",
     "dial tcp 192.0.2.9:6443: connect: connection refused", "mount.nfs: No route to host",
     "postfix/smtp[9]: connect to mail.example[192.0.2.9]:25: Connection timed out",
     "kubelet[7]: dial tcp: lookup registry.example: Temporary failure in name resolution"],
)  # fmt: skip
def test_a_connection_of_another_program_is_none_to_a_portal(line: str) -> None:
    assert causes_in_text(line) == ()
    assert [c.code for c in causes_in_text(f"{line}\niscsid: connect: Connection refused")] == [4]


def test_the_kernel_s_reason_comes_in_place_of_mount_s_guesses() -> None:
    text = (
        "mount: /srv/copy: wrong fs type, bad option, bad superblock on /dev/sdc1, missing codepage"
        " or helper program, or other error.\n"
        "XFS (sdc1): Filesystem has duplicate UUID 0a1b2c3d-1111-2222-3333-444455556666 - can't"
        " mount\n"
    )
    assert ["same UUID" in cause.meaning for cause in explain(text)] == [True]


def test_every_exit_code_of_the_contract_is_explained() -> None:
    for code, cause in table("iscsictl").items():
        assert int(cause.exit) == code
    assert set(table("iscsictl")) == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 129, 130, 143}


@given(st.text(max_size=80) | st.sampled_from(ROWS).map(lambda row: row["line"][3:40]))
def test_any_text_gives_causes_or_none(text: str) -> None:
    for cause in causes_in_text(text):
        assert cause.meaning
    assert isinstance(causes_of_code(text), tuple)
