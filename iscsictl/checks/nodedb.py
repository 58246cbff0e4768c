"""The node database: its lock, its records, who may read them."""

import shlex
from collections.abc import Iterator

from iscsictl.model.actions import ClearLock, Protect, RemoveTorn
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine, NodeDb
from iscsictl.model.inventory import Known, NotObserved, ReadFailed
from iscsictl.model.names import BUILT_IN_IFACES
from iscsictl.model.record import NodeRecord, Record
from iscsictl.model.values import STARTUP_KEYS, STARTUPS

_OTHERS = 0o077


def check(machine: Machine) -> Iterator[Finding]:
    """Tell whether open-iscsi's records can be used, and by root alone."""
    yield from _lock(machine)
    match machine.db:
        case Known(db):
            yield ok("nodedb-readable", f"{len(db.records)} records in {db.path}", db.path)
            yield from _records(db)
            yield from _torn_beside(db)
            yield from _modes(db)
            yield from _place(db)
        case ReadFailed(error) if not machine.root:
            yield skip("nodedb-readable", error.text, "sudo iscsictl doctor")
        case ReadFailed(error):
            yield fail("nodedb-readable", error.text, error.hint or "see why: dmesg")
        case NotObserved():
            yield skip("nodedb-readable", "nobody looked")


def _lock(machine: Machine) -> Iterator[Finding]:
    lock = machine.lock
    if lock is None:
        return
    if lock.owners:
        yield ok("nodedb-lock", f"held by {', '.join(lock.owners)}", lock.path)
    elif not machine.root:
        yield skip(
            "nodedb-lock",
            f"{lock.path} is {lock.age:.0f} s old; only root can see who owns it",
            "sudo iscsictl doctor",
            lock.path,
        )
    else:
        yield fail(
            "nodedb-lock",
            f"a killed process left {lock.path} behind {lock.age:.0f} s ago: iscsiadm waits "
            "30 s for it and gives up",
            "iscsictl doctor --fix",
            lock.path,
            ClearLock(),
        )


def _records(db: NodeDb) -> Iterator[Finding]:
    names = {*BUILT_IN_IFACES, *(iface.name for iface in db.ifaces)}
    for record in db.records:
        where = f"{record.target} {record.portal}"
        if record.problem is not None:
            yield fail(
                "nodedb-records",
                f"{record.path} {record.problem}: iscsiadm can neither use nor delete it",
                "iscsictl doctor --fix removes it; then find the target again: iscsictl discover "
                f"{record.portal} --save",
                where,
                RemoveTorn(record.path),
            )
        elif record.iface not in names:
            yield fail(
                "nodedb-iface",
                f"{record.path} wants the iface {record.iface}, which is not defined",
                f"iscsictl iface add {record.iface}, or: iscsictl forget {record.target}",
                where,
            )
        if record.problem is None:
            yield from _startup(record)
    if db.records and all(record.problem is None for record in db.records):
        yield ok("nodedb-records", "every record is whole", db.path)


def _torn_beside(db: NodeDb) -> Iterator[Finding]:
    for record in db.discovery:
        if record.problem is not None:
            yield fail(
                "nodedb-records",
                f"{record.path} {record.problem}",
                "iscsictl doctor --fix removes it; then ask again: iscsictl discover "
                f"{record.portal} --save",
                f"discovery at {record.portal}",
                RemoveTorn(record.path),
            )
    for iface in db.ifaces:
        if iface.problem is not None:
            yield fail(
                "nodedb-iface",
                f"{iface.path} {iface.problem}",
                f"define it again: iscsictl iface set {iface.name} --transport tcp --netdev NIC; "
                f"or: rm {shlex.quote(str(iface.path))}",
                iface.name,
            )


def _startup(record: NodeRecord) -> Iterator[Finding]:
    for key in STARTUP_KEYS:
        value = record.values.get(key, "manual")
        if value not in STARTUPS:
            yield fail(
                "nodedb-records",
                f"{record.path} has {key} = {value}, which is none of {', '.join(STARTUPS)}: "
                "it may not be logged in at boot",
                f"iscsictl nodes set -T {record.target} '{key}=automatic', or manual",
                f"{record.target} {record.portal}",
            )


def _secret(record: Record) -> bool:
    return any(key.endswith((".password", ".password_in")) for key in record.values)


def _modes(db: NodeDb) -> Iterator[Finding]:
    every: tuple[Record, ...] = (*db.records, *db.discovery)
    for record in every:
        if record.mode & _OTHERS and record.problem is None:
            make = fail if _secret(record) else warn
            what = "a CHAP secret" if _secret(record) else "what may become a CHAP secret"
            yield make(
                "nodedb-modes",
                f"{record.path} has mode {record.mode:04o}: others can read {what}",
                f"iscsictl doctor --fix, or: chmod 600 {record.path}",
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


def _place(db: NodeDb) -> Iterator[Finding]:
    for other in db.other_holders:
        yield warn(
            "nodedb-place",
            f"{other} has records too, but this iscsiadm reads {db.path} only",
            f"find the targets again with iscsictl discover, then remove {other}/nodes",
            other,
        )
