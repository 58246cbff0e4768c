"""How long the login service tries a first login at boot, depending on the number of paths."""

from collections.abc import Iterable

from iscsictl.model.record import NodeRecord

RETRIES = "node.session.initial_login_retry_max"
#: How many times `login_timeout` (15 s) a first login may take over one of several paths. The login
#: service waits for all of its logins before anything is mounted: by default, 8 times, a path that
#: is out would hold up the boot for two minutes. 30 s is what a switch port takes to forward
#: (spanning tree, IEEE 802.1D), so a network that comes up with the host is still waited for.
RETRIES_OF_SEVERAL = "2"


def values_of_only_path(
    record: NodeRecord, others: Iterable[NodeRecord], usual: str
) -> dict[str, str]:
    """Return the changes for a record that has the only path that is logged in to at boot.

    Empty if one of the `others` is logged in to at boot, or if the record does not have the value
    for one of several paths. `usual` is the value of new records: an array that starts together
    with the host must not take longer, and no other path serves in the meantime.
    """
    if record.values.get(RETRIES) != RETRIES_OF_SEVERAL or usual == RETRIES_OF_SEVERAL:
        return {}
    if any(one.onboot and one.problem is None for one in others if one.path != record.path):
        return {}
    return {RETRIES: usual}
