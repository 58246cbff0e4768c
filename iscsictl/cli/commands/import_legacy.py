"""`import`: import the files of the old driver (sfnet, kernels 2.4 and 2.6)."""

import json
from pathlib import Path

import click

from iscsictl.cli.help import command
from iscsictl.cli.input_file import read_input_file
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    print_error,
    print_message,
    require_root,
)
from iscsictl.engine.runtime import check_interrupt, host_changes, open_context
from iscsictl.errors import Exit, IscsictlError, UsageError
from iscsictl.legacy import planner as core
from iscsictl.legacy.iscsi_conf import KEYWORDS
from iscsictl.legacy.output import as_json
from iscsictl.legacy.planner import ImportPlan
from iscsictl.legacy.writer import MachineWriter
from iscsictl.observers.host import name_facts

LARGEST = 8 * 1024 * 1024


@command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--bindings",
    metavar="FILE",
    help="For fstab.iscsi: the sfnet driver's list of targets [/var/lib/iscsi/bindings].",
)
@changing
@common
def import_(settings: Settings, file: str, bindings: str | None) -> int:
    r"""Take over iscsi.conf, initiatorname.iscsi or fstab.iscsi of the old driver.

    The kind of FILE (- is stdin) is told by its name and its content. What means nothing today
    is warned about with its line. Look first with -n: nothing is changed then, and the exit
    code is 10 where there is something to do.

    \b
    iscsictl import /mnt/old/etc/iscsi.conf -n
    iscsictl import fstab.iscsi --bindings bindings -n -o json
    """
    text = _read_old_file(file, settings.wait)
    kind = core.recognise(Path(file).name, text)
    listed = bindings or str(settings.root / "var/lib/iscsi/bindings")
    bound = ""
    if kind == "fstab.iscsi" and (bindings is not None or Path(listed).is_file()):
        bound = _read_old_file(listed, settings.wait)
    plan = core.plan_import(kind, text, bound)
    if plan.empty:
        _require_understood(plan, text, file)
    nothing = core.still_to_do(plan, _current_name(settings, kind)).empty
    if settings.output == "json" and (settings.dry_run or nothing):
        click.echo(json.dumps(as_json(plan), indent=1))
    for warning in plan.warnings:
        if warning.level == "error" or not settings.quiet:
            where = file if warning.source == "file" else listed
            click.echo(
                _make_printable(f"{where}:{warning.line}: {warning.level}: {warning.text}"),
                err=True,
            )
    if nothing:
        if not settings.quiet:
            why = "nothing to import" if plan.empty else "this host already has that name"
            click.echo(f"{file}: {why}", err=True)
        return Exit.DONE
    if settings.dry_run:
        if settings.output == "tsv" or (settings.output == "table" and not settings.quiet):
            _print_plan(plan, settings)
        return Exit.PENDING
    return _write_import(settings, plan)


def _write_import(settings: Settings, plan: ImportPlan) -> int:
    require_root("import")

    def print_unless_quiet(text: str) -> None:
        if not settings.quiet:
            print_message(text)

    context = open_context(settings.wait, settings.root, print_unless_quiet)
    errors: list[IscsictlError] = []
    done = 0
    with host_changes(context):
        for outcome in core.execute_import(plan, MachineWriter(context)):
            check_interrupt()
            if isinstance(outcome, IscsictlError):
                errors.append(outcome)
                print_error(outcome.text, outcome.hint, outcome.exit)
                continue
            done += 1
            if not settings.quiet and settings.output != "json":
                click.echo(_make_printable(outcome))
    if settings.output == "json":
        click.echo(json.dumps(as_json(plan), indent=1))
    if errors:
        return Exit.PARTIAL if done else errors[0].exit
    return Exit.DONE


def _read_old_file(name: str, wait: float) -> str:
    data = read_input_file(name, largest=LARGEST, wait=wait)
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _require_understood(plan: ImportPlan, text: str, file: str) -> None:
    """Raise UsageError if a file has lines, but none that the old driver understood."""
    lines = {n: line.strip() for n, line in enumerate(text.split("\n"), start=1)}
    content = {n: line for n, line in lines.items() if line and not line.startswith("#")}
    wrong = {w.line for w in plan.warnings if w.source == "file" and w.level == "error"}
    if content and not any(
        n not in wrong and _is_understood(plan.kind, line) for n, line in content.items()
    ):
        raise UsageError(
            f"{file}:{min(content)}: none of its lines is valid in {plan.kind}",
            hint="give iscsi.conf, initiatorname.iscsi or fstab.iscsi of the sfnet driver",
        )


def _is_understood(kind: core.Kind, line: str) -> bool:
    if kind == "fstab.iscsi":
        words = line.split()
        return len(words) >= 3 and words[1].startswith(("/", "none", "swap"))
    keyword, equals, _ = line.partition("=")
    keywords = KEYWORDS if kind == "iscsi.conf" else {"initiatorname", "initiatoralias"}
    return bool(equals) and keyword.strip().lower() in keywords


def _current_name(settings: Settings, kind: core.Kind) -> str | None:
    if kind != "initiatorname.iscsi":
        return None
    return name_facts(open_context(settings.wait, settings.root)).now.name


def _print_plan(plan: ImportPlan, settings: Settings) -> None:
    rows: list[tuple[str, str, str]] = []
    if plan.initiator is not None:
        rows.append(("initiator", plan.initiator, ""))
    for discovery in plan.discovery:
        subject = str(discovery.portal)
        rows += [
            ("discover", subject, f"{key} = {value}") for key, value in discovery.record.items()
        ]
        rows += [("node", subject, f"{key} = {value}") for key, value in discovery.node.items()]
        if not discovery.record:
            rows.append(("discover", subject, ""))
    for key, value in core.record_values(plan.config.defaults).items():
        if plan.discovery:
            rows.append(("node", "*", f"{key} = {value}"))
    for target in plan.config.targets:
        if target.name:
            values = core.record_values(target.settings)
            rows += [("node", target.name, f"{key} = {value}") for key, value in values.items()]
    for subnet in plan.config.subnets:
        values = core.subnet_values(subnet.settings)
        rows += [("node", subnet.network, f"{key} = {value}") for key, value in values.items()]
    for mount in plan.mounts:
        description = f"{mount.target} lun {mount.lun}" if mount.target else mount.source.spec
        if mount.part is not None:
            description += f" part {mount.part}"
        rows.append(("fstab", mount.source.directory, description))
    if settings.output == "tsv":
        lines = ["\t".join(row) for row in rows]
    else:
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    click.echo("\n".join(map(_make_printable, lines)))


def _make_printable(line: str) -> str:
    """Return a line that is safe for a terminal: unprintable characters become '?'."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)
