"""The plan of an import: what the old driver's files mean for open-iscsi.

The keys are those of open-iscsi's records (idbm_fields.h). Nothing is changed here: `Writer` is the
interface that executes a plan.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal, Protocol

from iscsictl.errors import IscsictlError
from iscsictl.legacy import fstab_iscsi, iscsi_conf
from iscsictl.legacy.iscsi_conf import GROUP_OF
from iscsictl.legacy.model import (
    Account,
    Binding,
    Discovery,
    OldConfig,
    OldMount,
    Problem,
    Setting,
    Settings,
    Subnet,
    Target,
)
from iscsictl.model.names import Portal, why_not_made
from iscsictl.model.record_settings import find_problem
from iscsictl.model.secret import Secret

Kind = Literal["iscsi.conf", "initiatorname.iscsi", "fstab.iscsi"]
Values = Mapping[str, str | Secret]

# ResetTimeout applied to LUNs and targets; open-iscsi has a separate setting for each.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "login_timeout": ("node.conn[0].timeo.login_timeout",),
    "auth_timeout": ("node.conn[0].timeo.auth_timeout",),
    "ping_timeout": ("node.conn[0].timeo.noop_out_timeout",),
    "replacement_timeout": ("node.session.timeo.replacement_timeout",),
    "abort_timeout": ("node.session.err_timeo.abort_timeout",),
    "reset_timeout": (
        "node.session.err_timeo.lu_reset_timeout",
        "node.session.err_timeo.tgt_reset_timeout",
    ),
    "header_digest": ("node.conn[0].iscsi.HeaderDigest",),
    "data_digest": ("node.conn[0].iscsi.DataDigest",),
    "initial_r2t": ("node.session.iscsi.InitialR2T",),
    "immediate_data": ("node.session.iscsi.ImmediateData",),
    "first_burst_length": ("node.session.iscsi.FirstBurstLength",),
    "max_burst_length": ("node.session.iscsi.MaxBurstLength",),
    "max_recv_data_segment_length": ("node.conn[0].iscsi.MaxRecvDataSegmentLength",),
    "tcp_window_size": ("node.conn[0].tcp.window_size",),
}


@dataclass(frozen=True)
class DiscoveryPlan:
    """A portal to ask with the discovery values `record`; `node` are values for its targets."""

    source: Discovery
    portal: Portal
    record: Values
    node: Values


@dataclass(frozen=True)
class MountPlan:
    """A line of fstab.iscsi, with target, LUN and partition if the old device name has them."""

    source: OldMount
    target: str | None = None
    lun: int | None = None
    part: int | None = None


@dataclass(frozen=True)
class ImportPlan:
    """Everything to import from a file. `warnings` are in the order of their lines.

    Settings of targets and networks create nothing by themselves: they apply to the targets that a
    portal names.
    """

    kind: Kind
    discovery: tuple[DiscoveryPlan, ...] = ()
    config: OldConfig = field(default_factory=OldConfig)
    initiator: str | None = None
    mounts: tuple[MountPlan, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do.

        Warnings, and settings that apply to no portal, do not count.
        """
        return not (self.discovery or self.initiator or self.mounts)


class Writer(Protocol):
    """The changes with which a plan is executed. Each raises IscsictlError on failure."""

    def discover(self, portal: Portal, record: Values) -> list[tuple[str, Portal]]:
        """Create the discovery record, ask the portal, return targets and their portals.

        An existing record gets the values of `record`. This logs in to none of the targets.
        """

    def set_node(self, target: str, portal: Portal, values: Values) -> None:
        """Create or change the record of a target; other settings are left alone.

        Its interface is `default`: the old driver had no others.
        """

    def set_initiator(self, name: str) -> None:
        """Change the initiator name of this machine.

        Raises InUseError while a session is up, as that would keep the old name.
        """

    def set_mount(self, mount: MountPlan) -> None:
        """Find the UUID of the filesystem and write its entry to /etc/fstab.

        Nothing is mounted; the next boot, or `iscsictl mount`, does that.
        """


def recognise(name: str, text: str) -> Kind:
    """Return which file this is, judging by its name or else by its content.

    A file that looks like neither of the small ones is assumed to be iscsi.conf, whose parser
    reports each line that it does not know.
    """
    kinds: tuple[Kind, ...] = ("initiatorname.iscsi", "fstab.iscsi", "iscsi.conf")
    for kind in kinds:
        if name.endswith(kind):
            return kind
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if any(line.startswith("InitiatorName=") for line in lines):
        return "initiatorname.iscsi"
    if lines and all(_is_like_fstab(line) for line in lines):
        return "fstab.iscsi"
    return "iscsi.conf"


def _is_like_fstab(line: str) -> bool:
    words = line.split()
    return len(words) >= 3 and words[0].startswith(("/dev/", "UUID=", "LABEL="))


def plan_import(kind: Kind, text: str, bindings: str = "") -> ImportPlan:
    """Parse a file of the old driver and return what it means for open-iscsi.

    `bindings` is the text of /var/lib/iscsi/bindings, without which /dev/iscsi names in fstab.iscsi
    have no meaning. Never raises: what cannot be imported is in `warnings`.
    """
    if kind == "initiatorname.iscsi":
        return _plan_initiator(text)
    if kind == "fstab.iscsi":
        return _plan_mounts(text, bindings)
    return plan_config(iscsi_conf.parse_iscsi_conf(text))


def still_to_do(plan: ImportPlan, initiator: str | None) -> ImportPlan:
    """Return what remains of a plan on a host with this initiator name.

    Only the name is compared beforehand. The `Writer` leaves records and entries alone that are
    already as they should be.
    """
    return replace(plan, initiator=None) if plan.initiator == initiator else plan


def plan_config(config: OldConfig) -> ImportPlan:
    """Plan the import of iscsi.conf.

    Each DiscoveryAddress is asked for its targets; the settings of targets and networks apply to
    the resulting records. Without a DiscoveryAddress, the warnings name the targets of the file.
    """
    warnings = list(config.problems)
    everything = [
        config.defaults,
        *(entry.settings for entry in config.targets),
        *(entry.settings for entry in config.subnets),
    ]
    for settings in everything:
        warnings += [w for w in _find_lost_settings(settings) if w not in warnings]
    for target in config.targets:
        if target.name and (why := why_not_made(target.name)):
            warnings.append(Problem(target.line, f"{target.name} {why}; it is kept", "note"))
    discovery = tuple(
        DiscoveryPlan(
            entry,
            Portal(entry.address, entry.port),
            _discovery_record(entry),
            _account_values("node.session", entry),
        )
        for entry in config.discovery
        if entry.address
    )
    if not discovery:
        text = "no DiscoveryAddress leads to this target, so it is left out; see: iscsictl discover"
        warnings += [Problem(target.line, text) for target in config.targets if target.name]
    warnings.sort(key=lambda warning: warning.line)
    return ImportPlan("iscsi.conf", discovery, config, warnings=tuple(warnings))


def node_values(plan: ImportPlan, discovery: DiscoveryPlan, target: str, address: str) -> Values:
    """Return the values for the record of a target that this portal named, secrets as Secret.

    As in the old driver, the globals at the end of the file are overridden by each matching entry
    in the order of the file: TargetName replaces everything but the account, Subnet the timeouts
    and TCP values.
    """
    settings: dict[str, Setting] = dict(plan.config.defaults)
    entries: list[Target | Subnet] = [*plan.config.targets, *plan.config.subnets]
    for entry in sorted(entries, key=lambda entry: entry.line):
        if isinstance(entry, Target) and entry.name == target:
            # The entry includes a copy of the globals above it, so it replaces all settings.
            settings = dict(entry.settings)
        elif isinstance(entry, Subnet) and _is_in_network(address, entry.network):
            replaced = {"connection", "error", "tcp"}
            settings = {k: v for k, v in settings.items() if GROUP_OF.get(k) not in replaced}
            settings.update(entry.settings)
    return {**record_values(settings), **discovery.node}


def record_values(settings: Settings) -> dict[str, str]:
    """Map settings of the old driver to keys of a node record, always including `node.startup`.

    Values that open-iscsi does not accept are left out.
    """
    values = {
        key: value
        for _, key, value in _map_settings(settings)
        if find_problem("node", key, value) is None
    }
    enabled = settings.get("enabled")
    values["node.startup"] = "manual" if enabled and not enabled.value else "automatic"
    return values


def _map_settings(settings: Settings) -> Iterator[tuple[Setting, str, str]]:
    """Yield each setting with its key and value in open-iscsi."""
    for name, keys in _KEYS.items():
        if name in settings:
            for key in keys:
                yield settings[name], key, _format_value(name, settings[name].value)
    # open-iscsi has one interval for pings; that of a busy connection takes precedence.
    if interval := settings.get("active_timeout") or settings.get("idle_timeout"):
        yield interval, "node.conn[0].timeo.noop_out_interval", str(interval.value)


def subnet_values(settings: Settings) -> dict[str, str]:
    """Map settings of a network to keys of a node record, without `node.startup`.

    They override those of a target and leave its startup mode alone.
    """
    values = record_values(settings)
    del values["node.startup"]
    return values


def _format_value(name: str, value: int | bool | str) -> str:
    """Format a value as open-iscsi does. To wait forever for recovery was 0, and is now -1."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "-1" if name == "replacement_timeout" and value == 0 else str(value)


def _find_lost_settings(settings: Settings) -> list[Problem]:
    """Return warnings for lost settings: invalid values, and the second of two ping intervals."""
    lost = [
        Problem(setting.line, f"{problem.text}; it is left out")
        for setting, key, value in _map_settings(settings)
        if (problem := find_problem("node", key, value)) is not None
    ]
    idle, active = settings.get("idle_timeout"), settings.get("active_timeout")
    if idle is None:
        return lost
    if active is None:
        text = (
            f"IdleTimeout: open-iscsi has one ping interval, so {idle.value} s is used while "
            "there is traffic too"
        )
    elif active.value != idle.value:
        text = (
            f"IdleTimeout {idle.value} s is lost: open-iscsi has one ping interval, and "
            f"ActiveTimeout's {active.value} s is used"
        )
    else:
        return lost
    return [*lost, Problem(idle.line, text)]


def _is_in_network(address: str, network: str) -> bool:
    try:
        # A portal with a host name is in no network.
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _account_values(prefix: str, entry: Discovery) -> dict[str, str | Secret]:
    values: dict[str, str | Secret] = {}
    pairs: tuple[tuple[Account, str], ...] = ((entry.account, ""), (entry.incoming, "_in"))
    for account, suffix in pairs:
        if account.username is not None:
            values[f"{prefix}.auth.username{suffix}"] = account.username
        if account.password is not None:
            values[f"{prefix}.auth.password{suffix}"] = account.password
    # open-iscsi considers only the credentials; this setting is made to match them.
    if entry.account.password is not None:
        values[f"{prefix}.auth.authmethod"] = "CHAP"
    return values


def _discovery_record(entry: Discovery) -> Values:
    values = _account_values("discovery.sendtargets", entry)
    for name in ("login_timeout", "auth_timeout"):
        if name in entry.settings:
            key, value = f"discovery.sendtargets.timeo.{name}", str(entry.settings[name].value)
            if find_problem("sendtargets", key, value) is None:
                values[key] = value
    if "continuous" in entry.settings:
        kept = entry.settings["continuous"].value
        values["discovery.sendtargets.use_discoveryd"] = "Yes" if kept else "No"
    return values


def _plan_initiator(text: str) -> ImportPlan:
    name, line, problems = fstab_iscsi.parse_initiatorname(text)
    warnings = list(problems)
    if name is not None and (why := why_not_made(name)):
        warnings.append(Problem(line, f"{name} {why}; it is kept as it is"))
    warnings.sort(key=lambda warning: warning.line)
    return ImportPlan("initiatorname.iscsi", initiator=name, warnings=tuple(warnings))


def _plan_mounts(text: str, bindings: str) -> ImportPlan:
    mounts, problems = fstab_iscsi.parse_old_fstab(text)
    known, more = fstab_iscsi.parse_bindings(bindings)
    names = {(binding.bus, binding.id): binding for binding in known}
    plans: list[MountPlan] = []
    warnings = [*problems, *more]
    for mount in mounts:
        plan = _plan_mount(mount, names)
        if isinstance(plan, Problem):
            warnings.append(plan)
        else:
            plans.append(plan)
    warnings.sort(key=lambda warning: (warning.source, warning.line))
    return ImportPlan("fstab.iscsi", mounts=tuple(plans), warnings=tuple(warnings))


def _plan_mount(mount: OldMount, names: Mapping[tuple[int, int], Binding]) -> MountPlan | Problem:
    if not mount.directory.startswith("/"):
        return Problem(
            mount.line, "swap is not imported; add its disk with: iscsictl fstab add DISK none"
        )
    if mount.device is None:
        if mount.spec.startswith(("UUID=", "LABEL=")):
            return MountPlan(mount)
        return Problem(
            mount.line,
            f"{mount.spec} may be another disk now; use UUID= or a /dev/iscsi name in the line",
        )
    device = mount.device
    binding = names.get((device.bus, device.id))
    if binding is None:
        return Problem(
            mount.line,
            f"the bindings file has no bus {device.bus} target {device.id}, so the target of "
            f"{mount.spec} is unknown; give the file with --bindings",
        )
    return MountPlan(mount, binding.target, device.lun, device.part)


def execute_import(plan: ImportPlan, writer: Writer) -> Iterator[str | IscsictlError]:
    """Execute the plan, yielding a line for each change that was made, or why it failed.

    A failure does not stop the rest: a portal in the old file may be long gone.
    """
    if plan.initiator is not None:
        # Before the portals are asked: arrays show each initiator name its own targets.
        name = plan.initiator
        yield from _try_change(lambda: writer.set_initiator(name), f"initiator name {name}")
    for discovery in plan.discovery:
        try:
            targets = writer.discover(discovery.portal, discovery.record)
        except IscsictlError as error:
            yield error
            continue
        yield f"discovered {len(targets)} at {discovery.portal}"
        for target, portal in targets:
            values = node_values(plan, discovery, target, portal.address)
            yield from _try_change(
                partial(writer.set_node, target, portal, values), f"record {target} at {portal}"
            )
    for mount in plan.mounts:
        yield from _try_change(
            partial(writer.set_mount, mount), f"fstab line for {mount.source.directory}"
        )


def _try_change(change: Callable[[], None], done: str) -> Iterator[str | IscsictlError]:
    try:
        change()
    except IscsictlError as error:
        yield error
    else:
        yield done
