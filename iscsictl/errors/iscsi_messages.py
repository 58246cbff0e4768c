"""Lines of open-iscsi and of the LIO target that say more than a code.

Sources: the messages in open-iscsi's usr/*.c, and the kernel's iscsi_tcp, libiscsi,
scsi_transport_iscsi and LIO target. Each entry has a regular expression for the line in lower case,
and the answer of `explain`. If the line stands for a code of a table, `kind` and `code` say which;
the words here are more exact than those of the table.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.message_type import Message

_INITIATOR: Final = "`iscsictl initiator show`; without a name: `iscsictl initiator generate`"
_MUTUAL: Final = "set the array's own account again: `iscsictl chap set` with --mutual-user"

CONNECTING: Final = (
    Message(r"connection refused|connection to \S+ \(-1, ?111\)", "iscsiadm", 4,
            "connection refused",
            "nothing listens on this portal: the target service is stopped, or the port is wrong",
            "start the target on the array, or correct the portal's port (usually 3260)",
            Exit.UNREACHABLE),
    Message(r"no route to host|connection to \S+ \(-1, ?113\)", "iscsiadm", 4,
            "no route to the portal",
            ("the array is off, the address does not exist in that network, or a firewall on the "
             "array or in between answers `prohibited`"),
            "ping the address; open port 3260 in the array's firewall", Exit.UNREACHABLE),
    Message(r"network is unreachable|connection to \S+ \(-1, ?101\)", "iscsiadm", 4,
            "the network of the portal is unreachable",
            "this host has no address in that network or no route to it, or the link is down",
            "`ip route get ADDRESS`; bring the interface up", Exit.UNREACHABLE),
    Message(r"connection reset by peer", "iscsiadm", 4, "the other side closed the connection",
            "the target crashed, refused this host, or is not an iSCSI target",
            "check the array's log for that time", Exit.UNREACHABLE),
    Message(r"connection to .*timed out|connection to \S+ \(-1, ?110\)", "iscsiadm", 4,
            "connection timed out",
            (
                "the portal does not answer: wrong address, no route back, or a firewall that "
                "drops packets"
            ),
            "ping the address and test port 3260: `iscsictl doctor`", Exit.UNREACHABLE),
    Message(r"connect to \S+ timed out|connect to \S+ failed \(connection timed out",
            "iscsiadm", 8,
            "connection timed out",
            (
                "the portal does not answer: wrong address, no route back, or a firewall that "
                "drops packets"
            ),
            "ping the address and test port 3260: `iscsictl doctor`", Exit.UNREACHABLE),
    Message(r"cannot resolve (?:host name )?\S+|name or service not known|"
            r"temporary failure in name resolution", "iscsiadm", 23, "host not found",
            "the portal's name does not resolve", "`getent hosts NAME`, or give the address",
            Exit.UNREACHABLE),
    Message(r"connection login retries \(reopen_max\)", "iscsiadm", 8,
            "every attempt to connect failed",
            "the portal does not answer, or answered too late",
            "`iscsictl doctor` tests the portal",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"discovery (?:login )?session (?:to \S+ )?timed out|login response timeout|"
            r"socket \d+ (?:write|(?:header|data|pad) read) timed out",
            "iscsiadm", 11, "the portal accepted the connection and then did not answer",
            ("an overloaded array, large packets lost because of a wrong MTU, or something other "
             "than an iSCSI target on that port"),
            "test with `ping -M do -s 8972` if jumbo frames are enabled; `iscsictl doctor`",
            Exit.UNREACHABLE),
    Message(r"can ?not create netlink_iscsi socket|could not open netlink", "iscsiadm", 12,
            "iSCSI support is not loaded in the kernel",
            "the module scsi_transport_iscsi is not loaded, or this is a container",
            "modprobe iscsi_tcp on the host; the kernel's iSCSI does not work inside a container",
            Exit.MISSING),
    Message(r"could not scan /sys/class/iscsi_transport", "iscsiadm", 12,
            "iSCSI support is not loaded in the kernel",
            "the module scsi_transport_iscsi is not loaded, or /sys is not mounted (a container)",
            "modprobe iscsi_tcp; if it is not found, install the kernel's extra modules",
            Exit.MISSING),
    Message(r"could not load transport (?!module)\S+", "iscsiadm", 12, "iSCSI driver not loaded",
            ("the module of the transport (iscsi_tcp for tcp, ib_iser for iser) is missing or not "
             "loaded, so the interface was skipped"),
            "modprobe iscsi_tcp; if it is not found, install the kernel's extra modules",
            Exit.MISSING),
    Message(r"module \S+ not found in directory /\S*lib/modules|"
            r"fatal: module \S*iscsi\S* not found",
            "iscsiadm", 12, "the running kernel has no such module",
            ("the kernel was upgraded without a reboot, the package with the kernel's extra "
             "modules is missing, or this is a container"),
            "reboot, or install the extra modules for the kernel that `uname -r` names",
            Exit.MISSING),
)  # fmt: skip

# Where iscsiadm locks the node database; which of them, depends on its version.
_LOCK: Final = r"/(?:var/|run/)?(?:run/)?lock/iscsi\b"

SETUP: Final = (
    Message(r"(?:iscsiadm|iscsid)\S*: (?:command )?not found|"
            r"(?:command not found|unknown command): (?:\S*/)?iscsi(?:adm|d)\b|"
            r"sh: (?:\S*/)?iscsi(?:adm|d): no such file|"
            r"no such file or directory: '?(?:\S*/)?iscsiadm|"
            r"\"(?:\S*/)?iscsiadm\": executable file not found|"
            r"unable to locate executable .*iscsiadm|\biscsi\S*\.(?:service|socket) (?:could )?not "
            r"(?:be )?found|iscsid\.(?:service|socket): not found|"
            r"iscsi.*exit (?:status|code) 127\b|iscsiadm/open-iscsi installed|"
            r"(?:failed to execute|failed to run command|can't execute|env:) \W?(?:\S*/)?iscsiadm",
            "message", None, "open-iscsi is not installed",
            "the package is missing (for a container: on the host), or /usr/sbin is not in PATH",
            "install open-iscsi (Debian, SUSE) or iscsi-initiator-utils (Fedora, RHEL)",
            Exit.MISSING),
    Message(r"initiatorname file \S+ does not exist|can't open initiatorname|"
            r"no initiator name set",
            "message", None, "this host has no initiator name",
            "/etc/iscsi/initiatorname.iscsi is missing or has no InitiatorName=iqn... line",
            _INITIATOR, Exit.NOT_FOUND),
    Message(rf"could not open {_LOCK}: (?:\d+: )?no such file or directory", "iscsiadm", 6,
            "the directory in which the node database is locked does not exist",
            "/run/lock is missing, as in a container or a chroot", "`mkdir -p /run/lock`",
            Exit.ERROR),
    Message(rf"could not open {_LOCK}: (?:\d+: )?read-only file system", "iscsiadm", 6,
            "the lock directory of the node database is on a read-only filesystem",
            "a container or a service to which /run is read-only",
            "make /run/lock writable there, or run the command on the host", Exit.ERROR),
    Message(rf"could not open {_LOCK}|maybe you are not root|"
            r"could not lock discovery db: \S+: (?:\d+ )?permission denied",
            "iscsiadm", 6, "the lock directory of the node database cannot be written",
            "the command was not run as root, or /run is read-only",
            BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(r"invalid initiatorname\b", "iscsiadm", 7, "the initiator name of this host is invalid",
            (
                "/etc/iscsi/initiatorname.iscsi does not have the form "
                "InitiatorName=iqn.YYYY-MM.DOMAIN"
            ),
            _INITIATOR, Exit.ERROR),
    Message(r"iscsiadm.{0,20}(?:must be run as root|permission denied)|"
            r"unauthorized user with uid", "iscsiadm", 13,
            "iscsiadm needs root", "the command was not run as root", BECOME_ROOT,
            Exit.NEEDS_ROOT),
    Message(r"iscsiadm: (?:invalid command|unrecognized character|no mode specified|"
            r"option requires|\S+ mode: option|"
            r"invalid (?:parameters|info level|disc|(?:login|logout)all|operation|sub mode|sid|"
            r"type|port )|please specify portal|unsupported discovery type|"
            r"update requires|can not recognize operation|ping requires|\w+ mode requires)",
            "iscsiadm", 7,
            "iscsiadm does not understand its command line",
            "an option is missing or misspelt, or belongs to another mode or version",
            "see iscsiadm(8) of the installed version", Exit.ERROR),
    Message(r"iface \S+ is a special interface", "iscsiadm", 7,
            "this interface is built in and cannot be changed",
            "default and iser belong to open-iscsi itself",
            "define your own: `iscsictl iface add`", Exit.ERROR),
    Message(r"could not (?:read session (?:targetname|tpgt)|get host for sid|find session info)",
            "iscsiadm", 22,
            "a session ended while iscsiadm was reading it",
            "another program was logging in or out at the same time", "try again", Exit.ERROR,
            only_alone=True),
    Message(r"timeout on acquiring lock on db", "iscsiadm", 6,
            "the lock of the node database was held for 30 s",
            "an iscsiadm that was killed left its lock behind, or another one is running",
            "`iscsictl doctor --fix` removes a lock that nobody holds", Exit.ERROR),
    Message(r"invalid param(?:eter)? name|unknown parameter(?: name)? \S+", "iscsiadm", 7,
            "the record has no setting of that name",
            "a typo, or a setting that this version of open-iscsi does not support",
            "`iscsictl nodes show` lists the names", Exit.ERROR),
    Message(r"cannot modify \S+\. it is used to look up the record", "iscsiadm", 7,
            "this setting is part of the record's name and cannot be changed",
            "a record is identified by its target, portal and interface",
            "create a new record (`iscsictl discover --save`), then `iscsictl forget` the old one",
            Exit.ERROR),
    Message(r"can ?not update (?:iface\.iscsi_ifacename|interface binding)", "iscsiadm", 7,
            "this setting identifies the interface and cannot be changed",
            "it is the name, the hardware address or the network interface",
            "`iscsictl iface rm`, then `iscsictl iface add` with the new value", Exit.ERROR),
    Message(r"can ?not get list of active sessions", "iscsiadm", 22,
            "iscsiadm could not read the sessions in /sys",
            "a session just ended, or /sys is not mounted (a container)", "try again",
            Exit.ERROR, only_alone=True),
    Message(r"could not rescan session", "message", None,
            "a session's LUNs could not be rescanned",
            "the session is down, or has ended",
            "`iscsictl ls` for its state; then `iscsictl rescan`", Exit.ERROR, only_alone=True),
    Message(r"discovery session to \S+ received unexpected opcode", "message", None,
            "the portal did not answer the discovery with a list of targets",
            "it is busy or restarting, or something other than an iSCSI target uses that port",
            "try again; check the port, and the array's log", Exit.ERROR),
    Message(r"updating iface while iscsi sessions are using it|cannot modify node/iface transport",
            "iscsiadm", 28, "a session uses this interface",
            "changes to an interface take effect at the next login",
            "log out, make the change, and log in again", Exit.IN_USE),
    Message(r"could not read iface (?:info for|\S+ \(\d+\))|iface \S+ is not valid", "iscsiadm", 7,
            "the interface (iface) of the record is not defined",
            "its file was deleted, or the file's name differs from the name in it",
            "`iscsictl iface ls`, then `iscsictl iface add` or another interface for the record",
            Exit.ERROR),
    Message(r"this command will remove the record .* but a session is using it", "iscsiadm", 28,
            "the record is in use by a session", "the target is still logged in",
            "log out first: `iscsictl logout`; or do both at once: `iscsictl detach --forget`",
            Exit.IN_USE),
    Message(r"actively in use for mounted storage", "iscsiadm", 28,
            "a disk of the session is mounted",
            "iscsid.safe_logout forbids logging out while a disk is mounted",
            "`iscsictl detach` unmounts first", Exit.IN_USE),
    Message(r"\d+ sessions? requested, but \d+ already present", "iscsiadm", 15, "session exists",
            "the target is already logged in through this portal and interface",
            "nothing; for several sessions set node.session.nr_sessions", Exit.DONE),
    Message(r"is an invalid session id or path|\binvalid session '", "message", None,
            "there is no session with that number", "it has ended, or the number is of a host",
            "`iscsictl ls -l` lists the sessions with their numbers", Exit.NOT_FOUND),
    Message(r"no iscsi hosts\.", "iscsiadm", 21, "this host has no session and no iSCSI adapter",
            "a software session is a SCSI host of its own; without sessions there is none",
            "nothing; `iscsictl nodes ls` lists the targets that can be logged in to",
            Exit.NOT_FOUND, only_alone=True),
    Message(r"no matching sessions found", "iscsiadm", 21, "no session matches",
            "the target is not logged in, or the name or portal is written differently",
            "`iscsictl ls` lists the sessions", Exit.NOT_FOUND),
    Message(r"could not logout of all requested sessions", "iscsiadm", 10,
            "at least one session could not be logged out", (
                "usually because one of its disks is in use"
            ),
            "`iscsictl detach -n` names what is using it", Exit.ERROR, only_alone=True),
    Message(r"session \d+ in invalid state for logout|because it's trying to reconnect", "iscsiadm",
            10, "the session is reconnecting and cannot be logged out now",
            "the array is unreachable",
            "wait; if the array is gone for good: `iscsictl detach --lost`",
            Exit.UNREACHABLE),
)  # fmt: skip

LOGIN: Final = (
    Message(r"target requests logout|target dropping all connections", "message", None,
            "the array asked this host to log out",
            "maintenance, a failover to the other controller, or a change to its portals",
            "nothing if the session comes back; otherwise check the array's log",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"connection\d+:\d+ to \[.*\] is operational now", "message", None,
            "a session was established", "nothing is wrong", "nothing", Exit.DONE,
            only_alone=True),
    Message(r"iscsi: registered transport \(|iscsi initiator over tcp/ip|iser initiator over|"
            r"iscsi (?:daemon|logger) with pid=\d+ started", "message", None,
            "iscsid, its driver or a session was started", "nothing is wrong", "nothing", Exit.DONE,
            only_alone=True),
    Message(r"storage '\S+' is not online", "message", None,
            "Proxmox VE cannot reach any portal of the storage",
            "the array does not answer on port 3260, or the login failed",
            "`iscsictl doctor`, and iscsid's log: `journalctl -u iscsid`",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"received incorrect chap response|received incorrect username from target|"
            r"no incoming (?:password|username) configured", "iscsiadm", 24,
            "the array did not prove its identity (mutual CHAP)",
            (
                "the array's own name or secret differs from the incoming account configured on "
                "this host"
            ),
            _MUTUAL, Exit.AUTH),
    Message(r"has incoming authentication credentials but has no outgoing", "iscsiadm", 24,
            "mutual CHAP needs this host's account as well",
            "only the incoming account (the array's) is set",
            "`iscsictl chap set --user NAME`, or clear both: `iscsictl chap clear`", Exit.AUTH),
    Message(r"local password same as remote", "iscsiadm", 24,
            "the two secrets of mutual CHAP are the same",
            "RFC 7143 forbids using one secret for both directions",
            "choose another secret for one side",
            Exit.AUTH),
    Message(r"login negotiation failed, (?:header|data)digest", "iscsiadm", 19,
            "host and array do not agree on digests",
            "one side wants CRC32C, the other None",
            "`iscsictl nodes set` node.conn[0].iscsi.HeaderDigest to what the array wants",
            Exit.ERROR),
    Message(r"(?<!iscsi )login negotiation failed|login version mismatch", "iscsiadm", 19,
            "host and array do not agree on a session parameter",
            "the parameter that the line names", "set it in the record: `iscsictl nodes set`",
            Exit.ERROR),
    Message(r"chap user or password not set for initiator acl", "message", None,
            "the LIO target requires CHAP but has no account for this initiator",
            "authentication=1 on the portal group, but no userid and password in its access list",
            "set auth userid and password in the ACL (targetcli), or authentication=0 on the TPG",
            Exit.AUTH),
    Message(r"iscsi initiator node: \S+ is not authorized", "message", None,
            "this initiator may not use the target",
            "the LIO target has no access list entry with this host's initiator name",
            "create an ACL for the name that `iscsictl initiator show` prints", Exit.AUTH),
    Message(r"iscsi login negotiation failed|\bsecurity negotiation failed\.", "message", None,
            "a login to this LIO target failed; this line does not say why",
            "the reason is in the target's preceding lines, or the initiator disappeared",
            "read the preceding lines and the initiator's log", Exit.ERROR, only_alone=True),
    Message(r"unable to locate target iqn", "message", None,
            "an initiator asked this LIO target for a target that it does not have",
            "a typo, or a target that was deleted", "compare with `iscsictl discover`",
            Exit.NOT_FOUND),
    Message(r"detected non_existent_lun access", "message", None,
            "an initiator asked this LIO target for a LUN that is not mapped to it",
            "normal once per login for LUN 0; otherwise the LUN is not mapped in the access list",
            "nothing if it happened once; otherwise map the LUN in the ACL (targetcli)",
            Exit.NOT_FOUND,
            only_alone=True),
    Message(r"did not receive response to nopin", "message", None,
            "an initiator did not answer this LIO target, which dropped the connection",
            "the initiator or the network in between was down",
            "test the path between the two; see the initiator's log", Exit.UNREACHABLE),
    Message(r"kernel_bind\(\) failed: -98|could not create networkportal in configfs", "message",
            None, "the LIO target cannot listen on the portal",
            "another target (tgtd) uses the port, or this host does not have the address",
            "`ss -ltnp 'sport = :3260'` names the program; stop it, or give another port",
            Exit.IN_USE),
    Message(r"iscsi login timeout on network portal", "message", None,
            "an initiator opened a connection to this LIO target and did not log in",
            "a port scan, an initiator that hung, or lost packets",
            "nothing if it happened once; otherwise test the path between the two",
            Exit.UNREACHABLE),
)  # fmt: skip
