"""`attach`: start using a LUN on this host."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from iscsictl.cli.credentials import judge_account
from iscsictl.cli.help import command
from iscsictl.cli.options import (
    Number,
    Settings,
    changing,
    common,
    discard,
    require_root,
    verify_blank,
)
from iscsictl.cli.owner import owner_ids
from iscsictl.cli.runner import ask, run_task
from iscsictl.cli.selectors import (
    account_options,
    checked_value,
    portal,
    split_pairs,
    take_account,
)
from iscsictl.engine.runtime import Scope
from iscsictl.engine.task import Task
from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import values
from iscsictl.model.names import DEFAULT_IFACE
from iscsictl.model.record_settings import find_problem
from iscsictl.model.record_text import SECRET_KEYS
from iscsictl.model.spec import AttachSpec, Consent
from iscsictl.model.values import new_uuid
from iscsictl.observers import attach as attach_observer
from iscsictl.observers.paths import without_links
from iscsictl.planner.attach.attach import plan_attach

if TYPE_CHECKING:
    from iscsictl.cli.commands import guided
else:
    # The dialogue, for an attach without a portal on a terminal.
    guided = lazy_import("iscsictl.cli.commands.guided")


def _unit_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(values.unit, names))


def parse_settings(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse the values of --set. Raises UsageError for settings that open-iscsi does not have.

    Secrets are refused: every user can read a command line. If a key is given twice, the last value
    counts.
    """
    settings = {}
    for key, value in split_pairs(pairs, "KEY=VALUE such as node.session.scan=manual", "--set "):
        problem = find_problem("node", key, value)
        if problem is not None:
            secret = key in SECRET_KEYS
            raise UsageError(
                f"--set {problem.text}",
                hint="use --chap-secret-file or --chap-secret-prompt" if secret else problem.hint,
            )
        settings[key] = value
    return settings


@command("attach")
@click.option(
    "-p",
    "--portal",
    "portals",
    type=portal,
    multiple=True,
    metavar="ADDR[:PORT[,TPGT]]",
    help="Address of the array; can be repeated. Without it, attach asks on the terminal.",
)
@click.option("-T", "--target", metavar="IQN", help="The target, if the array offers several.")
@click.option("--lun", type=Number(0, values.MAX_LUN), help="The LUN, if the target has several.")
@click.option(
    "-I",
    "--interface",
    "ifaces",
    multiple=True,
    metavar="IFACE",
    help="The open-iscsi interface to log in through; several make paths of one map.",
)
@click.option(
    "--multipath",
    type=click.Choice(["auto", "require", "off"]),
    default="auto",
    help="Combine all paths in a map: if possible, always, or never (use one path).",
)
@account_options
@click.option("--table", type=click.Choice(values.TABLES), help="Partition table to create [gpt].")
@click.option("--fs", type=click.Choice(values.FILESYSTEMS), help="Filesystem to create.")
@click.option("--fs-label", metavar="LABEL", help="Its label.")
@click.option("--mount", metavar="DIR", help="Where to mount it, now and at boot.")
@click.option("--options", "mount_options", metavar="OPTS", help="Mount options, comma separated.")
@click.option("--owner", metavar="USER:GROUP", help="Owner of the mounted directory.")
@click.option("--mode", metavar="MODE", help="Mode of the mounted directory, octal.")
@click.option(
    "--required-by",
    multiple=True,
    metavar="UNIT",
    help="A systemd unit that must wait for the mount.",
)
@click.option("--wwid", metavar="WWID", help="The WWID that the disk must have.")
@click.option("--adopt", is_flag=True, help="Mount a filesystem that already exists.")
@click.option("--adopt-unverified", is_flag=True,
              help="The same for btrfs and others that do not record whether another host has "
                   "them mounted.")  # fmt: skip
@click.option("--wipe", is_flag=True, help="Destroy what is on the disk; needs --confirm.")
@click.option(
    "--confirm",
    metavar="WWID",
    help="The WWID of the disk to wipe; without --wipe, of the one disk behind several targets.",
)
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A value of the node record."
)
@click.option(
    "--exclusive",
    is_flag=True,
    help=("Prevent other hosts from writing to the LUN until it is detached."),
)
@click.option("--no-boot", is_flag=True, help="Do not log in or mount at boot.")
@click.option("--over-nonempty", is_flag=True, help="Mount over a directory that is not empty.")
@verify_blank
@discard
@click.option("--print-device", is_flag=True, help="Print only the path of the device.")
@changing
@common
def attach(settings: Settings, **options: Any) -> int:
    """Turn a LUN into a mounted filesystem that survives a reboot.

    Finds the target, stores its record and CHAP account, logs in, waits for the disk, creates a
    partition and a filesystem if the disk is blank, mounts it and writes fstab. Steps that are
    already done are left unchanged; run the command again to finish an interrupted run.

    Without -p, on a terminal, it asks for the portal, the target, the filesystem and the directory,
    shows the plan and the command that does the same, and changes nothing before the yes. With -n,
    it ends there.
    """  # fmt: skip
    if not options["portals"]:
        if not settings.interactive or settings.yes or settings.output != "table":
            raise UsageError(
                "name the array with -p ADDR; without a terminal, attach cannot ask for it"
            )
        require_root("attach")
        return guided.attach_guided(settings, options, sys.argv[1:], _make_spec, _attach_task)
    spec = _make_spec(settings, options)
    require_root("attach")
    if spec.account is not None:
        judge_account(settings, spec.account, spec.target)
    return run_task(
        settings,
        _attach_task(settings, spec),
        scope=_scope_of_spec(spec),
        device_only=options["print_device"],
    )


def _scope_of_spec(spec: AttachSpec) -> Scope | None:
    """Return the scope of an attach; None (everything) while its target is not known."""
    if spec.target is None:
        return None
    return Scope(frozenset({spec.target}), frozenset(filter(None, [spec.mount])))


def _attach_task(settings: Settings, spec: AttachSpec) -> Task:
    def grant(what: str) -> Task:
        consent = replace(
            spec.consent,
            adopt=spec.consent.adopt or what == "adopt",
            adopt_unverified=spec.consent.adopt_unverified or what == "adopt-unverified",
        )
        return _attach_task(settings, replace(spec, consent=consent))

    return Task(
        lambda context, before: attach_observer.observe_for_attach(context, spec, before),
        lambda inventory: plan_attach(inventory, spec),
        grant,
        lambda question: ask(settings, question),
    )


def _make_spec(settings: Settings, options: dict[str, Any]) -> AttachSpec:
    if options["wipe"] and options["confirm"] is None:
        raise UsageError(
            "--wipe and --confirm WWID must be given together",
            hint="iscsictl ls -o json shows the WWID; compare it with the array's",
        )
    fs, label = options["fs"], options["fs_label"]
    if label is not None and fs is None:
        raise UsageError("--fs-label needs --fs")
    if label is not None and (why := values.label_problem(label, fs)):
        raise UsageError(f"--fs-label {label}: {why}")
    if options["mount"] is None:
        for name in (
            "mount_options", "owner", "mode", "required_by", "over_nonempty", "exclusive",
        ):  # fmt: skip
            if options[name]:
                flag = "options" if name == "mount_options" else name.replace("_", "-")
                raise UsageError(f"--{flag} needs --mount")
    uid, gid = None, None
    if options["owner"] is not None:
        uid, gid = owner_ids(options["owner"], "--owner")
    spec = AttachSpec(
        portals=options["portals"],
        uuid=new_uuid(),
        target=options["target"],
        lun=options["lun"],
        ifaces=tuple(dict.fromkeys(options["ifaces"])) or (DEFAULT_IFACE,),
        multipath=options["multipath"],
        table=options["table"],
        fs=fs,
        fs_label=label,
        mount=checked_value(
            "mount", lambda text: without_links(values.directory(text)), options["mount"]
        ),
        options=checked_value("options", values.mount_options, options["mount_options"]) or (),
        uid=uid,
        gid=gid,
        mode=checked_value("mode", values.mode_bits, options["mode"]),
        required_by=checked_value("required-by", _unit_names, options["required_by"]) or (),
        wwid=options["wwid"],
        values=parse_settings(options["pairs"]),
        boot=not options["no_boot"],
        full_probe=options["verify_blank"] == "full",
        discard=options["discard"],
        exclusive=options["exclusive"],
        consent=Consent(
            options["adopt"],
            options["confirm"] if options["wipe"] else None,
            options["over_nonempty"],
            one_disk=None if options["wipe"] else options["confirm"],
            adopt_unverified=options["adopt_unverified"],
        ),
    )
    return replace(spec, account=take_account(settings, options, "attach"))
