"""Lines of a target on Linux: of the kernel's LIO, of targetcli, and of tgt.

They are found on the target's side, where the reason of a failed login is often logged. Sources:
the kernel's drivers/target, rtslib, and usr/tgtadm.c of tgt.
"""

from typing import Final

from iscsictl.errors import Exit
from iscsictl.errors.message_type import Message

TARGETS: Final = (
    Message(r"has not been successfully authenticated, and the target is enforcing", "message",
            None, "the LIO target requires CHAP, and the initiator logs in without it",
            (
                "no account is set on the initiator, or it was set in iscsid.conf after the "
                "record was created"
            ),
            "`iscsictl chap set` on the initiator; or authentication=0 on the TPG (targetcli)",
            Exit.AUTH),
    Message(r"\[server\] \w+ digests do not match", "message", None,
            "the initiator's CHAP secret differs from the LIO target's",
            "a typo on one side", "set it again on both: `iscsictl chap set`, targetcli",
            Exit.AUTH),
    Message(r"chap_n values do not match", "message", None,
            "the initiator's CHAP name differs from the LIO target's",
            "another account is set on the initiator, or the target has none for this initiator",
            "compare `iscsictl chap show` with the access list's userid (targetcli)", Exit.AUTH),
    Message(r"unable to recover from dataout timeout", "message", None,
            "an initiator did not send the data of a write in time, so LIO closed the session",
            "packets are lost, usually large ones (MTU), or the initiator hung",
            "test with `ping -M do -s 8972` if jumbo frames are enabled; `iscsictl doctor` there",
            Exit.UNREACHABLE),
    Message(r"time2retain timer expired for sid", "message", None,
            "an initiator did not log in again in time, so LIO closed its session",
            "the initiator or the network in between was down for longer than DefaultTime2Retain",
            "test the path between the two; the initiator logs in anew by itself",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"abort_task: (?:found referenced|sending tmr)", "message", None,
            "an initiator aborted a command that this LIO target had not completed",
            "the disk behind the target is slower than the initiator's timeout of 30 s",
            "check that disk's load (`iostat -x`) and its I/O errors", Exit.ERROR),
    Message(r"unsupported scsi opcode 0x[0-9a-f]+, sending check_condition|"
            r"mode sense: unimplemented page/subpage|does not match scsi cdb length", "message",
            None, "an initiator sent a command that LIO does not support",
            (
                "it is querying the disk's capabilities (smartd, multipath, Windows); LIO answers "
                "that it lacks this one"
            ),
            "nothing", Exit.DONE, only_alone=True),
    Message(r"unexpected ret: -\d+ send data", "message", None,
            "an initiator closed its connection to this LIO target",
            "it was shut down, or its own timeout expired", "read the initiator's log",
            Exit.UNREACHABLE, only_alone=True),
    Message(r"for aptpl metadata failed", "message", None,
            "the LIO target cannot save a persistent reservation",
            "the directory for them (/var/target/pr or /etc/target/pr) is missing",
            "create that directory on the target: `mkdir -p /var/target/pr`", Exit.ERROR),
    Message(r"possible syn flooding on port 3260", "message", None,
            "a large number of connections to this target are being opened at once",
            "all hosts are logging in again after an outage, or somebody is scanning the port",
            "nothing if it happened once", Exit.DONE, only_alone=True),
    Message(r"cannot configure storageobject because .*in use|device \S+ is already in use\b",
            "message", None, "the target cannot use this disk as a backstore",
            "something on the target's host is using it: a mount, LVM, md, or another backstore",
            "`lsblk DEVICE` there shows what is on top; if that is LVM, set a filter in lvm.conf",
            Exit.IN_USE),
    Message(r"already exists in configfs", "message", None,
            "the target already has an object of that name",
            "the configuration was already restored, perhaps by another tool",
            "`targetcli ls` shows it", Exit.REFUSED),
    Message(r"tgtadm: failed to send request|tgtadm: .*tgt daemon", "message", None,
            "the target's daemon tgtd is not running", "its service is stopped or failed",
            "`systemctl status tgt` (RHEL: tgtd)", Exit.MISSING),
    Message(r"tgtadm: (?:this target is still active|this logical unit is still active)",
            "message", None, "an initiator is still logged in to this tgt target",
            "a host has a session with it",
            "log out on that host first: `iscsictl detach`", Exit.IN_USE),
    Message(r"tgtadm: (?:can't find the|this \S+(?: \S+)* already exists|invalid request)",
            "message", None, "tgtadm was asked for something that conflicts with its configuration",
            "a target, LUN or account of that number already exists, or does not exist",
            "`tgtadm --lld iscsi --op show --mode target` shows what there is", Exit.ERROR),
)  # fmt: skip
