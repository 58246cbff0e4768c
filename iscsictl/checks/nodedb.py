"""The node database: its lock, its records, and who can read them."""

from collections.abc import Iterator
from pathlib import PurePath

from iscsictl.checks.iface_definitions import (
    check_definitions,
    fix_definition,
    is_definable,
)
from iscsictl.model.actions import ClearLock, Protect, RemoveCorruptRecord, WriteRecord
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine, NodeDb
from iscsictl.model.inventory import Known, NotObserved, ReadFailed
from iscsictl.model.names import BUILT_IN_IFACES
from iscsictl.model.open_iscsi import Version
from iscsictl.model.record import IfaceRecord, NodeRecord, Record
from iscsictl.model.record_keys import KEYS
from iscsictl.model.record_settings import SettingProblem, find_listing_problems
from iscsictl.model.record_text import MAX_KEY, MAX_VALUE
from iscsictl.model.shell_form import shell_form

_OTHERS = 0o077
_KEEPS = "keeps a copy beside the database"


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether open-iscsi's records are usable, and readable by root only.

    One record with a value that iscsiadm cannot read makes it list nothing (nodedb-listing).
    Without root, whatever cannot be read is skipped rather than failed.
    """
    yield from _check_lock(machine)
    match machine.db:
        case Known(db):
            yield ok("nodedb-readable", f"{len(db.records)} records in {db.path}", db.path)
            yield from _check_node_records(db)
            yield from _check_discovery_and_ifaces(db)
            yield from _check_listing(db)
            yield from _check_file_modes(db)
            yield from _check_other_databases(db)
        case ReadFailed(error) if not machine.root:
            yield skip("nodedb-readable", error.text, "sudo iscsictl doctor")
        case ReadFailed(error):
            yield fail("nodedb-readable", error.text, error.hint or "see why: dmesg")
        case NotObserved():
            yield skip("nodedb-readable", "nobody looked")


def _check_lock(machine: Machine) -> Iterator[Finding]:
    lock = machine.lock
    if lock is None:
        return
    if lock.owners:
        yield ok("nodedb-lock", f"held by {', '.join(lock.owners)}", lock.path)
    elif not machine.root:
        yield skip(
            "nodedb-lock",
            f"{lock.path} is {lock.age:.0f} s old; only root can see who holds it",
            "sudo iscsictl doctor",
            lock.path,
        )
    else:
        yield fail(
            "nodedb-lock",
            f"a killed process left {lock.path} behind {lock.age:.0f} s ago: iscsiadm waits "
            "30 s for it, then gives up",
            "iscsictl doctor --fix",
            lock.path,
            ClearLock(),
        )


def _check_node_records(db: NodeDb) -> Iterator[Finding]:
    names = {*BUILT_IN_IFACES, *(iface.name for iface in db.ifaces)}
    for record in db.records:
        where = f"{record.target} {record.portal}"
        if record.problem is not None:
            yield fail(
                "nodedb-records",
                f"{record.path} {record.problem}: iscsiadm can neither use nor delete it",
                f"iscsictl doctor --fix removes it and {_KEEPS}; then rediscover the target: "
                f"iscsictl discover {shell_form(record.portal)} --save",
                where,
                RemoveCorruptRecord(record.path, keep_copy=True),
            )
        elif record.iface not in names:
            forget = f"iscsictl forget {shell_form(record.target)}"
            define = f"iscsictl iface add {shell_form(record.iface)}, or: {forget}"
            yield fail(
                "nodedb-iface",
                f"{record.path} uses the iface {record.iface}, which is not defined",
                define if is_definable(record.iface) else forget,
                where,
            )
        # iscsiadm rewrites a record in place, so a kill may leave the first part of it.
        if record.truncated and record.problem is None:
            yield warn(
                "nodedb-records",
                f"{record.path} is truncated: iscsiadm uses its own defaults for the missing part",
                "compare: iscsictl nodes show; iscsictl doctor --fix completes it with these "
                "values",
                where,
                WriteRecord(record.target, record.portal, record.iface),
            )
    if db.records and all(r.problem is None and not r.truncated for r in db.records):
        yield ok("nodedb-records", "every record is complete", db.path)


def _check_discovery_and_ifaces(db: NodeDb) -> Iterator[Finding]:
    for record in db.discovery:
        if record.problem is not None:
            yield fail(
                "nodedb-records",
                f"{record.path} {record.problem}",
                f"iscsictl doctor --fix removes it and {_KEEPS}; then discover again: iscsictl "
                f"discover {shell_form(record.portal)} --save",
                f"discovery at {record.portal}",
                RemoveCorruptRecord(record.path, keep_copy=True),
            )
    yield from check_definitions(db.ifaces)


def _check_listing(db: NodeDb) -> Iterator[Finding]:
    """Report whatever makes `iscsiadm -m node` or `-m iface` fail for all records."""
    problems = [
        *(f for r in db.records if r.problem is None for f in _unlistable_record(r, db.open_iscsi)),
        *(f for i in db.ifaces if i.problem is None for f in _unlistable_iface(i, db.open_iscsi)),
        *map(_report_stray_file, db.strays),
    ]
    yield from problems
    if not problems and (db.records or db.ifaces):
        yield ok("nodedb-listing", "iscsiadm can list every record", db.path)


def _report_stray_file(path: str) -> Finding:
    result = "because of it iscsiadm lists no records at all"
    # In the directory of a target, a file is a record without a portal group tag.
    if PurePath(path).parent.name != "nodes":
        result = (
            "iscsiadm takes it for one: it lists a record without a name, or nothing if a line "
            "looks like a setting"
        )
    return fail(
        "nodedb-listing",
        f"{path} is not a record, and {result}",
        f"move it away: mv {shell_form(path)} /root/",
        path,
    )


def _unlistable_record(record: NodeRecord, version: Version | None) -> Iterator[Finding]:
    tag = "" if record.portal.tpgt is None else f",{record.portal.tpgt}"
    place = ("-T", record.target, "-p", f"{record.portal}{tag}", "-I", record.iface)
    for key, problem in find_listing_problems("node", record.values, version, record.iface):
        yield _report_unlistable(record, problem, _command_to_change(key, problem.hint, place))
    for key in record.oversized:
        yield _report_unlistable(
            record, _describe_oversized(key), _command_to_change(key, f"{key}=", place)
        )


def _unlistable_iface(iface: IfaceRecord, version: Version | None) -> Iterator[Finding]:
    for _, problem in find_listing_problems("iface", iface.values, version, iface.name):
        yield _report_unlistable(
            iface,
            problem,
            fix_definition(iface, problem.hint),
        )
    for key in iface.oversized:
        yield _report_unlistable(
            iface,
            _describe_oversized(key),
            fix_definition(iface, f"{key}="),
        )


def _describe_oversized(key: str) -> SettingProblem:
    return SettingProblem(
        f"{key[:MAX_KEY]} is longer than {MAX_KEY} bytes, or its value longer than {MAX_VALUE}, "
        "which overruns iscsiadm's buffer",
        f"{key}=",
    )


def _report_unlistable(record: Record, problem: SettingProblem, fix: str) -> Finding:
    what = "interface" if isinstance(record, IfaceRecord) else "record"
    return fail(
        "nodedb-listing",
        f"{record.path}: {problem.text}; because of it iscsiadm lists no {what} at all",
        fix,
        str(record.path),
    )


def _command_to_change(key: str, change: str, place: tuple[object, ...]) -> str:
    """Return the command that changes a setting of the record at `place`."""
    setting = KEYS["node"].get(key)
    if setting is not None and setting.is_secret:
        return f"iscsictl chap set {shell_form(*place)} --chap-user NAME --chap-secret-prompt"
    if setting is not None and setting.fixed is not None:
        forget = f"iscsictl forget {shell_form(*place)}"
        return f"{forget}; then rediscover the target: iscsictl discover"
    return f"iscsictl nodes set {shell_form(*place)} {shell_form(change)}"


def _has_secret(record: Record) -> bool:
    return any(key.endswith((".password", ".password_in")) for key in record.values)


def _check_file_modes(db: NodeDb) -> Iterator[Finding]:
    every: tuple[Record, ...] = (*db.records, *db.discovery)
    for record in every:
        if record.mode & _OTHERS and record.problem is None:
            make = fail if _has_secret(record) else warn
            what = "a CHAP secret" if _has_secret(record) else "what may be a CHAP secret"
            yield make(
                "nodedb-modes",
                f"{record.path} has mode {record.mode:04o}: others can read {what}",
                f"iscsictl doctor --fix, or: chmod 600 {shell_form(record.path)}",
                str(record.path),
                Protect(record.path),
            )
    if db.config_secret and db.config_mode is not None and db.config_mode & _OTHERS:
        yield fail(
            "nodedb-modes",
            f"/etc/iscsi/iscsid.conf has a secret and mode {db.config_mode:04o}",
            "chmod 600 /etc/iscsi/iscsid.conf",
            "/etc/iscsi/iscsid.conf",
        )


def _check_other_databases(db: NodeDb) -> Iterator[Finding]:
    for other in db.other_holders:
        yield warn(
            "nodedb-place",
            f"{other} has records too, but this iscsiadm reads only {db.path}",
            f"rediscover the targets with iscsictl discover, then remove {other}/nodes",
            other,
        )
