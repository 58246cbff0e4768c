"""Lines of open-iscsi, the kernel and other programs that say more than a code.

Sources: the messages in open-iscsi's usr/*.c, the kernel's iscsi_tcp, libiscsi,
scsi_transport_iscsi, sd, ext4, XFS and the LIO target, multipathd, libmount, e2fsprogs, systemd
and the shell. Each has a regular expression over the line in lower case, and what `explain`
answers: where the line stands for a code of a table, `kind` and `code` name it, and the words here
are more exact than the table's.
"""

from dataclasses import dataclass
from typing import Final, Literal

from iscsictl.errors import BECOME_ROOT, Exit

MessageKind = Literal["iscsiadm", "kernel", "message"]


@dataclass(frozen=True)
class Message:
    """What one kind of line means. An `only_alone` one counts only where nothing else is found.

    That is for lines that follow from another error, which is then the one to explain.
    """

    pattern: str
    kind: MessageKind
    code: int | None
    meaning: str
    usual_cause: str
    fix: str
    exit: Exit
    only_alone: bool = False


_INITIATOR: Final = "`iscsictl initiator show`; without a name: `iscsictl initiator generate`"
# The answer to lines that only follow from another one.
_READ_ABOVE: Final = "read the lines above it, or `journalctl -u iscsid -n 50 | iscsictl explain -`"
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
            r"unable to locate executable .*iscsiadm|iscsid\.(?:service|socket) (?:could )?not "
            r"(?:be )?found|iscsid\.(?:service|socket): not found",
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
    Message(r"could not log(?:in)? (?:into )?all (?:leading-login )?portals|"
            r"could not login to \[|could not logout of \[", "message", None,
            "at least one login or logout failed; this line does not say why",
            "the reason is in the line before it or after it", _READ_ABOVE, Exit.ERROR,
            only_alone=True),
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
    Message(r"login negotiation failed|login version mismatch", "iscsiadm", 19,
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
    Message(r"iscsi login timeout on network portal", "message", None,
            "an initiator opened a connection to this LIO target and did not log in",
            "a port scan, an initiator that hung, or packets lost on the way",
            "nothing if it came once; otherwise test the path between the two", Exit.UNREACHABLE),
)  # fmt: skip

DISKS: Final = (
    Message(r"session recovery timed out after \d+ secs", "kernel", 1013, "the session failed",
            "it could not be restored within replacement_timeout; I/O now fails",
            "`iscsictl reconnect` once the array answers; filesystems may need a new mount",
            Exit.UNREACHABLE),
    Message(r"lun assignments on this target have changed", "message", None,
            "the array changed which LUNs this host has; the kernel keeps the old ones",
            "a LUN was mapped, unmapped or numbered anew on the array",
            "`iscsictl rescan`; check `iscsictl doctor` before a mounted disk is used further",
            Exit.ERROR),
    Message(r"capacity data has changed|detected capacity change", "message", None,
            "the size of a LUN changed", "it was enlarged, or shrunk, on the array",
            "`iscsictl rescan`, then `iscsictl disk grow` if it was enlarged", Exit.ERROR),
    Message(r"rejecting i/o to (?:offline|dead) device|device offlined", "message", None,
            "the kernel gave up on a disk and fails every access to it",
            "the session was down longer than replacement_timeout, or error handling failed",
            "`iscsictl reconnect` once the array answers; a filesystem on it needs a new mount",
            Exit.UNREACHABLE),
    Message(r"reservation conflict", "message", None, "another host holds a reservation on the LUN",
            "a cluster, a second host that uses the LUN, or a reservation that was left behind",
            "see who holds it: `sg_persist -r /dev/sdX`", Exit.REFUSED),
    Message(r"logical unit not ready|\] unit not ready", "message", None,
            "the LUN is there and takes no commands yet",
            "the array starts, moves the LUN to its other controller, or has it offline",
            "wait a minute, then look at the LUN's state on the array", Exit.UNREACHABLE),
    Message(r"critical space allocation error|space allocation failed write protect", "message",
            None, "the array has no space left for a thin LUN, so writes fail",
            "the pool that the LUN is taken from is full, whatever `df` says here",
            "free space in the array's pool; then unmount, check with fsck, and mount again",
            Exit.ERROR),
    # sd says "Write Protect is off" of every other disk.
    Message(r"sense key ?: data protect|write protect is on", "message", None,
            "the array refuses writes to the LUN",
            "it is exported read-only, it is a snapshot, or the array's pool is full",
            "make it writable on the array, then `iscsictl rescan`; or mount it with the option ro",
            Exit.ERROR, only_alone=True),
    Message(r"sense key ?: (?:hardware|medium) error", "message", None,
            "the array reports a defect of the LUN",
            "a disk of the array failed, and the array could not make up for it",
            "look at the array's own log, and copy what can still be read", Exit.ERROR),
    Message(r"timing out command, waited \d+", "message", None,
            "the LUN did not answer a command in time", "an overloaded array, or a path that drops",
            "`iscsictl ls -l` shows latency and errors of the session", Exit.UNREACHABLE),
    Message(r"mmp interval|mmp failure|ext4_multi_mount_protect", "message", None,
            "another host has, or had, this filesystem mounted (ext4's mmp)",
            "two hosts have the LUN, or one of them ended without unmounting",
            "make sure that no other host has it mounted, wait, and mount again", Exit.REFUSED),
    Message(r"task \S+ blocked for more than \d+ sec", "message", None,
            "a process waits for a disk",
            "the session of the disk is down, or its multipath map has no path and queues",
            "`iscsictl ls` shows the session; `iscsictl reconnect` once the array answers",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"connection\d+:\d+ is operational after recovery", "message", None,
            "the session is up again", "the array or the network was away for a while",
            "nothing; if it comes again and again: `iscsictl doctor`", Exit.DONE, only_alone=True),
    Message(r"logical unit not supported", "message", None, "the LUN does not exist any more",
            "it was deleted or unmapped on the array", "`iscsictl rescan`, and check the mapping",
            Exit.NOT_FOUND),
    Message(r"remounting filesystem read-only|(?:metadata|log) i/o error|"
            r"filesystem has been shut down|shutting down filesystem|"
            r"aborting journal", "message", None,
            "a filesystem lost its disk and takes no more writes",
            "I/O errors: the session or the array was away too long",
            "bring the disk back (`iscsictl reconnect`), unmount, check with fsck, and mount again",
            Exit.ERROR, only_alone=True),
    Message(r"detected io errors while flushing|previous i/o error to superblock|"
            r"lost (?:a?sync )?page write", "message", None,
            "what was written to a filesystem did not reach the disk",
            "I/O errors: the session or the array was away too long",
            ("bring the disk back (`iscsictl reconnect`), unmount, check with fsck, and mount "
             "again; the newest files may be incomplete"),
            Exit.ERROR, only_alone=True),
    Message(r"ext4-fs error \(device|structure needs cleaning|metadata corruption detected|"
            r"corruption detected\. unmount and run", "message", None,
            "the contents of a filesystem contradict themselves, or cannot be read",
            "I/O errors, or two hosts that have the LUN mounted at once",
            ("make sure that no other host has it mounted; then unmount, and fsck "
             "(XFS: xfs_repair)"), Exit.ERROR, only_alone=True),
    Message(r"multipath: .*failing path|path is down|checker failed path", "message", None,
            "multipath took a path out of use", "the session of that path is down",
            "`iscsictl ls` shows which session; the others carry the I/O meanwhile",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"remaining active paths: 0\b|entering recovery mode: max_retries", "message", None,
            "no path to the disk is left; multipath waits or fails I/O, by no_path_retry",
            "every session to the array is down", "`iscsictl doctor`, then `iscsictl reconnect`",
            Exit.UNREACHABLE),
    Message(r"i/o error, dev \w+|buffer i/o error on dev", "message", None,
            "reading or writing a disk failed",
            "for an iSCSI disk: its session was down longer than replacement_timeout",
            "see the iSCSI messages before it; `iscsictl ls` for the state of the session",
            Exit.ERROR, only_alone=True),
)  # fmt: skip

# Of mount(8), umount(8), mkfs and systemd, about a filesystem that should be there.
MOUNTS: Final = (
    Message(r"special device \S+ does not exist|can't find (?:part)?(?:uuid|label)=", "message",
            None, "the disk of the filesystem is not there",
            "the target is not logged in, or the UUID is not the one on the disk",
            "`iscsictl reconnect`; then `iscsictl ls --tree` shows the UUIDs there are",
            Exit.NOT_FOUND),
    Message(r"can't read superblock", "message", None, "the filesystem cannot be read",
            "reading the disk fails, or what is on it is damaged",
            "`iscsictl ls` for the state of the disk, `dmesg` for the reason", Exit.ERROR),
    Message(r"wrong fs type, bad option, bad superblock|unknown filesystem type", "message", None,
            "the filesystem cannot be mounted as it was asked for",
            ("another type than fstab says, an option that it does not have, no filesystem at "
             "all, or a damaged one"),
            "`blkid DEVICE` and `dmesg`; do not run mkfs", Exit.ERROR),
    Message(r"already mounted or mount point busy|is apparently in use by the system|"
            r"will not make a (?:file ?system|'\S+') here", "message", None,
            "something on this host uses the disk",
            "it is mounted, or a multipath map, LVM, md or swap has it",
            "`lsblk DEVICE` shows what is on top; use that, or stop it first", Exit.IN_USE),
    Message(r"umount: .*(?:target|device) is busy", "message", None,
            "a process uses the mounted filesystem", "open files, or a shell that stands in it",
            "`iscsictl detach -n` names who uses it", Exit.IN_USE),
    Message(r"timed out waiting for device|\.device: job \S+/start timed out|"
            r"\.device/start timed out", "message", None,
            "the disk of an entry in fstab did not appear in time",
            "its target is not logged in: the array is away, or the login service is off",
            "`iscsictl doctor`, and `iscsictl fstab check` for the options of the entry",
            Exit.UNREACHABLE),
    Message(r"dependency failed for (?:/|local file systems|remote file systems)", "message", None,
            "a filesystem was not mounted, because what it needs did not start",
            "its disk did not appear; the reason is in the lines before it",
            "`iscsictl doctor`; once the array answers: `iscsictl reconnect`",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"a start job is running for .*iscsi|"
            r"iscsi\S*\.service: (?:failed with result 'timeout'|\S* ?operation timed out)",
            "message", None, "the login at boot waits for a portal",
            "a target with node.startup=automatic does not answer",
            ("`iscsictl doctor` names the portal; a target that is gone for good: "
             "`iscsictl forget`"), Exit.UNREACHABLE, only_alone=True),
)  # fmt: skip

MESSAGES: Final = (*CONNECTING, *SETUP, *LOGIN, *DISKS, *MOUNTS)
