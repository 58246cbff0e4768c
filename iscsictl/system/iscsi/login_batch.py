"""One iscsiadm(8) for the logins to some records and to no others.

iscsiadm takes one record by name, or all of a portal or a startup. A process for each record
reads every record again; one for all of a portal would log in what is on hold too. So it is shown
a node database in which there is nothing but the records that are meant, see session_view.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from iscsictl.parse.iscsiadm_login import parse_logins
from iscsictl.system.iscsi import session_view
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.nodedb import record_path
from iscsictl.system.iscsi.sessions import find_sessions


def log_in(keys: Iterable[Key], db: Path, *, timeout: float) -> Mapping[Key, int] | None:
    """Log in to these records at once; return iscsiadm's exit code for each.

    0 is success; for one that it did not tell of, it is that of the whole. None if no namespace
    can be had here; then nothing was done. Raises UnreachableError at the deadline, MissingError.
    """
    wanted = tuple(keys)
    result = session_view.run_iscsiadm(
        ("-m", "node", "--login"),
        find_sessions({key.target for key in wanted}),
        timeout=timeout,
        doing=f"logging in through {len(wanted)} records",
        db=db,
        records=[
            record_path(db, key.target, key.portal, key.iface).relative_to(db / "nodes")
            for key in wanted
        ],
    )
    if result is None:
        return None
    done, failed = parse_logins(result.out, result.err)
    codes = {**failed, **dict.fromkeys(done, 0)}
    places = {key: (key.iface, key.target, key.portal.address, key.portal.port) for key in wanted}
    return {key: codes.get(place, result.code) for key, place in places.items()}
