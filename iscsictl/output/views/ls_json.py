"""A Listing as JSON: one document, keys in a fixed order, one line per session.

The text is formatted directly: encoding dictionaries takes twice as long for a long listing.
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
    """Return the document of `ls -o json`, including the final newline.

    Everything beyond ASCII is escaped, so the locale does not matter.
    """
    disks = "null"
    if listing.disks is not None:
        disks = _json_array([_format_disk(disk) for disk in listing.disks])
    warnings = _json_array(
        [
            f'{{"line": {_json_number(note.line)}, "text": {_json_text(note.text)}}}'
            for note in listing.warnings
        ]
    )
    sessions = _json_array([_format_session(session) for session in listing.sessions])
    records = ""
    if listing.capture is not None:
        captured = ls_capture.details_document(listing.capture)
        if captured["disks"] is not None:
            disks = _json_array([json.dumps(disk) for disk in captured["disks"]])
        if "records" in captured:
            records = (
                f',\n "records": {_json_array([json.dumps(one) for one in captured["records"]])}'
            )
        # A capture that contains only disks does not say that there are no sessions.
        sessions = sessions if listing.capture.tells_sessions else "null"
    return (
        f'{{"schema": "{SCHEMA}",\n "sessions": {sessions},\n'
        f' "disks": {disks},\n "warnings": {warnings}{records}}}\n'
    )


def _json_array(items: list[str]) -> str:
    """Return a JSON array with one item per line."""
    text = ",\n  ".join(items)
    return f"[\n  {text}]" if text else "[]"


def _json_text(value: str | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value)


def _json_number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _format_session(one: Session) -> str:
    """Return a session as JSON; the keys specific to sfnet appear only for that source."""
    old = one.source == "sfnet"
    host, chap, times = one.host, one.chap, one.timeouts
    luns = "null"
    if one.luns is not None:
        luns = f"[{', '.join([_format_lun(lun, old) for lun in one.luns])}]"
    params = "null"
    if one.params is not None:
        pairs = [f"{_json_text(name)}: {_json_text(value)}" for name, value in one.params.items()]
        params = f"{{{', '.join(pairs)}}}"
    return (
        f'{{"source": "{one.source}", "sid": {_json_number(one.sid)}, '
        f'"target": {_json_text(one.target or None)}, '
        f'"alias": {_json_text(one.alias)}, "transport": {_json_text(one.transport)}, '
        f'"portal": {_format_portal(one.portal)}, '
        f'"persistent_portal": {_format_portal(one.persistent_portal)}, '
        f'"iface": {_json_text(one.iface)}, '
        f'"initiator": {_json_text(one.initiator)}, '
        f'"initiator_address": {_json_text(one.initiator_address)}, "status": "{one.status}", '
        f'"connection_state": {_json_text(one.connection_state)}, '
        f'"session_state": {_json_text(one.session_state)}, '
        f'"internal_state": {_json_text(one.internal_state)}, "timeouts": '
        + ("null" if times is None else (
            f'{{"recovery": {_json_number(times.recovery)}, '
            f'"target_reset": {_json_number(times.target_reset)}, '
            f'"lun_reset": {_json_number(times.lun_reset)}, '
            f'"abort": {_json_number(times.abort)}}}'))
        + ', "chap": '
        + ("null" if chap is None else (
            f'{{"username": {_json_text(chap.username)}, '
            f'"username_in": {_json_text(chap.username_in)}}}'))
        + f', "params": {params}, "host": '
        + ("null" if host is None else
           f'{{"number": {host.number}, "state": {_json_text(host.state)}}}')
        + f', "luns": {luns}'
        + ("" if one.errors is None else
           f', "errors": {{"digest": {_json_number(one.errors.digest)}, '
           f'"timeout": {_json_number(one.errors.timeout)}}}')
        + (f', "since": {_json_text(one.since)}, "isid": {_json_text(one.isid)}, '
           f'"tsih": {_json_text(one.tsih)}}}' if old else "}")
    )  # fmt: skip


def _format_portal(portal: Portal | None) -> str:
    if portal is None:
        return "null"
    return (
        f'{{"address": {_json_text(portal.address)}, "port": {portal.port}, '
        f'"tpgt": {_json_number(portal.tpgt)}}}'
    )


def _format_lun(lun: Lun, old: bool) -> str:
    more = (
        f', "vendor": {_json_text(lun.vendor)}, "model": {_json_text(lun.model)}, '
        f'"page83": {_json_text(lun.page83)}, "page80": {_json_text(lun.page80)}'
        if old
        else ""
    )
    if lun.load is not None:
        latency = "null" if lun.load.latency is None else f"{lun.load.latency:.3f}"
        more += (
            f', "in_flight": {lun.load.in_flight}, '
            f'"queue_depth": {_json_number(lun.load.queue_depth)}, "latency_ms": {latency}'
        )
    return (
        f'{{"lun": {lun.lun}, "hctl": {_json_text(lun.hctl)}, "device": {_json_text(lun.device)}, '
        f'"state": {_json_text(lun.state)}, "wwid": {_json_text(lun.wwid)}{more}}}'
    )


def _format_disk(disk: Disk) -> str:
    block = disk.block
    paths = [
        f'{{"sid": {path.sid}, "hctl": {_json_text(path.hctl)}, '
        f'"device": {_json_text(path.device)}, "state": {_json_text(path.state)}, '
        f'"access": {_json_text(path.access)}}}'
        for path in disk.paths
    ]
    return (
        f'{{"wwid": {_json_text(disk.wwid)}, "serial": {_json_text(disk.serial)}, '
        f'"vendor": {_json_text(disk.vendor)}, "model": {_json_text(disk.model)}, '
        f'"type": {_json_text(disk.type)}, "size": {_json_number(block.size)}, '
        f'"read_only": {"true" if disk.read_only else "false"}, "paths": [{", ".join(paths)}], '
        f'"device": {_json_text(block.device)}, "kind": "{block.kind}", '
        f"{_format_content(block, disk)}"
    )


def _format_block(block: Block) -> str:
    return (
        f'{{"device": {_json_text(block.device)}, "kind": "{block.kind}", '
        f'"size": {_json_number(block.size)}, {_format_content(block)}'
    )


def _format_content(block: Block, disk: Disk | None = None) -> str:
    mounts = [
        f'{{"path": {_json_text(mount.path)}, '
        f'"options": [{", ".join(map(_json_text, mount.options))}]}}'
        for mount in block.mounts
    ]
    return (
        f'"fstype": {_json_text(block.fstype)}, "label": {_json_text(block.label)}, '
        f'"uuid": {_json_text(block.uuid)}, "mounts": [{", ".join(mounts)}], '
        f'"children": [{", ".join([_format_block(child) for child in block.children])}]'
        f"{_format_reservations(disk)}}}"
    )


def _format_reservations(disk: Disk | None) -> str:
    """Return the key `reservations` as JSON; empty if the LUN was not asked or has none."""
    reservations = None if disk is None else disk.reservations
    if reservations is None:
        return ""
    holder = reservations.holder
    document = {
        "supported": reservations.supported,
        "own_key": _format_hex_key(reservations.own_key),
        "keys": [_format_hex_key(key) for key in reservations.keys],
        "holder": None
        if holder is None
        else {"key": _format_hex_key(holder.key), "type": holder.type},
        "held_by": reservations.held_by,
    }
    return f', "reservations": {json.dumps(document)}'


def _format_hex_key(key: int | None) -> str | None:
    return None if key is None else f"{key:#018x}"


def disk_dict(disk: Disk) -> dict[str, Any]:
    """Return a disk for the documents of other commands, with the keys of `ls -o json`.

    Sizes are in bytes.
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
            {
                "sid": path.sid,
                "hctl": path.hctl,
                "device": path.device,
                "state": path.state,
                "access": path.access,
            }
            for path in disk.paths
        ],
        **block,
    }


def block_dict(block: Block) -> dict[str, Any]:
    """Return a block device with its children, nested as in `lsblk --json`; sizes are in bytes."""
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
