"""Lines of iscsid about itself and its files, and of systemd about services.

Sources: open-iscsi's usr/iscsid.c, netlink.c, mgmt_ipc.c, iscsid_req.c, idbm.c and io.c; systemd.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.message_type import Message

# The fix for lines that only follow from another one.
_READ_ABOVE: Final = (
    "read the preceding lines, or `journalctl -u iscsid -n 50 | iscsictl explain -`"
)
# A file or directory of the node database, in a line that says what failed.
_DATABASE: Final = r"could not \w+\b.*/iscsi\b.*"

SERVICES: Final = (
    Message(r"can ?not bind (?:netlink_iscsi|ipc) socket|unable to lock pid file", "message", None,
            "another iscsid is running", (
                "a kernel can have only one iscsid; the second one often runs in a container"
            ),
            "`pidof iscsid` and `systemctl status iscsid`: stop the other one", Exit.IN_USE),
    Message(r"(?:failed to|could not|can't) mlockall", "message", None,
            "iscsid exited, because it is not allowed to lock its memory",
            "a container without that capability, or a limit on locked memory",
            "run iscsid on the host, or set LimitMEMLOCK=infinity for its service", Exit.MISSING),
    Message(r"invalid version from /sys/module/scsi_transport_iscsi", "iscsiadm", 12,
            "iSCSI support is not loaded in the kernel",
            "the module scsi_transport_iscsi is not loaded, or this is a container",
            "modprobe iscsi_tcp; if it is not found, install the kernel's extra modules",
            Exit.MISSING),
    Message(r"uip daemon is not up|could not broadcast to uip", "message", None,
            "iscsiuio, which offload adapters (bnx2i, qedi) need, is not running",
            "its package or service is missing, or a software interface was intended",
            "`systemctl enable --now iscsiuio`, or use the software initiator: `-I default`",
            Exit.MISSING),
    Message(r"received iferror -?\d+", "message", None,
            "the driver refused a setting of an offload interface",
            "the interface (iface) has no address, or iscsiuio is not running",
            "`iscsictl iface show` lists its settings; or use the software initiator: `-I default`",
            Exit.ERROR, only_alone=True),
    Message(r"could not set session\d+ priority", "message", None,
            "iscsid is not allowed to raise the priority of a session", "it runs in a container",
            "nothing: the session works", Exit.DONE, only_alone=True),
    Message(r"using chap even though 'authmethod' is set to none", "message", None,
            "CHAP is used although the record's authmethod is None",
            "credentials are set, and then open-iscsi uses them regardless of authmethod",
            "nothing; to stop using CHAP: `iscsictl chap clear`", Exit.DONE, only_alone=True),
    Message(r"could not read data from db\. using default", "message", None,
            "iscsid took over a session that has no node record",
            "the session was started in the initramfs, or its record was deleted",
            "`iscsictl discover --save` creates the record", Exit.DONE, only_alone=True),
    Message(r"could not (?:increase process priority|set /proc/self/oom)|"
            r"prctl could not .*pr_set_io_flusher|cannot adjust oom-killer", "message", None,
            "iscsid is not allowed to protect itself from a lack of memory",
            "it runs in a container without that capability",
            ("nothing; but where swap or the root filesystem is on iSCSI, run iscsid on the host"),
            Exit.DONE, only_alone=True),
    Message(r"ignoring chap algorithm request for \S+ due to crypto lib", "message", None,
            "iscsid does not use one of the CHAP algorithms of its configuration",
            "the host's crypto library does not allow it, for example MD5 in FIPS mode",
            "nothing if the array supports another one (SHA-256); otherwise logins with CHAP fail",
            Exit.AUTH, only_alone=True),
    Message(r"config file line \d+ (?:contains unknown value|does not have|too long)|"
            r"unknown value format '.*' for parameter", "iscsiadm", 7,
            "a line of iscsid.conf or of a record is not understood, and its setting is not used",
            "a typo, or a value that the setting does not have", "correct the line that is named",
            Exit.ERROR),
    Message(r"can't create (?:session|connection)\b", "message", None,
            "the kernel did not create the session",
            "the driver of the interface's transport lacks resources, or does not match open-iscsi",
            "`dmesg` for the driver's reason; use open-iscsi and kernel of one distribution",
            Exit.ERROR, only_alone=True),
    Message(r"libopeniscsiusr\S*: cannot open shared object|"
            r"symbol lookup error: \S*iscsi|relocation error: \S*iscsi", "message", None,
            "iscsiadm does not find its libraries",
            "a container runs the host's iscsiadm, or an upgrade was interrupted",
            "run iscsiadm in the host's root directory (chroot, nsenter), or reinstall open-iscsi",
            Exit.MISSING),
    Message(r"iscsid\.socket: socket service iscsid\.service already active, refusing", "message",
            None, "systemd did not open iscsid's socket, because iscsid is already running",
            "iscsid was started before its socket", "nothing: the running iscsid serves requests",
            Exit.DONE, only_alone=True),
    Message(rf"{_DATABASE}permission denied", "iscsiadm", 6,
            "the node database cannot be written", "the command was not run as root",
            BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(rf"{_DATABASE}read-only file ?system", "iscsiadm", 6,
            "the node database is on a read-only filesystem",
            "I/O errors on the system disk, an image that is read-only by design, or a container",
            "`dmesg` for I/O errors; remount it writable", Exit.ERROR),
    Message(rf"{_DATABASE}no space left", "iscsiadm", 6, "the node database has no space left",
            "the filesystem of /etc or /var is full, or has no inodes left",
            "free space there (`df`, `df -i`); a record may be truncated: `iscsictl doctor`",
            Exit.ERROR),
    Message(r"could not stat \S*nodes/\S* to delete node|could not add/update \[", "iscsiadm", 6,
            "a node record could not be written",
            "the database has an old or damaged record for this portal",
            "`iscsictl doctor` names the record; `iscsictl doctor --fix` repairs it", Exit.ERROR),
    Message(r"discovery record \[\S*\] not found", "iscsiadm", 21,
            "there is no discovery record of this portal",
            "it was never discovered from this host, or its address or port is written differently",
            "`iscsictl discover --save` with the portal's address", Exit.NOT_FOUND),
    Message(r"could not (?:bind|match) \S+ to (?:conn|net|\d)|cannot (?:bind|match) \S+ to net|"
            r"could not bind connection -?\d+ to",
            "iscsiadm", 7, "the network interface of an iface cannot be used",
            "its name or hardware address changed, or it is down",
            "compare `ip link` with `iscsictl iface show`", Exit.ERROR),
    Message(r"please set the iface\.ipaddress for iface", "iscsiadm", 7,
            "the offload interface has no address",
            "an adapter with its own TCP needs an address of its own (iface.ipaddress)",
            "`iscsictl iface set NAME --ip ADDRESS`, then log in again", Exit.ERROR),
    Message(r"hw/offload iscsi", "message", None,
            "offload adapters could not be listed",
            "no such driver is loaded, or /etc/iscsi/ifaces cannot be written",
            "nothing if you only use the software initiator", Exit.DONE, only_alone=True),
    Message(r"can't (?:bind conn|(?:start|stop) connection|set operational parameter) ?\d",
            "message", None, "the kernel refused a step of a login or reconnection",
            "the connection had just broken (retcode -107), or the session is already gone",
            ("read the preceding lines; if it repeats endlessly every few seconds: `systemctl "
             "restart iscsid`"), Exit.UNREACHABLE, only_alone=True),
    Message(r"can ?not sync session|could not sync session", "message", None,
            "iscsid could not take over a session that existed before it started",
            "the session ended meanwhile, or /sys has too little information about it",
            "`iscsictl ls`: if the session is not up, log it out and in again", Exit.ERROR),
    Message(r"unknown kernel event \d+\. you may want", "message", None,
            "the kernel is newer than open-iscsi", (
                "the kernel sent a message that this iscsid does not know"
            ),
            "nothing; if something does not work, update open-iscsi", Exit.DONE,
            only_alone=True),
    Message(r"transport '\S+' does not support", "message", None,
            "the adapter does not support a setting in the record, so iscsid ignored it",
            "digests, markers or MaxOutstandingR2T in the record", "nothing", Exit.DONE,
            only_alone=True),
    Message(r"connection-?\d+:\d+ to \[.*\] is shutdown", "message", None,
            "a session was logged out", "somebody logged it out, or the host was shut down",
            "nothing, or `iscsictl login` with the target's name", Exit.DONE, only_alone=True),
    Message(r"could not get list of targets from firmware|could not get boot entry", "iscsiadm",
            21, "the firmware has no iSCSI boot table (iBFT)",
            "this host does not boot from iSCSI, or the module iscsi_ibft is not loaded",
            "`iscsictl boot show`; nothing if the host boots from a local disk", Exit.NOT_FOUND),
    Message(r"\biscsi\S*\.(?:service|socket) is masked", "message", None,
            "a service of open-iscsi is masked, so systemd cannot start it",
            "somebody, or a configuration tool, masked it", "`systemctl unmask` with its name",
            Exit.MISSING),
    Message(r"iscsid\.(?:service|socket): (?:failed with result|start request repeated|"
            r"(?:main|control) process exited)|"
            r"job for iscsid\.\w+ failed|failed to start .*iscsid|"
            r"iscsid\.service: \S* ?operation timed out", "message", None,
            "iscsid did not start; this line does not say why",
            "the reason is in iscsid's own messages",
            "`journalctl -b -u iscsid | iscsictl explain -`", Exit.MISSING, only_alone=True),
    Message(r"\b(?:open-)?iscsi\.service: failed with result '(?!timeout)|"
            r"job for (?:open-)?iscsi\.service failed|"
            r"failed to start log.* iscsi (?:targets|devices)", "message", None,
            "at least one login at boot failed; this line does not say why",
            "the reason is in iscsiadm's preceding lines",
            "`journalctl -b -u open-iscsi -u iscsi | iscsictl explain -`", Exit.ERROR,
            only_alone=True),
    Message(r"a start job is running for .*iscsi|"
            r"\biscsi\.service: (?:failed with result 'timeout'|\S* ?operation timed out)",
            "message", None, "the login at boot is waiting for a portal",
            "a target with node.startup=automatic does not answer",
            ("`iscsictl doctor` names the portal; if the target is gone for good: `iscsictl "
             "forget`"), Exit.UNREACHABLE, only_alone=True),
    Message(r"a stop job is running for .*iscsi", "message", None,
            "the shutdown is waiting for a logout",
            ("the array does not answer, or a filesystem without _netdev is unmounted only after "
             "the network is down"),
            "`iscsictl fstab check` for the entries' options", Exit.UNREACHABLE,
            only_alone=True),
    Message(r"conditiondirectorynotempty=\S*iscsi\S* was not met|"
            r"condition check resulted in .*iscsi|"
            r"\biscsi\.service: skipped due to 'exec-condition'|"
            r"\biscsi\b.*skipped because of an unmet condition", "message", None,
            "the login service had nothing to do", "this host has no node records yet",
            "nothing, or `iscsictl discover --save` for a target's portal", Exit.DONE,
            only_alone=True),
    Message(r"discovery login to \S+ failed, giving up", "message", None,
            "the discovery failed; this line does not say why", (
                "the reason is in the preceding line"
            ),
            _READ_ABOVE, Exit.ERROR, only_alone=True),
    Message(r"could not log(?:in)? (?:into )?all (?:leading-login )?portals|"
            r"could not login to \[|could not logout of \[|unable to login to iscsi target portal",
            "message", None,
            "at least one login or logout failed; this line does not say why",
            "the reason is in the line before or after it", _READ_ABOVE, Exit.ERROR,
            only_alone=True),
)  # fmt: skip
