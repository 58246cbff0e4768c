"""A Listing as JSON: one document, keys in the order of the contract, one line a session.

It is written as text at once: dictionaries to encode would take twice the time of a long listing.
"""

import json
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from iscsictl.lazy_import import lazy_import
from iscsictl.model.listing import Block, Disk, Listing, Lun, Session
from iscsictl.model.names import Portal

if TYPE_CHECKING:
    from iscsictl.output.views import ls_capture
else:
    ls_capture = lazy_import("iscsictl.output.views.ls_capture")

SCHEMA = "iscsictl.ls/1"


def listing_json(listing: Listing) -> str:
    """Return the document of `ls -o json`, ended by a newline.

    Only ASCII is written: what is not is escaped, so the locale does not matter.
    """
    disks = "null"
    if listing.disks is not None:
        disks = _lines([_disk(disk) for disk in listing.disks])
    warnings = _lines(
        [
            f'{{"line": {_number(note.line)}, "text": {_text(note.text)}}}'
            for note in listing.warnings
        ]
    )
    sessions = _lines([_session(session) for session in listing.sessions])
    records = ""
    if listing.capture is not None:
        told = ls_capture.details_document(listing.capture)
        if told["disks"] is not None:
            disks = _lines([json.dumps(disk) for disk in told["disks"]])
        if "records" in told:
            records = f',\n "records": {_lines([json.dumps(one) for one in told["records"]])}'
        # A capture of disks alone does not say that there are no sessions.
        sessions = sessions if listing.capture.tells_sessions else "null"
    return (
        f'{{"schema": "{SCHEMA}",\n "sessions": {sessions},\n'
        f' "disks": {disks},\n "warnings": {warnings}{records}}}\n'
    )


def _lines(items: list[str]) -> str:
    """Put one item on a line."""
    text = ",\n  ".join(items)
    return f"[\n  {text}]" if text else "[]"


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value)


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _session(one: Session) -> str:
    """Write a session as the contract has it; sfnet's own keys only from that source."""
    old = one.source == "sfnet"
    host, chap, times = one.host, one.chap, one.timeouts
    luns = "null"
    if one.luns is not None:
        luns = f"[{', '.join([_lun(lun, old) for lun in one.luns])}]"
    params = "null"
    if one.params is not None:
        pairs = [f"{_text(name)}: {_text(value)}" for name, value in one.params.items()]
        params = f"{{{', '.join(pairs)}}}"
    return (
        f'{{"source": "{one.source}", "sid": {_number(one.sid)}, '
        f'"target": {_text(one.target or None)}, '
        f'"alias": {_text(one.alias)}, "transport": {_text(one.transport)}, '
        f'"portal": {_portal(one.portal)}, '
        f'"persistent_portal": {_portal(one.persistent_portal)}, "iface": {_text(one.iface)}, '
        f'"initiator": {_text(one.initiator)}, '
        f'"initiator_address": {_text(one.initiator_address)}, "status": "{one.status}", '
        f'"connection_state": {_text(one.connection_state)}, '
        f'"session_state": {_text(one.session_state)}, '
        f'"internal_state": {_text(one.internal_state)}, "timeouts": '
        + ("null" if times is None else (
            f'{{"recovery": {_number(times.recovery)}, '
            f'"target_reset": {_number(times.target_reset)}, '
            f'"lun_reset": {_number(times.lun_reset)}, "abort": {_number(times.abort)}}}'))
        + ', "chap": '
        + ("null" if chap is None else (
            f'{{"username": {_text(chap.username)}, "username_in": {_text(chap.username_in)}}}'))
        + f', "params": {params}, "host": '
        + ("null" if host is None else
           f'{{"number": {host.number}, "state": {_text(host.state)}}}')
        + f', "luns": {luns}'
        + ("" if one.errors is None else
           f', "errors": {{"digest": {_number(one.errors.digest)}, '
           f'"timeout": {_number(one.errors.timeout)}}}')
        + (f', "since": {_text(one.since)}, "isid": {_text(one.isid)}, '
           f'"tsih": {_text(one.tsih)}}}' if old else "}")
    )  # fmt: skip


def _portal(portal: Portal | None) -> str:
    if portal is None:
        return "null"
    return (
        f'{{"address": {_text(portal.address)}, "port": {portal.port}, '
        f'"tpgt": {_number(portal.tpgt)}}}'
    )


def _lun(lun: Lun, old: bool) -> str:
    more = (
        f', "vendor": {_text(lun.vendor)}, "model": {_text(lun.model)}, '
        f'"page83": {_text(lun.page83)}, "page80": {_text(lun.page80)}'
        if old
        else ""
    )
    if lun.load is not None:
        latency = "null" if lun.load.latency is None else f"{lun.load.latency:.3f}"
        more += (
            f', "in_flight": {lun.load.in_flight}, '
            f'"queue_depth": {_number(lun.load.queue_depth)}, "latency_ms": {latency}'
        )
    return (
        f'{{"lun": {lun.lun}, "hctl": {_text(lun.hctl)}, "device": {_text(lun.device)}, '
        f'"state": {_text(lun.state)}, "wwid": {_text(lun.wwid)}{more}}}'
    )


def _disk(disk: Disk) -> str:
    block = disk.block
    paths = [
        f'{{"sid": {path.sid}, "hctl": {_text(path.hctl)}, "device": {_text(path.device)}, '
        f'"state": {_text(path.state)}}}'
        for path in disk.paths
    ]
    return (
        f'{{"wwid": {_text(disk.wwid)}, "serial": {_text(disk.serial)}, '
        f'"vendor": {_text(disk.vendor)}, "model": {_text(disk.model)}, '
        f'"type": {_text(disk.type)}, "size": {_number(block.size)}, '
        f'"read_only": {"true" if disk.read_only else "false"}, "paths": [{", ".join(paths)}], '
        f'"device": {_text(block.device)}, "kind": "{block.kind}", {_content(block, disk)}'
    )


def _block(block: Block) -> str:
    return (
        f'{{"device": {_text(block.device)}, "kind": "{block.kind}", '
        f'"size": {_number(block.size)}, {_content(block)}'
    )


def _content(block: Block, disk: Disk | None = None) -> str:
    mounts = [
        f'{{"path": {_text(mount.path)}, "options": [{", ".join(map(_text, mount.options))}]}}'
        for mount in block.mounts
    ]
    return (
        f'"fstype": {_text(block.fstype)}, "label": {_text(block.label)}, '
        f'"uuid": {_text(block.uuid)}, "mounts": [{", ".join(mounts)}], '
        f'"children": [{", ".join([_block(child) for child in block.children])}]'
        f"{_reservations(disk)}}}"
    )


def _reservations(disk: Disk | None) -> str:
    """Write who holds the LUN, where that was asked and there is something to tell."""
    found = None if disk is None else disk.reservations
    if found is None:
        return ""
    holder = found.holder
    document = {
        "supported": found.supported,
        "own_key": _key(found.own_key),
        "keys": [_key(key) for key in found.keys],
        "holder": None if holder is None else {"key": _key(holder.key), "type": holder.type},
        "held_by": found.held_by,
    }
    return f', "reservations": {json.dumps(document)}'


def _key(key: int | None) -> str | None:
    return None if key is None else f"{key:#018x}"


def disk_dict(disk: Disk) -> dict[str, Any]:
    """Return a disk as the contract has it: what it is, its paths, and what stands on it.

    It has the keys of `ls -o json`, for the documents of other commands; sizes are bytes.
    """
    block = block_dict(disk.block)
    return {
        "wwid": disk.wwid,
        "serial": disk.serial,
        "vendor": disk.vendor,
        "model": disk.model,
        "type": disk.type,
        "size": block.pop("size"),
        "read_only": disk.read_only,
        "paths": [
            {"sid": path.sid, "hctl": path.hctl, "device": path.device, "state": path.state}
            for path in disk.paths
        ],
        **block,
    }


def block_dict(block: Block) -> dict[str, Any]:
    """Return a block device with its children, nested as in `lsblk --json`. Sizes are bytes."""
    return {
        "device": block.device,
        "kind": block.kind,
        "size": block.size,
        "fstype": block.fstype,
        "label": block.label,
        "uuid": block.uuid,
        "mounts": [{"path": mount.path, "options": list(mount.options)} for mount in block.mounts],
        "children": [block_dict(child) for child in block.children],
    }
