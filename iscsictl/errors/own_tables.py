"""The exit codes of iscsictl itself, for `explain`, the man pages and the README.

Each row: code, name, meaning, usual cause, what to do, and the code again as `Exit`.
"""

from typing import Final

from iscsictl.errors import BECOME_ROOT, Exit
from iscsictl.errors.tables import Row

# Every error of iscsictl says what to do; `explain` cannot know which one it was.
_HINT: Final = "read the line of the error and the `hint:` below it"

ISCSICTL: Final[tuple[Row, ...]] = (
    (0, "DONE", "done, or nothing had to be done", "nothing is wrong", "nothing", Exit.DONE),
    (1, "ERROR", "an error; doctor found a failure",
     "anything that has no code of its own", _HINT, Exit.ERROR),
    (2, "USAGE", "the command line, or a file that was given, is wrong",
     "an unknown option, a value of the wrong form, or a mistake in a file of volumes",
     "see `iscsictl help COMMAND`", Exit.USAGE),
    (3, "NOT_FOUND", "not found, not logged in, or a name that fits several",
     "a typing error, a session that has ended, or a part of a name where the whole is needed",
     "see what there is: `iscsictl ls` and `iscsictl nodes ls`", Exit.NOT_FOUND),
    (4, "PARTIAL", "some of several failed",
     "one array or one portal that does not answer",
     "fix what the errors name, then run the same command again: what is done stays unchanged",
     Exit.PARTIAL),
    (5, "AUTH", "the array refused the account, the secret or this initiator",
     "wrong CHAP name or secret, or an initiator name that is not in the array's access list",
     "`iscsictl chap check`, and compare `iscsictl initiator show` with the array's access list",
     Exit.AUTH),
    (6, "UNREACHABLE", "unreachable, or no answer before the deadline",
     "a wrong address, a cut path, an array that is starting, or iscsid that hangs",
     "`iscsictl doctor` names the link that fails; a slow array needs a longer --timeout",
     Exit.UNREACHABLE),
    (7, "IN_USE", "in use: mounted, held open, or locked",
     "a filesystem, swap, LVM, multipath or a program uses the disk",
     "`iscsictl detach -n` names what uses it", Exit.IN_USE),
    (8, "MISSING", "a tool, a kernel module or iscsid is missing",
     "open-iscsi or a tool such as mkfs is not installed, or iscsid does not run",
     "install the package that the error names; start iscsid: `iscsictl service start`",
     Exit.MISSING),
    (9, "REFUSED", "refused: what is on the disk, its identity, or consent forbid it",
     "a disk that is not blank, or a question that nobody was there to answer",
     "look at the plan with -n; --yes consents, and the hint names what a disk with data needs",
     Exit.REFUSED),
    (10, "PENDING", "a dry run or a plan with changes pending",
     "the command was run with -n", "run it without -n to make the changes", Exit.PENDING),
    (13, "NEEDS_ROOT", "only root may do this", "the command was run as another user",
     BECOME_ROOT, Exit.NEEDS_ROOT),
    (129, "HANGUP", "stopped at a safe place by SIGHUP", "the terminal or the connection is gone",
     "run the same command again to finish", Exit.HANGUP),
    (130, "INTERRUPTED", "stopped at a safe place by SIGINT", "SIGINT",
     "run the same command again to finish", Exit.INTERRUPTED),
    (143, "TERMINATED", "stopped at a safe place by SIGTERM",
     "the system was shut down, or a service manager reached its limit",
     "run the same command again to finish", Exit.TERMINATED),
)  # fmt: skip
