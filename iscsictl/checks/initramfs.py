"""What the initramfs needs to log in to the target that has the root filesystem."""

from collections.abc import Iterator

from iscsictl.checks.routing import find_route
from iscsictl.errors import NeedsRootError
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.listing import Session, blocks
from iscsictl.model.record import NodeRecord
from iscsictl.model.root_boot import Initramfs, InitramfsLogin, KernelParameters, RootBoot
from iscsictl.model.shell_form import shell_form

_SETTINGS = "/etc/iscsi/iscsi.initramfs"
# The hook of open-iscsi adds only the first; with MODULES=list nothing else adds the driver of
# disks (initramfs.conf(5)).
_MODULES = ("iscsi_tcp", "sd_mod")
# The program that sets up each kind of device, and the Debian package whose hook puts it into the
# initramfs.
_LAYER_PROGRAMS = {
    "lvm": ("lvm", "lvm2"),
    "crypt": ("cryptsetup", "cryptsetup-initramfs"),
    "md": ("mdadm", "mdadm"),
    "mpath": ("multipath", "multipath-tools-boot"),
}
# Values of ip= with which ipconfig configures nothing (configure_networking of initramfs-tools).
_NO_NETWORK = frozenset({"none", "off"})


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether every kernel that may be booted finds its root filesystem on the target.

    Nothing is reported for a host whose root filesystem is elsewhere. Whatever only root can read
    is skipped.
    """
    boot = machine.root_boot
    if boot is None:
        return
    for path, read in boot.images.items():
        match read:
            case ReadFailed(error):
                fix = "sudo iscsictl boot check" if isinstance(error, NeedsRootError) else None
                yield skip("boot-initramfs", error.text, fix or error.hint, path)
            case Known(None):
                kernel = path.partition("img-")[2]
                yield fail(
                    "boot-initramfs", "there is no initramfs for this kernel",
                    f"update-initramfs -c -k {shell_form(kernel)}", path,
                )  # fmt: skip
            case Known(Initramfs() as image):
                yield from _check_image(machine, boot, path, image)
    match boot.parameters:
        case ReadFailed(error):
            yield skip("boot-initramfs", error.text, "sudo iscsictl boot check")
        case Known(parameters):
            if not boot.images:
                yield skip("boot-initramfs", "/boot has no kernel that is named as on Debian")
            yield from _check_parameters(machine, boot, parameters)


def _check_image(
    machine: Machine, boot: RootBoot, path: str, image: Initramfs
) -> Iterator[Finding]:
    if image.made_by_dracut:
        yield skip(
            "boot-initramfs", "it was made by dracut, whose settings are not read", None, path
        )
        return
    renew = f"update-initramfs -u -k {shell_form(image.kernel)}"
    yield _check_contents(machine, boot, path, image, renew)
    if not isinstance(boot.parameters, Known):
        return
    parameters = boot.parameters.value
    login = image.login.overridden_by(parameters.login)
    yield _check_login(machine, boot, path, login, parameters)
    yield _check_initiator(machine, boot, path, image, login)
    if image.is_outdated:
        yield warn(
            "boot-initramfs", f"it was made before {_SETTINGS} was last changed", renew, path
        )
    if image.is_public and image.login.has_secret:
        yield warn(
            "boot-secret",
            "it contains a CHAP secret, and every user can read it",
            f"echo UMASK=0077 > /etc/initramfs-tools/conf.d/umask && {renew}",
            path,
        )


def _check_contents(
    machine: Machine, boot: RootBoot, path: str, image: Initramfs, renew: str
) -> Finding:
    missing = []
    package = "open-iscsi"
    if "iscsistart" not in image.programs or not image.has_login_script:
        missing.append("open-iscsi")
    nics = sorted(filter(None, (nic_of(machine, portal) for portal in _portals(machine, boot))))
    modules = [boot.nic_modules[nic] for nic in nics if nic in boot.nic_modules]
    missing += [
        f"the module {module}"
        for module in dict.fromkeys([*_MODULES, *modules])
        if module not in image.modules
    ]
    kinds = kinds_below_root(machine) if not boot.is_planned else frozenset()
    for kind, (program, needed) in _LAYER_PROGRAMS.items():
        if kind in kinds and program not in image.programs:
            missing.append(f"{program}, which the root filesystem needs")
            package = needed
    if not missing:
        return ok("boot-initramfs", "it contains everything that the root filesystem needs", path)
    fix = f"apt install {package} && {renew}"
    if boot.excluded_by is not None:
        fix = f"delete NO_ISCSI_IN_INITRAMFS=yes from {boot.excluded_by}, then: {renew}"
    elif any(one.startswith("the module") for one in missing):
        modules_file = "/etc/initramfs-tools/modules"
        names = [one.rpartition(" ")[2] for one in missing if one.startswith("the module")]
        fix = f"printf '%s\\n' {shell_form(*names)} >> {modules_file} && {renew}"
    return fail("boot-initramfs", f"it lacks {', '.join(missing)}", fix, path)


def kinds_below_root(machine: Machine) -> frozenset[str]:
    """Return the kinds of devices from a disk of a session up to the root filesystem."""
    return frozenset(
        below.kind
        for disk in machine.listing.disks or ()
        for top in blocks(disk.block)
        if any(mount.path == "/" for mount in top.mounts)
        for below in blocks(disk.block)
        if any(block is top for block in blocks(below))
    )


def _portals(machine: Machine, boot: RootBoot) -> Iterator[str]:
    for session in sessions_of(machine, boot):
        if session.requested_portal is not None:
            yield session.requested_portal.address
    for record in records_of(machine, boot):
        yield record.portal.address


def sessions_of(machine: Machine, boot: RootBoot) -> Iterator[Session]:
    """Return the sessions of the targets that have, or will have, the root filesystem."""
    return (session for session in machine.listing.sessions if session.target in boot.targets)


def records_of(machine: Machine, boot: RootBoot) -> Iterator[NodeRecord]:
    """Return the usable records of the targets that have, or will have, the root filesystem."""
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    return (r for r in records if r.target in boot.targets and r.problem is None)


def accounts_of(machine: Machine, boot: RootBoot) -> list[str]:
    """Return the CHAP accounts of the sessions and records of the same targets."""
    sessions, records = sessions_of(machine, boot), records_of(machine, boot)
    accounts = [s.chap.username for s in sessions if s.chap and s.chap.username]
    return accounts + [record.username for record in records if record.username]


def nic_of(machine: Machine, address: str) -> str | None:
    """Return the NIC through which an address is reached, None if there is no route to it."""
    route = find_route(address, machine.network.routes)
    return None if route is None else route.nic


def _check_login(
    machine: Machine, boot: RootBoot, path: str, login: InitramfsLogin, parameters: KernelParameters
) -> Finding:
    """Check the login of the initramfs: its copy of the settings and the kernel's parameters."""
    wanted = ", ".join(sorted(boot.targets))
    by_hand = f"set ISCSI_TARGET_NAME and ISCSI_TARGET_IP in {_SETTINGS}, then: update-initramfs -u"
    if login.firmware:
        if boot.targets & {entry.target for entry in boot.firmware}:
            return ok("boot-login", "it logs in to the target in the firmware's boot table", path)
        return fail(
            "boot-login", f"it uses the firmware's boot table, which does not name {wanted}",
            f"correct the boot table in the firmware, or delete iscsi_auto and {by_hand}", path,
        )  # fmt: skip
    if login.target is None or not login.addresses:
        what = "a target" if login.target is None else "an address"
        return fail(
            "boot-login", f"neither {parameters.source} nor the initramfs names {what}: "
            "nothing logs in before the root filesystem is needed", by_hand, path,
        )  # fmt: skip
    if login.target not in boot.targets:
        return fail(
            "boot-login", f"it logs in to {login.target}, but the root filesystem is on {wanted}",
            by_hand, path,
        )  # fmt: skip
    accounts = accounts_of(machine, boot)
    if accounts and not login.has_secret:
        return fail(
            "boot-login", f"{login.target} needs the account {accounts[0]}, but the initramfs has "
                          "no secret for it",
            f"set ISCSI_USERNAME and ISCSI_PASSWORD in {_SETTINGS}, then: update-initramfs -u",
            path,
        )  # fmt: skip
    used = sorted(set(_portals(machine, boot)))
    if used and not set(used) & set(login.addresses):
        return warn(
            "boot-login",
            f"it logs in at {', '.join(login.addresses)}, but the target is in use at "
            f"{', '.join(used)}", by_hand, path,
        )  # fmt: skip
    return ok("boot-login", f"it logs in to {login.target} at {', '.join(login.addresses)}", path)


def _check_initiator(
    machine: Machine, boot: RootBoot, path: str, image: Initramfs, login: InitramfsLogin
) -> Finding:
    name = login.initiator or image.initiator
    if login.firmware:
        names = [e.initiator for e in boot.firmware if e.target in boot.targets and e.initiator]
        name = names[0] if names else name
    own = machine.initiator.name
    renew = f"update-initramfs -u -k {shell_form(image.kernel)}"
    if own is None:
        why = machine.initiator_error or "this host has no initiator name"
        return skip("boot-initiator", why, "iscsictl initiator show", path)
    if name is None:
        return fail("boot-initiator", "it has no initiator name", renew, path)
    if name != own:
        fix = renew
        if name == login.initiator:
            fix = "delete iscsi_initiator from the kernel's command line (ISCSI_INITIATOR from "
            fix += f"{_SETTINGS}), then: {renew}"
        elif login.firmware:
            fix = f"iscsictl initiator set {shell_form(name)}"
        return fail(
            "boot-initiator",
            f"it logs in as {name}, but this host is {own}: the array may refuse it",
            fix,
            path,
        )
    return ok("boot-initiator", f"it logs in as {name}, the name of this host", path)


def _check_parameters(
    machine: Machine, boot: RootBoot, parameters: KernelParameters
) -> Iterator[Finding]:
    if parameters.login.has_secret:
        yield warn(
            "boot-secret",
            "a CHAP secret is on the kernel's command line, which every user can read",
            f"move it to ISCSI_PASSWORD in {_SETTINGS} (chmod 600), then: update-initramfs -u",
            parameters.source,
        )
    if not parameters.login.firmware:
        yield _check_address(machine, boot, parameters)


def _check_address(machine: Machine, boot: RootBoot, parameters: KernelParameters) -> Finding:
    """Check ip= (Documentation/admin-guide/nfs/nfsroot.rst of the kernel)."""
    value = parameters.ip
    if value is None:
        return ok("boot-address", "ip= is not set, so DHCP is tried on every NIC",
                  parameters.source)  # fmt: skip
    if value in _NO_NETWORK:
        return fail(
            "boot-address", f"with ip={value} the initramfs has no network",
            "write ip=dhcp, or ip=ADDRESS::GATEWAY:NETMASK::NIC:off", parameters.source,
        )  # fmt: skip
    fields = value.split(":")
    # The NIC is the sixth field; a value without colons is just a method, such as dhcp.
    nic = fields[5] if len(fields) > 5 else ""
    nics = machine.network.nics
    if nic and nics and nic not in nics:
        return fail(
            "boot-address", f"ip= names the NIC {nic}, which this host does not have",
            f"replace {nic} with one of {', '.join(sorted(set(nics) - {'lo'}))}", parameters.source,
        )  # fmt: skip
    own = {s.initiator_address for s in sessions_of(machine, boot) if s.initiator_address}
    if len(fields) > 1 and fields[0] and own and fields[0] not in own:
        return warn(
            "boot-address", f"ip= sets {fields[0]}, but the session uses {', '.join(sorted(own))}",
            "find out which of the two the array and the network expect: ip address",
            parameters.source,
        )  # fmt: skip
    return ok("boot-address", f"ip={value}", parameters.source)
