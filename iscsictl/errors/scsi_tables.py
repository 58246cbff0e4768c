"""Host bytes of failed SCSI commands, as the kernel logs them: `hostbyte=DID_NO_CONNECT`.

Source: the kernel's include/scsi/scsi_status.h. Kernels before 2.6.2x, and some after, log the
number instead of the name. Each row: code, name, meaning, usual cause, what to do, exit code.
"""

from typing import Final

from iscsictl.errors import Exit
from iscsictl.errors.tables import Row

_PATH: Final = (
    "see the iSCSI messages just before it, and `iscsictl ls` for the state of the session"
)
_ARRAY: Final = "check the array's log for that time"

HOST_BYTES: Final[tuple[Row, ...]] = (
    (0x00, "DID_OK", "the command reached the LUN",
     "the LUN itself reported an error; the sense data on the next line says which",
     "look up the next line of the log", Exit.ERROR),
    (0x01, "DID_NO_CONNECT", "the LUN is gone, so the command was not sent",
     "the session was logged out, or it was down for longer than replacement_timeout",
     "`iscsictl reconnect`; a filesystem on it must be mounted again", Exit.UNREACHABLE),
    (0x02, "DID_BUS_BUSY", "the connection stayed busy until the command timed out",
     "an overloaded array or network", _ARRAY, Exit.UNREACHABLE),
    (0x03, "DID_TIME_OUT", "the array did not answer the command in time",
     "an overloaded or failing array, or a path that loses packets",
     "compare with the array's log; `iscsictl doctor` tests the path", Exit.UNREACHABLE),
    (0x04, "DID_BAD_TARGET", "the target or LUN does not exist",
     "the LUN was deleted or is no longer mapped to this host", "check the array's LUN mapping",
     Exit.NOT_FOUND),
    (0x05, "DID_ABORT", "the command was aborted",
     "it took longer than the disk's timeout, or the session was dropped", _PATH,
     Exit.UNREACHABLE),
    (0x06, "DID_PARITY", "a checksum was wrong",
     "bits changed in transit (HeaderDigest or DataDigest)",
     "turn off the NIC's offloads to test (ethtool -K), then replace the faulty part",
     Exit.UNREACHABLE),
    (0x07, "DID_ERROR", "the driver or the array aborted the command",
     "an invalid response, or fewer bytes than requested", _ARRAY, Exit.ERROR),
    (0x08, "DID_RESET", "a reset ended the command",
     "SCSI error handling reset the LUN, the target or the session", _PATH, Exit.UNREACHABLE),
    (0x0B, "DID_SOFT_ERROR", "a temporary error; the kernel retries the command",
     "a brief driver problem or memory shortage", "nothing, unless it happens often", Exit.ERROR),
    (0x0C, "DID_IMM_RETRY", "the kernel retries the command at once",
     "the session was just coming back", "nothing", Exit.ERROR),
    (0x0D, "DID_REQUEUE", "the kernel requeues the command",
     "the array's queue was full, or the session was logged out", (
         "nothing, unless it happens often"
     ),
     Exit.ERROR),
    (0x0E, "DID_TRANSPORT_DISRUPTED", "the connection broke while the command was in flight",
     ("the network or the array dropped the session; the kernel waits for it and then retries the "
      "command, until replacement_timeout"),
     "find out why it broke: see the `conn error` logged just before, and `iscsictl doctor`",
     Exit.UNREACHABLE),
    (0x0F, "DID_TRANSPORT_FAILFAST", "the session was down too long, so the command failed",
     "replacement_timeout (fast_io_fail_tmo under multipath) expired",
     "under multipath another path takes over; without multipath: `iscsictl reconnect`",
     Exit.UNREACHABLE),
    (0x10, "DID_TARGET_FAILURE", "the array failed the command permanently",
     "an unsupported command or a failure in the array", _ARRAY, Exit.ERROR),
    (0x11, "DID_NEXUS_FAILURE", "another host holds a reservation on the LUN",
     "a cluster, a second host that uses the LUN, or a stale reservation",
     "see who holds it: `sg_persist -r /dev/sdX`",
     Exit.REFUSED),
    (0x12, "DID_ALLOC_FAILURE", "the array has no space for the data",
     "a thin LUN whose pool is full", "add space to the pool on the array", Exit.ERROR),
    (0x13, "DID_MEDIUM_ERROR", "the array could not read these blocks",
     "a failed disk inside the array", _ARRAY, Exit.ERROR),
    (0x14, "DID_TRANSPORT_MARGINAL", "the path was marked as unreliable",
     "multipath disabled it after repeated errors", "test that path's cable and switch",
     Exit.UNREACHABLE),
)  # fmt: skip
