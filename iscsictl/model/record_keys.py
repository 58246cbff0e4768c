"""The settings of open-iscsi's records: their kinds of value, and the versions that know them.

They were taken from usr/idbm.c, usr/idbm_fields.h and libopeniscsiusr/idbm.c of 2.0-873 and later,
in the order in which idbm_print() writes them; the limits are from RFC 7143, section 13, and
etc/iscsid.conf.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from iscsictl.model.open_iscsi import Version
from iscsictl.model.record_values import (
    Address,
    HardwareAddress,
    Number,
    SecretText,
    Text,
    ValueKind,
    WordList,
    Words,
)
from iscsictl.model.transports import TRANSPORT_MODULES

#: The kind of record; a node record also has all settings of its interface.
Scope = Literal["node", "iface", "sendtargets", "isns"]
Family = Literal["ipv4", "ipv6"]

# The release after 2.1.11, the newest one that was examined.
_NEXT: Final = (2, 1, 12)

_INT32: Final = 2**31 - 1
# libopeniscsiusr is case-sensitive: with `yes` or `no` it lists no record at all.
_YES_NO: Final = Words(("Yes", "No"))
_STARTUP: Final = Words(("manual", "automatic", "onboot"))
_AUTH: Final = Words(("None", "CHAP"))
_DIGEST: Final = Words(("None", "CRC32C", "CRC32C,None", "None,CRC32C"))
_ALGORITHMS: Final = WordList(("MD5", "SHA1", "SHA256", "SHA3-256"))
_SWITCH: Final = Words(("enable", "disable"), strict=False)
_PORT: Final = Number(1, 65535)
_COUNT: Final = Number(0, _INT32)
_BYTE: Final = Number(0, 255)
_SHORT: Final = Number(0, 65535)
_LONG: Final = Number(0, 2**32 - 1)
_SECONDS: Final = Number(0, _INT32, "seconds")
# A login or logout with a timeout of 0 fails at once.
_SOME_SECONDS: Final = Number(1, _INT32, "seconds")
# RFC 7143, 13.12 to 13.14: lengths of data are 512 to 2**24 - 1 bytes.
_LENGTH: Final = Number(512, 2**24 - 1, "bytes")
# RFC 7143, 13.15 and 13.16.
_UP_TO_AN_HOUR: Final = Number(0, 3600, "seconds")
#: The name of an account, in a buffer of 256 bytes (AUTH_STR_MAX_LEN).
_ACCOUNT: Final = Text(255)
#: Many settings of an interface are in buffers of 80 bytes (ISCSI_MAX_STR_LEN).
_SHORT_TEXT: Final = Text(79)


@dataclass(frozen=True)
class RecordKey:
    """One setting. `since` is the first version that has it, `until` the first without it again.

    `family`: only interfaces of that address family have it. `fixed`: why it cannot be changed.
    """

    name: str
    kind: ValueKind
    since: Version | None = None
    until: Version | None = None
    family: Family | None = None
    fixed: str | None = None

    def known_to(self, version: Version | None) -> bool:
        """Return whether a version of open-iscsi has this setting; True if `version` is None.

        iscsiadm itself refuses settings that it does not know.
        """
        if version is None:
            return True
        return (self.since is None or version >= self.since) and (
            self.until is None or version < self.until
        )

    @property
    def is_secret(self) -> bool:
        """Whether it is a CHAP secret.

        Its value is not accepted on a command line and not shown in a listing.
        """
        return isinstance(self.kind, SecretText)


_NAMES_RECORD: Final = "it names the record"
_DERIVED: Final = "open-iscsi derives it"


def _auth_keys(prefix: str) -> tuple[RecordKey, ...]:
    return (
        RecordKey(f"{prefix}.auth.authmethod", _AUTH),
        RecordKey(f"{prefix}.auth.username", _ACCOUNT),
        RecordKey(f"{prefix}.auth.password", SecretText()),
        RecordKey(f"{prefix}.auth.password_length", _COUNT, fixed=_DERIVED),
        RecordKey(f"{prefix}.auth.username_in", _ACCOUNT),
        RecordKey(f"{prefix}.auth.password_in", SecretText()),
        RecordKey(f"{prefix}.auth.password_in_length", _COUNT, fixed=_DERIVED),
        # In discovery records, too, it has the name of the session's setting.
        RecordKey("node.session.auth.chap_algs", _ALGORITHMS, since=(2, 1, 1)),
    )


def _iface_key(name: str, kind: ValueKind, since: Version | None = None) -> RecordKey:
    return RecordKey(f"iface.{name}", kind, since)


def _keys_of_family(
    family: Family, since: Version | None, settings: Mapping[str, ValueKind]
) -> Iterator[RecordKey]:
    for name, kind in settings.items():
        yield replace(_iface_key(name, kind, since), family=family)


# 2.0-874 added the settings of qla4xxx and be2iscsi adapters.
_ADAPTERS: Final = (2, 0, 874)

_IFACE_KEYS: Final = (
    replace(_iface_key("iscsi_ifacename", Text(64)), fixed=_NAMES_RECORD),
    _iface_key("net_ifacename", Text(15)),
    _iface_key("ipaddress", Address(words=("default",))),
    _iface_key("prefix_len", Number(0, 128), (2, 0, 876)),
    _iface_key("hwaddress", HardwareAddress()),
    _iface_key("transport_name", Words(tuple(TRANSPORT_MODULES), strict=False)),
    _iface_key("initiatorname", Text(223)),
    _iface_key("state", _SWITCH),
    _iface_key("vlan_id", Number(0, 4094)),
    _iface_key("vlan_priority", Number(0, 7)),
    _iface_key("vlan_state", _SWITCH),
    _iface_key("iface_num", _COUNT),
    _iface_key("mtu", _SHORT),
    _iface_key("port", _SHORT),
    *_keys_of_family("ipv4", None, {
        "bootproto": Words(("static", "dhcp"), strict=False),
        "subnet_mask": Address(4),
        "gateway": Address(4),
    }),
    *_keys_of_family("ipv4", _ADAPTERS, {
        "dhcp_alt_client_id_state": _SWITCH,
        "dhcp_alt_client_id": _SHORT_TEXT,
        "dhcp_dns": _SWITCH,
        "dhcp_learn_iqn": _SWITCH,
        "dhcp_req_vendor_id_state": _SWITCH,
        "dhcp_vendor_id_state": _SWITCH,
        "dhcp_vendor_id": _SHORT_TEXT,
        "dhcp_slp_da": _SWITCH,
        "fragmentation": _SWITCH,
        "gratuitous_arp": _SWITCH,
        "incoming_forwarding": _SWITCH,
        "tos_state": _SWITCH,
        "tos": _BYTE,
        "ttl": _BYTE,
    }),
    *_keys_of_family("ipv6", None, {
        "ipv6_autocfg": Words(("nd", "dhcpv6", "disable"), strict=False),
        "linklocal_autocfg": Words(("auto", "disable"), strict=False),
        "router_autocfg": Words(("auto", "disable"), strict=False),
        "ipv6_linklocal": Address(6, ("auto",)),
        "ipv6_router": Address(6, ("auto",)),
    }),
    *_keys_of_family("ipv6", _ADAPTERS, {
        "dup_addr_detect_cnt": _BYTE,
        "flow_label": _LONG,
        "gratuitous_neighbor_adv": _SWITCH,
        "hop_limit": _BYTE,
        "mld": _SWITCH,
        "nd_reachable_tmo": _LONG,
        "nd_rexmit_time": _LONG,
        "nd_stale_tmo": _LONG,
        "router_adv_link_mtu": _LONG,
        "traffic_class": _BYTE,
    }),
    _iface_key("delayed_ack", _SWITCH, _ADAPTERS),
    _iface_key("tcp_nagle", _SWITCH, _ADAPTERS),
    _iface_key("tcp_wsf_state", _SWITCH, _ADAPTERS),
    _iface_key("tcp_wsf", _BYTE, _ADAPTERS),
    _iface_key("tcp_timer_scale", _BYTE, _ADAPTERS),
    _iface_key("tcp_timestamp", _SWITCH, _ADAPTERS),
    _iface_key("redirect", _SWITCH, _ADAPTERS),
    _iface_key("def_task_mgmt_timeout", _SHORT, _ADAPTERS),
    _iface_key("header_digest", _SWITCH, _ADAPTERS),
    _iface_key("data_digest", _SWITCH, _ADAPTERS),
    _iface_key("immediate_data", _SWITCH, _ADAPTERS),
    _iface_key("initial_r2t", _SWITCH, _ADAPTERS),
    _iface_key("data_seq_inorder", _SWITCH, _ADAPTERS),
    _iface_key("data_pdu_inorder", _SWITCH, _ADAPTERS),
    _iface_key("erl", Number(0, 2), _ADAPTERS),
    _iface_key("max_receive_data_len", _LONG, _ADAPTERS),
    _iface_key("first_burst_len", _LONG, _ADAPTERS),
    _iface_key("max_outstanding_r2t", _SHORT, _ADAPTERS),
    _iface_key("max_burst_len", _LONG, _ADAPTERS),
    _iface_key("chap_auth", _SWITCH, _ADAPTERS),
    _iface_key("bidi_chap", _SWITCH, _ADAPTERS),
    _iface_key("strict_login_compliance", _SWITCH, _ADAPTERS),
    _iface_key("discovery_auth", _SWITCH, _ADAPTERS),
    _iface_key("discovery_logout", _SWITCH, _ADAPTERS),
)  # fmt: skip


def _session_key(name: str, kind: ValueKind, since: Version | None = None) -> RecordKey:
    return RecordKey(f"node.session.{name}", kind, since)


# open-iscsi has one connection per session (config.h, ISCSI_CONN_MAX).
def _connection_key(name: str, kind: ValueKind, since: Version | None = None) -> RecordKey:
    return RecordKey(f"node.conn[0].{name}", kind, since)


_NODE_KEYS: Final = (
    RecordKey("node.name", Text(255), fixed=_NAMES_RECORD),
    RecordKey("node.tpgt", Number(-1, 65535), fixed=_NAMES_RECORD),
    RecordKey("node.startup", _STARTUP),
    RecordKey("node.leading_login", _YES_NO),
    *_IFACE_KEYS,
    RecordKey("node.discovery_address", Text(255), fixed="discovery wrote it"),
    RecordKey("node.discovery_port", _PORT, fixed="discovery wrote it"),
    RecordKey(
        "node.discovery_type",
        Words(("send_targets", "isns", "offload_send_targets", "static", "fw", "slp")),
        fixed="discovery wrote it",
    ),
    _session_key("initial_cmdsn", _COUNT),
    _session_key("initial_login_retry_max", _COUNT),
    _session_key("xmit_thread_priority", Number(-20, 20)),
    _session_key("cmds_max", Number(2, 2048, power_of_two=True)),
    _session_key("queue_depth", Number(1, 1024)),
    # With 0, iscsiadm considers every login already done.
    _session_key("nr_sessions", Number(1, _INT32)),
    *_auth_keys("node.session"),
    # With 0, I/O fails at once; with a negative value, never.
    _session_key("timeo.replacement_timeout", Number(-1, _INT32, "seconds")),
    _session_key("err_timeo.abort_timeout", _SECONDS),
    _session_key("err_timeo.lu_reset_timeout", _SECONDS),
    _session_key("err_timeo.tgt_reset_timeout", _SECONDS),
    _session_key("err_timeo.host_reset_timeout", _SECONDS),
    _session_key("iscsi.FastAbort", _YES_NO),
    _session_key("iscsi.InitialR2T", _YES_NO),
    _session_key("iscsi.ImmediateData", _YES_NO),
    _session_key("iscsi.FirstBurstLength", _LENGTH),
    _session_key("iscsi.MaxBurstLength", _LENGTH),
    _session_key("iscsi.DefaultTime2Retain", _UP_TO_AN_HOUR),
    _session_key("iscsi.DefaultTime2Wait", _UP_TO_AN_HOUR),
    _session_key("iscsi.MaxConnections", Number(1, 65535)),
    _session_key("iscsi.MaxOutstandingR2T", Number(1, 65535)),
    _session_key("iscsi.ERL", Number(0, 2)),
    _session_key("scan", Words(("auto", "manual")), (2, 0, 876)),
    _session_key("reopen_max", _COUNT, (2, 0, 877)),
    replace(_session_key("conn_reopen_log_freq", _COUNT, (2, 1, 11)), until=_NEXT),
    _session_key("sess_reopen_log_freq", _COUNT, _NEXT),
    replace(_connection_key("address", Text(255)), fixed=_NAMES_RECORD),
    replace(_connection_key("port", _PORT), fixed=_NAMES_RECORD),
    _connection_key("startup", _STARTUP),
    _connection_key("tcp.window_size", Number(0, _INT32, "bytes")),
    _connection_key("tcp.type_of_service", _BYTE),
    _connection_key("tcp.congestion_control", Text(15), _NEXT),
    _connection_key("timeo.logout_timeout", _SOME_SECONDS),
    _connection_key("timeo.login_timeout", _SOME_SECONDS),
    _connection_key("timeo.auth_timeout", _SECONDS),
    _connection_key("timeo.noop_out_interval", _SECONDS),
    _connection_key("timeo.noop_out_timeout", _SECONDS),
    # 0 leaves it to the target.
    _connection_key("iscsi.MaxXmitDataSegmentLength", Number(0, 2**24 - 1, "bytes")),
    _connection_key("iscsi.MaxRecvDataSegmentLength", _LENGTH),
    _connection_key("iscsi.HeaderDigest", _DIGEST),
    _connection_key("iscsi.DataDigest", _DIGEST),
    _connection_key("iscsi.IFMarker", _YES_NO),
    _connection_key("iscsi.OFMarker", _YES_NO),
)


def _discovery_keys(kind: str, *keys: RecordKey) -> tuple[RecordKey, ...]:
    return (
        RecordKey("discovery.startup", Words(("manual", "automatic"))),
        RecordKey("discovery.type", Words(("sendtargets", "isns")), fixed=_NAMES_RECORD),
        # In iSNS records, too, they have the names of the SendTargets settings.
        RecordKey("discovery.sendtargets.address", Text(255), fixed=_NAMES_RECORD),
        RecordKey("discovery.sendtargets.port", _PORT, fixed=_NAMES_RECORD),
        *keys,
        RecordKey(f"discovery.{kind}.use_discoveryd", _YES_NO),
        RecordKey(f"discovery.{kind}.discoveryd_poll_inval", Number(-1, _INT32, "seconds")),
    )


_SENDTARGETS: Final = "discovery.sendtargets"
_DISCOVERY_KEYS: Final = (
    *_discovery_keys(
        "sendtargets",
        *_auth_keys(_SENDTARGETS),
        RecordKey(f"{_SENDTARGETS}.timeo.login_timeout", _SOME_SECONDS),
    ),
    RecordKey(f"{_SENDTARGETS}.reopen_max", Number(-1, _INT32)),
    RecordKey(f"{_SENDTARGETS}.timeo.auth_timeout", _SECONDS),
    RecordKey(f"{_SENDTARGETS}.timeo.active_timeout", _SOME_SECONDS),
    RecordKey(f"{_SENDTARGETS}.iscsi.MaxRecvDataSegmentLength", _LENGTH),
)


def _keys_by_name(keys: Iterable[RecordKey]) -> Mapping[str, RecordKey]:
    return {key.name: key for key in keys}


#: The settings of each kind of record, by name, in the order in which open-iscsi writes them.
KEYS: Final[Mapping[Scope, Mapping[str, RecordKey]]] = {
    "node": _keys_by_name(_NODE_KEYS),
    "iface": _keys_by_name(_IFACE_KEYS),
    "sendtargets": _keys_by_name(_DISCOVERY_KEYS),
    "isns": _keys_by_name(_discovery_keys("isns")),
}
