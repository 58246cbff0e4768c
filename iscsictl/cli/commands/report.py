"""`report`: one archive for a colleague, without secrets."""

from pathlib import Path

import click

from iscsictl.checks.examine import examine
from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common, output_file, print_message, require_root
from iscsictl.engine.runtime import open_context
from iscsictl.observers.doctor import observe_machine
from iscsictl.observers.report import write_report
from iscsictl.output.views import doctor as doctor_view


@command("report", short_help="Write one archive to share, without secrets.")
@click.argument("file", metavar="FILE", callback=output_file)
@click.option(
    "--no-names",
    "without_names",
    is_flag=True,
    help=("Replace names and addresses with placeholders."),
)
@common
def report(settings: Settings, file: str, without_names: bool) -> int:
    """Write records, configuration, logs and the state of sessions and disks to FILE (tar.gz).

    Secrets are struck out wherever they stand. Names and addresses are in it unless --no-names is
    given: look at the archive before it leaves your company. `iscsictl ls --from FILE` shows its
    sessions and disks, `iscsictl doctor --from FILE` what was found wrong.
    """
    # From a captured tree, whatever can be read is included.
    if settings.root == Path("/"):
        require_root("report")
    machine = observe_machine(open_context(settings.wait, settings.root))
    findings = doctor_view.as_json(examine(machine)).encode("utf-8", "backslashreplace")
    size = write_report(Path(file), findings, settings.root, without_names=without_names)
    if not settings.quiet:
        names = "names are replaced" if without_names else "names are not"
        print_message(f"{file}: {size} bytes; secrets are removed, {names}")
    return 0
