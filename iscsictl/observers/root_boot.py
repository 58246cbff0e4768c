"""Observe what the next boot of a host with its root filesystem on iSCSI depends on."""

from functools import partial

from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, Observation, observe_value
from iscsictl.model.root_boot import Initramfs, RootBoot
from iscsictl.planner.safety.storage_graph import root_filesystem_targets
from iscsictl.system.context import Context
from iscsictl.system.host import ifupdown, initramfs, network
from iscsictl.system.iscsi import debian_settings
from iscsictl.system.iscsi.firmware_boot import read_boot_entries


def targets_of_root(machine: Machine) -> frozenset[str]:
    """Return the targets whose disks carry the root filesystem; empty if it is not on iSCSI."""
    target_of = {session.sid: session.target for session in machine.listing.sessions}
    return root_filesystem_targets(machine.listing.disks or (), target_of)


def observe_root_boot(
    context: Context, targets: frozenset[str], wait: float, *, planned: bool = False
) -> RootBoot:
    """Return the facts; each initramfs is unpacked within `wait` seconds, or counts as unread."""
    root = context.root
    found = observe_value(lambda: initramfs.find_next_boot(root))
    images: dict[str, Observation[Initramfs | None]] = {}
    parameters = found if not isinstance(found, Known) else Known(found.value.parameters)
    if isinstance(found, Known):
        for path, kernel in found.value.images.items():
            read = partial(initramfs.read_initramfs, path, kernel, wait, root)
            images[path] = observe_value(read)
    return RootBoot(
        targets,
        planned,
        images,
        parameters,
        read_boot_entries(root),
        debian_settings.find_opt_out(root),
        network.nic_modules(root),
        ifupdown.read_nics_taken_down(root),
        debian_settings.logs_out_at_shutdown(root),
        debian_settings.keeps_all_sessions(root),
    )
