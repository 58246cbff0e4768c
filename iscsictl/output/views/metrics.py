"""Metrics in Prometheus' text exposition format 0.0.4, for the textfile collector of node_exporter.

Series are labelled with what stays the same after a new login: target, portal, interface, LUN and
WWID, but not session ids and device names.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from iscsictl.model.metrics import DiskCounters, HostMetrics, LunPath, ReconnectRun
from iscsictl.output.text import label_value

#: A label's name and value, in the order in which they are printed.
Labels = tuple[tuple[str, str], ...]


class _Family(NamedTuple):
    """A metric: its name without `iscsictl_`, its type, its help text and its samples."""

    name: str
    kind: str
    help: str
    samples: Mapping[Labels, float]


_BY_DISK: tuple[tuple[str, str, Callable[[DiskCounters], float]], ...] = (
    ("reads_completed_total", "Reads completed by the disk.", lambda c: c.reads),
    ("read_bytes_total", "Bytes read.", lambda c: c.read_bytes),
    ("read_time_seconds_total", "Total time spent by all reads, each from start to end.",
     lambda c: c.read_milliseconds / 1000),
    ("writes_completed_total", "Writes completed by the disk.", lambda c: c.writes),
    ("written_bytes_total", "Bytes written.", lambda c: c.written_bytes),
    ("write_time_seconds_total", "Total time spent by all writes, each from start to end.",
     lambda c: c.write_milliseconds / 1000),
)  # fmt: skip
_BY_COMMAND: tuple[tuple[str, str, Callable[[LunPath], int | None]], ...] = (
    ("command_errors_total", "SCSI commands that ended with an error.", lambda p: p.errors),
    ("command_timeouts_total", "SCSI commands that timed out.", lambda p: p.timeouts),
)


def render_metrics(host: HostMetrics, run: ReconnectRun) -> str:
    """Return the text of the file, in seconds and bytes. Metrics without values are left out."""
    families = [
        *_families_of_run(run),
        *_families_of_sessions(host),
        *_families_of_paths(host.paths),
    ]
    return "".join(_render_family(family) for family in families if family.samples)


def _families_of_run(run: ReconnectRun) -> list[_Family]:
    success: dict[Labels, float] = {} if run.last_success is None else {(): run.last_success}
    return [
        _Family("reconnect_last_run_timestamp_seconds", "gauge",
                "When reconnect last ended, in seconds since the epoch.", {(): run.ended}),
        _Family("reconnect_last_success_timestamp_seconds", "gauge",
                "When reconnect last ended without an error, in seconds since the epoch.", success),
        _Family("reconnect_exit_code", "gauge", "The exit code of the last run of reconnect.",
                {(): run.exit_code}),
    ]  # fmt: skip


def _families_of_sessions(host: HostMetrics) -> list[_Family]:
    up, wanted = {}, {}
    for count in host.sessions:
        labels = tuple(count.labels._asdict().items())
        up[labels], wanted[labels] = count.up, count.wanted
    return [
        _Family("sessions_up", "gauge", "Sessions that are logged in and connected.", up),
        _Family("sessions_wanted", "gauge", "Sessions that reconnect keeps up.", wanted),
    ]


def _families_of_paths(paths: Iterable[LunPath]) -> list[_Family]:
    total: dict[Labels, float] = {}
    active: dict[Labels, float] = {}
    by_metric: dict[str, dict[Labels, float]] = {}
    for path in paths:
        disk = ("lun", str(path.lun)), ("wwid", path.wwid or "")
        by_target = ("target", path.session.target), *disk
        total[by_target] = total.get(by_target, 0) + 1
        active[by_target] = active.get(by_target, 0) + path.active
        values: dict[str, float | None] = {name: read(path) for name, _, read in _BY_COMMAND}
        if path.counters is not None:
            values |= {name: read(path.counters) for name, _, read in _BY_DISK}
        labels = (*path.session._asdict().items(), *disk)
        for name, value in values.items():
            if value is not None:
                # With node.session.nr_sessions above 1, several sessions have the same labels.
                samples = by_metric.setdefault(name, {})
                samples[labels] = samples.get(labels, 0) + value
    return [
        _Family("paths", "gauge", "Paths to the LUN: the sessions that present it.", total),
        _Family("paths_active", "gauge", "Paths that commands can be sent through.", active),
        *(
            _Family(name, "counter", text, by_metric.get(name, {}))
            for name, text, _ in (*_BY_DISK, *_BY_COMMAND)
        ),
    ]


def _render_family(family: _Family) -> str:
    name = f"iscsictl_{family.name}"
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
    for labels, value in family.samples.items():
        shown = ",".join([f'{key}="{label_value(text)}"' for key, text in labels])
        number = f"{value:.3f}" if isinstance(value, float) else str(value)
        lines.append(f"{name}{{{shown}}} {number}" if labels else f"{name} {number}")
    return "\n".join([*lines, ""])
