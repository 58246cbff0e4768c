"""Observe what the host runs: its login service, multipathd, and what units wait for."""

from pathlib import Path

from iscsictl.model.inventory import HostFacts
from iscsictl.observers.multipath import read_multipath
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.host import systemd
from iscsictl.system.host.unit_files import read_login_startups
from iscsictl.system.io.package_manager import find_package_manager


def read_host_facts(root: Path = Path("/")) -> HostFacts:
    """Look at what the machine runs; no process is started.

    systemd is judged by its files, so a unit that was changed since the last daemon-reload counts
    as it stands there.
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
        # systemctl takes a script of which systemd has not made a unit yet.
        or (script is not None and systemd.running(root)),
        script is not None,
        find_package_manager(root),
    )
