"""Programs that are begun and left to themselves, and what is told of one that fails before."""

from pathlib import Path

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.system.io import process
from iscsictl.system.io.process import ToolError, run, start
from tests.patience import await_until


def test_one_returns_when_the_program_is_at_it_and_it_goes_on_to_its_end(tmp_path: Path) -> None:
    at_it, done = tmp_path / "at it", tmp_path / "done"
    go_on = tmp_path / "go on"
    script = f"touch '{at_it}'; until [ -e '{go_on}' ]; do sleep 0.02; done; touch '{done}'"
    start(["sh", "-c", script], at_it.exists)
    assert not done.exists()
    go_on.touch()
    await_until(done.exists)


def test_one_that_ends_well_without_ever_being_seen_at_it_is_done() -> None:
    start(["true"], lambda: False)


def test_one_that_fails_before_is_an_error_with_its_own_words() -> None:
    with pytest.raises(ToolError, match="sh: no such bus") as told:
        start(["sh", "-c", "echo no such bus >&2; exit 7"], lambda: False)
    assert told.value.tool_exit == 7


def test_one_that_never_gets_to_it_is_ended_at_the_deadline(tmp_path: Path) -> None:
    number = tmp_path / "pid"

    def at_it() -> bool:
        # Its number is known before the deadline is looked at; it never gets any further.
        await_until(lambda: number.exists() and number.read_text() != "")
        return False

    with pytest.raises(UnreachableError, match="sh did not answer within"):
        start(["sh", "-c", f"echo $$ >'{number}'; exec sleep 600"], at_it, timeout=0.5)
    assert not Path("/proc", number.read_text().strip()).exists()


@pytest.mark.parametrize(("program", "longer"), [("iscsiadm", True), ("wipefs", False)])
def test_a_longer_timeout_is_advised_only_for_programs_that_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, *, longer: bool
) -> None:
    tool = tmp_path / program
    tool.write_text("#!/bin/sh\nexec /bin/sleep 60\n", encoding="ascii")
    tool.chmod(0o755)
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    with pytest.raises(UnreachableError, match=f"{program} did not answer within") as caught:
        run([program], timeout=0.2)
    assert ("--timeout" in (caught.value.hint or "")) == longer


def test_a_program_that_another_one_starts_is_named_when_it_does_not_answer() -> None:
    with pytest.raises(UnreachableError, match=r"^iscsiadm did not answer within") as caught:
        process.run(["sleep", "60"], shown=["iscsiadm", "-m", "node"], timeout=0.1)
    assert "--timeout" in (caught.value.hint or "")
