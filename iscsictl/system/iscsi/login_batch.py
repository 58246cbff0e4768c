"""Log in to several given records, and to no others, with one iscsiadm(8).

iscsiadm can log in to one record, or to all of a portal or a startup value. One process per record
would read every record again each time; one for all of a portal would also log in to records that
are on hold. So it sees a node database that contains only the given records, see session_view.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from iscsictl.parse.iscsiadm_login import parse_logins
from iscsictl.system.iscsi import session_view
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.nodedb import record_path
from iscsictl.system.iscsi.sessions import find_sessions


def log_in(keys: Iterable[Key], db: Path, *, timeout: float) -> Mapping[Key, int] | None:
    """Log in to these records in parallel; return iscsiadm's exit code for each.

    0 is success; a record that its output does not mention gets the exit code of the process.
    Returns None if no namespace can be created here; then nothing was done. Raises UnreachableError
    at the deadline, MissingError.
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
