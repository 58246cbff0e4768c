# Made by `iscsictl completion fish` from its commands; do not edit.

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

set -g __iscsictl_paths 'attach' \
    'detach' \
    'reconnect' \
    'ls' \
    'doctor' \
    'plan' \
    'apply' \
    'export' \
    'discover' \
    'nodes' \
    'nodes ls' \
    'nodes set' \
    'nodes show' \
    'login' \
    'logout' \
    'rescan' \
    'startup' \
    'forget' \
    'prune' \
    'take-over' \
    'hold' \
    'unhold' \
    'chap' \
    'chap check' \
    'chap clear' \
    'chap generate' \
    'chap set' \
    'chap show' \
    'schedule' \
    'schedule install' \
    'schedule remove' \
    'schedule status' \
    'watch' \
    'initiator' \
    'initiator generate' \
    'initiator set' \
    'initiator show' \
    'iface' \
    'iface add' \
    'iface ls' \
    'iface rm' \
    'iface set' \
    'iface show' \
    'boot' \
    'boot check' \
    'boot login' \
    'boot show' \
    'service' \
    'service enable' \
    'service start' \
    'service status' \
    'disk' \
    'disk grow' \
    'disk label' \
    'disk ls' \
    'disk mkfs' \
    'disk part' \
    'disk part add' \
    'disk part bootable' \
    'disk part rm' \
    'disk part type' \
    'disk part verify' \
    'disk show' \
    'mount' \
    'umount' \
    'fstab' \
    'fstab add' \
    'fstab check' \
    'fstab ls' \
    'fstab rm' \
    'import' \
    'completion' \
    'explain' \
    'report'

set -g __iscsictl_takes 'attach|-p' \
    'attach|--portal' \
    'attach|-T' \
    'attach|--target' \
    'attach|--lun' \
    'attach|-I' \
    'attach|--interface' \
    'attach|--multipath' \
    'attach|--chap-user' \
    'attach|--user' \
    'attach|--chap-secret-file' \
    'attach|--secret-file' \
    'attach|--mutual-user' \
    'attach|--mutual-secret-file' \
    'attach|--table' \
    'attach|--fs' \
    'attach|--fs-label' \
    'attach|--mount' \
    'attach|--options' \
    'attach|--owner' \
    'attach|--mode' \
    'attach|--required-by' \
    'attach|--wwid' \
    'attach|--confirm' \
    'attach|--set' \
    'attach|--verify-blank' \
    'attach|-o' \
    'attach|--output' \
    'attach|--timeout' \
    'detach|--lun' \
    'detach|--confirm' \
    'detach|-o' \
    'detach|--output' \
    'detach|--timeout' \
    'reconnect|-T' \
    'reconnect|--target' \
    'reconnect|--metrics' \
    'reconnect|-o' \
    'reconnect|--output' \
    'reconnect|--timeout' \
    'ls|-T' \
    'ls|--target' \
    'ls|-o' \
    'ls|--output' \
    'ls|--timeout' \
    'ls|--from' \
    'doctor|--ignore' \
    'doctor|--only' \
    'doctor|--from' \
    'doctor|-o' \
    'doctor|--output' \
    'doctor|--timeout' \
    'plan|--out' \
    'plan|--parallel' \
    'plan|-o' \
    'plan|--output' \
    'plan|--timeout' \
    'apply|--plan' \
    'apply|--parallel' \
    'apply|-o' \
    'apply|--output' \
    'apply|--timeout' \
    'export|-o' \
    'export|--output' \
    'export|--timeout' \
    'discover|-I' \
    'discover|--interface' \
    'discover|--chap-user' \
    'discover|--user' \
    'discover|--chap-secret-file' \
    'discover|--secret-file' \
    'discover|--mutual-user' \
    'discover|--mutual-secret-file' \
    'discover|-o' \
    'discover|--output' \
    'discover|--timeout' \
    'nodes ls|-T' \
    'nodes ls|--target' \
    'nodes ls|-o' \
    'nodes ls|--output' \
    'nodes ls|--timeout' \
    'nodes set|-T' \
    'nodes set|--target' \
    'nodes set|-p' \
    'nodes set|--portal' \
    'nodes set|-I' \
    'nodes set|--interface' \
    'nodes set|-o' \
    'nodes set|--output' \
    'nodes set|--timeout' \
    'nodes show|-T' \
    'nodes show|--target' \
    'nodes show|-p' \
    'nodes show|--portal' \
    'nodes show|-I' \
    'nodes show|--interface' \
    'nodes show|-o' \
    'nodes show|--output' \
    'nodes show|--timeout' \
    'login|-T' \
    'login|--target' \
    'login|-p' \
    'login|--portal' \
    'login|-I' \
    'login|--interface' \
    'login|--header-digest' \
    'login|--data-digest' \
    'login|-o' \
    'login|--output' \
    'login|--timeout' \
    'logout|-T' \
    'logout|--target' \
    'logout|-p' \
    'logout|--portal' \
    'logout|-I' \
    'logout|--interface' \
    'logout|--for' \
    'logout|-o' \
    'logout|--output' \
    'logout|--timeout' \
    'rescan|-T' \
    'rescan|--target' \
    'rescan|-o' \
    'rescan|--output' \
    'rescan|--timeout' \
    'startup|-T' \
    'startup|--target' \
    'startup|-p' \
    'startup|--portal' \
    'startup|-I' \
    'startup|--interface' \
    'startup|-o' \
    'startup|--output' \
    'startup|--timeout' \
    'forget|-T' \
    'forget|--target' \
    'forget|-p' \
    'forget|--portal' \
    'forget|-I' \
    'forget|--interface' \
    'forget|-o' \
    'forget|--output' \
    'forget|--timeout' \
    'prune|--for' \
    'prune|-o' \
    'prune|--output' \
    'prune|--timeout' \
    'take-over|--lun' \
    'take-over|--confirm' \
    'take-over|-o' \
    'take-over|--output' \
    'take-over|--timeout' \
    'hold|--for' \
    'hold|-o' \
    'hold|--output' \
    'hold|--timeout' \
    'unhold|-o' \
    'unhold|--output' \
    'unhold|--timeout' \
    'chap check|--chap-user' \
    'chap check|--user' \
    'chap check|--chap-secret-file' \
    'chap check|--secret-file' \
    'chap check|--mutual-secret-file' \
    'chap check|-o' \
    'chap check|--output' \
    'chap check|--timeout' \
    'chap clear|-T' \
    'chap clear|--target' \
    'chap clear|-p' \
    'chap clear|--portal' \
    'chap clear|-I' \
    'chap clear|--interface' \
    'chap clear|--discovery' \
    'chap clear|-o' \
    'chap clear|--output' \
    'chap clear|--timeout' \
    'chap generate|--out' \
    'chap generate|-o' \
    'chap generate|--output' \
    'chap generate|--timeout' \
    'chap set|-T' \
    'chap set|--target' \
    'chap set|-p' \
    'chap set|--portal' \
    'chap set|-I' \
    'chap set|--interface' \
    'chap set|--discovery' \
    'chap set|--chap-user' \
    'chap set|--user' \
    'chap set|--chap-secret-file' \
    'chap set|--secret-file' \
    'chap set|--mutual-user' \
    'chap set|--mutual-secret-file' \
    'chap set|--algorithms' \
    'chap set|--method' \
    'chap set|-o' \
    'chap set|--output' \
    'chap set|--timeout' \
    'chap show|-T' \
    'chap show|--target' \
    'chap show|-p' \
    'chap show|--portal' \
    'chap show|-I' \
    'chap show|--interface' \
    'chap show|-o' \
    'chap show|--output' \
    'chap show|--timeout' \
    'schedule install|--every' \
    'schedule install|--metrics' \
    'schedule install|-o' \
    'schedule install|--output' \
    'schedule install|--timeout' \
    'schedule remove|-o' \
    'schedule remove|--output' \
    'schedule remove|--timeout' \
    'schedule status|-o' \
    'schedule status|--output' \
    'schedule status|--timeout' \
    'watch|-T' \
    'watch|--target' \
    'watch|-o' \
    'watch|--output' \
    'watch|--timeout' \
    'watch|--interval' \
    'initiator generate|-o' \
    'initiator generate|--output' \
    'initiator generate|--timeout' \
    'initiator set|-o' \
    'initiator set|--output' \
    'initiator set|--timeout' \
    'initiator show|-o' \
    'initiator show|--output' \
    'initiator show|--timeout' \
    'iface add|--transport' \
    'iface add|--netdev' \
    'iface add|--mac' \
    'iface add|--ip' \
    'iface add|-o' \
    'iface add|--output' \
    'iface add|--timeout' \
    'iface ls|-o' \
    'iface ls|--output' \
    'iface ls|--timeout' \
    'iface rm|-o' \
    'iface rm|--output' \
    'iface rm|--timeout' \
    'iface set|--transport' \
    'iface set|--netdev' \
    'iface set|--mac' \
    'iface set|--ip' \
    'iface set|-o' \
    'iface set|--output' \
    'iface set|--timeout' \
    'iface show|-o' \
    'iface show|--output' \
    'iface show|--timeout' \
    'boot check|-T' \
    'boot check|--target' \
    'boot check|-o' \
    'boot check|--output' \
    'boot check|--timeout' \
    'boot login|-o' \
    'boot login|--output' \
    'boot login|--timeout' \
    'boot show|-o' \
    'boot show|--output' \
    'boot show|--timeout' \
    'service enable|-o' \
    'service enable|--output' \
    'service enable|--timeout' \
    'service start|-o' \
    'service start|--output' \
    'service start|--timeout' \
    'service status|-o' \
    'service status|--output' \
    'service status|--timeout' \
    'disk grow|--lun' \
    'disk grow|-o' \
    'disk grow|--output' \
    'disk grow|--timeout' \
    'disk label|--verify-blank' \
    'disk label|--lun' \
    'disk label|--confirm' \
    'disk label|-o' \
    'disk label|--output' \
    'disk label|--timeout' \
    'disk ls|-o' \
    'disk ls|--output' \
    'disk ls|--timeout' \
    'disk mkfs|--fs' \
    'disk mkfs|--label' \
    'disk mkfs|--uuid' \
    'disk mkfs|--option' \
    'disk mkfs|--verify-blank' \
    'disk mkfs|--lun' \
    'disk mkfs|--confirm' \
    'disk mkfs|-o' \
    'disk mkfs|--output' \
    'disk mkfs|--timeout' \
    'disk part add|--size' \
    'disk part add|--start' \
    'disk part add|--type' \
    'disk part add|--number' \
    'disk part add|--lun' \
    'disk part add|-o' \
    'disk part add|--output' \
    'disk part add|--timeout' \
    'disk part bootable|--lun' \
    'disk part bootable|-o' \
    'disk part bootable|--output' \
    'disk part bootable|--timeout' \
    'disk part rm|--lun' \
    'disk part rm|-o' \
    'disk part rm|--output' \
    'disk part rm|--timeout' \
    'disk part type|--list' \
    'disk part type|--lun' \
    'disk part type|-o' \
    'disk part type|--output' \
    'disk part type|--timeout' \
    'disk part verify|--lun' \
    'disk part verify|-o' \
    'disk part verify|--output' \
    'disk part verify|--timeout' \
    'disk show|--lun' \
    'disk show|-o' \
    'disk show|--output' \
    'disk show|--timeout' \
    'mount|--options' \
    'mount|--lun' \
    'mount|-o' \
    'mount|--output' \
    'mount|--timeout' \
    'umount|--lun' \
    'umount|-o' \
    'umount|--output' \
    'umount|--timeout' \
    'fstab add|--options' \
    'fstab add|--lun' \
    'fstab add|-o' \
    'fstab add|--output' \
    'fstab add|--timeout' \
    'fstab check|-o' \
    'fstab check|--output' \
    'fstab check|--timeout' \
    'fstab ls|-o' \
    'fstab ls|--output' \
    'fstab ls|--timeout' \
    'fstab rm|-o' \
    'fstab rm|--output' \
    'fstab rm|--timeout' \
    'import|--bindings' \
    'import|-o' \
    'import|--output' \
    'import|--timeout' \
    'completion|-o' \
    'completion|--output' \
    'completion|--timeout' \
    'explain|-o' \
    'explain|--output' \
    'explain|--timeout' \
    'report|-o' \
    'report|--output' \
    'report|--timeout'

complete -c iscsictl -f
complete -c iscsictl -n "__iscsictl_at ''" -a attach -d 'Turn a LUN into a mounted filesystem that survives a reboot.'
complete -c iscsictl -n "__iscsictl_at ''" -a detach -d 'Unmount a LUN and log out of it, if nothing uses it.'
complete -c iscsictl -n "__iscsictl_at ''" -a reconnect -d 'Log in to and mount whatever should be there after a boot but is missing.'
complete -c iscsictl -n "__iscsictl_at ''" -a ls -d 'Show sessions, LUNs, filesystems and mounts; of TARGET only, or of all.'
complete -c iscsictl -n "__iscsictl_at ''" -a doctor -d 'Check every layer from the kernel to the filesystem, and say how to fix what is wrong.'
complete -c iscsictl -n "__iscsictl_at ''" -a plan -d 'Show what apply would do with a file of volumes; exit 10 if there are changes.'
complete -c iscsictl -n "__iscsictl_at ''" -a apply -d 'Create all volumes listed in a file, in parallel.'
complete -c iscsictl -n "__iscsictl_at ''" -a export -d 'Print a file of volumes that describes this host as it is.'
complete -c iscsictl -n "__iscsictl_at ''" -a discover -d 'Ask a portal which targets it has; nothing is changed unless with --save.'
complete -c iscsictl -n "__iscsictl_at ''" -a nodes -d 'Show and change node records: ls (taken if none is named), show, set.'
complete -c iscsictl -n "__iscsictl_at ''" -a login -d 'Log in to targets that have a record; what is logged in stays so.'
complete -c iscsictl -n "__iscsictl_at ''" -a logout -d 'Log out of targets that nothing uses, and keep reconnect away from them.'
complete -c iscsictl -n "__iscsictl_at ''" -a rescan -d 'Look for new LUNs and new sizes, on all sessions or those of TARGET.'
complete -c iscsictl -n "__iscsictl_at ''" -a startup -d 'Say whether a target is logged in at boot: automatic, onboot (by the initrd) or manual.'
complete -c iscsictl -n "__iscsictl_at ''" -a forget -d 'Delete the records of a target that is not logged in.'
complete -c iscsictl -n "__iscsictl_at ''" -a prune -d 'Remove sessions and records of targets that are gone.'
complete -c iscsictl -n "__iscsictl_at ''" -a take-over -d 'End the reservation of a host that is gone.'
complete -c iscsictl -n "__iscsictl_at ''" -a hold -d 'Exclude a target or mount point from reconnect; without a name, list the holds.'
complete -c iscsictl -n "__iscsictl_at ''" -a unhold -d 'Include a target or mount point in reconnect again.'
complete -c iscsictl -n "__iscsictl_at ''" -a chap -d 'Set, clear, show and check CHAP accounts; generate secrets.'
complete -c iscsictl -n "__iscsictl_at ''" -a schedule -d 'Run reconnect periodically.'
complete -c iscsictl -n "__iscsictl_at ''" -a watch -d 'Show sessions, LUNs and throughput as they change; of TARGET only, or of all.'
complete -c iscsictl -n "__iscsictl_at ''" -a initiator -d 'Show, set or generate the initiator name of this host.'
complete -c iscsictl -n "__iscsictl_at ''" -a iface -d 'Show and define the interfaces to log in through.'
complete -c iscsictl -n "__iscsictl_at ''" -a boot -d 'Check a root filesystem on iSCSI; show and use the firmware\'s boot table (iBFT).'
complete -c iscsictl -n "__iscsictl_at ''" -a service -d 'Show, enable and start the services: open-iscsi on Debian, iscsi elsewhere, and iscsid.'
complete -c iscsictl -n "__iscsictl_at ''" -a disk -d 'Show the disks of iSCSI sessions; create and grow partitions and filesystems.'
complete -c iscsictl -n "__iscsictl_at ''" -a mount -d 'Mount a filesystem of an iSCSI disk on DIR, or where fstab says.'
complete -c iscsictl -n "__iscsictl_at ''" -a umount -d 'Unmount a filesystem of an iSCSI disk; reconnect does not mount it again.'
complete -c iscsictl -n "__iscsictl_at ''" -a fstab -d 'Show, add, remove and check entries of /etc/fstab.'
complete -c iscsictl -n "__iscsictl_at ''" -a import -d 'Take over iscsi.conf, initiatorname.iscsi or fstab.iscsi of the old driver.'
complete -c iscsictl -n "__iscsictl_at ''" -a completion -d 'Print the completion script of a shell.'
complete -c iscsictl -n "__iscsictl_at ''" -a explain -d 'Explain what an error means, its usual cause and what to do.'
complete -c iscsictl -n "__iscsictl_at ''" -a report -d 'Write one archive to share, without secrets.'
complete -c iscsictl -n "__iscsictl_at ''" -s V -l version -d 'Show the version and exit.'
complete -c iscsictl -n "__iscsictl_at ''" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Address of the array; can be repeated. Without it, attach asks on the terminal.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, if the array offers several.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l lun -x -d 'The LUN, if the target has several.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'The open-iscsi interface to log in through; several make paths of one map.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l multipath -x -a 'auto require off' -d 'Combine all paths in a map: if possible, always, or never (use one path).'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l chap-user -l user -x -d 'CHAP name of this host.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l chap-secret-file -l secret-file -r -F -d 'Its secret; - reads standard input.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l chap-secret-prompt -l secret-prompt -d 'Ask for the secret.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l mutual-user -x -d 'CHAP name of the array.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l mutual-secret-file -r -F -d 'The array\'s secret.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l mutual-secret-prompt -d 'Ask for it.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l table -x -a 'gpt dos none' -d 'Partition table to create [gpt].'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l fs -x -a 'ext4 ext3 ext2 xfs btrfs vfat' -d 'Filesystem to create.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l fs-label -x -d 'Its label.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l mount -x -a '(__iscsictl_live dir)' -d 'Where to mount it, now and at boot.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l options -x -d 'Mount options, comma separated.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l owner -x -d 'Owner of the mounted directory.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l mode -x -d 'Mode of the mounted directory, octal.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l required-by -x -d 'A systemd unit that must wait for the mount.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l wwid -x -d 'The WWID that the disk must have.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l adopt -d 'Mount a filesystem that already exists.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l adopt-unverified -d 'The same for btrfs and others that do not record whether another host has them mounted.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l wipe -d 'Destroy what is on the disk; needs --confirm.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l confirm -x -d 'The WWID of the disk to wipe; without --wipe, of the one disk behind several targets.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l set -x -a 'node.startup= node.leading_login= iface.net_ifacename= iface.ipaddress= iface.prefix_len= iface.hwaddress= iface.transport_name= iface.initiatorname= iface.state= iface.vlan_id= iface.vlan_priority= iface.vlan_state= iface.iface_num= iface.mtu= iface.port= iface.bootproto= iface.subnet_mask= iface.gateway= iface.dhcp_alt_client_id_state= iface.dhcp_alt_client_id= iface.dhcp_dns= iface.dhcp_learn_iqn= iface.dhcp_req_vendor_id_state= iface.dhcp_vendor_id_state= iface.dhcp_vendor_id= iface.dhcp_slp_da= iface.fragmentation= iface.gratuitous_arp= iface.incoming_forwarding= iface.tos_state= iface.tos= iface.ttl= iface.ipv6_autocfg= iface.linklocal_autocfg= iface.router_autocfg= iface.ipv6_linklocal= iface.ipv6_router= iface.dup_addr_detect_cnt= iface.flow_label= iface.gratuitous_neighbor_adv= iface.hop_limit= iface.mld= iface.nd_reachable_tmo= iface.nd_rexmit_time= iface.nd_stale_tmo= iface.router_adv_link_mtu= iface.traffic_class= iface.delayed_ack= iface.tcp_nagle= iface.tcp_wsf_state= iface.tcp_wsf= iface.tcp_timer_scale= iface.tcp_timestamp= iface.redirect= iface.def_task_mgmt_timeout= iface.header_digest= iface.data_digest= iface.immediate_data= iface.initial_r2t= iface.data_seq_inorder= iface.data_pdu_inorder= iface.erl= iface.max_receive_data_len= iface.first_burst_len= iface.max_outstanding_r2t= iface.max_burst_len= iface.chap_auth= iface.bidi_chap= iface.strict_login_compliance= iface.discovery_auth= iface.discovery_logout= node.session.initial_cmdsn= node.session.initial_login_retry_max= node.session.xmit_thread_priority= node.session.cmds_max= node.session.queue_depth= node.session.nr_sessions= node.session.auth.authmethod= node.session.auth.username= node.session.auth.username_in= node.session.auth.chap_algs= node.session.timeo.replacement_timeout= node.session.err_timeo.abort_timeout= node.session.err_timeo.lu_reset_timeout= node.session.err_timeo.tgt_reset_timeout= node.session.err_timeo.host_reset_timeout= node.session.iscsi.FastAbort= node.session.iscsi.InitialR2T= node.session.iscsi.ImmediateData= node.session.iscsi.FirstBurstLength= node.session.iscsi.MaxBurstLength= node.session.iscsi.DefaultTime2Retain= node.session.iscsi.DefaultTime2Wait= node.session.iscsi.MaxConnections= node.session.iscsi.MaxOutstandingR2T= node.session.iscsi.ERL= node.session.scan= node.session.reopen_max= node.session.conn_reopen_log_freq= node.session.sess_reopen_log_freq= node.conn[0].startup= node.conn[0].tcp.window_size= node.conn[0].tcp.type_of_service= node.conn[0].tcp.congestion_control= node.conn[0].timeo.logout_timeout= node.conn[0].timeo.login_timeout= node.conn[0].timeo.auth_timeout= node.conn[0].timeo.noop_out_interval= node.conn[0].timeo.noop_out_timeout= node.conn[0].iscsi.MaxXmitDataSegmentLength= node.conn[0].iscsi.MaxRecvDataSegmentLength= node.conn[0].iscsi.HeaderDigest= node.conn[0].iscsi.DataDigest= node.conn[0].iscsi.IFMarker= node.conn[0].iscsi.OFMarker=' -d 'A value of the node record.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l exclusive -d 'Prevent other hosts from writing to the LUN until it is detached.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l no-boot -d 'Do not log in or mount at boot.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l over-nonempty -d 'Mount over a directory that is not empty.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l verify-blank -x -a 'quick full' -d 'How to prove that the disk is blank: quick finds 64 MiB of contiguous data on up to 1 TiB and what stands where formats keep their signatures, but may miss a few isolated blocks; full reads all of it.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l discard -d 'Let mkfs discard all blocks first; nothing on them can be recovered afterwards.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l print-device -d 'Print only the path of the device.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'attach'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'attach'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l lun -x -d 'Only this LUN of the target.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l forget -d 'Delete the node records too.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l lost -d 'The array is gone for good; needs --confirm.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l confirm -x -d 'The WWID of the lost disk.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'detach'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'detach'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'detach' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -l metrics -r -F -d 'Write metrics for node_exporter to FILE (*.prom) after each run.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'reconnect'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'reconnect' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s o -l output -x -a 'table json tsv chap_username chap_username_in connection_state device filesystem host iface initiator internal_state lun mount paths portal reserved_by session_state sid size state status target transport wwid' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'ls'" -l tree -d 'Draw portal - target - session - LUN - mount.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -l no-header -d 'Omit the header line.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s l -l long -d 'Show all details of each session.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -l from -r -F -d 'Read saved output of iscsiadm, iscsi-ls, multipath -ll or lsblk, or a sosreport.'
complete -c iscsictl -n "__iscsictl_at 'ls'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'ls' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l fix -d 'Repair what can be repaired safely.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s a -l all -d 'Show all findings, including checks that passed.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l ignore -x -a 'boot-address boot-firmware boot-initiator boot-initramfs boot-iscsid boot-login boot-network-online boot-nic boot-root boot-secret boot-shutdown boot-timeout chap-md5 chap-none chap-shared clock crypttab-device-name crypttab-name-case crypttab-no-netdev crypttab-no-nofail crypttab-node-manual crypttab-readable crypttab-uuid-nowhere digest-routed disk-changed disk-errors disk-identity fs-disk-gone fs-failing fs-readonly fstab-boot fstab-claim-left fstab-device-name fstab-fsck fstab-name-case fstab-no-netdev fstab-no-nofail fstab-no-order fstab-no-record fstab-node-manual fstab-readable fstab-requires-login fstab-same-directory fstab-unreadable fstab-uuid-nowhere fstab-uuid-twice fstab-wrong-disk initiator-clone initiator-name initiator-session ipsec-policy iscsid-answers iscsid-running kernel-modules kernel-transport mount-exposed mount-link multipath-boot multipath-daemon multipath-failover multipath-map multipath-nic multipath-paths multipath-queue net-firewall net-link net-mtu net-mtu-mixed net-one-subnet nodedb-iface nodedb-listing nodedb-lock nodedb-modes nodedb-place nodedb-readable nodedb-records portal-default-route portal-public portal-reachable reservation reservation-unit security-port service-iscsid service-login service-order service-reload service-systemd session-disks session-luns session-missing session-startup session-state timeout-disk timeout-noop timeout-recovery tools-disk tools-iscsictl tools-open-iscsi tools-versions' -d 'Skip the check ID, or all whose ids begin with ID-; can be repeated.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l only -x -a 'boot-address boot-firmware boot-initiator boot-initramfs boot-iscsid boot-login boot-network-online boot-nic boot-root boot-secret boot-shutdown boot-timeout chap-md5 chap-none chap-shared clock crypttab-device-name crypttab-name-case crypttab-no-netdev crypttab-no-nofail crypttab-node-manual crypttab-readable crypttab-uuid-nowhere digest-routed disk-changed disk-errors disk-identity fs-disk-gone fs-failing fs-readonly fstab-boot fstab-claim-left fstab-device-name fstab-fsck fstab-name-case fstab-no-netdev fstab-no-nofail fstab-no-order fstab-no-record fstab-node-manual fstab-readable fstab-requires-login fstab-same-directory fstab-unreadable fstab-uuid-nowhere fstab-uuid-twice fstab-wrong-disk initiator-clone initiator-name initiator-session ipsec-policy iscsid-answers iscsid-running kernel-modules kernel-transport mount-exposed mount-link multipath-boot multipath-daemon multipath-failover multipath-map multipath-nic multipath-paths multipath-queue net-firewall net-link net-mtu net-mtu-mixed net-one-subnet nodedb-iface nodedb-listing nodedb-lock nodedb-modes nodedb-place nodedb-readable nodedb-records portal-default-route portal-public portal-reachable reservation reservation-unit security-port service-iscsid service-login service-order service-reload service-systemd session-disks session-luns session-missing session-startup session-state timeout-disk timeout-noop timeout-recovery tools-disk tools-iscsictl tools-open-iscsi tools-versions' -d 'Run only the check ID, or those whose ids begin with ID-; can be repeated.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l from -r -F -d 'Show what was found on another host: an archive of iscsictl report, or a saved -J.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s o -l output -x -a 'table json tsv nagios prometheus' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'doctor'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -l out -r -F -d 'Save the plan, for apply, in this file.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -l parallel -x -d 'How many volumes to process at a time [16].'
complete -c iscsictl -n "__iscsictl_at 'plan'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'plan'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'plan'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'plan'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'plan' 0" -F
complete -c iscsictl -n "__iscsictl_at 'apply'" -l plan -r -F -d 'Execute only what this saved plan contains.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -l parallel -x -d 'How many volumes to process at a time [16].'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'apply'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'apply'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'apply' 0" -F
complete -c iscsictl -n "__iscsictl_at 'export'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'export'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'export'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'export'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'export'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'export'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'export'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l isns -d 'The address is that of an iSNS server.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l save -d 'Create records for targets that have none, for login.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Ask through it.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l chap-user -l user -x -d 'CHAP name of this host.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l chap-secret-file -l secret-file -r -F -d 'Its secret; - reads standard input.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l chap-secret-prompt -l secret-prompt -d 'Ask for the secret.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l mutual-user -x -d 'CHAP name of the array.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l mutual-secret-file -r -F -d 'The array\'s secret.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l mutual-secret-prompt -d 'Ask for it.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'discover'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'discover'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'discover' 0" -a '(__iscsictl_live portal)'
complete -c iscsictl -n "__iscsictl_at 'nodes'" -a ls -d 'List the node records, of TARGET only or all: target, portal, startup, CHAP, session.'
complete -c iscsictl -n "__iscsictl_at 'nodes'" -a set -d 'Set values of the records of -T, or through -p; KEY= unsets one.'
complete -c iscsictl -n "__iscsictl_at 'nodes'" -a show -d 'Show all values of node records; secrets are masked.'
complete -c iscsictl -n "__iscsictl_at 'nodes'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'nodes ls'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'nodes ls' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'nodes set'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'nodes set' 0+" -a 'node.startup= node.leading_login= iface.net_ifacename= iface.ipaddress= iface.prefix_len= iface.hwaddress= iface.transport_name= iface.initiatorname= iface.state= iface.vlan_id= iface.vlan_priority= iface.vlan_state= iface.iface_num= iface.mtu= iface.port= iface.bootproto= iface.subnet_mask= iface.gateway= iface.dhcp_alt_client_id_state= iface.dhcp_alt_client_id= iface.dhcp_dns= iface.dhcp_learn_iqn= iface.dhcp_req_vendor_id_state= iface.dhcp_vendor_id_state= iface.dhcp_vendor_id= iface.dhcp_slp_da= iface.fragmentation= iface.gratuitous_arp= iface.incoming_forwarding= iface.tos_state= iface.tos= iface.ttl= iface.ipv6_autocfg= iface.linklocal_autocfg= iface.router_autocfg= iface.ipv6_linklocal= iface.ipv6_router= iface.dup_addr_detect_cnt= iface.flow_label= iface.gratuitous_neighbor_adv= iface.hop_limit= iface.mld= iface.nd_reachable_tmo= iface.nd_rexmit_time= iface.nd_stale_tmo= iface.router_adv_link_mtu= iface.traffic_class= iface.delayed_ack= iface.tcp_nagle= iface.tcp_wsf_state= iface.tcp_wsf= iface.tcp_timer_scale= iface.tcp_timestamp= iface.redirect= iface.def_task_mgmt_timeout= iface.header_digest= iface.data_digest= iface.immediate_data= iface.initial_r2t= iface.data_seq_inorder= iface.data_pdu_inorder= iface.erl= iface.max_receive_data_len= iface.first_burst_len= iface.max_outstanding_r2t= iface.max_burst_len= iface.chap_auth= iface.bidi_chap= iface.strict_login_compliance= iface.discovery_auth= iface.discovery_logout= node.session.initial_cmdsn= node.session.initial_login_retry_max= node.session.xmit_thread_priority= node.session.cmds_max= node.session.queue_depth= node.session.nr_sessions= node.session.auth.authmethod= node.session.auth.username= node.session.auth.username_in= node.session.auth.chap_algs= node.session.timeo.replacement_timeout= node.session.err_timeo.abort_timeout= node.session.err_timeo.lu_reset_timeout= node.session.err_timeo.tgt_reset_timeout= node.session.err_timeo.host_reset_timeout= node.session.iscsi.FastAbort= node.session.iscsi.InitialR2T= node.session.iscsi.ImmediateData= node.session.iscsi.FirstBurstLength= node.session.iscsi.MaxBurstLength= node.session.iscsi.DefaultTime2Retain= node.session.iscsi.DefaultTime2Wait= node.session.iscsi.MaxConnections= node.session.iscsi.MaxOutstandingR2T= node.session.iscsi.ERL= node.session.scan= node.session.reopen_max= node.session.conn_reopen_log_freq= node.session.sess_reopen_log_freq= node.conn[0].startup= node.conn[0].tcp.window_size= node.conn[0].tcp.type_of_service= node.conn[0].tcp.congestion_control= node.conn[0].timeo.logout_timeout= node.conn[0].timeo.login_timeout= node.conn[0].timeo.auth_timeout= node.conn[0].timeo.noop_out_interval= node.conn[0].timeo.noop_out_timeout= node.conn[0].iscsi.MaxXmitDataSegmentLength= node.conn[0].iscsi.MaxRecvDataSegmentLength= node.conn[0].iscsi.HeaderDigest= node.conn[0].iscsi.DataDigest= node.conn[0].iscsi.IFMarker= node.conn[0].iscsi.OFMarker='
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'nodes show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'nodes show' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'login'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'login'" -l all -d 'All records with login at boot.'
complete -c iscsictl -n "__iscsictl_at 'login'" -l header-digest -x -a 'None CRC32C CRC32C,None None,CRC32C' -d 'Checksum of headers.'
complete -c iscsictl -n "__iscsictl_at 'login'" -l data-digest -x -a 'None CRC32C CRC32C,None None,CRC32C' -d 'Checksum of data.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'login'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'login'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'login'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'login'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'login'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'login' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -l all -d 'All sessions.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -l for -x -d 'How long reconnect leaves it alone [until a reboot].'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'logout'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'logout'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'logout' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'rescan'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'rescan' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'startup'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'startup'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'startup' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'startup' 1" -a 'automatic manual onboot'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'forget'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'forget'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'forget' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'prune'" -l for -x -d 'How long a session must have been down.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'prune'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'prune'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'prune' 0+" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -l lun -x -d 'The LUN of the target.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -l confirm -x -d 'The reservation key of the host that is gone.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'take-over'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'take-over' 0" -a '(__iscsictl_live target device)'
complete -c iscsictl -n "__iscsictl_at 'hold'" -l for -x -d 'How long [until a reboot].'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'hold'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'hold'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'hold' 0" -a '(__iscsictl_live target mount dir)'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'unhold'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'unhold' 0" -a '(__iscsictl_live target mount dir)'
complete -c iscsictl -n "__iscsictl_at 'chap'" -a check -d 'Check a secret against the standard, open-iscsi, known arrays and a guessing estimate.'
complete -c iscsictl -n "__iscsictl_at 'chap'" -a clear -d 'Remove the account, both directions: the next login is without CHAP.'
complete -c iscsictl -n "__iscsictl_at 'chap'" -a generate -d 'Generate a secret of at least 96 random bits that every known array accepts.'
complete -c iscsictl -n "__iscsictl_at 'chap'" -a set -d 'Set the account of a target, of all records of a portal, of discovery, or the default.'
complete -c iscsictl -n "__iscsictl_at 'chap'" -a show -d 'Show account names, which secrets are set and the algorithms; never a secret.'
complete -c iscsictl -n "__iscsictl_at 'chap'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l chap-user -l user -x -d 'The user name that the secret belongs to.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l chap-secret-file -l secret-file -r -F -d 'The secret; - reads standard input.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l chap-secret-prompt -l secret-prompt -d 'Ask for it (the default without --secret-file).'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l mutual-secret-file -r -F -d 'The secret of the other direction; it must differ.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'chap check'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -l discovery -x -a '(__iscsictl_live portal)' -d 'The account for discovery at this portal.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -l default -d 'The account for new records.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'chap clear'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap clear' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -l out -r -F -d 'Write it to this new file (mode 0600) instead of standard output.'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'chap generate'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l discovery -x -a '(__iscsictl_live portal)' -d 'The account for discovery at this portal.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l default -d 'The account for new records.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l chap-user -l user -x -d 'CHAP name of this host.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l chap-secret-file -l secret-file -r -F -d 'Its secret; - reads standard input.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l chap-secret-prompt -l secret-prompt -d 'Ask for the secret.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l mutual-user -x -d 'CHAP name of the array.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l mutual-secret-file -r -F -d 'The array\'s secret.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l mutual-secret-prompt -d 'Ask for it.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l algorithms -x -d 'Digests to offer, best first: MD5,SHA1,SHA256,SHA3-256.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l method -x -a 'CHAP SRP KRB5 Kerberos SPKM SPKM1 SPKM2' -d 'The method; open-iscsi supports CHAP only.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'chap set'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap set' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s p -l portal -x -a '(__iscsictl_live portal)' -d 'Only through this portal.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s I -l interface -x -a 'default iser (__iscsictl_live iface)' -d 'Only through this iface.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'chap show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'chap show' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'schedule'" -a install -d 'Run reconnect at an interval; the timer also runs it after a boot.'
complete -c iscsictl -n "__iscsictl_at 'schedule'" -a remove -d 'Stop running it.'
complete -c iscsictl -n "__iscsictl_at 'schedule'" -a status -d 'Show whether, how often and by which method it runs.'
complete -c iscsictl -n "__iscsictl_at 'schedule'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l systemd -d 'A timer [default].'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l cron -d 'A file in /etc/cron.d.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l every -x -d 'How often.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l prune -d 'Run prune before each reconnect: remove targets that the array no longer offers.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l metrics -r -F -d 'Write metrics for node_exporter to FILE (*.prom) after each run.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'schedule install'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'schedule remove'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'schedule status'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'watch'" -l timeout -x -d 'How long to watch [until Ctrl-C].'
complete -c iscsictl -n "__iscsictl_at 'watch'" -l interval -x -d 'Refresh at least this often [1s].'
complete -c iscsictl -n "__iscsictl_at 'watch'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'watch' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'initiator'" -a generate -d 'Generate a unique name if there is none, or only one that no array accepts.'
complete -c iscsictl -n "__iscsictl_at 'initiator'" -a set -d 'Set the name of this host: iqn.YYYY-MM.reversed.domain:text, eui.HEX or naa.HEX.'
complete -c iscsictl -n "__iscsictl_at 'initiator'" -a show -d 'Show the name, byte for byte, and what a strict array may reject.'
complete -c iscsictl -n "__iscsictl_at 'initiator'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -l new -d 'Replace an existing name.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'initiator generate'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'initiator set'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'initiator show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -a add -d 'Define an interface, bound to a NIC by its name or its MAC address.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -a ls -d 'List the definitions, the two built-in ones first.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -a rm -d 'Remove a definition that no record and no session uses.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -a set -d 'Change values of a definition; KEY= takes one out.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -a show -d 'Show the values of NAME; without it the kinds of initiator, NICs and adapters.'
complete -c iscsictl -n "__iscsictl_at 'iface'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l transport -x -a 'tcp iser bnx2i cxgb3i cxgb4i be2iscsi qla4xxx qedi ocs' -d 'Kind of initiator [tcp].'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l netdev -x -d 'Bind it to this network interface.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l mac -x -d 'Bind it to the NIC with this address.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l ip -x -d 'Address to use.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'iface add'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'iface ls'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'iface rm'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface rm' 0" -a '(__iscsictl_live iface)'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l transport -x -a 'tcp iser bnx2i cxgb3i cxgb4i be2iscsi qla4xxx qedi ocs' -d 'Kind of initiator [tcp].'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l netdev -x -d 'Bind it to this network interface.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l mac -x -d 'Bind it to the NIC with this address.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l ip -x -d 'Address to use.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'iface set'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface set' 0" -a '(__iscsictl_live iface)'
complete -c iscsictl -n "__iscsictl_at 'iface set' 1+" -a 'iface.net_ifacename= iface.ipaddress= iface.prefix_len= iface.hwaddress= iface.transport_name= iface.initiatorname= iface.state= iface.vlan_id= iface.vlan_priority= iface.vlan_state= iface.iface_num= iface.mtu= iface.port= iface.bootproto= iface.subnet_mask= iface.gateway= iface.dhcp_alt_client_id_state= iface.dhcp_alt_client_id= iface.dhcp_dns= iface.dhcp_learn_iqn= iface.dhcp_req_vendor_id_state= iface.dhcp_vendor_id_state= iface.dhcp_vendor_id= iface.dhcp_slp_da= iface.fragmentation= iface.gratuitous_arp= iface.incoming_forwarding= iface.tos_state= iface.tos= iface.ttl= iface.ipv6_autocfg= iface.linklocal_autocfg= iface.router_autocfg= iface.ipv6_linklocal= iface.ipv6_router= iface.dup_addr_detect_cnt= iface.flow_label= iface.gratuitous_neighbor_adv= iface.hop_limit= iface.mld= iface.nd_reachable_tmo= iface.nd_rexmit_time= iface.nd_stale_tmo= iface.router_adv_link_mtu= iface.traffic_class= iface.delayed_ack= iface.tcp_nagle= iface.tcp_wsf_state= iface.tcp_wsf= iface.tcp_timer_scale= iface.tcp_timestamp= iface.redirect= iface.def_task_mgmt_timeout= iface.header_digest= iface.data_digest= iface.immediate_data= iface.initial_r2t= iface.data_seq_inorder= iface.data_pdu_inorder= iface.erl= iface.max_receive_data_len= iface.first_burst_len= iface.max_outstanding_r2t= iface.max_burst_len= iface.chap_auth= iface.bidi_chap= iface.strict_login_compliance= iface.discovery_auth= iface.discovery_logout='
complete -c iscsictl -n "__iscsictl_at 'iface show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'iface show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'iface show' 0" -a 'default iser (__iscsictl_live iface)'
complete -c iscsictl -n "__iscsictl_at 'boot'" -a check -d 'Check whether a host with its root filesystem on iSCSI boots again, and shuts down.'
complete -c iscsictl -n "__iscsictl_at 'boot'" -a login -d 'Log in to the targets of the firmware\'s table; those that are logged in stay so.'
complete -c iscsictl -n "__iscsictl_at 'boot'" -a show -d 'Show the firmware\'s targets, NICs and account names; secrets are never shown.'
complete -c iscsictl -n "__iscsictl_at 'boot'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s T -l target -x -a '(__iscsictl_live target)' -d 'The target, as an alternative to the argument.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'boot check'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'boot check' 0" -a '(__iscsictl_live target)'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'boot login'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'boot show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'service'" -a enable -d 'Start iscsid and the login service at boot.'
complete -c iscsictl -n "__iscsictl_at 'service'" -a start -d 'Start iscsid and log in to all automatic records now.'
complete -c iscsictl -n "__iscsictl_at 'service'" -a status -d 'Show what starts at boot and what runs now.'
complete -c iscsictl -n "__iscsictl_at 'service'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'service enable'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'service start'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'service start'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'service status'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'service status'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'service status'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'service status'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'service status'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'service status'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'service status'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a grow -d 'Grow the disk, its last partition and its filesystem after the LUN was enlarged.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a label -d 'Write an empty partition table on a blank disk: gpt, dos, bsd or sun.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a ls -d 'List all disks of sessions: size, sectors, partition table, filesystems, usage.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a mkfs -d 'Make a filesystem, or swap, on a blank disk or partition.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a part -d 'Add, delete and verify partitions, and change their type or bootable flag.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -a show -d 'Show one disk: topology, partition table in sectors, usage and content.'
complete -c iscsictl -n "__iscsictl_at 'disk'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk grow'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk grow' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l verify-blank -x -a 'quick full' -d 'How to prove that the disk is blank: quick finds 64 MiB of contiguous data on up to 1 TiB and what stands where formats keep their signatures, but may miss a few isolated blocks; full reads all of it.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l wipe -d 'Destroy the current content.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l confirm -x -d 'The WWID of the disk whose content --wipe may destroy.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk label'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk label' 0" -a '(__iscsictl_live target device)'
complete -c iscsictl -n "__iscsictl_at 'disk label' 1" -a 'gpt dos bsd sun'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk ls'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l fs -x -a 'ext2 ext3 ext4 xfs btrfs vfat swap' -d 'Kind of filesystem.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l label -x -d 'Its label.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l uuid -x -d 'Its UUID; generated if not given.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l option -x -d 'An argument for mkfs, such as --option=-E --option=lazy_itable_init=0.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l verify-blank -x -a 'quick full' -d 'How to prove that the disk is blank: quick finds 64 MiB of contiguous data on up to 1 TiB and what stands where formats keep their signatures, but may miss a few isolated blocks; full reads all of it.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l discard -d 'Let mkfs discard all blocks first; nothing on them can be recovered afterwards.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l wipe -d 'Destroy the current content.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l confirm -x -d 'The WWID of the disk whose content --wipe may destroy.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk mkfs' 0" -a '(__iscsictl_live target device)'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -a add -d 'Add a partition, aligned to the disk\'s optimal I/O size.'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -a bootable -d 'Mark partition N bootable (dos: active; gpt: legacy BIOS bootable).'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -a rm -d 'Delete partition N from the table, if nothing uses it.'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -a type -d 'Give partition N a type: linux, lvm, raid, swap, efi, a code, a GUID or a name.'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -a verify -d 'Check a partition table: overlaps, ends, alignment, the backup, the kernel\'s view.'
complete -c iscsictl -n "__iscsictl_at 'disk part'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l size -x -d 'How large: 10G, 500M, 2048s (sectors).'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l rest -d 'Use the whole largest free gap.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l start -x -d 'Where it starts: 1M, 2048s [aligned].'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l type -x -d 'linux, lvm, raid, swap, efi, a code or a GUID [linux].'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l bootable -d 'Mark it bootable.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l number -x -d 'Its number [the first free one].'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk part add'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part add' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -l off -d 'Clear the flag instead.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part bootable' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk part rm'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part rm' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -l list -x -a 'gpt dos sun' -d 'List the partition types of such a table.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk part type'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part type' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk part verify'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk part verify' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'disk show'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'disk show' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'mount'" -l options -x -d 'Mount options [those of fstab].'
complete -c iscsictl -n "__iscsictl_at 'mount'" -l over-nonempty -d 'Mount over a directory that is not empty.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'mount'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'mount'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'mount' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'mount' 1" -a '(__iscsictl_live dir)'
complete -c iscsictl -n "__iscsictl_at 'umount'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'umount'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'umount'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'umount' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'fstab'" -a add -d 'Add the entry that mounts the filesystem of DISK on DIR at boot; `none` for swap.'
complete -c iscsictl -n "__iscsictl_at 'fstab'" -a check -d 'Find entries that would hang a boot or mount the wrong disk, and say how to fix them.'
complete -c iscsictl -n "__iscsictl_at 'fstab'" -a ls -d 'List the entries of /etc/fstab; those written by iscsictl are marked.'
complete -c iscsictl -n "__iscsictl_at 'fstab'" -a rm -d 'Remove entries written by iscsictl; what is mounted stays mounted.'
complete -c iscsictl -n "__iscsictl_at 'fstab'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -l options -x -d 'Mount options, in addition to those of iscsictl.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -l no-boot -d 'Do not mount it at boot.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -l lun -x -d 'The LUN, if the disk is named by target.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'fstab add'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'fstab add' 0" -a '(__iscsictl_live target device mount dir)'
complete -c iscsictl -n "__iscsictl_at 'fstab add' 1" -a '(__iscsictl_live dir)'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'fstab check'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'fstab ls'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'fstab rm'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'fstab rm' 0" -a '(__iscsictl_live mount dir)'
complete -c iscsictl -n "__iscsictl_at 'import'" -l bindings -r -F -d 'For fstab.iscsi: the sfnet driver\'s list of targets [/var/lib/iscsi/bindings].'
complete -c iscsictl -n "__iscsictl_at 'import'" -s n -l dry-run -d 'Show what would be done.'
complete -c iscsictl -n "__iscsictl_at 'import'" -s y -l yes -d 'Yes to all questions.'
complete -c iscsictl -n "__iscsictl_at 'import'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'import'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'import'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'import'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'import'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'import'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'import'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'import' 0" -F
complete -c iscsictl -n "__iscsictl_at 'completion'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'completion'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'completion'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'completion'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'completion'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'completion'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'completion'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'completion' 0" -a 'bash zsh fish'
complete -c iscsictl -n "__iscsictl_at 'explain'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'explain'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'explain'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'explain'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'explain'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'explain'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'explain'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'report'" -l no-names -d 'Replace names and addresses with placeholders.'
complete -c iscsictl -n "__iscsictl_at 'report'" -s o -l output -x -a 'table json tsv' -d 'How to print the result.'
complete -c iscsictl -n "__iscsictl_at 'report'" -s J -l json -d 'The same as -o json.'
complete -c iscsictl -n "__iscsictl_at 'report'" -l no-color -d 'No colours (as does NO_COLOR).'
complete -c iscsictl -n "__iscsictl_at 'report'" -s v -l verbose -d 'Show each command that is run.'
complete -c iscsictl -n "__iscsictl_at 'report'" -s q -l quiet -d 'Only errors.'
complete -c iscsictl -n "__iscsictl_at 'report'" -l timeout -x -d 'How long to wait for the array, a program or another iscsictl [60s].'
complete -c iscsictl -n "__iscsictl_at 'report'" -s h -l help -d 'Show this message and exit.'
complete -c iscsictl -n "__iscsictl_at 'report' 0" -F
