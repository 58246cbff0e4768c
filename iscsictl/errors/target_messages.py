"""Lines of a target on Linux: of the kernel's LIO, of targetcli, and of tgt.

Whoever looks for the reason of a failed login reads them on the other side. Sources: the kernel's
drivers/target, rtslib, and usr/tgtadm.c of tgt.
"""

from typing import Final

from iscsictl.errors import Exit
from iscsictl.errors.message_type import Message

TARGETS: Final = (
    Message(r"has not been successfully authenticated, and the target is enforcing", "message",
            None, "the LIO target wants CHAP, and the initiator logs in without",
            "no account is set on the initiator, or only in iscsid.conf after the record was made",
            "`iscsictl chap set` on the initiator; or authentication=0 on the TPG (targetcli)",
            Exit.AUTH),
    Message(r"\[server\] \w+ digests do not match", "message", None,
            "the initiator's CHAP secret is not the one that the LIO target has",
            "a typing error on one side", "set it again on both: `iscsictl chap set`, targetcli",
            Exit.AUTH),
    Message(r"chap_n values do not match", "message", None,
            "the initiator's CHAP name is not the one that the LIO target has",
            "another account is set on the initiator, or the target has none for this initiator",
            "compare `iscsictl chap show` with the access list's userid (targetcli)", Exit.AUTH),
    Message(r"unable to recover from dataout timeout", "message", None,
            "an initiator did not send the data of a write in time, so LIO ended the session",
            "packets are lost on the way, most often large ones (MTU), or the initiator hung",
            "test with `ping -M do -s 8972` if jumbo frames are on; `iscsictl doctor` there",
            Exit.UNREACHABLE),
    Message(r"abort_task: (?:found referenced|sending tmr)", "message", None,
            "an initiator aborted a command that this LIO target had not finished",
            "the disk behind the target is slower than the initiator's timeout of 30 s",
            "look at the load of that disk (`iostat -x`), and for its I/O errors", Exit.ERROR),
    Message(r"unsupported scsi opcode 0x[0-9a-f]+, sending check_condition|"
            r"mode sense: unimplemented page/subpage|does not match scsi cdb length", "message",
            None, "an initiator sent a command that LIO does not have",
            "it asks what the disk can do (smartd, multipath, Windows); LIO answers no",
            "nothing", Exit.DONE, only_alone=True),
    Message(r"unexpected ret: -\d+ send data", "message", None,
            "an initiator closed its connection to this LIO target",
            "it was shut down, or its own timeout was over", "read the initiator's log",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"for aptpl metadata failed", "message", None,
            "the LIO target cannot save a persistent reservation",
            "its directory for them (/var/target/pr or /etc/target/pr) is missing",
            "make that directory on the target: `mkdir -p /var/target/pr`", Exit.ERROR),
    Message(r"possible syn flooding on port 3260", "message", None,
            "very many connections are opened to this target at once",
            "all hosts log in again after an outage, or somebody scans the port",
            "nothing if it came once", Exit.DONE, only_alone=True),
    Message(r"cannot configure storageobject because .*in use|device \S+ is already in use\b",
            "message", None, "the target cannot use this disk as a backstore",
            "something on the target's host uses it: a mount, LVM, md, or another backstore",
            "`lsblk DEVICE` there shows what is on top; with LVM on it set a filter in lvm.conf",
            Exit.IN_USE),
    Message(r"already exists in configfs", "message", None,
            "the target has an object of that name already",
            "the configuration was restored before, or by another tool",
            "`targetcli ls` shows it", Exit.REFUSED),
    Message(r"tgtadm: failed to send request|tgtadm: .*tgt daemon", "message", None,
            "the target's daemon tgtd is not running", "its service is stopped or failed",
            "`systemctl status tgt` (RHEL: tgtd)", Exit.MISSING),
    Message(r"tgtadm: (?:this target is still active|this logical unit is still active)",
            "message", None, "an initiator is still logged in to this tgt target",
            "a host has a session to it",
            "log out on that host first: `iscsictl detach`", Exit.IN_USE),
    Message(r"tgtadm: (?:can't find the|this \S+(?: \S+)* already exists|invalid request)",
            "message", None, "tgtadm was asked for something that does not fit its configuration",
            "a target, LUN or account of that number exists already, or does not",
            "`tgtadm --lld iscsi --op show --mode target` shows what there is", Exit.ERROR),
)  # fmt: skip
