"""Lines of the kernel about disks and SCSI sense data, and of multipath-tools.

Sources: the kernel's sd, scsi_error, scsi_dh_alua, blk-core and dm-mpath; multipathd and multipath;
the texts of additional sense codes in the kernel's drivers/scsi/sense_codes.h (SPC).
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.message_type import Message

_ARRAY: Final = "check the array's log for that time"

DISKS: Final = (
    Message(r"session recovery timed out after \d+ secs", "kernel", 1013, "the session failed",
            "it could not be restored within replacement_timeout; I/O now fails",
            "`iscsictl reconnect` once the array answers; filesystems may have to be mounted again",
            Exit.UNREACHABLE),
    Message(r"failing session reset: could not log back", "message", None,
            "error handling dropped the session, and the login after it failed",
            "the array stopped answering commands, and now refuses logins as well",
            "`iscsictl ls` for the state of the session, `iscsictl doctor` for the reason",
            Exit.UNREACHABLE),
    Message(r"\bpdu\b.{0,60} rejected\. reason code", "message", None,
            "the target rejected what this host sent (a Reject PDU)",
            ("with reason code 0x2, bits changed in transit; otherwise a defect in the target or "
             "in an offload card (RFC 7143, 11.17.1)"),
            "update the array's firmware and the kernel; turn off the NIC's offloads to test",
            Exit.ERROR),
    Message(r"lun assignments on this target have changed|"
            r"reported luns data has changed", "message", None,
            (
                "the array changed which LUNs it presents to this host; the kernel still has the "
                "old ones"
            ),
            "a LUN was mapped, unmapped or renumbered on the array",
            "`iscsictl rescan`; run `iscsictl doctor` before you go on using a mounted disk",
            Exit.ERROR),
    Message(r"operating parameters on this target have changed|\bmode parameters changed|"
            r"changed operating definition",
            "message", None, "the array changed the properties of a LUN",
            "it was enlarged, or the array's firmware or settings changed",
            "`iscsictl rescan`, then `iscsictl disk grow` if it was enlarged", Exit.ERROR,
            only_alone=True),
    Message(r"unexpected response from lun \d+ while scanning", "message", None,
            "the scan for LUNs was aborted",
            "a LUN did not answer, or the session dropped during the scan", "`iscsictl rescan`",
            Exit.UNREACHABLE),
    Message(r"max_scsi_report_luns\) of \d+ luns", "message", None,
            "the target has more LUNs than the kernel scans for",
            "the limit is scsi_mod.max_report_luns",
            "map fewer LUNs, or raise that kernel parameter and reboot", Exit.ERROR),
    Message(r"has a lun larger than", "message", None,
            "the number of a LUN is too high for the kernel's driver",
            "the array uses such numbers, or another addressing method",
            "give the LUN a lower number on the array, then `iscsictl rescan`", Exit.ERROR),
    Message(r"soft threshold", "message", None, "the array's pool is nearly full",
            "a thin LUN, or others of its pool, filled it up to the warning level",
            "free space in the pool, or enlarge it, before writes fail", Exit.ERROR),
    Message(r"(?:registrations|reservations) (?:preempted|released)", "message", None,
            "another host took over or released the reservation on the LUN",
            "a cluster that fenced this host, or `iscsictl take-over` on another one",
            "`iscsictl ls -l` shows who holds it; write nothing from this host until that is clear",
            Exit.REFUSED),
    Message(r"unsupported sector size \d+", "message", None,
            "the kernel cannot use the LUN's block size",
            "the array's block size is outside 512 to 4096 bytes",
            "recreate the LUN with a block size of 512 or 4096 bytes", Exit.ERROR),
    Message(r"asking for cache data failed|assuming drive cache|no caching mode page", "message",
            None, "the disk does not report whether it has a write cache",
            "many targets do not; the kernel assumes that there is none", "nothing", Exit.DONE,
            only_alone=True),
    Message(r"(?:rtpg|stpg|rtpg sense) (?:failed|still)", "message", None,
            "the array did not report which of its ports are active (ALUA)",
            "this path is down, or the array does not support the query",
            "`multipath -ll` shows the state of the paths", Exit.ERROR, only_alone=True),
    Message(r"inquiry data has changed", "message", None, "a LUN may now be a different disk",
            "the array maps a different LUN under the same number, or its firmware was updated",
            "`iscsictl doctor` compares the disks; run it before you go on using a mounted disk",
            Exit.ERROR),
    # Some kernels log "from 0 to ..." for every disk that appears; loop devices do so often.
    Message(r"capacity data has changed|(?:sd[a-z]+|dm-\d+): detected capacity change from (?!0 )",
            "message", None, "the size of a LUN changed",
            "it was enlarged or shrunk on the array",
            "`iscsictl rescan`, then `iscsictl disk grow` if it was enlarged", Exit.ERROR),
    Message(r"rejecting i/o to (?:offline|dead) device|device offlined", "message", None,
            "the kernel gave up on a disk and fails every access to it",
            "the session was down longer than replacement_timeout, or error handling failed",
            "`iscsictl reconnect` once the array answers; a filesystem on it must be mounted again",
            Exit.UNREACHABLE),
    Message(r"reservation conflict|critical (?:nexus|reservation conflict) error", "message", None,
            "another host holds a reservation on the LUN",
            "a cluster, a second host that uses the LUN, or a stale reservation",
            "see who holds it: `sg_persist -r /dev/sdX`", Exit.REFUSED),
    Message(r"target port in (?:standby|unavailable) state|asymmetric access state transition",
            "message", None, (
                "this path leads to a controller that does not currently serve the LUN"
            ),
            "the array is moving the LUN to its other controller, or has it there (ALUA)",
            "use all paths as one disk; `multipath -ll` must show both controllers",
            Exit.UNREACHABLE),
    Message(r"logical unit not ready|\] unit not ready", "message", None,
            "the LUN exists but does not accept commands yet",
            "the array is starting, is moving the LUN to its other controller, or has it offline",
            "wait a minute, then check the LUN's state on the array", Exit.UNREACHABLE),
    Message(r"sense key ?: not ready|no medium found", "message", None, "the LUN is not ready",
            "the LUN is offline or starting on the array", "check the LUN's state on the array",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"critical space allocation error|space allocation failed write protect", "message",
            None, "the array has no space left for a thin LUN, so writes fail",
            "the LUN's pool is full, whatever `df` says on this host",
            "free space in the array's pool; then unmount, check with fsck, and mount again",
            Exit.ERROR),
    # For every other disk, sd logs "Write Protect is off".
    Message(r"sense key ?: data protect|write protect is on|(?:is|source) write-protected|"
            r"add\. sense: write protected", "message", None,
            "the array refuses writes to the LUN",
            "it is exported read-only, it is a snapshot, or the array's pool is full",
            "make it writable on the array, then `iscsictl rescan`; or mount it with the option ro",
            Exit.ERROR, only_alone=True),
    Message(r"sense key ?: (?:hardware|medium) error|critical medium error|"
            r"unrecovered (?:read|write) error", "message", None,
            "the array reports a hardware or media error on the LUN",
            "a disk in the array failed, and its redundancy did not cover it",
            "check the array's own log, and copy what can still be read", Exit.ERROR),
    Message(r"sense key ?: aborted command|internal target failure|"
            r"logical unit communication failure", "message", None,
            "the array aborted a command", "an overloaded array, or a failure inside it",
            _ARRAY, Exit.ERROR, only_alone=True),
    Message(r"sense key ?: illegal request|critical target error|"
            r"invalid command operation code|invalid field in (?:cdb|parameter list)|"
            r"operation not supported error, dev", "message", None,
            "the array does not support, or does not allow, a command",
            ("often discard (UNMAP) or WRITE SAME, which the kernel then stops using; if reads or "
             "writes fail as well, the LUN is gone or has shrunk"),
            "nothing if it happened once; otherwise check the LUN's size and mapping on the array",
            Exit.ERROR, only_alone=True),
    Message(r"read capacity\(\d+\) failed|sector size 0 reported", "message", None,
            "the LUN does not report its size",
            "it is offline, on the array's other controller, or no longer mapped to this host",
            "check the LUN's state on the array, then `iscsictl rescan`", Exit.UNREACHABLE,
            only_alone=True),
    Message(r"waiting for device (?:node )?to appear|failed to get any path for iscsi disk|"
            r"failed to find device path|volumedevicenotfound|unable to attach any iscsi device",
            "message", None, "no disk appeared for the LUN",
            ("the LUN is not mapped to this host's initiator name, the login failed, or the "
             "portal was given by name while the link in /dev/disk/by-path has its address"),
            "`iscsictl ls` lists the LUNs; then `iscsictl rescan`, or give the address",
            Exit.NOT_FOUND, only_alone=True),
    Message(r"timing out command, waited \d+", "message", None,
            "the LUN did not answer a command in time", (
                "an overloaded array, or a path that loses packets"
            ),
            "`iscsictl ls -l` shows latency and errors of the session", Exit.UNREACHABLE),
    Message(r"task \S+ blocked for more than \d+ sec", "message", None,
            "a process is waiting for a disk",
            "the disk's session is down, or its multipath map has no path and queues I/O",
            "`iscsictl ls` shows the session; `iscsictl reconnect` once the array answers",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"connection\d+:\d+ is operational after recovery", "message", None,
            "the session is up again", "the array or the network was unavailable for a while",
            "nothing; if it keeps happening: `iscsictl doctor`", Exit.DONE, only_alone=True),
    Message(r"power-on or device reset occurred|"
            r"(?:target|lun|device|session|host) reset succeeded",
            "message", None, "the LUN was reset",
            "usual after a login, a failover or a restart of the array",
            "nothing; if it keeps happening: `iscsictl doctor`", Exit.DONE,
            only_alone=True),
    Message(r"logical unit not supported", "message", None, "the LUN no longer exists",
            "it was deleted or unmapped on the array", "`iscsictl rescan`, and check the mapping",
            Exit.NOT_FOUND),
    Message(r"p\d+ size \d+ extends beyond eod|attempt to access beyond end of device|"
            r"logical block address out of range",
            "message", None,
            "something reads or writes beyond the end of the disk",
            "the LUN is smaller than the partition or filesystem on it: it shrank, or was replaced",
            ("do not run fsck: give the LUN its size back on the array, then `iscsictl rescan` "
             "and mount again"), Exit.ERROR),
    Message(r"unable to read (?:partition table|rdb block)|(?:read|write)-error on swap-device|"
            r"ldm_validate_partition_table\(\): disk read failed|"
            r"i/o error, dev \w+|buffer i/o error on dev|recoverable transport error|"
            r"input/output error", "message", None, "reading or writing a disk failed",
            "if it is an iSCSI disk, its session was down longer than replacement_timeout",
            "see the iSCSI messages before it; `iscsictl ls` for the state of the session",
            Exit.ERROR, only_alone=True),
)  # fmt: skip

MULTIPATH: Final = (
    Message(r"multipath: .*failing path|path is down|checker (?:failed path|timed out)", "message",
            None,
            "multipath disabled a path", "the session of that path is down",
            "`iscsictl ls` shows which session; the other paths carry the I/O meanwhile",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"reinstating path|\d+:\d+: reinstated|recovered to normal mode|"
            r"checker reports path is up", "message", None, "multipath uses a path again", (
                "the array or the network was unavailable for a while"
            ),
            "nothing; if it keeps happening: `iscsictl doctor`", Exit.DONE, only_alone=True),
    Message(r"remaining active paths: 0\b|entering recovery mode: max_retries", "message", None,
            (
                "no path to the disk is left; multipath queues or fails I/O, depending on "
                "no_path_retry"
            ),
            "every session to the array is down", "`iscsictl doctor`, then `iscsictl reconnect`",
            Exit.UNREACHABLE),
    Message(r"\bdisable queue?ing", "message", None,
            "no path came back in time, so I/O to the map fails from now on",
            "every session to the array was down for longer than no_path_retry allows",
            "`iscsictl reconnect` once the array answers; then unmount, check with fsck, and mount "
            "again", Exit.UNREACHABLE),
    Message(r"cannot failover device because \S+ was not found|unknown path selector type|"
            r"error attaching hardware handler", "message", None,
            "the multipath map needs a kernel module that is missing",
            ("scsi_dh_alua, dm_service_time or a similar module is missing, often in the "
             "initramfs, or multipath.conf names a handler that does not suit the array"),
            "modprobe scsi_dh_alua dm_service_time; then rebuild the initramfs",
            Exit.MISSING),
    Message(r"\| \d+:\d+: (?:cannot find block device|empty device name)|"
            r"path removed externally", "message", None,
            "a multipath map still contains a path whose disk is gone",
            "the LUN was unmapped, or its session logged out, before the map was removed",
            "`iscsictl doctor` names the map; run `multipath -f MAP` once nothing uses it",
            Exit.NOT_FOUND),
    Message(r"couldn't get (?:asymmetric access state|target port group)|alua not supported|"
            r"sysfs prio: failed|"
            r"error calling out \S*(?:scsi_id|mpath_prio)", "message", None,
            "multipath could not determine the priority of a path",
            (
                "the path is down, or the array has no ALUA and multipath.conf sets the wrong "
                "prio for it"
            ),
            "`multipath -ll`; without ALUA, remove prio for this array from multipath.conf",
            Exit.ERROR, only_alone=True),
    Message(r"spurious uevent|uevent trigger error|failed to increase buffer size|"
            r"devmap not registered|path already in pathvec|\bmapname not found for|"
            r": add missing path",
            "message", None,
            "multipathd received an event for a device that it had already handled",
            "normal while paths come and go", "nothing", Exit.DONE, only_alone=True),
    Message(r"remaining active paths: [1-9]", "message", None,
            "a path of a multipath map was lost or came back; others carry the I/O",
            "a session dropped, was logged out, or was restored",
            "`multipath -ll` shows the paths that are left", Exit.DONE, only_alone=True),
    Message(r"size \d+, expected \d+\. discard", "message", None,
            "multipath does not use a path, because its size is not that of the others",
            "the LUN was enlarged, and not all of its paths were rescanned",
            "`iscsictl rescan`, then `iscsictl disk grow`", Exit.ERROR),
    Message(r"already (?:taken by|in use by) a? ?non-multipath map", "message", None,
            "another device-mapper device has the name or the WWID of the multipath map",
            "an alias in multipath.conf that LVM or cryptsetup uses, too",
            "`dmsetup ls` lists the names; choose another alias", Exit.ERROR),
    Message(r"(?:device node name|wwid|vendor/product|protocol|property) \S* ?blacklisted|"
            r": blacklisted, udev property missing|is not a valid multipath device path", "message",
            None, "multipath does not use this disk",
            "a blacklist in multipath.conf, or find_multipaths and a disk with only one path",
            ("nothing for a local disk; for a LUN, change blacklist or blacklist_exceptions, or "
             "`multipath -a DEVICE`"), Exit.DONE, only_alone=True),
    Message(r"multipath\S*\.conf line \d+, duplicate keyword", "message", None,
            "a section or setting occurs twice in multipath.conf",
            "two files or sections were merged by hand", "merge them into one", Exit.ERROR,
            only_alone=True),
    Message(r"\bneed to be root$", "message", None, "multipath needs root",
            "the command was not run as root", BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(r"multipathd\.service: (?:failed with result|main process exited(?!.*status=0))|"
            r"multipathd?\b.*: ux_socket_connect|^(?:error|timeout) receiving packet$|"
            r"dm_multipath module (?:is )?not loaded", "message", None,
            "multipathd is not running, or does not answer",
            "its service is stopped or failed, or is busy with many devices",
            "`systemctl status multipathd`", Exit.MISSING),
    Message(r"multipath: error getting device|error adding target to table|"
            r"failed in domap|domap \(\d+\) failure|: failed to create map \(in use\)|"
            r"reload ioctl on \S+ .*failed", "message", None,
            "the multipath map cannot be created on this disk",
            "the disk is used directly: mounted, or part of LVM, md or another map",
            "`lsblk DEVICE` shows what is on top; unmount or stop that, then `multipath -r`",
            Exit.IN_USE),
    Message(r"map (?:or partition )?in use|failed to remove (?:multipath )?map", "message", None,
            "the multipath map cannot be removed", "it is mounted, or LVM or a partition uses it",
            "`lsblk DEVICE` shows what is on top; `iscsictl detach` takes it down in order",
            Exit.IN_USE),
    Message(r"path wwid (?:changed|appears to have changed)", "message", None,
            "a path of a multipath map now leads to a different LUN",
            "the array maps a different LUN under the same number",
            "stop using the map; `iscsictl doctor` compares the paths", Exit.ERROR),
    Message(r"failed to get (?:udev|sysfs|unknown|path) uid", "message", None,
            "a disk reports no WWID to multipath",
            "a local or virtual disk that has none, or a LUN that does not answer",
            "nothing for a local disk; for a LUN: `iscsictl doctor`", Exit.ERROR, only_alone=True),
    Message(r"dm multipath kernel driver not loaded", "message", None,
            "the kernel module of multipath is not loaded",
            "multipathd was never started, or the kernel's extra modules are missing",
            "modprobe dm_multipath; `systemctl enable --now multipathd`", Exit.MISSING),
    Message(r"multipath\.conf does not exist, blacklisting all", "message", None,
            "multipath uses no disks, because it has no configuration",
            "on this distribution, multipath does nothing without /etc/multipath.conf",
            "`mpathconf --enable`, then `systemctl restart multipathd`", Exit.MISSING),
    Message(r"multipath\S*\.conf.*invalid keyword", "message", None,
            "multipath.conf has a setting that this version does not support",
            "a file for another version (getuid_callout: before 0.5), or a typo",
            "remove the line; the setting is ignored", Exit.ERROR, only_alone=True),
)  # fmt: skip
