"""What is on a disk: blank, or what was found there."""

from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, Observation, observe_value
from iscsictl.system.block import probe
from iscsictl.system.context import Context


def probe_content(
    context: Context, device: str, wwid: str, used: DiskUsage, *, full: bool
) -> Observation[Content]:
    """Look at what is on a disk or a partition, and show how far that is. `used` is who holds it.

    `full` reads all of it.
    """

    def show_progress(share: float) -> None:
        context.watch(f"{device}: {share:.0%} read")

    return observe_value(
        lambda: probe.probe(device, wwid, usage=used.holders, full=full, heard=show_progress)
    )
