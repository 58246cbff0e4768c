"""The definitions of interfaces in the node database: whether open-iscsi reads them as meant."""

from collections.abc import Iterable, Iterator

from iscsictl.errors import UsageError
from iscsictl.model.finding import Finding, fail, warn
from iscsictl.model.names import BUILT_IN_IFACES
from iscsictl.model.record import IfaceRecord
from iscsictl.model.shell_form import shell_form
from iscsictl.model.transports import TRANSPORT_MODULES
from iscsictl.planner.iscsi.ifaces import require_name

_NAME = "iface.iscsi_ifacename"
_TRANSPORT = "iface.transport_name"


def check_definitions(ifaces: Iterable[IfaceRecord]) -> Iterator[Finding]:
    """Report definitions that open-iscsi ignores, or takes for those of another interface.

    It treats every file as a definition, even a copy that an editor left there.
    """
    for iface in ifaces:
        if iface.name in BUILT_IN_IFACES:
            yield warn(
                "nodedb-iface",
                f"open-iscsi ignores {iface.path}, because the interface {iface.name} is built in",
                f"define another interface with its settings, and {_move_away(iface)}",
                iface.name,
            )
        elif iface.problem is not None:
            yield fail(
                "nodedb-iface",
                f"{iface.path} {iface.problem}",
                "define it again: "
                f"{fix_definition(iface, '--transport', 'tcp', '--netdev', 'NIC')}; "
                f"or: rm {shell_form(str(iface.path))}"
                if is_definable(iface.name)
                else _move_away(iface),
                iface.name,
            )
        elif not any(key.startswith("iface.") for key in iface.values):
            yield warn(
                "nodedb-iface",
                f"{iface.path} is not the definition of an interface",
                _move_away(iface),
                iface.name,
            )
        else:
            yield from _check_definition(iface)


def _check_definition(iface: IfaceRecord) -> Iterator[Finding]:
    name, transport = iface.values.get(_NAME, iface.name), iface.values.get(_TRANSPORT)
    if name != iface.name:
        # iscsiadm reads the file, and then goes by the name that it found (iface.c,
        # iface_conf_read): of two paths only one remains.
        yield fail(
            "nodedb-iface",
            f"{iface.path} defines the interface {name}: a record that is created for "
            f"{iface.name} gets that interface",
            f"if it is a copy that nobody needs: {_move_away(iface)}; otherwise correct {_NAME} "
            "in it",
            iface.name,
        )
    if transport is None:
        yield fail(
            "nodedb-iface",
            f"{iface.path} has no iface.transport_name: open-iscsi ignores the interface",
            fix_definition(iface, "transport_name=tcp"),
            iface.name,
        )
    elif transport not in TRANSPORT_MODULES:
        yield fail(
            "nodedb-iface",
            f"{iface.path} has the transport {transport}, which open-iscsi does not have: no login "
            "through the interface succeeds",
            fix_definition(iface, "transport_name=tcp"),
            iface.name,
        )


def fix_definition(iface: IfaceRecord, *change: str) -> str:
    """Return the command that changes a definition, or moves one away that no command can change.

    `change` are the words that follow the name in `iscsictl iface set`.
    """
    if is_definable(iface.name):
        return f"iscsictl iface set {shell_form(iface.name, *change)}"
    return _move_away(iface)


def is_definable(name: str) -> bool:
    """Return whether `iscsictl iface` can define or change an interface of this name."""
    try:
        require_name(name)
    except UsageError:
        return False
    return True


def _move_away(iface: IfaceRecord) -> str:
    return f"move it away: mv {shell_form(str(iface.path))} /root/"
