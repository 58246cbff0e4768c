"""Lines about filesystems: of ext4, XFS and btrfs, of mount and systemd, of mkfs and sfdisk.

Sources: the kernel's fs/ext4, fs/jbd2, fs/xfs and fs/btrfs; libmount, util-linux, e2fsprogs,
xfsprogs, parted, LVM2, systemd, and the shell of an initramfs.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.message_type import Message

_ADOPT: Final = (
    "inspect it with `iscsictl disk show`; to mount it as it is: `iscsictl attach --adopt`"
)

FILESYSTEMS: Final = (
    Message(r"mmp interval|mmp failure|ext4_multi_mount_protect", "message", None,
            "another host has, or had, this filesystem mounted (ext4's mmp)",
            "two hosts use the LUN, or one of them went down without unmounting it",
            "make sure that no other host has it mounted, wait, then mount it again", Exit.REFUSED),
    Message(r"has duplicate uuid", "message", None,
            "a filesystem with the same UUID is already mounted (XFS)",
            "the LUN is a snapshot or copy of one in use, or the same LUN over another path",
            ("compare the WWIDs: `iscsictl disk ls`. Mount a copy with the option nouuid, or give "
             "it its own UUID (xfs_admin -U generate); one LUN with two paths needs multipath"),
            Exit.REFUSED),
    Message(r"exceeds size of device|size of the device is smaller than|"
            r"the physical size of the device is \d+ blocks", "message", None,
            "the disk is smaller than the filesystem on it",
            "the LUN shrank or was replaced, or the partition was recreated",
            ("do not run fsck: give the LUN its size back on the array, then `iscsictl rescan` "
             "and mount again"), Exit.ERROR),
    Message(r"remounting filesystem read-only|gfs2: .*(?:fatal: i/o error|withdrawn)|"
            r"(?:metadata|log) i/o error|"
            r"filesystem has been shut down|shutting down filesystem|"
            r"aborting journal|forced readonly|xfs_log_force: error|errno=-5 io failure|"
            r"couldn't remount rdwr|"
            r"xfs_do_force_shutdown|please u?n?mount the filesystem and rectify", "message", None,
            "a filesystem lost its disk and accepts no more writes",
            "I/O errors: the session or the array was unavailable for too long",
            "bring the disk back (`iscsictl reconnect`), unmount, check with fsck, and mount again",
            Exit.ERROR, only_alone=True),
    Message(r"detected io errors while flushing|previous i/o error to superblock|"
            r"lost (?:a?sync )?page write|i/o error while writing superblock|"
            r"ext4_end_bio.*i/o error|delayed block allocation failed|failing async write|"
            r"error -\d+ detected when updating journal|errs: wr [1-9]|"
            r"trouble writing out superblocks|resulted in short write|"
            r"writeback error on sector", "message", None,
            "data written to a filesystem did not reach the disk",
            "I/O errors: the session or the array was unavailable for too long",
            ("bring the disk back (`iscsictl reconnect`), unmount, check with fsck, and mount "
             "again; the newest files may be incomplete"),
            Exit.ERROR, only_alone=True),
    Message(r"ext4-fs error \(device|structure needs cleaning|metadata corruption detected|"
            r"corruption detected\. unmount and run|mounting fs with errors|"
            r"unexpected inconsistency|superblock invalid, trying|xfs \(\S+\): internal error|"
            r"error loading journal|journal uuid does not match|group descriptors corrupted|"
            r"jbd2: recovery failed|log mount/recovery failed|corrupt leaf|bad tree block|"
            r"error -5 reading directory",
            "message", None,
            "a filesystem is inconsistent or cannot be read",
            "I/O errors, or two hosts that have the LUN mounted at once",
            ("make sure that no other host has it mounted; then unmount, and fsck "
             "(XFS: xfs_repair)"), Exit.ERROR, only_alone=True),
    Message(r"valuable metadata changes in a log|recovery required on readonly|"
            r"write access unavailable, cannot proceed|cannot mount \S+ read-only", "message", None,
            "the filesystem was not unmounted, and its journal has not been replayed yet",
            "a crash, a lost session, or a snapshot of a filesystem in use",
            "mount it once with write access, and unmount it; `xfs_repair -L` would lose data",
            Exit.ERROR),
    Message(r"unsupported optional features|unknown (?:read-only |incompatible )?(?:compatible )?"
            r"features? \(0x", "message", None,
            "the filesystem has features that this kernel does not support",
            "it was created on a newer system",
            "mount it there, or with a newer kernel; do not run mkfs or an old fsck", Exit.ERROR),
    Message(r"no space left on device|disk quota exceeded", "message", None,
            "a filesystem is full, or the end of a disk was reached",
            "no space or inodes are left (`df`, `df -i`), or more was written than the disk holds",
            "free space, or enlarge the LUN on the array and then `iscsictl disk grow`",
            Exit.ERROR, only_alone=True),
    Message(r"read-only file ?system", "message", None, "a filesystem or disk is read-only",
            (
                "the kernel made it read-only after I/O errors, or it or the LUN was read-only to "
                "begin with"
            ),
            "`dmesg` for I/O errors, `iscsictl ls` for the state of the disk", Exit.ERROR,
            only_alone=True),
)  # fmt: skip

# From mount(8), umount(8), systemd and the initramfs, about a filesystem that should exist.
MOUNTS: Final = (
    Message(r"special device \S+ does not exist|can't find (?:part)?(?:uuid|label)=|"
            r"unable to resolve '(?:part)?(?:uuid|label)=", "message",
            None, "the filesystem's disk does not exist",
            "the target is not logged in, or the UUID differs from the one on the disk",
            "`iscsictl reconnect`; then `iscsictl ls --tree` shows the UUIDs",
            Exit.NOT_FOUND),
    Message(r"unknown filesystem type '?(?:\w+_member|crypto_luks)", "message", None,
            "the disk is part of something else; mount that instead",
            ("mpath_member: part of a multipath map; LVM2_member: of LVM; linux_raid_member: of "
             "md; crypto_LUKS: it is encrypted"),
            "`lsblk DEVICE` shows what is on top: mount that; if nothing is, activate it first",
            Exit.IN_USE),
    Message(r"can't read superblock|unable to read superblock|open_ctree failed", "message", None,
            "the filesystem cannot be read", "the disk cannot be read, or its contents are damaged",
            "`iscsictl ls` for the state of the disk, `dmesg` for the reason", Exit.ERROR,
            only_alone=True),
    Message(r"wrong fs type, bad option, bad superblock|unknown filesystem type '?(?!\w+_member|"
            r"crypto_luks)|can't find ext[234] filesystem|bad magic number in super-?block|"
            r"sb validate failed", "message", None,
            "the filesystem cannot be mounted as requested",
            ("its type is not the one in fstab, it does not support an option, there is no "
             "filesystem, or it is damaged"),
            "`blkid DEVICE` and `dmesg`; do not run mkfs", Exit.ERROR, only_alone=True),
    Message(r"already mounted or mount point busy|/dev/\S+ (?:is )?already mounted|"
            r"which is in use \(already mapped or mounted\)|contains a filesystem in use|"
            r"using this disk right now \.\.\. failed|is apparently in use by the system|"
            r"will not make a (?:file ?system|'\S+') here|this disk is currently in use|"
            r"can't open \S+ exclusively|/dev/\S+ is in use\.$", "message", None,
            "something on this host uses the disk",
            "it is mounted, or in use by a multipath map, LVM, md or swap",
            "`lsblk DEVICE` shows what is on top: use that, or stop it first", Exit.IN_USE),
    Message(r"device or resource busy", "message", None, "something on this host uses the disk",
            "it is mounted, or in use by a multipath map, LVM, md or swap",
            "`lsblk DEVICE` shows what is on top: use that, or stop it first", Exit.IN_USE,
            only_alone=True),
    Message(r"umount: .*(?:target|device) is busy", "message", None,
            "a process is using the mounted filesystem", (
                "open files, or a shell whose working directory is in it"
            ),
            "`iscsictl detach -n` names the processes", Exit.IN_USE),
    Message(r"system call failed: no such device or address|/dev/\S+: no such device or address|"
            r"no such device or address while|failed errno 6\b", "message", None,
            "the disk is gone, although its device node still exists",
            "its session or its multipath map has no working path, or the LUN was unmapped",
            "`iscsictl ls` for the state of the session, then `iscsictl reconnect` or "
            "`iscsictl rescan`", Exit.UNREACHABLE),
    Message(r"can't open blockdev|device-mapper: table: .* device lookup failed",
            "message", None, "the kernel cannot open the disk",
            "it does not answer, or is in use by a multipath map, LVM or md",
            "`lsblk DEVICE` shows what is on top; `iscsictl ls` for the state of the disk",
            Exit.ERROR),
    Message(r"mount\(2\) system call failed: file exists", "message", None,
            "a filesystem with the same UUID is already mounted (btrfs)",
            "the LUN is a snapshot or copy of one in use, or the same LUN over another path",
            "compare the WWIDs: `iscsictl disk ls`; btrfstune -u gives a copy its own UUID",
            Exit.REFUSED),
    Message(r"can't find in /etc/fstab", "message", None, "fstab has no entry for this directory",
            "a typo, or the entry was removed",
            "`iscsictl fstab ls`; or run `iscsictl mount` with the disk", Exit.NOT_FOUND),
    Message(r"\bu?mount\b.*(?:must be superuser|only root can)|must be superuser to u?n?(?:use )?"
            r"mount", "message", None, "mounting needs root", "the command was not run as root",
            BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(r"umount: .*(?:not mounted|no mount point specified)", "message", None,
            "nothing is mounted there", "it was already unmounted, or the name is wrong",
            "`iscsictl ls` shows what is mounted where", Exit.NOT_FOUND),
    Message(r"mount point \S* ?does not exist", "message", None, "the mount point does not exist",
            "the directory was never created, or is on a filesystem that is not mounted",
            "create the directory; `iscsictl attach --mount DIR` creates it for you",
            Exit.NOT_FOUND),
    Message(r"fstab has been modified, but systemd still uses", "message", None,
            "systemd has not read the current fstab yet", "fstab was edited by hand",
            "`systemctl daemon-reload`", Exit.DONE, only_alone=True),
    Message(r"timed out waiting for device|\.device: job \S+/start timed out|"
            r"\.device/start (?:timed out|failed with result 'timeout')", "message", None,
            "the disk of an fstab entry did not appear in time",
            (
                "its target is not logged in: the array is unreachable, or the login service is "
                "disabled"
            ),
            "`iscsictl doctor`, and `iscsictl fstab check` for the entry's options",
            Exit.UNREACHABLE),
    Message(r"a start job is running for (?:/dev/|dev-)", "message", None,
            "the boot is waiting for the disk of an fstab entry",
            (
                "its target is not logged in: the array is unreachable, or the login service is "
                "disabled"
            ),
            "`iscsictl fstab check`: an entry with nofail and _netdev does not block the boot",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"\.mount: unit is bound to inactive unit", "message", None,
            "systemd unmounted a filesystem, because its disk disappeared",
            "the session was logged out or its LUN removed, or udev no longer knows the disk",
            "`iscsictl reconnect`; after a new login, mount it again", Exit.UNREACHABLE),
    Message(r"failed unmounting /", "message", None, "a filesystem was not unmounted",
            "it is in use, or its disk does not answer",
            "`iscsictl detach -n` names what uses it; `iscsictl ls` shows the session", Exit.IN_USE,
            only_alone=True),
    Message(r"you are in emergency mode|root password for maintenance", "message", None,
            "the boot stopped, usually because a filesystem in fstab could not be mounted",
            "an entry for an iSCSI disk without the options nofail and _netdev",
            "`iscsictl fstab check`, and the preceding messages: `journalctl -b -p err`",
            Exit.ERROR, only_alone=True),
    Message(r"gave up waiting for root|dropping to a shell|dracut-initqueue\S* timeout|"
            r"dracut.*could not boot|dracut.*/dev/\S+ does not exist|"
            r"unable to mount root fs", "message", None,
            "the disk of the root filesystem did not appear in the initramfs",
            "for a root on iSCSI: the login there failed, or the initramfs does not log in",
            (
                "`iscsictl boot check` from a rescue system; also see the messages of iscsistart "
                "or iscsid"
            ),
            Exit.UNREACHABLE),
    Message(r"dependency failed for (?:/|local file systems|remote file systems)|"
            r"(?:remote|local)-fs\.target: job \S+ failed with result|"
            r"\.mount: job \S+ failed with result 'dependency'|"
            r"job (?:remote|local)-fs\.target/start failed", "message", None,
            "a filesystem was not mounted, because a unit it depends on did not start",
            "its disk did not appear; the preceding lines give the reason",
            "`iscsictl doctor`; once the array answers: `iscsictl reconnect`",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"failed to mount /|\.mount: (?:failed with result|mount process exited)|"
            r"mount.{0,60}exit (?:status|code)[:= ]+32\b", "message", None,
            "a filesystem was not mounted; this line does not say why",
            "the reason is in the preceding lines of mount and of the kernel",
            "`journalctl -b -p warning | iscsictl explain -`, and `iscsictl fstab check`",
            Exit.ERROR, only_alone=True),
)  # fmt: skip

# From the programs that write partition tables and filesystems, or use a whole disk.
MAKING: Final = (
    Message(r"contains a \S+ (?:file ?system|signature)|contain an existing filesystem|"
            r"\bwithout -ff\b|use the -f option to force overwrite",
            "message", None,
            "the disk already contains a filesystem or an LVM volume",
            "it was used before, or another host uses it", _ADOPT, Exit.REFUSED),
    Message(r"is entire device, not just one partition", "message", None,
            "mkfs was given a whole disk and asks for confirmation",
            "the disk has no partitions, or the partition number was left out",
            "answer yes for a LUN without a partition table; or `iscsictl attach --table none`",
            Exit.REFUSED, only_alone=True),
    Message(r"pool '?\S+ has encountered an uncorrectable i/o failure and has been suspended|"
            r"zfs has encountered an uncorrectable i/o failure", "message", None,
            "ZFS lost the disks of a pool, and all access to it waits",
            "the pool's sessions were down for longer than replacement_timeout",
            "`iscsictl reconnect` once the array answers, then `zpool clear POOL`",
            Exit.UNREACHABLE),
    Message(r"heartbeat write timeout to device|delta_renew (?:read|write) timeout|"
            r"latency: no liveness for", "message", None,
            "a cluster cannot write its heartbeat or lease to its disk",
            "the session of that disk is down or slow; the host may be fenced (reset)",
            "`iscsictl ls` for the state of the session; give the cluster longer timeouts than it",
            Exit.UNREACHABLE),
    Message(r"device supports \d+ byte sectors \(not", "message", None,
            "the LUN has larger blocks than those for which the filesystem was made (XFS)",
            "its data were copied from another LUN, or the array's block size was changed",
            "give the LUN the former block size on the array", Exit.ERROR),
    Message(r"device size reported to be zero", "message", None, "the disk has no size",
            "the LUN does not answer, or is no longer mapped to this host",
            "`iscsictl rescan`, and check the LUN's state on the array", Exit.UNREACHABLE),
    Message(r"partition table format can not be used on drives|2199023255040 bytes", "message",
            None, "a dos partition table is limited to 2 TiB, and the disk is larger",
            "the table was created when the LUN was smaller, or out of habit",
            "use a gpt table: `iscsictl disk label`, which refuses a disk with data", Exit.ERROR),
    Message(r"backup gpt table is corrupt|backup gpt table is missing", "message", None,
            "the backup partition table at the end of the disk is missing",
            "the LUN was enlarged or shrunk, or its end cannot be read",
            "`iscsictl disk part verify`; `iscsictl disk grow` if the LUN was enlarged",
            Exit.ERROR),
    Message(r"blocks long\. +nothing to do|data size unchanged, skipping", "message", None,
            "the filesystem already fills its disk",
            (
                "the LUN was enlarged on the array, but its partition was not, or this host has "
                "not rescanned it"
            ),
            "`iscsictl disk grow` rescans the LUN, then enlarges the partition and the filesystem",
            Exit.DONE, only_alone=True),
    Message(r"is not a mounted xfs filesystem", "message", None,
            "XFS can only be enlarged while it is mounted",
            "it was unmounted, or was never mounted",
            "mount it, or use `iscsictl disk grow`", Exit.ERROR),
    Message(r"couldn't find device (?:with uuid|for pv)|vg \S+ is missing pv|"
            r"failed to find physical volume|refusing activation of partial lv|"
            r"volume group \"?\S+ (?:not found|has insufficient)", "message", None,
            "a disk of an LVM volume group is missing",
            "the target of one of its LUNs is not logged in",
            "`iscsictl reconnect`, then `vgchange -ay`", Exit.NOT_FOUND),
    Message(r"is not a valid luks device", "message", None, "this disk has no LUKS header",
            "it is the wrong disk, or the start of the disk was overwritten",
            "inspect it with `iscsictl disk show` before you write anything", Exit.ERROR),
    Message(r"does not exist and no size was specified|"
            r"no such file or directory while trying to (?:determine|open)|"
            r"cannot open /dev/\S+: no such (?:file|device)", "message", None,
            "the disk does not exist",
            "the target is not logged in, or the disk got another name at the last login",
            "`iscsictl ls` lists the disks with their persistent links",
            Exit.NOT_FOUND),
    Message(r"kernel (?:still uses|is still using) the old partition|"
            r"unable to inform the kernel of the change|re-?reading the partition table failed|"
            r"partition\(s\) [\d, ]+ on \S+ (?:are being used|have been written)|"
            r"blkrrpart", "message", None,
            "the partition table was written, but the kernel still uses the old one",
            "a partition on the disk is in use",
            "unmount it, then `partx -u DEVICE`; do not create a filesystem there until then",
            Exit.IN_USE),
    Message(r"header is not at the end of the disk|header not at the end of the disk|"
            r"gpt pmbr size mismatch|gpt table is not on the end|"
            r"not all of the space available to", "message", None,
            "the disk is larger than its partition table says",
            "the LUN was enlarged on the array", "`iscsictl disk grow`", Exit.ERROR),
    Message(r"unrecogni[sz]ed disk label|does not contain a recognized partition table", "message",
            None, "the disk has no partition table",
            "it is new, has a filesystem without partitions, or is the wrong disk",
            "inspect it with `iscsictl disk show` before you write anything", Exit.NOT_FOUND),
    Message(r"run 'e2fsck -f", "message", None, "the filesystem must be checked first",
            "it was not unmounted cleanly, or not checked since", (
                "unmount it and run the command that the message names"
            ),
            Exit.ERROR),
    Message(r"found duplicate pv|pv \S+ prefers device|was already found on|"
            r"cannot use device \S+ with duplicates|"
            r"not using device \S+ for pv", "message", None,
            "LVM sees the same disk twice",
            "a LUN with several paths but no multipath, or a snapshot next to its origin",
            "`iscsictl doctor` names the disks; use the multipath map, or unmap the copy",
            Exit.ERROR),
    Message(r"(?:excluded|rejected) by a filter|is a multipath component", "message", None,
            "LVM does not accept this disk",
            "it is a path of a multipath map, has a partition table, or is excluded by lvm.conf",
            "`lsblk DEVICE`: use the map or the partition; or `lvmdevices --adddev DEVICE`",
            Exit.IN_USE),
)  # fmt: skip
