"""doctor --from: what was found on another host, out of its report or its saved JSON."""

import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iscsictl.cli.main import cli
from iscsictl.errors import Exit
from iscsictl.model.finding import Finding, Level
from iscsictl.output.views import doctor as doctor_view
from iscsictl.parse.findings import parse_findings
from tests.commands import Answer, call
from tests.unit.fake_root import put
from tests.unit.test_report import written

FOUND = (
    Finding("host-clock", Level.WARN, "the clock is 3 days off", "set the clock", "host 1"),
    Finding("nodedb-lock", Level.FAIL, "nobody holds the lock", "rm it"),
    Finding("iscsid-running", Level.OK, "iscsid runs"),
    Finding("udev-database", Level.SKIP, "only root can read it", None, "b8:0"),
)


def read(path: Path, *words: str) -> Answer:
    """Call doctor --from on a machine on which it could find nothing itself."""
    empty = path.parent / "empty"
    empty.mkdir(exist_ok=True)
    return call(["doctor", "--from", str(path), *words], empty, uid=1000)


def saved(path: Path, findings: tuple[Finding, ...] = FOUND) -> Path:
    path.write_text(doctor_view.as_json(findings))
    return path


def test_what_doctor_prints_as_json_is_read_again_without_repairs(tmp_path: Path) -> None:
    file = saved(tmp_path / "doctor.json")
    assert parse_findings(file.read_bytes(), "x") == FOUND
    again = read(file, "-J")
    assert (again.code, again.err) == (Exit.ERROR, "")
    assert json.loads(again.out) == json.loads(file.read_text())
    assert read(saved(tmp_path / "ok.json", FOUND[:1])).code == Exit.DONE


def test_what_doctor_prints_as_json_is_read_from_a_pipe(tmp_path: Path) -> None:
    def pipe(data: str) -> Result:
        return CliRunner().invoke(cli, ["doctor", "--from", "-", "-J"], input=data)

    again = pipe(doctor_view.as_json(FOUND))
    assert (again.exit_code, again.stderr) == (Exit.ERROR, "")
    assert json.loads(again.stdout) == json.loads(doctor_view.as_json(FOUND))
    other = pipe("tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a\n")
    assert other.exit_code == Exit.USAGE
    assert "standard input contains no findings" in other.stderr
    assert "iscsictl ls --from" in other.stderr


def test_a_report_shows_what_doctor_found_on_its_host(tmp_path: Path) -> None:
    root = tmp_path / "host"
    put(root, "etc/iscsi/initiatorname.iscsi", "InitiatorName=not-a-name\n")
    archive = written(root)
    there = call(["doctor", "--all"], root, uid=0)
    assert "initiator" in there.out
    for source in (archive, _unpacked(archive, tmp_path)):
        here = read(source, "--all")
        assert (here.out, here.code, here.err) == (there.out, there.code, "")


def _unpacked(archive: Path, place: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(place / "unpacked", filter="data")
    return place / "unpacked"


def test_saved_findings_are_chosen_and_shown_like_fresh_ones(tmp_path: Path) -> None:
    file = saved(tmp_path / "doctor.json")
    only = read(file, "--only", "nodedb-lock")
    assert only.out.splitlines() == [
        "fail  nodedb-lock",
        "      nobody holds the lock",
        "      fix: rm it",
        "1 failed, 0 warnings, 0 ok",
    ]
    assert read(file, "--ignore", "nodedb").code == Exit.DONE
    assert "b8:0\tonly root can read it" in read(file, "-o", "tsv").out


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--fix"], Exit.USAGE), (["-o", "prometheus"], Exit.USAGE), (["-o", "nagios"], 3)],
)
def test_what_is_about_this_host_does_not_go_with_another(
    tmp_path: Path, words: list[str], code: int
) -> None:
    answer = read(saved(tmp_path / "doctor.json"), *words)
    # 3 is UNKNOWN to a monitoring system.
    assert answer.code == code
    assert "--from" in answer.err


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\0",
        b"[1]",
        b'{"schema": "iscsictl.ls/1", "findings": []}',
        b'{"schema": "iscsictl.doctor/1"}',
        b'{"schema": "iscsictl.doctor/1", "findings": [1]}',
        b'{"schema": "iscsictl.doctor/1", "findings": [{"id": "a", "level": "x", "message": ""}]}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_an_error_that_says_what_to_give(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "doctor.json"
    file.write_bytes(data)
    answer = read(file)
    assert answer.code == Exit.USAGE
    first, hint = answer.err.splitlines()
    assert first == f"iscsictl: {file} contains no findings of iscsictl doctor"
    assert hint.startswith("hint: give an archive that iscsictl report wrote")


def test_no_file_and_a_damaged_archive_are_named(tmp_path: Path) -> None:
    missing = read(tmp_path / "nothing.tar.gz")
    assert (missing.code, "no such file" in missing.err) == (Exit.USAGE, True)
    archive = written(tmp_path)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    damaged = read(archive)
    assert damaged.code == Exit.USAGE
    assert str(archive) in damaged.err
