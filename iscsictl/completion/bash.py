"""The completion for bash: no process is started, not even a subshell."""

from collections.abc import Iterable
from typing import Final

from iscsictl.completion.tree import Node

_HEAD: Final = """\
# bash completion for iscsictl. Made from its commands by `iscsictl completion bash`; do not edit.
# Works with and without the bash-completion package.

"""

_BODY: Final = r"""
# Adds what begins with $cur and is not there yet.
_iscsictl_add() {
    local word
    for word; do
        [[ -n $word && $word == "$cur"* && -z ${seen[$word]-} ]] || continue
        seen[$word]=1
        COMPREPLY+=("$word")
    done
}

_iscsictl_portal() { # ADDRESS,PORT[,TPGT]
    local address=${1%%,*} port=${1#*,}
    port=${port%%,*}
    [[ $port == "$1" ]] && return
    [[ $address == *:* ]] && address="[$address]"
    _iscsictl_add "$address:$port"
}

_iscsictl_mount() { # as in fstab, blanks as \040; on the line they want a backslash
    local directory
    printf -v directory %b "$1"
    [[ $directory == *[[:blank:]]* ]] && printf -v directory %q "$directory"
    _iscsictl_add "$directory"
}

# Adds the names of one kind that are on this machine now.
_iscsictl_live() {
    local root=${ISCSICTL_ROOT-} path name rest
    root=${root%/}
    case $1 in
    target)
        for path in "$root"/{etc,var/lib}/iscsi/nodes/"$cur"*; do
            _iscsictl_add "${path##*/}"
        done
        for path in "$root"/sys/class/iscsi_session/*/targetname; do
            read -r name 2>/dev/null <"$path" && _iscsictl_add "$name"
        done
        ;;
    portal)
        for path in "$root"/{etc,var/lib}/iscsi/nodes/*/* \
            "$root"/{etc,var/lib}/iscsi/send_targets/*; do
            [[ -n $target && $path != */"$target"/* ]] || _iscsictl_portal "${path##*/}"
        done
        ;;
    iface)
        _iscsictl_add default
        for path in "$root"/{etc,var/lib}/iscsi/ifaces/*; do
            name=${path##*/}
            [[ $name == iface.example ]] || _iscsictl_add "$name"
        done
        ;;
    sid)
        for path in "$root"/sys/class/iscsi_session/session*; do
            _iscsictl_add "${path##*/session}"
        done
        ;;
    device)
        for path in "$root"/sys/class/iscsi_session/session*/device/target*/*/block/*; do
            _iscsictl_add "/dev/${path##*/}"
        done
        for path in "$root"/dev/disk/by-path/*-iscsi-* "$root"/dev/mapper/mpath*; do
            _iscsictl_add "${path#"$root"}"
        done
        ;;
    mount)
        while read -r name path rest; do
            [[ $name == /dev/* || $rest == *_netdev* ]] || continue
            _iscsictl_mount "$path"
        done 2>/dev/null <"$root/proc/self/mounts"
        while read -r name path rest; do
            [[ $name != '#'* && $rest == *_netdev* ]] || continue
            _iscsictl_mount "$path"
        done 2>/dev/null <"$root/etc/fstab"
        ;;
    file | dir)
        compopt -o filenames 2>/dev/null
        for path in "$cur"*; do
            [[ $1 == dir && ! -d $path ]] || _iscsictl_add "$path"
        done
        ;;
    esac
}

# Adds all that a list like `@gpt,@dos` or `target,dir` names.
_iscsictl_fill() {
    local kind IFS=,
    set -f
    set -- $1
    set +f
    IFS=$' \t\n'
    for kind; do
        if [[ $kind == @* ]]; then _iscsictl_add "${kind#@}"; else _iscsictl_live "$kind"; fi
    done
}

_iscsictl() {
    local cur word path='' value='' target='' only=0 place=0 at
    local subs opts vals args
    local -a line
    local -A seen=()
    COMPREPLY=()
    # The line is split at blanks only: COMP_WORDS breaks names at each colon.
    set -f
    line=(${COMP_LINE:0:COMP_POINT})
    set +f
    cur=''
    if [[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]]; then
        cur=${line[${#line[@]} - 1]}
        unset "line[${#line[@]}-1]"
    fi
    cur=${cur#[\"\']}
    local glob=0
    shopt -q nullglob && glob=1
    shopt -s nullglob
    _iscsictl_spec ''
    for ((at = 1; at < ${#line[@]}; at++)); do
        word=${line[at]}
        if [[ -n $value ]]; then
            [[ $value == target ]] && target=$word
            value=''
        elif ((only)); then
            ((place += 1))
        elif [[ $word == -- ]]; then
            only=1
        elif [[ $word == --*=* ]]; then
            [[ $word == --target=* ]] && target=${word#*=}
        elif [[ $word == -* ]]; then
            if [[ $vals == *" $word="* ]]; then
                value=${vals#*" $word="}
                value=${value%% *}
                value=${value:-none}
            fi
        elif [[ -n $subs && " $subs " == *" $word "* ]]; then
            path=${path:+$path }$word
            _iscsictl_spec "$path" || break
        else
            ((place += 1))
        fi
    done
    if [[ -n $value ]]; then
        _iscsictl_fill "$value"
    elif ((!only)) && [[ $cur == --*=* ]]; then
        word=${cur%%=*}
        cur=${cur#*=}
        if [[ $vals == *" $word="* ]]; then
            value=${vals#*" $word="}
            _iscsictl_fill "${value%% *}"
        fi
    elif ((!only)) && [[ $cur == -* ]]; then
        _iscsictl_add $opts
    elif [[ -n $subs ]]; then
        _iscsictl_add $subs
    else
        line=($args)
        if ((place < ${#line[@]})); then
            word=${line[place]}
        elif [[ -n $args && ${line[${#line[@]} - 1]} == *+ ]]; then
            word=${line[${#line[@]} - 1]}
        else
            word=''
        fi
        _iscsictl_fill "${word%+}"
    fi
    ((glob)) || shopt -u nullglob
    # Readline replaces only what follows the last break character: $2.
    local before=${cur%"$2"}
    if [[ -n $before ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}

complete -F _iscsictl iscsictl
"""


def render(nodes: Iterable[Node]) -> str:
    """Write the whole file."""
    lines = [_HEAD + spec_function(nodes)]
    return "".join(lines) + _BODY


def spec_function(nodes: Iterable[Node]) -> str:
    """Write the function that sets subs, opts, vals and args for a command's path."""
    lines = [
        "# For the command path $1: its commands, its options, what their values are, what its",
        "# arguments are. `@word` is a choice, another word a kind of live names, + repeats.",
        "_iscsictl_spec() {",
        "    case $1 in",
    ]
    for node in nodes:
        names = " ".join(name for option in node.options for name in option.names)
        values = " ".join(
            f"{name}={','.join(option.values)}"
            for option in node.options
            if option.values is not None
            for name in option.names
        )
        arguments = [",".join(kinds) or "none" for kinds in node.arguments]
        if arguments and node.repeats:
            arguments[-1] += "+"
        lines += [
            f"    '{node.path}')",
            f"        subs='{' '.join(name for name, _ in node.commands)}'",
            f"        opts='{names}'",
            f"        vals=' {values} '",
            f"        args='{' '.join(arguments)}'",
            "        ;;",
        ]
    lines += ["    *) return 1 ;;", "    esac", "}"]
    return "\n".join(lines) + "\n"
