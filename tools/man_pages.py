"""Write the man pages out of the command tree: `python -m tools.man_pages [DIRECTORY]`.

A page for iscsictl and one for each command or family of commands, in man(7)'s language.
Only what the tree itself says is used, nothing that Click formats: its versions differ.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from iscsictl import __version__
from iscsictl.cli.examples import EXAMPLES
from iscsictl.cli.help import COMMON, group_options
from iscsictl.cli.main import SECTIONS, cli
from iscsictl.errors import Exit
from iscsictl.errors.codes import table

NAME: Final = "iscsictl"
EXIT_TEXTS: Final[Mapping[Exit, str]] = {
    cause.exit: cause.meaning for cause in table("iscsictl").values()
}
FILES: Final[Mapping[str, str]] = {
    "/etc/iscsi/nodes, /var/lib/iscsi/nodes":
        "The node records of open-iscsi with their CHAP accounts, mode 0600; the distribution "
        "decides which of the two directories is used. The accounts for discovery are beside them, "
        "in send_targets.",
    "/etc/iscsi/iscsid.conf":
        "The defaults of new records; mode 0600 once it contains a default CHAP account.",
    "/etc/iscsi/initiatorname.iscsi": "The initiator name of this host.",
    "/etc/fstab":
        "The mounts. Entries written by iscsictl have x-iscsictl options; all other lines are kept "
        "byte for byte.",
    "/etc/udev/rules.d/62-iscsictl.rules":
        "Ties each of these entries to its own disk; exists as long as there is such an entry.",
    "/etc/multipath/conf.d/iscsictl.conf":
        "The settings of the multipath maps that attach has made.",
    "/etc/systemd/system/iscsictl-reserve@.service":
        "Reserves the LUN before an exclusive volume is mounted; exists as long as there is one.",
    "/etc/systemd/system/iscsictl-reconnect.service, "
    "/etc/systemd/system/iscsictl-reconnect.timer, /etc/cron.d/iscsictl":
        "Written by schedule install: a service and its timer, or with --cron a cron file.",
    "/etc/systemd/system/iscsictl-reconnect.timer.d/schedule.conf, "
    "/etc/systemd/system/iscsictl-reconnect.service.d/schedule.conf":
        "Written by schedule install if the service and the timer belong to a package: the period "
        "and the options.",
    "/etc/systemd/system/iscsictl-reconnect.service.d/prune.conf":
        "Written by schedule install --prune.",
    "/etc/systemd/system/UNIT.d/50-iscsictl-*.conf":
        "Written by --required-by: the unit waits for the mount.",
    "/run/iscsictl": "The lock and the holds; a reboot removes them.",
}  # fmt: skip
ENVIRONMENT: Final[Mapping[str, str]] = {
    "NO_COLOR": "If it is set and not empty, there are no colours.",
    "TERM": "With dumb or unknown, or without it, there are no colours, and watch prints lines.",
    "COLUMNS": "The width to use instead of that of the terminal.",
    "PAGER": "The program that shows a help page that does not fit on the terminal [less].",
    "CREDENTIALS_DIRECTORY":
        "Where systemd puts credentials: a secret file named without a slash is looked for there.",
    "ISCSICTL_ROOT":
        "The directory to read as if it were /; for tests, and for saved files of another host.",
}  # fmt: skip
#: What STATUS says of a session.
SESSION_WORDS: Final[Mapping[str, str]] = {
    "up": "Logged in and connected.",
    "recovering": "The connection is lost, and iscsid is trying to restore it; writes wait.",
    "down": "The connection is lost, and iscsid is not trying to restore it.",
    "unknown": "The source, such as a saved output, does not tell.",
}
#: What the first word of a line says of a step.
STEP_WORDS: Final[Mapping[str, str]] = {
    "planned": "It will be done.",
    "forecast": "It will probably be done: that is decided when a login or a scan has shown more.",
    "done": "It was done in this run.",
    "unchanged": "Nothing had to be done: the machine was in that state already.",
    "skipped": "It was not tried, because a step that it needs failed.",
    "refused": "It must not be done; the error says why.",
    "failed": "It was tried and failed.",
    "undone": "It was done and then rolled back, because a later step failed.",
}
VOLUMES: Final = Path(__file__).parents[1] / "docs/volumes.md"
SEE_ALSO: Final = "iscsiadm(8), iscsid(8), fstab(5), systemd.mount(5)"


@dataclass(frozen=True)
class Leaf:
    """A command that does something: `path` is all that is typed before its options."""

    path: str
    command: click.Command
    parameters: tuple[click.Parameter, ...]


def escape(text: str) -> str:
    """Return text that man prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for char, name in (("'", "aq"), ("`", "ga"), ("^", "ha"), ("~", "ti")):
        text = text.replace(char, f"\\({name}")
    return re.sub(r"^\.", "\\\\&.", text, flags=re.MULTILINE)


def leaves(command: click.Command, path: str, context: click.Context) -> Iterator[Leaf]:
    """Walk over what can be called, in the order of the tree."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                inner = click.Context(found, info_name=name, parent=context)
                yield from leaves(found, f"{path} {name}", inner)
    else:
        shown = (p for p in command.get_params(context) if not getattr(p, "hidden", False))
        yield Leaf(path, command, tuple(shown))


def value_of(parameter: click.Parameter) -> str:
    """Return what stands for a parameter's value; '' where it takes none."""
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return ""
    if parameter.metavar is not None:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return "|".join(str(choice) for choice in parameter.type.choices)
    if isinstance(parameter, click.Argument):
        return (parameter.name or "").upper()
    if isinstance(parameter.type, click.IntRange) or parameter.type is click.INT:
        return "N"
    return parameter.type.name.upper()


def option_names(option: click.Option) -> tuple[str, ...]:
    """Return the names, short ones first: Click's order differs between its versions."""
    return tuple(sorted((*option.opts, *option.secondary_opts), key=lambda n: (n[:2] == "--", n)))


def synopsis(leaf: Leaf) -> str:
    """Return the line that shows how a command is called."""
    words = [f".B {escape(leaf.path)}", "[\\fIOPTIONS\\fR]"]
    for one in leaf.parameters:
        if isinstance(one, click.Option) and one.required:
            value = escape(value_of(one))
            words.append(f"\\fB{escape(option_names(one)[-1])}\\fR \\fI{value}\\fR")
    for one in leaf.parameters:
        if isinstance(one, click.Argument):
            name = f"\\fI{escape(value_of(one))}\\fR" + ("..." if one.nargs == -1 else "")
            words.append(name if one.required else f"[{name}]")
    return words[0] + "\n" + " ".join(words[1:]) + "\n"


def prose(text: str | None) -> str:
    r"""Return a docstring as paragraphs; one that begins with \b keeps its lines."""
    parts = inspect.cleandoc(text or "").partition("\f")[0].strip().split("\n\n")
    made = []
    for part in parts:
        if part.startswith("\b"):
            lines = part.removeprefix("\b").strip("\n")
            made.append(f".nf\n{escape(lines)}\n.fi\n")
        else:
            made.append(escape(" ".join(part.split())) + "\n")
    return ".PP\n".join(made)


def option_entry(option: click.Option) -> str:
    """Return an option with its value and help."""
    value = value_of(option)
    names = ", ".join(f"\\fB{escape(name)}\\fR" for name in option_names(option))
    shown = f"{names} \\fI{escape(value)}\\fR" if value else names
    text = " ".join((option.help or "").split())
    if option.multiple and "several" not in text.lower():
        text += " May be given several times."
    return f".TP\n{shown}\n{escape(text)}\n"


def examples(paths: Iterable[str]) -> str:
    """Return the section of examples of these commands, each with what it does.

    Raises KeyError for a command without: iscsictl/cli/examples.py has to have some.
    """
    rows = dict.fromkeys(row for path in paths for row in EXAMPLES[path])
    return ".SH EXAMPLES\n" + definitions((f"{NAME} {line}", text) for line, text in rows)


def options_of(leaf: Leaf) -> tuple[list[click.Option], list[click.Option]]:
    """Return a command's own options, and those that every command has."""
    options = [p for p in leaf.parameters if isinstance(p, click.Option)]
    own = [o for o in options if not set(o.opts) & set(COMMON)]
    shared = [o for o in options if set(o.opts) & set(COMMON)]
    shared.sort(key=lambda o: min(COMMON.index(name) for name in o.opts if name in COMMON))
    return own, shared


def definitions(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms and what they mean."""
    return "".join(f".TP\n\\fB{escape(term)}\\fR\n{escape(text)}\n" for term, text in rows)


def head(name: str, line: str, section: int = 1) -> str:
    """Return the top of a page of a section of the manual, down to its NAME."""
    title = f'.TH {name.upper()} {section} "" "{NAME} {__version__}" "{NAME}"\n'
    title = title.replace("-", "\\-")
    return f"{title}.SH NAME\n{escape(name)} \\- {escape(line.rstrip('.'))}\n"


def tail(others: Sequence[str]) -> str:
    """Return the sections that end every page."""
    codes = definitions((str(int(code)), text) for code, text in EXIT_TEXTS.items())
    pages = ", ".join([*(f"{name}(1)" for name in others), SEE_ALSO])
    return (
        f".SH EXIT STATUS\n{codes}.SH FILES\n{definitions(FILES.items())}"
        f".SH SEE ALSO\n{escape(pages)}\n"
    )


def page(name: str, command: click.Command, context: click.Context) -> str:
    """Return the page of a command, or of a family of commands."""
    found = list(leaves(command, f"{NAME} {name}", context))
    line = " ".join(command.get_short_help_str(200).split())
    parts = [head(f"{NAME}-{name}", line), ".SH SYNOPSIS\n"]
    parts.append(".br\n".join(synopsis(leaf) for leaf in found))
    parts.append(examples([name, *(leaf.path.removeprefix(f"{NAME} ") for leaf in found)]))
    parts.append(f".SH DESCRIPTION\n{prose(command.help)}")
    shared: dict[tuple[str, ...], list[click.Option]] = {}
    if isinstance(command, click.Group):
        parts.append(".SH COMMANDS\n")
    for leaf in found:
        own, common = options_of(leaf)
        for option in common:
            shared.setdefault(option_names(option), []).append(option)
        if isinstance(command, click.Group):
            parts.append(f".SS {escape(leaf.path)}\n{prose(leaf.command.help)}")
        elif own:
            parts.append(".SH OPTIONS\n")
        groups = group_options(own)
        for title, some in groups.items():
            if len(groups) > 1 and not isinstance(command, click.Group):
                parts.append(f".SS {escape(title)}\n")
            parts += [option_entry(option) for option in some]
    parts.append(".SH COMMON OPTIONS\n")
    defaults = sorted(shared.values(), key=lambda options: COMMON.index(_known(options[0])))
    parts += [option_entry(max(options, key=lambda o: len(value_of(o)))) for options in defaults]
    parts.append(tail([NAME]))
    return "".join(parts)


def _known(option: click.Option) -> str:
    return next(name for name in option.opts if name in COMMON)


def top(root: click.Group, context: click.Context, sections: Mapping[str, Sequence[str]]) -> str:
    """Return the page of iscsictl itself; `sections` has the commands under their titles."""
    parts = [head(NAME, inspect.cleandoc(root.help or "").split("\n\n")[0])]
    parts.append(
        f".SH SYNOPSIS\n.B {NAME}\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
    )
    parts.append(examples([""]))
    parts.append(f".SH DESCRIPTION\n{prose(root.help)}.SH COMMANDS\n")
    for title, names in sections.items():
        parts.append(f".SS {escape(title)}\n")
        for name in names:
            found = root.get_command(context, name)
            if found is not None:
                line = " ".join(found.get_short_help_str(200).split())
                parts.append(definitions([(f"{NAME}-{name}(1)", line)]))
    parts.append(f".SH WORDS OF STATUS\n{definitions(SESSION_WORDS.items())}")
    parts.append(f".SH WORDS OF STEPS\n{definitions(STEP_WORDS.items())}")
    parts.append(f".SH ENVIRONMENT\n{definitions(ENVIRONMENT.items())}")
    parts.append(tail([f"{NAME}-{name}" for names in sections.values() for name in names]))
    return "".join(parts)


def volumes_page(text: str) -> str:
    """Return the page of the file of volumes, given the text of docs/volumes.md."""
    example = text.partition("```toml\n")[2].partition("```")[0]
    keys = re.findall(r"^\| `([^|]+)` \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    warnings = re.findall(r"^\*\*(?:No key|Secrets).*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    rows = ((key, f"{_plain(kind)}: {_plain(meaning)}.") for key, kind, meaning in keys)
    return (
        head(f"{NAME}-volumes", "file of volumes for apply and plan", section=5)
        + f".SH EXAMPLES\n.nf\n{escape(example)}.fi\n"
        + ".SH DESCRIPTION\nA file in TOML (https://toml.io) with a [[volume]] for each volume. "
        "Its keys mean the same as the options of attach with the same names.\n"
        + f".SH KEYS\n{definitions(rows)}.SH SAFETY\n"
        + ".PP\n".join(escape(_plain(one)) + "\n" for one in warnings)
        + f".SH SEE ALSO\n{escape(f'{NAME}-apply(1), {NAME}-plan(1), {NAME}-export(1)')}\n"
    )


def _plain(markdown: str) -> str:
    """Return Markdown as text: without marks, links by their words."""
    text = re.sub(r" ?\(?\[[^]]*\]\([^)]*\)\)?", "", markdown)
    return " ".join(text.replace("*", "").replace("`", "").split())


def pages(root: click.Group, sections: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return all pages by file name."""
    context = click.Context(root, info_name=NAME, **root.context_settings)
    made = {f"{NAME}.1": top(root, context, sections)}
    for name in (name for names in sections.values() for name in names):
        command = root.get_command(context, name)
        if command is not None:
            inner = click.Context(command, info_name=name, parent=context)
            made[f"{NAME}-{name}.1"] = page(name, command, inner)
    return made


def main() -> None:
    """Write all pages into a directory, by default docs/man, and remove those of no command."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/man")
    directory.mkdir(parents=True, exist_ok=True)
    made = pages(cli, {title: list(commands) for title, commands in SECTIONS.items()})
    made[f"{NAME}-volumes.5"] = volumes_page(VOLUMES.read_text(encoding="utf-8"))
    for old in set(directory.glob(f"{NAME}*.[15]")):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
