"""Lines about filesystems: of ext4, XFS and btrfs, of mount and systemd, of mkfs and sfdisk.

Sources: the kernel's fs/ext4, fs/jbd2, fs/xfs and fs/btrfs; libmount, util-linux, e2fsprogs,
xfsprogs, parted, LVM2, systemd, and the shell of an initramfs.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.message_type import Message

_ADOPT: Final = "look at it with `iscsictl disk show`; mount it as it is: `iscsictl attach --adopt`"

FILESYSTEMS: Final = (
    Message(r"mmp interval|mmp failure|ext4_multi_mount_protect", "message", None,
            "another host has, or had, this filesystem mounted (ext4's mmp)",
            "two hosts have the LUN, or one of them ended without unmounting",
            "make sure that no other host has it mounted, wait, and mount again", Exit.REFUSED),
    Message(r"has duplicate uuid", "message", None,
            "a filesystem with the same UUID is mounted already (XFS)",
            "the LUN is a snapshot or copy of one in use, or the same LUN over another path",
            ("compare the WWIDs: `iscsictl disk ls`. A copy is mounted with the option nouuid, or "
             "gets a UUID of its own (xfs_admin -U generate); one LUN with two paths needs "
             "multipath"), Exit.REFUSED),
    Message(r"exceeds size of device|size of the device is smaller than|"
            r"the physical size of the device is \d+ blocks", "message", None,
            "the disk is smaller than the filesystem on it",
            "the LUN shrank, or was replaced, or the partition was made anew",
            ("do not run fsck: give the LUN its size back on the array, then `iscsictl rescan` "
             "and mount again"), Exit.ERROR),
    Message(r"remounting filesystem read-only|(?:metadata|log) i/o error|"
            r"filesystem has been shut down|shutting down filesystem|"
            r"aborting journal|forced readonly|xfs_log_force: error|errno=-5 io failure|"
            r"couldn't remount rdwr|"
            r"xfs_do_force_shutdown|please u?n?mount the filesystem and rectify", "message", None,
            "a filesystem lost its disk and takes no more writes",
            "I/O errors: the session or the array was away too long",
            "bring the disk back (`iscsictl reconnect`), unmount, check with fsck, and mount again",
            Exit.ERROR, only_alone=True),
    Message(r"detected io errors while flushing|previous i/o error to superblock|"
            r"lost (?:a?sync )?page write|i/o error while writing superblock|"
            r"ext4_end_bio.*i/o error|delayed block allocation failed|failing async write|"
            r"error -\d+ detected when updating journal|errs: wr [1-9]|"
            r"trouble writing out superblocks|resulted in short write|"
            r"writeback error on sector", "message", None,
            "what was written to a filesystem did not reach the disk",
            "I/O errors: the session or the array was away too long",
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
            "the contents of a filesystem contradict themselves, or cannot be read",
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
            "the filesystem has features that this kernel does not know",
            "it was made on a newer system",
            "mount it there, or with a newer kernel; do not run mkfs or an old fsck", Exit.ERROR),
    Message(r"no space left on device|disk quota exceeded", "message", None,
            "a filesystem, or the end of a disk, is reached",
            "the filesystem is full (`df`, `df -i`), or more was written than the disk holds",
            "free space, or enlarge the LUN on the array and then `iscsictl disk grow`",
            Exit.ERROR, only_alone=True),
    Message(r"read-only file ?system", "message", None, "a filesystem or disk takes no writes",
            "the kernel made it read-only after I/O errors, or it, or the LUN, is read-only",
            "`dmesg` for I/O errors, `iscsictl ls` for the state of the disk", Exit.ERROR,
            only_alone=True),
)  # fmt: skip

# Of mount(8), umount(8), systemd and the initramfs, about a filesystem that should be there.
MOUNTS: Final = (
    Message(r"special device \S+ does not exist|can't find (?:part)?(?:uuid|label)=|"
            r"unable to resolve '(?:part)?(?:uuid|label)=", "message",
            None, "the disk of the filesystem is not there",
            "the target is not logged in, or the UUID is not the one on the disk",
            "`iscsictl reconnect`; then `iscsictl ls --tree` shows the UUIDs there are",
            Exit.NOT_FOUND),
    Message(r"unknown filesystem type '?(?:\w+_member|crypto_luks)", "message", None,
            "the disk is a part of something, and that is what can be mounted",
            ("mpath_member: a multipath map has it; LVM2_member: LVM; linux_raid_member: md; "
             "crypto_LUKS: it is encrypted"),
            "`lsblk DEVICE` shows what is on top: mount that; nothing there: activate it first",
            Exit.IN_USE),
    Message(r"can't read superblock|unable to read superblock|open_ctree failed", "message", None,
            "the filesystem cannot be read", "reading the disk fails, or what is on it is damaged",
            "`iscsictl ls` for the state of the disk, `dmesg` for the reason", Exit.ERROR,
            only_alone=True),
    Message(r"wrong fs type, bad option, bad superblock|unknown filesystem type '?(?!\w+_member|"
            r"crypto_luks)|can't find ext[234] filesystem|bad magic number in super-?block|"
            r"sb validate failed", "message", None,
            "the filesystem cannot be mounted as it was asked for",
            ("another type than fstab says, an option that it does not have, no filesystem at "
             "all, or a damaged one"),
            "`blkid DEVICE` and `dmesg`; do not run mkfs", Exit.ERROR, only_alone=True),
    Message(r"already mounted or mount point busy|/dev/\S+ (?:is )?already mounted|"
            r"which is in use \(already mapped or mounted\)|contains a filesystem in use|"
            r"using this disk right now \.\.\. failed|is apparently in use by the system|"
            r"will not make a (?:file ?system|'\S+') here|this disk is currently in use|"
            r"can't open \S+ exclusively|/dev/\S+ is in use\.$", "message", None,
            "something on this host uses the disk",
            "it is mounted, or a multipath map, LVM, md or swap has it",
            "`lsblk DEVICE` shows what is on top; use that, or stop it first", Exit.IN_USE),
    Message(r"device or resource busy", "message", None, "something on this host uses the disk",
            "it is mounted, or a multipath map, LVM, md or swap has it",
            "`lsblk DEVICE` shows what is on top; use that, or stop it first", Exit.IN_USE,
            only_alone=True),
    Message(r"umount: .*(?:target|device) is busy", "message", None,
            "a process uses the mounted filesystem", "open files, or a shell that stands in it",
            "`iscsictl detach -n` names who uses it", Exit.IN_USE),
    Message(r"system call failed: no such device or address|/dev/\S+: no such device or address|"
            r"no such device or address while|failed errno 6\b", "message", None,
            "the disk is gone, though its name is still there",
            "its session or its multipath map has no working path, or the LUN was unmapped",
            "`iscsictl ls` for the state of the session, then `iscsictl reconnect` or "
            "`iscsictl rescan`", Exit.UNREACHABLE),
    Message(r"can't open blockdev", "message", None, "the kernel cannot open the disk",
            "it does not answer, or a multipath map, LVM or md has it",
            "`lsblk DEVICE` shows what is on top; `iscsictl ls` for the state of the disk",
            Exit.ERROR),
    Message(r"mount\(2\) system call failed: file exists", "message", None,
            "a filesystem with the same UUID is mounted already (btrfs)",
            "the LUN is a snapshot or copy of one in use, or the same LUN over another path",
            "compare the WWIDs: `iscsictl disk ls`; a copy gets its own UUID with btrfstune -u",
            Exit.REFUSED),
    Message(r"can't find in /etc/fstab", "message", None, "there is no entry for this directory",
            "a typing error, or the entry was removed",
            "`iscsictl fstab ls`; or `iscsictl mount` with the disk", Exit.NOT_FOUND),
    Message(r"\bu?mount\b.*(?:must be superuser|only root can)|must be superuser to u?n?(?:use )?"
            r"mount", "message", None, "mounting needs root", "the command was run as another user",
            BECOME_ROOT, Exit.NEEDS_ROOT),
    Message(r"umount: .*(?:not mounted|no mount point specified)", "message", None,
            "nothing is mounted there", "it was unmounted already, or the name is another one",
            "`iscsictl ls` shows what is mounted where", Exit.NOT_FOUND),
    Message(r"mount point \S* ?does not exist", "message", None, "the mount point does not exist",
            "its directory was never made, or is on a filesystem that is not mounted",
            "make the directory; `iscsictl attach --mount DIR` does it by itself", Exit.NOT_FOUND),
    Message(r"fstab has been modified, but systemd still uses", "message", None,
            "systemd does not know yet what fstab says", "fstab was edited by hand",
            "`systemctl daemon-reload`", Exit.DONE, only_alone=True),
    Message(r"timed out waiting for device|\.device: job \S+/start timed out|"
            r"\.device/start (?:timed out|failed with result 'timeout')", "message", None,
            "the disk of an entry in fstab did not appear in time",
            "its target is not logged in: the array is away, or the login service is off",
            "`iscsictl doctor`, and `iscsictl fstab check` for the options of the entry",
            Exit.UNREACHABLE),
    Message(r"a start job is running for (?:/dev/|dev-)", "message", None,
            "the boot waits for the disk of an entry in fstab",
            "its target is not logged in: the array is away, or the login service is off",
            "`iscsictl fstab check`: an entry with nofail and _netdev does not stop the boot",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"you are in emergency mode|root password for maintenance", "message", None,
            "the boot stopped, most often because a filesystem of fstab was not mounted",
            "an entry on an iSCSI disk without the options nofail and _netdev",
            "`iscsictl fstab check`, and the lines before it: `journalctl -b -p err`",
            Exit.ERROR, only_alone=True),
    Message(r"gave up waiting for root|dropping to a shell|dracut-initqueue\S* timeout|"
            r"dracut.*could not boot|dracut.*/dev/\S+ does not exist|"
            r"unable to mount root fs", "message", None,
            "the disk of the root filesystem did not appear in the initramfs",
            "for a root on iSCSI: the login there failed, or the initramfs does not do it",
            "`iscsictl boot check` from a rescue system, and the lines of iscsistart or iscsid",
            Exit.UNREACHABLE),
    Message(r"dependency failed for (?:/|local file systems|remote file systems)|"
            r"(?:remote|local)-fs\.target: job \S+ failed with result|"
            r"job (?:remote|local)-fs\.target/start failed", "message", None,
            "a filesystem was not mounted, because what it needs did not start",
            "its disk did not appear; the reason is in the lines before it",
            "`iscsictl doctor`; once the array answers: `iscsictl reconnect`",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"failed to mount /|\.mount: (?:failed with result|mount process exited)|"
            r"mount.{0,60}exit (?:status|code)[:= ]+32\b", "message", None,
            "a filesystem was not mounted; this line does not say why",
            "the reason is in the lines of mount and of the kernel before it",
            "`journalctl -b -p warning | iscsictl explain -`, and `iscsictl fstab check`",
            Exit.ERROR, only_alone=True),
)  # fmt: skip

# Of the programs that write partition tables and filesystems, or take a disk as a whole.
MAKING: Final = (
    Message(r"contains a \S+ (?:file ?system|signature)|contain an existing filesystem|"
            r"\bwithout -ff\b|use the -f option to force overwrite",
            "message", None,
            "there is a filesystem, or an LVM volume, on the disk already",
            "it was used before, or another host uses it", _ADOPT, Exit.REFUSED),
    Message(r"is entire device, not just one partition", "message", None,
            "mkfs was given a whole disk, and asks whether that is meant",
            "the disk has no partitions, or its number was left out",
            "yes is right for a LUN without a partition table; `iscsictl attach --table none`",
            Exit.REFUSED, only_alone=True),
    Message(r"device size reported to be zero", "message", None, "the disk has no size",
            "the LUN does not answer, or is not mapped to this host any more",
            "`iscsictl rescan`, and the LUN's state on the array", Exit.UNREACHABLE),
    Message(r"partition table format can not be used on drives|2199023255040 bytes", "message",
            None, "a dos partition table ends at 2 TiB, and the disk is larger",
            "the table was made when the LUN was smaller, or by habit",
            "a gpt table: `iscsictl disk label`, which refuses a disk with data", Exit.ERROR),
    Message(r"backup gpt table is corrupt|backup gpt table is missing", "message", None,
            "the copy of the partition table at the end of the disk is not there",
            "the LUN was enlarged or shrunk, or its end cannot be read",
            "`iscsictl disk part verify`; `iscsictl disk grow` if the LUN was enlarged",
            Exit.ERROR),
    Message(r"blocks long\. +nothing to do|data size unchanged, skipping", "message", None,
            "the filesystem is as large as its disk already",
            "the LUN was enlarged on the array, but not its partition, or this host did not look",
            "`iscsictl disk grow`: it asks the LUN, then enlarges partition and filesystem",
            Exit.DONE, only_alone=True),
    Message(r"is not a mounted xfs filesystem", "message", None,
            "XFS is enlarged while it is mounted, and it is not",
            "it was unmounted, or has not been mounted",
            "mount it, or use `iscsictl disk grow`", Exit.ERROR),
    Message(r"couldn't find device (?:with uuid|for pv)|refusing activation of partial lv|"
            r"volume group \"?\S+ (?:not found|has insufficient)", "message", None,
            "a disk of an LVM volume group is missing",
            "the target of one of its LUNs is not logged in",
            "`iscsictl reconnect`, then `vgchange -ay`", Exit.NOT_FOUND),
    Message(r"is not a valid luks device", "message", None, "there is no LUKS on this disk",
            "it is another disk than meant, or its start was overwritten",
            "look at it with `iscsictl disk show` before anything is written", Exit.ERROR),
    Message(r"does not exist and no size was specified|"
            r"no such file or directory while trying to (?:determine|open)|"
            r"cannot open /dev/\S+: no such (?:file|device)", "message", None,
            "the disk is not there",
            "the target is not logged in, or the disk has another name since the last login",
            "`iscsictl ls` shows the disks there are, with links that stay the same",
            Exit.NOT_FOUND),
    Message(r"kernel (?:still uses|is still using) the old partition|"
            r"unable to inform the kernel of the change|re-?reading the partition table failed|"
            r"partition\(s\) [\d, ]+ on \S+ (?:are being used|have been written)|"
            r"blkrrpart", "message", None,
            "the partition table was written, and the kernel still uses the old one",
            "a partition of the disk is in use",
            "unmount it, then `partx -u DEVICE`; until then make no filesystem there",
            Exit.IN_USE),
    Message(r"gpt pmbr size mismatch|gpt table is not on the end|"
            r"not all of the space available to", "message", None,
            "the disk is larger than its partition table says",
            "the LUN was enlarged on the array", "`iscsictl disk grow`", Exit.ERROR),
    Message(r"unrecogni[sz]ed disk label|does not contain a recognized partition table", "message",
            None, "the disk has no partition table",
            "it is new, has a filesystem without partitions, or is the wrong disk",
            "look at it with `iscsictl disk show` before anything is written", Exit.NOT_FOUND),
    Message(r"run 'e2fsck -f", "message", None, "the filesystem has to be checked first",
            "it was not unmounted cleanly, or not checked since", "unmount it and run that command",
            Exit.ERROR),
    Message(r"found duplicate pv|was already found on|cannot use device \S+ with duplicates|"
            r"not using device \S+ for pv", "message", None,
            "LVM sees one disk twice",
            "a LUN with several paths without multipath, or a snapshot beside its origin",
            "`iscsictl doctor` tells which; use the multipath map, or take the copy away",
            Exit.ERROR),
    Message(r"(?:excluded|rejected) by a filter|is a multipath component", "message", None,
            "LVM does not take this disk",
            "it is a path of a multipath map, has a partition table, or is left out by lvm.conf",
            "`lsblk DEVICE`: use the map or the partition; or `lvmdevices --adddev DEVICE`",
            Exit.IN_USE),
)  # fmt: skip
