"""`attach` without a portal: at most eight answers, and nothing is changed before the yes."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import pytest

from iscsictl.cli.commands import guided
from iscsictl.cli.commands.attach import attach
from iscsictl.cli.main import cli
from iscsictl.cli.options import Settings
from iscsictl.cli.runner import run_task
from iscsictl.engine.task import Task
from iscsictl.errors import (
    AuthError,
    Exit,
    InterruptError,
    IscsictlError,
    MissingError,
    NeedsRootError,
    UnreachableError,
)
from iscsictl.model.inventory import DiscoveredTarget, Inventory
from iscsictl.model.listing import Lun
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.attach import SeveralLunsError
from iscsictl.planner.attach.mount_point import (
    MountPointError,
    MountPointInUseError,
    MountPointRefusedError,
)

A, B = "iqn.2001-04.com.example:array.mail", "iqn.2001-04.com.example:array.web"
PORTAL = Portal("192.0.2.5")
LUNS = SeveralLunsError(A, ((Lun(0, wwid="naa.1"), 1 << 30), (Lun(7, wwid="naa.2"), None)))


def parse(words: list[str]) -> dict[str, Any]:
    """The options of attach as its parser makes them.

    Under the whole program, for a command keeps the names of its help option from the first parse.
    """
    return attach.make_context("attach", words, click.Context(cli, **cli.context_settings)).params


# Of no words, so that no new option is missed.
OPTIONS = parse([])


@dataclass
class Dialogue:
    """A terminal that answers by a script, and an array that says what the script has of it."""

    answers: list[str]
    ends: list[int] = field(default_factory=lambda: [0])
    offers: tuple[str, ...] = (A,)
    refusals: list[IscsictlError | None] = field(default_factory=list)
    silent: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    logged_in: bool = False
    broken: IscsictlError | None = None
    consents: list[str] = field(default_factory=list)
    runs: list[tuple[bool, AttachSpec]] = field(default_factory=list)
    specs: list[AttachSpec] = field(default_factory=list)

    def prompt(self, question: str, default: str | None, *, hide: bool) -> str:
        self.asked.append(question + (" (hidden)" if hide else ""))
        answer = self.answers.pop(0)
        if answer == "^C":
            raise InterruptError("stopped", signal=2)
        return answer or str(default)

    def discover(
        self, _context: object, portal: Portal, *_: object, **_options: object
    ) -> tuple[DiscoveredTarget, ...]:
        if self.broken is not None:
            raise self.broken
        if portal.address in self.silent:
            raise UnreachableError(f"portal {portal} does not answer", hint="check the address")
        return tuple(DiscoveredTarget(name, portal) for name in self.offers)

    def run_task(
        self, settings: Settings, task: Task, *, handled: Sequence[type[IscsictlError]]
    ) -> int:
        assert SeveralLunsError in handled
        task.plan(Inventory())
        refusal = self.refusals[0] if self.refusals else None
        found = self.logged_in or isinstance(refusal, MountPointError)
        if self.refusals and (found or not settings.dry_run):
            self.refusals.pop(0)
        self.runs.append((settings.dry_run, self.specs[-1]))
        while self.consents and not settings.dry_run:
            assert task.grant
            task = task.grant(self.consents.pop(0))
        if settings.dry_run:
            return int(refusal.exit if found and refusal else Exit.PENDING)
        return self.ends.pop(0)

    def make_spec(self, _settings: Settings, options: dict[str, Any]) -> AttachSpec:
        return AttachSpec(
            options["portals"], "uuid", options["target"], fs=options["fs"], mount=options["mount"]
        )

    def make_task(self, _settings: Settings, spec: AttachSpec) -> Task:
        self.specs.append(spec)
        refusal = self.refusals[0] if self.refusals else None
        task = Task(lambda *_: Inventory(), lambda _: Plan(refusal=refusal))
        return replace(task, grant=lambda _: task)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Dialogue]]:
    def run(
        answers: Iterable[str], *given: str, settings: Settings | None = None, **more: Any
    ) -> tuple[int, Dialogue]:
        options = {**OPTIONS, **more.pop("options", {})}
        talk = Dialogue(list(answers), **more)
        for name in ("prompt", "discover", "run_task"):
            monkeypatch.setattr(guided, name, getattr(talk, name))
        code = guided.attach_guided(
            settings or Settings(), options, ["attach", *given], talk.make_spec, talk.make_task
        )
        assert talk.answers == []
        return code, talk

    return run


Start = Callable[..., tuple[int, Dialogue]]


def commands_in(text: str) -> list[list[str]]:
    """The commands that were said to do the same, each on the line below its heading."""
    _, *parts = re.split("The command that .*:\n", text)
    return [shlex.split(part.splitlines()[0]) for part in parts]


def test_the_usual_way_takes_four_answers_and_prints_the_command(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(["192.0.2.5", "", "", "yes"])
    assert code == Exit.DONE
    assert [dry for dry, _ in talk.runs] == [True, False]
    spec = talk.runs[-1][1]
    assert (spec.portals, spec.target, spec.fs, spec.mount) == ((PORTAL,), A, "ext4", "/srv/mail")
    assert commands_in(capsys.readouterr().err) == [
        ["iscsictl", "attach", "-p", "192.0.2.5:3260", "-T", A, "--fs", "ext4", "--mount",
         "/srv/mail"]
    ]  # fmt: skip


def test_a_dry_run_ends_with_the_command_and_asks_for_no_yes(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(["192.0.2.5", "", ""], "-n", settings=Settings(dry_run=True))
    assert code == Exit.PENDING
    assert [dry for dry, _ in talk.runs] == [True]
    text = capsys.readouterr().err
    assert commands_in(text) == [
        ["iscsictl", "attach", "-n", "-p", "192.0.2.5:3260", "-T", A, "--fs", "ext4", "--mount",
         "/srv/mail"]
    ]  # fmt: skip
    # Everything else is what the user would type for a run that changes something.
    assert "without -n" in text


def test_a_dry_run_that_is_refused_ends_without_a_command(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    error = MountPointRefusedError("/srv/x is not empty")
    code, _ = start(
        ["192.0.2.5", ""], settings=Settings(dry_run=True), refusals=[error],
        options={"mount": "/srv/x"},
    )  # fmt: skip
    assert code == Exit.REFUSED
    assert commands_in(capsys.readouterr().err) == []


def test_the_longest_way_takes_eight_answers(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(
        ["192.0.2.5", "web", "xfs", "/srv/x", "yes", "me", "a-secret-of-16-bytes", "7"],
        offers=(A, B), ends=[5, 3, 0], refusals=[None, LUNS, None],
    )  # fmt: skip
    assert code == Exit.DONE
    assert len(talk.asked) == 8
    spec = talk.runs[-1][1]
    assert (spec.target, spec.fs, spec.mount, spec.lun) == (B, "xfs", "/srv/x", 7)
    assert spec.account is not None
    assert (spec.account.user, spec.account.secret.reveal()) == ("me", "a-secret-of-16-bytes")
    text = capsys.readouterr().err
    assert commands_in(text)[-1][-5:] == ["--chap-user", "me", "--chap-secret-prompt", "--lun", "7"]
    assert "a-secret-of-16-bytes" not in text
    assert "CHAP secret (not shown) (hidden)" in talk.asked


def test_a_silent_portal_and_a_wrong_answer_are_asked_again(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(
        ["192.0.2.9", "not an address", "192.0.2.5", "3", "1", "zfs", "", "srv", "/srv/x", "yes"],
        offers=(A, B), silent=frozenset({"192.0.2.9"}),
    )  # fmt: skip
    assert code == Exit.DONE
    assert talk.runs[-1][1].target == A
    said = capsys.readouterr().err
    assert "portal 192.0.2.9:3260 does not answer\nhint: check the address" in said
    assert "give the number of a row" in said
    assert "zfs: expected one of ext4" in said
    assert "absolute path" in said


def test_where_the_target_is_logged_in_the_lun_is_asked_for_before_the_yes(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(["192.0.2.5", "", "", "0", "yes"], refusals=[LUNS, None], logged_in=True)
    assert code == Exit.DONE
    assert talk.asked[-2:] == ["LUN", "Do this now? (yes or no)"]
    assert [(dry, spec.lun) for dry, spec in talk.runs] == [(True, None), (True, 0), (False, 0)]
    assert [words[-2:] for words in commands_in(capsys.readouterr().err)] == [["--lun", "0"]]


@pytest.mark.parametrize("answer", ["1", "2", "naa", ""])
def test_a_number_that_no_lun_has_chooses_none(
    answer: str, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    luns = SeveralLunsError(A, ((Lun(0, wwid="naa.102"), 1 << 30), (Lun(7, wwid="naa.3"), None)))
    code, talk = start(
        ["192.0.2.5", "", "", answer, "7", "yes"], refusals=[luns, None], logged_in=True
    )
    assert code == Exit.DONE
    assert talk.runs[-1][1].lun == 7
    said = capsys.readouterr().err
    assert f"\n{A} has 2 LUNs:\n  0  1G  naa.102\n  7  unknown size  naa.3\n" in said
    assert "give the number of a row" in said


@pytest.mark.parametrize(
    "error", [MountPointRefusedError("/srv/mail is not empty"), MountPointInUseError("is mounted")]
)
def test_a_directory_that_is_not_free_is_asked_for_again(
    error: MountPointError, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, talk = start(["192.0.2.5", "", "", "/srv/x", "yes"], refusals=[error, None])
    assert code == Exit.DONE
    assert talk.asked[2:4] == ["Directory to mount it on"] * 2
    assert talk.runs[-1] == (False, replace(talk.runs[1][1], mount="/srv/x"))
    (words,) = commands_in(capsys.readouterr().err)
    assert words[-2:] == ["--mount", "/srv/x"]
    assert words.count("--mount") == 1


def test_a_directory_of_the_command_line_is_not_asked_for_again(start: Start) -> None:
    error = MountPointRefusedError("/srv/x is not empty")
    code, talk = start(["192.0.2.5", ""], refusals=[error], options={"mount": "/srv/x"})
    assert (code, len(talk.runs)) == (Exit.REFUSED, 1)


@pytest.mark.parametrize("consent", ["adopt", "adopt-unverified"])
def test_the_printed_command_has_what_the_user_consented_to(
    consent: str, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = start(["192.0.2.5", "", "", "yes"], consents=[consent])
    assert code == Exit.DONE
    before, after = commands_in(capsys.readouterr().err)
    assert after == [*before, f"--{consent}"]
    assert parse(after[2:])[consent.replace("-", "_")] is True


def test_a_consent_is_not_asked_for_again_in_the_next_try(start: Start) -> None:
    _, talk = start(
        ["192.0.2.5", "", "", "yes", "me", "a-secret-of-16-bytes"], ends=[5, 0], consents=["adopt"]
    )
    assert talk.specs[-1].consent.adopt


@pytest.mark.parametrize(
    "error", [MissingError("no module"), NeedsRootError("root only"), AuthError("refused")]
)
def test_what_no_other_portal_changes_ends_the_questions(
    error: IscsictlError, start: Start
) -> None:
    with pytest.raises(type(error)):
        start(["192.0.2.5"], broken=error)


def test_what_the_command_line_says_is_not_asked(start: Start) -> None:
    _, talk = start(
        ["192.0.2.5", "yes"], offers=(A, B),
        options={"target": B, "fs": "xfs", "mount": "/srv/x"},
    )  # fmt: skip
    assert len(talk.asked) == 2
    assert talk.runs[-1][1].target == B


def test_without_a_filesystem_no_directory_is_asked_for(start: Start) -> None:
    _, talk = start(["192.0.2.5", "none", "yes"])
    assert (talk.runs[-1][1].fs, talk.runs[-1][1].mount) == (None, None)


@pytest.mark.parametrize("answer", ["no", "", "maybe"])
def test_without_a_yes_nothing_is_done(start: Start, answer: str) -> None:
    code, talk = start(["192.0.2.5", "", "", answer])
    assert code == Exit.DONE
    assert [dry for dry, _ in talk.runs] == [True]


@pytest.mark.parametrize("at", ["discover", "run_task"])
def test_a_signal_before_the_yes_says_that_nothing_was_changed(
    at: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise InterruptError("stopped", signal=15)

    monkeypatch.setattr(Dialogue, at, stop)
    with pytest.raises(InterruptError, match=r"^stopped; nothing was changed$") as told:
        start(["192.0.2.5", "", ""])
    assert told.value.exit is Exit.TERMINATED


def test_a_refusal_that_is_asked_about_is_not_printed_as_an_error_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Task(lambda *_: Inventory(), lambda _: Plan(refusal=LUNS))
    settings = Settings(root=tmp_path, dry_run=True)
    assert run_task(settings, task, handled=(SeveralLunsError,)) == Exit.NOT_FOUND
    assert capsys.readouterr().err == ""
    assert run_task(settings, task) == Exit.NOT_FOUND
    assert "--lun 0" in capsys.readouterr().err


def test_ctrl_c_while_a_portal_is_asked_says_that_nothing_was_changed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Dialogue, "discover", stop)
    with pytest.raises(InterruptError, match=r"^stopped; nothing was changed$") as told:
        start(["192.0.2.5"])
    assert told.value.exit is Exit.INTERRUPTED


@pytest.mark.parametrize("number", range(4))
def test_ctrl_c_at_a_question_before_the_yes_runs_nothing(start: Start, number: int) -> None:
    runs: list[tuple[bool, AttachSpec]] = []
    with pytest.raises(InterruptError):
        start([*["192.0.2.5", "", "", "yes"][:number], "^C"], runs=runs)
    assert [dry for dry, _ in runs] == [True] * (number == 3)


def test_the_name_of_the_account_need_not_be_typed_again(start: Start) -> None:
    secret = "a-secret-of-16-bytes"
    code, talk = start(["192.0.2.5", "", "", "yes", "me", secret, "", secret], ends=[5, 5, 0])
    assert (code, len(talk.asked)) == (Exit.DONE, 8)
    account = talk.specs[-1].account
    assert account is not None
    assert account.user == "me"


def test_a_wrong_secret_is_asked_for_again_three_times_at_most(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    account = ["me", "a-secret-of-16-bytes"]
    code, _ = start(["192.0.2.5", "", "", "yes", *account * 3], ends=[5, 5, 5, 5])
    assert code == Exit.AUTH
    said = capsys.readouterr().err
    assert said.count("The array refuses the login.") == 1
    assert said.count("The array refuses that account.") == 2
    code, _ = start(["192.0.2.5", "", "", "yes", *account * 2], ends=[5, 5, 0])
    assert code == Exit.DONE
    assert commands_in(capsys.readouterr().err)[-1].count("--chap-user") == 1


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (A, "/srv/mail"), ("iqn.2001-04.com.example", "/srv/example"),
        ("iqn.2001-04.com.example:a/b c", "/srv/a-b-c"), ("naa.6001405", "/srv/6001405"),
    ],
)  # fmt: skip
def test_a_directory_is_suggested_by_the_last_part_of_the_target(target: str, path: str) -> None:
    assert guided.suggest_directory(target) == path
