"""Checks before giving up a disk whose array is gone for good (`detach --lost`)."""

from iscsictl.errors import RefusedError, UnreachableError
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import NO_PATHS, DiskUsage
from iscsictl.model.listing import Disk, Session
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Consent
from iscsictl.planner.safety.overwrite import ConsentRequiredError

#: Separates the losses in a grant; the name of a process can have any byte but this one.
SEPARATOR = "\0"


def require_unreachable(disk: Disk, sessions: tuple[Session, ...]) -> None:
    """Raise RefusedError while a session of the disk is up: a disk that answers is not lost.

    The kernel considers a session up until a NOP-Out has gone unanswered, some seconds after the
    array is gone (node.conn[0].timeo.noop_out_interval and noop_out_timeout).
    """
    sids = {path.sid for path in disk.paths}
    for session in sessions:
        if session.sid in sids and session.status == "up":
            raise RefusedError(
                f"{disk.block.device} is not lost: the session to {session.target} through "
                f"{session.persistent_portal or session.portal} is up",
                hint="omit --lost; if the array was cut off just now, wait until iscsictl ls "
                "shows the session as recovering",
            )


def require_same_wwid(consent: Consent, wwid: str | None) -> None:
    """Raise RefusedError if the user confirmed the loss of another disk.

    `wwid` is None for a disk that reports none; its loss cannot be confirmed.
    """
    if consent.lost != wwid:
        raise RefusedError(
            f"--confirm {consent.lost} does not name this disk: it is {wwid}",
            hint="iscsictl ls -o json shows the WWIDs",
        )


def list_losses(used: DiskUsage) -> tuple[str, ...]:
    """Return, as sentences, what is lost with a disk: unwritten data, volumes, open files.

    The same sentences are the question and what the user agreed to (`Consent.losses`), so that yes
    does not cover a loss that has come up since.
    """
    return (
        *(f"data not yet written to {path} is lost" for path in used.mounts),
        *(f"{holder} loses its disk" for holder in used.other_holders),
        *(f"{user}, which is lost" for user in used.open_files),
    )


def require_losses_agreed(device: str, losses: tuple[str, ...], consent: Consent) -> None:
    """Raise ConsentRequiredError unless the user knows of each loss, if there is a user to ask.

    `consent.losses` None means that nobody is asked (no terminal, or --yes): then the confirmed
    WWID is all the consent there can be.
    """
    agreed = consent.losses
    if agreed is None or set(losses) <= set(agreed):
        return
    raise ConsentRequiredError(
        f"giving up {device} was not confirmed: {'; '.join(losses)}",
        question=f"{'; '.join(losses)}. Give up {device}?",
        grant=SEPARATOR.join(losses),
        hint="bring the array back, or confirm with --yes",
    )


def require_stranded_mount_given_up(
    line: FstabLine, reason: str, name: str, consent: Consent
) -> None:
    """Check the unmount of a filesystem whose disk no longer exists, unless that is harmless.

    If the device is gone, writes fail immediately and an unmount ends. A multipath map without
    paths may queue them indefinitely (dm-multipath, queue_if_no_path), so the user has to give the
    disk up. Raises UnreachableError, RefusedError.
    """
    if consent.lost is not None:
        require_same_wwid(consent, line.wwid)
    elif reason == NO_PATHS:
        raise UnreachableError(
            f"{line.mount_point} cannot be unmounted without losing data that is not written yet: "
            f"{reason}",
            hint="bring the array back; if it is gone forever: "
            f"iscsictl detach {shell_form(name)} --lost --confirm {shell_form(line.wwid)}",
        )
