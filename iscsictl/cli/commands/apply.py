"""`plan` and `apply`: a file of volumes, created in parallel."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from iscsictl.cli.credentials import account, read_secret
from iscsictl.cli.help import command
from iscsictl.cli.input_file import display_name, read_input_file
from iscsictl.cli.options import (
    Number,
    Settings,
    changing,
    common,
    output_file,
    print_error,
    print_message,
    require_root,
)
from iscsictl.cli.owner import owner_ids
from iscsictl.engine.output_files import save_plan
from iscsictl.engine.runtime import Scope, host_changes, interrupt_threads
from iscsictl.engine.volumes import AT_ONCE, Volumes, plan_volumes, reconcile_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import Exit, RefusedError, UsageError
from iscsictl.model.plan import Report
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import AttachSpec, Volume
from iscsictl.model.values import new_uuid
from iscsictl.observers.volumes_file import decode_file, read_volumes_file
from iscsictl.output.text import escape_controls
from iscsictl.output.views.apply import ManyPrinter, document
from iscsictl.output.views.plan import StepPrinter
from iscsictl.planner.volumes.apply import (
    PlanMismatchError,
    SavedPlan,
    read_saved,
    report_lines,
    summarize_reports,
)

Reports = Mapping[str, Report]
_MAX_BYTES = 16 << 20


def _parallel_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--parallel", type=Number(1, 64), default=AT_ONCE, metavar="N",
        show_default=False, help=f"How many volumes to process at a time [{AT_ONCE}].",
    )(command)  # fmt: skip


@command("plan")
@click.argument("file", metavar="FILE")
@click.option(
    "--out", metavar="FILE", callback=output_file, help="Save the plan, for apply, in this file."
)
@_parallel_option
@common
def plan(settings: Settings, file: str, out: str | None, parallel: int) -> int:
    """Show what apply would do with a file of volumes; exit 10 if there are changes.

    Nothing is changed. What can only be known after a login is a forecast. FILE is TOML; - reads
    standard input. A saved plan contains the text of the file and the plan, but no secrets.
    """
    require_root("plan")
    many = _Many(settings, file, parallel)
    reports = many.dry_run()
    if out is not None:
        saved = document(reports, many.volumes.wwids, many.text) + "\n"
        save_plan(Path(out), saved)
    return many.conclude(reports)


@command("apply")
@click.argument("file", metavar="FILE")
@click.option("--plan", "saved", metavar="FILE", help="Execute only what this saved plan contains.")
@_parallel_option
@changing
@common
def apply(settings: Settings, file: str, saved: str | None, parallel: int) -> int:
    r"""Create all volumes listed in a file, in parallel.

    Each volume is created as attach does with the same options. If one fails, only that one is
    rolled back (exit 4). Steps that are already done are left unchanged; run the command again
    to finish an interrupted run. FILE is TOML or a saved plan; - reads standard input.

    \b
    [[volume]]
    name    = "mail"
    portals = ["192.0.2.5"]
    target  = "iqn.2001-04.com.example:mail"
    lun     = 0
    chap    = { user = "me", secret-file = "/etc/iscsictl/mail.secret" }
    fs      = "ext4"
    mount   = "/srv/mail"

    Other keys: mutual, iface, multipath, table, fs-label, options, owner, mode, required-by, wwid,
    set, boot, adopt, adopt-unverified, over-nonempty, verify-blank, discard, exclusive. No key
    wipes a disk.
    """
    require_root("apply")
    many = _Many(settings, file, parallel, saved)
    if settings.dry_run:
        return many.conclude(many.dry_run())
    return many.conclude(many.reconcile())


class _Many:
    """The volumes of a file, with the context and the printers of the run."""

    def __init__(
        self, settings: Settings, file: str, parallel: int, saved: str | None = None
    ) -> None:
        self.settings = settings
        self.parallel = parallel
        self.text, plan_ = _read_volumes_or_plan(file, settings.wait)
        if saved is not None:
            plan_ = read_saved(_read_file_text(saved, settings.wait), display_name(saved))
            # The saved plan contains the file from which it was made: only that was approved.
            if plan_.text != self.text:
                raise UsageError(
                    f"{saved} was not made from the current content of {file}",
                    hint="save it again: "
                    f"iscsictl plan {shell_form(file)} --out {shell_form(saved)}",
                )
        name = "standard input" if file == "-" else file
        found = read_volumes_file(self.text, name)
        specs = {
            volume.name: _make_spec(settings, volume, found.owners[volume.name])
            for volume in found.volumes
        }
        self.saved = plan_
        self.volumes = Volumes(found.volumes, specs, plan_)
        self.printer = StepPrinter(
            output=settings.output, quiet=settings.quiet, color=settings.color
        )
        self.many = ManyPrinter(list(specs), self.printer)
        scope = None if settings.dry_run else _scope_of_specs(specs.values())
        self.context = VolumesContext(
            settings.wait, settings.root, self._print_unless_quiet, self.many.watch, scope
        )

    def _print_unless_quiet(self, text: str) -> None:
        if not self.settings.quiet:
            self.printer.close()
            print_message(text)

    def dry_run(self) -> Reports:
        """Plan all volumes, print the plans and return them."""
        interrupt_threads()
        try:
            reports = plan_volumes(self.volumes.tasks, self.context, self.parallel)
        finally:
            self.printer.close()
        self.many.plan(reports)
        return reports

    def reconcile(self) -> Reports:
        """Create the volumes; with a saved plan, only if all of it still matches the host.

        Raises RefusedError if it does not.
        """
        try:
            with host_changes(self.context):
                if self.saved is not None:
                    # All volumes are planned before the first is started: a plan of which only a
                    # part matches is not executed in part.
                    reports = plan_volumes(self.volumes.tasks, self.context, self.parallel)
                    for name, report in reports.items():
                        if isinstance(report.error, PlanMismatchError):
                            text = f"{name}: {report.error.text}; nothing was done"
                            raise RefusedError(text, hint=report.error.hint)
                return reconcile_volumes(self.volumes.tasks, self.context, self.many, self.parallel)
        finally:
            self.printer.close()

    def conclude(self, reports: Reports) -> int:
        """Print the results and return the exit code."""
        settings = self.settings
        if settings.output == "json":
            click.echo(document(reports, self.volumes.wwids, self.text))
        elif settings.output == "tsv":
            for name, report in reports.items():
                for step in (outcome.step for outcome in report.outcomes):
                    words = (name, step.status.value, step.action.verb, step.subject)
                    click.echo("\t".join(map(escape_controls, words)))
        else:
            self.many.end(reports)
        for note in report_lines(reports, quiet=settings.quiet):
            print_message(note)
        sys.stdout.flush()
        error = summarize_reports(reports)
        if error is not None:
            return print_error(error.text, error.hint, error.exit)
        pending = any(report.pending for report in reports.values())
        return int(Exit.PENDING if pending else Exit.DONE)


def _scope_of_specs(specs: Iterable[AttachSpec]) -> Scope | None:
    """Return the scope of these volumes; None (everything) if one of them names no target."""
    targets = {spec.target for spec in specs}
    mounts = {spec.mount for spec in specs}
    if None in targets:
        return None
    return Scope(frozenset(filter(None, targets)), frozenset(filter(None, mounts)))


def _read_volumes_or_plan(file: str, wait: float) -> tuple[str, SavedPlan | None]:
    """Return the text of a file of volumes, and the saved plan if the file is one."""
    text = _read_file_text(file, wait)
    # A saved plan begins with a brace, TOML never does.
    if not text.lstrip().startswith("{"):
        return text, None
    saved = read_saved(text, display_name(file), or_volumes=True)
    return saved.text, saved


def _read_file_text(file: str, wait: float) -> str:
    return decode_file(read_input_file(file, largest=_MAX_BYTES, wait=wait), display_name(file))


def _make_spec(settings: Settings, volume: Volume, place: str) -> AttachSpec:
    """Return the spec of a volume, completed with what only this host knows: secrets and user ids.

    `place` is the position of its owner in the file, for errors.
    """
    values: dict[str, Any] = {"uuid": new_uuid()}
    chap, mutual = volume.chap, volume.mutual
    if chap is not None and chap.secret_file is not None:
        whose = f"volume {volume.name}"
        theirs = mutual.secret_file if mutual is not None else None
        own, other = (
            read_secret(settings, file, prompt=False, whose=f"{whose}: {key}", relative=False)
            for key, file in (("chap", chap.secret_file), ("mutual", theirs))
        )
        try:
            user = mutual.user if mutual is not None else None
            values["account"] = account(chap.user, own, user, other)
        except UsageError as error:
            raise UsageError(f"{whose}: {error.text}", hint=error.hint) from None
    if volume.owner is not None:
        values["uid"], values["gid"] = owner_ids(volume.owner, f"{place}: owner")
    return replace(volume.spec, **values)
