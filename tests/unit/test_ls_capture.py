"""`ls --from` with captures that tell other things than sessions, and its warnings."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iscsictl.cli.main import cli

DATA = Path(__file__).parent / "data" / "captures"


def ls(name: str, *args: str) -> Result:
    return CliRunner().invoke(cli, ["ls", "--from", str(DATA / f"{name}.txt"), *args])


@pytest.mark.fault("F109")
def test_records_are_shown_as_records_and_the_input_is_named() -> None:
    result = ls("node-P1")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["TARGET", "PORTAL", "IFACE"]
    assert rows[1:3] == [
        ["iqn.2001-04.com.example:a", "192.0.2.5:3260", "default"],
        ["iqn.2001-04.com.example:a", "192.0.2.5:3260", "eth1"],
    ]
    assert "not sessions" in result.stderr
    assert "no sessions" not in result.stderr
    document = json.loads(ls("node-P1", "-J").stdout)
    assert document["sessions"] is None
    assert [one["target"][-1] for one in document["records"]] == ["a", "a", "a", "b"]


@pytest.mark.fault("F109")
def test_records_of_one_target_are_shown_by_its_name() -> None:
    result = ls("node-P1", "example:b")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [
        "iqn.2001-04.com.example:b"
    ]
    assert ls("node-P1", "example:zzz").exit_code == 3


@pytest.mark.fault("F109")
def test_disks_of_multipath_are_shown_with_their_paths() -> None:
    rows = [line.split() for line in ls("multipath-ll").stdout.splitlines()]
    assert rows[0][:3] == ["DISK", "SIZE", "FS"]
    assert rows[1][:5] == ["/dev/mapper/mpatha", "1G", "-", "-", "/dev/sda,/dev/sdb"]
    tsv = ls("multipath-ll", "-o", "tsv").stdout.splitlines()
    assert tsv[1].split("\t")[:2] == ["/dev/mapper/mpatha", str(1 << 30)]


@pytest.mark.fault("F109")
def test_a_path_that_fails_its_checks_is_not_shown_as_running() -> None:
    result = ls("multipath-ll-with-paths-out")
    assert "faulty,faulty,i/o timeout,transport-offline" in result.stdout.splitlines()[1]
    assert "none of its 4 paths works" in result.stderr


@pytest.mark.fault("F109")
def test_a_path_of_which_only_the_checker_is_known_is_shown_with_its_answer() -> None:
    states = [line.split()[-2] for line in ls("multipath-ll-of-RHEL-5").stdout.splitlines()]
    assert states[0] == "STATE"
    assert set(states[1].split(",")) == {"ready"}


@pytest.mark.fault("F109")
@pytest.mark.parametrize("form", [[], ["-l"], ["--tree"], ["-o", "tsv"]])
def test_sessions_come_first_and_their_disks_after_them(form: list[str]) -> None:
    result = ls("sessions-multipath-and-lsblk", *form)
    assert result.exit_code == 0
    assert result.stdout.index("example:mail") < result.stdout.index("/dev/mapper/mpatha")
    assert result.stdout.count("/srv/mail") == 1


@pytest.mark.fault("F109")
@pytest.mark.parametrize("name", ["iface-P0", "host-P0", "discovery-P0"])
def test_a_list_that_tells_no_target_is_named_and_is_no_error(name: str) -> None:
    result = ls(name)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "not sessions" in result.stderr
    assert json.loads(ls(name, "-J").stdout)["sessions"] is None


def test_messages_are_handed_to_explain() -> None:
    text = "iscsiadm: initiator reported error (8 - connection timed out)\n"
    result = CliRunner().invoke(cli, ["ls", "--from", "-"], input=text)
    assert result.exit_code == 2
    assert "iscsictl explain -" in result.stderr


def test_a_session_without_its_target_line_is_shown_in_every_form() -> None:
    for form in ([], ["-l"], ["--tree"], ["-o", "tsv"]):
        assert "192.0.2.6" in ls("target-line-cut-off", *form).stdout
    assert "Target:" in ls("target-line-cut-off").stderr


@pytest.mark.fault("F109")
def test_warnings_that_say_what_is_wrong_come_first_and_are_not_cut_off(tmp_path: Path) -> None:
    noise = "".join(f"noise {number}\n\n" for number in range(60))
    broken = "".join(f"tcp: [{n}] 192.0.2.5 iqn.2001-04.com.example:{n}\n" for n in range(30))
    tail = "tcp: [90] 192.0.2.5:3260,1 iqn.2001-04.com.exa...\n"
    file = tmp_path / "capture"
    file.write_text(noise + broken + tail)
    result = CliRunner().invoke(cli, ["ls", "--from", str(file)])
    lines = result.stderr.splitlines()
    whole = [place for place, line in enumerate(lines) if "incomplete" in line]
    portals = [place for place, line in enumerate(lines) if "the portal is not" in line]
    skipped = [place for place, line in enumerate(lines) if "not session output" in line]
    assert len(whole) == 1
    assert f"{file}:{60 * 2 + 31}:" in lines[whole[0]]
    assert len(portals) == 5
    assert "25 more warnings like this one" in result.stderr
    assert len(skipped) == 20
    assert "40 more warnings like this one" in result.stderr
    assert max(*whole, *portals) < min(skipped)
    document = json.loads(CliRunner().invoke(cli, ["ls", "-J", "-q", "--from", str(file)]).stdout)
    assert len(document["warnings"]) == 60 + 30 + 1
    assert document["warnings"][0]["text"] == "the portal is not ADDRESS:PORT,TPGT"
