"""What is on a disk: nothing, or what was found there."""

from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, Observation, observe_value
from iscsictl.system.block import probe
from iscsictl.system.context import Context


def probe_content(
    context: Context, device: str, wwid: str, used: DiskUsage, *, full: bool
) -> Observation[Content]:
    """Probe the content of a disk or a partition, and show the progress. `used` is who holds it.

    `full` reads all of it. A probe that fails is a ReadFailed.
    """

    def show_progress(share: float) -> None:
        context.watch(f"{device}: {share:.0%} read")

    return observe_value(
        lambda: probe.probe(device, wwid, usage=used.holders, full=full, heard=show_progress)
    )
