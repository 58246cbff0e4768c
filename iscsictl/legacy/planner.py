"""Turn the old driver's files into what open-iscsi needs: a plan that can be shown or done.

The keys are those of open-iscsi's records (idbm_fields.h). Nothing is touched here: `Writer` is
what the handlers have to offer.
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

# ResetTimeout was one for LUNs and targets; open-iscsi has one for each.
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
    """Ask a portal with these discovery values; `node` goes on each record that it gives."""

    source: Discovery
    portal: Portal
    record: Values
    node: Values


@dataclass(frozen=True)
class MountPlan:
    """A line of fstab.iscsi; target, LUN and partition where the old device name told them."""

    source: OldMount
    target: str | None = None
    lun: int | None = None
    part: int | None = None


@dataclass(frozen=True)
class ImportPlan:
    """All that a file asks for. `warnings` are in the order of their lines.

    Settings of targets and networks make nothing by themselves: they change what a portal names.
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

        Warnings, and settings that no portal needs, do not count.
        """
        return not (self.discovery or self.initiator or self.mounts)


class Writer(Protocol):
    """What executing a plan needs of the machine. Each raises IscsictlError on failure."""

    def discover(self, portal: Portal, record: Values) -> list[tuple[str, Portal]]:
        """Make the discovery record, ask the portal, return targets and their portals.

        A record that is there gets the values of `record`. None of the targets is logged in to.
        """

    def set_node(self, target: str, portal: Portal, values: Values) -> None:
        """Make or change the record of a target, leaving what is not named.

        Its interface is `default`: the old driver had no others.
        """

    def set_initiator(self, name: str) -> None:
        """Give this machine another initiator name.

        Raises InUseError while a session is up: it would keep the old one.
        """

    def set_mount(self, mount: MountPlan) -> None:
        """Find the filesystem's UUID and write its line into /etc/fstab.

        Nothing is mounted: the next boot, or `iscsictl mount`, does that.
        """


def recognise(name: str, text: str) -> Kind:
    """Tell which file this is: by its name, else by what is in it.

    What looks like neither of the small files is taken for iscsi.conf, whose reader names each line
    that it does not know.
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
    """Read a file of the old driver and tell what it means for open-iscsi.

    `bindings` is the text of /var/lib/iscsi/bindings, without which /dev/iscsi names in fstab.iscsi
    lead nowhere. Never raises: what cannot be taken over is in `warnings`.
    """
    if kind == "initiatorname.iscsi":
        return _plan_initiator(text)
    if kind == "fstab.iscsi":
        return _plan_mounts(text, bindings)
    return plan_config(iscsi_conf.parse_iscsi_conf(text))


def still_to_do(plan: ImportPlan, initiator: str | None) -> ImportPlan:
    """Return what is left of a plan on a host that has this initiator name.

    The name alone is compared beforehand. Records and entries that are there already are left alone
    by what writes them.
    """
    return replace(plan, initiator=None) if plan.initiator == initiator else plan


def plan_config(config: OldConfig) -> ImportPlan:
    """Plan the import of iscsi.conf.

    Each DiscoveryAddress is asked; what targets and networks are set to goes on the records that
    come of it. Without any, the targets of the file are named in the warnings.
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


def node_values(plan: ImportPlan, found: DiscoveryPlan, target: str, address: str) -> Values:
    """Return what the record of a target says that this portal named, secrets as Secret.

    As with the old driver: the globals of the file's end, then each fitting entry in the order
    of the file (TargetName replaces all but the account, Subnet the timeouts and TCP values).
    """
    settings: dict[str, Setting] = dict(plan.config.defaults)
    entries: list[Target | Subnet] = [*plan.config.targets, *plan.config.subnets]
    for entry in sorted(entries, key=lambda entry: entry.line):
        if isinstance(entry, Target) and entry.name == target:
            # The entry began with a copy of the globals above it, so it stands for all of them.
            settings = dict(entry.settings)
        elif isinstance(entry, Subnet) and _is_in_network(address, entry.network):
            replaced = {"connection", "error", "tcp"}
            settings = {k: v for k, v in settings.items() if GROUP_OF.get(k) not in replaced}
            settings.update(entry.settings)
    return {**record_values(settings), **found.node}


def record_values(settings: Settings) -> dict[str, str]:
    """Map settings of the old driver to keys of a node record. `node.startup` is always there.

    What open-iscsi would not take is left out.
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
    """Yield each setting with a key of open-iscsi's and its value there."""
    for name, keys in _KEYS.items():
        if name in settings:
            for key in keys:
                yield settings[name], key, _format_value(name, settings[name].value)
    # open-iscsi has one interval for pings: that of a busy connection comes first.
    if interval := settings.get("active_timeout") or settings.get("idle_timeout"):
        yield interval, "node.conn[0].timeo.noop_out_interval", str(interval.value)


def subnet_values(settings: Settings) -> dict[str, str]:
    """Map settings of a network; whether to log in at boot is none of them.

    Without `node.startup` the values go over those of a target and leave its startup alone.
    """
    values = record_values(settings)
    del values["node.startup"]
    return values


def _format_value(name: str, value: int | bool | str) -> str:
    """Write a value as open-iscsi does. No recovery timeout at all was 0 and is -1 today."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "-1" if name == "replacement_timeout" and value == 0 else str(value)


def _find_lost_settings(settings: Settings) -> list[Problem]:
    """Return what does not survive: two ping intervals become one, and some values are none."""
    found = [
        Problem(setting.line, f"{problem.text}; it is left out")
        for setting, key, value in _map_settings(settings)
        if (problem := find_problem("node", key, value)) is not None
    ]
    idle, active = settings.get("idle_timeout"), settings.get("active_timeout")
    if idle is None:
        return found
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
        return found
    return [*found, Problem(idle.line, text)]


def _is_in_network(address: str, network: str) -> bool:
    try:
        # A portal that is named by its host name is in no network.
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
    # open-iscsi goes by the credentials; the setting is kept in step with them.
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
            mount.line, "swap is not taken over; add its disk with: iscsictl fstab add DISK none"
        )
    if mount.device is None:
        if mount.spec.startswith(("UUID=", "LABEL=")):
            return MountPlan(mount)
        return Problem(
            mount.line,
            f"{mount.spec} may be another disk today; give the line a UUID= or a /dev/iscsi name",
        )
    device = mount.device
    binding = names.get((device.bus, device.id))
    if binding is None:
        return Problem(
            mount.line,
            f"the bindings file has no bus {device.bus} target {device.id}, so it is not known "
            f"which target {mount.spec} is; give the file with --bindings",
        )
    return MountPlan(mount, binding.target, device.lun, device.part)


def execute_import(plan: ImportPlan, writer: Writer) -> Iterator[str | IscsictlError]:
    """Do what the plan says, yielding a line for each thing done, or why it could not be.

    What fails does not stop the rest: a portal of the old file may be long gone.
    """
    if plan.initiator is not None:
        # Before the portals are asked: arrays show each initiator name its own targets.
        name = plan.initiator
        yield from _try_change(lambda: writer.set_initiator(name), f"initiator name {name}")
    for found in plan.discovery:
        try:
            targets = writer.discover(found.portal, found.record)
        except IscsictlError as error:
            yield error
            continue
        yield f"discovered {len(targets)} at {found.portal}"
        for target, portal in targets:
            values = node_values(plan, found, target, portal.address)
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
