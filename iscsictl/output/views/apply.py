"""The plans of many volumes: a line for each step, with the name of the volume, or plan/1."""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from iscsictl.errors import InterruptError, NotBegunError
from iscsictl.model.plan import Outcome, Report, Status
from iscsictl.output.text import escape_controls
from iscsictl.output.views.plan import SCHEMA, StepPrinter, error_row, step_row


def document(reports: Mapping[str, Report], wwids: Mapping[str, str], file: str) -> str:
    """Return the reports as one plan/1 document.

    It includes the text of the `file` and the WWIDs that were observed, so that `apply` accepts it
    as a saved plan.
    """
    steps, refusals, volumes = [], [], []
    for name, report in reports.items():
        for outcome in report.outcomes:
            row = step_row(outcome)
            steps.append({**row, "id": f"{name}/{row['id']}", "volume": name})
        if report.error is not None:
            refusals.append({**error_row(report.error), "volume": name})
        volumes.append(
            {
                "name": name,
                "status": state(report),
                "wwid": wwids.get(name),
                "device": report.result,
                "leftovers": list(report.leftovers),
                "notes": list(report.notes),
            }
        )
    whole: dict[str, Any] = {
        "schema": SCHEMA,
        "steps": steps,
        "refusals": refusals,
        "volumes": volumes,
        "file": file,
    }
    return json.dumps(whole, indent=1)


_INTERRUPTED = "interrupted"
# The words of plan/1, and those in the summary.
_STATES = {
    **{s.value: s.value for s in (Status.PLANNED, Status.DONE, Status.UNCHANGED, Status.FAILED)},
    _INTERRUPTED: _INTERRUPTED,
    Status.SKIPPED.value: "not reached",
}


def state(report: Report) -> str:
    """Return the state of a volume, in a word of plan/1.

    A refused volume is `failed` too. A volume that was not started because of a signal is
    `skipped`.
    """
    if isinstance(report.error, NotBegunError):
        return Status.SKIPPED.value
    if isinstance(report.error, InterruptError):
        return _INTERRUPTED
    if report.error is not None:
        return Status.FAILED.value
    if report.pending:
        return Status.PLANNED.value
    return Status.DONE.value if report.changed else Status.UNCHANGED.value


def summary(reports: Mapping[str, Report]) -> str:
    """Return one line: how many volumes there are, and how many in each state.

    States without volumes are left out.
    """
    states = [state(report) for report in reports.values()]
    words = [f"{states.count(key)} {word}" for key, word in _STATES.items() if key in states]
    plural = "volume" if len(states) == 1 else "volumes"
    return f"{len(states)} {plural}: {', '.join(words)}"


class ManyPrinter:
    """Prints a line for each step that changes something; on a terminal also the running steps."""

    def __init__(self, names: Iterable[str], printer: StepPrinter) -> None:
        self._width = max(map(len, names))
        self._printer = printer
        self._lock = threading.Lock()
        self._at_work: dict[str, str] = {}

    def __call__(self, name: str, outcome: Outcome) -> None:
        """Receive an outcome; PLANNED means that the step begins now."""
        with self._lock:
            if outcome.step.status is Status.PLANNED:
                self._at_work[name] = outcome.step.action.verb
            else:
                self._at_work.pop(name, None)
                if outcome.step.status is not Status.UNCHANGED:
                    self._printer.write(self._format_line(name, self._printer.line(outcome)))
            if self._at_work:
                words = (f"{name} {verb}" for name, verb in self._at_work.items())
                self._printer.show(", ".join(words))

    def watch(self, text: str) -> None:
        """Receive progress of one volume: a tool's output, or how much of a disk has been read."""
        with self._lock:
            self._printer.watch(text)

    def plan(self, reports: Mapping[str, Report]) -> None:
        """Print the steps of plans, except those that are already done."""
        for name, report in reports.items():
            for outcome in report.outcomes:
                if outcome.step.status is not Status.UNCHANGED:
                    self._printer.write(self._format_line(name, self._printer.line(outcome)))

    def end(self, reports: Mapping[str, Report]) -> None:
        """Print the volumes that were unchanged, and the number of volumes in each state."""
        for name, report in reports.items():
            if state(report) == Status.UNCHANGED.value:
                self._printer.write(self._format_line(name, Status.UNCHANGED.value))
        self._printer.write(summary(reports))

    def _format_line(self, name: str, text: str) -> str:
        return f"{escape_controls(name):<{self._width}}  {text}"
