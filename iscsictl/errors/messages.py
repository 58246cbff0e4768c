"""Lines of open-iscsi and of the LIO target that say more than a code; all messages together.

Sources: the messages in open-iscsi's usr/*.c, and the kernel's iscsi_tcp, libiscsi,
scsi_transport_iscsi and LIO target. Each has a regular expression over the line in lower case, and
what `explain` answers: where the line stands for a code of a table, `kind` and `code` name it, and
the words here are more exact than the table's.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.disk_messages import DISKS, MULTIPATH
from iscsictl.errors.filesystem_messages import FILESYSTEMS, MAKING, MOUNTS
from iscsictl.errors.message import Message
from iscsictl.errors.service_messages import SERVICES

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
             "array or between answers `prohibited`"),
            "ping the address; open port 3260 in the array's firewall", Exit.UNREACHABLE),
    Message(r"network is unreachable", "iscsiadm", 4, "the network of the portal is unreachable",
            "this host has no address or no route in that network, or the link is down",
            "`ip route get ADDRESS`; bring the interface up", Exit.UNREACHABLE),
    Message(r"connection reset by peer", "iscsiadm", 4, "the other side closed the connection",
            "the target crashed, refused this host, or is no iSCSI target",
            "look into the array's log at that time", Exit.UNREACHABLE),
    Message(r"connection to .*timed out|connection to \S+ \(-1, ?110\)", "iscsiadm", 4,
            "connection timed out",
            "the portal does not answer: wrong address, no route back, or a firewall that drops",
            "ping the address and test port 3260: `iscsictl doctor`", Exit.UNREACHABLE),
    Message(r"connect to \S+ timed out|connect to \S+ failed \(connection timed out",
            "iscsiadm", 8,
            "connection timed out",
            "the portal does not answer: wrong address, no route back, or a firewall that drops",
            "ping the address and test port 3260: `iscsictl doctor`", Exit.UNREACHABLE),
    Message(r"cannot resolve (?:host name )?\S+|name or service not known|"
            r"temporary failure in name resolution", "iscsiadm", 23, "host not found",
            "the portal's name does not resolve", "`getent hosts NAME`, or give the address",
            Exit.UNREACHABLE),
    Message(r"connection login retries \(reopen_max\)", "iscsiadm", 8,
            "every attempt to connect failed",
            "the portal does not answer, or answers too late", "`iscsictl doctor` tests the portal",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"discovery (?:login )?session (?:to \S+ )?timed out|login response timeout",
            "iscsiadm", 11, "the portal took the connection and then did not answer",
            ("an overloaded array, large packets that a wrong MTU loses, or something other than "
             "an iSCSI target on that port"),
            "test with `ping -M do -s 8972` if jumbo frames are on; `iscsictl doctor`",
            Exit.UNREACHABLE),
    Message(r"can ?not create netlink_iscsi socket|could not open netlink", "iscsiadm", 12,
            "the kernel has no iSCSI support loaded",
            "the module scsi_transport_iscsi is not loaded, or this is a container",
            "modprobe iscsi_tcp on the host; the kernel's iSCSI does not work inside a container",
            Exit.MISSING),
    Message(r"could not scan /sys/class/iscsi_transport", "iscsiadm", 12,
            "the kernel has no iSCSI support loaded",
            "the module scsi_transport_iscsi is not loaded, or /sys is not mounted (a container)",
            "modprobe iscsi_tcp; if it is not found install the kernel's extra modules",
            Exit.MISSING),
    Message(r"could not load transport (?!module)\S+", "iscsiadm", 12, "iSCSI driver not loaded",
            ("the module of the transport (iscsi_tcp for tcp, ib_iser for iser) is missing or not "
             "loaded, so the interface was left out"),
            "modprobe iscsi_tcp; if it is not found install the kernel's extra modules",
            Exit.MISSING),
    Message(r"module \S+ not found in directory /\S*lib/modules|"
            r"fatal: module \S*iscsi\S* not found",
            "iscsiadm", 12, "the running kernel has no such module",
            ("the kernel was upgraded and the host not restarted, the package with the kernel's "
             "extra modules is missing, or this is a container"),
            "restart the host, or install the extra modules of the kernel that `uname -r` names",
            Exit.MISSING),
)  # fmt: skip

SETUP: Final = (
    Message(r"(?:iscsiadm|iscsid)\S*: (?:command )?not found|"
            r"no such file or directory: '?(?:\S*/)?iscsiadm|"
            r"\"(?:\S*/)?iscsiadm\": executable file not found|"
            r"unable to locate executable .*iscsiadm|\biscsi\S*\.(?:service|socket) (?:could )?not "
            r"(?:be )?found|iscsid\.(?:service|socket): not found|"
            r"iscsi.*exit (?:status|code) 127\b",
            "message", None, "open-iscsi is not installed",
            "the package is missing, or /usr/sbin is not in PATH",
            "install open-iscsi (Debian, SUSE) or iscsi-initiator-utils (Fedora, RHEL)",
            Exit.MISSING),
    Message(r"initiatorname file \S+ does not exist|can't open initiatorname|"
            r"no initiator name set",
            "message", None, "this host has no initiator name",
            "/etc/iscsi/initiatorname.iscsi is missing or has no line InitiatorName=iqn...",
            _INITIATOR, Exit.NOT_FOUND),
    Message(r"could not open /(?:var/|run/)?(?:run/)?lock/iscsi\b|maybe you are not root|"
            r"could not lock discovery db: \S+: (?:\d+ )?permission denied",
            "iscsiadm", 6, "the lock directory of the node database cannot be written",
            "the command was run without root, or /run is read-only",
            BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(r"timeout on acquiring lock on db", "iscsiadm", 6,
            "the lock of the node database was held for 30 s",
            "an iscsiadm that was killed left its lock behind, or another one is at work",
            "`iscsictl doctor --fix` removes a lock that nobody holds", Exit.ERROR),
    Message(r"invalid param(?:eter)? name|unknown parameter(?: name)? \S+", "iscsiadm", 7,
            "the record has no setting of that name",
            "a typing error, or a setting that this version of open-iscsi does not know",
            "see the names with `iscsictl nodes show`", Exit.ERROR),
    Message(r"cannot modify \S+\. it is used to look up the record", "iscsiadm", 7,
            "this setting is a part of the record's name and cannot be changed",
            "the target, portal or interface of a record is its identity",
            "make a new record (`iscsictl discover --save`), then `iscsictl forget` the old one",
            Exit.ERROR),
    Message(r"updating iface while iscsi sessions are using it|cannot modify node/iface transport",
            "iscsiadm", 28, "a session uses this interface",
            "a change of an interface takes effect at the next login",
            "log out, make the change, and log in again", Exit.IN_USE),
    Message(r"could not read iface info for|iface \S+ is not valid", "iscsiadm", 7,
            "the interface (iface) of the record is not defined",
            "its file was deleted, or its name is not the one inside the file",
            "`iscsictl iface ls`, then `iscsictl iface add` or another interface for the record",
            Exit.ERROR),
    Message(r"this command will remove the record .* but a session is using it", "iscsiadm", 28,
            "the record is in use by a session", "the target is still logged in",
            "log out first: `iscsictl logout`, or both at once: `iscsictl detach --forget`",
            Exit.IN_USE),
    Message(r"actively in use for mounted storage", "iscsiadm", 28,
            "a disk of the session is mounted",
            "iscsid.safe_logout forbids to log out while a disk is mounted",
            "`iscsictl detach` unmounts first", Exit.IN_USE),
    Message(r"\d+ sessions? requested, but \d+ already present", "iscsiadm", 15, "session exists",
            "the target is logged in already through this portal and interface",
            "nothing; for several sessions set node.session.nr_sessions", Exit.DONE),
    Message(r"no matching sessions found", "iscsiadm", 21, "no session matches",
            "the target is not logged in, or the name or portal is written differently",
            "`iscsictl ls` shows the sessions there are", Exit.NOT_FOUND),
    Message(r"could not logout of all requested sessions", "iscsiadm", 10,
            "at least one session could not be logged out", "most often a disk of it is in use",
            "`iscsictl detach -n` names what uses it", Exit.ERROR, only_alone=True),
    Message(r"session \d+ in invalid state for logout|because it's trying to reconnect", "iscsiadm",
            10, "the session is reconnecting and cannot be logged out now",
            "the array is away", "wait, or `iscsictl detach --lost` if the array is gone for good",
            Exit.UNREACHABLE),
)  # fmt: skip

LOGIN: Final = (
    Message(r"received incorrect chap response|received incorrect username from target|"
            r"no incoming (?:password|username) configured", "iscsiadm", 24,
            "the array did not prove its identity (mutual CHAP)",
            "the array's own name or secret differs from what this host has as incoming account",
            _MUTUAL, Exit.AUTH),
    Message(r"has incoming authentication credentials but has no outgoing", "iscsiadm", 24,
            "mutual CHAP needs the account of this host too",
            "only the incoming (array's) account is set",
            "`iscsictl chap set --user NAME`, or clear both: `iscsictl chap clear`", Exit.AUTH),
    Message(r"local password same as remote", "iscsiadm", 24,
            "the two secrets of mutual CHAP are equal",
            "RFC 7143 forbids one secret for both directions", "choose another secret for one side",
            Exit.AUTH),
    Message(r"login negotiation failed, (?:header|data)digest", "iscsiadm", 19,
            "host and array do not agree on digests",
            "one side wants CRC32C and the other None",
            "`iscsictl nodes set` node.conn[0].iscsi.HeaderDigest to what the array wants",
            Exit.ERROR),
    Message(r"(?<!iscsi )login negotiation failed|login version mismatch", "iscsiadm", 19,
            "host and array do not agree on a parameter of the session",
            "the parameter that the line names", "set it in the record: `iscsictl nodes set`",
            Exit.ERROR),
    Message(r"chap user or password not set for initiator acl", "message", None,
            "the LIO target wants CHAP and has no account for this initiator",
            "authentication=1 on the portal group, and no userid and password in its access list",
            "set auth userid and password in the ACL (targetcli), or authentication=0 on the TPG",
            Exit.AUTH),
    Message(r"iscsi initiator node: \S+ is not authorized", "message", None,
            "this initiator may not use the target",
            "the LIO target has no access list entry with this host's initiator name",
            "create the ACL with the name that `iscsictl initiator show` prints", Exit.AUTH),
    Message(r"iscsi login negotiation failed", "message", None,
            "a login to this LIO target failed; this line does not say why",
            "the reason is in the target's lines before it, or the initiator went away",
            "read the lines above it, and the initiator's log", Exit.ERROR, only_alone=True),
    Message(r"unable to locate target iqn", "message", None,
            "an initiator asked this LIO target for a target that it does not have",
            "a typing error, or a target that was deleted", "compare with `iscsictl discover`",
            Exit.NOT_FOUND),
    Message(r"detected non_existent_lun access", "message", None,
            "an initiator asked this LIO target for a LUN that it is not given",
            "usual once for LUN 0 at a login; otherwise the LUN is not mapped in the access list",
            "nothing if it came once; otherwise map the LUN in the ACL (targetcli)", Exit.NOT_FOUND,
            only_alone=True),
    Message(r"did not receive response to nopin", "message", None,
            "an initiator did not answer this LIO target, which dropped the connection",
            "the initiator or the network between was away",
            "test the path between the two; see the initiator's log", Exit.UNREACHABLE),
    Message(r"kernel_bind\(\) failed: -98|could not create networkportal in configfs", "message",
            None, "the LIO target cannot listen on the portal",
            "another target (tgtd) has the port, or the address is not on this host",
            "`ss -ltnp 'sport = :3260'` names the program; stop it, or give another port",
            Exit.IN_USE),
    Message(r"iscsi login timeout on network portal", "message", None,
            "an initiator opened a connection to this LIO target and did not log in",
            "a port scan, an initiator that hung, or packets lost on the way",
            "nothing if it came once; otherwise test the path between the two", Exit.UNREACHABLE),
)  # fmt: skip

MESSAGES: Final = (
    *CONNECTING, *SETUP, *SERVICES, *LOGIN, *DISKS, *MULTIPATH, *FILESYSTEMS, *MOUNTS, *MAKING
)  # fmt: skip
