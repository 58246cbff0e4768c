"""Lines of the host around an iSCSI session: its network, modules, security rules and systemd.

Sources: the kernel's netfilter, net and mm; kmod; the audit messages of SELinux and AppArmor;
systemd and systemd-udevd; bnx2i; Kubernetes' attach/detach controller.
"""

from typing import Final

from iscsictl.errors import Exit
from iscsictl.errors.message_type import Message

HOSTS: Final = (
    Message(r"nf_conntrack\S*: (?:nf_conntrack: )?table full", "message", None,
            "the firewall's connection table is full, so packets are dropped",
            "there are more connections than net.netfilter.nf_conntrack_max allows",
            "raise that limit, or exempt port 3260 from connection tracking (notrack)",
            Exit.UNREACHABLE),
    Message(r"killed process \d+ \((?:iscsid|multipathd)\)", "message", None,
            "the kernel killed iscsid or multipathd because memory ran out",
            "another process used it up", "`systemctl restart` that service; its sessions continue",
            Exit.MISSING),
    Message(r"\b(?:eth|en|em|bond|team|p\dp)\w*:? (?:nic )?link is down|host\d+: link down|"
            r"link status definitely down|"
            r"netdev watchdog: .*transmit queue \d+ timed out", "message", None,
            "a network interface lost its link",
            "a cable, a switch, or a driver that hung and was reset",
            "`ip -s link` shows errors; if it happens again, check the switch's log",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"bnx2i: iscsi not supported, dev=|lom is not enabled to offload iscsi", "message",
            None, "this adapter offers no iSCSI offload",
            "its firmware lacks it, or it is turned off in the adapter's setup",
            "turn it on there, or use the software initiator: `-I default`", Exit.MISSING),
    Message(r"could not insert '\S*(?:iscsi|iser|multipath|libiscsi)\S*': "
            r"(?:operation not permitted|key was rejected|required key|exec format|unknown symbol)",
            "iscsiadm", 12, "the kernel refused the module",
            ("not root, or in a container (not permitted); Secure Boot (key); or a module built "
             "for another kernel (exec format, unknown symbol)"),
            "load it on the host; install the module for the running kernel",
            Exit.MISSING),
    Message(r"avc: +denied .*comm=\"(?:iscsi|multipath)|apparmor=\"denied\".*(?:iscsi|multipath)",
            "message", None, "SELinux or AppArmor denied iscsid or multipathd an operation",
            "a file with a wrong label, or a policy that does not match this host's setup",
            "`restorecon -R /etc/iscsi /var/lib/iscsi`; see `ausearch -m avc`, or `aa-status`",
            Exit.ERROR),
    Message(r"found ordering cycle on|deleted to break ordering cycle", "message", None,
            "systemd did not start a service, because of a dependency cycle",
            "an fstab entry for an iSCSI disk without _netdev, or a unit with too many After=",
            "`iscsictl fstab check`; `systemd-analyze verify default.target` shows the cycle",
            Exit.ERROR),
    Message(r"iscsid\.socket: failed to (?:listen|create listening)", "message", None,
            "systemd cannot open iscsid's socket",
            "an iscsid is running that systemd did not start, perhaps in a container",
            "`pidof iscsid`: stop it, then `systemctl start iscsid.socket`", Exit.IN_USE),
    Message(r"\.mount: (?:un)?mounting timed out|\.mount: state '\S+' timed out", "message", None,
            "a filesystem was not mounted or unmounted in time",
            "its disk does not answer, so reads or writes hang",
            "`iscsictl ls` for the state of the session, `iscsictl doctor` for the reason",
            Exit.UNREACHABLE),
    Message(r"unit multipathd\.service (?:could )?not (?:be )?found|multipath: command not found|"
            r"multipathd?: not found", "message", None, "multipath-tools is not installed",
            "the package is missing",
            "install multipath-tools (Debian, SUSE) or device-mapper-multipath (Fedora, RHEL)",
            Exit.MISSING),
    Message(r"processing seqnum=\d+ is taking a long time|"
            r"seqnum=\d+ (?:timeout|took too long)|"
            r"spawned process '.*' (?:\[\d+\] )?is taking longer than|"
            r"worker \[\d+\] \S*/session\d+/\S* (?:timeout; kill it|is taking a long time)",
            "message",
            None,
            "udev is waiting for a disk",
            "the LUN does not answer when udev probes it",
            "`iscsictl ls` shows which session is down", Exit.UNREACHABLE, only_alone=True),
    Message(r"mountvolume\.\w+ failed for volume .*timed out waiting for the condition|"
            r"unable to attach or mount volumes: ", "message", None,
            "Kubernetes waited in vain for a volume; this line does not say why",
            "the reason is in the node's logs",
            "on that node: `journalctl -u kubelet -u iscsid | iscsictl explain -`", Exit.ERROR,
            only_alone=True),
    Message(r"timeout executing: .*iscsiadm", "message", None, "iscsiadm did not finish in time",
            "a portal does not answer, or iscsid hangs or is busy with many logins",
            "`iscsictl doctor` on that node", Exit.UNREACHABLE),
    Message(r"multi-attach error for volume", "message", None,
            "Kubernetes counts the volume as attached to another node",
            "that node is down, or its pod has not terminated",
            ("delete the old pod; if the node is gone for good, mark it out of service, so that "
             "two hosts never mount one filesystem"), Exit.IN_USE),
    Message(r"iscsid? ?(?:\[\d+\])?: (?:caught sigterm|iscsid shutting down)|iscsid shutting down",
            "message", None, "iscsid was stopped",
            (
                "an upgrade, `systemctl stop`, or a shutdown; sessions stay, but none is restored "
                "if it drops"
            ),
            "`iscsictl service start`, unless the host was shut down", Exit.MISSING,
            only_alone=True),
)  # fmt: skip
