"""The metrics of reconnect: right in number, valid for Prometheus, and never half a file."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from iscsictl.engine.output_files import save_metrics
from iscsictl.errors import Exit
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import Inventory
from iscsictl.model.metrics import HostMetrics, LunPath, ReconnectRun, SessionCount, SessionLabels
from iscsictl.output.views.metrics import render_metrics
from iscsictl.parse.statistics import parse_command_count, parse_disk_counters
from iscsictl.planner.attach.session_counts import count_sessions
from iscsictl.system.io.host_lock import host_lock
from tests.bench.bench_metrics import add_counters
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import WWID, Tree, make
from tests.commands import Answer, call
from tests.promtool import promtool
from tests.unit.fake_root import put
from tests.unit.test_reconnect import P2, A, B, fstab, record, session

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = "iqn.2003-01.org.example:array.lun00001"
SESSION = {"target": TARGET, "portal": "192.0.0.2:3260", "iface": "default"}
DISK = {"lun": "0", "wwid": WWID.format(1)}
#: The fields of /sys/block/DISK/stat (Documentation/block/stat.rst): 10 reads of 80 sectors in
#: 30 ms, 5 writes of 240 sectors in 90 ms.
STAT = "10 0 80 30 5 0 240 90 2 100 120\n"
LAST_RUN = "iscsictl_reconnect_last_run_timestamp_seconds"
LAST_SUCCESS = "iscsictl_reconnect_last_success_timestamp_seconds"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with two sessions, whose records, mounts and counters are there."""
    root = tmp_path / "root"
    make(root, 2)
    make_records(root, 2)
    add_counters(root, STAT, errors=0x1F, timeouts=2)
    return root


def reconnect(root: Path, *words: str) -> Answer:
    """Run reconnect with metrics as root."""
    file = root.parent / "iscsi.prom"
    return call(["reconnect", "--quiet", "--metrics", str(file), *words], root, uid=0)


def families(root: Path) -> dict[str, Metric]:
    """What Prometheus' own parser makes of the file, by metric name."""
    text = (root.parent / "iscsi.prom").read_text()
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def value(root: Path, name: str, **labels: str) -> float | None:
    """The value of one series; None if there is none with exactly these labels."""
    found = [
        sample.value
        for metric in families(root).values()
        for sample in metric.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) <= 1, name
    return found[0] if found else None


def lose_session(root: Path, sid: int) -> None:
    """Let the kernel have a session no more."""
    (root / f"sys/class/iscsi_session/session{sid}").unlink()


def test_sessions_paths_and_counters_are_those_of_the_kernel(host: Path) -> None:
    assert reconnect(host) == Answer(Exit.DONE, "", "")
    assert value(host, "iscsictl_sessions_up", **SESSION) == 1
    assert value(host, "iscsictl_sessions_wanted", **SESSION) == 1
    assert value(host, "iscsictl_paths", target=TARGET, **DISK) == 1
    assert value(host, "iscsictl_paths_active", target=TARGET, **DISK) == 1
    counted = {
        "reads_completed": 10, "read_bytes": 80 * 512, "read_time_seconds": 0.03,
        "writes_completed": 5, "written_bytes": 240 * 512, "write_time_seconds": 0.09,
        "command_errors": 31, "command_timeouts": 2,
    }  # fmt: skip
    for name, number in counted.items():
        assert value(host, f"iscsictl_{name}_total", **SESSION, **DISK) == number, name
    assert value(host, "iscsictl_reconnect_exit_code") == 0
    assert value(host, LAST_RUN) == value(host, LAST_SUCCESS) is not None


def test_no_series_has_a_session_id_or_a_device_name(host: Path) -> None:
    reconnect(host)
    labels = {
        name for metric in families(host).values() for s in metric.samples for name in s.labels
    }
    assert labels == {"target", "portal", "iface", "lun", "wwid"}
    assert "/dev/" not in (host.parent / "iscsi.prom").read_text()


class _Parsed(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def test_promtool_and_the_parser_of_openmetrics_find_nothing(host: Path) -> None:
    reconnect(host)
    text = (host.parent / "iscsi.prom").read_text()
    assert promtool("check", "metrics", stdin=text) == (0, "")
    # node_exporter reads the older format and serves OpenMetrics to servers that ask for it.
    registry = CollectorRegistry()
    registry.register(_Parsed(families(host).values()))
    served = exposition.generate_latest(registry).decode()
    again = {metric.name: metric for metric in openmetrics.text_string_to_metric_families(served)}
    assert again.keys() == families(host).keys()
    assert {metric.type for metric in again.values()} == {"gauge", "counter"}


def test_a_run_that_fails_writes_them_too_and_keeps_the_time_of_the_last_success(
    host: Path,
) -> None:
    reconnect(host)
    file = host.parent / "iscsi.prom"
    before = value(host, LAST_SUCCESS)
    assert before is not None
    file.write_text(file.read_text().replace(f"{before:.0f}", f"{before - 500:.0f}"))
    lose_session(host, 2)
    assert reconnect(host).code == Exit.UNREACHABLE
    assert value(host, "iscsictl_sessions_up", **SESSION) == 0
    assert value(host, "iscsictl_sessions_wanted", **SESSION) == 1
    assert value(host, "iscsictl_paths", target=TARGET, **DISK) is None
    assert value(host, "iscsictl_reconnect_exit_code") == Exit.UNREACHABLE
    assert value(host, LAST_SUCCESS) == before - 500
    # The clock of the host may have been set to an earlier time meanwhile.
    assert (value(host, LAST_RUN) or 0) > before - 250
    # Without an earlier file nobody knows when it last succeeded.
    file.unlink()
    reconnect(host)
    assert value(host, LAST_SUCCESS) is None


def test_a_run_that_another_iscsictl_kept_out_is_no_success(host: Path) -> None:
    lose_session(host, 2)
    with host_lock(0, print, host):
        codes = [reconnect(host).code for _ in range(3)]
        assert codes == [Exit.DONE, Exit.DONE, Exit.IN_USE]
        assert value(host, "iscsictl_reconnect_exit_code") == Exit.IN_USE
    assert value(host, LAST_SUCCESS) is None


def test_the_file_is_readable_by_all_and_written_through_no_link(host: Path) -> None:
    reconnect(host)
    file = host.parent / "iscsi.prom"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in sorted(host.parent.iterdir())] == ["iscsi.prom", "root"]
    file.rename(host.parent / "elsewhere")
    file.symlink_to("elsewhere")
    before = (host.parent / "elsewhere").read_bytes()
    answer = reconnect(host)
    assert answer.code == Exit.REFUSED
    assert "is a symbolic link to elsewhere" in answer.err
    assert (host.parent / "elsewhere").read_bytes() == before
    # A pipe in its place must not keep a timer waiting.
    file.unlink()
    os.mkfifo(file)
    lose_session(host, 2)
    assert reconnect(host).code == Exit.UNREACHABLE


@pytest.mark.parametrize("words", [["/x/iscsi.txt"], ["/x/a\nb.prom"], ["/x/a.prom", TARGET]])
def test_a_file_that_nobody_reads_and_one_target_alone_are_refused(
    host: Path, words: list[str]
) -> None:
    answer = call(["reconnect", "--metrics", *words], host, uid=0)
    assert answer.code == Exit.USAGE
    assert "hint: " in answer.err or "Error: " in answer.err


def test_a_dry_run_writes_nothing(host: Path) -> None:
    assert reconnect(host, "--dry-run").code == Exit.DONE
    assert not (host.parent / "iscsi.prom").exists()


def test_a_path_is_active_if_its_session_is_up_and_its_disk_runs(tmp_path: Path) -> None:
    root = tmp_path / "root"
    tree = Tree(root)
    for sid, state in ((1, "running"), (2, "offline")):
        address = f"192.0.2.{sid}"
        lun = tree.lun(tree.session(sid, A, address), 4, wwid="naa.1", state=state)
        tree.block(lun / "block", f"sd{'ab'[sid - 1]}")
    down = tree.session(3, A, "192.0.2.3", state="FREE", connection={"state": "down"})
    tree.lun(down, 4, wwid="naa.1")
    reconnect(root)
    labels = {"target": A, "lun": "4", "wwid": "naa.1"}
    assert value(root, "iscsictl_paths", **labels) == 3
    assert value(root, "iscsictl_paths_active", **labels) == 1


def counted(inventory: Inventory) -> dict[tuple[str, str], tuple[int, int]]:
    """Up and wanted sessions by target and portal."""
    counts, _ = count_sessions(inventory)
    return {(c.labels.target, c.labels.portal): (c.up, c.wanted) for c in counts}


def test_wanted_is_what_reconnect_would_log_in_to() -> None:
    world = Inventory((record(), record(B, startup="manual")))
    assert counted(world) == {(A, "192.0.2.5:3260"): (0, 1)}
    assert counted(replace(world, holds=(Hold(target=A),))) == {}
    there = replace(world, sessions=(session(), session(B)._replace(sid=2)))
    assert counted(there) == {(A, "192.0.2.5:3260"): (1, 1), (B, "192.0.2.5:3260"): (1, 0)}
    # A session that an admin left on hold is up, and nobody wants it.
    assert counted(replace(there, holds=(Hold(target=A),)))[A, "192.0.2.5:3260"] == (1, 0)
    several = Inventory((record(session__nr_sessions="3"),), (session(),))
    assert counted(several) == {(A, "192.0.2.5:3260"): (1, 3)}


def test_a_target_that_only_fstab_needs_is_wanted_once() -> None:
    records = (record(startup="manual"), record(portal=P2, startup="manual"))
    world = Inventory(records, fstab=fstab())
    assert counted(world) == {(A, "192.0.2.5:3260"): (0, 1)}
    there = replace(world, sessions=(session(portal=P2),))
    assert counted(there) == {(A, "198.51.100.5:3260"): (1, 1)}


def test_a_session_without_a_record_and_one_of_two_interfaces_are_counted() -> None:
    assert counted(Inventory((), (session(),))) == {(A, "192.0.2.5:3260"): (1, 0)}
    first, other = (replace(record(leading_login="Yes"), iface=name) for name in ("eth0", "eth1"))
    counts, _ = count_sessions(Inventory((first, other), (session()._replace(iface="eth1"),)))
    assert [(c.labels.iface, c.up, c.wanted) for c in counts] == [("eth1", 1, 1)]


NAMES = st.text(st.characters(codec=None), max_size=20)


@given(NAMES, NAMES, NAMES, st.none() | NAMES)
def test_any_name_stays_one_label(target: str, portal: str, iface: str, wwid: str | None) -> None:
    labels = SessionLabels(target, portal, iface)
    path = LunPath(labels, 0, wwid, active=False, errors=1)
    text = render_metrics(
        HostMetrics((SessionCount(labels, 1, 1),), (path, path)), ReconnectRun(1, 0, None)
    )
    text.encode()
    names = [metric.name for metric in text_string_to_metric_families(text)]
    assert names == [
        "iscsictl_reconnect_last_run_timestamp_seconds", "iscsictl_reconnect_exit_code",
        "iscsictl_sessions_up", "iscsictl_sessions_wanted", "iscsictl_paths",
        "iscsictl_paths_active", "iscsictl_command_errors",
    ]  # fmt: skip
    # The two sessions cannot be told apart by their labels, so they are one series.
    assert text.endswith(" 2\n")


@pytest.mark.parametrize(
    ("text", "count"), [("0x1f\n", 31), ("0x0", 0), ("31", None), ("0x", None), (None, None)]
)
def test_a_counter_of_commands_is_hexadecimal(text: str | None, count: int | None) -> None:
    assert parse_command_count(text) == count


def test_half_a_line_of_counters_is_none() -> None:
    assert parse_disk_counters("10 0 80 30") is None
    assert parse_disk_counters("9" * 5000 + " 0 0 0 0 0 0 0 0") is None


KILLED = """
import os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from iscsictl.engine.output_files import save_metrics

path, texts = Path(sys.argv[2]), [letter * 5000 for letter in "ab"]
random.seed(1)
# A killed process loses nothing of what it wrote: the disk need not be waited for.
os.fsync = lambda _: None
left, durations = 0, []
for number in range(21):
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        save_metrics(path, texts[number % 2])
        os._exit(0)
    os.waitpid(child, 0)
    durations.append(time.monotonic() - begun)
# A disk that syncs slowly must not be the reason that nothing was ever saved: the kill falls
# anywhere within the time that this machine needs for three.
longest = 3 * sorted(durations)[10]
for number in range(1000):
    child = os.fork()
    if child == 0:
        while True:
            number += 1
            save_metrics(path, texts[number % 2])
    time.sleep(random.random() * longest)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    left += len(os.listdir(path.parent)) > path.exists()
print(left)
"""


def test_a_reader_never_sees_half_a_file_in_1000_kills(tmp_path: Path) -> None:
    file = tmp_path / "iscsi.prom"
    seen, reads = set(), 0
    command: list[str | Path] = [sys.executable, "-I", "-c", KILLED, REPOSITORY, file]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            if file.exists():
                seen.add(file.read_text())
                reads += 1
        assert process.stdout is not None
        left = int(process.stdout.read())
    assert process.returncode == 0
    assert seen == {"a" * 5000, "b" * 5000}
    assert reads > 1000
    # What killed runs left beside it is removed by the next one.
    assert left > 0
    save_metrics(file, "")
    assert list(tmp_path.iterdir()) == [file]


RULES = (REPOSITORY / "docs/metrics.md").read_text().partition("```yaml\n")[2].partition("```")[0]
SERIES = 'target="a",portal="b:3260",iface="default",instance="web1"'
LUN = 'lun="0",wwid="naa.1",target="{target}",instance="web1"'
#: What is stored each minute (VALUE+STEPxCOUNT), and which alerts that makes in half an hour.
WORLDS: list[tuple[dict[str, str], set[str]]] = [
    (
        {
            f"iscsictl_sessions_up{{{SERIES}}}": "1x30",
            f"iscsictl_sessions_wanted{{{SERIES}}}": "1x30",
            f"iscsictl_paths{{{LUN.format(target='a')}}}": "2x30",
            f"iscsictl_paths_active{{{LUN.format(target='a')}}}": "2x30",
            f"iscsictl_command_timeouts_total{{{SERIES}}}": "7x30",
            f"iscsictl_reads_completed_total{{{SERIES}}}": "0+1000x30",
            f"iscsictl_read_time_seconds_total{{{SERIES}}}": "0+5x30",
            'iscsictl_reconnect_exit_code{instance="web1"}': "0x30",
            'iscsictl_reconnect_last_run_timestamp_seconds{instance="web1"}': "0+60x30",
        },
        set(),
    ),
    (
        {
            f"iscsictl_sessions_up{{{SERIES}}}": "0x30",
            f"iscsictl_sessions_wanted{{{SERIES}}}": "1x30",
            'iscsictl_reconnect_exit_code{instance="web1"}': "6x30",
        },
        {"IscsiSessionDown", "IscsiReconnectFails"},
    ),
    (
        # Of two targets that lead to one disk, one is lost: the disk is not.
        {
            f"iscsictl_paths{{{LUN.format(target='a')}}}": "1x30",
            f"iscsictl_paths_active{{{LUN.format(target='a')}}}": "0x30",
            f"iscsictl_paths{{{LUN.format(target='b')}}}": "1x30",
            f"iscsictl_paths_active{{{LUN.format(target='b')}}}": "1x30",
        },
        {"IscsiPathLost"},
    ),
    (
        {
            f"iscsictl_paths{{{LUN.format(target='a')}}}": "2x30",
            f"iscsictl_paths_active{{{LUN.format(target='a')}}}": "0x30",
            f"iscsictl_command_timeouts_total{{{SERIES}}}": "0+1x30",
            f"iscsictl_writes_completed_total{{{SERIES}}}": "0+10x30",
            f"iscsictl_write_time_seconds_total{{{SERIES}}}": "0+5x30",
            'iscsictl_reconnect_last_run_timestamp_seconds{instance="web1"}': "0x30",
        },
        {
            "IscsiLunLost", "IscsiPathLost", "IscsiCommandTimeouts", "IscsiSlow",
            "IscsiReconnectStopped",
        },
    ),
]  # fmt: skip


def test_the_alerts_of_the_page_are_rules_that_promtool_accepts(tmp_path: Path) -> None:
    rules = put(tmp_path, "rules.yml", RULES)
    code, text = promtool("check", "rules", rules)
    assert (code, "SUCCESS: 7 rules found" in text) == (0, True), text


@pytest.mark.parametrize(("stored", "alerts"), WORLDS)
def test_each_alert_is_raised_when_it_should_be(
    tmp_path: Path, stored: dict[str, str], alerts: set[str]
) -> None:
    put(tmp_path, "rules.yml", RULES)
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in stored.items()],
                # ALERTS is the series that Prometheus itself makes of what it raises.
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                        "eval_time": "29m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}"}}', "value": 1}
                            for name in sorted(alerts)
                        ],
                    }
                ],
            }
        ],
    }
    # JSON is YAML.
    code, text = promtool("test", "rules", put(tmp_path, "test.yml", json.dumps(test)))
    assert code == 0, text
