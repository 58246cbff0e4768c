"""The completion for fish."""

from collections.abc import Iterable, Iterator
from typing import Final

from iscsictl.cli.completions.tree import Node, Option

_HEAD: Final = r"""# Made by `iscsictl completion fish` from its commands; do not edit.

function __iscsictl_root
    string trim --right --chars=/ -- "$ISCSICTL_ROOT"
end

function __iscsictl_target
    set -l root (__iscsictl_root)
    for path in $root/etc/iscsi/nodes/* $root/var/lib/iscsi/nodes/*
        string replace --regex '.*/' '' -- $path
    end
    for path in $root/sys/class/iscsi_session/*/targetname
        read -l name <$path 2>/dev/null; and echo $name
    end
end

function __iscsictl_portal
    set -l root (__iscsictl_root)
    for path in $root/etc/iscsi/nodes/*/* $root/var/lib/iscsi/nodes/*/* \
        $root/etc/iscsi/send_targets/* $root/var/lib/iscsi/send_targets/*
        set -l name (string replace --regex '.*/' '' -- $path)
        set -l parts (string split , -- $name)
        test (count $parts) -ge 2; or continue
        string match --quiet '*:*' -- $parts[1]; and set parts[1] "[$parts[1]]"
        echo $parts[1]:$parts[2]
    end
end

function __iscsictl_iface
    set -l root (__iscsictl_root)
    for path in $root/etc/iscsi/ifaces/* $root/var/lib/iscsi/ifaces/*
        string replace --regex '.*/' '' -- $path | string match --invert iface.example
    end
end

function __iscsictl_device
    set -l root (__iscsictl_root)
    for path in $root/sys/class/iscsi_session/session*/device/target*/*/block/*
        for part in $path $path/(string replace --regex '.*/' '' -- $path)*
            string replace --regex '.*/' /dev/ -- $part
        end
    end
    for path in $root/dev/disk/by-path/*-iscsi-* $root/dev/mapper/mpath*
        string replace -- "$root" '' $path
    end
end

# As fstab(5) and the kernel write them: a blank is \040, a backslash \134. A tab or a newline
# would part a candidate.
function __iscsictl_mount
    set -l root (__iscsictl_root)
    begin
        while read -l name path rest
            string match --quiet --regex '^/dev/|_netdev' -- "$name $rest"
            and echo $path
        end <$root/proc/self/mounts 2>/dev/null
        while read -l name path rest
            string match --quiet --regex '^[^#].*_netdev' -- "$name $rest"
            and echo $path
        end <$root/etc/fstab 2>/dev/null
    end | string match --regex '^/.*' | string match --invert --regex '\\\\01[12]' |
        string replace --all '\\040' ' ' | string replace --all '\\043' '#' |
        string replace --all '\\134' '\\'
end

# An absolute one, where nothing that is given fits: another is no mount point.
function __iscsictl_dir
    set -l token (commandline --current-token --cut-at-cursor)
    set -l word (string replace --regex '^--[^=]*=' '' -- "$token")
    set -l begun (string escape --style=regex -- (string unescape -- "$word"))
    string match --quiet --regex "^$begun" -- $argv; and return
    switch "$word"
        case ''
            echo /
        case '/*' '~*'
            __fish_complete_directories $word
    end
end

# Prints the names of all these kinds that are on this machine now.
function __iscsictl_live
    set -l found
    for kind in $argv
        set -a found (__iscsictl_$kind $found)
    end
    set -q found[1]; and printf '%s\n' $found
end

# Prints the commands on the line so far, and the number of arguments after them.
function __iscsictl_words
    set -l at ''
    set -l place 0
    set -l skip 0
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    for word in $words[2..]
        if test $skip = 1
            set skip 0
        else if string match --quiet -- '--*=*' $word
            continue
        else if string match --quiet -- '-*' $word
            contains -- "$at|$word" $__iscsictl_takes; and set skip 1
        else if contains -- (string trim -- "$at $word") $__iscsictl_paths
            set at (string trim -- "$at $word")
        else
            set place (math $place + 1)
        end
    end
    echo $at
    echo $place
end

# True on the command path $1, with $2 arguments so far where that is given (3+ is 3 or more).
function __iscsictl_at
    set -l now (__iscsictl_words)
    test "$now[1]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; and return 0
    if string match --quiet '*+' -- $argv[2]
        test $now[2] -ge (string trim --right --chars=+ -- $argv[2])
    else
        test $now[2] = $argv[2]
    end
end

"""


def render(nodes: Iterable[Node]) -> str:
    """Return the whole file.

    It has a `complete` line for each option of each command; the words before the cursor decide
    which of them apply.
    """
    known = list(nodes)
    lines = ["complete -c iscsictl -f"]
    takes = [
        f"'{node.path}|{name}'"
        for node in known
        for option in node.options
        if option.values is not None
        for name in option.names
    ]
    paths = [f"'{node.path}'" for node in known if node.path]
    for node in known:
        lines += _commands(node)
        for option in node.options:
            lines.append(_option(node, option))
        lines += _arguments(node)
    tables = _table("__iscsictl_paths", paths) + _table("__iscsictl_takes", takes)
    return _HEAD + tables + "\n".join(lines) + "\n"


def _table(name: str, values: list[str]) -> str:
    return f"set -g {name} " + " \\\n    ".join(values) + "\n\n" if values else f"set -g {name}\n\n"


def _commands(node: Node) -> Iterator[str]:
    for name, text in node.commands:
        where = f"-n \"__iscsictl_at '{node.path}'\""
        yield f"complete -c iscsictl {where} -a {name} -d {_quoted(text)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _option(node: Node, option: Option) -> str:
    words = [f"complete -c iscsictl -n \"__iscsictl_at '{node.path}'\""]
    for name in option.names:
        if name.startswith("--"):
            words.append(f"-l {name[2:]}")
        elif len(name) == 2:
            words.append(f"-s {name[1:]}")
        else:
            words.append(f"-o {name[1:]}")
    if option.values is not None:
        words.append(_fill(option.values, required=True))
    if option.help:
        words.append(f"-d {_quoted(option.help)}")
    return " ".join(words)


def _fill(values: tuple[str, ...], *, required: bool) -> str:
    words = [value[1:] for value in values if value.startswith("@")]
    kinds = [value for value in values if not value.startswith("@") and value != "file"]
    if kinds:
        words.append(f"(__iscsictl_live {' '.join(kinds)})")
    if "file" in values:
        flags = ["-r", "-F"] if required else ["-F"]
    else:
        flags = ["-x"] if required else []
    return " ".join([*flags, f"-a '{' '.join(words)}'"] if words else flags)


def _arguments(node: Node) -> Iterator[str]:
    for place, kinds in enumerate(node.arguments):
        if not kinds:
            continue
        last = place == len(node.arguments) - 1
        where = f"{place}+" if last and node.repeats else str(place)
        filled = _fill(kinds, required=False)
        yield f"complete -c iscsictl -n \"__iscsictl_at '{node.path}' {where}\" {filled}"
