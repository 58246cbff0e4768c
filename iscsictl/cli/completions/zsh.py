"""The completion for zsh, where words are not split at colons. It starts no process either."""

from collections.abc import Iterable
from typing import Final

from iscsictl.cli.completions.bash import spec_function
from iscsictl.cli.completions.tree import Node

_HEAD: Final = """\
#compdef iscsictl
# zsh completion for iscsictl. Made from its commands by `iscsictl completion zsh`; do not edit.

"""

_BODY: Final = r"""
# Adds a mount point as fstab(5) and the kernel write it: a blank as \040, a backslash as \134.
_iscsictl_mount() {
    local directory=$1 backslash='\'
    [[ $directory == /* ]] || return
    directory=${directory//'\040'/ }
    directory=${directory//'\011'/$'\t'}
    directory=${directory//'\012'/$'\n'}
    directory=${directory//'\043'/'#'}
    found+=("${directory//'\134'/$backslash}")
}

# Offers the names of one kind that are on this machine now.
_iscsictl_live() {
    local root=${${ISCSICTL_ROOT-}%/} entry name rest address port
    local -aU found
    case $1 in
    target)
        for entry in $root/{etc,var/lib}/iscsi/nodes/*(/N); do found+=(${entry:t}); done
        for entry in $root/sys/class/iscsi_session/*/targetname(N); do
            { read -r name <$entry } 2>/dev/null && found+=($name)
        done
        ;;
    portal)
        for entry in $root/{etc,var/lib}/iscsi/nodes/*/*(N) \
            $root/{etc,var/lib}/iscsi/send_targets/*(N); do
            name=${entry:t}
            [[ $name == *,* && ( -z $target || $entry == */$target/* ) ]] || continue
            address=${name%%,*} port=${${name#*,}%%,*}
            [[ $address == *:* ]] && address="[$address]"
            found+=("$address:$port")
        done
        ;;
    iface)
        for entry in $root/{etc,var/lib}/iscsi/ifaces/*(N); do found+=(${entry:t}); done
        found=(${found:#iface.example})
        ;;
    device)
        for entry in $root/sys/class/iscsi_session/session*/device/target*/*/block/*(N); do
            for name in $entry $entry/${entry:t}*(N); do found+=(/dev/${name:t}); done
        done
        for entry in $root/dev/disk/by-path/*-iscsi-*(N) $root/dev/mapper/mpath*(N); do
            found+=(${entry#$root})
        done
        ;;
    mount)
        while read -r name entry rest; do
            [[ $name == /dev/* || $rest == *_netdev* ]] && _iscsictl_mount "$entry"
        done 2>/dev/null <$root/proc/self/mounts
        while read -r name entry rest; do
            [[ $name != '#'* && $rest == *_netdev* ]] && _iscsictl_mount "$entry"
        done 2>/dev/null <$root/etc/fstab
        ;;
    file) _files; return ;;
    dir) # An absolute one, where nothing else fits: another is no mount point.
        if ((compstate[nmatches])); then
            return
        elif [[ $PREFIX == [/~]* ]]; then
            _files -/
        elif [[ -z $PREFIX ]]; then
            compadd -S '' /
        fi
        return
        ;;
    esac
    compadd -a found
}

# Offers all that a list like `@gpt:@dos` or `target:dir` names.
_iscsictl_fill() {
    local kind
    for kind in ${(s.:.)1}; do
        if [[ $kind == @*= ]]; then compadd -S '' -- ${kind#@}
        elif [[ $kind == @* ]]; then compadd -- ${kind#@}
        else _iscsictl_live $kind; fi
    done
}

_iscsictl() {
    local cmdpath='' value='' target='' word subs opts vals args
    local -i only=0 place=0 at
    local -a list helps
    _iscsictl_spec ''
    for ((at = 2; at < CURRENT; at++)); do
        word=${(Q)words[at]}
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
            cmdpath=${cmdpath:+$cmdpath }$word
            _iscsictl_spec "$cmdpath" || return
        else
            ((place += 1))
        fi
    done
    word=$PREFIX
    if [[ -n $value ]]; then
        _iscsictl_fill $value
    elif ((!only)) && [[ $word == --*=* ]]; then
        word=${word%%=*}
        compset -P '*='
        if [[ $vals == *" $word="* ]]; then
            value=${vals#*" $word="}
            _iscsictl_fill ${value%% *}
        fi
    elif ((!only)) && [[ $word == -* ]]; then
        compadd -- ${=opts}
    elif [[ -n $subs ]]; then
        _iscsictl_helps "$cmdpath"
        _describe -t commands command helps
    else
        list=(${=args})
        if ((place < $#list)); then
            word=$list[place+1]
        elif [[ $list[-1] == *+ ]]; then
            word=$list[-1]
        else
            word=''
        fi
        _iscsictl_fill ${word%+}
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _iscsictl "$@"
else
    compdef _iscsictl iscsictl
fi
"""


def render(nodes: Iterable[Node]) -> str:
    """Return the whole file.

    It works both as a function that compinit loads from fpath and as a script that is sourced.
    """
    known = list(nodes)
    return _HEAD + spec_function(known) + _helps(known) + _BODY


def _helps(nodes: Iterable[Node]) -> str:
    lines = ["", "# The commands below the path $1 with their help.", "_iscsictl_helps() {",
             "    case $1 in"]  # fmt: skip
    for node in nodes:
        if node.commands:
            lines += [f"    '{node.path}')", "        helps=("]
            lines += [f"            {_quoted(f'{name}:{text}')}" for name, text in node.commands]
            lines += ["        )", "        ;;"]
    lines += ["    esac", "}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
