"""Observe the services of the host: its login service, multipathd, and what units wait for."""

from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.model.inventory import HostFacts
from iscsictl.observers.multipath import read_multipath
from iscsictl.parse.iscsid_conf import conf_values
from iscsictl.planner.iscsi.first_login import RETRIES
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.host import systemd
from iscsictl.system.host.unit_files import read_login_startups
from iscsictl.system.io.files import read_file
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.iscsi import discovery


def read_host_facts(root: Path = Path("/")) -> HostFacts:
    """Observe the services of the host, and how it logs in; no process is started.

    systemd's state is read from its files, so for a unit that was changed since the last
    daemon-reload, the new file counts.
    """
    service = systemd.login_service(root)
    script = systemd.sysv_script(service, root)
    return HostFacts(
        service,
        systemd.enabled(service, root),
        read_multipath(root),
        systemd.required_mounts(root),
        read_login_startups(service, root),
        read_own_key(root),
        systemd.unit_file(service, root) is not None
        or systemd.masked(service, root)
        # systemctl accepts a script for which systemd has not created a unit yet.
        or (script is not None and systemd.running(root)),
        script is not None,
        find_package_manager(root),
        _read_login_retries(root),
    )


def _read_login_retries(root: Path) -> str:
    """Return the value for new records; 8 is open-iscsi's default without iscsid.conf (idbm.c)."""
    try:
        data = read_file(discovery.defaults_path(root)) or b""
    except IscsictlError:  # Only root may read it.
        data = b""
    return conf_values(data.decode("utf-8", "surrogateescape")).get(RETRIES, "8")
