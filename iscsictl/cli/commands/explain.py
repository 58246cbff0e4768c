"""`explain`: what an error code or a pasted message means, and what to do."""

import json
import re
import shutil
import sys
import textwrap

import click

from iscsictl.cli.help import HelpPage, print_paged
from iscsictl.cli.input_file import read_input_file
from iscsictl.cli.options import Settings, common
from iscsictl.errors import lookup as core
from iscsictl.errors.codes import Cause, every
from iscsictl.limits import MAX_CAPTURE
from iscsictl.observers.pasted_text import plain_text

_TITLES = {
    "iscsiadm": "exit codes of iscsiadm",
    "kernel": "connection errors of the kernel",
    "login": "login status of the target (RFC 7143)",
    "scsi": "host bytes of failed SCSI commands (hostbyte=...)",
    "iscsictl": "exit codes of iscsictl",
}


class _PastedText(HelpPage):
    """A command whose arguments may be text that another program printed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the first word of `-bash: iscsiadm: command not found` as no option."""
        return super().parse_args(ctx, [re.sub(r"^-(?=\w+:(?!\S))", "", word) for word in args])


@click.command("explain", cls=_PastedText)
@click.argument("what", nargs=-1)
@common
def explain(settings: Settings, what: tuple[str, ...]) -> int:
    r"""Explain what an error means, its usual cause and what to do.

    WHAT is a code of iscsiadm or iscsictl (24), of the kernel (1020), of a login (0x0201) or of a
    SCSI command (DID_NO_CONNECT), several of them, or the text of an error, one line or many;
    - reads the text from stdin. Without WHAT all codes are listed.

    """
    words = " ".join(what)
    if words == "-":
        words = plain_text(read_input_file("-", largest=MAX_CAPTURE, wait=settings.wait))
    elif len(what) == 1:
        words = plain_text(words)
    causes = core.explain(words) if what else every()
    if settings.output == "json":
        document = {"schema": "iscsictl.explain/1", "causes": [_cause_row(c) for c in causes]}
        click.echo(json.dumps(document, indent=1))
    elif settings.output == "tsv":
        for c in causes:
            click.echo(f"{c.kind}\t{c.shown}\t{c.name}\t{c.meaning}\t{c.usual_cause}\t{c.fix}")
    elif what:
        click.echo("\n\n".join(_format_cause(cause) for cause in causes))
    else:
        print_paged(_format_list(causes))
    return 0


def _cause_row(cause: Cause) -> dict[str, object]:
    return {
        "kind": cause.kind,
        "code": cause.code,
        "shown": cause.shown,
        "name": cause.name,
        "meaning": cause.meaning,
        "usual_cause": cause.usual_cause,
        "fix": cause.fix,
        "exit": int(cause.exit),
    }


def _text_width() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns)) if sys.stdout.isatty() else 100


def _format_cause(cause: Cause) -> str:
    width = _text_width()
    rows = [("meaning", cause.meaning)] if cause.shown else []
    rows += [
        ("usual cause", cause.usual_cause),
        ("what to do", cause.fix),
        ("iscsictl exits", str(int(cause.exit))),
    ]
    lines = [
        textwrap.fill(
            text,
            width,
            initial_indent=f"  {label:<15}",
            subsequent_indent=" " * 17,
            break_on_hyphens=False,
        )
        for label, text in rows
    ]
    title = f"{cause.kind} {cause.shown}: {cause.name}" if cause.shown else cause.meaning
    return "\n".join([title, *lines])


def _format_list(causes: tuple[Cause, ...]) -> str:
    lines: list[str] = []
    kind = ""
    for cause in causes:
        if cause.kind != kind:
            kind = cause.kind
            lines += ["", _TITLES[kind]] if lines else [_TITLES[kind]]
        lines.append(
            textwrap.fill(
                cause.meaning, _text_width(),
                initial_indent=f"  {cause.shown:>4}  ", subsequent_indent=" " * 8,
            )
        )  # fmt: skip
    return "\n".join(lines)
