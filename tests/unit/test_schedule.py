"""The files that run reconnect: which periods there are, and what stands in them."""

import shlex

import pytest

from iscsictl.errors import UsageError
from iscsictl.model.schedule import (
    CRON,
    PRUNE_DROP_IN,
    SERVICE,
    SERVICE_DROP_IN,
    TIMER,
    TIMER_DROP_IN,
    Cron,
    Method,
    PackagedUnits,
    Scheduled,
)
from iscsictl.parse.schedule import parse_cron_period, parse_timer_period
from iscsictl.planner.schedule import LONGEST, cron_times, find_problems, schedule_files

TEMPLATES = {
    "cron": "@TIMES@ root @PRUNE@@EXECUTABLE@@OPTIONS@\n",
    "iscsictl-prune.conf": "ExecStartPre=-@EXECUTABLE@ @PRUNE@\n",
    "iscsictl-reconnect.service": "ExecStart=@EXECUTABLE@@OPTIONS@\n",
    "iscsictl-reconnect.service.conf": "drop-in: @EXECUTABLE@@OPTIONS@\n",
    "iscsictl-reconnect.timer": "@SECONDS@ @DELAY@\n",
    "iscsictl-reconnect.timer.conf": "drop-in: @SECONDS@ @DELAY@\n",
}


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (60, "*/1 * * * *"),
        (1800, "*/30 * * * *"),
        (3600, "7 */1 * * *"),
        (6 * 3600, "7 */6 * * *"),
        (86400, "7 0 * * *"),
    ],
)
def test_cron_has_the_periods_that_part_an_hour_or_a_day(seconds: int, times: str) -> None:
    assert cron_times(seconds) == times


def test_the_period_of_a_crontab_line_is_read_back() -> None:
    minutes = [60 * n for n in range(1, 60) if 60 % n == 0]
    hours = [3600 * n for n in range(1, 25) if 24 % n == 0]
    for seconds in (*minutes, *hours):
        assert parse_cron_period(f"{cron_times(seconds)} root /x reconnect\n") == seconds


@pytest.mark.parametrize(
    "line", ["", "*/2 * * * 1 root x", "@hourly root x", "1-9 * * * * root x", "*/7 * * * * root x"]
)
def test_other_lines_of_a_crontab_have_no_known_period(line: str) -> None:
    assert parse_cron_period(line) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("OnUnitInactiveSec=\nOnBootSec=45s\nOnUnitInactiveSec=300s\n", 300),
        ("OnUnitInactiveSec=90\n", 90),
        ("OnUnitInactiveSec=5min\n", None),
        ("OnCalendar=hourly\n", None),
    ],
)
def test_the_period_of_a_timer_is_read_as_it_is_written(text: str, seconds: int | None) -> None:
    assert parse_timer_period(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 59, 90, 420, 2700, 5 * 3600, 2 * 86400, LONGEST])
def test_cron_refuses_the_others(seconds: int) -> None:
    with pytest.raises(UsageError, match=f"every {seconds} s"):
        cron_times(seconds)


def test_a_timer_takes_what_systemd_can_read() -> None:
    assert (
        schedule_files(TEMPLATES, "systemd", LONGEST, "/x")[TIMER] == f"{LONGEST} {LONGEST // 10}\n"
    )
    for seconds in (0, 9, LONGEST + 1):
        with pytest.raises(UsageError, match="10s to 365d"):
            schedule_files(TEMPLATES, "systemd", seconds, "/x")


@pytest.mark.parametrize(
    ("method", "name", "line"),
    [
        ("cron", CRON, "*/2 * * * * root /opt/50\\%/x\n"),
        ("systemd", SERVICE, "ExecStart=/opt/50%%/x\n"),
    ],
)
def test_a_percent_sign_in_a_path_stays_one(method: Method, name: str, line: str) -> None:
    assert schedule_files(TEMPLATES, method, 120, "/opt/50%/x")[name] == line


@pytest.mark.parametrize("path", ["/opt/my tools/x", "/opt/it's/x", '/opt/a"b;c/x', "/opt/$a/x"])
def test_a_path_that_a_shell_would_part_stays_whole_for_cron(path: str) -> None:
    line = schedule_files(TEMPLATES, "cron", 120, path)[CRON]
    assert shlex.split(line.partition(" root ")[2]) == [path]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/opt/my tools/x", 'ExecStart="/opt/my tools/x"\n'),
        ("/opt/$a/x", "ExecStart=/opt/$a/x\n"),
    ],
)
def test_systemd_takes_a_path_with_a_blank_in_quotes(path: str, line: str) -> None:
    assert schedule_files(TEMPLATES, "systemd", 120, path)[SERVICE] == line


def test_only_the_period_is_written_where_a_package_brought_the_units() -> None:
    written = schedule_files(TEMPLATES, "systemd", 300, "/usr/bin/x", packaged=True)
    assert written == {TIMER_DROP_IN: "drop-in: 300 30\n"}
    # Nothing of a package reads /etc/cron.d/iscsictl but cron itself.
    assert schedule_files(TEMPLATES, "cron", 300, "/usr/bin/x", packaged=True).keys() == {CRON}


@pytest.mark.fault("F111")
def test_prune_runs_first_and_its_failure_keeps_nothing_from_running() -> None:
    line = schedule_files(TEMPLATES, "cron", 120, "/opt/50%/x", prune=True)[CRON]
    prune = "prune --yes --quiet --timeout 10s"
    assert line == f"*/2 * * * * root /opt/50\\%/x {prune}; /opt/50\\%/x\n"
    for packaged, others in ((False, {SERVICE, TIMER}), (True, {TIMER_DROP_IN})):
        written = schedule_files(
            TEMPLATES, "systemd", 120, "/opt/50%/x", packaged=packaged, prune=True
        )
        assert written.keys() == {*others, PRUNE_DROP_IN}
        assert written[PRUNE_DROP_IN] == f"ExecStartPre=-/opt/50%%/x {prune}\n"


@pytest.mark.parametrize(
    ("path", "cron", "systemd"),
    [
        ("/m/a.prom", "/m/a.prom", "/m/a.prom"),
        ("/m/50%/a.prom", "/m/50\\%/a.prom", "/m/50%%/a.prom"),
        ("/m/$HOME.prom", "'/m/$HOME.prom'", "/m/$$HOME.prom"),
        ("/m/my file.prom", "'/m/my file.prom'", '"/m/my file.prom"'),
        ('/m/a"b\\c.prom', "'/m/a\"b\\c.prom'", '"/m/a\\"b\\\\c.prom"'),
    ],
)
def test_the_file_of_metrics_is_one_argument(path: str, cron: str, systemd: str) -> None:
    written = schedule_files(TEMPLATES, "cron", 120, "/x", metrics=path)
    assert written == {CRON: f"*/2 * * * * root /x --metrics {cron}\n"}
    written = schedule_files(TEMPLATES, "systemd", 120, "/x", metrics=path)
    assert written[SERVICE] == f"ExecStart=/x --metrics {systemd}\n"
    written = schedule_files(TEMPLATES, "systemd", 120, "/x", packaged=True, metrics=path)
    assert written[SERVICE_DROP_IN] == f"drop-in: /x --metrics {systemd}\n"
    assert written.keys() == {TIMER_DROP_IN, SERVICE_DROP_IN}


UNITS = {SERVICE: "", TIMER: ""}
DROP_IN = {TIMER_DROP_IN: ""}
PACKAGED = PackagedUnits(("/usr/lib/a.service", "/usr/lib/a.timer"), "/usr/bin/x")
CRON_RUNS = Cron("cron", runs=True)


@pytest.mark.parametrize(
    "there",
    [
        Scheduled(),
        Scheduled({**UNITS}, timer_enabled=True, timer_active=True, systemd=True),
        Scheduled({**UNITS}, timer_enabled=True, systemd=True),
        Scheduled({CRON: ""}, cron=CRON_RUNS),
        Scheduled(packaged=PACKAGED),
        Scheduled({**DROP_IN}, PACKAGED, timer_enabled=True, timer_active=True, systemd=True),
        # Enabled with systemctl: it runs at the package's own period.
        Scheduled({}, PACKAGED, timer_enabled=True, timer_active=True, systemd=True),
        Scheduled({CRON: ""}, PACKAGED, cron=CRON_RUNS),
        Scheduled(
            {**UNITS, PRUNE_DROP_IN: ""}, timer_enabled=True, timer_active=True, systemd=True
        ),
        Scheduled({PRUNE_DROP_IN: ""}, PACKAGED, timer_enabled=True, systemd=True),
    ],
)
def test_a_schedule_that_runs_has_no_problems(there: Scheduled) -> None:
    assert find_problems(there) == ()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (Scheduled({CRON: ""}), "no cron that reads /etc/cron.d is installed"),
        (Scheduled({CRON: ""}, cron=Cron("crond", runs=False)), "crond is not running"),
        (Scheduled({**UNITS}, timer_enabled=True), "systemd is not the init"),
        (
            Scheduled({**UNITS}, timer_enabled=True, timer_active=False, systemd=True),
            "the timer is not running: systemctl start iscsictl-reconnect.timer",
        ),
        (Scheduled({**UNITS}, systemd=True), "do not match"),
        (Scheduled({TIMER: ""}, timer_enabled=True, systemd=True), "do not match"),
        # The package is gone, and was not purged.
        (Scheduled({**DROP_IN}, timer_enabled=True, systemd=True), "do not match"),
        (Scheduled({**DROP_IN}, PACKAGED, systemd=True), "do not match"),
        (
            Scheduled({**UNITS, **DROP_IN}, PACKAGED, timer_enabled=True, systemd=True),
            "do not match",
        ),
        (Scheduled({SERVICE: "", CRON: ""}, cron=CRON_RUNS), "do not match"),
        (
            Scheduled({**UNITS, CRON: ""}, timer_enabled=True, systemd=True, cron=CRON_RUNS),
            "do not match",
        ),
    ],
)
def test_what_keeps_a_schedule_from_running_is_said(there: Scheduled, said: str) -> None:
    (text,) = find_problems(there)
    assert said in text
