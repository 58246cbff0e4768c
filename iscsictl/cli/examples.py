"""The examples at the beginning of each help page and man page: a command and what it does."""

from collections.abc import Mapping
from typing import Final

Example = tuple[str, str]

_TARGET: Final = "iqn.2001-04.com.example:mail"

#: Keyed by the words that call a command. The tests parse each example.
EXAMPLES: Final[Mapping[str, tuple[Example, ...]]] = {
    "": (
        ("attach", "ask for the array, show the plan, and mount a LUN once you confirm"),
        ("ls", "show sessions, LUNs and mounts"),
        ("doctor", "show what is wrong and how to fix it"),
    ),
    "attach": (
        ("attach", "ask for what is missing, show the plan, change nothing until you confirm"),
        ("attach -p 192.0.2.5 --fs ext4 --mount /srv/mail --dry-run",
         "show how a blank disk would be formatted and mounted, now and at boot"),
        ("attach -p 192.0.2.5 --chap-user me --chap-secret-prompt",
         "log in with a CHAP account and stop at the disk"),
    ),
    "detach": (
        ("detach /srv/mail --dry-run", "show what would be done"),
        ("detach /srv/mail", "unmount it, log out, keep the record"),
        (f"detach {_TARGET} --forget", "the same by target, and delete its records"),
    ),
    "reconnect": (
        ("reconnect --dry-run", "show what is missing"),
        ("reconnect", "log in and mount what is missing"),
        ("reconnect -q", "the same for cron: print only errors"),
    ),
    "ls": (
        ("ls", "show all sessions, LUNs and mounts"),
        ("ls --tree", "draw a tree from portal to mount"),
        ("ls --from sosreport.tar.xz", "show those of another host"),
    ),
    "doctor": (
        ("doctor", "show what is wrong and how to fix it"),
        ("doctor --fix --dry-run", "show what iscsictl would fix"),
        ("doctor --from report.tar.gz", "show what was wrong on the host that a report is from"),
    ),
    "plan": (
        ("plan volumes.toml", "show what apply would do"),
        ("plan volumes.toml --out saved.json", "save it, so that apply executes exactly this plan"),
    ),
    "apply": (
        ("apply volumes.toml", "create all volumes of the file"),
        ("apply volumes.toml --plan saved.json", "execute only what the saved plan contains"),
    ),
    "export": (
        ("export > volumes.toml", "write a volumes file that describes this host"),
        ("export -J", "the same as JSON"),
    ),
    "discover": (
        ("discover 192.0.2.5", "show the targets that a portal offers"),
        ("discover 192.0.2.5 --save", "create their records, for login"),
        ("discover 192.0.2.5 --user me --secret-prompt", "ask with an account"),
    ),
    "nodes": (
        ("nodes", "list the node records"),
        (f"nodes show {_TARGET}", "show all values of its records"),
        (f"nodes set node.session.scan=manual -T {_TARGET}", "change a value"),
    ),
    "nodes ls": (("nodes ls", "list all records"), (f"nodes ls {_TARGET}", "those of one target")),
    "nodes show": (
        (f"nodes show {_TARGET}", "show all values of its records"),
        ("nodes show -p 192.0.2.5", "those of all records of a portal"),
    ),
    "nodes set": (
        (f"nodes set node.session.scan=manual -T {_TARGET}", "set a value"),
        (f"nodes set node.session.scan= -T {_TARGET}", "remove it: the default is used"),
    ),
    "login": (
        (f"login {_TARGET}", "log in through all of its records"),
        ("login --all", "log in to all targets with login at boot"),
    ),
    "logout": (
        (f"logout {_TARGET}", "log out, until unhold or a reboot"),
        (f"logout {_TARGET} --for 2h", "reconnect logs in again after two hours"),
    ),
    "rescan": (
        ("rescan", "look for new LUNs and new sizes on all targets"),
        (f"rescan {_TARGET}", "look at one target"),
    ),
    "startup": (
        (f"startup {_TARGET} automatic", "log in at boot"),
        (f"startup {_TARGET} manual", "do not"),
    ),
    "forget": (
        (f"forget {_TARGET} --dry-run", "show which records would go"),
        (f"forget {_TARGET}", "delete them"),
    ),
    "prune": (
        ("prune --dry-run", "show which targets the array no longer offers"),
        ("prune", "remove their sessions and records"),
        (f"prune {_TARGET} --for 1min", "remove one that has been gone for a minute"),
    ),
    "take-over": (
        (f"take-over {_TARGET} --lun 0 --confirm 0x4b1f6c -n",
         "show what would be done"),
        (f"take-over {_TARGET} --lun 0 --confirm 0x4b1f6c",
         "end the reservation of the host with this key"),
    ),
    "hold": (
        (f"hold {_TARGET}", "leave the target alone, until unhold or a reboot"),
        ("hold /srv/mail --for 30min", "leave a mount point alone for half an hour"),
        ("hold", "show what is on hold"),
    ),
    "unhold": (
        (f"unhold {_TARGET}", "include the target in reconnect again"),
        ("unhold /srv/mail", "include the mount point again"),
    ),
    "chap": (
        ("chap", "show all accounts, never a secret"),
        (f"chap set {_TARGET} --user me --secret-prompt", "set an account"),
        ("chap generate", "print a secret that every known array accepts"),
    ),
    "chap set": (
        (f"chap set {_TARGET} --user me --secret-prompt", "ask for the secret"),
        ("chap set --default --user me --secret-file /root/secret",
         "the account for records created from now on"),
    ),
    "chap clear": (
        (f"chap clear {_TARGET}", "log in without CHAP from now on"),
        ("chap clear --discovery 192.0.2.5", "remove the account for discovery"),
    ),
    "chap show": (
        ("chap show", "show all accounts"),
        (f"chap show {_TARGET}", "those of one target"),
    ),
    "chap check": (
        ("chap check --chap-secret-prompt", "ask for a secret and judge it"),
        ("chap check --chap-secret-file /root/secret", "judge the secret in a file"),
    ),
    "chap generate": (
        ("chap generate", "print a secret"),
        ("chap generate --out /root/secret", "write it to a new file of mode 0600"),
    ),
    "schedule": (
        ("schedule install", "run reconnect periodically and after a boot"),
        ("schedule", "show whether and how it is scheduled"),
    ),
    "schedule install": (
        ("schedule install", "every two minutes"),
        ("schedule install --every 10min --prune",
         "also remove targets that the array no longer offers"),
        ("schedule install --metrics /srv/metrics/iscsi.prom",
         "write metrics for node_exporter after each run"),
    ),
    "schedule status": (
        ("schedule status", "show whether it runs"),
        ("schedule status -J", "as JSON"),
    ),
    "schedule remove": (
        ("schedule remove --dry-run", "show what would be removed"),
        ("schedule remove", "stop running it"),
    ),
    "watch": (
        ("watch", "show sessions and throughput until Ctrl-C"),
        ("watch --timeout 1min -o tsv", "record one minute"),
    ),
    "initiator": (
        ("initiator", "show the name of this host"),
        ("initiator generate", "generate one, if there is none"),
    ),
    "initiator show": (("initiator show", "show the name"), ("initiator show -J", "as JSON")),
    "initiator set": (
        ("initiator set iqn.2001-04.com.example:web1 --dry-run", "show what would change"),
        ("initiator set iqn.2001-04.com.example:web1", "set the name"),
    ),
    "initiator generate": (
        ("initiator generate --dry-run", "show whether one would be generated"),
        ("initiator generate", "generate one, if there is none"),
    ),
    "iface": (
        ("iface", "list the interfaces to log in through"),
        ("iface add san0 --netdev eth1", "define one that is bound to a NIC"),
    ),
    "iface ls": (("iface ls", "list the definitions"), ("iface ls -J", "as JSON")),
    "iface show": (
        ("iface show", "show the kinds of initiator, the NICs and the adapters"),
        ("iface show san0", "show the values of one definition"),
    ),
    "iface add": (
        ("iface add san0 --netdev eth1", "bind it to a NIC by name"),
        ("iface add san0 --mac 52:54:00:12:34:56", "by MAC address"),
    ),
    "iface set": (
        ("iface set san0 iface.mtu=9000", "change a value"),
        ("iface set san0 iface.mtu=", "take it out"),
    ),
    "iface rm": (
        ("iface rm san0 --dry-run", "show what would be removed"),
        ("iface rm san0", "remove it"),
    ),
    "boot": (
        ("boot", "show the firmware's targets"),
        ("boot login", "log in to them"),
        ("boot check", "check whether a root filesystem on iSCSI will boot again"),
    ),
    "boot check": (
        ("boot check", "check the next boot of a root filesystem on iSCSI"),
        (f"boot check {_TARGET}", "before it is moved to that target"),
    ),
    "boot show": (("boot show", "show the firmware's targets"), ("boot show -J", "as JSON")),
    "boot login": (
        ("boot login --dry-run", "show what would be logged in"),
        ("boot login", "log in to the firmware's targets"),
    ),
    "service": (
        ("service", "show what starts at boot and what runs"),
        ("service enable", "log in at boot"),
    ),
    "service status": (("service status", "show the services"), ("service status -J", "as JSON")),
    "service enable": (
        ("service enable --dry-run", "show what would be enabled"),
        ("service enable", "start iscsid and log in at boot"),
    ),
    "service start": (
        ("service start --dry-run", "show what would be started"),
        ("service start", "start iscsid and log in now"),
    ),
    "disk": (
        ("disk", "list the disks of iSCSI sessions"),
        ("disk show /dev/sdb", "show one, with its partitions"),
        ("disk grow /srv/mail", "use the space that was added on the array"),
    ),
    "disk ls": (("disk ls", "list all disks of sessions"), ("disk ls -J", "as JSON")),
    "disk show": (
        ("disk show /dev/sdb", "show a disk by device"),
        ("disk show /srv/mail", "by mount point"),
    ),
    "disk label": (
        ("disk label /dev/sdb gpt --dry-run", "show what would be done"),
        ("disk label /dev/sdb gpt", "write an empty GPT on a blank disk"),
    ),
    "disk mkfs": (
        ("disk mkfs /dev/sdb1 --fs ext4 --dry-run", "show what would be done"),
        ("disk mkfs /dev/sdb1 --fs xfs --label mail", "create a filesystem on a blank partition"),
    ),
    "disk grow": (
        ("disk grow /srv/mail --dry-run", "show what would grow"),
        ("disk grow /srv/mail", "grow the disk, partition and filesystem while mounted"),
    ),
    "disk part": (
        ("disk part add /dev/sdb --rest", "add a partition that takes all free space"),
        ("disk part verify /dev/sdb", "check the table"),
    ),
    "disk part add": (
        ("disk part add /dev/sdb --rest", "a partition that takes all free space"),
        ("disk part add /dev/sdb --size 10G --type lvm", "one of 10 GiB for LVM"),
    ),
    "disk part rm": (
        ("disk part rm /dev/sdb 2 --dry-run", "show what would be deleted"),
        ("disk part rm /dev/sdb 2", "delete partition 2"),
    ),
    "disk part type": (
        ("disk part type /dev/sdb 1 lvm", "set the type of partition 1"),
        ("disk part type --list gpt", "list the types"),
    ),
    "disk part bootable": (
        ("disk part bootable /dev/sdb 1", "mark partition 1 bootable"),
        ("disk part bootable /dev/sdb 1 --dry-run", "show what would change"),
    ),
    "disk part verify": (
        ("disk part verify /dev/sdb", "check the table of a disk"),
        ("disk part verify /dev/sdb -J", "as JSON"),
    ),
    "mount": (
        ("mount /srv/mail", "mount what fstab specifies for it"),
        ("mount /dev/sdb1 /mnt", "mount the filesystem of a disk, until the next boot"),
    ),
    "umount": (
        ("umount /srv/mail --dry-run", "show what would be done"),
        ("umount /srv/mail", "unmount it; reconnect leaves it alone"),
    ),
    "fstab": (
        ("fstab", "list the entries"),
        ("fstab check", "find entries that would hang a boot"),
        ("fstab add /dev/sdb1 /srv/mail", "mount a filesystem at boot"),
    ),
    "fstab ls": (("fstab ls", "list the entries"), ("fstab ls -J", "as JSON")),
    "fstab add": (
        ("fstab add /dev/sdb1 /srv/mail --dry-run", "show the entry"),
        ("fstab add /dev/sdb1 /srv/mail", "write it"),
    ),
    "fstab rm": (
        ("fstab rm /srv/mail --dry-run", "show what would be removed"),
        ("fstab rm /srv/mail", "no longer mount it at boot"),
    ),
    "fstab check": (("fstab check", "find dangerous entries"), ("fstab check -J", "as JSON")),
    "import": (
        ("import /etc/iscsi.conf --dry-run", "show what would be taken over"),
        ("import fstab.iscsi", "take over the mounts of the sfnet driver"),
    ),
    "report": (
        ("report host.tar.gz", "write an archive without secrets"),
        ("ls --from host.tar.gz", "show its sessions and disks, on any host"),
    ),
    "completion": (
        ("completion bash > /etc/bash_completion.d/iscsictl", "install it for bash"),
        ("completion zsh", "print that for zsh"),
    ),
    "explain": (
        ("explain 24", "explain an exit code of iscsiadm"),
        ('explain "detected conn error (1020)"', "explain a line of the log"),
        ("explain -", "explain piped input: journalctl -u iscsid | ..."),
    ),
}  # fmt: skip
