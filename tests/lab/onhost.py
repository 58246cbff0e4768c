"""What tests do on the host as an admin would: commands that must end as they should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.lab.array import A4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.agent import Result
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:"
#: Seconds that a command may take in an emulated guest.
PATIENCE = 240.0


def run_on(host: Guest, command: str | Sequence[str], code: int = 0, **options: Any) -> Result:
    """Run a command that must end with this exit code, and without a traceback."""
    result = host.run(command, **{"timeout": PATIENCE, **options})
    assert result.code == code, str(result)
    assert "Traceback" not in result.err, result.err
    return result


def ctl(lab: Lab, command: str, code: int = 0, **options: Any) -> Result:
    """Run iscsictl on the host as `run_on` does."""
    return run_on(lab.host, f"iscsictl {command}", code, **options)


def attached(
    lab: Lab, name: str, *options: str, portal: str = A4, size: str = "64M", fs: str = "ext4"
) -> Disk:
    """A new target of one LUN, mounted on /srv/NAME by `attach`."""
    disk = lab.array.disk(name, size)
    lab.array.target(IQN + name, [disk], portals=[portal])
    address = f"[{portal}]" if ":" in portal else portal
    run_on(
        lab.host,
        f"iscsictl attach -p {address} -T {IQN}{name} --table none --fs {fs} --mount /srv/{name} "
        + " ".join(options),
    )
    return disk


def statuses(result: Result) -> dict[str, str]:
    """The statuses of a plan's steps by their ids."""
    return {step["id"]: step["status"] for step in json.loads(result.out)["steps"]}


def sessions(host: Guest) -> dict[str, int]:
    """The sid of each target that is logged in, by the end of its name; FAILED ones too."""
    found = host.run(
        "for s in /sys/class/iscsi_session/*; do echo ${s##*/session} $(cat $s/targetname);"
        " done 2>/dev/null"
    ).out
    pairs = (line.split() for line in found.splitlines() if IQN in line)
    return {target.removeprefix(IQN): int(sid) for sid, target in pairs}


def mounted(host: Guest) -> set[str]:
    """The names under /srv that are mount points now."""
    found = host.run("grep -o ' /srv/[a-z0-9]* ' /proc/mounts").out
    return {line.strip().removeprefix("/srv/") for line in found.splitlines()}


def lost(host: Guest, name: str) -> None:
    """Take a mounted target down by hand, behind iscsictl's back."""
    run_on(host, f"umount /srv/{name} && iscsiadm -m node -T {IQN}{name} --logout")
