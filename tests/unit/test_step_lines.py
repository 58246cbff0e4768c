"""The line of a step: its colours, its width, and what it says of a disk that may be blank."""

import io
import sys
from dataclasses import replace

import pytest

from iscsictl.model.actions import DiskId, EnableService, Label, Mkfs, OverwriteGround, Wipe
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.plan import Outcome, Status, Step
from iscsictl.output.views.plan import StepPrinter, step_row


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_steps_have_colours_where_the_terminal_can_and_colour_is_requested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    step = Step(EnableService("a.service"), "a.service", "why", status=Status.DONE)
    for term, color, coloured in (
        ("xterm", None, True),
        ("xterm", False, False),
        ("dumb", None, False),
    ):
        monkeypatch.setenv("TERM", term)
        line = StepPrinter(output="table", quiet=False, color=color).line(Outcome(step))
        assert ("\x1b" in line) is coloured


def test_a_step_is_one_line_off_a_terminal_and_as_many_as_it_needs_on_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    why = "the service that logs in at boot"
    outcome = Outcome(Step(EnableService("a.service"), "a.service", why, status=Status.PLANNED))
    printed = []
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stdout", stream)
        printer = StepPrinter(output="table", quiet=False, color=False)
        printer.write(printer.line(outcome))
        printed.append(stream.getvalue())
    assert printed == [
        f"planned   enable    a.service  ({why})\n",
        "planned   enable    a.service  (the\n          service that logs in at boot)\n",
    ]


@pytest.mark.parametrize("status", [Status.PLANNED, Status.FORECAST])
def test_a_plan_says_in_words_when_formatting_depends_on_a_blank_disk(status: Status) -> None:
    disk, whole = DiskId("t", 0, "naa.1", ""), FilesystemClaim("u", "ext4", 1, "gpt")
    part = replace(whole, owns_disk=False)
    printer = StepPrinter(output="table", quiet=False, color=False)
    for action, ending in (
        (Mkfs(disk, whole, OverwriteGround.BLANK), "only if the disk is blank"),
        (Label(disk, "gpt", OverwriteGround.BLANK, whole), "only if the disk is blank"),
        (Label(disk, "gpt", OverwriteGround.BLANK), "only if the disk is blank"),
        (Mkfs(disk, part, OverwriteGround.BLANK), "only if the partition is blank"),
        (Mkfs(disk, whole, OverwriteGround.CLAIMED), "DESTROYS"),
        (Mkfs(disk, whole, OverwriteGround.CONFIRMED), "DESTROYS"),
        (Wipe(disk), "DESTROYS"),
    ):
        outcome = Outcome(Step(action, "t", "why", status=status))
        assert printer.line(outcome).endswith(f"(why)  {ending}")
        assert step_row(outcome)["hazard"] == "destroys"


def test_what_a_tool_prints_is_no_markup_for_the_spinner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    printer = StepPrinter(output="table", quiet=False, color=False)
    printer.show("mkfs [/x]")
    printer.watch("[/dev/sda] 3/7")
    printer.close()
