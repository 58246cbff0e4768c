"""The most likely cause of a login that "failed for good" (iscsiadm 19).

open-iscsi uses that code both if there is no such target and if the array failed to authenticate
itself in mutual CHAP (initiator.c, login.c). Asking the portal for its targets shows which it was.
"""

from pathlib import Path
from typing import Final

from iscsictl.errors import AuthError, InterruptError, IscsictlError
from iscsictl.limits import LOGIN_CAUSE_WAIT
from iscsictl.system.iscsi import iscsiadm
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.nodedb import read_record, record_path

FATAL: Final = 19


def explained_login(error: IscsictlError, key: Key, db: Path, timeout: float) -> IscsictlError:
    """Return the error of a login, or an AuthError if the array's own secret is to blame.

    The portal is asked for its targets once, only after exit code 19 and only if the record has a
    secret of the array. Raises InterruptError.
    """
    if error.tool_exit != FATAL or error.exit is AuthError.exit:
        return error
    try:
        record = read_record(record_path(db, key.target, key.portal, key.iface))
        if record is None or not record.has_secret_in:
            return error
        wait = min(timeout, LOGIN_CAUSE_WAIT)
        offers = iscsiadm.discover(key.portal, timeout=wait, iface=key.iface, warn=lambda _: None)
    except InterruptError:
        raise
    except IscsictlError:
        return error
    if all(offer.target != key.target for offer in offers):
        return error
    return AuthError(
        f"logging in to {key.target} through {key.portal}: the target exists, but most likely did "
        f"not authenticate itself with the array's own secret (iscsiadm {FATAL})",
        hint="compare both account names and secrets with the array's settings; iscsid's log: "
        "journalctl -u iscsid",
        tool_exit=FATAL,
    )
