"""The exit codes of iscsictl itself, for `explain`, the man pages and the README.

Each row: code, name, meaning, usual cause, what to do, and the code again as `Exit`.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.tables import Row

# Every error of iscsictl has its own hint; `explain` cannot know which one it was.
_HINT: Final = "read the error message and the `hint:` below it"

ISCSICTL: Final[tuple[Row, ...]] = (
    (0, "DONE", "done, or there was nothing to do", "nothing is wrong", "nothing", Exit.DONE),
    (1, "ERROR", "an error, or doctor found a failure",
     "any error without a code of its own", _HINT, Exit.ERROR),
    (2, "USAGE", "the command line or an input file is invalid",
     "an unknown option, a malformed value, or a mistake in a volumes file",
     "see `iscsictl help COMMAND`", Exit.USAGE),
    (3, "NOT_FOUND", "not found, not logged in, or an ambiguous name",
     "a typo, a session that has ended, or part of a name where the full name is needed",
     "list what exists: `iscsictl ls` and `iscsictl nodes ls`", Exit.NOT_FOUND),
    (4, "PARTIAL", "some of several operations failed",
     "one array or one portal that does not answer",
     (
         "fix what the errors name, then run the same command again; what is already done stays "
         "unchanged"
     ),
     Exit.PARTIAL),
    (5, "AUTH", "the array rejected the account, the secret or this initiator",
     "wrong CHAP name or secret, or an initiator name that is not in the array's access list",
     "`iscsictl chap check`, and compare `iscsictl initiator show` with the array's access list",
     Exit.AUTH),
    (6, "UNREACHABLE", "unreachable, or no answer before the deadline",
     "a wrong address, a broken path, an array that is still starting, or an iscsid that hangs",
     "`iscsictl doctor` names the link that fails; a slow array needs a longer --timeout",
     Exit.UNREACHABLE),
    (7, "IN_USE", "in use: mounted, held open, or locked",
     "a filesystem, swap, LVM, multipath or a program uses the disk",
     "`iscsictl detach -n` names what is using it", Exit.IN_USE),
    (8, "MISSING", "a tool, a kernel module or iscsid is missing",
     "open-iscsi or a tool such as mkfs is not installed, or iscsid is not running",
     "install the package that the error names; start iscsid: `iscsictl service start`",
     Exit.MISSING),
    (9, "REFUSED", "refused, because of the disk's contents or identity, or for lack of consent",
     "a disk that is not blank, or a question that nobody could answer",
     (
         "see the plan with -n; --yes consents, and the hint names the option that a disk with "
         "data needs"
     ),
     Exit.REFUSED),
    (10, "PENDING", "a dry run found pending changes",
     "the command was run with -n", "run it without -n to make the changes", Exit.PENDING),
    (13, "NEEDS_ROOT", "this needs root", "the command was not run as root",
     BECOME_ROOT, Exit.NEEDS_ROOT),
    (129, "HANGUP", "stopped at a safe place by SIGHUP", (
        "the terminal or the connection was closed"
    ),
     "run the same command again to finish", Exit.HANGUP),
    (130, "INTERRUPTED", "stopped at a safe place by SIGINT", "SIGINT",
     "run the same command again to finish", Exit.INTERRUPTED),
    (143, "TERMINATED", "stopped at a safe place by SIGTERM",
     "the system was shut down, or a service manager's timeout expired",
     "run the same command again to finish", Exit.TERMINATED),
)  # fmt: skip
