"""The state of multipath-tools, as far as files tell it."""

from dataclasses import replace
from pathlib import Path

from iscsictl.model.multipath import MULTIPATHD, MultipathFacts
from iscsictl.system.block import multipath_conf
from iscsictl.system.host import systemd


def read_multipath(root: Path = Path("/")) -> MultipathFacts:
    """Return the state of multipath-tools and of its service; no process is started.

    What only the daemon knows (how it spells WWIDs, what is in force) is empty:
    `multipath_conf.ask_daemon` adds it.
    """
    return replace(
        multipath_conf.read_facts(root),
        masked=systemd.masked(MULTIPATHD, root),
        enabled=systemd.enabled(MULTIPATHD, root),
        unmet_condition=systemd.unmet_condition(MULTIPATHD, root),
    )
