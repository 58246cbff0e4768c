"""Plans and their results: a line when a step ends, or the plan/1 document."""

import errno
import json
import os
import sys
from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.actions.disk_id import OverwriteGround
from iscsictl.model.plan import Hazard, Outcome, Report, Status, Step
from iscsictl.output.status_line import STATUS_LINE, Wait
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls, fold

SCHEMA = "iscsictl.plan/1"
# Parameters of SGR (ECMA-48, 8.3.117).
_COLORS = {
    Status.DONE: "32",
    Status.UNCHANGED: "2",
    Status.FAILED: "31",
    Status.UNDONE: "33",
    Status.REFUSED: "31",
    Status.PLANNED: "36",
    Status.FORECAST: "2;36",
}
# Columns of the status and the blank behind it: below it nothing of the other columns stands.
_STATUS_COLUMNS = 10


def error_row(error: IscsictlError) -> dict[str, Any]:
    """Return an error as in the JSON.

    `exit` is iscsictl's exit code (README); `tool_exit` is that of the program that failed, null if
    none did.
    """
    return {
        "text": error.text,
        "hint": error.hint,
        "exit": int(error.exit),
        "tool_exit": error.tool_exit,
    }


def step_row(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a step as in the JSON; `seconds` has three decimals."""
    step = outcome.step
    return {
        "id": step.id,
        "action": step.action.verb,
        "subject": step.subject,
        "why": step.why,
        "hazard": step.hazard.value,
        "status": step.status.value,
        "seconds": round(outcome.seconds, 3),
    }


def document(report: Report) -> str:
    """Return the report as the plan/1 document, without a final newline.

    The error that ended the run is the only refusal.
    """
    whole = {
        "schema": SCHEMA,
        "steps": [step_row(outcome) for outcome in report.outcomes],
        "refusals": [error_row(report.error)] if report.error is not None else [],
        "leftovers": list(report.leftovers),
        "notes": list(report.notes),
        "device": report.result,
    }
    return json.dumps(whole, indent=1)


def _hazard_in_words(step: Step) -> str:
    """Return the hazard of a step for output; writing to a blank disk is not called destructive.

    A step whose ground is a blank disk is executed only if the disk is still blank when it is
    probed again just before the write.
    """
    action = step.action
    if isinstance(action, actions.Label | actions.Mkfs) and action.ground is OverwriteGround.BLANK:
        whole = action.claim is None or action.claim.owns_disk
        return f"only if the {'disk' if whole else 'partition'} is blank"
    return step.hazard.value.upper()


class StepPrinter:
    """Prints a line for each step that ends, and shows the running one in the status line."""

    def __init__(self, *, output: str, quiet: bool, color: bool | None) -> None:
        self._lines = output == "table" and not quiet
        screen = None if sys.stdout is None else screen_of(sys.stdout, color)
        self._color = screen is not None and screen.color
        self._width = None if screen is None else screen.width
        self._wait: Wait | None = None

    def __call__(self, outcome: Outcome) -> None:
        """Receive an outcome; PLANNED means that the step begins now."""
        if outcome.step.status is Status.PLANNED:
            self.show(f"{outcome.step.action.verb} {outcome.step.subject}")
        else:
            self.write(self.line(outcome))

    def write(self, line: str) -> None:
        """Print a line, if the output format has lines.

        In JSON, and with --quiet, nothing is printed.
        """
        self.close()
        if self._lines:
            self._print_if_possible(self.fit_terminal(line) + "\n")

    def fit_terminal(self, line: str) -> str:
        """Return a line in as many as it needs on a terminal; off one it stays a single line."""
        return fold(line, self._width, indent=_STATUS_COLUMNS)

    def _print_if_possible(self, text: str) -> None:
        """Print text. If that fails, print nothing more, but do not interrupt the work."""
        try:
            with STATUS_LINE.hidden():
                sys.stdout.write(text)
                sys.stdout.flush()
        except OSError as error:
            self._lines = False
            # Otherwise Python fails again when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
            if error.errno != errno.EPIPE:
                sys.stderr.write(f"iscsictl: cannot write the output: {error.strerror}\n")

    def watch(self, text: str) -> None:
        """Receive what a tool prints while it works, or the progress of a blank check."""
        STATUS_LINE.note_progress(text)

    def close(self) -> None:
        """Record that no step is running, so that the status line disappears."""
        if self._wait is not None:
            STATUS_LINE.end(self._wait)
            self._wait = None

    def show(self, text: str) -> None:
        """Record what is running now, replacing what was running before."""
        self.close()
        self._wait = STATUS_LINE.begin(text)

    def line(self, outcome: Outcome) -> str:
        """Return one line: status, verb and subject, and hazard and seconds if they matter."""
        step = outcome.step
        word = f"{step.status.value:<9}"
        if self._color and step.status in _COLORS:
            word = f"\x1b[{_COLORS[step.status]}m{word}\x1b[0m"
        pending = step.status in {Status.PLANNED, Status.FORECAST}
        explained = pending or (step.action.explained and step.status is Status.UNCHANGED)
        tail = f"  ({escape_controls(step.why)})" if explained else ""
        if pending and step.hazard is not Hazard.SAFE:
            tail += f"  {_hazard_in_words(step)}"
        # Anything less would be printed as 0.0.
        if outcome.seconds >= 0.05:
            tail += f"  {outcome.seconds:.1f} s"
        return f"{word} {step.action.verb:<9} {escape_controls(step.subject)}{tail}"
