"""How long iscsictl waits and how often it reports, in seconds; how much it does or reads at once.

--timeout is for each wait on others; where one of these is shorter, it counts.
"""

from typing import Final

# What is asked of the network.

#: For each wait on others, if --timeout does not say otherwise: four times what open-iscsi gives
#: one login (node.conn[0].timeo.login_timeout, 15 s).
DEFAULT_WAIT: Final = 60.0
#: What a longer --timeout means: 20 days. poll(2) takes milliseconds as an int, up to 24.8 days.
LONGEST_WAIT: Final = 1_728_000.0
#: For a portal to take a TCP connection. The kernel repeats a lost SYN after 1, 3 and 7 s, so
#: three may be lost.
PORTAL_WAIT: Final = 10.0
#: For a discovery that is to tell why a login failed; the error is reported in any case.
LOGIN_CAUSE_WAIT: Final = 10.0

# What is asked of daemons and tools on this host.

#: For iscsid: what it adds to `ls` is a detail, and a listing must not hang on it.
ISCSID_STATES_WAIT: Final = 2.0
#: For iscsid to count the errors of all sessions for `watch`, which does not wait for it.
SESSION_ERRORS_WAIT: Final = 30.0
#: For disks to say who has reserved them: the same, for a disk answers that from its memory.
RESERVATIONS_WAIT: Final = 5.0
#: For each program of a report: a dead array must not keep the report from being written.
REPORT_TOOL_WAIT: Final = 8.0
#: For systemd to say whether the timer runs.
TIMER_STATE_WAIT: Final = 10.0
#: For journalctl(1); what it does not find by then counts as unknown.
JOURNAL_WAIT: Final = 10.0
#: To enable or disable a unit; systemctl itself waits 180 s for the reload that follows.
SYSTEMCTL_WAIT: Final = 240.0
#: For a lazy unmount, which waits for nothing but the kernel's own locks.
LAZY_UNMOUNT_WAIT: Final = 30.0
#: For multipath(8) to tell which disks it may use: it reads its configuration and asks nobody.
MULTIPATH_LIST_WAIT: Final = 5.0
#: For multipathd, which itself gives up on a request after 4 s (uxsock_timeout), while it reads
#: its configuration for example.
MULTIPATHD_WAIT: Final = 10.0
#: For udev to make the link of a disk that has just appeared.
UDEV_LINK_WAIT: Final = 10.0
#: For udev to give a disk a lasting name, which is only printed: without one the output has `sdX`.
LASTING_NAME_WAIT: Final = 5.0
#: For a disk to answer a SCSI command such as INQUIRY or REPORT LUNS: it does so from its memory.
SCSI_ANSWER_WAIT: Final = 10
#: For udev to work off its queue, whole seconds: a busy host needs some, and it ends by itself.
DEVICE_NODE_WAIT: Final = 30

#: For a helper that works from memory, such as iscsi-iname(8) and `dmsetup table`.
HELPER_WAIT: Final = 10
#: For the start of a daemon that is restarted.
SERVICE_RESTART_WAIT: Final = 60
#: For sfdisk, blkid or wipefs while they do nothing: they read a few sectors, and are idle only
#: where a disk does not answer.
DISK_TOOL_WAIT: Final = 60
#: For the kernel to open a disk. It waits while the partition table of a new one is read, minutes
#: where the answers are lost on the way, and no signal ends that wait.
DISK_OPEN_WAIT: Final = 20.0
#: For a program to end after SIGTERM, and for the kernel to let go of one after SIGKILL.
SIGNAL_WAIT: Final = 2.0
#: For a program that writes to a disk to end after SIGKILL: it ends when its last write does.
LAST_WRITE_WAIT: Final = 10.0

# What comes after a change.

#: For the disks of a new session: the kernel scans it while the login returns.
LOGIN_DISK_WAIT: Final = 3.0
#: The same where multipathd makes a map of each disk before it can be used.
MAP_WAIT: Final = 15.0
#: For the disks of new LUNs after a rescan.
RESCAN_WAIT: Final = 3.0
#: How long it is worth waiting until a session has been down for long enough to be pruned.
PRUNE_WAIT: Final = 30.0

# What is read.

#: For a pipe to stay silent, unless --timeout says otherwise.
PIPE_WAIT: Final = 60.0

#: For the writer of a record to finish: iscsiadm empties the file before it writes it.
RECORD_WAIT: Final = 0.3
#: How old a record may be for its writer to be still at work.
FRESH_RECORD: Final = 2.0
#: How far back the kernel's log counts for `doctor`.
KERNEL_LOG_WINDOW: Final = 600.0
#: For LVM to tell what is in the groups of some disks: it reads a few sectors of them alone.
INACTIVE_VOLUMES_WAIT: Final = 10.0
#: For GET LBA STATUS. A LUN in more pieces than are told in this time is read by samples.
LBA_STATUS_WAIT: Final = 2.0
#: How often the proof that a disk is blank reports how far it is.
PROOF_REPORT_PERIOD: Final = 1.0
#: Threads for the proofs of all disks: those that hang on a dead one must leave some to others.
PROOF_THREADS: Final = 512

# What is shown.

#: How long a wait lasts before it is worth a line.
STATUS_LINE_DELAY: Final = 1.0
#: How often the line is drawn.
STATUS_LINE_PERIOD: Final = 0.2
#: Until a signal is repeated that came just before a wait on the user began and did not end it.
REPEAT_SIGNAL: Final = 0.2

# What is read.

#: Bytes of a capture or a log: more than any has, so that an endless file or pipe ends.
MAX_CAPTURE: Final = 1 << 29
