"""The plan of one volume among others, its saved plan, and the error of the whole run."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iscsictl.errors import InterruptError, IscsictlError, NotBegunError, RefusedError, UsageError
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Hazard, Plan, Report, Status
from iscsictl.model.spec import AttachSpec, Volume
from iscsictl.model.word_lists import first_names
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.attach.mount_point import UNKNOWN
from iscsictl.planner.builder import SHOWN, error_lines, summarize_errors
from iscsictl.planner.safety.mount_points import directories_above
from iscsictl.planner.safety.overwrite import ConsentRequiredError

PLAN_SCHEMA = "iscsictl.plan/1"
_EXPORT = "iscsictl.export/"
_TO_DO = frozenset({Status.PLANNED.value, Status.FORECAST.value})


@dataclass(frozen=True)
class SavedVolume:
    """A volume in a saved plan: the hazard of each step to execute, and its disk if known."""

    steps: Mapping[str, Hazard]
    wwid: str | None = None


@dataclass(frozen=True)
class SavedPlan:
    """A saved plan, with the text of the file that it was made from."""

    text: str
    volumes: Mapping[str, SavedVolume]


class SkippedError(IscsictlError):
    """A volume was not begun, because one that it is mounted inside failed."""


class PlanMismatchError(RefusedError):
    """A saved plan no longer fits: the steps to execute are not those that it has."""


def plan_volume(
    inventory: Inventory, volume: Volume, spec: AttachSpec, saved: SavedVolume | None = None
) -> Plan:
    """Plan one volume: like an attach, and no stronger than what was `saved`.

    `spec` is that of the volume with its account. Never raises; the plan contains the refusal.
    """
    plan = plan_attach(inventory, spec)
    why = _without_secret(inventory, volume) or plan.refusal
    # Nobody is asked while a file is applied: what a yes would give has a key in the file.
    if isinstance(why, ConsentRequiredError):
        why = RefusedError(why.text, hint=f"to mount it as it is: {why.grant} = true")
    if why is None and saved is not None:
        why = _find_mismatch(plan, saved)
    return Plan(plan.steps, why, plan.notes, plan.result)


def mounted_under(volumes: Sequence[Volume]) -> dict[str, frozenset[str]]:
    """Return, by the name of each volume, those that it is mounted inside, directly or not.

    These have to be mounted first: mounting them later would hide the volume. Empty for a volume
    that is not mounted.
    """
    by_mount = {volume.spec.mount: volume.name for volume in volumes if volume.spec.mount}
    return {
        volume.name: frozenset(
            by_mount[above] for above in directories_above(volume.spec.mount) if above in by_mount
        )
        for volume in volumes
    }


def wwid_of(plan: Plan) -> str | None:
    """Return the WWID of the disk that a plan is about, None while it is not known.

    Before the login there is no disk, and the steps of the forecast have UNKNOWN instead.
    """
    for step in plan.steps:
        disk = getattr(step.action, "disk", None)
        if isinstance(disk, DiskId) and disk.wwid != UNKNOWN:
            return disk.wwid
    return None


def _without_secret(inventory: Inventory, volume: Volume) -> IscsictlError | None:
    """Return why a secret that the file does not name is not available."""
    for which, credential in (("chap", volume.chap), ("mutual", volume.mutual)):
        if credential is None or credential.secret_file is not None:
            continue
        records = [
            r for r in inventory.index.records(volume.spec.target)
            if r.iface in volume.spec.ifaces
        ]  # fmt: skip
        if not any(r.has_secret if which == "chap" else r.has_secret_in for r in records):
            return UsageError(
                f"{which}: no node record has the secret of {credential.user}, and the file does "
                "not name a secret-file",
                hint=f'add to {which}: secret-file = "/etc/iscsictl/{volume.name}.secret"',
            )
    return None


def _find_mismatch(plan: Plan, saved: SavedVolume) -> PlanMismatchError | None:
    hint = "something has changed since; check the new plan and save it: iscsictl plan"
    wwid = wwid_of(plan)
    if None not in {wwid, saved.wwid} and wwid != saved.wwid:
        text = (
            f"the saved plan no longer matches: it was made for the disk {saved.wwid}, not {wwid}"
        )
        return PlanMismatchError(text, hint=hint)
    for step in plan.pending:
        known = saved.steps.get(step.id)
        if known is None or step.hazard.rank > known.rank:
            text = f"the saved plan no longer matches: {step.id} was not part of it"
            return PlanMismatchError(text, hint=hint)
    return None


def read_saved(text: str, name: str, *, or_volumes: bool = False) -> SavedPlan:
    """Read what `plan --out` or `plan -J` wrote. Raises UsageError.

    With `or_volumes`, the error says that a file of volumes would have been accepted as well.
    """
    try:
        document = json.loads(text)
        if str(document["schema"]).startswith(_EXPORT):
            raise UsageError(
                f"{name} is JSON of iscsictl export, but a volumes file is TOML",
                hint="leave out -J: iscsictl export > FILE",
            )
        if document["schema"] != PLAN_SCHEMA:
            raise UsageError(
                f"{name} is no saved plan: its schema is {document['schema']!r}",
                hint="create one: iscsictl plan FILE --out SAVED",
            )
        steps = _saved_steps(document)
        volumes = {
            str(row["name"]): SavedVolume(steps[row["name"]], row["wwid"])
            for row in document["volumes"]
        }
        return SavedPlan(str(document["file"]), volumes)
    except (ValueError, KeyError, TypeError, RecursionError):
        what = "neither a volumes file nor a saved plan" if or_volumes else "no saved plan"
        raise UsageError(
            f"{name} is {what}",
            hint="create one: iscsictl plan FILE --out SAVED",
        ) from None


def _saved_steps(document: Mapping[str, Any]) -> Mapping[object, dict[str, Hazard]]:
    """Return the steps to execute by the name of their volume; none for a volume without any."""
    found: dict[object, dict[str, Hazard]] = defaultdict(dict)
    for row in document["steps"]:
        if row["status"] in _TO_DO:
            found[row["volume"]][f"{row['action']}:{row['subject']}"] = Hazard(row["hazard"])
    return found


def summarize_reports(reports: Mapping[str, Report]) -> IscsictlError | None:
    """Return the one error with which a run of all volumes ends, None if none has failed.

    Volumes that were skipped because of another do not count as a different error.
    """
    failed = {name: r.error for name, r in reports.items() if r.error is not None}
    interrupts = [error for error in failed.values() if isinstance(error, InterruptError)]
    if interrupts:
        # One of a volume that was begun also says that what was done stays.
        return next((e for e in interrupts if not isinstance(e, NotBegunError)), interrupts[0])
    tried = {name: e for name, e in failed.items() if not isinstance(e, SkippedError)} or failed
    causes = {**tried, **{name: next(iter(tried.values())) for name in failed if name not in tried}}
    return summarize_errors(causes, len(reports), "volumes")


def report_lines(reports: Mapping[str, Report], *, quiet: bool = False) -> Iterable[str]:
    """Yield the messages for each volume: notes, what is left over, and why it failed.

    What is the same for several volumes is said once, with the names of the first. With `quiet` the
    notes are omitted, but never what could not be rolled back.
    """
    errors = {name: r.error for name, r in reports.items() if r.error is not None}
    noted: dict[str, list[str]] = defaultdict(list)
    for name, report in reports.items():
        for note in dict.fromkeys((*(() if quiet else report.notes), *report.leftovers)):
            noted[note].append(name)
    for note, names in noted.items():
        yield f"{first_names(names, SHOWN)}: {note}"
    yield from error_lines(errors)
