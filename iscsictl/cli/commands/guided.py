"""`attach` without a portal, on a terminal: ask for what is needed, show the plan, execute it.

Nothing is changed before the final yes. An account is asked for only if the array refuses the
login, a LUN only if the target has several: both are known only after a login, which is then rolled
back.
"""

import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import click

from iscsictl.cli.credentials import judge_account
from iscsictl.cli.options import Settings, print_line, print_message, report
from iscsictl.cli.question import asking, fit_question
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.task import Task
from iscsictl.errors import Exit, InterruptError, IscsictlError, NotFoundError
from iscsictl.model import values
from iscsictl.model.inventory import DiscoveredTarget, Inventory
from iscsictl.model.names import DEFAULT_IFACE, Portal, parse_portal
from iscsictl.model.plan import Plan
from iscsictl.model.secret import Secret
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Account, AttachSpec
from iscsictl.observers.sessions import discover
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls, fold, fold_command, human_size
from iscsictl.planner.attach.attach import SeveralLunsError
from iscsictl.planner.attach.mount_point import MountPointError

NO_FILESYSTEM: Final = "none"
#: Errors that another portal may avoid, unlike a missing module or a missing account.
_OF_THE_PORTAL: Final = {Exit.UNREACHABLE, Exit.NOT_FOUND, Exit.USAGE, Exit.ERROR}
_UNCHANGED: Final = "stopped; nothing was changed"
#: How many times an account is asked for.
_TRIES: Final = 3

Options = dict[str, Any]
MakeSpec = Callable[[Settings, Options], AttachSpec]
MakeTask = Callable[[Settings, AttachSpec], Task]


@dataclass
class GuidedAttach:
    """One dialogue. `words` are the command line arguments that give the same answers."""

    settings: Settings
    options: Options
    words: list[str] = field(default_factory=list)
    user: str | None = None

    def ask_target(self) -> None:
        """Ask for the portal and then for one of the targets that it offers.

        If the portal does not answer, the error is printed and the question repeated. Raises
        InterruptError on Ctrl-C, and errors that no other portal would avoid: AuthError if the
        array wants an account for discovery, which cannot be given here, and errors of this host.
        """
        while True:
            portal = self._ask_until_valid(
                "Portal of the array (address, or address:port)", parse_portal
            )
            try:
                offers = self._discover_targets(portal)
            except IscsictlError as error:
                if error.exit not in _OF_THE_PORTAL:
                    raise
                report(error, self.settings)
                continue
            break
        self.options["portals"] = (portal,)
        self.words += ["-p", str(portal)]
        if self.options["target"] is None:
            target = self._choose_target(offers)
            self.options["target"] = target
            self.words += ["-T", target]

    def _discover_targets(self, portal: Portal) -> tuple[DiscoveredTarget, ...]:
        context = open_context(self.settings.wait, self.settings.root)
        iface = next(iter(self.options["ifaces"]), DEFAULT_IFACE)
        offers = discover(context, portal, iface, None, warn=print_message)
        if not offers:
            raise NotFoundError(
                f"{portal} offers no target to this host",
                hint="allow the name of this host on the array: iscsictl initiator show",
            )
        return offers

    def _choose_target(self, offers: Sequence[DiscoveredTarget]) -> str:
        names = sorted({offer.target for offer in offers})
        if len(names) == 1:
            print_folded(f"The array offers one target: {names[0]}")
            return names[0]
        rows = {str(number): name for number, name in enumerate(names, 1)}
        print_line(f"The array offers {len(names)} targets:")
        return rows[self._choose_row("Target", rows)]

    def ask_filesystem(self) -> None:
        """Ask for the filesystem and where to mount it, unless they are on the command line.

        With `none`, no filesystem is created and no directory is asked for.
        """
        options = self.options
        if options["fs"] is None:
            choices = (*values.FILESYSTEMS, NO_FILESYSTEM)
            kind = self._ask_until_valid(
                f"Filesystem to make on a blank disk ({', '.join(choices)})",
                _make_choice_reader(choices),
                default=values.FILESYSTEMS[0],
            )
            if kind != NO_FILESYSTEM:
                options["fs"] = kind
                self.words += ["--fs", kind]
        if options["mount"] is None and options["fs"] is not None:
            self.ask_directory()

    def ask_directory(self) -> None:
        """Ask where to mount the filesystem; a later answer is in the place of the one before."""
        default = suggest_directory(self.options["target"])
        directory = str(
            self._ask_until_valid("Directory to mount it on", values.directory, default)
        )
        self.options["mount"] = directory
        self._set_words(["--mount", directory])

    @property
    def has_asked_directory(self) -> bool:
        """Whether the directory was an answer: one of the command line is not asked for again."""
        return "--mount" in self.words

    def ask_account(self) -> Account:
        """Ask for the CHAP account of this host; the secret is not echoed.

        The command that is shown afterwards prompts for the secret and does not contain it. The
        name is the default the next time, as usually the secret was mistyped.
        """
        print_folded(
            "The array refuses the login. If it requires CHAP, give this host's account:"
            if self.user is None
            else "The array refuses that account. Give it again:"
        )
        self.user = user = str(self._ask_until_valid("CHAP name", _read_chap_name, self.user))
        secret = self._ask_until_valid("CHAP secret (not shown)", Secret, hide=True)
        self._set_words(["--chap-user", user, "--chap-secret-prompt"])
        return Account(user, secret)

    def ask_lun(self, error: SeveralLunsError) -> None:
        """Ask which of several LUNs is meant, showing the size and WWID of each.

        Device names are not shown, as they are gone once the login is rolled back.
        """
        rows = {
            str(lun.lun): f"{human_size(size) or 'unknown size'}  {lun.wwid or 'no WWID'}"
            for lun, size in error.luns
        }
        print_folded(f"{error.target} has {len(rows)} LUNs:")
        # The number of a row is that of its LUN: any other would lead to another disk.
        lun = self._choose_row("LUN", rows)
        self.options["lun"] = int(lun)
        self.words += ["--lun", lun]

    def note_consent(self, consents: Iterable[str]) -> None:
        """Add the options for what the user consented to: `adopt`, `adopt-unverified`."""
        self.words += [word for word in map("--{}".format, consents) if word not in self.words]

    def print_command(self, given: Sequence[str]) -> None:
        """Print the one command that does the same; `given` is what was typed.

        It stands in lines of its own, so that these can be copied whole. After a dry run it is one
        too, as `given` has the option; the line above says so.
        """
        if self.settings.dry_run:
            print_folded("The command that shows the same plan; without -n, it makes the changes:")
        else:
            print_line("The command that does the same:")
        words = [escape_controls(shell_form(word)) for word in ("iscsictl", *given, *self.words)]
        print_line(fold_command(words, screen_of(sys.stderr).width))

    def _set_words(self, words: list[str]) -> None:
        """Add words, replacing the same option with another value."""
        if words[0] in self.words:
            start = self.words.index(words[0])
            del self.words[start : start + len(words)]
        self.words += words

    def _choose_row(self, what: str, rows: Mapping[str, str]) -> str:
        """Return the number of the row that the user chooses by its number or part of its text."""
        for number, row in rows.items():
            print_folded(f"  {number}  {row}", indent=len("  1  "))

        def number_of_answer(text: str) -> str:
            if text in rows:
                return text
            # A number that is not that of a row is not searched for in the names.
            named = text and not (text.isascii() and text.isdigit())
            fitting = [number for number, row in rows.items() if named and text in row]
            if len(fitting) != 1:
                raise ValueError(
                    f"{text}: give the number of a row, or a part of its text that no other row has"
                )
            return fitting[0]

        return str(self._ask_until_valid(what, number_of_answer))

    def _ask_until_valid(
        self,
        question: str,
        read: Callable[[str], Any],
        default: str | None = None,
        *,
        hide: bool = False,
    ) -> Any:
        """Ask until `read` accepts the answer. Raises InterruptError on Ctrl-C."""
        while True:
            text = prompt(question, default, hide=hide)
            try:
                return read(text.strip() if not hide else text)
            except ValueError as error:
                print_line(f"iscsictl: {escape_controls(str(error))}")


def print_folded(line: str, *, indent: int = 0) -> None:
    """Write a line to stderr, in as many as the terminal needs; names in it are escaped."""
    print_line(fold(escape_controls(line), screen_of(sys.stderr).width, indent=indent))


def prompt(question: str, default: str | None, *, hide: bool) -> str:
    """Ask one question on the terminal. Raises InterruptError on a signal or the end of input.

    The question is written to stderr, so that redirected output contains only results. With `hide`
    the answer is not echoed.
    """
    try:
        with asking():
            text = fit_question(question if default is None else f"{question} [{default}]")
            return str(
                click.prompt(text, default=default, show_default=False, hide_input=hide, err=True)
            )
    except InterruptError as error:
        raise InterruptError(_UNCHANGED, signal=error.signal) from None
    except click.Abort:
        raise InterruptError(_UNCHANGED, signal=signal.SIGINT) from None


def suggest_directory(target: str) -> str:
    """Return a mount point named after the last part of a target's name.

    The name comes from the array, so all characters with a meaning in a path are replaced, and the
    user confirms the directory.
    """
    name = target.rpartition(":")[2].rpartition(".")[2] or "data"
    return "/srv/" + "".join(char if char.isalnum() or char in "-_" else "-" for char in name)


def _make_choice_reader(choices: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text}: expected one of {', '.join(choices)}")
        return text

    return read


def _read_chap_name(text: str) -> str:
    problem = values.chap_name_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def attach_guided(
    settings: Settings,
    options: Options,
    given: Sequence[str],
    make_spec: MakeSpec,
    make_task: MakeTask,
) -> int:
    """Ask for what `options` lacks, show the plan and the command, and execute it after a yes.

    `given` are the words of the command line. Returns the exit code. Raises InterruptError on
    Ctrl-C at a question.
    """
    guide = GuidedAttach(settings, options)
    try:
        code, spec = _ask_and_plan(guide, make_spec, make_task)
    except InterruptError as error:  # also while this host is read
        raise InterruptError(_UNCHANGED, signal=error.signal) from None
    except KeyboardInterrupt:  # while the portal is asked, where no signal needs to be deferred
        raise InterruptError(_UNCHANGED, signal=signal.SIGINT) from None
    if code != Exit.PENDING:
        return code
    guide.print_command(given)
    if settings.dry_run:
        return code
    yes = prompt("Do this now? (yes or no)", "no", hide=False)
    if yes.strip().lower() not in {"y", "yes"}:
        print_line("Nothing was changed.")
        return int(Exit.DONE)
    return _attach_asking_again(guide, spec, given, make_task)


def _ask_and_plan(
    guide: GuidedAttach, make_spec: MakeSpec, make_task: MakeTask
) -> tuple[int, AttachSpec]:
    """Ask for what the command line lacks and show the plan, without changing anything.

    If nothing can be mounted on the directory, it is asked for again. Returns the exit code of the
    dry run, and the completed spec.
    """
    guide.ask_target()
    guide.ask_filesystem()
    # Whatever is known only after the login is a forecast, and the yes applies to that too.
    dry = replace(guide.settings, dry_run=True)
    while True:
        spec = make_spec(guide.settings, dict(guide.options))
        code, spec, refusal = _run_asking_lun(guide, dry, spec, make_task)
        if not (isinstance(refusal, MountPointError) and guide.has_asked_directory):
            return code, spec
        guide.ask_directory()


def _attach_asking_again(
    guide: GuidedAttach, spec: AttachSpec, given: Sequence[str], make_task: MakeTask
) -> int:
    """Attach; if the array refuses the login or has several LUNs, ask and try again."""
    words, tries = list(guide.words), 0
    while True:
        code, spec, _ = _run_asking_lun(guide, guide.settings, spec, make_task)
        if code != Exit.AUTH or tries == _TRIES:
            break
        tries += 1
        account = guide.ask_account()
        judge_account(guide.settings, account, spec.target)
        spec = replace(spec, account=account)
    if code == Exit.DONE and guide.words != words:
        guide.print_command(given)
    return code


def _run_asking_lun(
    guide: GuidedAttach, settings: Settings, spec: AttachSpec, make_task: MakeTask
) -> tuple[int, AttachSpec, IscsictlError | None]:
    """Run the task, and again with the chosen LUN if the target has several.

    Returns the exit code; the spec with what the user chose and consented to, so that no later run
    asks for it again; and the refusal of the last plan, if there was one.
    """
    while True:
        heard = _Heard()
        task = heard.noting(make_task(settings, spec))
        # The question that follows says what is wrong, and needs no hint.
        code = run_task(settings, task, handled=(SeveralLunsError,))
        guide.note_consent(heard.consents)
        consent = replace(
            spec.consent,
            adopt=spec.consent.adopt or "adopt" in heard.consents,
            adopt_unverified=spec.consent.adopt_unverified or "adopt-unverified" in heard.consents,
        )
        spec = replace(spec, consent=consent)
        if code != Exit.NOT_FOUND or not isinstance(heard.refusal, SeveralLunsError):
            return code, spec, heard.refusal
        guide.ask_lun(heard.refusal)
        spec = replace(spec, lun=guide.options["lun"])


@dataclass
class _Heard:
    """What a run found out and the next one must know."""

    refusal: IscsictlError | None = None
    consents: list[str] = field(default_factory=list)

    def noting(self, task: Task) -> Task:
        """Return the task, extended to record the refusal of a plan and the user's consents."""

        def plan(inventory: Inventory) -> Plan:
            made = task.plan(inventory)
            self.refusal = made.refusal
            return made

        def grant(what: str) -> Task:
            self.consents.append(what)
            return self.noting(task.grant(what) if task.grant else task)

        return replace(task, plan=plan, grant=grant)
