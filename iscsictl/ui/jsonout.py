"""A Listing as JSON: one document, keys in the order of the contract, one line a session."""

import json
from collections.abc import Iterable
from typing import Any

from iscsictl.model.listing import Block, Disk, Listing, Lun, Session
from iscsictl.model.names import Portal

SCHEMA = "iscsictl.ls/1"


def listing_json(listing: Listing) -> str:
    """Return the document of `ls -o json`, ended by a newline.

    Only ASCII is written: what is not is escaped, so the locale does not matter.
    """
    disks = "null" if listing.disks is None else _lines(disk_dict(disk) for disk in listing.disks)
    warnings = _lines({"line": note.line, "text": note.text} for note in listing.warnings)
    sessions = _lines(session_dict(session) for session in listing.sessions)
    return (
        f'{{"schema": "{SCHEMA}",\n "sessions": {sessions},\n'
        f' "disks": {disks},\n "warnings": {warnings}}}\n'
    )


def _lines(items: Iterable[dict[str, Any]]) -> str:
    """Write one item a line: readable, and still made by the fast encoder."""
    encode = json.JSONEncoder().encode
    text = ",\n  ".join(map(encode, items))
    return f"[\n  {text}]" if text else "[]"


def session_dict(session: Session) -> dict[str, Any]:
    """Return a session as the contract has it; sfnet's own keys only from that source."""
    old = session.source == "sfnet"
    made: dict[str, Any] = {
        "source": session.source,
        "sid": session.sid,
        "target": session.target,
        "alias": session.alias,
        "transport": session.transport,
        "portal": _portal_dict(session.portal),
        "persistent_portal": _portal_dict(session.persistent_portal),
        "iface": session.iface,
        "initiator": session.initiator,
        "initiator_address": session.initiator_address,
        "status": session.status,
        "connection_state": session.connection_state,
        "session_state": session.session_state,
        "internal_state": session.internal_state,
        "timeouts": None,
        "chap": None,
        "params": None if session.params is None else dict(session.params),
        "host": None,
        "luns": None if session.luns is None else [_lun_dict(lun, old) for lun in session.luns],
    }
    if (timeouts := session.timeouts) is not None:
        made["timeouts"] = {
            "recovery": timeouts.recovery,
            "target_reset": timeouts.target_reset,
            "lun_reset": timeouts.lun_reset,
            "abort": timeouts.abort,
        }
    if session.chap is not None:
        made["chap"] = {
            "username": session.chap.username,
            "username_in": session.chap.username_in,
        }
    if session.host is not None:
        made["host"] = {"number": session.host.number, "state": session.host.state}
    if old:
        made |= {"since": session.since, "isid": session.isid, "tsih": session.tsih}
    return made


def _portal_dict(portal: Portal | None) -> dict[str, Any] | None:
    if portal is None:
        return None
    return {"address": portal.address, "port": portal.port, "tpgt": portal.tpgt}


def _lun_dict(lun: Lun, old: bool) -> dict[str, Any]:
    made = {
        "lun": lun.lun,
        "hctl": lun.hctl,
        "device": lun.device,
        "state": lun.state,
        "wwid": lun.wwid,
    }
    if old:
        made |= {
            "vendor": lun.vendor,
            "model": lun.model,
            "page83": lun.page83,
            "page80": lun.page80,
        }
    return made


def disk_dict(disk: Disk) -> dict[str, Any]:
    """Return a disk as the contract has it: what it is, its paths, and what stands on it."""
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
    """Return a block device with its children, nested as in `lsblk --json`."""
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
