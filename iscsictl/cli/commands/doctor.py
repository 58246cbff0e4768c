"""`doctor`: check every layer, and say what is wrong and how to fix it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iscsictl.checks.examine import examine
from iscsictl.checks.ids import IDS, is_called
from iscsictl.cli.help import command
from iscsictl.cli.input_file import display_name, read_input_file
from iscsictl.cli.options import Settings, changing, common_with, require_root
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.doctor_fix import repairs
from iscsictl.engine.waits import waiting
from iscsictl.errors import Exit, UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.finding import Finding, Level, worst
from iscsictl.model.host_facts import Machine
from iscsictl.observers import doctor as observer
from iscsictl.output.terminal import screen_of
from iscsictl.output.views import doctor as doctor_view

if TYPE_CHECKING:
    from iscsictl.observers import report
else:
    # Only --from needs it.
    report = lazy_import("iscsictl.observers.report")


@command("doctor")
@click.option("--fix", is_flag=True, help="Repair what can be repaired safely.")
@click.option(
    "-a",
    "--all",
    "everything",
    is_flag=True,
    help=("Show all findings, including checks that passed."),
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="ID",
    help="Skip the check ID, or all whose ids begin with ID-; can be repeated.",
)  # fmt: skip
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Run only the check ID, or those whose ids begin with ID-; can be repeated.",
)
@click.option(
    "--from", "source", metavar="FILE|-|DIR",
    help="Show what was found on another host: an archive of iscsictl report, or a saved -J.",
)  # fmt: skip
@changing
@common_with("nagios", "prometheus")
def doctor(
    settings: Settings,
    fix: bool,
    source: str | None,
    everything: bool,
    ignored: tuple[str, ...],
    only: tuple[str, ...],
) -> int:
    """Check every layer from the kernel to the filesystem, and say how to fix what is wrong.

    Checking changes nothing; without root, what only root can read is skipped. The exit code is
    0 without a failure (warnings alone: 0) and 1 with one; with -o nagios it is that of a
    monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    --fix removes a stale lock and corrupt records, makes records readable by root only, enables
    the services needed at boot and reloads systemd. It restarts nothing and ends no session. See
    what it would do with --fix -n.
    """
    chosen = _filter_by_ids(only, ignored)
    if settings.dry_run and not fix:
        raise UsageError("-n requires --fix: checking changes nothing anyway")
    if source is not None:
        return _show_saved(settings, source, chosen, fix=fix, everything=everything)
    if not fix:
        return _report_on_host(settings, chosen, everything=everything)
    if settings.output in {"nagios", "prometheus"}:
        raise UsageError(f"-o {settings.output} cannot be used with --fix")
    require_root("doctor --fix")

    code = run_task(settings, repairs(chosen))
    if code or settings.dry_run:
        return code
    # Check again, including the network: what --fix could not repair decides the exit code.
    if settings.output == "table" and not settings.quiet:
        return _report_on_host(settings, chosen, everything=everything)
    return exit_code_of(_examine_host(settings, chosen)[1])


def _filter_by_ids(only: tuple[str, ...], ignored: tuple[str, ...]) -> Callable[[Finding], bool]:
    unknown = [n for n in (*only, *ignored) if not any(is_called(check, n) for check in IDS)]
    if unknown:
        raise UsageError(
            f"there is no check {unknown[0]}", hint="to list the ids: iscsictl doctor --all"
        )

    def matches_any(finding: Finding, names: tuple[str, ...]) -> bool:
        return any(is_called(finding.id, name) for name in names)

    return lambda finding: (
        (not only or matches_any(finding, only)) and not matches_any(finding, ignored)
    )


def _examine_host(
    settings: Settings, chosen: Callable[[Finding], bool]
) -> tuple[Machine, tuple[Finding, ...]]:
    with waiting("checking every layer of this host"):
        machine = observer.observe_machine(open_context(settings.wait, settings.root))
    return machine, tuple(filter(chosen, examine(machine)))


def exit_code_of(findings: tuple[Finding, ...]) -> int:
    """Return 1 if a check failed, else 0; warnings do not matter."""
    return Exit.ERROR if worst(findings) is Level.FAIL else Exit.DONE


def _show_saved(
    settings: Settings,
    source: str,
    chosen: Callable[[Finding], bool],
    *,
    fix: bool,
    everything: bool,
) -> int:
    if fix:
        raise UsageError("--fix repairs only this host; it cannot be used with --from")
    if settings.output in {"nagios", "prometheus"}:
        raise UsageError(
            f"-o {settings.output} reports on this host; it cannot be used with --from"
        )
    if source == "-":
        piped = read_input_file("-", largest=report.MAX_FINDINGS, wait=settings.wait)
        saved = report.findings_in(piped, display_name("-"))
    else:
        saved = report.reported_findings(Path(source), settings.wait)
    findings = tuple(filter(chosen, saved))
    show_findings(settings, findings, everything=everything)
    return exit_code_of(findings)


def _report_on_host(
    settings: Settings, chosen: Callable[[Finding], bool], *, everything: bool
) -> int:  # fmt: skip
    machine, findings = _examine_host(settings, chosen)
    screen = screen_of(sys.stdout, settings.color)
    code = int(exit_code_of(findings))
    if settings.output == "nagios":
        screen.write(doctor_view.nagios(findings) + "\n")
        code = doctor_view.NAGIOS_EXIT[doctor_view.nagios_level(findings)]
    elif settings.output == "prometheus":
        screen.write(doctor_view.prometheus(findings, machine.now) + "\n")
    else:
        show_findings(settings, findings, everything=everything)
    sys.stdout.flush()
    return code


def show_findings(settings: Settings, findings: tuple[Finding, ...], *, everything: bool) -> None:
    """Print findings in the format of the settings; with `everything`, also those that are ok."""
    screen = screen_of(sys.stdout, settings.color)
    if settings.output == "json":
        screen.write(doctor_view.as_json(findings) + "\n")
    elif settings.output == "tsv":
        doctor_view.show_tsv(findings, screen)
    elif not settings.quiet:
        doctor_view.show(findings, screen, everything=everything)
    sys.stdout.flush()
