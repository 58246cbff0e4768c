"""How doctor shows what it found."""

import io
import json
import re

import pytest

from iscsictl.model.actions import ClearLock
from iscsictl.model.finding import Finding, Level, fail, ok, skip, warn, worst
from iscsictl.output.terminal import Screen
from iscsictl.output.views import doctor

FOUND = (
    ok("a-one", "fine"),
    warn("b-two", "odd | thing", "do x", 'iqn."x"\n'),
    fail("c-three", "broken \x1b[31m", "do y", "s", ClearLock()),
    skip("d-four", "only root"),
)


def shown(findings: tuple[Finding, ...], *, everything: bool, width: int | None = None) -> str:
    stream = io.StringIO()
    doctor.show(findings, Screen(stream, width=width), everything=everything)
    return stream.getvalue()


def test_the_gravest_comes_first_and_what_is_fine_is_left_out() -> None:
    text = shown(FOUND, everything=False)
    assert text.startswith("fail  c-three  s\n")
    assert "a-one" not in text
    assert "fix: do y" in text
    assert text.endswith("1 failed, 1 warnings, 1 ok, 1 skipped\n")
    assert "\x1b" not in text
    assert "a-one" in shown(FOUND, everything=True)


def test_a_narrow_terminal_breaks_no_name() -> None:
    path = "/etc/iscsi/nodes/iqn.2001-04.com.example:mail/192.0.2.5,3260,1/default"
    text = shown((fail("x", f"see {path} now", "chmod"),), everything=False, width=40)
    assert path in text


def test_the_json_has_every_finding_whole() -> None:
    document = json.loads(doctor.as_json(FOUND))
    assert document["schema"] == "iscsictl.doctor/1"
    assert document["level"] == "fail"
    assert [f["level"] for f in document["findings"]] == ["ok", "warn", "fail", "skip"]
    assert document["findings"][2]["fixable"] is True
    assert document["findings"][1]["subject"] == 'iqn."x"\n'


@pytest.mark.parametrize(
    ("findings", "word", "code"),
    [
        (FOUND, "CRITICAL", 2),
        (FOUND[:2], "WARNING", 1),
        ((FOUND[0], FOUND[3]), "OK", 0),
        ((FOUND[3],), "UNKNOWN", 3),
        ((), "OK", 0),
    ],
)
def test_a_monitoring_plugin_has_one_status_line_and_its_code(
    findings: tuple[Finding, ...], word: str, code: int
) -> None:
    lines = doctor.nagios(findings).split("\n")
    assert lines[0].startswith(f"ISCSI {word} - ")
    assert lines[0].count("|") == 1
    assert all("|" not in line for line in lines[1:])
    numbers = re.search(r"\| failed=(\d+);;(\d+) warnings=(\d+);(\d+) ok=\d+$", lines[0])
    assert numbers is not None
    failed, most_failed, warned, most_warned = map(int, numbers.groups())
    # The guidelines' ranges: a threshold of 10 alerts above 10.
    assert (failed > most_failed) == (word == "CRITICAL")
    assert (warned > most_warned) == any(f.level is Level.WARN for f in findings)
    assert doctor.NAGIOS_EXIT[doctor.nagios_level(findings)] == code


def test_prometheus_gets_each_series_once_with_its_worst_value() -> None:
    twice = (*FOUND, fail("a-one", "again", "z"))
    lines = doctor.prometheus(twice, 12.0).split("\n")
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'iscsictl_check_level{id="a-one",subject=""} 2' in lines
    assert 'iscsictl_check_level{id="b-two",subject="iqn.\\"x\\"\\\\x0a"} 1' in lines
    assert 'iscsictl_checks{level="skip"} 1' in lines


def test_the_worst_level_counts() -> None:
    assert worst(FOUND) is Level.FAIL
    assert worst(()) is Level.OK
