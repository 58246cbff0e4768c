"""The completion for fish."""

from collections.abc import Iterable, Iterator
from typing import Final

from iscsictl.completion.tree import Node, Option

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
    echo default
    for path in $root/etc/iscsi/ifaces/* $root/var/lib/iscsi/ifaces/*
        string replace --regex '.*/' '' -- $path | string match --invert iface.example
    end
end

function __iscsictl_sid
    set -l root (__iscsictl_root)
    for path in $root/sys/class/iscsi_session/session*
        string replace --regex '.*/session' '' -- $path
    end
end

function __iscsictl_device
    set -l root (__iscsictl_root)
    for path in $root/sys/class/iscsi_session/session*/device/target*/*/block/*
        string replace --regex '.*/' /dev/ -- $path
    end
    for path in $root/dev/disk/by-path/*-iscsi-* $root/dev/mapper/mpath*
        string replace -- "$root" '' $path
    end
end

function __iscsictl_mount
    set -l root (__iscsictl_root)
    while read -l name path rest
        string match --quiet --regex '^/dev/|_netdev' -- "$name $rest"
        and string unescape -- $path
    end <$root/proc/self/mounts 2>/dev/null
    while read -l name path rest
        string match --quiet --regex '^[^#].*_netdev' -- "$name $rest"
        and string unescape -- $path
    end <$root/etc/fstab 2>/dev/null
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
    """Write the whole file."""
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
    files = any(kind in {"file", "dir"} for kind in values)
    calls = [
        value[1:]
        if value.startswith("@")
        else "(__fish_complete_directories)"
        if value == "dir"
        else f"(__iscsictl_{value})"
        for value in values
        if value != "file"
    ]
    flag = ("-r -F" if "file" in values else "-x") if required else ("-F" if files else "")
    return " ".join(filter(None, [flag, f"-a '{' '.join(calls)}'" if calls else ""]))


def _arguments(node: Node) -> Iterator[str]:
    for place, kinds in enumerate(node.arguments):
        if not kinds:
            continue
        last = place == len(node.arguments) - 1
        where = f"{place}+" if last and node.repeats else str(place)
        filled = _fill(kinds, required=False)
        yield f"complete -c iscsictl -n \"__iscsictl_at '{node.path}' {where}\" {filled}"
