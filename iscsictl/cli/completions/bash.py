"""The completion for bash: no process is started, not even a subshell."""

from collections.abc import Iterable
from typing import Final

from iscsictl.cli.completions.tree import Node

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

_iscsictl_mount() { # as fstab(5) and the kernel write it: a blank as \040, a backslash as \134
    local directory=$1 backslash='\'
    [[ $directory == /* ]] || return
    directory=${directory//'\040'/' '}
    directory=${directory//'\011'/$'\t'}
    directory=${directory//'\012'/$'\n'}
    directory=${directory//'\043'/'#'}
    directory=${directory//'\134'/"$backslash"}
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
        for path in "$root"/{etc,var/lib}/iscsi/ifaces/*; do
            name=${path##*/}
            [[ $name == iface.example ]] || _iscsictl_add "$name"
        done
        ;;
    device)
        for path in "$root"/sys/class/iscsi_session/session*/device/target*/*/block/*; do
            for name in "$path" "$path/${path##*/}"*; do
                _iscsictl_add "/dev/${name##*/}"
            done
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
    # Where nothing else fits readline looks for files itself: it knows ~ and quotes.
    file) compopt -o default 2>/dev/null ;;
    dir) # An absolute one: another is no mount point.
        if [[ $cur == [/~]* ]]; then
            compopt -o dirnames 2>/dev/null
        elif [[ -z $cur ]] && ((${#COMPREPLY[@]} == 0)); then
            COMPREPLY=(/)
            compopt -o nospace 2>/dev/null
        fi
        ;;
    esac
}

# Adds all that a list like `@gpt:@dos` or `target:dir` names, but looks for no target where
# a path was begun, nor the other way round.
_iscsictl_fill() {
    local kind rest=$1:
    # Not by word splitting: a key such as node.conn[0].address is a pattern for files, too.
    while [[ $rest ]]; do
        kind=${rest%%:*} rest=${rest#*:}
        if [[ $kind == @* ]]; then
            _iscsictl_add "${kind#@}"
        elif [[ $kind:$cur != target:/* && $kind:$cur != device:[!/]* &&
            $kind:$cur != mount:[!/]* ]]; then
            _iscsictl_live "$kind"
        fi
    done
}

# Parts $1 at blanks as the shell does: COMP_WORDS breaks names at each colon. Sets words,
# the last one being what TAB is for, and quote, which is open there.
_iscsictl_split() {
    local text=$1 char word='' at begun=0
    words=() quote=''
    for ((at = 0; at < ${#text}; at++)); do
        char=${text:at:1}
        if [[ -z $quote && $char == [[:blank:]] ]]; then
            ((begun)) && words+=("$word")
            word='' begun=0
            continue
        fi
        begun=1
        if [[ $char == "$quote" ]]; then
            quote=''
        elif [[ -z $quote && $char == [\"\'] ]]; then
            quote=$char
        elif [[ $quote != \' && $char == \\ ]]; then
            ((at += 1))
            word+=${text:at:1}
        else
            word+=$char
        fi
    done
    words+=("$word")
}

# Sets value to what the option $1 or the last of a cluster takes (none: anything), empty for
# a flag, and lead to all that stands before the value.
_iscsictl_option() {
    local name at=2
    value='' lead=''
    [[ $1 == --* ]] && at=${#1}
    for (( ; at <= ${#1}; at++)); do
        name=-${1:at-1:1} lead=${1:0:at}
        [[ $1 == --* ]] && name=${1%%=*} lead=$name${1:${#name}:1}
        [[ $vals == *" $name="* ]] || continue
        value=${vals#*" $name="}
        value=${value%% *}
        value=${value:-none}
        return
    done
}

# Writes what is left to type of each word as the quote that is open wants it.
_iscsictl_reply() {
    local at word
    for at in "${!COMPREPLY[@]}"; do
        word=$lead${COMPREPLY[at]}
        # Readline replaces only what follows the last break character.
        word=${word#"$1"}
        if [[ $quote == \' ]]; then
            word=${word//\'/"'\''"}
        elif [[ $quote == \" ]]; then
            word=${word//\\/"\\\\"}
            word=${word//\"/"\\\""}
            word=${word//\$/"\\\$"}
            word=${word//\`/"\\\`"}
        elif [[ $word == *[!][[:alnum:]._:/@%+=,-]* ]]; then
            printf -v word %q "$word"
        fi
        COMPREPLY[at]=$word
        [[ $word != *= ]] || compopt -o nospace 2>/dev/null
    done
}

_iscsictl() {
    local cur word path='' value='' lead='' target='' quote only=0 place=0 at
    local subs opts vals args typed=${COMP_LINE:0:COMP_POINT} shell=:$BASHOPTS:
    local IFS=$' \t\n'
    local -a line words
    local -A seen=()
    COMPREPLY=()
    _iscsictl_split "$typed"
    cur=${words[${#words[@]} - 1]}
    shopt -s nullglob
    shopt -u failglob
    _iscsictl_spec ''
    for ((at = 1; at < ${#words[@]} - 1; at++)); do
        word=${words[at]}
        if [[ -n $value ]]; then
            [[ $value == target ]] && target=$word
            value=''
        elif ((only)); then
            ((place += 1))
        elif [[ $word == -- ]]; then
            only=1
        elif [[ $word == -* ]]; then
            _iscsictl_option "$word"
            [[ $value && $word != "$lead" ]] || continue
            [[ $value == target ]] && target=${word#"$lead"}
            value=''
        elif [[ -n $subs && " $subs " == *" $word "* ]]; then
            path=${path:+$path }$word
            _iscsictl_spec "$path" || break
        else
            ((place += 1))
        fi
    done
    lead=''
    if [[ -n $value ]]; then
        _iscsictl_fill "$value"
    elif ((!only)) && [[ $cur == -* ]]; then
        _iscsictl_option "$cur"
        if [[ $value && $cur != "$lead" || $cur == --*= ]]; then
            cur=${cur#"$lead"}
            _iscsictl_fill "$value"
        else
            lead=''
            _iscsictl_add $opts
        fi
    elif [[ -n $subs ]]; then
        _iscsictl_add $subs
    else
        read -r -a line <<<"$args"
        if ((place < ${#line[@]})); then
            word=${line[place]}
        elif [[ -n $args && ${line[${#line[@]} - 1]} == *+ ]]; then
            word=${line[${#line[@]} - 1]}
        else
            word=''
        fi
        _iscsictl_fill "${word%+}"
    fi
    [[ $shell == *:nullglob:* ]] || shopt -u nullglob
    [[ $shell != *:failglob:* ]] || shopt -s failglob
    path=$quote
    _iscsictl_split "${typed%"$2"}"
    quote=$path
    _iscsictl_reply "${words[${#words[@]} - 1]}"
}

complete -F _iscsictl iscsictl
"""


def render(nodes: Iterable[Node]) -> str:
    """Return the whole file.

    The script splits the command line itself and reads names from files, so TAB starts neither
    Python nor a subshell.
    """
    lines = [_HEAD + spec_function(nodes)]
    return "".join(lines) + _BODY


def spec_function(nodes: Iterable[Node]) -> str:
    """Return the shell function that sets subs, opts, vals and args for the path of a command.

    It works in bash and in zsh. The comment in it says what the lists contain.
    """
    lines = [
        "# For the command path $1: its commands, its options, what their values are, what its",
        "# arguments are. `@word` is a choice, another word a kind of live names, + repeats.",
        "_iscsictl_spec() {",
        "    case $1 in",
    ]
    for node in nodes:
        names = " ".join(name for option in node.options for name in option.names)
        values = " ".join(
            f"{name}={':'.join(option.values)}"
            for option in node.options
            if option.values is not None
            for name in option.names
        )
        arguments = [":".join(kinds) or "none" for kinds in node.arguments]
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
